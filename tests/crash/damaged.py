#!/usr/bin/python3
"""Damaged data directories: each file of each configuration cut, flipped, zeroed, swapped for another, or missing, below
a server that stands alone and below one of three. The server serves what was acknowledged, repaired from its peers or
not touched at all; or it stops, with exit code 3 and lines that name the file, the place and the remedy. It never
serves anything else, never ends by a signal, never hangs. TAP, a line per configuration and kind of ensemble.

    damaged.py [--full] [--seed N] [--only CONFIGURATION/ENSEMBLE/FILE/DEED/ROUND]
"""

import argparse
import os
import random
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from ensemble import (PATIENCE_S, SERVING, Ensemble, Tap, build_configurations, connect, leave,  # noqa: E402
                      wait_until)

from kazoo.exceptions import KazooException, NoNodeError  # noqa: E402
from kazoo.handlers.threading import KazooTimeoutError  # noqa: E402

SETTINGS = {"tickTime": 200, "initLimit": 10, "syncLimit": 5, "snapCount": 60, "log.segmentBytes": 1048576}
NODES = 120
VICTIM = 2
SAMPLE = 5
ROUNDS = {"cut": 2, "flipped": 3, "zeroed": 2, "swapped": 1, "missing": 1}  # of a full run
NAMES_FILE = re.compile(r"(file|path)=\S+")
# Where in the file; or what is wrong with all of it (some in the words of RocksDB).
NAMES_PLACE = re.compile(r"offset[= ]\d+|is missing|No such file|does not exist|belongs to another|too short|"
                         r"magic number|end with newline|format_version|(mismatch|MANIFEST) in file \S+MANIFEST")
NAMES_REMEDY = re.compile(r'do="|; (restore|have|move|create|check|start)')


# ---- what was acknowledged ----

def value_of(number):
    return b"%d " % number + bytes(97 + (number * 7 + i) % 26 for i in range(number * 13 % 300))


def fill(ensemble):
    """Two lives of the ensemble, so that there are images, a log behind them, and an epoch or two. What is there."""
    expected = {}
    for life in range(2):
        ensemble.start_all()
        ensemble.wait_serving()
        client = connect(ensemble.hosts())
        for number in range(life * NODES, (life + 1) * NODES):
            path = "/n%d" % (number % NODES * 3 % NODES + number % 3)
            if path in expected:
                client.set(path, value_of(number))
            else:
                client.create(path, value_of(number))
            expected[path] = value_of(number)
        leave(client)
        for index in range(ensemble.servers):
            ensemble.terminate(index)
    return expected


def wrong_values(client, expected):
    waiting = [(path, client.get_async(path)) for path in expected]
    wrong = []
    for path, answer in waiting:
        try:
            found = answer.get(True, PATIENCE_S)[0]
        except NoNodeError:
            found = None
        if found != expected[path]:
            wrong.append("%s is %r" % (path, found if found is None else found[:20]))
    return wrong


# ---- deeds ----

def files_of(folder):
    """Every file below the folder by name; locks and what is written for people are data as well."""
    found = []
    for top, _, names in os.walk(folder):
        found += [os.path.relpath(os.path.join(top, name), folder) for name in names]
    return sorted(name for name in found if name != "ports")


def contents(path):
    with open(path, "rb") as f:
        return f.read()


def written_end(content):
    """Where the zeros begin that a log is filled with ahead."""
    return len(content.rstrip(b"\0")) or len(content)


def other_file(saved, name, folder):
    """Of another server the file of the same name, or of the same server another one."""
    for sibling in sorted(os.listdir(os.path.dirname(saved))):
        candidate = os.path.join(os.path.dirname(saved), sibling, name)
        if os.path.join(os.path.dirname(saved), sibling) != saved and os.path.exists(candidate):
            return contents(candidate)
    others = [other for other in files_of(folder) if other != name]
    return contents(os.path.join(folder, others[len(name) % len(others)]))


def inflict(deed, name, folder, saved, rng):
    path = os.path.join(folder, name)
    content = contents(path)
    end = written_end(content)
    if deed == "missing":
        os.unlink(path)
        return
    if deed == "cut":
        content = content[:rng.randrange(end)] if end else b""
    elif deed == "flipped" and end:
        at = rng.randrange(end)
        content = content[:at] + bytes([content[at] ^ (1 << rng.randrange(8))]) + content[at + 1:]
    elif deed == "zeroed":
        at = rng.choice((0, rng.randrange(end or 1) // 512 * 512))
        size = min(rng.choice((512, 4096, len(content))), len(content) - at)
        content = content[:at] + b"\0" * size + content[at + size:]
    elif deed == "swapped":
        content = other_file(saved, name, folder)
    with open(path, "wb") as f:
        f.write(content)


# ---- verdict ----

def complaint_about_end(code, lines):
    """Whether who stopped said why."""
    if code != 3:
        return "exit code %s: %s" % (code, lines[-600:])
    for what, pattern in (("file", NAMES_FILE), ("place", NAMES_PLACE), ("remedy", NAMES_REMEDY)):
        if not pattern.search(lines):
            return "it stopped and named no %s: %s" % (what, lines[-800:])
    return None


def wait_for_verdict(ensemble, index):
    """'serves' or the exit code; None when neither comes."""
    def verdict():
        code = ensemble.processes[index].poll()
        return (code,) if code is not None else ensemble.mode(index) in SERVING and ("serves",)
    return (wait_until(verdict) or (None,))[0]


def judge(ensemble, index, expected, lines_of):
    """(what became of it, complaint or None)"""
    verdict = wait_for_verdict(ensemble, index)
    if verdict is None:
        return "hangs", "it neither serves nor stops: %s" % lines_of()[-800:]
    if verdict != "serves":
        ensemble.kill(index)
        return "stops", complaint_about_end(verdict, lines_of())
    try:
        client = connect(ensemble.host(index))
        client.sync("/")
        wrong = wrong_values(client, expected)
        leave(client)
    except (KazooException, KazooTimeoutError) as error:
        return "fails", "it served and then answered %r: %s" % (error, lines_of()[-800:])
    ensemble.kill(index)
    return "serves", "wrong: %s" % wrong[:3] if wrong else None


class Scene:
    """One prepared ensemble; its victim is damaged again and again, the others go on."""

    def __init__(self, configuration, servers):
        self.name = "%s/%s" % (configuration, "three" if servers == 3 else "alone")
        self.ensemble = Ensemble("vivarium", servers, backend=configuration, settings=SETTINGS)
        self.victim = VICTIM if servers == 3 else 0
        self.expected = fill(self.ensemble)
        self.saved = os.path.join(self.ensemble.folder, "saved")
        for index in range(servers):
            shutil.copytree(self.ensemble.data_dir(index), os.path.join(self.saved, str(index)))
        for index in range(servers):
            if index != self.victim:
                self.ensemble.start(index)
        if servers > 1:
            self.ensemble.wait_serving([i for i in range(servers) if i != self.victim])

    def cases(self):
        return [(name, deed, number) for name in files_of(os.path.join(self.saved, str(self.victim)))
                for deed, rounds in ROUNDS.items() for number in range(rounds)]

    def run(self, name, deed, number, seed):
        folder = self.ensemble.data_dir(self.victim)
        saved = os.path.join(self.saved, str(self.victim))
        shutil.rmtree(folder)
        shutil.copytree(saved, folder)
        inflict(deed, name, folder, saved, random.Random("%d %s %s %d" % (seed, name, deed, number)))
        log = self.ensemble.log_file(self.victim)
        start = os.path.getsize(log)

        def lines_of():
            with open(log, errors="replace") as f:
                f.seek(start)
                return f.read()

        self.ensemble.start(self.victim)
        return judge(self.ensemble, self.victim, self.expected, lines_of)


def run_scene(tap, configuration, servers, options):
    scene = Scene(configuration, servers)
    complaints = []
    became = {}
    try:
        cases = scene.cases()
        if options.only:
            cases = [case for case in cases if "%s/%s/%s/%d" % (scene.name, *case) == options.only]
        elif not options.full:
            cases = random.Random(options.seed).sample(cases, SAMPLE)
        for name, deed, number in cases:
            what, complaint = scene.run(name, deed, number, options.seed)
            became[what] = became.get(what, 0) + 1
            if complaint:
                complaints.append("%s; repeat: damaged.py --seed %d --only %s/%s/%s/%d"
                                  % (complaint, options.seed, scene.name, name, deed, number))
        healthy = [i for i in range(servers) if i != scene.victim]
        if servers > 1 and scene.ensemble.leader() not in healthy:
            complaints.append("the others do not serve any more: %s" % scene.ensemble.logs())
    finally:
        scene.ensemble.close()
    if cases:
        tap.ok(not complaints, "%s: %d damaged directories serve what was acknowledged, or say what is wrong with them"
               % (scene.name, len(cases)), "\n".join(complaints))
        print("# %s; seed %d" % (", ".join("%d %s" % (count, what) for what, count in sorted(became.items())),
                                 options.seed))
    return len(cases)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only")
    options = parser.parse_args()
    tap = Tap()
    total = 0
    configurations = build_configurations()
    if not (options.full or options.only):
        configurations = configurations[:1]
    for configuration in configurations:
        for servers in (1, 3):
            if not options.only or options.only.startswith("%s/%s/" % (configuration, "three" if servers == 3 else "alone")):
                total += run_scene(tap, configuration, servers, options)
    print("# %d damaged directories" % total)
    tap.done()
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
