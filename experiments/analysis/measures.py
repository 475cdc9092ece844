"""What is read from the trials of a run, and what may be said about it: medians, intervals, ratios, the noise floor."""

from typing import NamedTuple

from intervals import median, median_interval, ratio_interval


class Measure(NamedTuple):
    """Where a figure is read: the field `key` of a step's record, or of the recovery of that kind."""

    name: str
    does: tuple  # kinds of step that have it
    record: str  # "step" or a kind of recovery
    key: str
    label: str
    unit: str


OUTAGES = ("kill", "stop", "term", "freeze-sync")
MEASURES = (
    Measure("throughput", ("load",), "step", "ops_s", "throughput", "ops/s"),
    Measure("p50", ("load",), "step", "p50_us", "median latency", "µs"),
    Measure("p99", ("load",), "step", "p99_us", "99th percentile", "µs"),
    Measure("cpu", ("load",), "step", "cpu_srv_us_per_op", "CPU of all servers per op", "µs"),
    Measure("silence", OUTAGES, "failover", "whole_ms", "no write acknowledged for", "ms"),
    Measure("full", OUTAGES, "failover", "full_ms", "full throughput after", "ms"),
    Measure("silence", ("restart",), "follower-loss", "whole_ms", "no write acknowledged for", "ms"),
    Measure("back", ("kill", "restart", "term"), "restart", "whole_ms", "the killed server answers after", "ms"),
    Measure("warm", ("restart",), "restart", "full_ms", "the killed server is warm after", "ms"),
    Measure("cold", ("cold-start",), "cold", "whole_ms", "first answer after", "ms"),
    Measure("memory", ("cold-start",), "step", "rss_mb", "resident memory a server", "MB"),
    Measure("disk", ("cold-start",), "step", "disk_mb", "disk a server", "MB"),
)


def _number(value):
    """A list holds one element a server and counts as its mean."""
    if isinstance(value, list):
        present = [element for element in value if element is not None]
        return sum(present) / len(present) if present else None
    return value


def read(trial, step, measure):
    """The figure of one trial, or None when it was not measured."""
    if measure.record == "step":
        record = trial.first("step", name=step)
    else:
        record = trial.first("recovery", step=step, kind=measure.record)
    return None if record is None else _number(record.get(measure.key))


class Row:
    """One measure of one step over all cells of a run."""

    def __init__(self, run, step, measure):
        self.step = step["name"]
        self.measure = measure
        self.values = {}
        for cell in run.cells:
            numbers = [read(trial, self.step, measure) for trial in run.valid_trials(cell["name"])]
            self.values[cell["name"]] = [number for number in numbers if number is not None]
        self.noise = self._noise(run.control_pair())

    def _noise(self, pair):
        """By how much two identical cells differ, as a share; None without such a pair."""
        if pair is None or not all(self.values[name] for name in pair):
            return None
        base = self.median(pair[0])
        return abs(self.median(pair[1]) / base - 1) if base > 0 else None

    def median(self, cell):
        return median(self.values[cell]) if self.values.get(cell) else None

    def interval(self, cell):
        """(low, high), or None: one or two values have none."""
        return median_interval(self.values[cell]) if len(self.values.get(cell, ())) > 2 else None

    def ratio(self, cell, reference):
        """(ratio, low, high) of the medians, or None where one of them has no interval."""
        above, below = self.values.get(cell), self.values.get(reference)
        if min(len(above or ()), len(below or ())) < 3 or median(below) <= 0:
            return None
        return (median(above) / median(below),) + ratio_interval(above, below)

    def verdict(self, cell, reference):
        """higher, lower, same (not told apart from the noise) or None (not measured)."""
        ratio = self.ratio(cell, reference)
        if ratio is None:
            return None
        value, low, high = ratio
        if low <= 1 <= high or (self.noise is not None and abs(value - 1) <= self.noise):
            return "same"
        return "higher" if value > 1 else "lower"


def rows(run):
    """All measures of all steps, in the plan's order."""
    found = [Row(run, step, measure) for step in run.steps for measure in MEASURES if step["do"] in measure.does]
    return [row for row in found if any(row.values.values())]


def reference(run):
    """The cell the others are compared with: ZooKeeper where the plan has it, else the first."""
    for cell in run.cells:
        if cell["system"] == "zookeeper":
            return cell["name"]
    return run.cells[0]["name"]


def compared(run):
    """The cells a table shows: all but the control."""
    return [cell for cell in run.cells if not cell["control"]]


def median_trial(run, cell, step, kind):
    """(trial, recovery) of the valid trial whose recovery is nearest to the median, or None."""
    found = [(trial, trial.first("recovery", step=step, kind=kind)) for trial in run.valid_trials(cell)]
    found = [(trial, recovery) for trial, recovery in found if recovery is not None]
    if not found:
        return None
    middle = median([recovery["whole_ms"] for _, recovery in found])
    return min(found, key=lambda pair: abs(pair[1]["whole_ms"] - middle))
