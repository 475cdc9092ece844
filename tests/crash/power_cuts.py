#!/usr/bin/python3
"""Every durable configuration in the states that a power cut may leave. Speaks TAP.

store_crash does it (one run is recorded, call by call; its states are made and opened); a sample here, `make crash` is
all of it: with --full at least 10 000 distinct states a configuration, and recoveries that are cut short in their turn.
As a control the same record forgets its syncs, and the checker must see what that costs.
"""
import argparse
import os
import re
import subprocess
import sys

BUILD = os.environ.get("VIV_BUILD_DIR", ".")
LEAST_STATES = 10000
# How many states by lot at every moment: RocksDB makes more calls, and opens slowly.
SUBSETS = {"rocksdb-wal": 12}
SUBSETS_USUAL = 30
# One in so many of the states is tried, twice as many with VIV_LONG=1.
SAMPLES = {"rocksdb-wal": 1000}
SAMPLE_USUAL = 160
CONTROL_SAMPLES = {"rocksdb-wal": 6000}
CONTROL_SAMPLE_USUAL = 3000
IS_LONG = bool(os.environ.get("VIV_LONG"))
LINE = re.compile(r"(\d+) calls, (\d+) distinct states and (\d+) of interrupted recoveries, (\d+) violations")


def run(configuration, arguments, number, name, check):
    """Prints one line of TAP and what store_crash said; returns whether it was as it should be."""
    ran = subprocess.run([os.path.join(BUILD, "store_crash"), configuration, *map(str, arguments)],
                         capture_output=True, text=True, timeout=3600, check=False)
    found = LINE.search(ran.stdout)
    good = ran.returncode == 0 and found is not None and check(*map(int, found.groups()))
    print(f"{'ok' if good else 'not ok'} {number} - {configuration}: {name}")
    for line in (ran.stdout + ran.stderr[-2000:]).splitlines():
        print("#", line.lstrip("# "))
    sys.stdout.flush()
    return good


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    listed = subprocess.run([os.path.join(BUILD, "store_driver"), "list"], capture_output=True, text=True, check=True)
    configurations = listed.stdout.split()
    good = True
    number = 0
    seed = ["--seed", options.seed]
    for configuration in configurations:
        subsets = SUBSETS.get(configuration, SUBSETS_USUAL)
        how = ["--subsets", subsets, "--nested", 20] if options.full else \
            ["--subsets", 1, "--one-in", SAMPLES.get(configuration, SAMPLE_USUAL) // (1 + IS_LONG), "--nested", 15]
        least = LEAST_STATES if options.full else 10
        good &= run(configuration, seed + how, number + 1, "nothing acknowledged is lost in a power cut",
                    lambda calls, states, nested, violations: states >= least and nested > 0 and violations == 0)
        sample = 100 if options.full else CONTROL_SAMPLES.get(configuration, CONTROL_SAMPLE_USUAL) // (1 + IS_LONG)
        good &= run(configuration, seed + ["--no-syncs", "--subsets", 1, "--one-in", sample], number + 2,
                    "control: without syncs something is",
                    lambda calls, states, nested, violations: violations > 0)
        number += 2
    print(f"1..{number}")
    return 0 if good else 1


sys.exit(main())
