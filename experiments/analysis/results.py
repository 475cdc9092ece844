"""Reads a results folder that `vivarium-lab run` wrote. Knows the files and their records, draws no conclusions.

A trial's file holds one JSON object a line; `t` names its type (experiments/lab/README.md lists them).
"""

import json
import os


class ResultsError(Exception):
    """The folder is not what it should be; the text says what and where."""


def _read_json(path):
    try:
        with open(path, encoding="utf-8") as f:
            return json.load(f)
    except (OSError, ValueError) as error:
        raise ResultsError("%s: %s" % (path, error)) from error


class Trial:
    """One life of one cell: its records, by type."""

    def __init__(self, path):
        self.path = path
        self.records = {}
        with open(path, encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                try:
                    record = json.loads(line)
                    self.records.setdefault(record["t"], []).append(record)
                except (ValueError, KeyError, TypeError) as error:
                    raise ResultsError("%s:%d: not a record: %s" % (path, number, error)) from error
        if len(self.of("header")) != 1 or len(self.of("summary")) != 1:
            raise ResultsError("%s: a trial has one header and one summary" % path)
        self.cell = self.of("header")[0]["cell"]
        self.number = self.of("header")[0]["trial"]
        self.summary = self.of("summary")[0]

    def of(self, kind):
        return self.records.get(kind, [])

    def first(self, kind, /, **fields):
        """The first record of that type with those fields, or None."""
        for record in self.of(kind):
            if all(record.get(name) == value for name, value in fields.items()):
                return record
        return None

    @property
    def valid(self):
        return self.summary["state"] == "ok" and self.summary["valid"]

    @property
    def why(self):
        """Why the trial does not count."""
        reasons = [self.summary.get("why", "")] + self.summary.get("invalid_why", [])
        return "; ".join(reason for reason in reasons if reason) or self.summary["state"]


class Run:
    """One run of a plan: what was asked, on what, and every trial."""

    def __init__(self, folder):
        self.folder = folder
        self.plan = _read_json(os.path.join(folder, "resolved.json"))
        self.provenance = _read_json(os.path.join(folder, "provenance.json"))
        self.calibration = _read_json(os.path.join(folder, "calibration.json"))
        self.cells = self.plan["cells"]
        self.steps = self.plan["steps"]
        directory = os.path.join(folder, "trials")
        if not os.path.isdir(directory):
            raise ResultsError("%s: no trials" % folder)
        names = sorted(name for name in os.listdir(directory) if name.endswith(".jsonl"))
        self.trials = [Trial(os.path.join(directory, name)) for name in names]
        if not self.trials:
            raise ResultsError("%s: no trials" % folder)

    @property
    def is_placement(self):
        """Whether the plan compares partition schemes as functions, without servers."""
        return all(cell["system"] == "partition" for cell in self.cells)

    def valid_trials(self, cell):
        return [trial for trial in self.trials if trial.cell == cell and trial.valid]

    def control_pair(self):
        """The names of the two identical cells, or None."""
        names = {cell["name"] for cell in self.cells}
        for cell in self.cells:
            twin = cell["name"].removesuffix(".control")
            if cell["control"] and twin in names:
                return twin, cell["name"]
        return None
