"""Plays steps against two servers at once and compares what each connection is told: replies, events, their order among
each other, and the end of connections. Anything that no rule of diff_rules.py covers raises Difference."""

import collections
import ipaddress
import time

import zkwire as w
from diff_generate import ROLES, SUPER_PASSWORD, Op, digest_id

HELPER = len(ROLES)  # one more session: super user, looks at trees and waits for expiry
OURS, REFERENCE = 0, 1
SHORT_MS = 3000  # long enough for two creates on a busy machine
EXPIRY_S = 40.0
CATCH_UP_S = 20.0
CLOSE_S = 5.0  # so long a connection may last that is to be closed
CREATES = (w.CREATE, w.CREATE2, w.CREATE_CONTAINER, w.CREATE_TTL)


class Difference(Exception):
    pass


class SilentReference(Difference):
    """The reference server does not answer, Vivarium did."""


class Side:
    """One of the two services: its ports, its connections, and how its numbers map to ones that can be compared."""

    def __init__(self, service, corrupt=None):
        self.ports, self.corrupt = service.client_ports, corrupt
        self.members = [("127.0.0.1:%d:%d" % ports).encode() for ports in service.peer_ports]
        self.wires = [None] * (HELPER + 1)
        self.ids = [(0, b"")] * (HELPER + 1)
        self.labels = {}
        self.base = None
        self.answered, self.newest = 0, 0  # zxids: of the last reply, and the greatest of all

    def greet(self, number, place, label, options):
        wire = w.Wire(self.ports[place % len(self.ports)])
        self.wires[number] = wire
        answer = wire.greet(**options)
        if answer:
            self.ids[number] = (wire.session, wire.password)
            self.labels.setdefault(wire.session, label)
        else:
            self.cut(number)
        return answer, wire.timeout_ms, len(wire.password)

    def cut(self, session):
        if self.wires[session] is not None:
            self.wires[session].close()
            self.wires[session] = None

    def zxid(self, value):
        return value if value <= 0 else "z%+d" % (value - self.base)

    def stat(self, s):
        _, czxid, mzxid, ctime, mtime, version, cversion, aversion, owner, size, children, pzxid = s
        is_config = (mzxid, aversion) == (0, -1)  # /zookeeper/config: when 3.8.0 was started
        return ("stat", self.zxid(czxid), self.zxid(mzxid), ctime == 0, is_config or mtime == 0, mtime >= ctime, version, cversion,
                aversion, self.labels.get(owner, owner), size, children, self.zxid(pzxid))

    def value(self, value):
        """A decoded value without what differs by nature."""
        if isinstance(value, tuple) and value and value[0] == "stat" and len(value) == 12:
            return self.stat(value)
        if isinstance(value, bytes) and value.startswith(b"server."):
            for member in self.members:
                value = value.replace(member, b"member")
            return value
        if isinstance(value, list):
            if value and isinstance(value[0], list):  # results of a multi
                return [[self.value(v) for v in item] for item in value]
            return sorted(value, key=repr) if all(isinstance(v, (str, tuple)) for v in value) else value
        return value

    def item(self, code, raw):
        """One frame as something to compare. code: of the request that a reply would answer."""
        xid, zxid, err = w.REPLY.unpack_from(raw)
        reader = w.Reader(raw, w.REPLY.size)
        if xid == w.XID_EVENT:
            return ("event", w.decode_event(reader), zxid)
        self.answered, self.newest = zxid, max(zxid, self.newest)
        try:
            values = w.decode(code, reader) if err == 0 else ()
        except ValueError:
            values = (("not a reply to operation %d" % code, raw),)
        item = ("reply", xid, self.zxid(zxid) if self.base is not None else 0, err, tuple(self.value(v) for v in values))
        return self.corrupt(item) if self.corrupt is not None else item


def may_read(entries, identities):
    for perms, scheme, name in entries:
        if perms & w.READ == 0:
            continue
        if scheme == "world" or ("super", "") in identities or (scheme, name) in identities:
            return True
        if scheme == "ip" and ipaddress.ip_address("127.0.0.1") in ipaddress.ip_network(name, strict=False):
            return True
    return False


WRITES = CREATES + (w.DELETE, w.SET_DATA, w.CHECK, w.SET_ACL)


def written(code, reader):
    """(operation, path, ACL, last number) of one request record."""
    path, entries = reader.text(), None
    if code in CREATES or code == w.SET_DATA:
        reader.data()
    if code in CREATES or code == w.SET_ACL:
        entries = reader.vector(reader.acl_entry)
    number = reader.integer()
    if code == w.CREATE_TTL:
        reader.long()
    return code, path, entries, number


def writes_of(code, record):
    """What a request would change, a multi's operations one by one; up to what cannot be read."""
    reader, found = w.Reader(record), []
    try:
        if code in WRITES:
            return [written(code, reader)]
        while code == w.MULTI:
            inner, done, _ = reader.take(w.MULTI_HEADER)
            if done or inner not in WRITES:
                break
            found.append(written(inner, reader))
    except ValueError:
        pass
    return found


class Shadow:
    """Who could read what, as far as the conversation told: for the two rules about READ."""

    def __init__(self):
        self.acls = collections.defaultdict(list)  # path: [(turn, entries)]
        self.turn = 0
        self.wanted = []  # (path, entries, identities) that the requests of this turn may come to

    @staticmethod
    def resolve(entries, identities):
        mine = [i for i in identities if i[0] not in ("ip", "super")]
        stored = []
        for perms, scheme, name in entries or ():
            stored += [(perms,) + i for i in mine] if scheme == "auth" else [(perms, scheme, name)]
        return stored

    def note(self, path, entries, identities):
        self.acls[path].append((self.turn, self.resolve(entries, identities)))

    def expect(self, writes, identities):
        """ACLs that the requests now under way may store: an event can come before the reply that tells."""
        self.wanted = [(path, self.resolve(entries, identities)) for _, path, entries, _ in writes if entries and path]

    def was_hidden(self, path, identities, since):
        """Could the connection not read the node at some time since that turn?"""
        history = self.acls.get(path, [])
        old = [entry for entry in history if entry[0] < since][-1:]
        recent = old + [entry for entry in history if entry[0] >= since]
        return any(not may_read(entries, identities) for _, entries in recent) or \
            any(path.startswith(prefix) and not may_read(entries, identities) for prefix, entries in self.wanted)


class Player:
    """shadow: of these services, for all their rounds."""

    def __init__(self, ours, reference, root, shadow, corrupt=None):
        self.sides = (Side(ours, corrupt), Side(reference))
        self.root = root
        self.used = collections.Counter()
        self.attached = ["none"] * HELPER
        self.identities = [[] for _ in range(HELPER + 1)]
        self.ghosts = [set() for _ in range(HELPER + 1)]  # watches that only the reference server keeps
        self.looked = [0] * (HELPER + 1)  # the turn in which each connection was last read
        self.closed_at = -1  # the turn of the last end of a session
        self.shadow = shadow
        self.opened, self.operations, self.expiries = 0, 0, 0
        self.xids = [0] * (HELPER + 1)
        self.places = [0] * (HELPER + 1)
        self.current = None  # the place that has seen everything so far
        self.learn = lambda path: None
        self.last_zxid = 0

    # ---- connections ----

    def fail(self, what, *values):
        raise Difference("%s\n  reference: %r\n  vivarium:  %r" % ((what,) + values))

    def same(self, what, reference, ours):
        if reference != ours:
            self.fail(what, reference, ours)
        return ours

    def greet(self, session, place, what, options):
        answers = [side.greet(session, place, "session-%d" % self.opened, options(side))
                   for side in reversed(self.sides)]
        self.places[session] = place
        answer = self.same("%s of session %d" % (what, session), *answers)[0]
        if answer:
            self.identities[session] = [("ip", "127.0.0.1")]
            self.ghosts[session].clear()
            self.looked[session] = self.shadow.turn
        return answer

    def open(self, session, place, timeout_ms):
        self.opened += 1
        answer = self.greet(session, place, "opening", lambda side: {"timeout_ms": timeout_ms})
        if answer and session < HELPER:
            self.attached[session] = "live"
        self.xids[session] = 0
        self.current = place
        if answer and self.is_ensemble():  # the zxid of its beginning, which others must reach
            self.run(session, [Op(w.EXISTS, w.watching("/", 0))])

    def attach(self, session, place, kind):
        for side in self.sides:
            side.cut(session)
        self.attached[session] = "cut"

        def options(side):
            number, password = side.ids[session]
            asked = {"session": number, "password": password, "timeout_ms": 80000}
            if kind == "password":
                asked["password"] = bytes(16)
            elif kind == "ahead":
                asked["last_zxid"] = 1 << 62
            elif kind == "unknown":
                asked["session"] = number + 100000
            return asked

        if self.greet(session, place, "attaching (%s)" % kind, options):
            self.attached[session] = "live"
        self.current = None

    def expire(self, place):
        """A session of its own vanishes with its ephemerals; both sides have noticed when this returns."""
        session, self.expiries = HELPER, self.expiries + 1
        for side in self.sides:
            side.helper = side.wires[session]
        self.opened += 1
        helper_place, identities = self.places[session], self.identities[session]
        self.greet(session, place, "opening", lambda side: {"timeout_ms": SHORT_MS})
        gone = ["%s-gone-%d-%d" % (self.root, self.expiries, i) for i in range(2)]
        self.run(session, [Op(w.CREATE, w.create(path, b"", w.OPEN, 1)) for path in gone])
        for side in self.sides:
            side.cut(session)
            side.wires[session] = side.helper
        self.places[session], self.identities[session] = helper_place, identities
        for side in self.sides:
            deadline = time.monotonic() + EXPIRY_S
            while side.wires[session].call(w.EXISTS, w.watching(gone[1], 0))[0] == 0:
                if time.monotonic() > deadline:
                    raise Difference("a session of %d ms lived for %d s" % (SHORT_MS, EXPIRY_S))
                time.sleep(0.05)
        self.shadow.turn += 1
        self.closed_at = self.shadow.turn
        self.current = helper_place
        self.run(session, [Op(w.EXISTS, w.watching(gone[1], 0))])  # with the zxid of its end, which others must reach

    # ---- a run: requests of one session without waiting, then what comes back ----

    def record(self, op, side):
        if side is self.sides[REFERENCE] and op.reference is not None:
            return op.reference
        if op.zxid_at is None:
            return op.code, op.record
        relative = w.LONG.unpack_from(op.record, op.zxid_at)[0]
        absolute = w.long(max(0, side.base + relative))
        return op.code, op.record[:op.zxid_at] + absolute + op.record[op.zxid_at + 8:]

    def encode(self, session, ops):
        """What each side is sent."""
        parts = ([], [])
        for op in ops:
            if op.raw is not None:
                parts[0].append(op.raw)
                parts[1].append(op.raw)
                continue
            if op.xid is None:
                self.xids[session] += 1
            xid = self.xids[session] if op.xid is None else op.xid
            for part, side in zip(parts, self.sides):
                code, record = self.record(op, side)
                part.append(w.request(xid, code, record))
        return b"".join(parts[0]), b"".join(parts[1])

    def read(self, side, session, ops):
        """Everything up to the last reply, and the end of the connection where one is due."""
        items, wire = [], side.wires[session]
        waiting = [op for op in ops if op.raw is None]
        answered = 0
        while answered < len(waiting):
            raw = wire.receive()
            if raw is None:
                return items + [("closed",)]
            if side.base is None:
                side.base = w.REPLY.unpack_from(raw)[1]
            items.append(side.item(waiting[answered].code, raw))
            answered += items[-1][0] == "reply"
        if not self.is_ending(ops, items):
            return items
        wire.socket.settimeout(CLOSE_S)
        try:
            while True:
                raw = wire.receive()
                if raw is None:
                    return items + [("closed",)]
                items.append(side.item(w.PING, raw))
        except TimeoutError:
            return items + [("still open",)]

    def read_or_fail(self, side, session, ops):
        try:
            return self.read(side, session, ops)
        except TimeoutError as error:
            who, kind = ("vivarium", Difference) if side is self.sides[OURS] else ("the reference server", SilentReference)
            raise kind("session %d: %s is silent after %s" %
                       (session, who, [(op.code, op.record[:60]) for op in ops])) from error

    @staticmethod
    def is_ending(ops, items):
        """Must the connection end now? Events may come before it does."""
        if ops[-1].raw is not None or ops[-1].code == w.CLOSE_SESSION:
            return True
        return items[-1][0] == "reply" and items[-1][3] in (-6, -115) and ops[-1].ends

    def is_ensemble(self):
        return len(self.sides[OURS].ports) > 1

    def exchange(self, session, ops, encoded):
        """What each side answers."""
        for raw, side in zip(encoded, self.sides):
            side.wires[session].send(raw)
        return [self.read_or_fail(side, session, ops) for side in self.sides]

    def catch_up(self, session):
        """Another server may be behind what was answered elsewhere. One sync of ours ends that; 3.8.0's leader may answer
        before it has applied what its followers have: it is asked until it has."""
        self.current = self.places[session]
        wanted = [side.newest for side in self.sides]
        ops = [Op(w.SYNC, w.data("/"))]
        encoded = self.encode(session, ops)
        ours, reference = self.exchange(session, ops, encoded)
        side, deadline, behind = self.sides[REFERENCE], time.monotonic() + CATCH_UP_S, 0
        while reference[-1] == ("closed",) or side.answered < wanted[REFERENCE]:
            if reference[-1] == ("closed",) or time.monotonic() > deadline:
                raise SilentReference("session %d: the reference server does not catch up" % session)
            time.sleep(0.001)
            side.wires[session].send(encoded[REFERENCE])
            reference = reference[:-1] + self.read_or_fail(side, session, ops)
            behind = 1
        self.used += collections.Counter({"sync-zxid": behind})
        if self.sides[OURS].answered < wanted[OURS]:
            self.fail("session %d: a sync that leaves its server behind" % session, wanted, self.sides[OURS].answered)
        self.compare(session, ops, reference, ours)
        self.looked[session] = self.shadow.turn

    def run(self, session, ops):
        if self.places[session] != self.current and self.is_ensemble():
            self.catch_up(session)
        self.current = self.places[session]
        self.shadow.turn += 1
        self.operations += len(ops)
        ours, reference = self.exchange(session, ops, self.encode(session, ops))
        self.compare(session, ops, reference, ours)
        self.looked[session] = self.shadow.turn
        if ours and ours[-1] == ("closed",):
            for side in self.sides:
                side.cut(session)
            is_over = ops[-1].code == w.CLOSE_SESSION and ops[-1].raw is None
            if is_over:
                self.closed_at = self.shadow.turn
            if session < HELPER:
                self.attached[session] = "none" if is_over else "cut"
            self.current = None

    # ---- comparison ----

    def compare(self, session, ops, reference, ours):
        waiting = [op for op in ops if op.raw is None]
        self.shadow.expect([write for op in ops for write in writes_of(op.code, op.record)], self.identities[session])
        reference, ours = self.order_events(session, ops, reference, ours)
        at, answered = 0, 0
        for position, item in enumerate(reference):
            op = waiting[answered] if answered < len(waiting) else None
            mine = ours[at] if at < len(ours) else None
            if item[0] == "event" and self.is_dropped(session, item, mine):
                continue
            if not self.is_same(session, op, item, mine):
                self.fail("session %d, request %d of %d: %s" % (session, answered + 1, len(waiting), self.name(op)),
                          reference[position:position + 3], ours[at:at + 3])
            at += 1
            if item[0] == "reply":
                answered += 1
                self.note(session, op, mine)
        if at != len(ours):
            self.fail("session %d: more than the reference server sent" % session, reference[-3:], ours[at:at + 3])

    def name(self, op):
        return "the end" if op is None else "operation %d, record %s" % (op.code, op.record[:120])

    def order_events(self, session, ops, reference, ours):
        """Events of one closeSession come in any order: each block of events between replies is sorted if one was."""
        is_closing = self.closed_at >= self.looked[session] or any(op.code == w.CLOSE_SESSION for op in ops)
        if not is_closing or reference == ours:
            return reference, ours

        def in_order(items):
            found, block = [], []
            for item in items + [None]:
                if item is not None and item[0] == "event":
                    block.append(item)
                else:
                    found += sorted(block, key=lambda e: e[1]) + [item]
                    block = []
            return found[:-1]

        kinds = [[item[1] for item in items if item[0] == "event"] for items in (reference, ours)]
        if kinds[0] != kinds[1]:
            self.used["closing-order"] += 1
        return in_order(reference), in_order(ours)

    def is_dropped(self, session, item, mine):
        """An event that only the reference server sends, and may."""
        kind, _, path = item[1]
        if mine is not None and mine[0] == "event" and mine[1] == item[1]:
            return False
        if path in self.ghosts[session] and kind != w.NODE_CHILDREN_CHANGED:
            self.ghosts[session].discard(path)
            self.used["exists-needs-read"] += 1
            return True
        return False

    def is_same(self, session, op, item, mine):
        if mine is None or item[0] != mine[0]:
            return False
        if item[0] == "event":
            if item[1] != mine[1]:
                return False
            if item[2] != mine[2]:
                self.used["event-zxid"] += 1
            if item[1][0] != w.NODE_CHILDREN_CHANGED and mine[2] != -1:  # -1: of setWatches, which consumes none
                self.ghosts[session].discard(item[1][2])
            return True
        if item != mine and not self.is_meant(session, op, item, mine):
            return False
        if op is not None and op.rule is not None:
            self.used[op.rule] += 1
        return True

    def is_meant(self, session, op, item, mine):
        """A different reply that a rule covers."""
        if item[:3] != mine[:3]:
            return False
        err, my_err = item[3], mine[3]
        if op.code == w.EXISTS and err in (0, -101) and my_err == -102:
            return self.exists_refused(session, op)
        if op.code == w.REMOVE_WATCHES and (err, my_err) == (0, -121):
            path = w.Reader(op.record).text()
            if path in self.ghosts[session]:
                self.ghosts[session].discard(path)
                self.used["exists-needs-read"] += 1
                return True
            return False
        if op.code == w.CHECK_WATCHES and my_err == -121 and err in (0, -5):
            self.used["check-watches-of-others"] += 1
            return True
        if op.code == w.GET_ALL_CHILDREN_NUMBER and w.Reader(op.record).text() == "" and err == my_err == 0 and \
                item[4][0] == mine[4][0] + 1:
            self.used["count-of-nothing"] += 1
            return True
        if op.code in WRITES and (err, my_err) == (-8, -5) and w.Reader(op.record).text() is None:
            self.used["null-path"] += 1
            return True
        if op.code == w.MULTI and err == 0:
            return self.multi_meant(op, item[4], my_err, mine[4])
        return False

    def exists_refused(self, session, op):
        reader = w.Reader(op.record)
        path, watch = reader.text(), op.record[reader.at] != 0
        if not self.shadow.was_hidden(path or "/", self.identities[session], self.shadow.turn):
            return False
        if watch:
            self.ghosts[session].add(path)
        self.used["exists-needs-read"] += 1
        return True

    def multi_meant(self, op, reference, my_err, mine):
        reference = reference[0]
        if my_err == -5 and any(write[0] in CREATES and write[3] not in range(7) for write in
                                 writes_of(*(op.reference or (op.code, op.record)))):
            self.used["multi-flags"] += 1
            return True
        mine = mine[0] if mine else []
        if len(reference) != len(mine):
            return False
        for theirs, ours in zip(reference, mine):
            if theirs == ours:
                continue
            if theirs[0] != w.CREATE or ours[0] != w.CREATE2 or theirs[1:3] != ours[1:3]:
                return False
            self.used["multi-create2"] += 1
        return True

    # ---- what is remembered ----

    def note(self, session, op, mine):
        _, xid, zxid, err, values = mine
        if isinstance(zxid, str):
            self.last_zxid = int(zxid[1:])
        if err != 0 or op is None:
            return
        if op.code in CREATES or op.code == w.SET_ACL:
            self.stored(session, op, [[0, 0, values[0]]])
        elif op.code == w.MULTI and values and all(result[1] == 0 for result in values[0]):
            self.stored(session, op, values[0])
        elif op.code == w.AUTH:
            self.authenticated(session, op)
        elif op.code == w.CLOSE_SESSION:
            self.closed_at = self.shadow.turn

    def stored(self, session, op, results):
        """ACLs, and names that exist now. A result is [type, err, path]."""
        for (code, path, entries, _), result in zip(writes_of(op.code, op.record), results):
            if code in CREATES:
                self.learn(result[2])
            if entries:
                self.shadow.note(result[2] if code in CREATES else path, entries, self.identities[session])

    def authenticated(self, session, op):
        reader = w.Reader(op.record)
        reader.integer()
        scheme, value = reader.text(), reader.text()
        if scheme == "digest":
            user, _, password = value.partition(":")
            identity = ("digest", digest_id(user, password) if ":" in value else value)
            self.identities[session].append(("super", "") if value == "super:" + SUPER_PASSWORD else identity)

    # ---- whole rounds ----

    def play(self, step):
        kind, session = step[0], step[1]
        if kind == "open" and self.attached[session] == "none":
            self.open(session, step[3], step[2])
        elif kind == "attach" and self.attached[session] != "none":
            self.attach(session, step[3], step[2])
        elif kind == "run" and self.attached[session] == "live":
            self.run(session, step[2])
        elif kind == "expire":
            self.expire(step[2])

    def begin(self):
        """The helper's session and the round's root."""
        self.open(HELPER, 0, 100000)
        self.run(HELPER, [Op(w.AUTH, w.integer(0) + w.data("digest") + w.data("super:" + SUPER_PASSWORD), xid=w.XID_AUTH,
                             ends=True)])
        for side in self.sides:
            side.base = None
        self.run(HELPER, [Op(w.CREATE, w.create(self.root, b"", w.OPEN, 0))])

    def tree(self, top):
        """Compares the whole tree below a node; returns how many nodes it has."""
        waiting, count = [top], 0
        while waiting:
            some, waiting = waiting[:64], waiting[64:]
            self.run(HELPER, [Op(code, w.watching(path, 0) if code != w.GET_ACL else w.data(path))
                              for path in some for code in (w.GET_DATA, w.GET_ACL)])
            for path in some:
                children = self.sides[OURS].wires[HELPER].call(w.GET_CHILDREN, w.watching(path, 0))
                self.run(HELPER, [Op(w.GET_CHILDREN2, w.watching(path, 0))])
                waiting += ["%s/%s" % (path.rstrip("/"), name) for name in (children[1][0] if children[1] else ())]
            count += len(some)
        return count

    def end(self):
        """Every session reads what is left for it and closes; then the trees."""
        for session, state in enumerate(self.attached):
            if state == "cut":
                self.attach(session, 0, "good")
            if self.attached[session] == "live":
                self.run(session, [Op(w.SYNC, w.data("/"))])
                self.run(session, [Op(w.CLOSE_SESSION, ends=True)])
        nodes = self.tree(self.root)
        nodes += self.tree("/zookeeper")
        self.run(HELPER, [Op(w.GET_DATA, w.watching("/", 0)), Op(w.GET_CHILDREN2, w.watching("/", 0))])
        self.run(HELPER, [Op(w.CLOSE_SESSION, ends=True)])
        return nodes

    def close(self):
        for side in self.sides:
            for session in range(HELPER + 1):
                side.cut(session)
