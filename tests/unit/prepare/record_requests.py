#!/usr/bin/env python3
"""Makes requests.txt and reads.txt: asks a fresh standalone ZooKeeper server for some hundreds of changes, legal and
illegal, and writes each request beside the transaction that the server logged for it; then reads what has come of them,
and writes each read beside its answer.

usage: record_requests.py PORT LOG_FILE FOLDER_FOR_THE_TWO_FILES

The server must be fresh (zxid 0), without extended types; LOG_FILE is its version-2/log.1. The draw is seeded."""
import base64
import hashlib
import random
import socket
import struct
import sys

CREATE, DELETE, SET_DATA, SET_ACL, CHECK, MULTI, CREATE2, CONTAINER, TTL = 1, 2, 5, 7, 13, 14, 15, 19, 21
OPEN = [(31, "world", "anyone")]
SECRET = base64.b64encode(hashlib.sha1(b"alice:secret").digest()).decode()
LISTS = [OPEN] * 25 + [[(1, "world", "anyone")], [(31, "auth", "")], [(31, "digest", "alice:" + SECRET)],
         [(31, "ip", "127.0.0.0/8")], [(31, "ip", "10.1.2.3")], [(4, "world", "anyone"), (4, "world", "anyone")],
         [(8, "world", "anyone"), (2, "digest", "bob:x"), (8, "world", "anyone")], [], [(31, "world", "me")],
         [(31, "digest", "x")], [(31, "digest", "x:y:z")], [(31, "digest", ":p")], [(31, "digest", "u:")],
         [(31, "digest", "a:b:")], [(31, "nobody", "x")], [(31, "ip", "300.1.1.1")], [(31, "ip", "1.2.3.4/33")],
         [(31, "ip", "1.2.3.4/")], [(63, "world", "anyone")], [(0, "world", "anyone")], [(31, "super", "x")]]
GOOD_PATHS = ["/a", "/b", "/c", "/a/x", "/a/y", "/b/x", "/c/x", "/a/x/deep", "/b/seq-", "/a/seq-", "/eph", "/zookeeper/new"]
BAD_PATHS = ["/c/", "/", "", "nope", "/a//b", "/a/./b", "/a/..", "/a/...", "/zookeeper", "/zookeeper/quota", "/a/\x01",
             "/a/\u00e9", "/a/\x00", "/eph/kid", "/missing/kid", "/a/\ufff0", "/a/ b"]


def text(value):
    raw = value.encode("utf-8")
    return struct.pack(">i", len(raw)) + raw


def data(value):
    return struct.pack(">i", -1) if value is None else struct.pack(">i", len(value)) + value


def acl(entries):
    return struct.pack(">i", len(entries)) + b"".join(struct.pack(">i", p) + text(s) + text(i) for p, s, i in entries)


class Client:
    def __init__(self, port, name, transcript):
        self.name, self.transcript, self.xid = name, transcript, 0
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.send(struct.pack(">iqiqi", 0, 0, 40000, 0, 16) + bytes(16) + b"\0")
        (timeout,) = struct.unpack(">i", self.receive()[4:8])
        transcript.append((name, -10, struct.pack(">i", timeout)))

    def send(self, payload):
        self.socket.sendall(struct.pack(">i", len(payload)) + payload)

    def receive(self):
        (size,) = struct.unpack(">i", self.exactly(4))
        return self.exactly(size)

    def exactly(self, size):
        got = b""
        while len(got) < size:
            part = self.socket.recv(size - len(got))
            if not part:
                raise EOFError
            got += part
        return got

    def auth(self, scheme, token):
        self.send(struct.pack(">iii", -4, 100, 0) + text(scheme) + data(token))
        self.receive()

    def request(self, op, record, is_change=True):
        self.xid += 1
        self.send(struct.pack(">ii", self.xid, op) + record)
        if is_change:
            self.transcript.append((self.name, op, record))
        return self.receive()


def draw_operation(rng, ops, flags_max):
    op, path = rng.choice(ops), rng.choice(GOOD_PATHS if rng.random() < 0.85 else BAD_PATHS)
    value = rng.choice([None, b"", b"v", b"value"])
    version = rng.choice([-1, -1, -1, 0, 0, 1, 2, 7, -2])
    if op in (CREATE, CREATE2):
        flags = rng.choice([0, 0, 0, 2, 2, 1, 3, rng.randint(0, 3), rng.choice([5, 6, 7, -1]) if flags_max else 0])
        if path == "/eph":
            flags = 1
        elif flags in (1, 3):
            flags -= 1  # few ephemerals: the order of a closed session's paths is the server's hash order
        return op, text(path) + data(value) + acl(rng.choice(LISTS)) + struct.pack(">i", flags)
    if op == CONTAINER:
        return op, text(path) + data(value) + acl(OPEN) + struct.pack(">i", 4)
    if op == TTL:
        return op, text(path) + data(value) + acl(OPEN) + struct.pack(">iq", rng.choice([5, 6]), 1000)
    if op in (DELETE, CHECK):
        return op, text(path) + struct.pack(">i", version)
    if op == SET_DATA:
        return op, text(path) + data(value) + struct.pack(">i", version)
    return op, text(path) + acl(rng.choice(LISTS)) + struct.pack(">i", version)


def draw_multi(rng):
    record = b""
    for _ in range(rng.choice([0, 1, 2, 2, 3, 3, 4, 6])):
        # no create2: 3.8.0 takes it for a create, later versions do not
        op, part = draw_operation(rng, [CREATE, CREATE, CREATE, SET_DATA, SET_DATA, CHECK, DELETE, CONTAINER], False)
        record += struct.pack(">ibi", op, 0, -1) + part
    return record + struct.pack(">ibi", -1, 1, -1)


def play(rng, clients):
    singles = [CREATE] * 5 + [CREATE2] * 2 + [DELETE] * 4 + [SET_DATA] * 4 + [SET_ACL] * 2 + [CONTAINER, TTL]
    clients[0].request(CREATE, text("/a") + data(None) + acl(OPEN) + struct.pack(">i", 0))
    for _ in range(420):
        client = rng.choice(clients)
        if rng.random() < 0.25:
            client.request(MULTI, draw_multi(rng))
        else:
            client.request(*draw_operation(rng, singles, True))
    changes, reads = len(clients[0].transcript), list(read_all(clients))
    null_id = struct.pack(">ii", 1, 31) + text("world") + struct.pack(">i", -1)
    clients[0].request(CREATE, text("/n") + data(None) + null_id + struct.pack(">i", 0))
    clients[0].request(CREATE, text("/n") + data(None) + struct.pack(">ii", -1, 0))  # a null list
    clients[0].request(CREATE, struct.pack(">i", 4) + b"/")  # breaks off
    clients[0].request(MULTI, struct.pack(">ibi", 4, 0, -1) + text("/a") + b"\0" + struct.pack(">ibi", -1, 1, -1))
    for client in clients:
        client.request(-11, b"")
    return changes, reads


def read_all(clients):
    """Yields (who, opcode, record, code, reply record with its lists in order)."""
    paths = GOOD_PATHS + BAD_PATHS + ["/zookeeper/config", "/a/seq-0000000002", "/b/seq-0000000000"]
    for client in clients:
        for path in paths:
            plain, watch = text(path), text(path) + b"\0"
            for op, record in [(4, watch), (6, plain), (8, watch), (12, watch), (104, plain), (3, watch), (103, plain),
                               (17, plain + struct.pack(">i", 3))]:
                reply = client.request(op, record, is_change=False)
                code, body = struct.unpack(">i", reply[12:16])[0], reply[16:]
                if op == 4:
                    may_read = code != -102
                if op == 3 and not may_read:
                    continue  # exists asks for READ since 3.8.4
                if (op, path) in [(104, ""), (17, "nope")]:
                    continue  # the server counts "/" as a child of "", and trips over a path without "/"
                if op in (8, 12) and code == 0:
                    body = with_sorted_list(body)
                yield client.name, op, record, code, body if code == 0 else b""
        items = b"".join(struct.pack(">ibi", 4, 0, -1) + text(p) + b"\0" for p in paths)
        items += struct.pack(">ibi", 8, 0, -1) + text("/missing") + b"\0" + struct.pack(">ibi", -1, 1, -1)
        for op, record in [(22, items), (107, b"")]:
            reply = client.request(op, record, is_change=False)
            yield client.name, op, record, struct.unpack(">i", reply[12:16])[0], reply[16:]


def with_sorted_list(body):
    (count,), at, items = struct.unpack(">i", body[:4]), 4, []
    for _ in range(count):
        size = 4 + struct.unpack(">i", body[at:at + 4])[0]
        items.append(body[at + 4:at + size])
        at += size
    return body[:4] + b"".join(struct.pack(">i", len(i)) + i for i in sorted(items)) + body[at:]


def read_log(path):
    content = open(path, "rb").read()
    at = 16
    while at + 12 <= len(content):
        size = struct.unpack(">i", content[at + 8:at + 12])[0]
        if size == 0:
            return
        body = content[at + 12:at + 12 + size]
        at += 12 + size + 1
        is_error = struct.unpack(">i", body[28:32])[0] == -1
        yield body[:36] if is_error else body[:-12]  # without the digest, which only some errors have


def main():
    port, log_file, folder = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    transcript = []
    alice, stranger = Client(port, "alice", transcript), Client(port, "stranger", transcript)
    alice.auth("digest", b"alice:secret")
    changes, reads = play(random.Random(2), [alice, stranger])
    bodies = list(read_log(log_file))
    assert len(bodies) == len(transcript), (len(bodies), len(transcript))
    people = "# alice has the identities ip:127.0.0.1 and digest:alice:" + SECRET + ", the stranger only the address.\n"
    with open(folder + "/requests.txt", "w") as out:
        out.write("# Requests and the transactions that ZooKeeper 3.8.0 made of them; written by record_requests.py.\n"
                  "# who opcode request-record transaction-header-and-record, in hexadecimal; - is empty.\n" + people)
        for (who, op, record), body in zip(transcript, bodies):
            out.write("%s %d %s %s\n" % (who, op, record.hex() or "-", body.hex()))
    with open(folder + "/reads.txt", "w") as out:
        out.write("# What ZooKeeper 3.8.0 answered after the first %d transactions of requests.txt.\n" % changes +
                  "# who opcode request-record code reply-record; lists of children are in the order of their bytes.\n" +
                  people)
        for who, op, record, code, body in reads:
            out.write("%s %d %s %d %s\n" % (who, op, record.hex() or "-", code, body.hex() or "-"))


main()
