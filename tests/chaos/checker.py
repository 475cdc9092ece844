"""Says, while a history is still being written, what in it no ensemble may do. Reads the records of recorder.py.

Checked: each client's zxids never go back; two writes never share a zxid, and what began after an answer has a greater
one than that answer; a znode at one version is the same for all who see it; what is read is the newest of all writes
up to the zxid of the reply, so that nothing acknowledged is ever missing; a sync shows all that was answered before;
sequence numbers are unique and grow; a session that is answered has its ephemerals; a watch fires before any answer
that is as new as the change; trees that stand at one zxid are alike. Reads are judged LAG_NS later, when the writes
that they should have seen are known.
"""

import bisect
import collections
import json
import struct

import zkwire
from zkwire import CHECK, CREATE, CREATE2, DELETE, EXISTS, GET_CHILDREN, GET_CHILDREN2, GET_DATA, MULTI, SET_DATA, SYNC

LAG_NS = 8 * 10**9
KEPT = 5000                # writes of one znode that are remembered
SEQUENCE = 2
NO_NODE, BAD_VERSION, NODE_EXISTS = -101, -103, -110
REFUSED = (0, NO_NODE, BAD_VERSION, NODE_EXISTS, -111)  # answers of a working leader to a write
WRITES = (CREATE, CREATE2, DELETE, SET_DATA, MULTI)
READS = (GET_DATA, EXISTS, GET_CHILDREN, GET_CHILDREN2)
DATA_EVENTS, CHILD_EVENTS = (1, 2, 3), (2, 4)


def operations(op, raw):
    """[(type, path, data, flags)] of a request; of a multi each."""
    reader = zkwire.Reader(raw)
    if op == MULTI:
        found = []
        while True:
            kind, end, _ = reader.take(zkwire.MULTI_HEADER)
            if end:
                return found
            found.append(operation(kind, reader))
    return [operation(op, reader)]


def operation(op, reader):
    path = reader.text() if reader.left() >= 4 else ""
    if op in (CREATE, CREATE2):
        value = reader.data()
        reader.vector(reader.acl_entry)
        return (op, path, value, reader.integer())
    if op == SET_DATA:
        value = reader.data()
        reader.integer()
        return (op, path, value, 0)
    if op in (DELETE, CHECK):
        reader.integer()
    if op in (GET_DATA, EXISTS, GET_CHILDREN, GET_CHILDREN2):
        return (op, path, None, reader.take(struct.Struct(">b"))[0])
    return (op, path, None, 0)


def parent_of(path):
    return path.rsplit("/", 1)[0] or "/"


class Znode:
    """What is known of a path. `changes`: zxids of all that happened to its data; `floor`: older ones are forgotten."""

    __slots__ = ("changes", "values", "versions", "births", "deaths", "maybe_dead", "children", "floor")

    def __init__(self):
        self.changes, self.deaths = [], []
        self.values, self.versions, self.births = {}, {}, {}
        self.maybe_dead = False
        self.children = []
        self.floor = 0

    def note(self, zxid):
        at = bisect.bisect_left(self.changes, zxid)
        if at == len(self.changes) or self.changes[at] != zxid:
            self.changes.insert(at, zxid)
        if len(self.changes) > 2 * KEPT:
            self.floor = self.changes[KEPT]
            del self.changes[:KEPT + 1]
            self.values = {z: v for z, v in self.values.items() if z > self.floor}
            self.versions = {k: z for k, z in self.versions.items() if z > self.floor}

    def first_between(self, after, until):
        at = bisect.bisect_right(self.changes, after)
        return self.changes[at] if at < len(self.changes) and self.changes[at] <= until else None


class Client:
    def __init__(self):
        self.session, self.asked = 0, 0
        self.zxid = 0            # newest heard in this session
        self.heard = 0           # ... on this connection
        self.waiting = collections.deque()
        self.watches = {}        # (path, is of children) -> zxid from which it is owed


class Session:
    def __init__(self):
        self.newest, self.missing = 0, None  # zxid of its newest answer; of a read that did not find its ephemeral


class Checker:
    """current_reads: not only syncs, but reads too must show everything that anybody was answered before."""

    def __init__(self, current_reads=False):
        self.current = READS + (SYNC,) if current_reads else (SYNC,)
        self.clients = collections.defaultdict(Client)
        self.znodes = collections.defaultdict(Znode)
        self.sessions = collections.defaultdict(Session)
        self.sequences = collections.defaultdict(list)
        self.writers = {}
        self.times, self.newest = [], []      # of answers: when, and the newest zxid heard by then
        self.writes = collections.deque()     # (asked, answered) of writes, for who measures gaps
        self.later = collections.deque()
        self.trees = {}
        self.now = 0
        self.violations = []
        self.counts = collections.Counter()

    def wrong(self, text, *values):
        self.violations.append("%.3f s: " % (self.now / 1e9) + text % values)

    def feed_line(self, line):
        record = json.loads(line)
        if "kind" in record:
            self.feed(record)

    def feed(self, record):
        self.now = record["time_ns"]
        while self.later and self.later[0][0] <= self.now:
            self.later.popleft()[1]()
        raw = bytes.fromhex(record.get("bytes", ""))
        getattr(self, "on_" + record["kind"])(self.clients[record["client"]], record, raw)

    def end(self):
        """Judges what was still to be judged."""
        while self.later:
            self.later.popleft()[1]()

    def judge_later(self, verdict):
        self.later.append((self.now + LAG_NS, verdict))

    # ---- connections

    def on_open(self, client, record, _):
        client.asked = record["session_id"]
        if record["session_id"] == 0:
            client.zxid = record["zxid"]
        client.heard = 0
        client.waiting.clear()
        client.watches.clear()

    def on_grant(self, client, record, _):
        if record["timeout_ms"] > 0:
            if client.asked and record["session_id"] != client.asked:
                self.wrong("session %x was asked for, %x granted", client.asked, record["session_id"])
            client.session = record["session_id"]

    def on_lost(self, client, _, __):
        for _, _, op, parts in client.waiting:
            self.note_unanswered(op, parts)
        for key, since in client.watches.items():
            self.settle_watch(key, since, client.heard, "at the end of its connection")
        client.waiting.clear()
        client.watches.clear()

    def note_unanswered(self, op, parts):
        if op in WRITES:
            self.counts["writes without an answer"] += 1
        for kind, path, _, _ in parts:
            if kind == DELETE:
                self.znodes[path].maybe_dead = True

    def on_request(self, client, record, raw):
        xid, op = record["xid"], record["type"]
        if op in (zkwire.SET_WATCHES, zkwire.SET_WATCHES2):
            self.rewatch(client, raw)
        elif xid >= 0:
            client.waiting.append((xid, self.now, op, [] if op == zkwire.CLOSE_SESSION else operations(op, raw)))

    # ---- answers

    def on_reply(self, client, record, raw):
        xid, zxid, code = record["xid"], record["zxid"], record["code"]
        if xid < 0:
            if xid == zkwire.XID_SET_WATCHES and code != 0:
                client.watches.clear()
            return
        if not client.waiting or client.waiting[0][0] != xid:
            self.wrong("client %d: reply %d was not next", record["client"], xid)
            return
        _, asked, op, parts = client.waiting.popleft()
        if op == zkwire.CLOSE_SESSION or (code != 0 and code not in REFUSED):
            for kind, path, _, _ in parts:  # an error of the machine leaves open whether it happened
                if kind == DELETE:
                    self.znodes[path].maybe_dead = True
            return
        self.counts["answers"] += 1
        if zxid < client.zxid:
            self.wrong("client %d: zxid %x after %x", record["client"], zxid, client.zxid)
        client.zxid = client.heard = max(client.zxid, zxid)
        self.note_session(client, zxid)
        if op in WRITES:
            self.judge_write(record, asked, zxid, code)
        if op in self.current and zxid < self.newest_before(asked):
            self.wrong("client %d: operation %d sees %x, but %x was answered before it was asked for",
                       record["client"], op, zxid, self.newest_before(asked))
        if code == 0:
            self.note_results(client, op, parts, zxid, raw, record["client"])
        elif code == NO_NODE and op in (GET_DATA, EXISTS):
            self.judge_later(lambda: self.judge_missing(parts[0][1], zxid, record["client"]))
            if op == EXISTS and parts[0][3]:
                client.watches.setdefault((parts[0][1], False), zxid)
        self.remember(zxid)

    def remember(self, zxid):
        self.times.append(self.now)
        self.newest.append(max(zxid, self.newest[-1] if self.newest else 0))
        if len(self.times) > 200000:
            del self.times[:100000], self.newest[:100000]

    def newest_before(self, time_ns):
        at = bisect.bisect_left(self.times, time_ns)
        return self.newest[at - 1] if at > 0 else 0

    def judge_write(self, record, asked, zxid, code):
        self.writes.append((asked, self.now))
        if code != 0:
            return
        self.counts["acknowledged writes"] += 1
        me = (record["client"], record["xid"], asked)
        if self.writers.setdefault(zxid, me) != me:
            self.wrong("zxid %x is the write of clients %d and %d", zxid, me[0], self.writers[zxid][0])
        if zxid <= self.newest_before(asked):
            self.wrong("client %d: a write got zxid %x, but %x was answered before it was asked for", me[0], zxid,
                       self.newest_before(asked))
        if len(self.writers) > 200000:
            for old in sorted(self.writers)[:100000]:
                del self.writers[old]

    def note_session(self, client, zxid):
        session = self.sessions[client.session]
        session.newest = max(session.newest, zxid)
        if session.missing is not None and zxid >= session.missing:
            self.wrong("session %x answers at %x, but its ephemeral was gone at %x", client.session, zxid,
                       session.missing)
            session.missing = None

    def note_results(self, client, op, parts, zxid, raw, number):
        values = zkwire.decode(op, zkwire.Reader(raw))
        if op == MULTI and any(result[0] == -1 for result in values[0]):
            return  # refused as a whole
        results = [tuple(v[2:]) for v in values[0]] if op == MULTI else [values]
        for (kind, path, data, flags), result in zip(parts, results):
            self.counts[kind] += 1
            if kind in (CREATE, CREATE2):
                self.note_birth(result[0], data, zxid, flags, client.session)
            elif kind == DELETE:
                self.note_death(path, zxid)
            elif kind == SET_DATA:
                self.note_state(path, data, result[0], number)
                if result[0][2] != zxid:
                    self.wrong("client %d: %s set at %x has mzxid %x", number, path, zxid, result[0][2])
            elif kind in (GET_DATA, EXISTS):
                self.note_read(client, path, result, zxid, flags, number)
            elif kind in (GET_CHILDREN, GET_CHILDREN2):
                names = set(result[0])
                self.judge_later(lambda p=path, n=names: self.judge_children(p, n, zxid, number))
                if flags:
                    client.watches.setdefault((path, True), zxid)

    def note_birth(self, path, data, zxid, flags, session):
        znode = self.znodes[path]
        znode.births[zxid] = session if flags & 1 else 0
        znode.maybe_dead = False
        znode.note(zxid)
        self.note_value(znode, path, zxid, zxid, 0, data)
        parent = self.znodes[parent_of(path)]
        bisect.insort(parent.children, (zxid, path))
        if flags & SEQUENCE:
            self.note_sequence(path, zxid)

    def note_sequence(self, path, zxid):
        known = self.sequences[parent_of(path)]
        item = (zxid, int(path[-10:]))
        at = bisect.bisect(known, item)
        before, after = known[at - 1] if at > 0 else None, known[at] if at < len(known) else None
        if (before and before[1] >= item[1]) or (after and after[1] <= item[1]):
            self.wrong("sequence number of %s at %x is not between those of its neighbours %s and %s", path, zxid,
                       before, after)
        known.insert(at, item)
        del known[:-2 * KEPT]

    def note_death(self, path, zxid):
        znode = self.znodes[path]
        bisect.insort(znode.deaths, zxid)
        znode.note(zxid)
        self.later.append((self.now + 10 * LAG_NS, lambda: self.forget(path, zxid)))

    def forget(self, path, zxid):
        znode = self.znodes.get(path)
        if znode is not None and znode.changes[-1] == zxid:
            del self.znodes[path]
            children = self.znodes[parent_of(path)].children
            children[:] = [child for child in children if child[1] != path]

    def note_state(self, path, data, stat, number):
        _, czxid, mzxid, _, _, version = stat[:6]
        znode = self.znodes[path]
        znode.note(mzxid)
        return self.note_value(znode, path, czxid, mzxid, version, data, number)

    def note_value(self, znode, path, czxid, mzxid, version, data, number=-1):
        known = znode.values.setdefault(mzxid, (czxid, version, data))
        if data is not None and known[2] is None:
            known = znode.values[mzxid] = (known[0], known[1], data)
        if known[:2] != (czxid, version) or (data is not None and known[2] != data):
            self.wrong("client %d: %s at %x is version %d %r, elsewhere version %d %r", number, path, mzxid, version,
                       data, known[1], known[2])
        if znode.versions.setdefault((czxid, version), mzxid) != mzxid:
            self.wrong("client %d: %s version %d was written at %x and at %x", number, path, version, mzxid,
                       znode.versions[(czxid, version)])

    def note_read(self, client, path, result, zxid, flags, number):
        data, stat = (result[0], result[1]) if len(result) == 2 else (None, result[0])
        self.note_state(path, data, stat, number)
        mzxid = stat[2]
        self.judge_later(lambda: self.judge_read(path, mzxid, zxid, number))
        since = client.watches.get((path, False))
        if since is not None and mzxid > since:
            self.wrong("client %d: %s was read at %x while the watch from %x had not fired", number, path, mzxid, since)
        if flags:
            client.watches.setdefault((path, False), zxid)

    # ---- verdicts

    def judge_read(self, path, mzxid, zxid, number):
        znode = self.znodes[path]
        self.counts["reads judged"] += 1
        missed = znode.first_between(max(mzxid, znode.floor), zxid)
        if missed is not None and mzxid >= znode.floor:
            self.wrong("client %d: %s read at %x is of %x, but it was written at %x", number, path, zxid, mzxid, missed)

    def alive_at(self, znode, zxid):
        """The session that owns it, 0 for none, when it must have been there; else None."""
        births = [z for z in znode.births if z <= zxid]
        if not births or znode.maybe_dead:
            return None
        born = max(births)
        return None if any(born < z <= zxid for z in znode.deaths) else znode.births[born]

    def judge_missing(self, path, zxid, number):
        owner = self.alive_at(self.znodes[path], zxid) if path in self.znodes else None
        self.counts["absences judged"] += 1
        if owner == 0:
            self.wrong("client %d: %s is not there at %x, but was created and never deleted", number, path, zxid)
        elif owner is not None:
            session = self.sessions[owner]
            if session.newest >= zxid:
                self.wrong("client %d: %s is gone at %x, its session %x answered at %x", number, path, zxid, owner,
                           session.newest)
            session.missing = min(zxid, session.missing or zxid)

    def judge_children(self, path, names, zxid, number):
        self.counts["lists judged"] += 1
        for born, child in self.znodes[path].children:
            znode = self.znodes.get(child)
            if born > zxid or znode is None:
                continue
            name = child.rsplit("/", 1)[1]
            if name not in names and self.alive_at(znode, zxid) == 0:
                self.wrong("client %d: %s is not in the list at %x, but was created at %x", number, child, zxid, born)
            if name in names and any(born < z <= zxid for z in znode.deaths) and max(znode.births) == born:
                self.wrong("client %d: %s is in the list at %x, but was deleted", number, child, zxid)

    # ---- watches

    def rewatch(self, client, raw):
        reader = zkwire.Reader(raw)
        since = reader.long()
        for path in reader.vector(reader.text) or ():
            client.watches[(path, False)] = since
        reader.vector(reader.text)
        for path in reader.vector(reader.text) or ():
            client.watches[(path, True)] = since

    def on_event(self, client, record, raw):
        path, kind = raw.decode(), record["type"]
        self.counts["events"] += 1
        fired = [key for key, kinds in (((path, False), DATA_EVENTS), ((path, True), CHILD_EVENTS))
                 if kind in kinds and key in client.watches]
        if not fired and kind > 0:
            self.wrong("client %d: event %d of %s without a watch", record["client"], kind, path)
        for key in fired:
            self.settle_watch(key, client.watches.pop(key), client.heard, "at its event")

    def settle_watch(self, key, since, heard, where):
        self.judge_later(lambda: self.judge_watch(key, since, heard, where))

    def judge_watch(self, key, since, heard, where):
        znode = self.znodes[key[0]]
        self.counts["watches judged"] += 1
        if key[1]:
            changes = [z for z, _ in znode.children if since < z <= heard]
            missed = changes[0] if changes else None
        else:
            missed = znode.first_between(max(since, znode.floor), heard)
        if missed is not None:
            self.wrong("the watch on %s from %x did not fire for %x before an answer of %x (%s)", key[0], since, missed,
                       heard, where)

    # ---- trees

    def note_tree(self, server, zxid, digest):
        known = self.trees.setdefault(zxid, (server, digest))
        self.counts["trees compared"] += known[0] != server
        if known[1] != digest:
            self.wrong("at %x the trees of servers %d and %d differ: %s, %s", zxid, known[0], server, known[1], digest)
        if len(self.trees) > 20000:
            for old in sorted(self.trees)[:10000]:
                del self.trees[old]
