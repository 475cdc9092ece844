"""Records what clients of live servers do and hear, as a history for check_history (engine/sim/history.h): raw clients that
note each frame, and the committed order out of the log of a server that has stopped."""

import glob
import json
import os
import struct
import subprocess
import threading
import time

from ensemble import BUILD, PATIENCE_S
from zkwire import (AUTH, CLOSE_SESSION, REPLY, XID_AUTH, XID_EVENT, XID_PING, XID_SET_WATCHES, Reader, Wire, data,
                    integer, request)

SET_WATCHES_OPS = (101, 105)
ADDRESS = "127.0.0.1"


class History:
    """The records of all clients, in the order in which they were seen."""

    def __init__(self, **header):
        self.header = dict(header, history=1)
        self.lines = []
        self.lock = threading.Lock()
        self.start = time.monotonic_ns()

    def add(self, kind, raw=b"", **fields):
        with self.lock:
            fields.update(kind=kind, time_ns=time.monotonic_ns() - self.start)
            if raw:
                fields["bytes"] = raw.hex()
            self.lines.append(fields)

    def add_log(self, folder):
        """The transactions in a folder of ZooKeeper's logs, as committed; the server stopped of its own accord."""
        entries = {}
        for path in glob.glob(os.path.join(folder, "**", "log.*"), recursive=True):
            entries.update(read_log(path))
        for zxid in sorted(entries):
            self.add("commit", entries[zxid], zxid=signed(zxid))
        self.header["has_log"] = 1
        return len(entries)

    def write(self, path):
        with open(path, "w") as f:
            for line in [self.header] + self.lines:
                f.write(json.dumps(line) + "\n")


def signed(value):
    return value - (1 << 64) if value >= 1 << 63 else value


def read_log(path):
    """{zxid: entry} of one of ZooKeeper's log files, up to its end or a record that was torn."""
    with open(path, "rb") as f:
        raw = f.read()
    at, entries = 16, {}
    while at + 12 <= len(raw):
        size = struct.unpack_from(">i", raw, at + 8)[0]
        body = raw[at + 12:at + 12 + size]
        if size <= 0 or len(body) < size or raw[at + 12 + size:at + 13 + size] != b"B":
            break
        entries[struct.unpack_from(">q", body, 12)[0]] = body
        at += 13 + size
    return entries


def export_log(server_folder, into, index):
    """The log of a server of ours as ZooKeeper's, in a new folder; it must have stopped."""
    done = subprocess.run([os.path.join(BUILD, "vivarium-cli"), "export", "--with-log", "--to", into, "--server-id",
                           str(index + 1), server_folder], capture_output=True, text=True, timeout=PATIENCE_S)
    return done.returncode == 0, done.stdout + done.stderr


def check(path, timeout=120):
    """(accepted, what check_history says)."""
    done = subprocess.run([os.path.join(BUILD, "check_history"), path], capture_output=True, text=True, timeout=timeout)
    return done.returncode == 0, done.stdout + done.stderr


class Client:
    """One that keeps its session over connections, and what it waits for in the history only."""

    def __init__(self, history, number, timeout_ms=6000):
        self.history, self.number, self.timeout_ms = history, number, timeout_ms
        self.wire, self.session, self.password = None, 0, b"\0" * 16
        self.xid, self.last_zxid, self.waiting = 0, 0, []
        self.events = []

    def open(self, port, server):
        """True: a session stands; False: it is over (the next open asks for a new one); None: no server there."""
        try:
            self.wire = Wire(port, timeout=10.0)
        except OSError:
            self.wire = None
            return None
        self.history.add("open", ADDRESS.encode(), client=self.number, server=server + 1, session_id=signed(self.session),
                         zxid=self.last_zxid, timeout_ms=self.timeout_ms)
        try:
            granted = self.wire.greet(timeout_ms=self.timeout_ms, session=self.session, password=self.password,
                                      last_zxid=self.last_zxid)
        except OSError:
            granted = None
        if granted is None:
            self.lose()
            return None
        self.history.add("grant", client=self.number, session_id=signed(self.wire.session),
                         timeout_ms=max(self.wire.timeout_ms, 0) if granted else 0)
        if not granted:
            self.lose()
            self.session, self.password, self.last_zxid = 0, b"\0" * 16, 0
            return False
        self.session, self.password = self.wire.session, self.wire.password
        return True

    def lose(self):
        if self.wire is not None:
            self.history.add("lost", client=self.number)
            self.wire.close()
        self.wire, self.waiting = None, []

    def send(self, op, record=b""):
        if op == AUTH:
            xid = XID_AUTH
        elif op in SET_WATCHES_OPS:
            xid = XID_SET_WATCHES
        else:
            self.xid += 1
            xid = self.xid
        self.history.add("request", record, client=self.number, xid=xid, type=op)
        self.waiting.append(xid)
        self.wire.send(request(xid, op, record))
        return xid

    def receive(self):
        """One frame: (xid, err, body); None when the connection is gone."""
        try:
            frame = self.wire.receive()
        except OSError:
            frame = None
        if frame is None:
            self.lose()
            return None
        xid, zxid, err = REPLY.unpack_from(frame)
        body = frame[REPLY.size:]
        if xid == XID_EVENT:
            reader = Reader(body)
            event, state, path = reader.integer(), reader.integer(), reader.data()
            self.history.add("event", path, client=self.number, type=event, code=state, zxid=zxid)
            self.events.append((event, path))
        elif xid != XID_PING:
            self.history.add("reply", body, client=self.number, xid=xid, zxid=zxid, code=err)
            self.last_zxid = max(self.last_zxid, zxid)
            self.waiting.remove(xid)
        return xid, err, body

    def call(self, op, record=b""):
        """The reply to one request, everything before it noted."""
        xid = self.send(op, record)
        return self.drain(xid)

    def drain(self, xid=None):
        """Until the reply with this xid, or all, came; None when the connection went."""
        answer = None
        while self.wire is not None and (xid in self.waiting if xid is not None else self.waiting):
            answer = self.receive()
        return answer

    def authenticate(self, user, password):
        return self.call(AUTH, integer(0) + data("digest") + data("%s:%s" % (user, password)))

    def close(self):
        if self.wire is not None:
            self.call(CLOSE_SESSION)
            self.lose()
