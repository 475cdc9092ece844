"""Kills servers with SIGKILL under load, round after round, and checks what clients were promised.

    kill_rounds.py [--rounds N] [--backend NAME] [--servers N] [--seed N]

A round kills the leader, a follower, or all servers, or tells the leader to stop (SIGTERM), starts them again and
waits until all serve. Meanwhile workers write counters and unique nodes and read back. Checked: no acknowledged write
is lost, no session ever reads an older value than it has seen, a server told to stop exits cleanly, and at the end the
trees of all servers have equal digests. TAP on standard output; the seed is
printed. Negative control: with --backend memory a kill of all servers must be reported as lost writes.
"""

import argparse
import logging
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from ensemble import (PATIENCE_S, Ensemble, Tap, build_configurations, connect, default_configuration,  # noqa: E402
                      kazoo_client, leave, wait_until)

from kazoo.exceptions import KazooException, NodeExistsError, SessionExpiredError  # noqa: E402
from kazoo.handlers.threading import KazooTimeoutError  # noqa: E402

WORKERS = 6


class Worker(threading.Thread):
    """One session that writes its own counter and unique nodes, and checks every read against what it knows."""

    def __init__(self, number, hosts, stop):
        super().__init__(daemon=True)
        self.number, self.stop_event = number, stop
        self.client = kazoo_client(hosts, randomize_hosts=True)
        self.key = "/counters/w%d" % number
        self.acked = 0       # newest acknowledged counter
        self.tried = 0       # newest counter ever sent
        self.seen = 0        # newest counter read in this session
        self.created = []    # acknowledged unique nodes
        self.operations = 0
        self.violations = []

    def run(self):
        try:
            self.client.start(timeout=PATIENCE_S)
            while not self.stop_event.is_set():
                self.step()
        except KazooTimeoutError:
            self.violations.append("worker %d: no connection within %d s" % (self.number, PATIENCE_S))
        finally:
            leave(self.client)

    def step(self):
        try:
            self.write()
            self.read()
            if self.operations % 5 == 0:
                name = "/nodes/w%d-%08d" % (self.number, self.operations)
                try:
                    self.client.create(name, b"")
                except NodeExistsError:
                    pass  # the reply of an earlier try was lost, the node was not
                self.created.append(name)
            self.operations += 1
        except SessionExpiredError:
            self.violations.append("worker %d: its session expired" % self.number)
            self.stop_event.wait(0.2)
        except KazooException:
            self.stop_event.wait(0.01)

    def write(self):
        self.tried += 1
        self.client.set(self.key, b"%d" % self.tried)
        self.acked = self.tried

    def read(self):
        value = int(self.client.get(self.key)[0])
        if value < max(self.seen, self.acked):
            self.violations.append("worker %d read %d after it had seen %d and was acknowledged %d" %
                                   (self.number, value, self.seen, self.acked))
        if value > self.tried:
            self.violations.append("worker %d read %d, which nobody wrote" % (self.number, value))
        self.seen = max(self.seen, value)


def lost_writes(hosts, workers):
    """Acknowledged writes that no server knows any more, read through a fresh session after a sync."""
    client = connect(hosts)
    client.sync("/")
    lost = []
    for worker in workers:
        try:
            value = int(client.get(worker.key)[0])
        except KazooException:
            value = -1
        if value < worker.acked:
            lost.append("%s is %d, %d was acknowledged" % (worker.key, value, worker.acked))
    try:
        present = set("/nodes/" + name for name in client.get_children("/nodes"))
    except KazooException:
        present = set()
    lost += ["%s is gone" % name for worker in workers for name in worker.created if name not in present]
    leave(client)
    return lost


def prepare_nodes(hosts):
    client = connect(hosts)
    client.ensure_path("/nodes")
    for number in range(WORKERS):
        client.ensure_path("/counters/w%d" % number)
        client.set("/counters/w%d" % number, b"0")
    leave(client)


def one_round(ensemble, rng, kind):
    leader = ensemble.wait_leader()
    if kind == "all":
        victims = list(range(ensemble.servers))
    elif kind in ("leader", "stop") or ensemble.servers == 1:
        victims = [leader if leader is not None else 0]
    else:
        victims = [rng.choice([i for i in range(ensemble.servers) if i != leader])]
    for index in victims:
        if kind != "stop":
            ensemble.kill(index)
        elif ensemble.terminate(index) != 0:
            raise RuntimeError("server %d did not stop cleanly on SIGTERM\n%s" % (index + 1, ensemble.logs(20)))
    time.sleep(rng.choice((0, 0.05, 0.3)))
    rng.shuffle(victims)
    for index in victims:
        ensemble.start(index)
    ensemble.wait_serving()
    time.sleep(rng.uniform(0.05, 0.4))


def run(backend, servers, rounds, seed, kinds=("leader", "stop", "follower", "all"), join_seconds=PATIENCE_S):
    """Plays the rounds; returns (violations, lost writes, whether the trees are equal, operations, log tails)."""
    rng = random.Random(seed)
    settings = {"snapCount": 2000, "tickTime": 1000}
    with Ensemble("vivarium", servers, backend, settings) as ensemble:
        prepare_nodes(ensemble.hosts())
        stop = threading.Event()
        workers = [Worker(number, ensemble.hosts(), stop) for number in range(WORKERS)]
        for worker in workers:
            worker.start()
        wait_until(lambda: all(worker.operations for worker in workers))
        failure = []
        try:
            for number in range(rounds):
                one_round(ensemble, rng, kinds[number % len(kinds)])
                if sys.stderr.isatty():
                    print("\r%s round %d of %d" % (backend, number + 1, rounds), end="", file=sys.stderr)
        except RuntimeError as error:
            failure.append(str(error))
        stop.set()
        # A worker whose servers forgot more than it has seen waits for ever: they refuse it, rightly.
        deadline = time.monotonic() + join_seconds
        for worker in workers:
            worker.join(max(0.0, deadline - time.monotonic()))
        if join_seconds > 1:
            failure += ["worker %d: no answer within %d s of the end" % (w.number, join_seconds)
                        for w in workers if w.is_alive()]
        violations = failure + [v for worker in workers for v in worker.violations]
        lost = lost_writes(ensemble.hosts(), workers) if not failure else []
        equal = ensemble.wait_equal()
        operations = sum(worker.operations for worker in workers)
        return violations, lost, equal, operations, "%s\n%s" % (ensemble.states(), ensemble.logs(20))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("VIV_KILL_ROUNDS", "4")))
    parser.add_argument("--backend", default=os.environ.get("VIV_BACKEND"))
    parser.add_argument("--servers", type=int, default=3)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("VIV_SEED", "1")))
    arguments = parser.parse_args()
    logging.getLogger("kazoo").setLevel(logging.CRITICAL)  # lost connections are the point here
    tap = Tap()
    names = [arguments.backend] if arguments.backend else [default_configuration()]
    if arguments.backend == "all":
        names = build_configurations()
    for backend in names:
        violations, lost, equal, operations, logs = run(backend, arguments.servers, arguments.rounds, arguments.seed)
        print("# %s: %d rounds, seed %d, %d operations of each kind" % (backend, arguments.rounds, arguments.seed,
                                                                      operations))
        tap.ok(operations > arguments.rounds, "%s: the load made progress" % backend, logs)
        tap.ok(not lost, "%s: no acknowledged write is lost" % backend, "\n".join(lost[:20]) + "\n" + logs)
        tap.ok(not violations, "%s: no session reads back in time" % backend, "\n".join(violations[:20]))
        tap.ok(equal, "%s: the trees are equal on all servers" % backend, logs)
    _, lost, _, _, logs = run("memory", 1, 1, arguments.seed, kinds=("all",), join_seconds=1)
    tap.ok(bool(lost), "control: a store without durability is caught losing writes", logs)
    tap.done()


if __name__ == "__main__":
    main()
