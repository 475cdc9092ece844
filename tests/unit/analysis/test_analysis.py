"""What the paper's numbers are made of: intervals against numbers found by hand, tables of a tiny run, the lock. TAP on
standard output; needs no library.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
ANALYSIS = os.path.join(HERE, "..", "..", "..", "experiments", "analysis")
sys.path[:0] = [os.path.join(HERE, "..", "..", "support"), ANALYSIS]
from ensemble import Tap  # noqa: E402

import generate  # noqa: E402
import intervals  # noqa: E402
import lock as lock_command  # noqa: E402
import locks  # noqa: E402
import measures  # noqa: E402
import placement  # noqa: E402
import published  # noqa: E402
import tables  # noqa: E402
import tex  # noqa: E402
from results import ResultsError, Run  # noqa: E402

TOP = os.path.join(HERE, "..", "..", "..")
# cell: writes per second of its trials
RATES = {"flat": [1000, 3000, 2000], "flat.control": [2200, 2200, 2200], "zookeeper": [100, 200, 400]}
PARTS = {"detect": 30.0, "elect": 1.0, "discover": 4.0, "sync": 2.0, "activate": 2.5, "reconnect": 0.5, "ramp": 0.0}


def write_json(path, value):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(value, f)


def cell_record(name):
    ours = name != "zookeeper"
    cell = {"name": name, "label": name.removesuffix(".control"), "system": "vivarium" if ours else "zookeeper",
            "backend": "flat" if ours else None, "durability": "sync", "control": name.endswith(".control"),
            "servers": 3, "tick_ms": 500, "sync_limit_ticks": 5, "snapshot_entries": 1000, "value_bytes": 100}
    return cell if ours else dict(cell, heap_bytes=4 << 30)


def trial_records(cell, number, rate, valid):
    recovery = {"t": "recovery", "step": "kill-leader", "kind": "failover", "whole_ms": 40.0,
                "parts_ms": PARTS if cell != "zookeeper" else None}
    return [
        {"t": "header", "plan": "tiny", "cell": cell, "trial": number},
        {"t": "setup", "znodes": 7},
        {"t": "step", "name": "set-16x100", "do": "load", "ops_s": float(rate), "p50_us": 50,
         "cpu_srv_us_per_op": 5.0},
        {"t": "step", "name": "kill-leader", "do": "kill"},
        recovery,
        {"t": "step", "name": "cold-start", "do": "cold-start", "rss_mb": [10.0, None, 20.0], "disk_mb": [1.0, 2.0]},
        {"t": "summary", "state": "ok", "valid": valid, "invalid_why": [] if valid else ["the client was too slow"],
         "checked": 10, "lost_acked": 0, "violations": 0, "steal_pct": 0.1},
    ]


def tiny_run(folder):
    """A run of three cells and three trials; one more, of ZooKeeper, is invalid and far off."""
    os.makedirs(os.path.join(folder, "trials"))
    slots = [{"cell": cell, "trial": i + 1} for cell in RATES for i in range(3)] + [{"cell": "zookeeper", "trial": 4}]
    steps = [{"name": "set-16x100", "do": "load", "clients": 16, "pipeline": 100, "measure_ms": 2000.0},
             {"name": "kill-leader", "do": "kill", "target": "leader", "rate_per_s": 1000.0},
             {"name": "cold-start", "do": "cold-start"}]
    write_json(os.path.join(folder, "resolved.json"), {
        "name": "tiny", "question": "Is it 100 % right?", "trials": 3, "cells": [cell_record(cell) for cell in RATES],
        "steps": steps, "order": slots})
    write_json(os.path.join(folder, "provenance.json"), {
        "started_utc": "2026-01-02T03:04:05Z",
        "systems": {"vivarium": "vivarium 9.8.7", "zookeeper": "Apache ZooKeeper 3"},
        "build": {"commit": "0123456789", "dirty": True}, "kernel": {"release": "6", "distribution": "Debian"},
        "hardware": {"cpus_online": 2, "cpu_model": "X_1", "memory_gb": 8.0}, "disk": {"filesystem": "ext4"}})
    quantiles = {"p50_us": 70, "p99_us": 700}
    write_json(os.path.join(folder, "calibration.json"), {"fdatasync_4k": quantiles, "loopback_round_trip": quantiles})
    trials = [(cell, i + 1, rate, True) for cell, rates in RATES.items() for i, rate in enumerate(rates)]
    for cell, number, rate, valid in trials + [("zookeeper", 4, 99999, False)]:
        with open(os.path.join(folder, "trials", "%s-%d.jsonl" % (cell, number)), "w", encoding="utf-8") as f:
            f.writelines(json.dumps(record) + "\n" for record in trial_records(cell, number, rate, valid))


def check_intervals(tap):
    tap.ok(intervals.median([5, 1, 3]) == 3 and intervals.median([4, 1, 3, 2]) == 2.5, "medians are the middle")
    # Three values: a resample's median is the least with 7 of 27, the middle one with 13, the largest with 7.
    three = intervals.median_distribution([1, 2, 10])
    expected = {1: 7 / 27, 2: 13 / 27, 10: 7 / 27}
    tap.ok(three.keys() == expected.keys() and all(abs(three[v] - expected[v]) < 1e-12 for v in expected),
           "all resamples of three values are counted", three)
    tap.ok(intervals.median_interval([10, 1, 2]) == (1, 10), "three trials give their range")
    # Seven values: P(median <= least) = P(Bin(7, 1/7) >= 4) = 0.010 < 2.5 %, P(median <= second) = 0.085.
    tap.ok(intervals.median_interval(range(1, 8)) == (2, 6), "seven trials give their range without its ends",
           intervals.median_interval(range(1, 8)))
    # Two values each: the median of [2, 4] is 2, 3 or 4 (1/4, 1/2, 1/4), that of [1, 1] is 1.
    tap.ok(intervals.ratio_interval([2, 4], [1, 1]) == (2, 4), "a ratio's interval comes from both sides")
    many = list(range(100))
    first, second = intervals.median_interval(many), intervals.median_interval(many)
    tap.ok(first == second and 30 <= first[0] < 49.5 < first[1] <= 70, "many trials are drawn, the same way every time",
           first)


def check_measures(tap, run):
    row = measures.rows(run)[0]
    tap.ok((row.step, row.measure.name, row.median("flat")) == ("set-16x100", "throughput", 2000),
           "medians are per cell")
    tap.ok(row.median("zookeeper") == 200, "a trial that is not valid does not count", row.values)
    tap.ok(abs(row.noise - 0.1) < 1e-12, "the noise floor is the difference of the identical pair", row.noise)
    tap.ok(row.ratio("flat", "zookeeper") == (10, 2.5, 30), "ratios are of medians, with their interval",
           row.ratio("flat", "zookeeper"))
    tap.ok(row.verdict("flat", "zookeeper") == "higher" and row.verdict("flat.control", "flat") == "same",
           "a difference below the noise floor is none")
    memory = [row for row in measures.rows(run) if row.measure.name == "memory"][0]
    tap.ok(memory.median("flat") == 15, "a list holds a number a server, absent ones left out")


def check_tables(tap, run):
    tap.ok(tex.number(103456) == r"103\,000" and tex.number(0.0456) == "0.046" and tex.number(None) == "n/a",
           "numbers have three digits")
    tap.ok(tex.escape("50 % of a_b & c") == r"50 \% of a\_b \& c", "text cannot break LaTeX")
    text = tables.comparison(run, "load")
    tap.ok(r"throughput (ops/s) & 2\,000 {\footnotesize($\times$10.0)} & 200 & $\pm$10\,\%" in text
           and r"[1\,000, 3\,000]" in text, "a table holds medians, ratios, intervals and the noise floor", text)
    tap.ok("flat.control" not in text, "the control is no column of its own")
    tap.ok("zookeeper, trial 4: the client was too slow" in tables.failures(run),
           "a failed trial is named with its reason")
    numbers = tex.Numbers()
    tables.quote_comparison(run, numbers)
    tap.ok(numbers.values["flat/set-16x100/throughput"] == r"2\,000" and numbers.values["flat/get-1x1/p50"] == "n/a",
           "the text can quote what was measured, and n/a for what was not")
    tap.ok(numbers.values["flat/kill-leader/detect-share"] == r"75\,\%", "detection is a share of the whole",
           numbers.values["flat/kill-leader/detect-share"])
    tap.ok(numbers.values["zookeeper/kill-leader/part/detect"] == "n/a", "parts that nobody told are n/a")


def check_published(tap):
    folder = os.path.join(TOP, "datasets", "published")
    numbers = tex.Numbers()
    published.quote(folder, numbers)
    tap.ok(numbers.values["published/atc10/write-3"] == r"21\,000", "published values come from their files")
    try:
        published.lookup(folder, "chen_qos_fd.csv", {"mark": "recalled"}, "max:value")
        refused = False
    except published.PublishedError:
        refused = True
    tap.ok(refused, "a value that was only recalled is refused")
    tap.ok(placement.formula_join(3) == 0.75 and placement.formula_leave(4) == 0.75,
           "the formula's movement is arithmetic")


def check_lock(tap, folder):
    top = os.path.join(folder, "repository")
    os.makedirs(os.path.join(top, "paper"))
    os.makedirs(os.path.join(top, "datasets"))
    os.symlink(os.path.abspath(os.path.join(TOP, "datasets", "published")), os.path.join(top, "datasets", "published"))
    experiment, place = lock_command.lock(top, os.path.join(folder, "run"))
    tap.ok((experiment, place) == ("comparison", "experiments/results/tiny/run"), "a run is locked by one command")
    out = os.path.join(folder, "generated")
    generate.generate(top, out, None)
    with open(os.path.join(out, "numbers.tex"), encoding="utf-8") as f:
        text = f.read()
    tap.ok(r"\defineV{source/comparison}{the locked run}" in text and r"\defineV{comparison/lost}{0}" in text,
           "the paper's numbers come from the locked run", text[:300])
    if os.path.isdir(os.path.join(TOP, ".git")) and shutil.which("git"):
        subprocess.run(["git", "init", "-q", top], check=True)
        os.makedirs(os.path.join(top, "experiments", "results", "tiny", "other"))
        shutil.copy(os.path.join(folder, "run", "resolved.json"), os.path.join(top, "experiments/results/tiny/other"))
        seen = subprocess.run(["git", "-C", top, "status", "--short", "-uall", "experiments"], capture_output=True,
                              text=True, check=True).stdout
        tap.ok("tiny/run/resolved.json" in seen and "tiny/other" not in seen, "git sees the locked run only", seen)
    else:
        tap.skip("git sees the locked run only", "this is no git checkout")
    with open(os.path.join(top, place, "summary.json"), "w", encoding="utf-8") as f:
        f.write("{}")
    generate.generate(top, out, None)
    with open(os.path.join(top, place, "trials", "flat-1.jsonl"), "a", encoding="utf-8") as f:
        f.write("\n")
    try:
        generate.generate(top, out, None)
        refused = False
    except ResultsError as error:
        refused = "results.lock" in str(error)
    tap.ok(refused, "records that changed since they were locked are refused")
    shutil.rmtree(os.path.join(top, place))
    run, where = locks.find(top, "comparison", locks.read(os.path.join(top, "paper", "results.lock"))["comparison"],
                            Run(os.path.join(folder, "run")))
    tap.ok(run is not None and "not locked" in where, "where the locked run is not there, another is used and named")


def main():
    tap = Tap()
    folder = tempfile.mkdtemp()
    try:
        check_intervals(tap)
        tiny_run(os.path.join(folder, "run"))
        run = Run(os.path.join(folder, "run"))
        check_measures(tap, run)
        check_tables(tap, run)
        check_published(tap)
        check_lock(tap, folder)
    finally:
        shutil.rmtree(folder)
    tap.done()
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
