"""Live servers under random clients, recorded and checked (engine/sim/check): one server and three of ours, three with a
leader that is killed, and Apache ZooKeeper 3.8, which is the referee of the reference tree. Without VIV_LONG=1 only the
killed leader. TAP on standard output.

    record.py [--seed N] [--operations N] [--clients N] [--keep FOLDER] [--zookeeper]
"""

import argparse
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from ensemble import PATIENCE_S, Ensemble, Tap, zookeeper_class_path  # noqa: E402
from history import Client, History, check, export_log  # noqa: E402
from zkwire import (ADD_WATCH, CHECK, CHECK_WATCHES, CREATE, CREATE2, CREATE_CONTAINER, CREATE_TTL, DELETE,  # noqa: E402
                    EXISTS, GET_ACL, GET_ALL_CHILDREN_NUMBER, GET_CHILDREN, GET_CHILDREN2, GET_DATA, GET_EPHEMERALS, MULTI,
                    MULTI_READ, OPEN, REMOVE_WATCHES, SET_ACL, SET_DATA, SET_WATCHES, SYNC, create, data, integer, long,
                    multi, vector, versioned, watching, acl)

PARENTS = ["/a", "/b", "/a/c", "/b/d-e", "/zookeeper/x"]
NAMES = ["n1", "n2", "n3", "ü"]
LISTS = [OPEN, OPEN, OPEN, ((31, "auth", ""),), ((1, "world", "anyone"), (31, "digest", "u:" + "x" * 27 + "=")),
         ((31, "ip", "127.0.0.1"),), ((31, "ip", "10.0.0.0/8"), (16, "world", "anyone")), (), ((31, "nope", "x"),)]
BAD_PATHS = ["", "nope", "/a/", "/a//b", "/a/./b", "/", "/zookeeper", "/a/n1/missing/x"]


class Random:
    """Requests out of a generator: mostly of few paths, so that clients meet. What stands behind a setACL may still be judged
    by the list before it in ZooKeeper 3.8.0 (interop/DIFFERENCES.md), which is therefore not sent any."""

    def __init__(self, rng, has_set_acl):
        self.rng, self.has_set_acl = rng, has_set_acl

    def path(self):
        rng = self.rng
        if rng.random() < 0.03:
            return rng.choice(BAD_PATHS)
        parent = rng.choice(PARENTS)
        return parent if rng.random() < 0.25 else parent + "/" + rng.choice(NAMES)

    def value(self):
        rng = self.rng
        return None if rng.random() < 0.05 else bytes(rng.randrange(256) for _ in range(rng.randrange(20)))

    def version(self):
        return self.rng.choice((-1, -1, -1, 0, 1, 2, -2))

    def creation(self):
        rng, path = self.rng, self.path()
        entries = rng.choice(LISTS)
        kind = rng.random()
        if kind < 0.08:
            return CREATE_CONTAINER, create(path, self.value(), entries, 4)
        if kind < 0.14:
            return CREATE_TTL, create(path, self.value(), entries, rng.choice((5, 6)), rng.choice((3600000, 0, -1)))
        flags = rng.choice((0, 0, 0, 1, 1, 2, 3))
        if flags >= 2 and rng.random() < 0.7:
            path = rng.choice(PARENTS) + "/" + rng.choice(("q-", ""))
        return rng.choice((CREATE, CREATE2)), create(path, self.value(), entries, flags)

    def change(self, many=False):
        rng, kind = self.rng, self.rng.random()
        if kind < 0.4:
            return self.creation()
        if kind < 0.7:
            return SET_DATA, data(self.path()) + data(self.value()) + integer(self.version())
        if kind < 0.95 or many or not self.has_set_acl:
            return DELETE, versioned(self.path(), self.version())
        return SET_ACL, data(self.path()) + acl(rng.choice(LISTS)) + integer(self.version())

    def several(self):
        steps = [self.change(True) if self.rng.random() < 0.85 else (CHECK, versioned(self.path(), self.version()))
                 for _ in range(self.rng.randrange(5))]
        return MULTI, multi(steps)

    def read(self):
        rng, kind = self.rng, self.rng.random()
        if kind < 0.8:
            op = rng.choice((EXISTS, GET_DATA, GET_CHILDREN, GET_CHILDREN2))
            return op, watching(self.path(), rng.random() < 0.4)
        if kind < 0.84:
            return GET_ACL, data(self.path())
        if kind < 0.87:
            return GET_EPHEMERALS, data(rng.choice(("/", "/a", "/b/d-e/n")))
        if kind < 0.9:
            return GET_ALL_CHILDREN_NUMBER, data(rng.choice(("/", "/a", "/b")))
        if kind < 0.95:
            return SYNC, data(self.path())
        return MULTI_READ, multi([(rng.choice((GET_DATA, GET_CHILDREN)), watching(self.path(), False))
                                  for _ in range(rng.randrange(4))])

    def watch(self):
        rng = self.rng
        if rng.random() < 0.7:
            return ADD_WATCH, data("/persistent" if rng.random() < 0.2 else rng.choice(PARENTS)) + integer(rng.randrange(2))
        return rng.choice((CHECK_WATCHES, REMOVE_WATCHES)), data(rng.choice(PARENTS)) + integer(rng.randrange(1, 6))

    def request(self, watches):
        kind = self.rng.random()
        if kind < 0.4:
            return self.change()
        if kind < 0.48:
            return self.several()
        if kind < 0.52 and watches:
            return self.watch()
        return self.read()


class Worker(threading.Thread):
    """A client that goes from server to server."""

    def __init__(self, history, number, ensemble, seed, operations, watches):
        super().__init__()
        self.client = Client(history, number)
        self.ensemble, self.operations, self.watches = ensemble, operations, watches
        self.rng = random.Random(seed * 1000 + number)
        self.random = Random(self.rng, watches)
        self.watched = []
        self.failure = None

    def connect(self):
        deadline = time.monotonic() + PATIENCE_S
        while self.client.wire is None and time.monotonic() < deadline:
            server = self.rng.randrange(len(self.ensemble.client_ports))
            had, seen = self.client.session != 0, self.client.last_zxid
            if self.client.open(self.ensemble.client_ports[server], server) is not True:
                time.sleep(0.02)
                continue
            if self.client.number % 2 == 0:
                self.client.authenticate("u%d" % (self.client.number % 3), "p")
            if had and self.client.wire is not None:
                self.client.call(SET_WATCHES, long(seen) + vector(self.watched[:3]) + vector(["/a/none"]) + vector(["/a", "/b"]))
        return self.client.wire is not None

    def run(self):
        try:
            self.work()
        except Exception as error:  # noqa: BLE001: told by the test
            self.failure = error

    def work(self):
        for _ in range(self.operations):
            if self.client.wire is None and not self.connect():
                raise RuntimeError("no server within 30 s")
            for _ in range(self.rng.choice((1, 1, 1, 4))):
                op, record = self.random.request(self.watches)
                if op == GET_DATA and record[-1]:
                    self.watched.append(record[4:-1].decode())
                self.client.send(op, record)
            self.client.drain()
            if self.rng.random() < 0.01:
                self.client.lose()


def prepare(history, ensemble):
    client = Client(history, 0)
    client.open(ensemble.client_ports[0], 0)
    for path in PARENTS:
        client.call(CREATE, create(path, b"", OPEN, 0))
    return client


def finish(history, ensemble, first):
    """One more client shows where all came to, and closes."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if first.wire is None and first.open(ensemble.client_ports[-1], len(ensemble.client_ports) - 1) is not True:
            time.sleep(0.05)
            continue
        if all(first.wire is not None and first.call(op, record) for path in PARENTS
               for op, record in ((SYNC, data(path)), (GET_CHILDREN2, watching(path, False)))):
            break
    first.close()


def run(tap, name, options, kind, servers, has_fault):
    is_zookeeper = kind == "zookeeper"
    settings = {"tickTime": 500, "initLimit": 20, "syncLimit": 10}
    if not is_zookeeper:
        settings["extendedTypesEnabled"] = "true"
    history = History(extended_types=1, is_zookeeper=int(is_zookeeper), expiry_slack_ms=500, wall_slack_ms=2000)
    if not is_zookeeper:
        history.header["strict_sync"] = 1 if servers == 1 else 0
    history.header["wall_ms"] = int(time.time() * 1000)
    with Ensemble(kind, servers, settings=settings) as ensemble:
        first = prepare(history, ensemble)
        workers = [Worker(history, 1 + i, ensemble, options.seed, options.operations, not is_zookeeper)
                   for i in range(options.clients)]
        for worker in workers:
            worker.start()
        if has_fault:
            time.sleep(0.3)
            leader = ensemble.wait_leader()
            if leader is not None:
                ensemble.kill(leader)
                time.sleep(0.5)
                ensemble.start(leader)
        for worker in workers:
            worker.join()
        ensemble.wait_serving()
        failures = [str(w.failure) for w in workers if w.failure]
        for worker in workers:
            if worker.client.number % 3 == 0:
                worker.client.close()
            else:
                worker.client.lose()
        finish(history, ensemble, first)
        folder = options.keep or ensemble.folder
        for index in range(servers):
            ensemble.terminate(index)
        logs = os.path.join(ensemble.folder, "exported")
        if is_zookeeper:
            logs = ensemble.data_dir(servers - 1)
        else:
            done, said = export_log(ensemble.data_dir(servers - 1), logs, servers - 1)
            tap.ok(done, "%s: the log is exported" % name, said)
        count = history.add_log(logs)
        path = os.path.join(folder, "%s.jsonl" % name.replace(" ", "-"))
        history.write(path)
        accepted, said = check(path)
        tap.ok(not failures, "%s: the clients come to their end" % name, "\n".join(failures))
        if not tap.ok(accepted and count > 0, "%s: its history is accepted" % name, said):
            print("# repeat with: tests/sim/record.py --seed %d --operations %d --clients %d" %
                  (options.seed, options.operations, options.clients))
        for line in said.splitlines():
            print("# %s: %s" % (name, line[:400]))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--operations", type=int, default=60)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--keep", help="a folder for the histories")
    parser.add_argument("--only", help="one of the runs by name")
    parser.add_argument("--zookeeper", action="store_true", help="Apache ZooKeeper too")
    options = parser.parse_args()
    tap = Tap()
    runs = [("one server", "vivarium", 1, False), ("three servers", "vivarium", 3, False),
            ("a killed leader", "vivarium", 3, True)]
    if not os.environ.get("VIV_LONG") and not options.zookeeper and not options.only:
        runs = runs[2:]
    if options.zookeeper and zookeeper_class_path() is not None:
        runs += [("zookeeper alone", "zookeeper", 1, False), ("three of zookeeper", "zookeeper", 3, False)]
    for run_of in runs:
        if options.only in (None, run_of[0]):
            run(tap, run_of[0], options, *run_of[1:])
    tap.done()
    sys.exit(tap.failed > 0)


if __name__ == "__main__":
    main()
