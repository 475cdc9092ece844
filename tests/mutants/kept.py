"""What a run leaves: a file of answers a row, good for as long as the sources and the row stay as they are, and the matrix."""

import collections
import hashlib
import json
import os
import re
import subprocess

from finders import SIMULATOR

JUDGED_BY = ("engine", "backends", "tests/unit", "tests/contract", "tests/support")
ROW = "%-72s | %-40s | %-38s | %-72s | %s"
SOURCES = (".c", ".h", ".def", ".mk", ".l", ".y")


def digest_of(top):
    """Of all that the finders are built of."""
    digest = hashlib.sha256()
    for part in JUDGED_BY:
        for folder, folders, files in os.walk(os.path.join(top, part)):
            folders.sort()
            for name in sorted(files):
                if name.endswith(SOURCES):
                    path = os.path.join(folder, name)
                    with open(path, "rb") as f:
                        digest.update(path[len(top):].encode() + b"\0" + hashlib.sha256(f.read()).digest())
    return digest.hexdigest()


class Kept:
    def __init__(self, work, top):
        self.sources = digest_of(top)
        self.folder = os.path.join(work, "answers")
        os.makedirs(self.folder, exist_ok=True)

    def place(self, what):
        words = re.sub("[^a-z0-9]+", "-", what[0].lower())[:60]
        key = hashlib.sha256((self.sources + repr(what)).encode()).hexdigest()[:12]
        return os.path.join(self.folder, "%s-%s.json" % (words, key))

    def read(self, what):
        try:
            with open(self.place(what)) as f:
                return json.load(f)
        except FileNotFoundError:
            return {}

    def write(self, what, answers):
        with open(self.place(what) + ".new", "w") as f:
            json.dump(answers, f)
        os.rename(f.name, self.place(what))

    def once(self, name, ask):
        """The answer that is kept, or that of ask, which is kept from now on."""
        answers = self.read([name])
        if "answer" not in answers:
            answers["answer"] = ask()
            self.write([name], answers)
        return answers["answer"]


def columns(row):
    """What a program found, what the simulator found."""
    programs = [(finder, what) for finder, what in row.items() if finder != SIMULATOR]
    found = ["%s %s" % (finder, what) for finder, what in programs if what]
    simulated = row.get(SIMULATOR) or "-" if SIMULATOR in row else "not asked"
    return found[0] if found else "-" if programs else "not asked", simulated


def row_text(mutant, row):
    by = ("not judged", "") if row is None else columns(row)
    return ROW % (mutant[0], mutant[1], mutant[3], *by)


def commit_of(top):
    named = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=top, capture_output=True, text=True)
    return named.stdout.strip() or "unknown"


def matrix_text(rows, seeds, top):
    """The rows, and how many each finder found."""
    tally = collections.Counter()
    for _, row in rows:
        for finder, what in (row or {}).items():
            if what:
                tally[finder if finder != SIMULATOR else "the simulator: " + what.split(", seed")[0]] += 1
    lines = ["commit %s, %d seeds: %d of %d mutants found" % (commit_of(top), seeds, sum(any((row or {}).values())
                                                            for _, row in rows), len(rows)), ""]
    lines += ["%4d %s" % (count, finder) for finder, count in sorted(tally.items(), key=lambda item: (-item[1], item[0]))]
    lines += ["", ROW % ("mutant", "known from", "what must die", "test program", "simulator")]
    return "\n".join(lines + [row_text(mutant, row) for mutant, row in rows]) + "\n"


def last_finders(path):
    """{mutant: {finder: what it found}} of a matrix that was kept."""
    found = {}
    if not os.path.exists(path):
        return found
    with open(path) as f:
        for line in f:
            cells = [cell.strip() for cell in line.split(" | ")]
            if len(cells) != 5:
                continue
            row = found.setdefault(cells[0], {})
            program, _, test = cells[3].partition(" ")
            seed = re.search(r", seed (\d+)$", cells[4])
            if "/" in test:
                row[program] = test
            if seed:
                row[SIMULATOR] = seed.group(1)
    return found
