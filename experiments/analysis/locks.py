"""Which results the paper is made of. paper/results.lock names, for each experiment, a folder of this repository and
the SHA-256 over its records (not over report.html and summary.json, which `vivarium-lab report` makes from them)."""

import hashlib
import json
import os

from results import ResultsError, Run

DERIVED = ("report.html", "summary.json")
# What the paper needs: an experiment, and the folder under experiments/results/ where its newest run is looked for.
EXPERIMENTS = {"comparison": "quick", "failover": "failover", "million": "million", "schemes": "schemes"}
# Of these, the plans that stand for nothing but themselves.
OWN = ("failover", "million")


def digest(folder):
    """SHA-256 over the names, sizes and bytes of all records, in the order of their names."""
    total = hashlib.sha256()
    names = []
    for directory, _, files in os.walk(folder):
        names += [os.path.relpath(os.path.join(directory, name), folder) for name in files if name not in DERIVED]
    for name in sorted(names):
        with open(os.path.join(folder, name), "rb") as f:
            content = f.read()
        total.update(b"%s\0%d\0" % (name.encode(), len(content)))
        total.update(content)
    return total.hexdigest()


def experiment_of(run):
    if run.is_placement:
        return "schemes"
    return run.plan["name"] if run.plan["name"] in OWN else "comparison"


def read(path):
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def write(path, lock):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(lock, f, indent=2, sort_keys=True)
        f.write("\n")


def newest(folder):
    """The run in that folder that began last (names begin with the time), or None."""
    names = sorted(os.listdir(folder), reverse=True) if os.path.isdir(folder) else []
    for name in names:
        if os.path.exists(os.path.join(folder, name, "resolved.json")):
            return os.path.join(folder, name)
    return None


def find(top, experiment, entry, given):
    """(run, where it comes from) for one experiment; (None, why) when there is none. `given` is a run that the user
    named, or None. A folder that is not what was locked is an error."""
    if entry and os.path.isdir(os.path.join(top, entry["folder"])):
        folder = os.path.join(top, entry["folder"])
        if digest(folder) != entry["sha256"]:
            raise ResultsError("%s is not what paper/results.lock names: its records were changed. Restore them, or "
                               "lock the new ones with experiments/analysis/lock.py" % entry["folder"])
        return Run(folder), "the locked run"
    if given and experiment_of(given) == experiment:
        return given, "a run given by hand, not locked"
    folder = newest(os.path.join(top, "experiments", "results", EXPERIMENTS[experiment]))
    if folder:
        return Run(folder), "the newest run of this copy, not locked"
    return None, "no run of experiments/%s.yaml" % EXPERIMENTS[experiment]
