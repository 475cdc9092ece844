"""Bad input at every port of three real servers, while a bystander works undisturbed.

    bad_input.py [--seed N] [--frames N]

The client ports get frames of impossible length, every valid request cut at every byte, mutated requests, unknown
opcodes, broken handshakes, words in pieces, connections that dawdle, never read, or come by the thousand. The peer and
election ports get garbage, oversize frames, strangers and impostors, and more connections than they hold. Meanwhile an
ordinary session writes and reads: nothing of it may fail, the leader stays, and no server may grow or end. TAP.
"""

import argparse
import os
import random
import resource
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from ensemble import PATIENCE_S, Ensemble, Tap, connect, four_letter, is_sanitized, leave  # noqa: E402


PER_ADDRESS = 500
HANDSHAKE_MS = 3000
GROWTH_BYTES = 64 << 20
OPEN_ACL = struct.pack(">ii", 1, 31) + struct.pack(">i5si6s", 5, b"world", 6, b"anyone")
CONNECT = struct.pack(">iqiqi16sb", 0, 0, 10000, 0, 16, b"", 0)


def text(value):
    value = value.encode()
    return struct.pack(">i", len(value)) + value


def vector(*values):
    return struct.pack(">i", len(values)) + b"".join(text(v) for v in values)


def sub(op, record):
    return struct.pack(">ibi", op, 0, -1) + record


MULTI_END = struct.pack(">ibi", -1, 1, -1)
WATCH = text("/fuzz/node") + b"\1"
CREATE = text("/fuzz/a") + text("data") + OPEN_ACL
REQUESTS = {
    1: CREATE + struct.pack(">i", 0), 15: CREATE + struct.pack(">i", 2), 19: CREATE + struct.pack(">i", 4),
    21: CREATE + struct.pack(">iq", 5, 1000), 2: text("/fuzz/a") + struct.pack(">i", -1), 3: WATCH, 4: WATCH, 8: WATCH,
    12: WATCH, 5: text("/fuzz/node") + text("value") + struct.pack(">i", -1), 6: text("/fuzz/node"),
    7: text("/fuzz/node") + OPEN_ACL + struct.pack(">i", -1), 9: text("/fuzz"), 11: b"",
    14: sub(1, CREATE + struct.pack(">i", 1)) + sub(13, text("/fuzz/node") + struct.pack(">i", -1)) +
        sub(5, text("/fuzz/node") + text("m") + struct.pack(">i", -1)) +
        sub(2, text("/fuzz/none") + struct.pack(">i", -1)) + MULTI_END,
    22: sub(4, WATCH) + sub(8, WATCH) + MULTI_END, 16: text("") * 3 + struct.pack(">q", -1),
    17: text("/fuzz/node") + struct.pack(">i", 3), 18: text("/fuzz/node") + struct.pack(">i", 3),
    100: struct.pack(">i", 0) + text("digest") + text("user:secret"), 101: struct.pack(">q", 0) + vector("/fuzz") * 3,
    105: struct.pack(">q", 0) + vector("/fuzz") * 5, 102: text("token"), 103: text("/"), 104: text("/fuzz"),
    106: text("/fuzz") + struct.pack(">i", 1), 107: b"",
}
UNKNOWN = (0, -1, 10, 13, 20, 23, 99, 108, -10, 2**31 - 1, -2**31)
PING = struct.pack(">ii", -2, 11)


def framed(payload):
    return struct.pack(">i", len(payload)) + payload


class Client:
    """A connection of the client protocol, as raw as it gets."""

    def __init__(self, port, source="127.0.0.1", greet=True, receive_bytes=None):
        self.socket = socket.socket()
        if receive_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(PATIENCE_S)
        self.socket.bind((source, 0))
        self.socket.connect(("127.0.0.1", port))
        if greet:
            self.send(framed(CONNECT))
            assert len(self.frame() or b"") == 37, "no session"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            pass  # the server has closed; reading tells

    def take(self, size):
        data = b""
        while len(data) < size:
            try:
                part = self.socket.recv(size - len(data))
            except ConnectionError:
                return None
            if not part:
                return None
            data += part
        return data

    def frame(self):
        """The next frame, None when the server has closed. Silence is a timeout, and an error of the test."""
        head = self.take(4)
        return self.take(struct.unpack(">i", head)[0]) if head else None

    def rest(self):
        """Every frame until the answer to a ping, or the close."""
        found = []
        while True:
            frame = self.frame()
            if frame is None:
                return found, False
            if struct.unpack(">i", frame[:4])[0] == -2:
                return found, True
            found.append(frame)

    def is_closed(self):
        return self.rest()[1] is False


class Impatient(Ensemble):
    """The first server waits HANDSHAKE_MS for a handshake."""

    def _config(self, index):
        path = super()._config(index)
        if index == 0:
            with open(path, "a") as f:
                f.write("nio.sessionlessCnxnTimeout=%d\n" % HANDSHAKE_MS)
        return path


class Bystander(threading.Thread):
    """An ordinary session: nothing that others send may disturb it."""

    def __init__(self, hosts):
        super().__init__(daemon=True)
        self.client = connect(hosts)
        self.states = []
        self.rounds, self.slowest, self.error = 0, 0.0, None
        self.client.add_listener(self.states.append)
        self.session = self.client.client_id[0]
        self.client.create("/bystander", b"0")
        self.client.create("/long", b"x" * 1000000)
        self.client.create("/fuzz", b"")
        self.client.create("/fuzz/node", b"")
        self.is_stopped = threading.Event()

    def run(self):
        try:
            while not self.is_stopped.is_set():
                began = time.monotonic()
                self.rounds += 1
                value = b"%d" % self.rounds
                self.client.set("/bystander", value)
                self.client.create("/bystander/e", value, ephemeral=True)
                assert self.client.get("/bystander")[0] == value
                assert self.client.get_children("/bystander") == ["e"]
                self.client.delete("/bystander/e")
                self.slowest = max(self.slowest, time.monotonic() - began)
                self.is_stopped.wait(0.002)
        except Exception as error:  # whatever it is, it is a disturbance
            self.error = error

    def verdict(self):
        """What went wrong, or None."""
        if self.error is not None or self.states or self.client.client_id[0] != self.session:
            return "error=%r states=%s" % (self.error, self.states)
        return None

    def stop(self):
        self.is_stopped.set()
        self.join(20)
        leave(self.client)


def resident_bytes(ensemble, index, gauge="VmRSS"):
    """As /proc says: VmRSS is now, VmHWM the most so far."""
    with open("/proc/%d/status" % ensemble.processes[index].pid) as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith(gauge))


# ---- the client port ----

def impossible_lengths(port):
    for length in (0, -1, -2**31, 2**31 - 1, 1048576):
        for greet in (False, True):
            with Client(port, greet=greet) as client:
                client.send(struct.pack(">i", length) + b"\0" * 64)
                if not client.is_closed():
                    return "length %d is not refused, handshake=%s" % (length, greet)
    with Client(port) as client:  # the longest legal one is read whole and answered
        client.send(framed(struct.pack(">ii", 1, 3) + b"\0" * (1048575 - 8)) + framed(PING))
        frames, is_open = client.rest()
        if not is_open or len(frames) != 1:
            return "the longest legal frame is not answered"
    return None


def handshakes(port):
    bad = [b"\0", CONNECT[:10], CONNECT[:24],
           struct.pack(">iqiqi", 0, 0, 0, 0, -7), struct.pack(">iqiqi", 0, 0, 0, 0, 99),
           struct.pack(">iqiqi16sb", 0, 2**62, 10000, 0, 16, b"", 0), struct.pack(">ii", 1, 4) + WATCH, PING]
    for payload in bad:
        with Client(port, greet=False) as client:
            client.send(framed(payload) + framed(PING))
            if client.frame() is not None:
                return "%r is answered" % payload
    for size in range(len(CONNECT)):
        with Client(port, greet=False) as client:
            client.send(framed(CONNECT[:size]) + framed(PING))
            client.rest()  # an answer or the close, never silence
    for payload in (struct.pack(">iqiqi16sb", 0, 0, 10000, 77, 16, b"wrong", 0),
                    struct.pack(">iqiqib", 0, 0, 10000, -5, -1, 0)):
        with Client(port, greet=False) as client:
            client.send(framed(payload))
            answer = client.frame()
            if answer is None or struct.unpack(">iiq", answer[:16]) != (0, 0, 0) or client.frame() is not None:
                return "a wrong password is not refused"
    return None


def unknown_opcodes(port):
    for op in UNKNOWN:
        with Client(port) as client:
            client.send(framed(struct.pack(">ii", 9, op) + WATCH) + framed(PING))
            frames, is_open = client.rest()
            if is_open or [struct.unpack(">iqi", f[:16]) for f in frames] != [(9, -1, -6)]:
                return "opcode %d: %s open=%s" % (op, frames, is_open)
    return None


def cut_requests(port):
    """Every request cut at every byte: one reply each, in order, or the close; never silence."""
    for op, record in REQUESTS.items():
        request = struct.pack(">ii", 7, op) + record
        for size in range(1, 8):
            with Client(port) as client:
                client.send(framed(request[:size]) + framed(PING))
                if not client.is_closed():
                    return "a header of %d bytes is served" % size
        at = 8
        while at < len(request):  # a connection that was closed goes on in another
            with Client(port) as client:
                sizes = range(at, len(request))
                client.send(b"".join(framed(request[:size]) for size in sizes) + framed(PING))
                frames, is_open = client.rest()
                replies = [f for f in frames if struct.unpack(">i", f[:4])[0] != -1]
                if is_open and op != 11 and len(replies) != len(sizes):
                    return "opcode %d: %d replies to %d requests" % (op, len(replies), len(sizes))
                if not is_open and not replies:
                    break
                at += len(replies)
    return None


def bad_paths(port):
    paths = ["", "a", "/a/", "//", "/a//b", "/./x", "/../x", "/a\0b", "/\x01", "/\ufff0", "/" + "x" * 5000]
    with Client(port) as client:
        client.send(b"".join(framed(struct.pack(">ii", 1, 1) + text(p) + text("") + OPEN_ACL + struct.pack(">i", 0))
                             for p in paths) + framed(PING))
        frames, is_open = client.rest()
        codes = [struct.unpack(">i", f[12:16])[0] for f in frames]
    expected = [-8, -8, -101, -8, -101, -101, -101, -8, -8, -8, 0]
    if not is_open or codes != expected:
        return "codes %s, expected %s" % (codes, expected)
    with Client(port) as client:  # bytes that are no UTF-8
        raw = b"/\xff\xfe\xc0"
        record = raw + text("") + OPEN_ACL + struct.pack(">i", 0)
        client.send(framed(struct.pack(">iii", 1, 1, len(raw)) + record) + framed(PING))
        if len(client.rest()[0]) != 1:
            return "a path that is not UTF-8 has no answer"
    return None


def mutate(rng, data):
    data = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        kind = rng.randrange(4)
        at = rng.randrange(len(data)) if data else 0
        if kind == 0 and data:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and len(data) - at >= 4:
            data[at:at + 4] = struct.pack(">i", rng.choice((-1, -2, 0, 1, 2**31 - 1, -2**31, len(data), 65536)))
        elif kind == 2:
            del data[at:at + rng.randint(1, 8)]
        else:
            data[at:at] = rng.randbytes(rng.randint(1, 8))
    return bytes(data)


def random_frames(port, rng, count):
    """Mutated requests and pure noise; each connection is read to the answer of a last ping or to its close."""
    sent = 0
    while sent < count:
        with Client(port) as client:
            batch = []
            for _ in range(100):
                op = rng.choice(list(REQUESTS))
                head = struct.pack(">ii", rng.choice((1, 2, 0, -1, -4, -8)), op)
                batch.append(framed(rng.randbytes(rng.randint(1, 40)) if rng.random() < 0.02 else
                                    head + mutate(rng, REQUESTS[op])))
            client.send(b"".join(batch) + framed(PING))
            client.rest()
            sent += len(batch)
    for _ in range(200):
        with Client(port, greet=False) as client:
            client.send(rng.randbytes(rng.randint(1, 300)))
            client.socket.shutdown(socket.SHUT_WR)
            client.rest()
    return None


def words_in_pieces(port):
    with Client(port, greet=False) as client:
        for byte in b"ruok":
            client.send(bytes([byte]))
            time.sleep(0.01)
        if client.take(4) != b"imok" or client.take(1) is not None:
            return "ruok in pieces is not answered"
    for word in (b"xxxx", b"RUOK", b"ruo"):
        with Client(port, greet=False) as client:
            client.send(word)
            client.socket.shutdown(socket.SHUT_WR)
            if client.take(1) is not None:
                return "%r is answered" % word
    with Client(port) as client:
        client.send(b"ruok")
        if not client.is_closed():
            return "a word behind a handshake is answered"
    return None


def slow_connections(port):
    """Half a handshake, half a frame, half open: they wait for nobody but themselves. The silent one is closed."""
    idle = [Client(port, greet=False) for _ in range(100)]
    for client in idle[::2]:
        client.send(framed(CONNECT)[:20])
    dawdling = Client(port)
    for byte in framed(struct.pack(">ii", 5, 4) + text("/fuzz/node") + b"\0"):
        dawdling.send(bytes([byte]))
        time.sleep(0.002)
    answer = dawdling.frame()
    dawdling.socket.close()
    return idle, None if answer and struct.unpack(">iqi", answer[:16])[2] == 0 else "a slow frame has no answer"


def await_silent_closed(idle):
    """HANDSHAKE_MS are allowed to a handshake."""
    for client in idle:
        client.socket.settimeout(PATIENCE_S)
        try:
            if client.take(1) is not None:
                return "a connection that says nothing is answered"
        except socket.timeout:
            return "a connection without a handshake stays"
        finally:
            client.socket.close()
    return None


def deaf_readers(ensemble, index, allowed):
    """A client that asks for a long value many times at once and reads nothing, and some that do so patiently."""
    port = ensemble.client_ports[index]
    before = resident_bytes(ensemble, index, "VmHWM")
    request = framed(struct.pack(">ii", 1, 4) + text("/long") + b"\0")
    clients = [Client(port, receive_bytes=4096) for _ in range(4)]
    for client in clients:
        client.socket.setblocking(False)
        try:
            client.socket.send(request * 2000)
        except OSError:
            pass
    with Client(port) as client:  # when this is answered, what came before has been read
        for _ in range(20):
            client.send(framed(PING))
            client.rest()
            time.sleep(0.02)
    grown = resident_bytes(ensemble, index, "VmHWM") - before
    for client in clients:
        client.socket.close()
    print("# deaf readers: %d MiB" % (grown >> 20))
    return None if grown < allowed else "grew by %d MiB" % (grown >> 20)


def greedy_readers(ensemble, index, allowed):
    """What waits for one write, or for the handshake, is answered in one go: up to a limit, then the close."""
    port = ensemble.client_ports[index]
    before = resident_bytes(ensemble, index, "VmHWM")
    read = framed(struct.pack(">ii", 1, 4) + text("/long") + b"\0")
    write = framed(struct.pack(">ii", 1, 5) + text("/fuzz") + text("y") + struct.pack(">i", -1))
    for greet, data in ((True, write + read * 900), (False, framed(CONNECT) + read * 2000)):
        with Client(port, greet=greet, receive_bytes=4096) as client:
            client.send(data)
            time.sleep(0.2)
            with Client(port) as other:
                other.send(framed(PING))
                other.rest()
    grown = resident_bytes(ensemble, index, "VmHWM") - before
    print("# greedy readers: %d MiB" % (grown >> 20))
    return None if grown < allowed else "grew by %d MiB" % (grown >> 20)


def thousands(ensemble, index):
    """2 000 connections from four addresses are held; the 501st of one address is refused."""
    port = ensemble.client_ports[index]
    held = []
    try:
        for address in range(2, 6):
            held += [Client(port, source="127.0.0.%d" % address, greet=False) for _ in range(PER_ADDRESS)]
        with Client(port, source="127.0.0.2", greet=False) as client:
            client.send(b"ruok")
            if client.take(1) is not None:
                return "one address has more than maxClientCnxns"
        held[-1].send(b"ruok")
        if held[-1].take(4) != b"imok":
            return "the last of the allowed is not served"
        while len(held) > 1500:
            held.pop(0).socket.close()
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:  # what is closed makes room
            with Client(port, source="127.0.0.2", greet=False) as client:
                client.send(b"ruok")
                if client.take(4) == b"imok":
                    return None
            time.sleep(0.01)
        return "closed connections make no room"
    finally:
        for client in held:
            client.socket.close()


# ---- the ports between servers ----

def throw(port, data, wait=False):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as s:
            s.sendall(data)
            if wait:
                s.shutdown(socket.SHUT_WR)
                while s.recv(65536):
                    pass
    except OSError:
        pass  # closed on us: what it should do


def garbage_for_peers(ensemble, rng, bounced):
    """`bounced`: the sid of a follower whose place an impostor takes. Servers do not prove who they are, so it must
    come back by itself; no other may notice."""
    def hello(sid):
        return struct.pack(">qq", -65536, sid) + text("127.0.0.1:1")

    vote = struct.pack(">iqqqqi", 0, 3, 2**62, 2**40, 2**31, 2) + text("x")
    info = struct.pack(">qiq", 0x5555555555555555, 0x10000, 0)

    def packet(kind, zxid, data):
        return struct.pack(">iQ", kind, zxid) + struct.pack(">i", len(data)) + data + struct.pack(">i", -1)

    election = [b"", b"\0", hello(77), hello(-3), hello(0), hello(2**63 - 1), struct.pack(">q", 200),
                struct.pack(">qqi", -65536, 1, 2**31 - 1), struct.pack(">qqi", -65535, 1, -1), struct.pack(">q", -9)]
    election += [hello(sid) + frame for sid in (1, 2, 3) for frame in
                 (framed(vote), framed(vote[:20]), framed(b"\0"), struct.pack(">i", -1), struct.pack(">i", 524289),
                  struct.pack(">i", 524288) + b"\xff" * 1000, framed(rng.randbytes(60)))]
    quorum = [b"", b"\0" * 7, packet(11, 0, info), packet(11, 2**63, info), packet(11, 0, info[:5]),
              packet(11, 0, b""),
              packet(16, 0, struct.pack(">qiq", 99, 0x10000, 0)), packet(3, 5, b""), packet(5, 0, b"\xff" * 9),
              packet(1, 0, vote), packet(99, 0, b"abc"), packet(18, 5, b"\0" * 4), packet(-1, 0, b""),
              struct.pack(">iqi", 11, 0, 2**31 - 1), struct.pack(">iqi", 11, 0, -2),
              struct.pack(">iqii", 11, 0, 0, 2**31 - 1),
              packet(11, 0, info + b"VIVA\0\0\0\3") + b"\0\0\xff\xff\xff\xff"]
    quorum.append(packet(11, 0, struct.pack(">qiq", 99, 0x10000, 0)))
    for _ in range(60):
        election.append(mutate(rng, rng.choice(election) + b"\0"))
        quorum.append(mutate(rng, rng.choice(quorum) + b"\0"))
    for peer, port in ensemble.peer_ports:
        for data in election:
            throw(port, data, wait=rng.random() < 0.2)
        for data in quorum:
            throw(peer, data, wait=rng.random() < 0.2)
        throw(peer, packet(11, 0, struct.pack(">qiq", bounced, 0x10000, 0)), wait=True)


def crowd_for_peers(ensemble, leader):
    """More connections than the peer port holds; when they are gone a follower must get in again."""
    peer, election = ensemble.peer_ports[leader]
    crowd = []
    for port, count in ((peer, 300), (election, 300)):
        for _ in range(count):
            s = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
            crowd.append(s)
    time.sleep(0.1)
    for s in crowd:
        s.close()
    follower = next(i for i in range(3) if i != leader)
    ensemble.kill(follower)
    ensemble.start(follower)
    try:
        ensemble.wait_serving([follower])
    except RuntimeError:
        return "a follower cannot come back"
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=20261121)
    parser.add_argument("--frames", type=int, default=20000)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    print("# seed %d" % options.seed)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    allowed = GROWTH_BYTES * (8 if is_sanitized() else 1)
    tap = Tap()
    with Impatient("vivarium", 3, settings={"maxClientCnxns": PER_ADDRESS}) as ensemble:
        leader = ensemble.wait_leader()
        follower = next(i for i in range(3) if i != leader)
        target = ensemble.client_ports[follower]
        bystander = Bystander("127.0.0.1:%d" % target)
        bystander.start()

        def check(name, error):
            error = error or bystander.verdict() or (ensemble.died() and "a server ended")
            tap.ok(error is None or error == [], name, "%s\n%s" % (error, ensemble.logs(12)))

        idle, error = slow_connections(ensemble.client_ports[0])
        check("a connection that dawdles is served, and alone in waiting", error)
        check("impossible lengths close the connection, the longest legal frame is read", impossible_lengths(target))
        check("a malformed handshake closes the connection, a wrong password is refused", handshakes(target))
        check("an unknown opcode is answered as such, then closed", unknown_opcodes(target))
        check("a request cut at any byte has an answer or closes its connection", cut_requests(target))
        check("a bad path has its error", bad_paths(target))
        check("words count only as the first bytes of a connection", words_in_pieces(target))
        check("%d mutated requests disturb nobody" % options.frames,
              random_frames(target, rng, options.frames * 3 // 4) or
              random_frames(ensemble.client_ports[leader], rng, options.frames // 4))
        check("who asks and never reads costs bounded memory", deaf_readers(ensemble, follower, allowed))
        check("who asks for everything at once is cut off", greedy_readers(ensemble, follower, 10 * allowed))
        check("2 000 connections are held, one address has its limit", thousands(ensemble, 2))
        garbage_for_peers(ensemble, rng, 6 - (leader + 1) - (follower + 1))
        check("garbage on the ports between servers moves no leader",
              None if ensemble.leader() == leader and ensemble.mode(follower) == "follower" else "leader moved")
        bystander_port = ensemble.client_ports[leader]
        check("a connection without a handshake is closed", await_silent_closed(idle))
        check("the bystander worked all the time", None if bystander.rounds > 100 else "%d rounds" % bystander.rounds)
        bystander.stop()
        print("# bystander: %d rounds, slowest %.0f ms" % (bystander.rounds, bystander.slowest * 1000))
        error = crowd_for_peers(ensemble, leader)
        tap.ok(error is None and four_letter(bystander_port, "ruok") == "imok",
               "a crowd at the peer ports keeps no follower out for good", "%s\n%s" % (error, ensemble.logs(12)))
        codes = [ensemble.terminate(i) for i in range(3)]
        tap.ok(codes == [0, 0, 0], "all servers stop cleanly afterwards", "%s\n%s" % (codes, ensemble.logs(40)))
    tap.done()


if __name__ == "__main__":
    main()
