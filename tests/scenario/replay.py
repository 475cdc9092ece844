"""Plays captured conversations against a real server and compares every byte. See README.md here. TAP."""

import glob
import os
import re
import socket
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
from ensemble import Ensemble, Tap, default_configuration, zookeeper_class_path  # noqa: E402

HELLO = bytes.fromhex("0000002d 00000000 0000000000000000 0000ea60 0000000000000000 00000010" + "00" * 16 + "00")
FIELD = re.compile(r"\s+@(\d+)\s+(\d+)\s+(\S+)")
VARIABLE = re.compile(r"\*(\.len)?$|(^|\.)[cmp]?zxid$|(^|\.)ephemeralOwner$")
LISTED = re.compile(r"^(children|ephemerals|clientInfo)\[")


class Step:
    """One line of a transcript: kind '>', '<', '!' or 'eof', its frame, and the fields that explain it."""

    def __init__(self, kind, frame=b""):
        self.kind, self.frame, self.fields = kind, frame, []

    def blanked(self, frame):
        """The frame with everything that may differ set to zero, and the sorted members of its list."""
        out = bytearray(frame)
        for offset, size, name in self.fields:
            if VARIABLE.search(name):
                out[offset:offset + size] = bytes(size)
        listed = [(offset, size) for offset, size, name in self.fields if LISTED.match(name)]
        members = []
        if listed:
            start, end = listed[0][0], listed[-1][0] + listed[-1][1]
            members = sorted(split(bytes(out[start:end])))
            out[start:end] = bytes(end - start)
        return bytes(out), members

    def difference(self, actual):
        if len(actual) != len(self.frame):
            return "%d bytes came, %d were expected\n  got  %s\n  want %s" % (
                len(actual), len(self.frame), actual.hex(), self.frame.hex())
        want, want_list = self.blanked(self.frame)
        got, got_list = self.blanked(actual)
        if want_list != got_list:
            return "the list is %r, expected %r" % (got_list, want_list)
        if want != got:
            at = next(i for i in range(len(want)) if want[i] != got[i])
            name = next((n for o, s, n in self.fields if o <= at < o + s), "?")
            return "byte %d (%s) differs\n  got  %s\n  want %s" % (at, name, actual.hex(), self.frame.hex())
        return None


def split(data):
    """Strings of a jute vector without its count."""
    parts = []
    while data:
        size = struct.unpack_from(">i", data)[0]
        parts.append(data[4:4 + max(size, 0)])
        data = data[4 + max(size, 0):]
    return parts


def read_transcript(path):
    steps = []
    with open(path) as lines:
        for line in lines:
            if line[:2] in ("> ", "< ", "! "):
                steps.append(Step(line[0], bytes.fromhex(line[2:].split("#")[0])))
            elif line.startswith("<eof"):
                steps.append(Step("eof"))
            elif steps and FIELD.match(line):
                offset, size, name = FIELD.match(line).groups()
                steps[-1].fields.append((int(offset), int(size), name))
    return steps


class Connection:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.settimeout(10)

    def send(self, frame):
        self.socket.sendall(frame)

    def receive(self):
        """A frame with its length, or None at the end of the stream."""
        head = self._exactly(4)
        if head is None:
            return None
        body = self._exactly(struct.unpack(">i", head)[0])
        return None if body is None else head + body

    def _exactly(self, size):
        data = b""
        while len(data) < size:
            try:
                part = self.socket.recv(size - len(data))
            except ConnectionResetError:
                part = b""
            if not part:
                return None
            data += part
        return data


class Player:
    def __init__(self, port):
        self.port, self.helper = port, None

    def help(self, frame):
        if self.helper is None:
            self.helper = Connection(self.port)
            self.helper.send(HELLO)
            self.helper.receive()
        self.helper.send(frame)
        self.helper.receive()

    def play(self, steps):
        """None, or what went wrong and where."""
        connection = Connection(self.port)
        for number, step in enumerate(steps):
            problem = None
            try:
                if step.kind == ">":
                    connection.send(step.frame)
                elif step.kind == "!":
                    self.help(step.frame)
                else:
                    actual = connection.receive()
                    if step.kind == "eof":
                        problem = actual and "the connection should be closed, but %s came" % actual.hex()
                    elif actual is None:
                        problem = "the connection was closed, expected %s" % step.frame.hex()
                    else:
                        problem = step.difference(actual)
            except OSError as error:
                problem = str(error)
            if problem:
                return "step %d: %s" % (number, problem)
        return None


def main():
    tap = Tap()
    kind = "zookeeper" if "--zookeeper" in sys.argv else "vivarium"
    if kind == "zookeeper" and zookeeper_class_path() is None:
        tap.skip("captured conversations", "Debian's zookeeper is not installed")
        return tap.done()
    backend = default_configuration() if kind == "vivarium" else None
    with Ensemble(kind, 1, backend, {"extendedTypesEnabled": "true"}) as server:
        player = Player(server.client_ports[0])
        for path in sorted(glob.glob(os.path.join(HERE, "captured", "*.txt"))):
            steps = read_transcript(path)
            name = "%s answers %s (%d frames)" % (kind, os.path.basename(path)[:-4], len(steps))
            problem = player.play(steps)
            tap.ok(problem is None, name, problem)
        spoilt = read_transcript(os.path.join(HERE, "captured", "01-handshake-ping-close.txt"))
        last = next(step for step in reversed(spoilt) if step.kind == "<")
        last.frame = last.frame[:-1] + bytes([last.frame[-1] ^ 1])
        tap.ok(player.play(spoilt) is not None, "control: one wrong byte in a transcript is noticed")
        tap.ok(not server.died(), "the server still runs", server.logs())
    return tap.done()


if __name__ == "__main__":
    main()
