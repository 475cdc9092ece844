"""Who may find a mistake: test programs, and the simulator with its checkers. What fails as it is finds nothing."""

import os
import re
import shutil
import signal
import subprocess
import threading

SIMULATOR = "vivarium-sim"
PROGRAM_SECONDS, CAMPAIGN_SECONDS, CHUNK_SEEDS = 90, 1800, 50
TEST_FAILED = re.compile(r"\[FAIL\] ([^\s:]+)::([^\s:]+)")
SEED_FAILED = re.compile(r"^seed (\d+): (.*)$")


def kill(child):
    """It and the processes it made."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def first_match(command, pattern, seconds, accept=lambda match: True, **more):
    """(what matched in the first line that is accepted, or None; exit code, None when it took too long). Stops there."""
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                             start_new_session=True, **more)
    late = threading.Event()
    timer = threading.Timer(seconds, lambda: (late.set(), kill(child)))
    timer.daemon = True
    timer.start()
    found = None
    try:
        for line in child.stdout:
            match = pattern.search(line)
            if match and accept(match):
                found = match
                kill(child)
                break
    except BaseException:
        kill(child)
        raise
    child.stdout.close()
    code = child.wait()
    timer.cancel()
    return found, None if late.is_set() else code


def finder_of(what):
    """The checker, or how a server ended."""
    what = re.sub(r"^at [0-9.]+ s: ", "", what)
    named = re.match(r"(writes|reads|watches|sessions|agreement|durability): ", what)
    asserted = re.match(r'an assertion failed: expr="([^"]*)', what)
    return named.group(1) if named else "assertion " + asserted.group(1)[:60] if asserted else what[:70]


def kind_of(what):
    return re.sub(r"[0-9]+", "N", finder_of(what))


class Finders:
    """made: the folder that is built in, which holds all programs as they are without a mistake."""

    def __init__(self, made, top, work, kept, programs):
        self.made, self.work, self.kept = made, work, kept
        self.sound = os.path.join(work, "sound")
        memory = {"TMPDIR": "/dev/shm"} if os.access("/dev/shm", os.W_OK) else {}
        self.environment = dict(os.environ, VIV_SOURCE_DIR=top, VIV_BUILD_DIR=made, **memory)
        os.makedirs(self.sound, exist_ok=True)
        for program in programs + [SIMULATOR]:
            shutil.copy(os.path.join(made, program), self.sound)

    def run_program(self, folder, program, *arguments):
        """Which test failed, or None."""
        found, code = first_match([os.path.join(folder, program), *arguments], TEST_FAILED, PROGRAM_SECONDS, cwd=self.made,
                                  env=self.environment)
        if found:
            return "%s/%s" % found.groups()
        return None if code == 0 else "it does not come to its end" if code is None else "it ends with %d" % code

    def ask_program(self, program, last=None):
        """Which test failed, or None. Raises when it does so without a mistake too."""
        found = last and "/" in last and self.run_program(self.made, program, "--filter", last)
        found = found or self.run_program(self.made, program)
        if found:
            name = [program, "--filter", found] if "/" in found else [program]
            if self.kept.once(" ".join(name), lambda: self.run_program(self.sound, *name)):
                raise RuntimeError("%s fails although nothing was changed: %s" % (program, found))
        return found

    def campaign(self, simulator, first, last, accept):
        """(seed, what) of the first failure that is accepted, or None."""
        found, code = first_match([simulator, "--seeds", "%d..%d" % (first, last), "--folder", self.work], SEED_FAILED,
                                  CAMPAIGN_SECONDS, lambda match: accept(int(match.group(1)), match.group(2)), cwd=self.work)
        if found:
            return int(found.group(1)), found.group(2)
        return (last, "no end within %d s" % CAMPAIGN_SECONDS) if code is None else None

    def unchanged(self, seed):
        """{seed: what} of those up to this one, and some more, that fail although nothing was changed."""
        def ask():
            failures = []
            self.campaign(os.path.join(self.sound, SIMULATOR), first, first + CHUNK_SEEDS - 1, lambda *failure: failures.append(failure))
            return failures
        failed = {}
        for first in range(1, seed + 1, CHUNK_SEEDS):
            failed.update(self.kept.once("seeds from %d" % first, ask))
        return failed

    def is_sound(self, seed, what):
        failed = self.unchanged(seed)
        return seed not in failed and kind_of(what) not in {kind_of(why) for why in failed.values()}

    def ask_simulator(self, seeds, last_seed):
        """Which checker at which seed, or None."""
        mutant = os.path.join(self.made, SIMULATOR)
        found = (0 < last_seed <= seeds and self.campaign(mutant, last_seed, last_seed, self.is_sound) or
                 self.campaign(mutant, 1, seeds, self.is_sound))
        return found and "%s, seed %d" % (finder_of(found[1]), found[0])
