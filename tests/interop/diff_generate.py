"""Random conversations for the differential test: a seed becomes steps, a step is plain data that can be written down and
played again. What a server has answered is told back only as names that exist, so that later requests meet something.

Watch modes are not mixed on one connection: each session has a role, because 3.8 lets a later registration replace an
earlier one (see DIFFERENCES.md)."""

import base64
import hashlib
import random

import zkwire as w

USERS = {"alice": "secret", "bob": "hunter2"}
SUPER_PASSWORD = "opensesame"


def digest_id(user, password):
    return "%s:%s" % (user, base64.b64encode(hashlib.sha1(("%s:%s" % (user, password)).encode()).digest()).decode())


SUPER_DIGEST = digest_id("super", SUPER_PASSWORD)
ROLES = ("standard", "standard", "persistent", "recursive", "short")
FAILING_FLAGS = 99  # what a request with a flag that its opcode does not go with is sent as to the reference server


class Op:
    """One request. reference: (op, record) sent to the reference server instead, with the name of the rule that says
    why. zxid_at: where in the record a zxid relative to the round's beginning stands. ends: it is alone in its run,
    because its answer may overtake others or end the connection."""

    __slots__ = ("code", "record", "xid", "rule", "reference", "zxid_at", "ends", "raw")

    def __init__(self, code, record=b"", xid=None, rule=None, reference=None, zxid_at=None, ends=False, raw=None):
        self.code, self.record, self.xid, self.rule, self.reference = code, record, xid, rule, reference
        self.zxid_at, self.ends, self.raw = zxid_at, ends, raw

    def plain(self):
        """As JSON can hold it."""
        reference = None if self.reference is None else [self.reference[0], self.reference[1].hex()]
        raw = None if self.raw is None else self.raw.hex()
        return [self.code, self.record.hex(), self.xid, self.rule, reference, self.zxid_at, self.ends, raw]

    @staticmethod
    def of_plain(fields):
        code, record, xid, rule, reference, zxid_at, ends, raw = fields
        return Op(code, bytes.fromhex(record), xid, rule,
                  None if reference is None else (reference[0], bytes.fromhex(reference[1])), zxid_at, ends,
                  None if raw is None else bytes.fromhex(raw))


NAMES = ("a", "b", "c", "d", "e")
ODD_NAMES = ("..", ".", "", "...", ".a", "\u00a0", "\ud7ff", "\uf900", "\uffef", "\ufff0", "\ue000", "\x01", "\x1f",
             "\x7f", "\x9f", "x\0y", "a b", "\u00e4\u4e2d", "x" * 300)
SYSTEM = ("/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config", "", "nope", "/zookeeper/none")
# What creating or changing there would do to later rounds is the same on both sides, but quota nodes are left alone.
ACLS = [
    w.OPEN, w.OPEN, w.OPEN, w.OPEN, w.OPEN, w.OPEN, w.OPEN, w.OPEN,
    ((w.READ, "world", "anyone"),), ((w.ALL & ~w.READ, "world", "anyone"),), ((w.ALL & ~w.ADMIN, "world", "anyone"),),
    ((w.READ | w.ADMIN, "world", "anyone"),), ((w.ALL & ~w.CREATE_PERM, "world", "anyone"),),
    ((w.ALL & ~w.DELETE_PERM, "world", "anyone"),), ((w.ALL & ~w.WRITE, "world", "anyone"),),
    ((w.ALL, "digest", digest_id("alice", USERS["alice"])), (w.READ, "world", "anyone")),
    ((w.ALL, "digest", digest_id("alice", USERS["alice"])),), ((w.ALL, "digest", digest_id("bob", USERS["bob"])),),
    ((w.ALL, "auth", ""),), ((w.ALL, "auth", "whatever"), (w.READ, "world", "anyone")), ((w.ALL, "ip", "127.0.0.1"),),
    ((w.ALL, "ip", "127.0.0.0/8"),), ((w.ALL, "ip", "10.0.0.0/8"), (w.READ, "ip", "127.0.0.1/32")),
    ((w.ALL, "world", "anyone"), (w.ALL, "world", "anyone")), ((63, "world", "anyone"),), ((0, "world", "anyone"),),
]
BAD_ACLS = [
    (), None, ((w.ALL, "world", "me"),), ((w.ALL, "digest", "x"),), ((w.ALL, "digest", "x:y:z"),),
    ((w.ALL, "digest", "u:"),), ((w.ALL, "digest", ":p"),), ((w.ALL, "nosuch", "x"),), ((w.ALL, "ip", "not an address"),),
    ((w.ALL, "ip", "127.0.0.1/33"),), ((w.ALL, None, "x"),), ((w.ALL, "world", None),), ((w.ALL, "super", "x"),),
]


class Generator:
    """Steps of one round below the node `root`."""

    def __init__(self, seed, root):
        self.r = random.Random(seed)
        self.root = root
        self.known = [root]
        self.live = set()
        self.nulls = True  # may a path be null?
        self.zxid = 0  # the last one seen, relative to the round

    # ---- what requests are made of ----

    def learn(self, path):
        if path.startswith(self.root + "/") and path not in self.known:
            self.known.append(path)
            if len(self.known) > 60:
                self.known.pop(self.r.randrange(1, 20))

    def fresh(self):
        parent = self.r.choice(self.known) if self.r.random() < 0.7 else self.root
        return parent + "/" + self.r.choice(NAMES)

    def path(self):
        path = self.any_path()
        return path if path is not None or self.nulls else self.root

    def any_path(self):
        chance = self.r.random()
        if chance < 0.62:
            return self.r.choice(self.known)
        if chance < 0.93:
            return self.fresh()
        if chance < 0.96:
            return self.r.choice(SYSTEM)
        return self.odd()

    def odd(self):
        chance = self.r.random()
        if chance < 0.1:
            return None
        path = self.r.choice(self.known) + "/" + self.r.choice(ODD_NAMES)
        return path + "/" + self.r.choice(NAMES) if chance < 0.3 else path

    def new_path(self, sequential):
        if self.r.random() < 0.06:
            return self.path()
        path = self.fresh() + ("\U0001f600" if self.r.random() < 0.01 else "")
        return path + self.r.choice(("-", "", "/")) if sequential else path

    def data(self):
        chance = self.r.random()
        if chance < 0.08:
            return None
        if chance < 0.2:
            return b""
        if chance < 0.21:
            return self.r.randbytes(self.r.randrange(1000, 60000))
        return self.r.randbytes(self.r.randrange(1, 40))

    def acl(self):
        return self.r.choice(BAD_ACLS) if self.r.random() < 0.05 else self.r.choice(ACLS)

    def version(self):
        return self.r.choice((-1, -1, -1, -1, 0, 0, 1, 2, 3, -2, 7, 2147483647, -2147483648))

    # ---- writes, as (op, record) and what the reference server gets instead ----

    def created(self):
        """(op, record, rule, record for the reference server)"""
        chance = self.r.random()
        if chance < 0.8:
            op, flags, ttl = self.r.choice((w.CREATE, w.CREATE2)), self.r.choice((0, 0, 0, 1, 1, 2, 2, 3)), None
        elif chance < 0.87:
            op, flags, ttl = w.CREATE_CONTAINER, 4, None
        elif chance < 0.94:
            op, flags = w.CREATE_TTL, self.r.choice((5, 6))
            ttl = self.r.choice((100000000, (1 << 40) - 1, 0, -1, 1 << 40, 86400000))
        else:
            op = self.r.choice((w.CREATE, w.CREATE2, w.CREATE_CONTAINER, w.CREATE_TTL))
            flags, ttl = self.r.choice((-1, 7, 4, 0, 1, 2)), -1 if op == w.CREATE_TTL else None
        record = [self.new_path(flags in (2, 3, 6)), self.data(), self.acl(), flags, ttl]
        agreed = {w.CREATE_CONTAINER: (4,), w.CREATE_TTL: (5, 6)}.get(op, (0, 1, 2, 3))
        if flags in agreed or flags not in range(7) or (flags in (5, 6) and op in (w.CREATE, w.CREATE2)):
            return op, w.create(*record), None, None
        instead = record[:3] + [FAILING_FLAGS, ttl]
        return op, w.create(*record), "opcode-and-flags", w.create(*instead)

    def written(self):
        chance = self.r.random()
        if chance < 0.42:
            return self.created()
        if chance < 0.62:
            return w.DELETE, w.versioned(self.path(), self.version()), None, None
        if chance < 0.9:
            path = self.path()
            return w.SET_DATA, w.data(path) + w.data(self.data()) + w.integer(self.version()), None, None
        path = self.path()  # what all rounds share keeps its ACL
        record = w.data(self.root if path in SYSTEM[:5] else path) + w.acl(self.acl()) + w.integer(self.version())
        return w.SET_ACL, record, None, None

    def write(self):
        op, record, rule, instead = self.written()
        return Op(op, record, rule=rule, reference=None if rule is None else (op, instead))

    def multi(self):
        ours, theirs, rule = [], [], None
        self.nulls = False
        for _ in range(self.r.choice((0, 1, 2, 2, 3, 3, 4, 6, 12))):
            if self.r.random() < 0.2:
                op, record, name, instead = w.CHECK, w.versioned(self.path(), self.version()), None, None
            else:
                op, record, name, instead = self.written()
            if op == w.SET_ACL and self.r.random() < 0.9:
                continue  # not for multi: the whole fails
            ours.append((op, record))
            theirs.append((op, record if name is None else instead))
            rule = rule or name
        if self.r.random() < 0.03:
            ours.append((self.r.choice((w.GET_DATA, 99, w.SYNC)), w.watching(self.path(), 0)))
            theirs.append(ours[-1])
        self.nulls = True
        return Op(w.MULTI, w.multi(ours), rule=rule, reference=None if rule is None else (w.MULTI, w.multi(theirs)))

    def multi_read(self):
        items = [(self.r.choice((w.GET_DATA, w.GET_CHILDREN)), w.watching(self.path(), self.r.choice((0, 1))))
                 for _ in range(self.r.choice((0, 1, 2, 3, 5)))]
        if self.r.random() < 0.05:
            items.append((self.r.choice((w.EXISTS, w.DELETE)), w.versioned(self.path(), -1)))
        return Op(w.MULTI_READ, w.multi(items))

    # ---- reads and watches ----

    def read(self, role):
        op = self.r.choice((w.EXISTS, w.GET_DATA, w.GET_DATA, w.GET_CHILDREN, w.GET_CHILDREN2, w.GET_ACL, w.SYNC,
                            w.GET_EPHEMERALS, w.GET_ALL_CHILDREN_NUMBER, w.WHO_AM_I, w.PING, w.EXISTS))
        if op in (w.EXISTS, w.GET_DATA, w.GET_CHILDREN, w.GET_CHILDREN2):
            watch = role == "standard" and self.r.random() < 0.5
            return Op(op, w.watching(self.path(), self.r.choice((1, 1, 0x80)) if watch else 0))
        if op in (w.GET_ACL, w.SYNC, w.GET_ALL_CHILDREN_NUMBER):
            return Op(op, w.data(self.path()))
        if op == w.GET_EPHEMERALS:
            return Op(op, w.data(self.r.choice((None, "", "/", self.root, self.path()))))
        return Op(op, xid=w.XID_PING if op == w.PING else None)

    def watch(self, role):
        chance = self.r.random()
        if role in ("persistent", "recursive") and chance < 0.5:
            mode = {"persistent": 0, "recursive": 1}[role]
            return Op(w.ADD_WATCH, w.data(self.path() or "/") + w.integer(mode if self.r.random() < 0.95 else 7))
        if chance < 0.75:
            return self.watch_gone(role)
        return self.set_watches(role)

    def watch_gone(self, role):
        op = self.r.choice((w.REMOVE_WATCHES, w.REMOVE_WATCHES, w.CHECK_WATCHES))
        path = w.data(self.path() or "/")
        own = {"persistent": 4, "recursive": 5}.get(role)
        kinds = (1, 2, 3) if own is None else (3, own)
        kind = self.r.choice(kinds) if self.r.random() < 0.95 else self.r.choice((0, 6, -1))
        if kind != own or own is None:
            return Op(op, path + w.integer(kind))
        return Op(op, path + w.integer(kind), rule="watch-types-4-5", reference=(op, path + w.integer(3)))

    def set_watches(self, role):
        def some(wanted):
            count = self.r.choice((0, 1, 2, 4)) if wanted else 0
            return w.vector([self.path() or "/" for _ in range(count)])

        lists = b"".join(some(role == "standard") for _ in range(3))
        relative = w.long(self.zxid - self.r.choice((0, 0, 1, 3, 10, 50)))
        xid = w.XID_SET_WATCHES if self.r.random() < 0.8 else None
        if role == "standard" and self.r.random() < 0.5:
            return Op(w.SET_WATCHES, relative + lists, xid=xid, zxid_at=0)
        return Op(w.SET_WATCHES2, relative + lists + some(role == "persistent") + some(role == "recursive"), xid=xid,
                  zxid_at=0)

    # ---- what goes wrong, or ends a connection ----

    def malformed(self, role):
        op = self.r.choice((self.write, self.multi, self.multi_read, lambda: self.read(role)))()
        if op.rule is not None or len(op.record) < 2 or op.code == w.SYNC:
            return op
        if self.r.random() < 0.7:
            return Op(op.code, op.record[:self.r.randrange(len(op.record))], xid=op.xid)
        return Op(op.code, op.record + self.r.randbytes(5), xid=op.xid)

    def ending(self):
        chance = self.r.random()
        if chance < 0.3:
            return Op(w.CLOSE_SESSION, ends=True)
        if chance < 0.5:
            return Op(self.r.choice((0, -1, 10, 99, 108, 23, 1000, -12)), self.r.randbytes(4), ends=True)
        if chance < 0.6:
            return Op(w.AUTH, w.integer(0) + w.data("nosuch") + w.data(b"x"), xid=w.XID_AUTH, ends=True)
        if chance < 0.7:
            return Op(w.CHECK, w.versioned(self.path(), -1), rule="top-level-check", reference=(10, b""), ends=True)
        if chance < 0.8:
            return Op(w.DELETE_CONTAINER, w.data(self.path()), rule="internal-opcodes", reference=(10, b""), ends=True)
        if chance < 0.85:
            return Op(w.CREATE_SESSION, w.integer(5000), rule="internal-opcodes", reference=(10, b""), ends=True)
        raw = self.r.choice((w.integer(0), w.integer(-1), w.integer(1 << 20) + w.integer(1) + w.integer(w.GET_DATA), b"ruok", w.frame(b"\0\0"),
                             w.frame(b"\0\0\0\1"), w.integer(-(1 << 31))))
        return Op(w.PING, raw=raw, ends=True)

    def auth(self):
        user = self.r.choice(tuple(USERS))
        scheme, value = self.r.choice((("digest", "%s:%s" % (user, USERS[user])), ("digest", user + ":wrong"),
                                       ("digest", "%s:%s" % (user, USERS[user])), ("ip", ""), ("digest", "plain")))
        return Op(w.AUTH, w.integer(0) + w.data(scheme) + w.data(value), xid=w.XID_AUTH, ends=True)

    def quota(self):
        """The nodes that a client makes for a quota, or a change of one."""
        limited = self.root + "/q" + self.r.choice("12")
        base = "/zookeeper/quota" + limited
        text = self.r.choice((b"count=4,bytes=-1", b"count=3,bytes=60=;byteHardLimit=-1;countHardLimit=-1",
                              b"count=-1,bytes=-1=;byteHardLimit=80;countHardLimit=4", b"count=2,bytes=10"))
        self.learn(limited)
        if self.r.random() < 0.3:
            return [Op(w.DELETE, w.versioned(base + name, -1)) for name in ("/zookeeper_stats", "/zookeeper_limits")]
        if self.r.random() < 0.3:
            return [Op(w.SET_DATA, w.data(base + "/zookeeper_limits") + w.data(text) + w.integer(-1))]
        if self.r.random() < 0.4:
            return [Op(w.GET_DATA, w.watching(base + "/zookeeper_stats", 0))]
        made = [Op(w.CREATE, w.create(path, b"", w.OPEN, 0))
                for path in (limited, "/zookeeper/quota" + self.root, base)]
        made.append(Op(w.CREATE, w.create(base + "/zookeeper_limits", text, w.OPEN, 0)))
        return made + [Op(w.CREATE, w.create(base + "/zookeeper_stats", b"count=0,bytes=0", w.OPEN, 0))]

    # ---- steps ----

    def run(self, session):
        role, ops = ROLES[session], []
        for _ in range(self.r.choice((1, 1, 2, 3, 4, 6, 8, 12))):
            chance = self.r.random()
            if chance < 0.44:
                ops.append(self.write())
                if ops[-1].code == w.SET_ACL:
                    break  # 3.8.0 checks what is pipelined behind it by the ACL before
            elif chance < 0.53:
                ops.append(self.multi())
            elif chance < 0.56:
                ops.append(self.multi_read() if role == "standard" else self.read(role))
            elif chance < 0.65 and role != "short":
                ops.append(self.watch(role))
            elif chance < 0.67:
                ops.append(self.malformed(role))
            elif chance < 0.68:
                return ["run", session, self.quota()]
            else:
                ops.append(self.read(role))
            if self.is_counted(ops[-1]):  # 3.8.0 counts what is committed, which is chance for what is pipelined
                return ["run", session, ops[-1:]]
        return ["run", session, ops]

    def is_counted(self, op):
        return op.code in (w.SET_DATA, w.DELETE, w.MULTI, w.CREATE, w.CREATE2, w.CREATE_CONTAINER, w.CREATE_TTL) and \
            (self.root + "/q").encode() in op.record

    def step(self, attached):
        """The next step. attached: what each session is: 'live', 'cut' (its connection ended) or 'none'."""
        session, place = self.r.randrange(len(ROLES)), self.r.randrange(3)
        if attached[session] == "none":
            return ["open", session, self.r.choice((90000, 2147483647, 100000)), place]
        if attached[session] == "cut" or self.r.random() < 0.01:
            chance = self.r.random()
            kind = "good" if chance < 0.7 else "password" if chance < 0.8 else "ahead" if chance < 0.9 else "unknown"
            return ["attach", session, kind, place]
        if self.r.random() < 0.02:
            return ["run", session, [self.auth()]]
        if self.r.random() < (0.25 if session == ROLES.index("short") else 0.02):
            return ["run", session, [self.ending()]]
        if session == ROLES.index("short") and self.r.random() < 0.004:
            return ["expire", session, place]
        return self.run(session)
