"""Every mistake of table.py, made in a copy of the sources, must be found: by the simulator's first seeds, else by the test
programs named beside it, else by the simulator's other seeds. Prints and keeps the matrix of mutant x finder; a mutant that
survives fails the run. What fails without a mistake is no finder: neither such a seed, nor a failure of such a kind at another
seed, nor such a program.

    run.py [--seeds N] [--all] [--list] [NAME...]     in a build folder (VIV_BUILD_DIR), or through `make mutants`

--all lets the programs look at every mutant, also at one that the simulator has found; NAME: a part of a mutant's name."""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.abspath(os.path.join(HERE, "..", ".."))
BUILD = os.path.abspath(os.environ.get("VIV_BUILD_DIR", "."))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(TOP, "tests", "support"))
from ensemble import Tap  # noqa: E402
from table import MUTANTS  # noqa: E402

WORK = os.path.join(BUILD, "mutants")
COPY, MADE = os.path.join(WORK, "sources"), os.path.join(WORK, "build")
PROGRAM_SECONDS = 120
FIRST_SEEDS, CHUNK_SEEDS, CHUNK_SECONDS = 8, 40, 300  # most are found by the first few


def run(command, seconds, **more):
    """(exit code, None when it took too long; output)."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                              timeout=seconds, **more)
    except subprocess.TimeoutExpired as late:
        return None, (late.stdout or b"").decode("utf-8", "replace") if isinstance(late.stdout, bytes) else ""
    return done.returncode, done.stdout


def mirror():
    """A tree of links to the sources, so that only what is changed is another file. What was built before stays."""
    shutil.rmtree(COPY, ignore_errors=True)
    os.makedirs(MADE, exist_ok=True)
    skipped = (".git", "autom4te.cache", "results")
    for folder, folders, files in os.walk(TOP):
        folders[:] = [f for f in folders if f not in skipped and not f.startswith("build-san") and
                      not os.path.exists(os.path.join(folder, f, "config.status"))]
        into = os.path.join(COPY, os.path.relpath(folder, TOP))
        os.makedirs(into, exist_ok=True)
        for name in files:
            os.symlink(os.path.join(folder, name), os.path.join(into, name))


def configure():
    """As the build folder was, without optimisation beyond what the tests need."""
    if os.path.exists(os.path.join(MADE, "config.status")):
        return 0, ""  # make configures again when it must
    arguments = subprocess.run([os.path.join(BUILD, "config.status"), "--config"], capture_output=True, text=True)
    return run("%s/configure --quiet %s CFLAGS='-O1 -g -w'" % (COPY, arguments.stdout.strip()), 600, shell=True, cwd=MADE)


def make(programs):
    return run(["make", "-s"] + sorted(programs), 1800, cwd=MADE)


def object_of(path):
    return os.path.join(MADE, path[:-2] + ".o")


def change(path, before, after):
    """None, or why not. The copy becomes a file of its own."""
    with open(os.path.join(TOP, path)) as f:
        text = f.read()
    if text.count(before) != 1:
        return "the text is there %d times in %s" % (text.count(before), path)
    place = os.path.join(COPY, path)
    os.unlink(place)
    with open(place, "w") as f:
        f.write(text.replace(before, after))
    return None


def restore(path):
    place = os.path.join(COPY, path)
    if os.path.lexists(place):
        os.unlink(place)
    os.symlink(os.path.join(TOP, path), place)
    if os.path.exists(object_of(path)):
        os.unlink(object_of(path))


def first_failure(output):
    """Which test it was."""
    failed = re.search(r"\[FAIL\] (\S+): ", output)
    return failed.group(1).replace("::", "/") if failed else "?"


def ask_program(program):
    """What it found, or None."""
    environment = dict(os.environ, VIV_SOURCE_DIR=TOP, VIV_BUILD_DIR=MADE)
    code, output = run(["nice", "./" + program, "--verbose"], PROGRAM_SECONDS, cwd=MADE, env=environment)
    if code is None:
        return program + ": it does not come to its end"
    return None if code == 0 else "%s: %s" % (program, first_failure(output))


def failed_seeds(first, last):
    """{seed: what was found}."""
    code, output = run(["nice", "./vivarium-sim", "--seeds", "%d..%d" % (first, last), "--folder", WORK], CHUNK_SECONDS,
                       cwd=MADE)
    found = {int(seed): what for seed, what in re.findall(r"^seed (\d+): (.*)$", output, re.M)}
    if code is None:
        found.setdefault(last, "no end within %d s" % CHUNK_SECONDS)
    return found


def finder_of(what):
    """The checker, or how a server ended."""
    what = re.sub(r"^at [0-9.]+ s: ", "", what)
    named = re.match(r"(writes|reads|watches|sessions|agreement|durability): ", what)
    asserted = re.match(r'an assertion failed: expr="([^"]*)', what)
    return named.group(1) if named else "assertion " + asserted.group(1)[:60] if asserted else what[:70]


def kind_of(what):
    return re.sub(r"[0-9]+", "N", finder_of(what))


def ask_simulator(first, last, sound):
    """(finder, seed) of the first seed that fails and is sound without a mistake; or None."""
    start = first
    while start <= last:
        end = min(last, FIRST_SEEDS if start == 1 else (start - 1) // CHUNK_SEEDS * CHUNK_SEEDS + CHUNK_SEEDS)
        found = failed_seeds(start, end)
        for seed in sorted(found):
            if seed in sound(start, end) and kind_of(found[seed]) not in sound.kinds:
                return finder_of(found[seed]), seed
        start = end + 1
    return None


class Sound:
    """What finds nothing where nothing was changed: asked once, when it is first needed."""

    def __init__(self):
        self.failed = {}
        self.kinds = set()
        self.programs = set()

    def __call__(self, first, last):
        """The seeds that pass."""
        if first not in self.failed:
            code, output = run(["nice", os.path.join(WORK, "vivarium-sim"), "--seeds", "%d..%d" % (first, last), "--folder",
                                WORK], CHUNK_SECONDS)
            failures = re.findall(r"^seed (\d+): (.*)$", output, re.M)
            self.failed[first] = {int(seed) for seed, _ in failures}
            self.kinds |= {kind_of(what) for _, what in failures}
            for seed, what in failures:
                print("# fails without a mistake: seed %s: %s" % (seed, what[:150]), flush=True)
        return set(range(first, last + 1)) - self.failed[first]

    def try_program(self, program, mutant):
        """Raises when it fails as it is. The mistake is taken back for as long."""
        if program in self.programs:
            return
        path, before, after = mutant[2]
        restore(path)
        code, output = make([program])
        found = output[-2000:] if code != 0 else ask_program(program)
        if found:
            raise RuntimeError("%s fails although nothing was changed: %s" % (program, found))
        self.programs.add(program)
        change(path, before, after)


def hunt(mutant, options, sound):
    """[(finder, what, seed, seconds)]."""
    found, start = [], time.monotonic()
    first_seeds = min(CHUNK_SEEDS, options.seeds)

    def note(answer, finder):
        if answer:
            what, seed = answer if isinstance(answer, tuple) else (answer, 0)
            found.append((finder, what, seed, time.monotonic() - start))
        return answer

    if first_seeds and note(ask_simulator(1, first_seeds, sound), "vivarium-sim") and not options.all:
        return found
    for program in mutant[4]:
        sound.try_program(program, mutant)
        code, output = make([program])
        if code != 0:
            raise RuntimeError(output[-2000:])
        if note(ask_program(program), program):
            break
    if not found and options.seeds > first_seeds:
        note(ask_simulator(first_seeds + 1, options.seeds, sound), "vivarium-sim")
    return found


def check_mutant(tap, mutant, options, sound):
    name, _, (path, before, after), _, _ = mutant
    try:
        problem = change(path, before, after)
        if problem:
            tap.ok(False, "it can be made: " + name, problem)
            return None
        code, output = make(["vivarium-sim"])
        if code != 0:
            tap.ok(False, "it is built: " + name, output[-2000:])
            return None
        try:
            found = hunt(mutant, options, sound)
        except RuntimeError as problem:
            tap.ok(False, "it is judged: " + name, problem)
            return None
        tap.ok(found, "it is found: " + name, "survived %s and %d seeds" % (", ".join(mutant[4]), options.seeds))
        for finder in found:
            print("#   %s%s, %.1f s" % (finder[1], ", seed %d" % finder[2] if finder[2] else "", finder[3]), flush=True)
        return found
    finally:
        restore(path)


def row_text(mutant, found):
    by = "SURVIVED" if found == [] else "not judged" if found is None else "; ".join(
        "%s%s" % (what, " at seed %d" % seeds if seeds else "") for _, what, seeds, _ in found)
    return "%-66s | %-44s | %-36s | %s" % (mutant[0], mutant[1], mutant[3], by)


def keep(rows):
    with open(os.path.join(WORK, "matrix.txt"), "w") as f:
        f.write("\n".join(row_text(mutant, found) for mutant, found in rows) + "\n")
    with open(os.path.join(WORK, "matrix.json"), "w") as f:
        json.dump([{"mutant": m[0], "source": m[1], "file": m[2][0], "invariant": m[3], "found": found}
                   for m, found in rows], f, indent=1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    chosen = [m for m in MUTANTS if not options.names or any(part in m[0] for part in options.names)]
    if options.list:
        print("\n".join("%-66s %s: %s" % (m[0], m[1], m[2][0]) for m in chosen))
        return
    tap = Tap()
    mirror()
    code, output = configure()
    if not tap.ok(code == 0, "the copy is configured", output[-2000:]):
        sys.exit(1)
    code, output = make(["vivarium-sim"])
    if not tap.ok(code == 0, "the copy is built", output[-2000:]):
        sys.exit(1)
    shutil.copy(os.path.join(MADE, "vivarium-sim"), WORK)
    sound = Sound()
    for start in (1, FIRST_SEEDS + 1, CHUNK_SEEDS + 1):
        sound(start, FIRST_SEEDS if start == 1 else (start - 1) // CHUNK_SEEDS * CHUNK_SEEDS + CHUNK_SEEDS)
    rows = []
    for mutant in chosen:
        rows.append((mutant, check_mutant(tap, mutant, options, sound)))
        keep(rows)
    for mutant, found in rows:
        print("# " + row_text(mutant, found))
    killed = sum(1 for _, found in rows if found)
    print("# %d of %d mutants found; %s/matrix.txt, matrix.json" % (killed, len(rows), WORK))
    tap.done()
    sys.exit(tap.failed > 0)


if __name__ == "__main__":
    main()
