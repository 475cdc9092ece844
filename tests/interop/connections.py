"""Limits of connections (reliability.md §4.3), each at the limit, one over it and a hundred times over it, while a
bystander with a session of its own is not disturbed: connections of an address, of all, new ones a second, replies that
nobody reads. --slow: those that need time, a frame that drips and a reader that stands still. TAP."""

import os
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from client_tls import KEYS, Server, attempt, client_context, connect, read_exactly, session, who_am_i, word  # noqa: E402
from ensemble import PATIENCE_S, Metronome, Tap, is_sanitized, wait_until  # noqa: E402

PLAIN = "clientPort=0\nclientPortAddress=127.0.0.1"
OPEN_ACL = struct.pack(">ii", 1, 31) + struct.pack(">i5si6s", 5, b"world", 6, b"anyone")


def frame(payload):
    return struct.pack(">i", len(payload)) + payload


def text(value):
    return struct.pack(">i", len(value)) + value


def create(path, data):
    return frame(struct.pack(">ii", 1, 1) + text(path) + text(data) + OPEN_ACL + struct.pack(">i", 0))


def get(path, xid=2):
    return frame(struct.pack(">ii", xid, 4) + text(path) + b"\0")


def set_data(path, data, xid):
    return frame(struct.pack(">ii", xid, 5) + text(path) + text(data) + struct.pack(">i", -1))


class Bystander(threading.Thread):
    """A session at an address of its own that asks again and again."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.socket = connect(server.ports["client"], source="127.0.0.7")
        self.is_stopped, self.slowest, self.rounds, self.error = threading.Event(), 0.0, 0, None
        self.metronome = Metronome(server.process.pid)
        assert session(self.socket)

    def run(self):
        try:
            while not self.is_stopped.is_set():
                began = time.monotonic()
                assert b"127.0.0.7" in who_am_i(self.socket)
                self.slowest = max(self.slowest, time.monotonic() - began)
                self.rounds += 1
                time.sleep(0.002)
        except (AssertionError, OSError, struct.error) as error:
            self.error = error

    def __enter__(self):
        self.metronome.__enter__()
        self.start()
        return self

    def __exit__(self, *_):
        self.is_stopped.set()
        self.join(PATIENCE_S)
        self.metronome.__exit__()
        self.socket.close()

    def report(self, tap):
        wait_until(lambda: self.rounds > 5 or self.error)
        tap.ok(self.error is None and self.rounds > 5 and self.slowest < self.metronome.allows(1.0),
               "a bystander is not disturbed", (self.error, self.rounds, self.slowest, self.metronome.worst_s))


def knock(port, source="127.0.0.1"):
    """Connects and asks; True when somebody answers."""
    def ask():
        with connect(port, source=source) as s:
            return word(s, b"ruok") == b"imok"
    return attempt(ask) is True


def check_address(tap):
    with Server(ports=PLAIN) as server, Bystander(server) as bystander:
        port = server.ports["client"]
        held = [connect(port) for _ in range(60)]
        tap.ok(all(session(s) for s in held), "60 connections of one address are served")
        tap.ok(not knock(port), "one more is refused")
        tap.ok(knock(port, "127.0.0.2"), "another address is served")
        began = time.monotonic()
        tap.ok(sum(knock(port) for _ in range(1500)) == 0, "and so they are a thousand times over")
        seconds = time.monotonic() - began
        tap.ok(1 <= server.log().count("limit=\"maxClientCnxns\"") <= seconds + 3, "one line a second tells",
               server.log()[-800:])
        held.pop().close()
        tap.ok(wait_until(lambda: knock(port)), "when one leaves another comes in")
        bystander.report(tap)
        for s in held:
            s.close()
    with Server(*KEYS) as server:
        port = server.ports["secureClient"]
        silent = [connect(port) for _ in range(60)]
        result = attempt(lambda: session(connect(port, client_context())))
        tap.ok(result is not True, "on a TLS port they are counted before their handshake", result)
        for s in silent:
            s.close()


def check_total(tap):
    with Server("maxCnxns=101", "maxClientCnxns=0", ports=PLAIN) as server:
        with Bystander(server) as bystander:
            port = server.ports["client"]
            held = [connect(port, source="127.0.1.%d" % (1 + i % 50)) for i in range(100)]
            tap.ok(all(session(s) for s in held), "as many connections as maxCnxns says are served")
            tap.ok(not knock(port), "one more is refused")
            tap.ok(sum(knock(port, "127.0.2.%d" % (1 + i % 250)) for i in range(1000)) == 0, "and a thousand more too")
            bystander.report(tap)
            for s in held:
                s.close()


def check_rate(tap):
    with Server("maxClientCnxns=0", "durability=none", ports=PLAIN) as server, Bystander(server) as bystander:
        port = server.ports["client"]
        began = time.monotonic()
        served = sum(knock(port) for _ in range(3000))
        elapsed = time.monotonic() - began
        tap.ok(served == 3000, "newcomers beyond the rate wait, and none is refused", served)
        tap.ok(served <= 2000 + 1000 * elapsed + 50, "no more come in than 2000 at once and 1000 a second", elapsed)
        bystander.report(tap)


def resident_mib(server, field="VmRSS"):
    with open("/proc/%d/status" % server.process.pid) as f:
        return next(int(line.split()[1]) for line in f if line.startswith(field + ":")) >> 10


def deaf(port, request, count=1, receive_bytes=4096):
    """A session that asks and does not read."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    s.connect(("127.0.0.1", port))
    assert session(s)
    s.sendall(request * count)
    return s


def check_unread(tap):
    """Each asks for 200 MB and reads nothing: what is made for one is bounded, and what is made for all."""
    with Server("maxClientCnxns=0", "durability=none", ports=PLAIN) as server, Bystander(server) as bystander:
        port = server.ports["client"]
        with connect(port) as s:
            assert session(s)
            s.sendall(create(b"/long", b"x" * 1000000))
            read_exactly(s, struct.unpack(">i", read_exactly(s, 4))[0])
        before = resident_mib(server)
        one = deaf(port, get(b"/long"), 200)
        time.sleep(0.3)
        grown = resident_mib(server) - before
        tap.ok(grown < 12, "who asks for 200 MB and does not read gets a few", grown)
        whole = deaf(port, set_data(b"/bystander", b"", 1) + get(b"/long") * 20, receive_bytes=1 << 20)
        whole.settimeout(PATIENCE_S)
        got = 0
        while got < 20 * 1000000:
            got += len(whole.recv(1 << 20))
        tap.ok(got >= 20 * 1000000, "who reads gets all of it")
        write = set_data(b"/bystander", b"", 1)
        crowd = [deaf(port, b"") for _ in range(25)]
        with connect(port) as asker:  # some at a time, and soon: who reads nothing for five seconds is closed for that
            assert session(asker)
            for number, s in enumerate(crowd):
                s.sendall(write + get(b"/long") * 20 + write)
                if number % 4 == 3:
                    who_am_i(asker)
        told = wait_until(lambda: "fill the memory" in server.log())
        grown = resident_mib(server, "VmHWM") - before
        tap.ok(grown < 400 * (2 if is_sanitized() else 1), "25 who get 20 MB at once, and do not read, take a bounded memory", grown)
        tap.ok(told, "by the loss of some, which is told", server.log()[-600:])
        bystander.report(tap)
        for s in [one, whole, *crowd]:
            s.close()


def check_burst(tap):
    """The same crowd at one go: one commit lets all of it go before anything is sent."""
    with Server("maxClientCnxns=0", "durability=none", ports=PLAIN) as server:
        port = server.ports["client"]
        with connect(port) as s:
            assert session(s)
            s.sendall(create(b"/long", b"x" * 1000000) + create(b"/written", b""))
            for _ in range(2):
                read_exactly(s, struct.unpack(">i", read_exactly(s, 4))[0])
        before = resident_mib(server)
        write = set_data(b"/written", b"", 1)
        crowd = [deaf(port, b"") for _ in range(25)]
        for s in crowd:
            s.sendall(write + get(b"/long") * 20 + write)
        told = wait_until(lambda: "at once than can be held" in server.log() or "fill the memory" in server.log())
        tap.ok(knock(port, "127.0.0.2"), "25 who ask for 20 MB in one burst keep nobody out for long")
        grown = resident_mib(server, "VmHWM") - before
        tap.ok(grown < 400 * (2 if is_sanitized() else 1), "they take a bounded memory", grown)
        tap.ok(told, "by the loss of some, which is told", server.log()[-600:])
        for s in crowd:
            s.close()


def check_slow(tap):
    with Server("maxClientCnxns=0", "durability=none", ports=PLAIN) as server, Bystander(server) as bystander:
        port = server.ports["client"]
        with connect(port) as s:
            assert session(s)
            s.sendall(create(b"/long", b"x" * 1000000))
            read_exactly(s, struct.unpack(">i", read_exactly(s, 4))[0])
        write = set_data(b"/bystander", b"", 1)
        still = deaf(port, write + get(b"/long") * 20 + write)
        began = time.monotonic()
        dripping = [connect(port) for _ in range(100)]
        assert all(session(s, timeout_ms=60000) for s in dripping)
        payload = create(b"/drip", b"y" * 100)
        closed_at = None
        for i in range(45):
            for s in dripping:
                try:
                    s.send(payload[i:i + 1])
                except OSError:
                    closed_at = closed_at or time.monotonic() - began
            time.sleep(1)
        tap.ok(closed_at is not None and 29 < closed_at < 34, "a frame that drips is given up after 30 s", closed_at)
        tap.ok("it does not read its replies" in server.log(), "a reader that stands still is closed", server.log()[-800:])
        bystander.report(tap)


def main():
    tap = Tap()
    for check in (check_slow,) if "--slow" in sys.argv[1:] else (check_address, check_total, check_rate, check_unread,
                                                               check_burst):
        check(tap)
    tap.done()
    return tap.failed > 0


if __name__ == "__main__":
    sys.exit(main())
