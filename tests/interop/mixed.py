"""Our servers and Apache ZooKeeper 3.8 in one ensemble: each kind leads and follows, is killed and comes back, and ours
starts again with an empty directory; writes through every server are read at every other; sessions go on at any server
until they are closed, and at none after that. TAP on standard output.
"""

import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from ensemble import PATIENCE_S, Ensemble, Tap, default_configuration, zookeeper_class_path  # noqa: E402
from zkwire import CLOSE_SESSION, Wire  # noqa: E402

from kazoo.client import KazooClient  # noqa: E402
from kazoo.exceptions import NoAuthError  # noqa: E402
from kazoo.security import make_digest_acl  # noqa: E402

WRITES = 60


class MixedEnsemble(Ensemble):
    """kinds: one of 'vivarium' and 'zookeeper' for each server. skipping: indexes of those with skipACL."""

    def __init__(self, kinds, skipping=(), **more):
        self.kinds, self.skipping = list(kinds), set(skipping)
        super().__init__("vivarium", len(kinds), default_configuration(), {"tickTime": 1000}, **more)

    def command(self, index):
        self.kind = self.kinds[index]
        self.settings["skipACL"] = "yes" if index in self.skipping else None
        return super().command(index)

    def client(self, index):
        client = KazooClient(hosts="127.0.0.1:%d" % self.client_ports[index], timeout=10)
        client.start(timeout=PATIENCE_S)
        return client

    def children(self, index):
        client = self.client(index)
        client.sync("/")
        names = sorted(client.get_children("/"))
        client.stop()
        client.close()
        return names


def everybody_writes(ensemble):
    """Every server takes writes, and every server shows all of them."""
    clients = [ensemble.client(index) for index in range(ensemble.servers)]
    clients[0].create("/counter", b"0")
    for index, client in enumerate(clients):
        client.create("/mine-%d-" % index, b"", ephemeral=True, sequence=True)
    for number in range(WRITES):
        clients[number % len(clients)].set("/counter", b"%d" % number)
    shown = []
    for client in clients:
        client.sync("/")
        shown.append((client.get("/counter")[0], sorted(client.get_children("/"))))
    for client in clients:
        client.stop()
        client.close()
    return shown


def whose_session(ensemble, index):
    """What every server says to a session of server `index`, while it lives and when it is closed."""
    live, closed = [], []
    with Wire(ensemble.client_ports[index]) as first:
        first.greet()
        session, password = first.session, first.password
    for port in ensemble.client_ports:
        with Wire(port) as wire:
            live.append(wire.greet(session=session, password=password))
    with Wire(ensemble.client_ports[index]) as last:
        last.greet(session=session, password=password)
        last.call(CLOSE_SESSION)
    for port in ensemble.client_ports:
        with Wire(port) as wire:
            closed.append(wire.greet(session=session, password=password))
    return live, closed


def survives_kill(ensemble, tap, victim):
    kind = ensemble.kinds[victim]
    others = [i for i in range(ensemble.servers) if i != victim]
    was = ensemble.mode(victim)
    ensemble.kill(victim)
    ensemble.wait_serving(others)
    client = ensemble.client(others[0])
    for number in range(WRITES):
        client.create("/after-%d-%d" % (victim, number), b"x" * 100)
    client.stop()
    client.close()
    ensemble.start(victim)
    ensemble.wait_serving()
    names = [ensemble.children(i) for i in range(ensemble.servers)]
    tap.ok(all(n == names[0] for n in names), "a %s of kind %s is killed and catches up" % (was, kind), ensemble.logs())


def survives_loss_of_disk(ensemble, tap, victim):
    ensemble.kill(victim)
    shutil.rmtree(ensemble.data_dir(victim))
    ensemble.start(victim)
    ensemble.wait_serving()
    leader = ensemble.wait_leader()
    tap.ok(ensemble.children(victim) == ensemble.children(leader),
           "one of ours starts empty under a leader of kind %s" % ensemble.kinds[leader], ensemble.logs())


def play(tap, kinds):
    with MixedEnsemble(kinds) as ensemble:
        try:
            shown = everybody_writes(ensemble)
            tap.ok(all(s == shown[0] for s in shown) and shown[0][0] == b"%d" % (WRITES - 1),
                   "%s: every server takes writes and shows them all" % " ".join(kinds), shown)
            said = [whose_session(ensemble, index) for index in range(ensemble.servers)]
            tap.ok(said == [([True] * ensemble.servers, [False] * ensemble.servers)] * ensemble.servers,
                   "%s: a session goes on at every server until it is closed, then at none" % " ".join(kinds), said)
            for victim in range(ensemble.servers):
                survives_kill(ensemble, tap, victim)
            for victim in range(ensemble.servers):
                if kinds[victim] == "vivarium":
                    survives_loss_of_disk(ensemble, tap, victim)
        except RuntimeError as error:
            tap.ok(False, "%s: all serve" % " ".join(kinds), error)
        tap.ok(not ensemble.died(), "%s: nobody ended by itself" % " ".join(kinds), ensemble.logs())


def is_allowed(call, *arguments):
    try:
        call(*arguments)
        return True
    except NoAuthError:
        return False


def whose_lists_are_skipped(kinds, skipping):
    """(may write, may read) of a client of the follower, at a node of somebody else. Server 2 leads, as nobody has a
    history."""
    with MixedEnsemble(kinds, {skipping}) as ensemble:
        client = ensemble.client(0)
        client.create("/shut", b"", acl=[make_digest_acl("somebody", "else", all=True)])
        allowed = is_allowed(client.set, "/shut", b"x"), is_allowed(client.get, "/shut")
        client.stop()
        client.close()
        return allowed if ensemble.leader() == 1 else "server 2 does not lead"


def skip_lists(tap):
    for kinds in ((a, b) for a in ("zookeeper", "vivarium") for b in ("zookeeper", "vivarium")):
        found = whose_lists_are_skipped(kinds, 1), whose_lists_are_skipped(kinds, 0)
        tap.ok(found == ((True, False), (False, True)),
               "skipACL of a leader (%s) counts for writes, that of a follower (%s) for what it reads" %
               (kinds[1], kinds[0]), found)


def main():
    tap = Tap()
    if zookeeper_class_path() is None:
        tap.skip("mixed ensembles", "Debian's zookeeper is not installed")
    else:
        play(tap, ["vivarium", "zookeeper", "zookeeper"])
        play(tap, ["zookeeper", "vivarium", "vivarium"])
        skip_lists(tap)
    tap.done()


if __name__ == "__main__":
    main()
