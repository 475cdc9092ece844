"""What ours do otherwise, with Apache ZooKeeper 3.8 in the ensemble: a leader of ours confirms syncs and linearizable reads
by the PINGs of ZooKeeper's followers; by another election policy a server of ours that meets a voter of ZooKeeper's refuses to
start, and one that has served neither hears nor follows it. TAP.
"""

import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from ensemble import Tap, zookeeper_class_path  # noqa: E402
from mixed import MixedEnsemble  # noqa: E402


class ConfiguredEnsemble(MixedEnsemble):
    """Settings of ours only: ZooKeeper's servers would pass over them."""

    def __init__(self, kinds, **settings):
        super().__init__(kinds)
        self.settings.update({name.replace("_", "."): value for name, value in settings.items()})


def confirms_by_pings(tap):
    with ConfiguredEnsemble(["zookeeper", "zookeeper", "vivarium"], reads="linearizable") as ensemble:
        leader = ensemble.wait_leader()
        tap.ok(leader == 2, "ours leads two of kind zookeeper", ensemble.logs())
        client = ensemble.client(leader)
        client.create("/x", b"1")
        asked = time.monotonic()
        for _ in range(100):
            client.sync("/x")
            client.get("/x")
        print("# a sync or a linearizable read takes %.2f ms" % ((time.monotonic() - asked) / 200 * 1e3))
        for index in (0, 1):
            ensemble.signal(index, signal.SIGSTOP)
        time.sleep(0.2)
        sync, get = client.sync_async("/x"), client.get_async("/x")
        time.sleep(1)
        tap.ok(not sync.ready() and not get.ready(), "while they are stopped neither sync nor read is answered")
        for index in (0, 1):
            ensemble.signal(index, signal.SIGCONT)
        tap.ok(sync.get(timeout=10) == "/x" and get.get(timeout=10)[0] == b"1", "and both are when they go on")
        client.stop()
        client.close()


def refuses_other_policies(tap):
    ensemble = ConfiguredEnsemble(["vivarium", "vivarium", "zookeeper"], election_policy="ring", election_slack=10)
    ours = [0, 1]
    try:
        for index in ours:
            ensemble.start(index)
        ensemble.wait_serving(ours)
        ensemble.start(2)
        lines, deadline = [], time.monotonic() + 60  # a Java machine starts slowly beside others
        while len(lines) < len(ours) and time.monotonic() < deadline:
            time.sleep(0.2)
            lines = [line for i in ours for line in open(ensemble.log_file(i), errors="replace")
                     if "a voter elects otherwise" in line and "sid=3" in line]
        tap.ok(ensemble.leader() in ours and ensemble.mode(2) == "",
               "election.policy=ring: two of ours serve without the voter of kind zookeeper", ensemble.logs())
        tap.ok(len(lines) == 2, "and each says so once", ensemble.logs())
        leader = ensemble.wait_leader()
        ensemble.kill(leader)
        time.sleep(3)
        tap.ok(ensemble.leader() is None, "with one of ours it makes no quorum", ensemble.logs())
        for index in ours:
            ensemble.kill(index)
        ensemble.start(leader)  # alone: beside another of ours it might serve before it meets the stranger
        try:
            code = ensemble.processes[leader].wait(60)
        except subprocess.TimeoutExpired:
            code = None
        refusal = "a voter of this ensemble is an Apache ZooKeeper server, which knows no election.policy but fle"
        tap.ok(code == 2 and refusal in open(ensemble.log_file(leader), errors="replace").read(),
               "one of ours that meets it at its start refuses with exit code 2, and says what to do",
               (code, ensemble.logs()))
    finally:
        ensemble.close()


def prefers(tap):
    """No ZooKeeper here: who has the highest priority leads, also when it lags and has to catch up first."""
    ensemble = ConfiguredEnsemble(["vivarium"] * 3, election_policy="priority", election_slack=-1)
    plain = ensemble._config

    def config(index):
        path = plain(index)
        with open(path, "a") as f:
            f.write("election.priority=%d\n" % (10 if index == 1 else index))
        return path

    ensemble._config = config
    with ensemble:
        tap.ok(ensemble.leader() == 1, "who has the highest priority leads", ensemble.logs())
        client = ensemble.client(0)
        ensemble.kill(1)
        ensemble.wait_serving([0, 2])
        for number in range(50):
            client.retry(client.create, "/n-%d" % number, b"x")
        ensemble.kill(0)
        ensemble.kill(2)
        for index in range(3):
            ensemble.start(index)
        ensemble.wait_serving()
        names = [ensemble.children(i) for i in range(3)]
        pulled = "the elected leader pulls what it lacks" in open(ensemble.log_file(1), errors="replace").read()
        tap.ok(ensemble.leader() == 1 and pulled, "it leads although it lags, after it has pulled what it lacks",
               ensemble.logs())
        tap.ok(all(n == names[0] for n in names) and len(names[0]) == 51, "and nothing is lost", names)
        client.stop()
        client.close()


def main():
    tap = Tap()
    prefers(tap)
    if zookeeper_class_path() is None:
        tap.skip("mixed ensembles", "Debian's zookeeper is not installed")
    else:
        confirms_by_pings(tap)
        refuses_other_policies(tap)
    tap.done()


if __name__ == "__main__":
    main()
