"""The clients of a chaos run, in the namespace of the clients: sessions that speak the protocol by hand, and kazoo's.
The C client's is workload_c.c.

    workload.py FOLDER SERVERS SEED

Clients 0..SERVERS-1 are probes: each stays with one server and writes a znode of its own. Then come ROVERS raw
sessions that go from server to server (registers changed by compare-and-swap, transactions over two of them, queues of
sequence nodes, ephemerals, watches, sync), then KAZOOS of kazoo. While FOLDER/pause exists they rest. What they see is
judged elsewhere, from the recorded frames; they end with the process.
"""

import logging
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import zkwire  # noqa: E402

from kazoo.client import KazooClient  # noqa: E402
from kazoo.exceptions import KazooException  # noqa: E402
from kazoo.handlers.threading import KazooTimeoutError  # noqa: E402

CLIENT_PORT = 2181
ROVERS, KAZOOS, CS = 3, 3, 2
REGISTERS = ["/registers/%d" % number for number in range(4)]
QUEUE_MAX = 50
TIMEOUT_MS = 6000
VERSION = 1 + zkwire.STAT_FIELDS.index("version")
PAUSE_S = 0.05           # between two requests of a client


def count_of_clients(servers):
    """With the one that verifies, which is the last."""
    return servers + ROVERS + KAZOOS + CS + 1


class Gone(Exception):
    """The connection is; the fate of what was asked is not known."""


class Session:
    """A session by hand, which comes back by itself and renews its watches."""

    def __init__(self, number, servers, rng):
        self.number, self.servers, self.rng = number, servers, rng
        self.wire, self.session, self.password, self.zxid, self.xid = None, 0, b"\0" * 16, 0, 0
        self.watched = set()
        self.fresh = True     # the session is new: nothing is known of what an older one had

    def connect(self):
        server = self.rng.choice(self.servers)
        wire = zkwire.Wire(CLIENT_PORT, timeout=4, host="127.1.%d.%d" % (self.number, server))
        answer = None
        try:
            answer = wire.greet(timeout_ms=TIMEOUT_MS, session=self.session, password=self.password,
                                last_zxid=self.zxid)
        finally:
            if not answer:
                wire.close()
        if answer is None:
            raise Gone
        if not answer:
            self.session, self.password = 0, b"\0" * 16
            self.watched.clear()
            raise Gone
        self.fresh = self.session != wire.session
        self.session, self.password, self.wire = wire.session, wire.password, wire
        if self.watched:
            watches = [sorted(self.watched), [], []]
            wire.send(zkwire.request(zkwire.XID_SET_WATCHES, zkwire.SET_WATCHES,
                                     zkwire.long(self.zxid) + b"".join(zkwire.vector(w) for w in watches)))

    def await_connection(self, limit_s=1e9):
        deadline = time.monotonic() + limit_s
        while self.wire is None:
            try:
                self.connect()
            except (OSError, Gone, ValueError):
                if time.monotonic() > deadline:
                    raise Gone from None
                time.sleep(0.02 + 0.05 * self.rng.random())

    def call(self, op, record=b""):
        """(code, values); raises Gone."""
        self.await_connection()
        self.xid += 1
        self.wire.send(zkwire.request(self.xid, op, record))
        while True:
            try:
                answer = self.wire.receive()
            except OSError:
                answer = None
            if answer is None:
                self.drop()
                raise Gone
            xid, zxid, code = zkwire.REPLY.unpack_from(answer)
            if xid == zkwire.XID_EVENT:
                reader = zkwire.Reader(answer, zkwire.REPLY.size)
                self.watched.discard(zkwire.decode_event(reader)[2])
            elif xid == self.xid:
                self.zxid = max(self.zxid, zxid)
                return code, zkwire.decode(op, zkwire.Reader(answer, zkwire.REPLY.size)) if code == 0 else ()

    def drop(self):
        if self.wire is not None:
            self.wire.close()
            self.wire = None


def ensure(session, path, value=b""):
    code = None
    while code not in (0, -110):
        try:
            code = session.call(zkwire.CREATE2, zkwire.create(path, value, zkwire.OPEN, 0))[0]
        except Gone:
            pass
        if code not in (0, -110):
            time.sleep(0.05)  # a full disk, or no leader


def rest(folder, rng):
    time.sleep(PAUSE_S * (0.5 + rng.random()))
    while os.path.exists(os.path.join(folder, "pause")):
        time.sleep(0.02)


def probe(folder, number, rng):
    """Writes its own znode through one server, and reads it there."""
    session = Session(number, [number + 1], rng)
    path = "/probes/%d" % number
    count = 0
    while True:
        try:
            if count == 0:
                ensure(session, path, b"0")
            count += 1
            session.call(zkwire.SET_DATA, zkwire.versioned_data(path, b"%d" % count, -1))
            session.call(zkwire.GET_DATA, zkwire.watching(path, False))
        except Gone:
            pass
        rest(folder, rng)


class Rover:
    """One raw session and what it does, one thing after the other."""

    def __init__(self, number, servers, rng):
        self.session = Session(number, list(range(1, servers + 1)), rng)
        self.number, self.rng, self.count, self.mine, self.queue = number, rng, 0, None, []
        self.home = "/queues/%d" % number

    def value(self):
        self.count += 1
        return b"%d:%d" % (self.number, self.count)

    def swap(self):
        path = self.rng.choice(REGISTERS)
        code, values = self.read(path, self.rng.random() < 0.3)
        if code == 0:
            self.session.call(zkwire.SET_DATA, zkwire.versioned_data(path, self.value(), values[1][VERSION]))

    def read(self, path, watch):
        code, values = self.session.call(zkwire.GET_DATA, zkwire.watching(path, watch))
        if watch and code == 0:
            self.session.watched.add(path)
        return code, values

    def look(self):
        self.read(self.rng.choice(REGISTERS), True)

    def transaction(self):
        first, second = self.rng.sample(REGISTERS, 2)
        code, values = self.read(first, False)
        if code == 0:
            value = self.value()
            self.session.call(zkwire.MULTI, zkwire.multi([
                (zkwire.SET_DATA, zkwire.versioned_data(first, value, values[1][VERSION])),
                (zkwire.SET_DATA, zkwire.versioned_data(second, value, -1))]))

    def push(self):
        code, values = self.session.call(zkwire.CREATE, zkwire.create(self.home + "/n-", self.value(), zkwire.OPEN, 2))
        if code == 0:
            self.queue.append(values[0])
        if len(self.queue) > QUEUE_MAX:
            self.session.call(zkwire.DELETE, zkwire.versioned(self.queue.pop(0), -1))

    def listing(self):
        self.session.call(zkwire.GET_CHILDREN2, zkwire.watching(self.home, False))

    def tidy(self):
        """What an unanswered create left is deleted too."""
        code, values = self.session.call(zkwire.GET_CHILDREN2, zkwire.watching(self.home, False))
        known = {path.rsplit("/", 1)[1] for path in self.queue}
        for name in (values[0] if code == 0 else ()):
            if name not in known:
                self.session.call(zkwire.DELETE, zkwire.versioned(self.home + "/" + name, -1))

    def ephemeral(self):
        """Its own must be there as long as its session is."""
        if self.mine is None or self.mine[1] != self.session.session:
            self.count += 1
            path = "/ephemerals/%d-%d" % (self.number, self.count)
            if self.session.call(zkwire.CREATE2, zkwire.create(path, b"", zkwire.OPEN, 1))[0] == 0:
                self.mine = (path, self.session.session)
        else:
            self.session.call(zkwire.EXISTS, zkwire.watching(self.mine[0], False))

    def synced(self):
        self.session.call(zkwire.SYNC, zkwire.data("/"))
        self.read(self.rng.choice(REGISTERS), False)

    def move(self):
        self.session.drop()

    def live(self, folder):
        ensure(self.session, self.home)
        deeds = [self.swap] * 8 + [self.look] * 4 + [self.transaction] * 3 + [self.push] * 6 + [self.listing] + \
            [self.ephemeral] * 2 + [self.synced] * 2
        while True:
            try:
                self.rng.choice(deeds)()
                if self.rng.random() < 0.005:
                    self.rng.choice((self.move, self.tidy))()
            except Gone:
                pass
            rest(folder, self.rng)


def kazoo(folder, number, servers, rng):
    """The same with kazoo, one session after the other should one expire."""
    hosts = ",".join("127.1.%d.%d:%d" % (number, server, CLIENT_PORT) for server in range(1, servers + 1))
    client = KazooClient(hosts=hosts, timeout=TIMEOUT_MS / 1000, randomize_hosts=True,
                         connection_retry={"max_tries": -1, "delay": 0.05, "backoff": 1, "max_jitter": 0.05})
    while True:
        try:
            client.start(timeout=60)
            break
        except KazooTimeoutError:
            pass
    home, count, queue = "/queues/%d" % number, 0, []
    while True:
        count += 1
        try:
            kazoo_step(client, home, count, queue, rng)
        except (KazooException, KazooTimeoutError):
            time.sleep(0.05)
        rest(folder, rng)


def kazoo_step(client, home, count, queue, rng):
    path = rng.choice(REGISTERS)
    value = b"k%s:%d" % (home[8:].encode(), count)
    if count == 1 or count % 97 == 0:
        client.ensure_path(home)
        client.create(home + "/e-", b"", ephemeral=True, sequence=True)
    dice = rng.random()
    if dice < 0.4:
        stat = client.get(path)[1]
        client.set(path, value, version=stat.version)
    elif dice < 0.6:
        client.get(path, watch=lambda _: None)
    elif dice < 0.9:
        queue.append(client.create(home + "/n-", value, sequence=True))
        if len(queue) > QUEUE_MAX:
            client.delete(queue.pop(0))
    elif dice < 0.95:
        client.sync("/")
        client.get(path)
    else:
        client.get_children(home)


def main():
    folder, servers, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    logging.getLogger("kazoo").setLevel(logging.CRITICAL)  # lost connections are the point here
    first = Session(0, list(range(1, servers + 1)), random.Random(seed))
    for path in ["/probes", "/registers", "/queues", "/ephemerals"] + REGISTERS:
        ensure(first, path)
    first.drop()
    threads = [threading.Thread(target=probe, args=(folder, n, random.Random(seed * 100 + n))) for n in range(servers)]
    for number in range(servers, servers + ROVERS):
        threads.append(threading.Thread(target=Rover(number, servers, random.Random(seed * 100 + number)).live,
                                        args=(folder,)))
    for number in range(servers + ROVERS, servers + ROVERS + KAZOOS):
        threads.append(threading.Thread(target=kazoo, args=(folder, number, servers,
                                                            random.Random(seed * 100 + number))))
    for thread in threads:
        thread.daemon = True
        thread.start()
    threads[0].join()


if __name__ == "__main__":
    main()
