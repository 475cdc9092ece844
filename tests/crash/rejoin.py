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
from ensemble import (IS_LONG, PATIENCE_S, Ensemble, Tap, build_configurations, connect, default_configuration,  # noqa: E402
                      leave, wait_until)
from zkwire import CREATE, OPEN, SYNC, Wire, create, data  # noqa: E402

from kazoo.exceptions import KazooException  # noqa: E402
from kazoo.handlers.threading import KazooTimeoutError  # noqa: E402

SETTINGS = {"tickTime": 400, "initLimit": 10, "syncLimit": 5, "snapCount": 3000}
IN_FLIGHT = 500
STALLED_MIB = 700  # while a follower takes nothing: well above what a link and the history may hold


def write(client, count, size=100):
    """Sets /value `count` times, some in flight; returns the last value."""
    waiting = []
    for number in range(count):
        waiting.append(client.set_async("/value", b"%d:" % number + b"x" * size))
        if len(waiting) >= IN_FLIGHT:
            for answer in waiting:
                answer.get(True, PATIENCE_S)
            waiting = []
    for answer in waiting:
        answer.get(True, PATIENCE_S)
    return b"%d:" % (count - 1) + b"x" * size


def others_of(ensemble, index):
    return [i for i in range(ensemble.servers) if i != index]


def value_at(ensemble, index):
    client = connect(ensemble.host(index))
    client.sync("/value")
    value = client.get("/value")[0]
    leave(client)
    return value


def long_behind(tap, ensemble, name, missed):
    leader = ensemble.wait_leader()
    victim = others_of(ensemble, leader)[0]
    ensemble.kill(victim)
    client = connect(ensemble.host(leader))
    last = write(client, missed)
    leave(client)
    present = others_of(ensemble, victim)
    for index in present:  # what they know of it now is in their logs only
        ensemble.kill(index)
    for index in present:
        ensemble.start(index)
    ensemble.wait_serving(present)
    ensemble.start(victim)
    ensemble.wait_serving()
    equal, shown = ensemble.wait_equal(), ensemble.states()
    tap.ok(equal and value_at(ensemble, victim) == last, "%s: a server that missed %d writes has them" % (name, missed),
           "%s\n%s" % (shown, ensemble.logs()))


def wiped(tap, ensemble, name):
    victim = others_of(ensemble, ensemble.wait_leader())[0]
    ensemble.kill(victim)
    shutil.rmtree(ensemble.data_dir(victim))
    ensemble.start(victim)
    ensemble.wait_serving()
    equal, shown = ensemble.wait_equal(), ensemble.states()
    tap.ok(equal, "%s: a server that lost its disk gets everything" % name, "%s\n%s" % (shown, ensemble.logs()))


def wiped_and_killed(tap, ensemble, name):
    """Killed at several moments of the installation of the leader's state, it still gets there."""
    victim = others_of(ensemble, ensemble.wait_leader())[0]
    ensemble.kill(victim)
    shutil.rmtree(ensemble.data_dir(victim))
    for moment in (0.02, 0.05, 0.1, 0.2, 0.3):
        ensemble.start(victim)
        time.sleep(moment)
        ensemble.kill(victim)
    ensemble.start(victim)
    ensemble.wait_serving()
    equal, shown = ensemble.wait_equal(), ensemble.states()
    tap.ok(equal, "%s: a server killed while it installs a snapshot gets there" % name,
           "%s\n%s" % (shown, ensemble.logs()))


def memory_kib(ensemble, index):
    with open("/proc/%d/status" % ensemble.processes[index].pid) as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM:"))


def stopped_follower(tap, ensemble, name):
    """It takes nothing of what it is sent, and nobody loses patience: that does not pile up in its leader's memory."""
    leader = ensemble.wait_leader()
    victim = others_of(ensemble, leader)[0]
    client = connect(ensemble.host(leader))
    ensemble.signal(victim, signal.SIGSTOP)
    last = b""
    for number in range(STALLED_MIB // 10):
        last = b"%d" % number * 100000
        answers = [client.set_async("/value", last.ljust(1 << 19)) for _ in range(20)]
        for answer in answers:
            answer.get(True, PATIENCE_S)
    used_mib = memory_kib(ensemble, leader) >> 10
    ensemble.signal(victim, signal.SIGCONT)
    leave(client)
    ensemble.wait_serving()
    equal, shown = ensemble.wait_equal(), ensemble.states()
    tap.ok(equal and value_at(ensemble, victim) == last.ljust(1 << 19) and used_mib < STALLED_MIB,
           "%s: a stopped follower costs its leader a bounded memory, and catches up" % name,
           "%d MiB %s\n%s" % (used_mib, shown, ensemble.logs()))


def pausing_leader(tap, ensemble, name):
    """It stops for longer than sessions live without a word, not for so long that the others look for another."""
    leader = ensemble.wait_leader()
    client = connect(ensemble.host(others_of(ensemble, leader)[0]), timeout=0.8)
    session = client.client_id[0]
    client.create("/mine", b"", ephemeral=True)
    ensemble.signal(leader, signal.SIGSTOP)
    time.sleep(1.6)
    ensemble.signal(leader, signal.SIGCONT)
    time.sleep(0.3)
    ensemble.wait_serving()
    kept = client.retry(client.exists, "/mine") is not None and client.client_id[0] == session
    leave(client)
    tap.ok(kept, "%s: a leader that did not run lets no session expire for it" % name, ensemble.logs())


def attach(port, old):
    """A connection that goes on with the session of an old one."""
    def again():
        wire = Wire(port)
        if wire.greet(timeout_ms=8000, session=old.session, password=old.password) is None:  # closed: there is no leader yet
            wire.close()
            return None
        return wire
    return wait_until(again)


def stopped_leader(tap, ensemble, name):
    """The others go on without it; it steps down when it wakes, and the session that it served lives on."""
    leader = ensemble.wait_leader()
    others = others_of(ensemble, leader)
    mine = Wire(ensemble.client_ports[leader])
    made = mine.greet(timeout_ms=8000) and mine.call(CREATE, create("/mine", b"", OPEN, 1))[0] == 0
    mine.close()
    ensemble.signal(leader, signal.SIGSTOP)
    wait_until(lambda: any(ensemble.mode(i, 1.0) == "leader" for i in others))
    ensemble.wait_serving(others)
    again = attach(ensemble.client_ports[others[0]], mine)
    client = connect(ensemble.host(others[1]))
    client.set("/value", b"without it")
    ensemble.signal(leader, signal.SIGCONT)
    ensemble.wait_serving()
    equal, shown = ensemble.wait_equal(), ensemble.states()
    kept = made and again.call(SYNC, data("/"))[0] == 0 and client.exists("/mine") is not None
    again.close()
    leave(client)
    tap.ok(equal and kept and ensemble.leader() != leader and value_at(ensemble, leader) == b"without it",
           "%s: a leader that was stopped follows when it goes on, its session lives" % name,
           "kept=%s %s\n%s" % (kept, shown, ensemble.logs()))


def truncated(tap, ensemble, name):
    """What only the old leader has was never acknowledged, and is gone everywhere when the others did without it."""
    leader = ensemble.wait_leader()
    others = others_of(ensemble, leader)
    client = connect(ensemble.host(leader))
    before = ensemble.mntr(leader).get("viv_group_0_last_zxid")
    for index in others:
        ensemble.signal(index, signal.SIGSTOP)
    ghosts = [client.create_async("/ghost-%d" % number, b"") for number in range(20)]
    time.sleep(0.4)
    acknowledged = [ghost for ghost in ghosts if ghost.ready() and ghost.successful()]
    ensemble.kill(leader)
    leave(client)
    for index in others:  # what lies in their sockets must not reach them
        ensemble.kill(index)
    for index in others:
        ensemble.start(index)
    ensemble.wait_serving(others)
    client = connect(ensemble.host(others[0]))
    client.set("/value", b"after")
    leave(client)
    ensemble.start(leader)
    ensemble.wait_serving()
    equal, shown = ensemble.wait_equal(), ensemble.states()
    client = connect(ensemble.host(leader))
    names = [n for n in client.get_children("/") if n.startswith("ghost")]
    leave(client)
    tap.ok(equal and not names and not acknowledged, "%s: what only a lost leader had is taken back" % name,
           "before=%s %s acked=%d ghosts=%s\n%s" % (before, shown, len(acknowledged), names, ensemble.logs()))


def forgetful_quorum(tap, ensemble, name):
    """One server is stale, one was wiped: they must wait for the one who knows."""
    leader = ensemble.wait_leader()
    stale, lost = others_of(ensemble, leader)
    ensemble.kill(stale)
    client = connect(ensemble.host(leader))
    client.set("/value", b"acknowledged by two")
    leave(client)
    ensemble.kill(leader)
    ensemble.kill(lost)
    shutil.rmtree(ensemble.data_dir(lost))
    ensemble.start(stale)
    ensemble.start(lost)
    time.sleep(1.5)
    served = [ensemble.mode(index) for index in (stale, lost)]
    ensemble.start(leader)
    ensemble.wait_serving()
    equal, shown = ensemble.wait_equal(), ensemble.states()
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
        leave(client)
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
        leave(client)
        stopped_follower(tap, ensemble, backend)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", default=os.environ.get("VIV_BACKEND"))
    parser.add_argument("--missed", type=int, default=20000 if IS_LONG else 7000,
                        help="writes while a server is away")
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
