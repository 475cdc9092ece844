"""ZooKeeper's client protocol, spoken by hand: records, replies and raw connections, for tests that send what no client
library would. Encoders return bytes; `decode` turns the body of a reply into plain values, by operation."""

import socket
import struct

CREATE, DELETE, EXISTS, GET_DATA, SET_DATA, GET_ACL, SET_ACL, GET_CHILDREN, SYNC, PING = 1, 2, 3, 4, 5, 6, 7, 8, 9, 11
GET_CHILDREN2, CHECK, MULTI, CREATE2, RECONFIG, CHECK_WATCHES, REMOVE_WATCHES = 12, 13, 14, 15, 16, 17, 18
CREATE_CONTAINER, DELETE_CONTAINER, CREATE_TTL, MULTI_READ = 19, 20, 21, 22
AUTH, SET_WATCHES, SASL, GET_EPHEMERALS, GET_ALL_CHILDREN_NUMBER, SET_WATCHES2, ADD_WATCH, WHO_AM_I = range(100, 108)
CREATE_SESSION, CLOSE_SESSION = -10, -11
XID_EVENT, XID_PING, XID_AUTH, XID_SET_WATCHES = -1, -2, -4, -8

NODE_CREATED, NODE_DELETED, NODE_DATA_CHANGED, NODE_CHILDREN_CHANGED = 1, 2, 3, 4
READ, WRITE, CREATE_PERM, DELETE_PERM, ADMIN, ALL = 1, 2, 4, 8, 16, 31
OPEN = ((ALL, "world", "anyone"),)

STAT = struct.Struct(">qqqqiiiqiiq")
STAT_FIELDS = ("czxid", "mzxid", "ctime", "mtime", "version", "cversion", "aversion", "ephemeralOwner", "dataLength",
               "numChildren", "pzxid")
REPLY = struct.Struct(">iqi")
INT = struct.Struct(">i")
LONG = struct.Struct(">q")
MULTI_HEADER = struct.Struct(">ibi")
MULTI_END = MULTI_HEADER.pack(-1, 1, -1)


def integer(value):
    return INT.pack(value)


def long(value):
    return LONG.pack(value)


def data(value):
    """A buffer or a string: None is null."""
    if value is None:
        return b"\xff\xff\xff\xff"
    value = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
    return INT.pack(len(value)) + value


def vector(values, encode=data):
    return b"\xff\xff\xff\xff" if values is None else INT.pack(len(values)) + b"".join(encode(v) for v in values)


def acl(entries):
    """Entries are (perms, scheme, id)."""
    return vector(entries, lambda e: INT.pack(e[0]) + data(e[1]) + data(e[2]))


def create(path, value, entries, flags, ttl=None):
    return data(path) + data(value) + acl(entries) + INT.pack(flags) + (b"" if ttl is None else LONG.pack(ttl))


def watching(path, watch):
    return data(path) + bytes((watch & 0xFF,))


def versioned(path, version):
    return data(path) + INT.pack(version)


def versioned_data(path, value, version):
    return data(path) + data(value) + INT.pack(version)


def multi(operations):
    """Operations are (type, record)."""
    return b"".join(MULTI_HEADER.pack(op, 0, -1) + record for op, record in operations) + MULTI_END


def frame(payload):
    return INT.pack(len(payload)) + payload


def request(xid, op, record=b""):
    return struct.pack(">iii", len(record) + 8, xid, op) + record


def connect(timeout_ms=10000, session=0, password=b"\0" * 16, last_zxid=0, read_only=False):
    return frame(struct.pack(">iqiq", 0, last_zxid, timeout_ms, session) + data(password) +
                 (b"" if read_only is None else bytes((read_only,))))


class Reader:
    """Takes values from the front of some bytes; raises ValueError when they are not there."""

    def __init__(self, raw, at=0):
        self.raw, self.at = raw, at

    def take(self, kind):
        try:
            values = kind.unpack_from(self.raw, self.at)
        except struct.error as error:
            raise ValueError("cut short") from error
        self.at += kind.size
        return values

    def integer(self):
        return self.take(INT)[0]

    def long(self):
        return self.take(LONG)[0]

    def data(self):
        size = self.integer()
        if size < 0:
            return None
        if self.at + size > len(self.raw):
            raise ValueError("cut short")
        self.at += size
        return bytes(self.raw[self.at - size:self.at])

    def text(self):
        value = self.data()
        return None if value is None else value.decode("utf-8", "replace")

    def vector(self, element):
        count = self.integer()
        return None if count < 0 else [element() for _ in range(count)]

    def stat(self):
        return ("stat",) + self.take(STAT)

    def acl_entry(self):
        return (self.integer(), self.text(), self.text())

    def left(self):
        return len(self.raw) - self.at


def _multi_result(reader):
    """One result a list, headers included, up to the terminator."""
    results = []
    while True:
        op, done, err = reader.take(MULTI_HEADER)
        if done:
            return results
        if op == -1:
            results.append([op, err, reader.integer()])
        else:
            results.append([op, err] + list(_ANSWERS[op](reader)))


_ANSWERS = {
    CREATE: lambda r: (r.text(),),
    CREATE2: lambda r: (r.text(), r.stat()),
    CREATE_CONTAINER: lambda r: (r.text(), r.stat()),
    CREATE_TTL: lambda r: (r.text(), r.stat()),
    DELETE: lambda r: (),
    CHECK: lambda r: (),
    EXISTS: lambda r: (r.stat(),),
    GET_DATA: lambda r: (r.data(), r.stat()),
    SET_DATA: lambda r: (r.stat(),),
    GET_ACL: lambda r: (r.vector(r.acl_entry), r.stat()),
    SET_ACL: lambda r: (r.stat(),),
    GET_CHILDREN: lambda r: (r.vector(r.text),),
    GET_CHILDREN2: lambda r: (r.vector(r.text), r.stat()),
    SYNC: lambda r: (r.text(),),
    MULTI: lambda r: (_multi_result(r),),
    MULTI_READ: lambda r: (_multi_result(r),),
    SASL: lambda r: (r.data(),),
    GET_EPHEMERALS: lambda r: (r.vector(r.text),),
    GET_ALL_CHILDREN_NUMBER: lambda r: (r.integer(),),
    ADD_WATCH: lambda r: (r.integer(),),
    WHO_AM_I: lambda r: (r.vector(lambda: (r.text(), r.text())),),
}


def decode(op, reader):
    """The values in the body of a good reply; what is left over comes last, when there is any."""
    values = tuple(_ANSWERS[op](reader)) if op in _ANSWERS else ()
    return values if reader.left() == 0 else values + (("left over", bytes(reader.raw[reader.at:])),)


def decode_event(reader):
    """(type, state, path) of a notification."""
    return (reader.integer(), reader.integer(), reader.text())


class Wire:
    """A raw connection: bytes out, frames in. Silence for `timeout` seconds is an error of the test."""

    def __init__(self, port, timeout=60.0, source=None, host="127.0.0.1"):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(timeout)
        if source is not None:
            self.socket.bind((source, 0))
        self.socket.connect((host, port))
        self.pending = b""
        self.at = 0
        self.session, self.password, self.timeout_ms, self.read_only = 0, b"", 0, b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, raw):
        try:
            self.socket.sendall(raw)
        except OSError:
            pass  # the server has closed; reading tells

    def receive(self):
        """The next frame, None when the server has closed."""
        while True:
            have = len(self.pending) - self.at
            if have >= 4:
                size = INT.unpack_from(self.pending, self.at)[0]
                if have >= 4 + size:
                    start = self.at + 4
                    self.at = start + size
                    return self.pending[start:self.at]
            try:
                part = self.socket.recv(1 << 18)
            except ConnectionError:
                return None
            if not part:
                return None
            self.pending = self.pending[self.at:] + part
            self.at = 0

    def greet(self, **options):
        """The handshake: True when a session stands, False for the negative answer, None for a close."""
        self.send(connect(**options))
        answer = self.receive()
        if answer is None:
            return None
        reader = Reader(answer)
        reader.integer()
        self.timeout_ms, self.session, self.password = reader.integer(), reader.long(), reader.data()
        self.read_only = answer[reader.at:]  # the byte that old servers do not send
        return self.timeout_ms > 0

    def call(self, op, record=b"", xid=1):
        """One request and its reply: (err, values). Events in between are dropped."""
        self.send(request(xid, op, record))
        while True:
            answer = self.receive()
            if answer is None:
                return None
            got, _, err = REPLY.unpack_from(answer)
            if got == xid:
                return (err, decode(op, Reader(answer, REPLY.size)) if err == 0 else ())

    def close(self):
        self.socket.close()
