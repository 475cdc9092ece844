#!/usr/bin/env python3
"""Kills and fails the stores at every system call that changes a file, and checks what is left. Speaks TAP.

One run per (configuration, kind of fault, call). VIV_SWEEP=full makes every run, otherwise a spread-out sample is
taken. A failure prints the command that repeats it.
"""
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

BUILD = os.environ.get("VIV_BUILD_DIR", ".")
DRIVER = os.path.join(BUILD, "store_driver")
SHIM = os.path.join(BUILD, "syscall_shim.so")
FULL = os.environ.get("VIV_SWEEP") == "full"
LONG = FULL or bool(os.environ.get("VIV_LONG"))
SAMPLES = {"kill": 24, "torn": 10, "eio": 12, "dead": 6, "full": 8}  # VIV_LONG=1; else a half, of further configurations a quarter
TIMEOUT_S = 60


def run_driver(arguments, at=0, fault="", stdin=None):
    env = dict(os.environ, LD_PRELOAD=SHIM, VIV_SHIM_AT=str(at), VIV_SHIM_DO=fault,
               ASAN_OPTIONS="verify_asan_link_order=0:detect_leaks=0")
    return subprocess.run([DRIVER, *arguments], env=env, input=stdin, capture_output=True, text=True,
                          timeout=TIMEOUT_S, check=False)


def verdict(configuration, fault, at, mode=None):
    """Runs the workload into the fault and reopens what is left: None, or what is wrong."""
    folder = tempfile.mkdtemp(prefix="viv-sweep-")
    try:
        extra = [mode] if mode else []
        ran = run_driver(["run", configuration, folder, *extra], at, fault)
        if ran.returncode not in (0, 3, 137):
            return f"the run ended with {ran.returncode}: {ran.stderr[-300:]}"
        checked = run_driver(["check", configuration, folder], stdin=ran.stdout)
        if checked.returncode == 0:
            return None
        return f"{checked.stdout.strip()} {checked.stderr.strip()[-300:]}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def count_calls(configuration):
    folder = tempfile.mkdtemp(prefix="viv-sweep-")
    try:
        ran = run_driver(["run", configuration, folder])
        last = ran.stdout.splitlines()[-1].split() if ran.stdout else []
        if ran.returncode != 0 or last[:1] != ["calls"] or int(last[1]) == 0:
            return 0, f"{ran.returncode} {ran.stdout[-200:]} {ran.stderr[-300:]}"
        checked = run_driver(["check", configuration, folder], stdin=ran.stdout)
        return int(last[1]), None if checked.returncode == 0 else checked.stdout.strip()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def spread(total, samples):
    """Call numbers from 1 to total; the first ones, where files are made, always."""
    if FULL or total <= samples:
        return range(1, total + 1)
    return sorted({1 + i * (total - 1) // (samples - 1) for i in range(samples)})


def report(number, name, problems):
    print(("ok" if not problems else "not ok"), number, "-", name)
    for problem in problems[:5]:
        print("#", problem.replace("\n", " "))
    sys.stdout.flush()
    return not problems


def sweep(pool, configuration, fault, total, share):
    calls = list(spread(total, max(2, SAMPLES[fault] // share)))
    verdicts = pool.map(lambda at: verdict(configuration, fault, at), calls)
    return calls, [f"{what}; repeat: VIV_SHIM_AT={at} VIV_SHIM_DO={fault} {configuration}"
                   for at, what in zip(calls, verdicts) if what]


def control(pool, configuration, fault, mode, total):
    """A store that lies must be caught at one call at least."""
    caught = [what for what in pool.map(lambda at: verdict(configuration, fault, at, mode), spread(total, 12)) if what]
    return [] if caught else [f"nobody noticed '{mode}' in {configuration}"]


def main():
    listed = subprocess.run([DRIVER, "list"], capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    configurations = listed.stdout.split()
    good = True
    number = 0
    with ThreadPoolExecutor(max_workers=2) as pool:
        for configuration in configurations:
            total, problem = count_calls(configuration)
            number += 1
            good &= report(number, f"{configuration}: an undisturbed run of {total} calls is found whole",
                           [problem] if problem else [])
            if problem:
                continue
            share = 1 if LONG else 2 if configuration == configurations[0] else 4
            for fault in SAMPLES:
                number += 1
                calls, problems = sweep(pool, configuration, fault, total, share)
                good &= report(number, f"{configuration}: {fault} at {len(calls)} of {total} calls", problems)
        number += 1
        total, _ = count_calls("flat")
        good &= report(number, "control: acknowledging before the store is told is caught",
                       control(pool, "flat", "kill", "early", total))
        number += 1
        good &= report(number, "control: acknowledging what failed is caught",
                       control(pool, "flat", "eio", "forgive", total))
    print(f"1..{number}")
    return 0 if good else 1


sys.exit(main())
