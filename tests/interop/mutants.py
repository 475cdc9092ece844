"""A control for the differential test: mistakes of one line, each in a scratch copy of the sources that is built by itself,
must be found by it. Not part of any make target: a build and some minutes a mutant.

    mutants.py [NAME...]      all, or those named; CCACHE and CC are taken from the environment
"""

import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
from ensemble import Tap, zookeeper_class_path  # noqa: E402

TOP = os.path.abspath(os.path.join(HERE, "..", ".."))
OPERATIONS = 20000
# name: (file, the line as it is, the line as it becomes)
MUTANTS = {
    "a delete looks at the version after the children": (
        "engine/tree/operation.c",
        "    REFUSE_UNLESS(version_matches(request.version, node.version), VIV_REPLY_BAD_VERSION);\n"
        "    REFUSE_UNLESS(node.child_count == 0, VIV_REPLY_NOT_EMPTY);",
        "    REFUSE_UNLESS(node.child_count == 0, VIV_REPLY_NOT_EMPTY);\n"
        "    REFUSE_UNLESS(version_matches(request.version, node.version), VIV_REPLY_BAD_VERSION);"),
    "a version of -2 matches anything": (
        "engine/tree/operation.c", "return expected == -1 || expected == current;",
        "return expected < 0 || expected == current;"),
    "a failed multi gives its first code to all": (
        "engine/tree/multi.c", "VIV_REPLY_RUNTIME_INCONSISTENCY", "VIV_REPLY_NO_NODE"),
    "a sequence number is one too high": (
        "engine/tree/operation.c", "viv_buffer_printf(&preparer->path, \"%010d\", child_counter);",
        "viv_buffer_printf(&preparer->path, \"%010d\", child_counter + 1);"),
}


def copy_sources(folder):
    """The sources, without what was built from them."""
    shutil.copytree(TOP, folder, ignore=shutil.ignore_patterns(".git", "build", "build-[!a]*", "autom4te.cache", "results"),
                    dirs_exist_ok=True)


def run(tap, name):
    path, before, after = MUTANTS[name]
    with tempfile.TemporaryDirectory(prefix="viv-mutant-") as folder:
        copy_sources(folder)
        with open(os.path.join(folder, path)) as f:
            text = f.read()
        if before not in text:
            tap.ok(False, "the line is there: %s" % name, path)
            return
        with open(os.path.join(folder, path), "w") as f:
            f.write(text.replace(before, after, 1))
        os.mkdir(os.path.join(folder, "build"))
        made = subprocess.run("../configure --quiet CFLAGS='-O1 -w' ${CC:+CC=\"$CC\"} && make -s -j2 vivarium", shell=True,
                              cwd=os.path.join(folder, "build"), capture_output=True, text=True)
        if not tap.ok(made.returncode == 0, "it is built: %s" % name, made.stderr[-2000:]):
            return
        found = subprocess.run([sys.executable, os.path.join(HERE, "differential.py"), "--operations", str(OPERATIONS),
                                "--seed", "1", "--no-shrink"], cwd=folder, capture_output=True, text=True,
                               env=dict(os.environ, VIV_BUILD_DIR=os.path.join(folder, "build")))
        difference = [line for line in found.stdout.splitlines() if line.startswith("# seed")]
        tap.ok(found.returncode != 0 and difference, "it is found: %s" % name, found.stdout[-2000:] + found.stderr[-2000:])
        for line in difference:
            print("# " + line[:200], flush=True)


def main():
    tap = Tap()
    if zookeeper_class_path() is None:
        tap.skip("mutants are found", "Debian's zookeeper is not installed")
    else:
        for name in sys.argv[1:] or MUTANTS:
            run(tap, name)
    tap.done()
    sys.exit(tap.failed > 0)


if __name__ == "__main__":
    main()
