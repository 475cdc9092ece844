"""Vivarium and Apache ZooKeeper 3.8 join one another's running ensembles, and a whole ensemble moves from one to the
other and back, one server at a time, under load. TAP on standard output; about three minutes.

Ours joins ZooKeeper's as an observer and as a voting follower, and leads it; ZooKeeper's joins ours. Workers write and
read through all servers meanwhile (crash/kill_rounds.py): nothing acknowledged may be lost, nobody reads back in time,
no session expires, and at the end all servers serve the same tree. A server moves with a directory that is empty and
filled by its leader, or with what the other kind wrote: ours starts on ZooKeeper's, ZooKeeper's on what vivarium-cli
exports.
"""

import argparse
import contextlib
import logging
import os
import shutil
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "support"), os.path.join(HERE, "..", "crash")]
from ensemble import Tap, zookeeper_class_path  # noqa: E402
from kill_rounds import WORKERS, Worker, lost_writes, prepare_nodes  # noqa: E402
from mixed import MixedEnsemble  # noqa: E402
import namespace  # noqa: E402

OURS, THEIRS = "vivarium", "zookeeper"
JOIN_S = 30


@contextlib.contextmanager
def load(ensemble, hosts, found):
    """Workers on these hosts while the block runs; afterwards found["violations"], ["lost"] and ["operations"]."""
    prepare_nodes(hosts)
    stop = threading.Event()
    workers = [Worker(number, hosts, stop) for number in range(WORKERS)]
    for worker in workers:
        worker.start()
    time.sleep(0.5)
    try:
        yield workers
    finally:
        time.sleep(0.5)
        stop.set()
        for worker in workers:
            worker.join(40)
        found["violations"] = [text for worker in workers for text in worker.violations]
        found["violations"] += ["worker %d hangs" % w.number for w in workers if w.is_alive()]
        found["lost"] = lost_writes(hosts, workers)
        found["operations"] = sum(worker.operations for worker in workers)


def judge(tap, ensemble, found, name):
    """The verdict on a load, and that all servers serve one tree."""
    tap.ok(not found["lost"] and found["operations"] > 100, "%s: no acknowledged write is lost" % name,
           "%d operations\n%s\n%s" % (found["operations"], "\n".join(found["lost"][:20]), ensemble.logs()))
    tap.ok(not found["violations"], "%s: nobody reads back in time, no session expires" % name,
           "\n".join(found["violations"][:20]))
    trees = [tree_of(ensemble, index) for index in range(ensemble.servers)]
    tap.ok(all(tree == trees[0] for tree in trees), "%s: all servers serve one tree, %d nodes" % (name, len(trees[0])),
           "\n".join(namespace.difference(trees[0], tree) for tree in trees))


def tree_of(ensemble, index):
    client = ensemble.client(index)
    client.sync("/")
    tree = {path: facts for path, facts in namespace.served(client).items() if path != "/zookeeper/config"}
    client.stop()
    client.close()
    return tree


def written_through(tap, ensemble, name):
    """A node is created through every server, and each shows all of them."""
    clients = [ensemble.client(index) for index in range(ensemble.servers)]
    root = "/through-" + name.replace(" ", "-")
    clients[0].create(root)
    for index, client in enumerate(clients):
        client.create("%s/%d" % (root, index), b"%d" % index)
    seen = []
    for client in clients:
        client.sync(root)
        seen.append(sorted(client.get_children(root)))
        client.stop()
        client.close()
    tap.ok(all(names == [str(i) for i in range(ensemble.servers)] for names in seen),
           "%s: what is written through any server is seen by all" % name, seen)


def kill_in_turn(ensemble, indexes):
    """kill -9 of each under load, whichever kind and role; it comes back and serves."""
    for index in indexes:
        ensemble.kill(index)
        ensemble.wait_serving([i for i in range(ensemble.servers) if i != index], timeout=JOIN_S)
        time.sleep(0.5)
        ensemble.start(index)
        ensemble.wait_serving(timeout=JOIN_S)
        time.sleep(0.5)


def hosts_of(ensemble, indexes):
    return ",".join(ensemble.host(index) for index in indexes)


def join(tap, kinds, newcomer, name, observers=()):
    """All but one run under load; it joins, in its role; then each is killed in turn."""
    found = {}
    with contextlib.closing(MixedEnsemble(kinds, observers=observers)) as ensemble:
        others = [i for i in range(len(kinds)) if i != newcomer]
        for index in others:
            ensemble.start(index)
        ensemble.wait_serving(others)
        with load(ensemble, hosts_of(ensemble, others), found):
            ensemble.start(newcomer)
            ensemble.wait_serving([newcomer], timeout=JOIN_S)
            wanted = "observer" if newcomer in observers else "follower"
            tap.ok(ensemble.mode(newcomer) == wanted, "%s: it is a %s of the running ensemble" % (name, wanted),
                   ensemble.logs())
            written_through(tap, ensemble, name)
            kill_in_turn(ensemble, [newcomer] + others)
        judge(tap, ensemble, found, name)


def lead(tap):
    """Ours has the greatest number: when ZooKeeper's leader is killed, it is elected among equals."""
    found, name = {}, "ours leads theirs"
    with contextlib.closing(MixedEnsemble([THEIRS, THEIRS, OURS])) as ensemble:
        for index in (0, 1):
            ensemble.start(index)
        ensemble.wait_serving([0, 1])
        ensemble.start(2)
        ensemble.wait_serving()
        was = ensemble.wait_leader()
        with load(ensemble, ensemble.hosts(), found):
            for _ in range(4):  # who logged most is elected, so that it may take more than one
                victim = ensemble.wait_leader()
                if victim in (2, None):
                    break
                kill_in_turn(ensemble, [victim])
            leads = ensemble.leader() == 2
            written_through(tap, ensemble, name)
            others = [index for index in (0, 1)]
            kill_in_turn(ensemble, others)
            leads = leads and ensemble.leader() == 2
        tap.ok(was in (0, 1) and leads, "%s: elected after theirs was killed, it leads two of them on" % name,
               "%s\n%s" % (was, ensemble.logs()))
        judge(tap, ensemble, found, name)


# ---- a whole ensemble moves

def start_empty(ensemble, index, kind):
    shutil.rmtree(ensemble.data_dir(index))
    ensemble.kinds[index] = kind


def start_on_theirs(ensemble, index, kind):
    """Our server takes over ZooKeeper's directory as it lies there."""
    ensemble.kinds[index] = kind


def start_on_export(ensemble, index, kind):
    """ZooKeeper's gets what is exported out of ours."""
    data = ensemble.data_dir(index)
    code, out, err = namespace.cli("export", "--with-log", "--to", data + "-export", "--server-id", index + 1, data)
    if code != 0:
        raise RuntimeError("export of server %d: %s%s" % (index + 1, out, err))
    shutil.rmtree(data)
    os.rename(data + "-export", data)
    ensemble.kinds[index] = kind


def move(tap, ensemble, kind, change, name):
    """Each server in turn, the leader last; every other one is killed instead of told to stop."""
    order = sorted(range(ensemble.servers), key=lambda i: i == ensemble.leader())
    for number, index in enumerate(order):
        if number % 2 == 0:
            ensemble.terminate(index)
        else:
            ensemble.kill(index)
        change(ensemble, index, kind)
        ensemble.start(index)
        ensemble.wait_serving(timeout=JOIN_S)
        time.sleep(1)
    tap.ok(all(k == kind for k in ensemble.kinds) and not ensemble.died(), "%s: all three run %s" % (name, kind),
           ensemble.logs())


def migrate(tap, there, back, name):
    found = {}
    with contextlib.closing(MixedEnsemble([THEIRS] * 3)) as ensemble:
        ensemble.start_all()
        ensemble.wait_serving()
        with load(ensemble, ensemble.hosts(), found):
            move(tap, ensemble, OURS, there, name + ", there")
            written_through(tap, ensemble, name + ", there")
            move(tap, ensemble, THEIRS, back, name + ", back")
            written_through(tap, ensemble, name + ", back")
        judge(tap, ensemble, found, name)


SCENES = {
    "observer": lambda tap: join(tap, [THEIRS, THEIRS, THEIRS, OURS], 3, "ours observes theirs", {3}),
    "follower": lambda tap: join(tap, [THEIRS, THEIRS, OURS], 2, "ours follows theirs"),
    "leader": lead,
    "theirs": lambda tap: join(tap, [OURS, OURS, THEIRS], 2, "theirs follows ours"),
    "their-observer": lambda tap: join(tap, [OURS, OURS, OURS, THEIRS], 3, "theirs observes ours", {3}),
    "empty": lambda tap: migrate(tap, start_empty, start_empty, "with empty directories"),
    "files": lambda tap: migrate(tap, start_on_theirs, start_on_export, "with the other's files"),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="one of " + ", ".join(SCENES))
    only = parser.parse_args().only
    logging.getLogger("kazoo").setLevel(logging.CRITICAL)  # lost connections are the point here
    tap = Tap()
    for name, scene in SCENES.items():
        if zookeeper_class_path() is None:
            tap.skip(name, "Debian's zookeeper is not installed")
        elif only in ("", name):
            try:
                scene(tap)
            except RuntimeError as error:
                tap.ok(False, "%s: all serve" % name, error)
    tap.done()
    sys.exit(1 if tap.failed else 0)


if __name__ == "__main__":
    main()
