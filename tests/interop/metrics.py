"""What a server tells of itself over mntr: every name that Apache ZooKeeper tells, in its shape, and values that agree
with the work that was done. With --real the same work is given to ZooKeeper 3.8 and the answers are compared. TAP.
"""

import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from ensemble import PATIENCE_S, Ensemble, Tap, zookeeper_class_path  # noqa: E402

from kazoo.client import KazooClient  # noqa: E402

TOP = os.environ.get("VIV_SOURCE_DIR", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
WRITES, READS = 40, 30
COUNTS_OF_WORK = ("sum_app_write_per_namespace", "cnt_app_write_per_namespace", "sum_app_read_per_namespace",
                  "cnt_app_read_per_namespace", "app_quota_count_limit_per_namespace",
                  "app_quota_bytes_usage_per_namespace", "znode_count", "ephemerals_count", "watch_count",
                  "cnt_node_changed_watch_count", "sum_node_changed_watch_count")


def names_of_zookeeper(sections):
    """Names in the mntr of a real server, without those of namespaces and learners, which depend on the work."""
    names, wanted = set(), False
    with open(os.path.join(TOP, "tests", "unit", "metrics", "mntr-names.txt")) as f:
        for line in f.read().splitlines():
            if line.startswith("["):
                wanted = line[1:-1] in sections
            elif wanted and not line.startswith("#"):
                names.add("zk_" + line)
    return names


def work(ensemble, index):
    """The client stays connected, so that its session, its watch and its node can be seen."""
    client = KazooClient(hosts=ensemble.host(index))
    client.start(timeout=PATIENCE_S)
    client.create("/app", b"x")
    client.create("/zookeeper/quota/app/zookeeper_limits", b"count=50,bytes=100000", makepath=True)
    client.create("/zookeeper/quota/app/zookeeper_stats", b"count=1,bytes=1")
    client.create("/app/e", b"", ephemeral=True)
    fired = []
    client.get("/app", watch=fired.append)
    for i in range(WRITES):
        client.set("/app", b"d" * i)
    for i in range(READS):
        client.get("/app")
    client.get("/app", watch=fired.append)
    client.exists("/app")
    client.get_children("/app")
    client.get_children("/app", include_data=True)
    return client


def check_names(tap, ensemble, leader):
    for index in range(ensemble.servers):
        sections = ("always", "ensemble", "leader") if index == leader else ("always", "ensemble")
        missing = names_of_zookeeper(sections) - set(ensemble.mntr(index))
        tap.ok(not missing, "server %d tells every name that ZooKeeper tells in its place" % (index + 1), missing)
    extra = names_of_zookeeper(("leader",)) & set(ensemble.mntr((leader + 1) % 3))
    tap.ok(not extra, "a follower does not tell a leader's numbers", extra)


def check_shapes(tap, pairs):
    def is_wrong(name, value):
        is_decimal = name.startswith(("zk_avg_", "viv_avg_")) or name == "zk_connection_drop_probability"
        return not re.fullmatch(r"-?\d+\.\d{1,4}" if is_decimal else r"-?\d+", value)
    words = ("zk_version", "zk_server_state", "zk_peer_state", "viv_backend")
    wrong = {name: value for name, value in pairs.items() if name not in words and is_wrong(name, value)}
    tap.ok(not wrong, "averages are decimals and all else is an integer", wrong)


def check_values(tap, ensemble, leader, attached):
    follower, head = ensemble.mntr(attached), ensemble.mntr(leader)

    def expect(pairs, name, wanted, what):
        tap.ok(wanted(int(float(pairs.get(name, "-1")))), what, "%s is %s" % (name, pairs.get(name)))
    expect(follower, "zk_sum_app_write_per_namespace", lambda n: n == 4 + 1 + 6 + sum(4 + i for i in range(WRITES)),
           "each write counts its path and its data")
    expect(follower, "zk_cnt_app_read_per_namespace", lambda n: n == READS + 5, "each read counts once")
    expect(head, "zk_cnt_app_read_per_namespace", lambda n: n == -1, "a server that served no read tells of none")
    expect(follower, "zk_cnt_updatelatency", lambda n: n >= WRITES, "updates are counted where the client is")
    expect(head, "zk_cnt_updatelatency", lambda n: n == 0, "and not at the leader")
    expect(head, "zk_cnt_quorum_ack_latency", lambda n: n >= WRITES, "the leader times the way to the quorum")
    expect(head, "zk_cnt_%d_ack_latency" % (attached + 1), lambda n: n >= WRITES, "and to each learner")
    expect(head, "zk_proposal_count", lambda n: n >= WRITES, "proposals are counted at the leader")
    expect(follower, "zk_proposal_count", lambda n: n == 0, "and not at a follower")
    expect(follower, "zk_learner_commit_received_count", lambda n: n >= WRITES, "a follower counts commits")
    expect(head, "zk_learners", lambda n: n == 2, "the leader has two learners")
    expect(head, "zk_quorum_size", lambda n: n == 3, "of three voters")
    expect(head, "zk_cnt_fsynctime", lambda n: n > 0, "syncs are timed")
    for pairs in (follower, head):
        expect(pairs, "zk_cnt_election_time", lambda n: n >= 1, "elections are timed")
    zxids = {ensemble.mntr(i).get("viv_group_0_last_zxid") for i in range(3)}
    tap.ok(len(zxids) == 1 and None not in zxids, "a group's numbers carry its id and agree", zxids)


def check_start(tap, ensemble, index):
    ensemble.kill(index)
    ensemble.start(index)
    ensemble.wait_serving()
    pairs = ensemble.mntr(index)
    tap.ok(int(pairs["zk_max_startup_txns_loaded"]) >= WRITES and int(pairs["viv_start_entries_replayed"]) >= WRITES,
           "after a start it says how much was replayed", pairs)
    tap.ok(int(pairs["viv_start_serving_ms"]) >= int(pairs["viv_start_replay_ms"]), "and how long it took to serve", pairs)


def compare(tap):
    """Standalone: every number that follows from the work is the same as ZooKeeper's."""
    shown = {}
    for kind in ("vivarium", "zookeeper"):
        with Ensemble(kind) as ensemble:
            client = work(ensemble, 0)
            time.sleep(0.3)
            pairs = ensemble.mntr(0)
            client.stop()
            shown[kind] = {name: pairs.get("zk_" + name) for name in COUNTS_OF_WORK}
    tap.ok(shown["vivarium"] == shown["zookeeper"], "the same work gives the same numbers as with ZooKeeper",
           "\n".join("%s: %s, ZooKeeper %s" % (name, shown["vivarium"][name], shown["zookeeper"][name])
                     for name in COUNTS_OF_WORK if shown["vivarium"][name] != shown["zookeeper"][name]))


def main():
    tap = Tap()
    if "--real" in sys.argv:
        if zookeeper_class_path() is None:
            tap.skip("the same work gives the same numbers as with ZooKeeper", "ZooKeeper is not installed")
        else:
            compare(tap)
        return tap
    with Ensemble("vivarium", 3) as ensemble:
        leader = ensemble.wait_leader()
        attached = (leader + 1) % 3
        client = work(ensemble, attached)
        time.sleep(0.2)
        check_names(tap, ensemble, leader)
        check_shapes(tap, ensemble.mntr(leader))
        check_values(tap, ensemble, leader, attached)
        client.stop()
        check_start(tap, ensemble, attached)
    return tap


if __name__ == "__main__":
    result = main()
    result.done()
    sys.exit(result.failed > 0)
