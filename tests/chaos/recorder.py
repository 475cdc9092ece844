"""Stands between all clients and the servers, and writes down every frame: the history that the checkers read, in the
form of engine/sim/history.h (JSON Lines). Clients need not know: kazoo, the C client and raw connections look alike.

    recorder.py FILE SERVERS CLIENTS

Client C reaches server S at 127.1.C.S. A request is written down before it goes on, a reply before its client gets
it; pings are left out. A connection that a client replaces is closed: it has one at a time. Ends at SIGTERM.
"""

import asyncio
import json
import os
import signal
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import zkwire  # noqa: E402

CLIENT_PORT = 2181
CONNECT_S = 1.0
FRAME_MAX = 8 << 20
HEADER = {"history": 1, "strict_sync": 1, "expiry_slack_ms": 2000}


class Recorder:
    def __init__(self, path):
        self.file = open(path, "w", buffering=1 << 16)
        self.connections = {}  # client -> the writers of its connection
        self.file.write(json.dumps(HEADER, separators=(",", ":")) + "\n")

    def write(self, kind, raw=b"", **fields):
        text = "".join(',"%s":%d' % item for item in fields.items())
        if raw:
            text += ',"bytes":"%s"' % raw.hex()
        self.file.write('{"kind":"%s","time_ns":%d%s}\n' % (kind, time.monotonic_ns(), text))

    def lose(self, client, connection):
        """The end of a connection, told once."""
        if self.connections.get(client) is connection:
            del self.connections[client]
            self.write("lost", client=client)
        for writer in connection:
            writer.transport.abort()

    def request(self, client, frame):
        xid, op = struct.unpack_from(">ii", frame)
        if xid != zkwire.XID_PING:
            self.write("request", frame[8:], client=client, xid=xid, type=op)

    def reply(self, client, frame):
        xid, zxid, code = zkwire.REPLY.unpack_from(frame)
        if xid == zkwire.XID_EVENT:
            reader = zkwire.Reader(frame, zkwire.REPLY.size)
            kind, state, path = zkwire.decode_event(reader)
            self.write("event", path.encode(), client=client, type=kind, code=state, zxid=zxid)
        elif xid != zkwire.XID_PING:
            self.write("reply", frame[zkwire.REPLY.size:], client=client, xid=xid, zxid=zxid, code=code)

    async def accept(self, client, server, reader, writer):
        try:
            upstream = await asyncio.wait_for(
                asyncio.open_connection("10.66.%d.2" % server, CLIENT_PORT), CONNECT_S)
        except (OSError, asyncio.TimeoutError):
            writer.transport.abort()
            return
        connection = (writer, upstream[1])
        try:
            for end in connection:
                end.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:  # one of them is gone already
            self.lose(client, connection)
            return
        await asyncio.gather(self.carry(client, connection, reader, upstream[1], self.opened(client, server)),
                             self.carry(client, connection, upstream[0], writer, self.granted(client)))

    def opened(self, client, server):
        def first(frame, connection):
            _, zxid, timeout_ms, session = struct.unpack_from(">iqiq", frame)
            older = self.connections.get(client)
            if older is not None:
                self.lose(client, older)
            self.connections[client] = connection
            self.write("open", b"10.66.100.2", client=client, server=server, session_id=session, zxid=zxid,
                       timeout_ms=timeout_ms)
        return first, self.request

    def granted(self, client):
        def first(frame, _):
            _, timeout_ms, session = struct.unpack_from(">iiq", frame)
            self.write("grant", client=client, session_id=session, timeout_ms=timeout_ms)
        return first, self.reply

    async def carry(self, client, connection, reader, writer, tellers):
        """Frames of one direction, each told before it goes on."""
        first, later = tellers
        is_first = True
        try:
            while True:
                head = await reader.readexactly(4)
                size = zkwire.INT.unpack(head)[0]
                if not 0 <= size <= FRAME_MAX:
                    break
                frame = await reader.readexactly(size)
                if not is_first and self.connections.get(client) is not connection:
                    break
                first(frame, connection) if is_first else later(client, frame)
                is_first = False
                writer.write(head + frame)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        self.lose(client, connection)

    async def flush(self):
        while True:
            await asyncio.sleep(0.1)
            self.file.flush()


async def serve(path, servers, clients):
    recorder = Recorder(path)
    done = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: done.done() or done.set_result(None))
    for client in range(clients):
        for server in range(1, servers + 1):
            await asyncio.start_server(
                lambda r, w, c=client, s=server: recorder.accept(c, s, r, w), "127.1.%d.%d" % (client, server),
                CLIENT_PORT)
    flusher = asyncio.ensure_future(recorder.flush())
    await done
    flusher.cancel()
    recorder.file.close()
    os._exit(0)  # connections that are still open end with the process


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
