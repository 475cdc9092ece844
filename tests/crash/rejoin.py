"""Servers that come back to an ensemble from far away, and are as the others afterwards: one that was wiped, one that
missed more than the leaders keep in memory, a leader that was stopped and goes on, one whose log holds what nobody
else has. Nothing acknowledged is lost on the way. TAP on standard output.

    rejoin.py [--backend NAME] [--missed N] [--only SCENES] [--long]
"""

import argparse
import logging
import os
import shutil
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from ensemble import Ensemble, Tap, build_configurations, default_configuration  # noqa: E402

from kazoo.client import KazooClient  # noqa: E402
from kazoo.exceptions import KazooException  # noqa: E402
from kazoo.handlers.threading import KazooTimeoutError  # noqa: E402

SETTINGS = {"tickTime": 400, "initLimit": 10, "syncLimit": 5, "snapCount": 3000}
IN_FLIGHT = 500
STALLED_MIB = 700  # while a follower takes nothing: well above what a link and the history may hold


def connect(hosts, timeout=30):
    client = KazooClient(hosts=hosts, timeout=10, connection_retry={"max_tries": -1, "delay": 0.05, "backoff": 1})
    client.start(timeout=timeout)
    return client


def end(client):
    client.stop()
    client.close()


def write(client, count, size=100):
    """Sets /value `count` times, some in flight; returns the last value."""
    waiting = []
    for number in range(count):
        waiting.append(client.set_async("/value", b"%d:" % number + b"x" * size))
        if len(waiting) >= IN_FLIGHT:
            for answer in waiting:
                answer.get(30)
            waiting = []
    for answer in waiting:
        answer.get(30)
    return b"%d:" % (count - 1) + b"x" * size


def digests(ensemble):
    shown = []
    for index in range(ensemble.servers):
        pairs = ensemble.mntr(index)
        shown.append(tuple(pairs.get("viv_group_0_" + key) for key in ("last_zxid", "digest", "digest_extra")))
    return shown


def become_equal(ensemble, timeout=20):
    deadline = time.monotonic() + timeout
    while True:
        shown = digests(ensemble)
        if (len(set(shown)) == 1 and all(shown[0])) or time.monotonic() > deadline:
            return len(set(shown)) == 1 and all(shown[0]), shown
        time.sleep(0.05)


def others_of(ensemble, index):
    return [i for i in range(ensemble.servers) if i != index]


def host(ensemble, index):
    return "127.0.0.1:%d" % ensemble.client_ports[index]


def value_at(ensemble, index):
    client = connect(host(ensemble, index))
    client.sync("/value")
    value = client.get("/value")[0]
    end(client)
    return value


def long_behind(tap, ensemble, name, missed):
    leader = ensemble.leader()
    victim = others_of(ensemble, leader)[0]
    ensemble.kill(victim)
    client = connect(host(ensemble, leader))
    last = write(client, missed)
    end(client)
    present = others_of(ensemble, victim)
    for index in present:  # what they know of it now is in their logs only
        ensemble.kill(index)
    for index in present:
        ensemble.start(index)
    ensemble.wait_serving(present)
    ensemble.start(victim)
    ensemble.wait_serving()
    equal, shown = become_equal(ensemble)
    tap.ok(equal and value_at(ensemble, victim) == last, "%s: a server that missed %d writes has them" % (name, missed),
           "%s\n%s" % (shown, ensemble.logs()))


def wiped(tap, ensemble, name):
    victim = others_of(ensemble, ensemble.leader())[0]
    ensemble.kill(victim)
    shutil.rmtree(ensemble.data_dir(victim))
    ensemble.start(victim)
    ensemble.wait_serving()
    equal, shown = become_equal(ensemble)
    tap.ok(equal, "%s: a server that lost its disk gets everything" % name, "%s\n%s" % (shown, ensemble.logs()))


def wiped_and_killed(tap, ensemble, name):
    """Killed at several moments of the installation of the leader's state, it still gets there."""
    victim = others_of(ensemble, ensemble.leader())[0]
    ensemble.kill(victim)
    shutil.rmtree(ensemble.data_dir(victim))
    for moment in (0.02, 0.05, 0.1, 0.2, 0.3):
        ensemble.start(victim)
        time.sleep(moment)
        ensemble.kill(victim)
    ensemble.start(victim)
    ensemble.wait_serving()
    equal, shown = become_equal(ensemble)
    tap.ok(equal, "%s: a server killed while it installs a snapshot gets there" % name,
           "%s\n%s" % (shown, ensemble.logs()))


def memory_kib(ensemble, index):
    with open("/proc/%d/status" % ensemble.processes[index].pid) as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM:"))


def stopped_follower(tap, ensemble, name):
    """It takes nothing of what it is sent, and nobody loses patience: that does not pile up in its leader's memory."""
    leader = ensemble.leader()
    victim = others_of(ensemble, leader)[0]
    client = connect(host(ensemble, leader))
    ensemble.signal(victim, signal.SIGSTOP)
    last = b""
    for number in range(STALLED_MIB // 10):
        last = b"%d" % number * 100000
        answers = [client.set_async("/value", last.ljust(1 << 19)) for _ in range(20)]
        for answer in answers:
            answer.get(30)
    used_mib = memory_kib(ensemble, leader) >> 10
    ensemble.signal(victim, signal.SIGCONT)
    end(client)
    ensemble.wait_serving()
    equal, shown = become_equal(ensemble)
    tap.ok(equal and value_at(ensemble, victim) == last.ljust(1 << 19) and used_mib < STALLED_MIB,
           "%s: a stopped follower costs its leader a bounded memory, and catches up" % name,
           "%d MiB %s\n%s" % (used_mib, shown, ensemble.logs()))


def pausing_leader(tap, ensemble, name):
    """It stops for longer than sessions live without a word, not for so long that the others look for another."""
    leader = ensemble.leader()
    client = KazooClient(hosts=host(ensemble, others_of(ensemble, leader)[0]), timeout=0.8)
    client.start(timeout=30)
    session = client.client_id[0]
    client.create("/mine", b"", ephemeral=True)
    ensemble.signal(leader, signal.SIGSTOP)
    time.sleep(1.6)
    ensemble.signal(leader, signal.SIGCONT)
    time.sleep(0.3)
    ensemble.wait_serving()
    kept = client.retry(client.exists, "/mine") is not None and client.client_id[0] == session
    end(client)
    tap.ok(kept, "%s: a leader that did not run lets no session expire for it" % name, ensemble.logs())


def stopped_leader(tap, ensemble, name):
    """The others go on without it; it steps down when it wakes, and the session that it served lives on."""
    leader = ensemble.leader()
    client = connect(",".join(host(ensemble, i) for i in [leader] + others_of(ensemble, leader)))
    session = client.client_id[0]
    client.create("/mine", b"", ephemeral=True)
    ensemble.signal(leader, signal.SIGSTOP)
    ensemble.wait_serving(others_of(ensemble, leader))
    client.retry(client.set, "/value", b"without it")
    ensemble.signal(leader, signal.SIGCONT)
    ensemble.wait_serving()
    equal, shown = become_equal(ensemble)
    kept = client.client_id[0] == session and client.retry(client.exists, "/mine") is not None
    end(client)
    tap.ok(equal and kept and ensemble.leader() != leader and value_at(ensemble, leader) == b"without it",
           "%s: a leader that was stopped follows when it goes on, its session lives" % name,
           "kept=%s %s\n%s" % (kept, shown, ensemble.logs()))


def truncated(tap, ensemble, name):
    """What only the old leader has was never acknowledged, and is gone everywhere when the others did without it."""
    leader = ensemble.leader()
    others = others_of(ensemble, leader)
    client = connect(host(ensemble, leader))
    before = ensemble.mntr(leader).get("viv_group_0_last_zxid")
    for index in others:
        ensemble.signal(index, signal.SIGSTOP)
    ghosts = [client.create_async("/ghost-%d" % number, b"") for number in range(20)]
    time.sleep(0.4)
    acknowledged = [ghost for ghost in ghosts if ghost.ready() and ghost.successful()]
    ensemble.kill(leader)
    end(client)
    for index in others:  # what lies in their sockets must not reach them
        ensemble.kill(index)
    for index in others:
        ensemble.start(index)
    ensemble.wait_serving(others)
    client = connect(host(ensemble, others[0]))
    client.set("/value", b"after")
    end(client)
    ensemble.start(leader)
    ensemble.wait_serving()
    equal, shown = become_equal(ensemble)
    client = connect(host(ensemble, leader))
    names = [n for n in client.get_children("/") if n.startswith("ghost")]
    end(client)
    tap.ok(equal and not names and not acknowledged, "%s: what only a lost leader had is taken back" % name,
           "before=%s %s acked=%d ghosts=%s\n%s" % (before, shown, len(acknowledged), names, ensemble.logs()))


def forgetful_quorum(tap, ensemble, name):
    """One server is stale, one was wiped: they must wait for the one who knows."""
    leader = ensemble.leader()
    stale, lost = others_of(ensemble, leader)
    ensemble.kill(stale)
    client = connect(host(ensemble, leader))
    client.set("/value", b"acknowledged by two")
    end(client)
    ensemble.kill(leader)
    ensemble.kill(lost)
    shutil.rmtree(ensemble.data_dir(lost))
    ensemble.start(stale)
    ensemble.start(lost)
    time.sleep(1.5)
    served = [ensemble.mode(index) for index in (stale, lost)]
    ensemble.start(leader)
    ensemble.wait_serving()
    equal, shown = become_equal(ensemble)
    value = value_at(ensemble, stale)
    tap.ok(equal and value == b"acknowledged by two", "%s: a wiped and a stale server do not forget together" % name,
           "value=%r served=%s %s\n%s" % (value, served, shown, ensemble.logs()))


def play(tap, backend, missed, only):
    with Ensemble("vivarium", 3, backend, SETTINGS) as ensemble:
        client = connect(ensemble.hosts())
        client.create("/value", b"")
        for number in range(500):
            client.create_async("/node-%04d" % number, b"y" * 200)
        client.sync("/")
        end(client)
        scenes = [lambda: long_behind(tap, ensemble, backend, missed), lambda: wiped(tap, ensemble, backend),
                  lambda: wiped_and_killed(tap, ensemble, backend), lambda: pausing_leader(tap, ensemble, backend),
                  lambda: stopped_leader(tap, ensemble, backend),
                  lambda: truncated(tap, ensemble, backend), lambda: forgetful_quorum(tap, ensemble, backend)]
        for number, scene in enumerate(scenes):
            if only and str(number) not in only:
                continue
            begin = time.monotonic()
            try:
                scene()
            except (RuntimeError, KazooException, KazooTimeoutError) as error:
                tap.ok(False, "%s: scene %d" % (backend, number), "%r\n%s" % (error, ensemble.logs()))
            print("# %.1f s" % (time.monotonic() - begin), flush=True)
        tap.ok(not ensemble.died(), "%s: nobody ended by itself" % backend, ensemble.logs())


def play_long(tap, backend):
    patient = dict(SETTINGS, syncLimit=300, initLimit=300, snapCount=1000000)
    with Ensemble("vivarium", 3, backend, patient) as ensemble:
        client = connect(ensemble.hosts())
        client.create("/value", b"")
        end(client)
        stopped_follower(tap, ensemble, backend)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", default=os.environ.get("VIV_BACKEND"))
    parser.add_argument("--missed", type=int, default=20000, help="writes while a server is away")
    parser.add_argument("--only", default="", help="digits of the scenes to play")
    parser.add_argument("--long", action="store_true", help="also what writes 2 GiB")
    arguments = parser.parse_args()
    logging.getLogger("kazoo").setLevel(logging.CRITICAL)  # lost connections are the point here
    tap = Tap()
    names = [arguments.backend] if arguments.backend else [default_configuration()]
    if arguments.backend == "all":
        names = build_configurations()
    for backend in names:
        play(tap, backend, arguments.missed, arguments.only)
        if arguments.long:
            play_long(tap, backend)
    tap.done()


if __name__ == "__main__":
    main()
