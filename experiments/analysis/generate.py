#!/usr/bin/python3
"""generate.py --top DIR --out DIR [--results DIR]: tables, figures and numbers of the paper from its locked results.

A lock that names a folder which is not there gives way to --results, or else to the newest run of this copy, and the
paper says so. A locked folder with other content than was locked is an error.
"""

import argparse
import os
import sys

sys.dont_write_bytecode = True

import intervals  # noqa: E402
import locks  # noqa: E402
import placement  # noqa: E402
import published  # noqa: E402
import tables  # noqa: E402
import tex  # noqa: E402
from results import ResultsError, Run  # noqa: E402


def write(folder, name, text):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
        f.write("%% Made by experiments/analysis/generate.py. Do not edit.\n" + text)


def write_comparison(run, out, numbers):
    for section in tables.SECTIONS:
        write(out, section + ".tex", tables.comparison(run, section))
    write(out, "fairness.tex", tables.fairness(run))
    write(out, "noise.tex", tables.noise(run))
    tables.quote_run(run, numbers, "comparison")
    trials = range(run.plan["trials"])
    whole = intervals.median_interval(trials) == (trials[0], trials[-1])
    numbers.set("interval-shape", "the range of the trials" if whole else "a part of the range of the trials")
    numbers.set("level", tex.percent(intervals.LEVEL))
    tables.quote_comparison(run, numbers)


def write_schemes(run, out, numbers, source):
    placement.quote(run, numbers)
    bins = placement.BINS[1]
    write(out, "schemes.tex", placement.table(run, bins) if run else "\\emph{Not run: %s.}\n" % tex.escape(source))
    numbers.set("schemes/trials", str(run.plan["trials"]) if run else tex.MISSING)
    numbers.set("schemes/keys", tex.number(run.cells[0]["keys"]) if run else tex.MISSING)
    numbers.set("schemes/vnodes", tex.number(run.cells[0]["vnodes"]) if run else tex.MISSING)
    numbers.set("schemes/bins", str(bins))


def write_own(name, run, out, source):
    for section in tables.SECTIONS:
        missing = "\\emph{Not run: %s.}\n" % tex.escape(source)
        write(out, "%s-%s.tex" % (name, section), tables.comparison(run, section) if run else missing)


def generate(top, out, given):
    os.makedirs(out, exist_ok=True)
    lock = locks.read(os.path.join(top, "paper", "results.lock"))
    found = {name: locks.find(top, name, lock.get(name), given) for name in locks.EXPERIMENTS}
    comparison, source = found["comparison"]
    schemes, schemes_source = found["schemes"]
    if comparison is None:
        raise ResultsError("%s: run ./bootstrap demo first, or name a folder with RESULTS=DIR" % source)
    numbers = tex.Numbers()
    write_comparison(comparison, out, numbers)
    write_schemes(schemes, out, numbers, schemes_source)
    for name in locks.OWN:
        write_own(name, found[name][0], out, found[name][1])
    tables.quote_outages(found["failover"][0], numbers)
    published.quote(os.path.join(top, "datasets", "published"), numbers)
    published.quote_formula(numbers, placement.BINS)
    for name, (run, where) in found.items():
        numbers.set("source/" + name, where)
        folder = os.path.basename(run.folder.rstrip("/")) if run else tex.MISSING
        numbers.set("source/%s/name" % name, tex.escape(folder))
        print("%s: %s%s" % (name, where, " (%s)" % run.folder if run else ""))
    write(out, "numbers.tex", numbers.render())
    return comparison, schemes


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--top", required=True, help="the repository")
    parser.add_argument("--out", required=True, help="where the files go")
    parser.add_argument("--results", default="", help="a results folder, used where the locked one is not there")
    options = parser.parse_args()
    try:
        given = Run(options.results) if options.results else None
        comparison, schemes = generate(options.top, options.out, given)
    except (ResultsError, published.PublishedError, OSError) as error:
        print("generate.py: %s" % error, file=sys.stderr)
        return 1
    import plots  # late: the tables need no library

    plots.comparison(comparison, options.out)
    if schemes:
        plots.movement(schemes, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
