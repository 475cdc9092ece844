"""Clients that are allowed to be odd, and ones that go to the limit or one over: everything at once before the handshake is
answered, bytes behind a record, null lists, the longest frame, a multi of thousands, paths of thousands of levels, a
hundred thousand watches set again in one frame. A bystander notices nothing. TAP."""

import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import zkwire as w  # noqa: E402
from bad_input import Bystander  # noqa: E402
from ensemble import Ensemble, Tap  # noqa: E402

FRAME_MAX = 1048575
WATCHES = 100000
LEVELS = 1000


def session(port):
    wire = w.Wire(port, timeout=60)
    assert wire.greet(timeout_ms=40000)
    return wire


def replies(wire, count):
    """The next so many replies, events left out: (xid, err)."""
    found = []
    while len(found) < count:
        raw = wire.receive()
        if raw is None:
            return found + ["closed"]
        xid, _, err = w.REPLY.unpack_from(raw)
        if xid != w.XID_EVENT:
            found.append((xid, err))
    return found


def everything_at_once(port):
    """Handshake, auth, setWatches and 2 000 writes and reads in one breath."""
    wire = w.Wire(port, timeout=60)
    parts = [w.connect(timeout_ms=40000),
             w.request(w.XID_AUTH, w.AUTH, w.integer(0) + w.data("digest") + w.data("a:b")),
             w.request(w.XID_SET_WATCHES, w.SET_WATCHES, w.long(0) + w.vector(["/early"]) + w.vector([]) * 2)]
    for i in range(1000):
        parts.append(w.request(2 * i + 1, w.CREATE, w.create("/early-%d" % i, b"", w.OPEN, 1)))
        parts.append(w.request(2 * i + 2, w.EXISTS, w.watching("/early-%d" % i, 0)))
    wire.send(b"".join(parts))
    assert len(wire.receive()) == 37
    got = replies(wire, 2002)
    order = [xid for xid, _ in got if xid > 0]
    if order != list(range(1, 2001)) or any(err for _, err in got):
        return "replies %s... errors %s" % (order[:5], [g for g in got if g[1]][:5])
    return None if wire.call(w.CLOSE_SESSION, xid=9000)[0] == 0 else "no end"


def trailing_bytes(port):
    wire = session(port)
    for op, record in ((w.CREATE, w.create("/trailing", b"x", w.OPEN, 1)), (w.GET_DATA, w.watching("/trailing", 0)),
                       (w.SET_DATA, w.data("/trailing") + w.data(b"y") + w.integer(-1)), (w.PING, b""), (w.WHO_AM_I, b""),
                       (w.MULTI, w.multi([(w.CHECK, w.versioned("/trailing", -1))])), (w.GET_EPHEMERALS, w.data("/"))):
        answer = wire.call(op, record + b"\xff" * 100, xid=w.XID_PING if op == w.PING else 1)
        if answer is None or answer[0] != 0:
            return "operation %d: %s" % (op, answer)
    return None


def null_lists(port):
    wire, null = session(port), w.integer(-1)
    for op, record, wanted in ((w.CREATE, w.create("/null", b"", None, 0), -114), (w.CREATE, w.create(None, b"", w.OPEN, 0), -5),
                               (w.SET_ACL, w.data("/") + w.acl(None) + w.integer(-1), -114), (w.GET_DATA, null + b"\0", -5),
                               (w.SET_WATCHES, w.long(0) + null * 3, -5), (w.SET_WATCHES2, w.long(0) + null * 5, -5),
                               (w.MULTI, null, -5), (w.CREATE, w.create("/null", None, w.OPEN, 1), 0)):
        answer = wire.call(op, record)
        if answer is None or answer[0] != wanted:
            return "operation %d: wanted %d, got %s" % (op, wanted, answer)
    answer = wire.call(w.GET_DATA, w.watching("/null", 0))
    return None if answer[1][0] is None else "null data came back as %r" % (answer[1][0],)


def longest_frame(port):
    wire = session(port)
    wire.call(w.CREATE, w.create("/long", b"", w.OPEN, 1))
    overhead = 8 + len(w.data("/long") + w.data(b"") + w.integer(-1))
    value = os.urandom(FRAME_MAX - overhead)
    error = wire.call(w.SET_DATA, w.data("/long") + w.data(value) + w.integer(-1))
    if error is None or error[0] != 0 or wire.call(w.GET_DATA, w.watching("/long", 0))[1][0] != value:
        return "the longest frame: %s" % (error,)
    wire.send(w.request(7, w.SET_DATA, w.data("/long") + w.data(value + b"x") + w.integer(-1)))
    return None if wire.receive() is None else "one byte more was taken"


def thousands_in_a_multi(port):
    wire = session(port)
    wire.call(w.CREATE, w.create("/multi", b"", w.OPEN, 0))
    made = [(w.CREATE, w.create("/multi/%d" % i, b"", w.OPEN, 0)) for i in range(10000)]
    error, values = wire.call(w.MULTI, w.multi(made))
    if error != 0 or len(values[0]) != 10000:
        return "10 000 creates: %s" % error
    checks = [(w.CHECK, w.versioned("/multi/%d" % i, 0)) for i in range(10000)] + [(w.CHECK, w.versioned("/multi/0", 7))]
    error, values = wire.call(w.MULTI, w.multi(checks))
    if error != 0 or [result[1] for result in values[0]] != [0] * 10000 + [-103]:
        return "10 001 checks: %s" % error
    gone = [(w.DELETE, w.versioned("/multi/%d" % i, 0)) for i in range(10000)]
    error, _ = wire.call(w.MULTI, w.multi(gone))
    return None if error == 0 and wire.call(w.DELETE, w.versioned("/multi", -1))[0] == 0 else "10 000 deletes: %s" % error


def in_pieces(wire, requests):
    """Sends them a hundred at a time, as who never reads is cut off; True when all succeed."""
    for start in range(0, len(requests), 100):
        piece = requests[start:start + 100]
        wire.send(b"".join(w.request(1, op, record) for op, record in piece))
        if any(reply == "closed" or reply[1] != 0 for reply in replies(wire, len(piece))):
            return False
    return True


def deep_paths(port):
    wire = session(port)
    unheard = "/a" * 400000
    for op, record in ((w.GET_DATA, w.watching(unheard, 1)), (w.CREATE, w.create(unheard, b"", w.OPEN, 0)),
                       (w.DELETE, w.versioned(unheard, -1)), (w.EXISTS, w.watching(unheard, 1))):
        answer = wire.call(op, record)
        if answer is None or answer[0] != -101:
            return "operation %d of a path of 400 000 levels: %s" % (op, answer)
    assert wire.call(w.ADD_WATCH, w.data("/") + w.integer(1))[0] == 0
    paths = ["/d" * level for level in range(1, LEVELS + 1)]
    made = [(w.CREATE, w.create(path, b"", w.OPEN, 0)) for path in paths]
    gone = [(w.DELETE, w.versioned(path, -1)) for path in reversed(paths)]
    if not in_pieces(wire, made):
        return "%d levels could not be made" % LEVELS
    if wire.call(w.GET_ALL_CHILDREN_NUMBER, w.data("/d"))[1][0] != LEVELS - 1:
        return "they are counted wrongly"
    return None if in_pieces(wire, gone) else "%d levels could not be removed" % LEVELS


def many_watches(port):
    """As after a reconnect: the C client sets them in one frame."""
    names = ["/watched/" + "w" * 88 + "%07d" % i for i in range(WATCHES - 1)]
    other = session(port)
    other.call(w.CREATE, w.create("/watched", b"", w.OPEN, 0))
    zxid = 1 << 40
    wire = session(port)
    frame = w.request(w.XID_SET_WATCHES, w.SET_WATCHES, w.long(zxid) + w.vector([]) + w.vector(names) + w.vector(["/watched"]))
    wire.send(frame)
    got = replies(wire, 1)
    if got != [(w.XID_SET_WATCHES, 0)]:
        return "%d watches in %d bytes: %s" % (WATCHES, len(frame), got)
    other.call(w.CREATE, w.create(names[WATCHES // 2], b"", w.OPEN, 1))
    events = [w.decode_event(w.Reader(wire.receive(), w.REPLY.size)) for _ in range(2)]
    if sorted(event[0] for event in events) != [w.NODE_CREATED, w.NODE_CHILDREN_CHANGED]:
        return "their events: %s" % events
    return None


CASES = (
    ("everything that is sent before the handshake is answered comes back in its order", everything_at_once),
    ("bytes behind a record are ignored", trailing_bytes),
    ("null lists and paths have their errors, null data stays null", null_lists),
    ("the longest frame is taken and given back, one byte more ends the connection", longest_frame),
    ("a multi has room for thousands of operations", thousands_in_a_multi),
    ("paths may be as deep as a frame holds, trees %d levels" % LEVELS, deep_paths),
    ("%d watches are set again in one frame" % WATCHES, many_watches),
)


def main():
    tap = Tap()
    with Ensemble("vivarium", 1, settings={"maxClientCnxns": 0}) as service:
        bystander = Bystander(service.hosts())
        bystander.start()
        for name, case in CASES:
            began = time.monotonic()
            try:
                error = case(service.client_ports[0]) or bystander.verdict()
            except (AssertionError, OSError, TypeError, ValueError) as unexpected:
                error = repr(unexpected)
            tap.ok(error is None, name, "%s\n%s" % (error, service.logs(6)))
            print("# %.1f s" % (time.monotonic() - began), flush=True)
        bystander.stop()
        tap.ok(bystander.error is None and bystander.rounds > 10, "the bystander worked all the time", bystander.error)
        print("# bystander: %d rounds, slowest %.0f ms" % (bystander.rounds, bystander.slowest * 1000))
        tap.ok(service.terminate(0) == 0, "the server stops cleanly afterwards", service.logs(10))
    tap.done()
    sys.exit(tap.failed > 0)


if __name__ == "__main__":
    main()
