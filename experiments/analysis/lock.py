#!/usr/bin/python3
"""lock.py FOLDER: makes a results folder the one the paper is generated from.

Copies it to experiments/results/<plan>/<name> unless it is there already, writes its digest to paper/results.lock, and
lets git see that folder (experiments/results/.gitignore). A plan of partition schemes becomes the experiment `schemes`,
the plans `failover` and `million` those of their names, any other `comparison`. A folder that was locked before stays
where it is.
"""

import os
import shutil
import sys

sys.dont_write_bytecode = True

import locks  # noqa: E402
from results import ResultsError, Run  # noqa: E402


def lock(top, folder):
    """Returns the folder's place in the repository."""
    run = Run(folder)
    experiment = locks.experiment_of(run)
    name = os.path.basename(os.path.realpath(folder))
    place = os.path.join("experiments", "results", run.plan["name"], name)
    target = os.path.join(top, place)
    if os.path.realpath(target) != os.path.realpath(folder):
        shutil.copytree(folder, target, dirs_exist_ok=False, ignore=shutil.ignore_patterns("work"))
    path = os.path.join(top, "paper", "results.lock")
    entries = locks.read(path)
    entries[experiment] = {"folder": place, "sha256": locks.digest(target)}
    locks.write(path, entries)
    with open(os.path.join(top, "experiments", "results", ".gitignore"), "w", encoding="utf-8") as f:
        f.write(gitignore(entries))
    return experiment, place


def gitignore(entries):
    """Everything below experiments/results/ but the locked folders."""
    lines = ["# Written by experiments/analysis/lock.py: runs stay out of git, but for those the paper is made of.",
             "/*", "!/.gitignore"]
    for entry in sorted(entries.values(), key=lambda entry: entry["folder"]):
        plan, name = entry["folder"].split("/")[-2:]
        lines += ["!/%s/" % plan, "/%s/*" % plan, "!/%s/%s/" % (plan, name)]
    return "\n".join(lines) + "\n"


def main():
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__.strip())
        return 0 if sys.argv[1:] in (["-h"], ["--help"]) else 2
    top = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    try:
        experiment, place = lock(os.path.normpath(top), sys.argv[1])
    except (ResultsError, OSError) as error:
        print("lock.py: %s" % error, file=sys.stderr)
        return 1
    print("%s: %s\nNow: git add experiments/results paper/results.lock" % (experiment, place))
    return 0


if __name__ == "__main__":
    sys.exit(main())
