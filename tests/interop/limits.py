"""The limits of reliability.md §4.3 at their full size: at the limit, one over it and a hundred times over it, by a crowd of
clients in C, while a bystander works: each of its operations is answered and its session is never lost. What the machine
does not allow is made as large as it does, and said. `limits.py [NAME...]` runs some of them. TAP."""

import os
import re
import resource
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import zkwire as w  # noqa: E402
from client_tls import KEYS, Server, client_context, connect, session, who_am_i  # noqa: E402
from ensemble import BUILD, Tap, die_with_parent  # noqa: E402

FRAME_MAX = 1048575
HANDSHAKE_S = 10  # how long a newcomer may take; whoever waited longer at his first requests would not come in
PLAIN = "clientPort=0\nclientPortAddress=127.0.0.1"
HUNDRED = 100
TLS_PORTS = "clientPort=0\nclientPortAddress=127.0.0.1\nsecureClientPort=0\nsecureClientPortAddress=127.0.0.1"
COMMON = ("durability=none", "maxClientCnxns=0", "maxSessionTimeout=4000000", "snapCount=1000000000")


class Bystander(threading.Thread):
    """A session that writes and reads what it wrote, again and again, and counts."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.wire = w.Wire(port, timeout=60, source="127.0.0.7")
        assert self.wire.greet(timeout_ms=40000)
        assert self.wire.call(w.CREATE, w.create("/bystander", b"", w.OPEN, 1))[0] == 0
        self.is_stopped = threading.Event()
        self.asked, self.answered, self.slowest, self.times = 0, 0, 0.0, []
        self.error = None

    def run(self):
        try:
            while not self.is_stopped.is_set():
                began = time.monotonic()
                value = b"%d" % self.asked
                self.asked += 2
                assert self.wire.call(w.SET_DATA, w.data("/bystander") + w.data(value) + w.integer(-1))[0] == 0
                self.answered += 1
                assert self.wire.call(w.GET_DATA, w.watching("/bystander", 0))[1][0] == value
                self.answered += 1
                self.times.append(time.monotonic() - began)
                time.sleep(0.005)
        except Exception as error:  # whatever it is, it is a disturbance
            self.error = error

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.is_stopped.set()
        self.join(60)
        self.wire.close()

    def report(self, tap, name):
        """Its ephemeral node is still there: the session lives."""
        self.is_stopped.set()
        self.join(60)
        lives = self.error is None and self.wire.call(w.EXISTS, w.watching("/bystander", 0))[0] == 0
        times = sorted(self.times)
        at = lambda part: times[min(int(len(times) * part), len(times) - 1)] * 1000 if times else -1  # noqa: E731
        tap.ok(lives and self.asked == self.answered > 4, "%s: all of the bystander's operations are answered" % name,
               (self.error, self.asked, self.answered))
        print("# %s: bystander asked %d, answered %d, two operations took p50 %.1f p99 %.1f most %.1f ms" % (
            name, self.asked, self.answered, at(0.5), at(0.99), at(1)), flush=True)


class Crowd:
    """One run of the program."""

    def __init__(self, port, kind, count, size=0, addresses=200):
        self.process = subprocess.Popen([os.path.join(BUILD, "crowd"), str(port), kind, str(count), str(size),
                                         str(addresses)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        preexec_fn=die_with_parent)

    def counts(self):
        """The next line: {name: number}."""
        line = self.process.stdout.readline()
        return {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", line)}

    def go_on(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        assert self.counts()
        return self.end()

    def end(self):
        counts = self.counts()
        self.process.wait(60)
        return counts


def crowd(*arguments):
    return Crowd(*arguments).end()


def memory_mib(server, field="VmRSS"):
    with open("/proc/%d/status" % server.process.pid) as f:
        return next(int(line.split()[1]) for line in f if line.startswith(field + ":")) >> 10


def plain(*lines):
    return Server(*COMMON, *lines, ports=PLAIN)


def ask(port, op, record, source="127.0.0.8"):
    with w.Wire(port, timeout=60, source=source) as wire:
        assert wire.greet(timeout_ms=40000)
        answer = wire.call(op, record)
        wire.call(w.CLOSE_SESSION, xid=9)
        return answer


def knock(port):
    return crowd(port, "knock", 1)["good"] == 1


# ---- connections ----

def check_address(tap):
    with Server("durability=none", ports=PLAIN) as server, Bystander(server.ports["client"]) as bystander:
        port = server.ports["client"]
        held = Crowd(port, "hold", 60, 0, 1)
        tap.ok(held.counts()["held"] == 60, "60 connections of one address are served")
        tap.ok(crowd(port, "knock", 1, 0, 1)["refused"] == 1, "one over is refused")
        over = crowd(port, "knock", 60 * HUNDRED, 0, 1)
        tap.ok(over["refused"] == 60 * HUNDRED, "a hundred times over: %d are refused" % over["refused"], over)
        bystander.report(tap, "connections of an address")
        held.go_on()


def check_total(tap):
    most = min(20000, resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 200)
    if most < 20000:
        print("# this machine lets a process have %d files: maxCnxns=%d instead of 20000" %
              (resource.getrlimit(resource.RLIMIT_NOFILE)[1], most))
    with plain("maxCnxns=%d" % most, "limit.sessions=1000000", "connection_throttle_tokens=0") as server:
        port = server.ports["client"]
        with Bystander(port) as bystander:
            halves = [Crowd(port, "hold", (most - 1) // 2), Crowd(port, "hold", most - 1 - (most - 1) // 2)]
            held = sum(half.counts()["held"] for half in halves)
            tap.ok(held == most - 1, "%d sessions on as many connections, and the bystander" % held, held)
            tap.ok(not knock(port), "one over is refused")
            over = crowd(port, "knock", most * 10)
            tap.ok(over["refused"] == most * 10, "ten times over, at the thousand a second that are let to the door: %d are "
                   "refused" % over["refused"], over)
            bystander.report(tap, "all connections")
            for half in halves:
                half.go_on()
        print("# %d MiB" % memory_mib(server, "VmHWM"))


def check_rate(tap):
    with plain() as server, Bystander(server.ports["client"]) as bystander:
        count = 1000 * HUNDRED
        done = crowd(server.ports["client"], "knock", count)
        seconds = done["ms"] / 1000
        tap.ok(done["good"] == count and count <= 2000 + 1000 * seconds + 100,
               "%d newcomers are let in at a thousand a second, none is refused (%.1f s)" % (count, seconds), done)
        bystander.report(tap, "new connections a second")


def check_handshakes(tap):
    with Server(*COMMON, *KEYS, "ssl.handshakeDetectionTimeoutMillis=300", ports=TLS_PORTS) as server:
        with Bystander(server.ports["client"]) as bystander:
            port = server.ports["secureClient"]
            secure = connect(port, client_context())
            tap.ok(session(secure, 600000), "a session over TLS")
            stuck = [socket.create_connection(("127.0.0.1", port)) for _ in range(250)]
            for s in stuck:
                s.sendall(b"\x16\x03\x01\x01\x00\x01")
            began = time.monotonic()
            with connect(port, client_context()) as s:
                tap.ok(session(s) and 0.1 < time.monotonic() - began < 5,
                       "beyond 250 handshakes one more waits, and comes in when they are given up",
                       time.monotonic() - began)
            over = crowd(port, "hello", 250 * HUNDRED)
            tap.ok(over["refused"] == 250 * HUNDRED, "a hundred times over: %d are given up (%.0f s)" % (
                over["refused"], over["ms"] / 1000), over)
            tap.ok(b"127.0.0.1" in who_am_i(secure), "the session over TLS goes on")
            bystander.report(tap, "TLS handshakes")
            secure.close()
            for s in stuck:
                s.close()


# ---- sessions ----

def check_sessions(tap):
    with plain("connection_throttle_fill_count=2000") as server, Bystander(server.ports["client"]) as bystander:
        port = server.ports["client"]
        made = crowd(port, "sessions", 199999)
        tap.ok(made["good"] == 199999, "200 000 sessions (%.0f s, %d MiB)" % (made["ms"] / 1000, memory_mib(server)), made)
        over = crowd(port, "sessions", 1)
        tap.ok(over["refused"] == 1, "one over is refused", over)
        over = crowd(port, "sessions", 20000)
        tap.ok(over["refused"] == 20000, "20 000 over, at the thousand a second that are let to the door: all are refused", over)
        bystander.report(tap, "sessions")
    with plain("limit.sessions=1000", "connection_throttle_fill_count=2000") as server:
        with Bystander(server.ports["client"]) as bystander:
            port = server.ports["client"]
            made = crowd(port, "sessions", 999)
            over = crowd(port, "sessions", 1000 * HUNDRED)
            tap.ok(made["good"] == 999 and over["refused"] == 1000 * HUNDRED,
                   "a limit of 1000, a hundred times over: %d are refused" % over["refused"], (made, over))
            bystander.report(tap, "sessions, a hundred times over")


# ---- requests ----

def check_outstanding(tap):
    with plain() as server, Bystander(server.ports["client"]) as bystander:
        port = server.ports["client"]
        assert ask(port, w.CREATE, w.create("/crowd", b"", w.OPEN, 0))[0] == 0
        for connections, count, what in ((1, 1000, "as many as a connection may have outstanding"), (1, 1001, "one over"),
                                         (1, 1000 * HUNDRED, "a hundred times over"),
                                         (100, 1000 * HUNDRED, "a hundred times what all may have")):
            done = crowd(port, "writes", count, 0, connections)
            tap.ok(done["good"] == connections * count and not done["lost"],
                   "%d writes in one breath on %d connections, %s: all are answered (%.0f s)" % (
                       connections * count, connections, what, done["ms"] / 1000), done)
        bystander.report(tap, "outstanding requests")
        print("# %d MiB" % memory_mib(server, "VmHWM"))


def check_large(tap):
    with plain() as server, Bystander(server.ports["client"]) as bystander:
        port = server.ports["client"]
        before = memory_mib(server)
        for count, what in ((64, "as many as the budget of 64 MiB holds"), (65, "one over"), (64 * HUNDRED, "a hundred times over")):
            run = Crowd(port, "large", count, FRAME_MAX)
            held = run.counts()
            time.sleep(2)
            grown = memory_mib(server) - before
            if count > 65:
                print("# %d MiB more while they wait" % grown)
                tap.ok(grown < 1500, "%d requests of a megabyte that do not end: a bounded memory waits for them" % count, grown)
            if count <= 65:
                done = run.go_on()
                tap.ok(held["held"] == count and done["good"] == count, "%d long requests, %s: all are served" % (count, what),
                       (held, done))
            else:
                tap.ok(held["held"] + held["lost"] == count and held["lost"] <= 200, "%d connections with one, %s: those that "
                       "take more than 30 s are given up" % (count, what), held)
                run.process.kill()
                run.process.wait()
        bystander.report(tap, "long requests")


def check_watches(tap):
    with plain() as server, Bystander(server.ports["client"]) as bystander:
        port = server.ports["client"]
        for count, fits in ((100000, 100000), (100001, 100000), (100000 * HUNDRED, 100000)):
            done = crowd(port, "watches", count, 0, 1)
            tap.ok(done["good"] == fits and done["bad"] == count - fits,
                   "%d watches on one connection: %d are set, %d refused (%.0f s)" % (count, done["good"], done["bad"],
                                                                                     done["ms"] / 1000), done)
        bystander.report(tap, "watches of a connection")
    with plain() as server, Bystander(server.ports["client"]) as bystander:
        port = server.ports["client"]
        run = Crowd(port, "watches", 100001, 0, 41)  # they end one by one: what one leaves another may take
        done = run.end()
        tap.ok(done["good"] <= 41 * 100000 and done["bad"] >= 41 and not done["lost"],
               "4 100 041 watches on 41 connections: %d were set, %d refused" % (done["good"], done["bad"]), done)
        bystander.report(tap, "watches of a server")
        print("# %d MiB" % memory_mib(server, "VmHWM"))


def check_memory(tap):
    with plain("limit.treeMiB=64") as server, Bystander(server.ports["client"]) as bystander:
        port = server.ports["client"]
        size, fits = 1 << 20, 64
        done = crowd(port, "fill", 64 * HUNDRED, size - 1, 1)
        tap.ok(fits - 8 <= done["good"] <= fits + 1 and done["good"] + done["bad"] == 64 * HUNDRED,
               "6 400 MiB into a tree of 64: %d MiB are taken, %d writes refused" % (done["good"], done["bad"]), done)
        tap.ok(ask(port, w.CREATE, w.create("/more", b"x" * 1000, w.OPEN, 0))[0] != 0, "one more is refused too")
        grown = memory_mib(server)
        tap.ok(grown < 700, "the server stays bounded", grown)
        bystander.is_stopped.set()
        bystander.join(60)
        names = [name for name in ask(port, w.GET_CHILDREN, w.watching("/", 0))[1][0] if name.startswith("fill")]
        tap.ok(ask(port, w.DELETE, w.versioned("/" + names[0], -1))[0] == 0 and
               ask(port, w.CREATE, w.create("/more", b"x" * 1000, w.OPEN, 0))[0] == 0, "what is deleted is room")


def check_unread(tap):
    with plain() as server, Bystander(server.ports["client"]) as bystander:
        port = server.ports["client"]
        assert ask(port, w.CREATE, w.create("/long", b"x" * 1000000, w.OPEN, 0))[0] == 0
        before = memory_mib(server)
        run = Crowd(port, "deaf", 13 * HUNDRED, 20)
        held = run.counts()
        time.sleep(3)
        grown = memory_mib(server, "VmHWM") - before
        tap.ok(grown < 1400, "1 300 ask for 20 MB each, a hundred times what may stand unread, and read "
               "nothing: %d MiB" % grown, (held, grown))
        tap.ok(held["held"] == 13 * HUNDRED and held["refused"] == 0, "all of them were let in, one after the other", held)
        done = run.go_on()
        print("# %d of them were closed" % done["bad"])
        bystander.report(tap, "unread replies")
        tap.ok(max(bystander.times, default=HANDSHAKE_S) < HANDSHAKE_S,
               "who asks for little waits for a turn, and not for all of them", max(bystander.times, default=None))


CHECKS = {"address": check_address, "total": check_total, "rate": check_rate, "handshakes": check_handshakes,
          "sessions": check_sessions, "outstanding": check_outstanding, "large": check_large, "watches": check_watches,
          "memory": check_memory, "unread": check_unread}


def main():
    tap = Tap()
    for name in sys.argv[1:] or CHECKS:
        began = time.monotonic()
        CHECKS[name](tap)
        print("# %s: %.0f s" % (name, time.monotonic() - began), flush=True)
    tap.done()
    return tap.failed > 0


if __name__ == "__main__":
    sys.exit(main())
