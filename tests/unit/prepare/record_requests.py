#!/usr/bin/env python3
"""Makes requests.txt and reads.txt: asks a fresh standalone ZooKeeper server for some hundreds of changes, legal and
illegal, and writes each request beside the transaction that the server logged for it; then reads what has come of them,
and writes each read beside its answer.

usage: record_requests.py PORT LOG_FILE FOLDER_FOR_THE_TWO_FILES

The server must be fresh (zxid 0), without extended types; LOG_FILE is its version-2/log.1. The draw is seeded."""
import base64
import hashlib
import os
import random
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
import history  # noqa: E402
import zkwire  # noqa: E402
from zkwire import (CHECK, CREATE, CREATE2, CREATE_CONTAINER, CREATE_TTL, DELETE, EXISTS, GET_ACL,  # noqa: E402
                    GET_ALL_CHILDREN_NUMBER, GET_CHILDREN, GET_CHILDREN2, GET_DATA, GET_EPHEMERALS, MULTI, MULTI_READ,
                    SET_ACL, SET_DATA, WHO_AM_I, acl, create, data, integer, versioned, versioned_data, watching)

SECRET = base64.b64encode(hashlib.sha1(b"alice:secret").digest()).decode()
LISTS = [zkwire.OPEN] * 25 + [[(1, "world", "anyone")], [(31, "auth", "")], [(31, "digest", "alice:" + SECRET)],
         [(31, "ip", "127.0.0.0/8")], [(31, "ip", "10.1.2.3")], [(4, "world", "anyone"), (4, "world", "anyone")],
         [(8, "world", "anyone"), (2, "digest", "bob:x"), (8, "world", "anyone")], [], [(31, "world", "me")],
         [(31, "digest", "x")], [(31, "digest", "x:y:z")], [(31, "digest", ":p")], [(31, "digest", "u:")],
         [(31, "digest", "a:b:")], [(31, "nobody", "x")], [(31, "ip", "300.1.1.1")], [(31, "ip", "1.2.3.4/33")],
         [(31, "ip", "1.2.3.4/")], [(63, "world", "anyone")], [(0, "world", "anyone")], [(31, "super", "x")]]
GOOD_PATHS = ["/a", "/b", "/c", "/a/x", "/a/y", "/b/x", "/c/x", "/a/x/deep", "/b/seq-", "/a/seq-", "/eph", "/zookeeper/new"]
BAD_PATHS = ["/c/", "/", "", "nope", "/a//b", "/a/./b", "/a/..", "/a/...", "/zookeeper", "/zookeeper/quota", "/a/\x01",
             "/a/\u00e9", "/a/\x00", "/eph/kid", "/missing/kid", "/a/\ufff0", "/a/ b"]


class Client:
    def __init__(self, port, name, transcript):
        self.name, self.transcript, self.xid = name, transcript, 0
        self.wire = zkwire.Wire(port)
        assert self.wire.greet(timeout_ms=40000, read_only=False)
        transcript.append((name, zkwire.CREATE_SESSION, integer(self.wire.timeout_ms)))

    def auth(self, scheme, token):
        self.wire.send(zkwire.request(zkwire.XID_AUTH, zkwire.AUTH, integer(0) + data(scheme) + data(token)))
        self.wire.receive()

    def request(self, op, record, is_change=True):
        """(code, what is behind the header of the reply)."""
        self.xid += 1
        self.wire.send(zkwire.request(self.xid, op, record))
        if is_change:
            self.transcript.append((self.name, op, record))
        reply = self.wire.receive()
        return zkwire.REPLY.unpack_from(reply)[2], reply[zkwire.REPLY.size:]


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
        return op, create(path, value, rng.choice(LISTS), flags)
    if op == CREATE_CONTAINER:
        return op, create(path, value, zkwire.OPEN, 4)
    if op == CREATE_TTL:
        return op, create(path, value, zkwire.OPEN, rng.choice([5, 6]), 1000)
    if op in (DELETE, CHECK):
        return op, versioned(path, version)
    if op == SET_DATA:
        return op, versioned_data(path, value, version)
    return op, data(path) + acl(rng.choice(LISTS)) + integer(version)


def draw_multi(rng):
    # no create2: 3.8.0 takes it for a create, later versions do not
    ops = [CREATE, CREATE, CREATE, SET_DATA, SET_DATA, CHECK, DELETE, CREATE_CONTAINER]
    return zkwire.multi([draw_operation(rng, ops, False) for _ in range(rng.choice([0, 1, 2, 2, 3, 3, 4, 6]))])


def play(rng, clients):
    singles = [CREATE] * 5 + [CREATE2] * 2 + [DELETE] * 4 + [SET_DATA] * 4 + [SET_ACL] * 2 + [CREATE_CONTAINER, CREATE_TTL]
    clients[0].request(CREATE, create("/a", None, zkwire.OPEN, 0))
    for _ in range(420):
        client = rng.choice(clients)
        if rng.random() < 0.25:
            client.request(MULTI, draw_multi(rng))
        else:
            client.request(*draw_operation(rng, singles, True))
    changes, reads = len(clients[0].transcript), list(read_all(clients))
    null_id = struct.pack(">ii", 1, 31) + data("world") + data(None)
    clients[0].request(CREATE, data("/n") + data(None) + null_id + integer(0))
    clients[0].request(CREATE, create("/n", None, None, 0))  # a null list
    clients[0].request(CREATE, integer(4) + b"/")  # breaks off
    clients[0].request(MULTI, zkwire.multi([(GET_DATA, watching("/a", False))]))
    for client in clients:
        client.request(zkwire.CLOSE_SESSION, b"")
    return changes, reads


def read_all(clients):
    """Yields (who, opcode, record, code, reply record with its lists in order)."""
    paths = GOOD_PATHS + BAD_PATHS + ["/zookeeper/config", "/a/seq-0000000002", "/b/seq-0000000000"]
    for client in clients:
        for path in paths:
            plain, unwatched = data(path), watching(path, False)
            for op, record in [(GET_DATA, unwatched), (GET_ACL, plain), (GET_CHILDREN, unwatched),
                               (GET_CHILDREN2, unwatched), (GET_ALL_CHILDREN_NUMBER, plain), (EXISTS, unwatched),
                               (GET_EPHEMERALS, plain), (zkwire.CHECK_WATCHES, plain + integer(3))]:
                code, body = client.request(op, record, is_change=False)
                if op == GET_DATA:
                    may_read = code != -102
                if op == EXISTS and not may_read:
                    continue  # exists asks for READ since 3.8.4
                if (op, path) in [(GET_ALL_CHILDREN_NUMBER, ""), (zkwire.CHECK_WATCHES, "nope")]:
                    continue  # the server counts "/" as a child of "", and trips over a path without "/"
                if op in (GET_CHILDREN, GET_CHILDREN2) and code == 0:
                    body = with_sorted_list(body)
                yield client.name, op, record, code, body if code == 0 else b""
        items = zkwire.multi([(GET_DATA, watching(path, False)) for path in paths] +
                             [(GET_CHILDREN, watching("/missing", False))])
        for op, record in [(MULTI_READ, items), (WHO_AM_I, b"")]:
            yield (client.name, op, record) + client.request(op, record, is_change=False)


def with_sorted_list(body):
    reader = zkwire.Reader(body)
    names = reader.vector(reader.data)
    return zkwire.vector(sorted(names)) + body[reader.at:]


def without_digest(body):
    """Only some errors have one."""
    is_error = zkwire.INT.unpack_from(body, 28)[0] == -1
    return body[:36] if is_error else body[:-12]


def main():
    port, log_file, folder = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    transcript = []
    alice, stranger = Client(port, "alice", transcript), Client(port, "stranger", transcript)
    alice.auth("digest", b"alice:secret")
    changes, reads = play(random.Random(2), [alice, stranger])
    bodies = [without_digest(body) for _, body in sorted(history.read_log(log_file).items())]
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
