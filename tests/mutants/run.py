"""Every mistake of table.py, made in a copy of the sources, must be found: by a test program named beside it, else by the
simulator's seeds. A row ends with whoever finds it first; who found it the last time (matrix.txt) is asked before all others.
What fails without a mistake is no finder: neither such a program, nor such a seed, nor a failure of such a kind at another seed.

    run.py [--seeds N] [--all] [--list] [NAME...]     in a build folder (VIV_BUILD_DIR), or through `make mutants`

--all asks a program and the simulator both; NAME: a part of a mutant's name. An interrupted run goes on where it was."""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.abspath(os.path.join(HERE, "..", ".."))
BUILD = os.path.abspath(os.environ.get("VIV_BUILD_DIR", "."))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(TOP, "tests", "support"))
from ensemble import Tap  # noqa: E402
from finders import SIMULATOR, Finders  # noqa: E402
from kept import Kept, last_finders, matrix_text, row_text  # noqa: E402
from table import MUTANTS  # noqa: E402

WORK = os.path.join(BUILD, "mutants")
COPY, MADE = os.path.join(WORK, "sources"), os.path.join(WORK, "build")
MAKE_SECONDS = 1800


def run(command, seconds, **more):
    """(exit code, None when it took too long; output)."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                              timeout=seconds, **more)
    except subprocess.TimeoutExpired:
        return None, "no end within %d s" % seconds
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
    return run(["make", "-s"] + sorted(programs), MAKE_SECONDS, cwd=MADE)


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
    made = os.path.join(MADE, path[:-2] + ".o")
    if os.path.lexists(place):
        os.unlink(place)
    os.symlink(os.path.join(TOP, path), place)
    if os.path.exists(made):
        os.unlink(made)  # it is younger than the source


def ask(finder, finders, options, last):
    """What it found, or None. Raises when it cannot be built."""
    code, output = make([finder])
    if code != 0:
        raise RuntimeError(output[-2000:])
    if finder == SIMULATOR:
        return finders.ask_simulator(options.seeds, int(last or 0))
    return finders.ask_program(finder, last)


def hunt(mutant, finders, options, row, last):
    """Fills row: finder to what it found. last: finder to what it found the last time."""
    programs = sorted(mutant[4], key=lambda finder: finder not in last)
    kinds = [programs, [SIMULATOR] if options.seeds else []]
    for kind in sorted(kinds, key=lambda kind: not any(finder in last for finder in kind)):
        for finder in kind:
            if finder not in row:
                row[finder] = ask(finder, finders, options, last.get(finder))
            if row[finder]:
                break
        if any(row.values()) and not options.all:
            return


def judge(tap, mutant, finders, options, kept, last):
    """The finders' answers, or None when there are none."""
    name, _, (path, before, after), _, _ = mutant
    row, start = kept.read([name, mutant[2]]), time.monotonic()
    if row.pop("seeds", 0) < options.seeds and not row.get(SIMULATOR):
        row.pop(SIMULATOR, None)  # so few were not enough
    try:
        problem = change(path, before, after)
        if not problem:
            hunt(mutant, finders, options, row, last.get(name, {}))
    except RuntimeError as why:
        problem = str(why)
    finally:
        restore(path)
    if problem:
        tap.ok(False, "it is judged: " + name, problem)
        return None
    kept.write([name, mutant[2]], dict(row, seeds=options.seeds))
    tap.ok(any(row.values()), "it is found: " + name, "survived %s" % ", ".join(sorted(row)))
    print("#   %s; %.1f s" % (row_text(mutant, row), time.monotonic() - start), flush=True)
    return row


def prepare(tap, chosen, options):
    """The finders, once they are built; or None."""
    programs = sorted({program for mutant in chosen for program in mutant[4]})
    mirror()
    for what, step in (("configured", configure), ("built", lambda: make([SIMULATOR] + programs))):
        code, output = step()
        if not tap.ok(code == 0, "the copy is " + what, output[-2000:]):
            return None
    return Finders(MADE, TOP, WORK, Kept(WORK, TOP), programs)


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
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    tap = Tap()
    finders = prepare(tap, chosen, options)
    if finders is None:
        sys.exit(1)
    last, rows, start = last_finders(os.path.join(HERE, "matrix.txt")), [], time.monotonic()
    for at, mutant in enumerate(chosen):
        print("# %d of %d, %d s: %s" % (at + 1, len(chosen), time.monotonic() - start, mutant[0]), flush=True)
        rows.append((mutant, judge(tap, mutant, finders, options, finders.kept, last)))
        with open(os.path.join(WORK, "matrix.txt"), "w") as f:
            f.write(matrix_text(rows, options.seeds, TOP))
    with open(os.path.join(WORK, "matrix.txt")) as f:
        print("".join("# " + line for line in f) + "# kept in %s/matrix.txt" % WORK)
    tap.done()
    sys.exit(tap.failed > 0)


if __name__ == "__main__":
    main()
