"""Live servers under every fault that this machine can make, under load, and their promises checked meanwhile.

    chaos.py [--minutes M] [--seed N] [--faults NAME,...] [--settings KEY=VALUE,...] [--results DIR] [--controls]

Five servers with mixed backends, each in a namespace and on a file system of its own (arena.py), kazoo's, the C
client's and raw sessions (workload.py), a seeded order of faults (nemesis.py), every frame of every client recorded
(recorder.py) and judged while the run goes on (checker.py). After each fault is mended a write must be acknowledged
within BOUND_S, and all servers must serve. At the end, and now and then, the load rests until all trees are equal, and
everything is read through a new session.

Prints TAP and, for each kind of fault, how long no write was acknowledged. At the end the whole history is judged once
more, with the log of all transactions, by engine/sim/check. Leaves results.jsonl, the servers' logs and the history (only
after a violation, or with --keep). --controls: what must be caught, is.
"""

import argparse
import collections
import contextlib
import glob
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]
import arena as place  # noqa: E402
import controls  # noqa: E402
import nemesis  # noqa: E402
import workload  # noqa: E402
from checker import Checker  # noqa: E402
from ensemble import BUILD, Tap, build_configurations, end_of  # noqa: E402
from history import check, export_log, read_log  # noqa: E402

SERVERS = 5
BOUND_S = 5.0
SERVING_LIMIT_S = 60
CONTROL_S = 8
READ_LIMIT_S = 60
REST_EVERY = 8           # faults
SETTINGS = {"tickTime": 2000, "initLimit": 10, "syncLimit": 5, "maxClientCnxns": 0, "clientPort": place.CLIENT_PORT,
            "clientPortAddress": "0.0.0.0", "4lw.commands.whitelist": "*", "snapCount": 5000,
            "log.segmentBytes": 2 << 20, "disk.reserveMiB": 24, "admin.enableServer": "false"}


class Run:
    """One ensemble, its clients, and what is known of it. `checker` belongs to whoever holds `lock`."""

    def __init__(self, folder, results, seed, backends, settings):
        self.folder, self.results, self.seed = folder, results, seed
        self.history = os.path.join(results, "history.jsonl")
        if os.path.exists(self.history):
            os.unlink(self.history)
        self.rng = random.Random(seed)
        self.checker = Checker(settings.get("reads") == "linearizable")
        self.lock, self.problems = threading.Lock(), []
        self.writes = collections.deque()
        self.commits, self.newest_commit, self.holes = {}, 0, []
        self.arena = place.Arena(folder, results, backends, dict(SETTINGS, **settings))
        self.programs = []
        self.done = threading.Event()
        self.reader = threading.Thread(target=self.follow, daemon=True)

    def start(self):
        for server in self.arena.everybody:
            server.start()
        clients = workload.count_of_clients(SERVERS)
        self.start_script("recorder.py", self.history, str(SERVERS), str(clients))
        late = self.arena.await_serving()
        if late or not self.recorder_is_ready():
            raise RuntimeError("servers %s, or the recorder, do not serve at the start" % late)
        self.start_script("workload.py", self.folder, str(SERVERS), str(self.seed))
        self.start_c(clients)
        self.reader.start()

    def start_script(self, name, *arguments):
        self.programs.append(self.arena.beside_clients("/usr/bin/python3", os.path.join(HERE, name), *arguments))

    def recorder_is_ready(self):
        deadline = time.monotonic() + 10
        while not os.path.exists(self.history) and time.monotonic() < deadline:
            time.sleep(0.02)
        return os.path.exists(self.history)

    def start_c(self, clients):
        program = os.path.join(BUILD, "workload_c")
        if os.path.exists(program):
            for number in range(clients - 1 - workload.CS, clients - 1):
                hosts = ",".join("127.1.%d.%d:%d" % (number, s, place.CLIENT_PORT) for s in range(1, SERVERS + 1))
                self.programs.append(self.arena.beside_clients(program, hosts, str(number), str(self.seed + number),
                                                               os.path.join(self.folder, "pause")))

    def follow(self):
        try:
            self.follow_history()
        except Exception as error:  # of the checker's own: a run that nobody judges has failed
            self.problems.append("the checker ended: %r" % error)

    def follow_history(self):
        """Feeds the checker with the history as it grows, and with the trees of the servers."""
        with open(self.history) as file:
            part, next_look = "", 0.0
            while True:
                line = file.readline()
                if line.endswith("\n"):
                    with self.lock:
                        self.checker.feed_line(part + line)
                    part = ""
                    continue
                part += line
                if self.done.is_set():
                    return
                if time.monotonic() > next_look:
                    self.compare_trees()
                    next_look = time.monotonic() + 1
                time.sleep(0.05)

    def compare_trees(self):
        for server in self.arena.everybody:
            state = server.state() if server.process is not None else None
            if state is not None:
                with self.lock:
                    self.checker.note_tree(server.number, *state)

    def taken_writes(self):
        """(asked, answered) of all writes, in nanoseconds, newest last."""
        with self.lock:
            self.writes.extend(self.checker.writes)
            self.checker.writes.clear()
        while len(self.writes) > 100000:
            self.writes.popleft()
        return self.writes

    def await_write_since(self, since_ns, limit_s):
        """Seconds until a write that was asked for since then was answered; None when it was not."""
        while time.monotonic_ns() - since_ns < limit_s * 1e9:
            answers = [answered for asked, answered in self.taken_writes() if asked >= since_ns]
            if answers:
                return (min(answers) - since_ns) / 1e9
            time.sleep(0.05)
        return None

    def longest_gap(self, from_ns, to_ns):
        """The longest time without an answered write between two times, in seconds."""
        gap, last = 0, from_ns
        for _, answered in self.taken_writes():
            if from_ns <= answered and last <= to_ns:
                gap = max(gap, answered - last)
                last = answered
        return gap / 1e9

    def one_fault(self, name):
        """Strikes, mends, waits for everybody; the line of the results."""
        fault, whom, least, most = nemesis.FAULTS[name]
        victims = nemesis.victims_of(self.arena, self.rng, whom)
        seconds = self.rng.uniform(least, most)
        begin = time.monotonic_ns()
        mend = fault(self.arena, self.rng, victims)
        time.sleep(seconds)
        self.bury(name)
        mend()
        mended = time.monotonic_ns()
        write_s = self.await_write_since(mended, SERVING_LIMIT_S)
        late = self.arena.await_serving(SERVING_LIMIT_S)
        if late:
            self.problems.append("%s of %s: servers %s do not serve %d s after it was mended" %
                                 (name, victims, late, SERVING_LIMIT_S))
        if write_s is None or write_s > BOUND_S:
            self.problems.append("%s of %s: the first write came %s s after it was mended (load %.1f)" %
                                 (name, victims, "%.1f" % write_s if write_s else ">60", os.getloadavg()[0]))
        time.sleep(self.rng.uniform(0.5, 1.5))
        end = mended + int((write_s or SERVING_LIMIT_S) * 1e9)
        return {"fault": name, "victims": victims, "begin_ns": begin, "seconds": round((mended - begin) / 1e9, 3),
                "gap_s": round(self.longest_gap(begin, end), 3), "after_s": write_s and round(write_s, 3)}

    def bury(self, name):
        """Nobody may end whom no fault of the disk ended."""
        for server in self.arena.everybody:
            code = server.ended()
            if code is not None and not server.expected_end:
                self.problems.append("%s: server %d ended by itself with %s" % (name, server.number, code))

    def rest(self, for_good=False):
        """No load: all trees become equal, and a new session reads everything."""
        pause = os.path.join(self.folder, "pause")
        with open(pause, "w"):
            pass
        self.await_equal_trees()
        self.read_everything()
        self.await_equal_trees()
        self.collect_log()
        if not for_good:
            os.unlink(pause)
            self.await_write_since(time.monotonic_ns(), SERVING_LIMIT_S)

    def await_equal_trees(self):
        deadline = time.monotonic() + 20
        while True:
            states = {server.state() for server in self.arena.everybody}
            if len(states) == 1 and None not in states:
                return
            if time.monotonic() > deadline:
                self.problems.append("the trees do not become equal at rest: %s" % sorted(map(str, states)))
                return
            time.sleep(0.1)

    def collect_log(self):
        """What was committed since the last time. A log has no gaps; it may begin later than the last time, after a
        snapshot of the leader's, and then another server's is asked."""
        for server in [self.arena.chronicler] + self.arena.servers:
            found = self.log_of(server)
            if not self.commits or self.newest_commit in found:
                break
        else:
            self.holes.append(self.newest_commit)
            print("# what follows 0x%x is in no log that begins there" % self.newest_commit, flush=True)
        self.commits.update(found)
        self.newest_commit = max(self.commits, default=0)

    def log_of(self, server):
        """{zxid: transaction}, out of a copy; there is no load."""
        copy = os.path.join(self.folder, "copy")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.rmtree(copy + "-log", ignore_errors=True)
        place.run("cp", "-a", "--sparse=always", os.path.join(server.disk.path, "data"), copy)
        done, words = export_log(copy, copy + "-log", server.number - 1)
        if not done:
            print("# the log of server %d cannot be exported: %s" % (server.number, words.strip()[-300:]), flush=True)
            return {}
        found = {}
        for path in glob.glob(os.path.join(copy + "-log", "**", "log.*"), recursive=True):
            found.update(read_log(path))
        return found

    def judge_with_log(self):
        """(accepted, what it says) of engine/sim/check, which compares every reply with a tree made of the log."""
        path = os.path.join(self.results, "history-with-log.jsonl")
        with open(self.history) as history, open(path, "w") as out:
            json.dump(dict(json.loads(next(history)), has_log=1), out)
            out.write("\n")
            shutil.copyfileobj(history, out)
            for zxid in sorted(self.commits):
                out.write('{"kind":"commit","time_ns":%d,"zxid":%d,"bytes":"%s"}\n' %
                          (self.checker.now, zxid, self.commits[zxid].hex()))
        return check(path, timeout=1200)

    def read_everything(self):
        reader = self.arena.beside_clients("/usr/bin/python3", os.path.join(HERE, "verify.py"), str(SERVERS))
        if end_of(reader, READ_LIMIT_S) != 0:
            self.problems.append("not everything could be read at rest")

    def stop(self):
        """The violations, when all is told."""
        for program in reversed(self.programs):
            program.terminate()
            end_of(program, 5)
        for server in self.arena.everybody:
            server.kill()
        self.done.set()
        self.reader.join(30)
        self.checker.end()
        return self.checker.violations


def play(run, names, seconds, lines, out):
    """Faults until the time is over; the lines of the results."""
    run.rest()  # before any of them: all logs are whole
    deadline, order = time.monotonic() + seconds, nemesis.draw(run.rng, names)
    while time.monotonic() < deadline and not run.checker.violations:
        line = run.one_fault(next(order))
        lines.append(line)
        out.write(json.dumps(line) + "\n")
        out.flush()
        print("# %4d  %-24s %-15s %5.1f s  without writes %6.2f s, mended to write %s s" %
              (len(lines), line["fault"], line["victims"], line["seconds"], line["gap_s"], line["after_s"]), flush=True)
        if len(lines) % REST_EVERY == 0:
            run.rest()
    run.rest(for_good=True)


def table(lines):
    rows = collections.defaultdict(list)
    for line in lines:
        rows[line["fault"]].append(line)
    yield "%-24s %5s  %-19s  %s" % ("fault", "times", "without writes, s", "mended to write, s")
    yield "%-24s %5s  %9s %9s  %9s %9s" % ("", "", "median", "most", "median", "most")
    for name in nemesis.FAULTS:
        if name in rows:
            gaps = [line["gap_s"] for line in rows[name]]
            after = [line["after_s"] if line["after_s"] is not None else float("inf") for line in rows[name]]
            yield "%-24s %5d  %9.2f %9.2f  %9.2f %9.2f" % (name, len(gaps), statistics.median(gaps), max(gaps),
                                                          statistics.median(after), max(after))


@contextlib.contextmanager
def a_run(arguments, backends):
    """A run whose folder goes with it."""
    folder = tempfile.mkdtemp(prefix="viv-chaos-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    os.environ["TMPDIR"] = folder  # vivarium-cli links files, and so wants to be where they are
    run = Run(folder, arguments.results, arguments.seed, backends,
              dict(pair.split("=", 1) for pair in arguments.settings.split(",") if pair))
    try:
        yield run
    finally:
        run.arena.close()
        shutil.rmtree(folder, ignore_errors=True)


def long_run(arguments, tap, backends):
    """From an empty ensemble to the verdict."""
    with a_run(arguments, backends) as run:
        lines = []
        try:
            run.start()
            names = arguments.faults.split(",") if arguments.faults else list(nemesis.FAULTS)
            with open(os.path.join(arguments.results, "results.jsonl"), "w") as out:
                play(run, names, arguments.minutes * 60, lines, out)
        except RuntimeError as error:
            run.problems.append(str(error))
        report(arguments, tap, run, lines, run.stop())


def play_controls(arguments, tap, backends):
    """Servers that are honest, whose history is then spoiled; and servers that sync nothing, and lose their power."""
    with a_run(arguments, backends) as run:
        run.start()
        time.sleep(CONTROL_S)
        violations = run.stop()
        tap.ok(not violations, "control: without faults nothing is broken", "\n".join(violations[:5]))
        controls.judge_recordings(tap, run.history)
    with a_run(arguments, backends) as run:
        run.start()
        time.sleep(CONTROL_S / 2)
        for server in run.arena.servers:
            server.sync(place.LYING)
        time.sleep(CONTROL_S)
        nemesis.power_cut(run.arena, run.rng, [server.number for server in run.arena.servers])()
        run.arena.await_serving(20)
        run.read_everything()
        violations = run.stop()
        print("# " + "\n# ".join(violations[:3] + run.problems))
        tap.ok(bool(violations), "control: syncs that do nothing, and a power cut, are caught losing writes")


def report(arguments, tap, run, lines, violations):
    for text in table(lines):
        print("# " + text)
    print("# " + ", ".join("%s: %d" % item for item in sorted(run.checker.counts.items(), key=str)))
    again = "make chaos MINUTES=%g SEED=%d FAULTS='%s' SETTINGS='%s'" % (
        arguments.minutes, arguments.seed, arguments.faults, arguments.settings)
    tap.ok(not violations, "%d faults: nothing that was promised is broken" % len(lines),
           "\n".join(violations[:20]) + "\nagain: " + again)
    tap.ok(not run.problems, "after each fault a write within %g s, and all serve" % BOUND_S,
           "\n".join(run.problems[:20]) + "\nagain: " + again)
    accepted, words = run.judge_with_log()
    if run.holes or not run.commits:
        tap.skip("the history and the log together", "what follows %s was in no log any more" %
                 ", ".join("0x%x" % zxid for zxid in run.holes))
    else:
        tap.ok(accepted, "every reply is what a reference tree says, by the log of %d transactions" % len(run.commits),
               words[-4000:])
        print("# " + "\n# ".join(words.splitlines()[-6:]))
    tap.ok(run.checker.counts["acknowledged writes"] > 100 * len(lines) and run.checker.counts["reads judged"] > 0,
           "the load made progress", run.checker.counts)
    if tap.failed or arguments.keep:
        print("# history and logs: %s" % arguments.results)
    else:
        os.unlink(run.history)
        os.unlink(os.path.join(run.results, "history-with-log.jsonl"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", default="", help="only these, with commas")
    parser.add_argument("--settings", default="", help="of the servers: KEY=VALUE,...")
    parser.add_argument("--results", default=os.path.join(BUILD, "chaos-results"))
    parser.add_argument("--controls", action="store_true", help="first show that what must be caught, is")
    parser.add_argument("--keep", action="store_true", help="the history too")
    arguments = parser.parse_args()
    arguments.results = os.path.abspath(arguments.results)
    tap = Tap()
    why = place.missing()
    if why:
        tap.skip("chaos", why)
        tap.done()
        return
    code = place.enter()
    if code is not None:
        sys.exit(code)
    shutil.rmtree(arguments.results, ignore_errors=True)
    os.makedirs(arguments.results)
    names = build_configurations()
    backends = [names[(number + arguments.seed) % len(names)] for number in range(SERVERS)]
    print("# seed %d, %g minutes, servers: %s" % (arguments.seed, arguments.minutes, " ".join(backends)), flush=True)
    if arguments.controls:
        play_controls(arguments, tap, backends)
    if arguments.minutes > 0:
        long_run(arguments, tap, backends)
    tap.done()
    sys.exit(1 if tap.failed else 0)


if __name__ == "__main__":
    main()
