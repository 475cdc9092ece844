"""Sessions and authentication, seen by raw requests and by real clients: SASL with kazoo and the Java client and an
existing JAAS file, what a client must prove, limits at the socket; with --ensemble local sessions and read-only mode,
where Vivarium and Apache ZooKeeper 3.8 must answer alike. TAP on standard output.

    sessions.py [--ensemble]
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from ensemble import PATIENCE_S, Ensemble, Metronome, Tap, default_configuration, four_letter, zookeeper_class_path  # noqa: E402
from zkwire import (ADD_WATCH, AUTH, CHECK, CLOSE_SESSION, CREATE, DELETE, EXISTS, GET_DATA, MULTI, OPEN, PING,  # noqa: E402
                    RECONFIG, REPLY, SASL, SET_DATA, SET_WATCHES, SYNC, WHO_AM_I, XID_EVENT, XID_PING, Wire, connect, data,
                    integer, long, multi, request, versioned, watching)
import zkwire  # noqa: E402

FRAME_MAX = 1048575
EPHEMERAL = 1

JAAS = """// users of this ensemble
Server {
    org.apache.zookeeper.server.auth.DigestLoginModule required
    user_super="adminsecret"
    user_bob="bobsecret";
};
Client {
    org.apache.zookeeper.server.auth.DigestLoginModule required
    username="bob"
    password="%s";
};
"""


def create(path, flags=0):
    return zkwire.create(path, b"", OPEN, flags)


class Raw(Wire):
    """One connection. `state` is 'open', 'refused' (the negative handshake) or 'closed'."""

    def __init__(self, port, session=0, password=bytes(16), read_only=None, timeout=10000, last_zxid=0):
        super().__init__(port)
        self.xid, self.zxid = 0, 0
        stands = self.greet(timeout_ms=timeout, session=session, password=password, last_zxid=last_zxid,
                            read_only=read_only)
        self.state = {True: "open", False: "refused", None: "closed"}[stands]

    def ask(self, op, record=b""):
        """The error code, or 'closed'."""
        self.xid += 1
        self.send(request(XID_PING if op == PING else self.xid, op, record))
        while True:
            reply = self.receive()
            if reply is None:
                return "closed"
            xid, zxid, err = REPLY.unpack_from(reply)
            if xid != XID_EVENT:
                self.zxid, self.answer = zxid, reply[REPLY.size:]
                return err

    def exists(self, path="/"):
        return self.ask(EXISTS, watching(path, 0))

    def is_closed(self):
        self.socket.settimeout(20)
        try:
            return self.socket.recv(1) == b""
        except OSError as error:
            return not isinstance(error, socket.timeout)

    def close(self):
        self.socket.close()


# ---- SASL ----

def write_jaas(folder, password="bobsecret"):
    path = os.path.join(folder, "jaas-%s.conf" % password)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
        f.write(JAAS % password)
    return path


def servers_with_sasl(jaas, **settings):
    """Ours, and ZooKeeper, with the same users and properties."""
    ours = {"java.security.auth.login.config": jaas, "superUser": "super",
            "authProvider.1": "org.apache.zookeeper.server.auth.SASLAuthenticationProvider"}
    ours.update(settings)
    options = ["-Djava.security.auth.login.config=" + jaas, "-Dzookeeper.superUser=super",
               "-Dzookeeper.authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider"]
    options += ["-Dzookeeper.%s=%s" % item for item in settings.items()]
    yield Ensemble("vivarium", settings=ours)
    if zookeeper_class_path():
        yield Ensemble("zookeeper", java=options)


def ask_kazoo(hosts, user, password, calls):
    """What a client of kazoo gets: results, or the name of the exception."""
    from kazoo.client import KazooClient
    from kazoo.exceptions import KazooException
    client = KazooClient(hosts=hosts, timeout=4, connection_retry=None, sasl_options={
        "mechanism": "DIGEST-MD5", "username": user, "password": password})
    seen = []
    try:
        client.start(timeout=PATIENCE_S)
        for call in calls:
            try:
                seen.append(call(client))
            except KazooException as error:
                seen.append(type(error).__name__)
        client.stop()
    except Exception:  # kazoo gives up in more than one way
        seen.append("refused")
    finally:
        client.close()
    return seen


def kazoo_sasl(tap, jaas):
    try:
        import puresasl  # noqa: F401
        from kazoo.security import make_acl
    except ImportError:
        tap.skip("kazoo authenticates by SASL", "python3-pure-sasl is not installed")
        return

    def make(path, user):
        return lambda c: c.create(path, b"x", acl=[make_acl("sasl", user, all=True)])
    seen = []
    for ensemble in servers_with_sasl(jaas):
        with ensemble:
            hosts = ensemble.hosts()
            seen.append([
                ask_kazoo(hosts, "bob", "bobsecret", [make("/bob", "bob"), lambda c: c.get("/bob")[0],
                                                      lambda c: c.get_acls("/bob")[0][0].id.id]),
                ask_kazoo(hosts, "super", "adminsecret", [make("/super", "super"), lambda c: c.get("/bob")[0]]),
                ask_kazoo(hosts, "bob", "bobsecret", [lambda c: c.get("/super")[0]]),
            ])
            wrong = [ask_kazoo(hosts, "bob", "wrong", [lambda c: c.get("/bob")[0]]),
                     ask_kazoo(hosts, "eve", "bobsecret", [lambda c: c.get("/bob")[0]])]
            tap.ok(all(b"x" not in s and s != [] for s in wrong),
                   "%s: who does not know the password reads nothing" % ensemble.kind, wrong)
            if ensemble.kind == "vivarium":
                java_sasl(tap, ensemble, os.path.dirname(jaas))
    tap.ok(seen[0] == [["/bob", b"x", "bob"], ["/super", b"x"], ["NoAuthError"]],
           "kazoo authenticates by SASL, owns what it made, and the super user may do everything", seen[0])
    if len(seen) > 1:
        tap.ok(seen[0] == seen[1], "a real server answers the same", seen)


def java_sasl(tap, ensemble, folder):
    """ZooKeeper's own command line, with a Client section in its JAAS file."""
    if zookeeper_class_path() is None:
        tap.skip("the Java client authenticates by SASL", "zookeeper is not installed")
        return
    said = []
    for password in ("bobsecret", "wrong"):
        command = ["java", "-Djava.security.auth.login.config=" + write_jaas(folder, password), "-cp",
                   zookeeper_class_path(), "org.apache.zookeeper.ZooKeeperMain", "-server", ensemble.hosts(),
                   "-timeout", "4000", "get", "/bob"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, stdin=subprocess.DEVNULL)
        said.append(done.stdout + done.stderr)
    tap.ok("\nx\n" in "\n" + said[0], "the Java client authenticates by SASL and reads what is its own", said[0])
    tap.ok("\nx\n" not in "\n" + said[1], "with a wrong password it does not", said[1])


def challenge(raw):
    """The code, and whether a challenge for DIGEST-MD5 came."""
    err = raw.ask(SASL, data(""))
    return err, b'realm="zk-sasl-md5"' in raw.answer if err == 0 else None


def enforcement(tap, jaas):
    seen = []
    for ensemble in servers_with_sasl(jaas, sessionRequireClientSASLAuth="true"):
        with ensemble:
            port = ensemble.client_ports[0]
            raw = [Raw(port) for _ in range(4)]
            seen.append([
                [raw[0].exists(), raw[0].zxid, raw[0].is_closed()],
                [raw[1].ask(PING), raw[1].is_closed()],
                [raw[2].ask(AUTH, integer(0) + data("digest") + data("bob:bobsecret")), raw[2].exists()],
                [challenge(raw[3]), raw[3].ask(SASL, data("nonsense")), raw[3].is_closed()],
            ])
    tap.ok(seen[0] == [[-124, 0, True], [-124, True], [0, -124], [(0, True), -124, True]],
           "where SASL is required, whoever asks for anything else first is refused and closed", seen[0])
    if len(seen) > 1:
        tap.ok(seen[0] == seen[1], "a real server refuses the same", seen)


def token_answer(raw, token):
    """The code and what stands behind the header."""
    err = raw.ask(SASL, data(token))
    return err, raw.answer.hex() if err == 0 else None


def failures(tap, jaas):
    """A failed exchange where it may stay; a token where SASL is not served."""
    seen = []
    for ensemble in servers_with_sasl(jaas, allowSaslFailedClients="true"):
        with ensemble:
            raw = Raw(ensemble.client_ports[0])
            seen.append([challenge(raw), token_answer(raw, "nonsense"), raw.exists()])
    for kind in ("vivarium", "zookeeper")[:len(seen)]:
        with Ensemble(kind) as ensemble:
            raw = Raw(ensemble.client_ports[0])
            seen.append([token_answer(raw, ""), token_answer(raw, "x"), raw.exists()])
    tap.ok(seen[0] == [(0, True), (0, "ffffffff"), 0], "a client whose exchange failed may stay where that is allowed",
           seen[0])
    if len(seen) > 2:
        tap.ok(seen[0] == seen[1] and seen[2] == seen[3], "a real server lets it stay, and answers where it has no SASL",
               seen)


# ---- the life of a session: --ensemble ----

def pipelined(port, *requests):
    """Sends the handshake and all requests at once; the xid, code and zxid > 0 of each frame until the end."""
    seen = []
    with Wire(port, timeout=3) as wire:
        wire.send(connect() + b"".join(request(xid, op, record) for xid, op, record in requests))
        wire.receive()
        try:
            reply = wire.receive()
            while reply is not None:
                xid, zxid, err = REPLY.unpack_from(reply)
                seen.append((xid, err, xid == XID_EVENT or zxid > 0))  # a notification has its zxid from 3.9 on
                reply = wire.receive()
            seen.append("closed")
        except socket.timeout:
            pass
    return seen


def attach(port, old):
    """Attaches the session; a server that is behind what the client has seen is asked again, as clients do."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        raw = Raw(port, old.session, old.password, last_zxid=old.zxid)
        if raw.state != "closed" or time.monotonic() > deadline:
            return raw
        time.sleep(0.05)


def session_details(ensemble):
    ports = ensemble.client_ports
    leader = ensemble.wait_leader()
    near, far = [i for i in range(len(ports)) if i != leader] if len(ports) > 1 else (0, 0)
    seen = {}
    seen["pings of any number"] = pipelined(
        ports[near], (5, PING, b""), (0, PING, b""), (-2, PING, b""), (7, EXISTS, watching("/", 0)), (8, CLOSE_SESSION, b""))
    seen["watch events of one's own end"] = pipelined(
        ports[near], (1, CREATE, create("/own", EPHEMERAL)), (2, EXISTS, watching("/own", 1)), (3, CLOSE_SESSION, b""))
    seen["numbers that go down"] = pipelined(
        ports[near], (9, EXISTS, watching("/", 0)), (3, CREATE, create("/n")), (3, EXISTS, watching("/n", 0)),
        (0, EXISTS, watching("/n", 0)), (-7, EXISTS, watching("/n", 0)), (10, CLOSE_SESSION, b""))
    first = Raw(ports[near])
    seen["made"] = first.ask(CREATE, create("/d-e", EPHEMERAL))
    seen["a wrong password"] = Raw(ports[near], first.session, bytes(16)).state
    second = Raw(ports[near], first.session, first.password)
    seen["attached again"] = second.state
    seen["the connection before is closed"] = first.is_closed()
    seen["with more seen than there is"] = Raw(ports[near], second.session, second.password, last_zxid=1 << 60).state
    second.exists()
    third = attach(ports[far], second)
    seen["attached elsewhere"] = third.state
    if near != far:
        seen["a read where it was"] = second.exists()
        seen["a write where it was"] = second.ask(CREATE, create("/moved"))
        seen["which was not done"] = (third.ask(SYNC, data("/")), third.exists("/moved"))
        fourth = attach(ports[near], third)
        seen["a sync where it was"] = (fourth.state, third.ask(SYNC, data("/")))
        third = fourth
    seen["the end"] = third.ask(CLOSE_SESSION)
    seen["ended"] = attach(ports[far], third).state
    for wanted in (0, -5, 1, 4000, 4001, 39999, 40000, 40001, 2**31 - 1):
        with Wire(ports[near]) as wire:
            wire.greet(timeout_ms=wanted, password=b"")
            seen["a timeout of %d" % wanted] = wire.timeout_ms
    short = Raw(ports[near], timeout=4000)
    started = time.monotonic()
    short.ask(CREATE, create("/short", EPHEMERAL))
    watcher = Raw(ports[far])
    while watcher.exists("/short") == 0 and time.monotonic() < started + PATIENCE_S:
        time.sleep(0.05)
    waited = time.monotonic() - started
    seen["expires after its timeout, and within two ticks more"] = 4.0 <= waited <= 8.5
    seen["then its connection is closed"] = short.is_closed()
    # (What follows closeSession is dropped; ZooKeeper serves it, or not, as it happens.)
    return seen


# ---- limits at the socket ----

def set_watches(count, path_bytes):
    paths = b"".join(data("/" + ("%d" % i).zfill(path_bytes - 1)) for i in range(count))
    return long(1 << 60) + integer(0) + integer(count) + paths + integer(0)


def limits(tap):
    with Ensemble("vivarium", settings={"largeRequestMaxBytes": 2 << 20}) as ensemble:
        port = ensemble.client_ports[0]
        bystander = Raw(port)
        raw = Raw(port)
        tap.ok(raw.ask(SET_WATCHES, set_watches(50000, 100)) == 0 and raw.exists() == 0,
               "watches set again may be longer than other requests")
        tap.ok(raw.ask(SET_WATCHES, set_watches(100001, 100)) == "closed", "but not more than a connection may hold")
        for size, name in ((FRAME_MAX, "at its limit"), (FRAME_MAX + 1, "one byte beyond"),
                           (100 * FRAME_MAX, "a hundred times beyond")):
            raw = Raw(port)
            raw.xid += 1
            head = create("/limit")
            body = integer(raw.xid) + integer(CREATE) + head
            try:
                raw.socket.sendall(integer(size) + body + bytes(min(size, FRAME_MAX) - len(body)))
                answered = raw.receive() is not None
            except OSError:
                answered = False
            tap.ok(answered == (size == FRAME_MAX), "a request %s is %s" % (name, "served" if answered else "refused"))
        many = [Raw(port) for _ in range(12)]
        metronome = Metronome(ensemble.processes[0].pid)
        metronome.start()
        started = time.monotonic()
        for raw in many:  # all but the end of a long request: two fit into the budget
            raw.socket.setblocking(False)
            body = integer(FRAME_MAX) + integer(1) + integer(CREATE) + create("/many") + bytes(FRAME_MAX)
            raw.body, raw.sent = body[:FRAME_MAX + 4], 0
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline and sum(r.sent >= FRAME_MAX - 100 for r in many) < 2:
            push(many, FRAME_MAX - 100)
        for _ in range(50):
            push(many, FRAME_MAX - 100)
        tap.ok(bystander.exists() == 0, "a bystander is served while long requests wait for room")
        rss = resident_kib(ensemble.processes[0].pid)
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline and any(r.sent < len(r.body) for r in many):
            push(many, FRAME_MAX + 4)
        codes = []
        for raw in many:
            raw.socket.setblocking(True)
            raw.socket.settimeout(PATIENCE_S)
            codes.append(REPLY.unpack_from(raw.receive())[2])
        tap.ok(sorted(codes) == [-110] * 11 + [0], "all of them are served in the end", codes)
        tap.ok(rss < 400 * 1024, "they do not fill the memory while they wait", "%d KiB" % rss)
        tap.ok(time.monotonic() - started < metronome.allows(20), "and none waits for a time limit")
        metronome.__exit__()
        for raw in many + [bystander]:
            raw.close()


def push(many, to):
    for raw in many:
        try:
            while raw.sent < min(to, len(raw.body)):
                raw.sent += raw.socket.send(raw.body[raw.sent:min(to, len(raw.body))])
        except BlockingIOError:
            pass


def resident_kib(pid):
    with open("/proc/%d/status" % pid) as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


# ---- local sessions and read-only mode: --ensemble ----

def local_sessions(ensemble, upgrade):
    """What clients of an ensemble with local sessions see, as a dictionary."""
    leader = ensemble.wait_leader()
    follower, other = [i for i in range(3) if i != leader]
    ports = ensemble.client_ports
    seen = {}
    for name, index in (("leader", leader), ("follower", follower)):
        first = Raw(ports[index])
        first.exists()
        before = first.zxid
        again = Raw(ports[index])
        again.exists()
        seen[name + ": opening costs a zxid"] = again.zxid - before
        seen[name + ": a node is made"] = first.ask(CREATE, create("/p-" + name))
        made = first.zxid
        seen[name + ": an ephemeral is made"] = first.ask(CREATE, create("/e-" + name, EPHEMERAL))
        seen[name + ": for so many zxids"] = first.zxid - made if upgrade else None
        seen[name + ": another in a multi"] = first.ask(MULTI, multi(((CREATE, create("/m-" + name, EPHEMERAL)),)))
        seen[name + ": attached elsewhere"] = Raw(ports[other], again.session, again.password).state
        seen[name + ": attached again"] = Raw(ports[index], again.session, again.password).state
        if upgrade:
            moved = Raw(ports[other], first.session, first.password)
            seen[name + ": a global one elsewhere"] = moved.state
            seen[name + ": and closed there"] = moved.ask(CLOSE_SESSION)
    return seen


def read_only(ensemble):
    leader = ensemble.wait_leader()
    follower, other = [i for i in range(3) if i != leader]
    port = ensemble.client_ports[follower]
    owner = Raw(port)
    seen = {"made": owner.ask(CREATE, create("/ro"))}
    ensemble.kill(leader)
    ensemble.kill(other)
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and four_letter(port, "isro") != "ro":
        time.sleep(0.2)
    raw = Raw(port, read_only=1)
    seen["handshake"] = (raw.state, raw.read_only)
    seen["isro"] = four_letter(port, "isro")
    seen["without asking"] = Raw(port, read_only=0).state
    seen["an old client"] = Raw(port).state
    seen["a session from before"] = Raw(port, owner.session, owner.password, read_only=1).state
    for name, op, record in (
            ("exists", EXISTS, watching("/ro", 1)), ("getData", GET_DATA, watching("/ro", 1)), ("ping", PING, b""),
            ("create", CREATE, create("/x")), ("ephemeral", CREATE, create("/x", EPHEMERAL)),
            ("delete", DELETE, versioned("/ro", -1)), ("sync", SYNC, data("/")),
            ("setData", SET_DATA, data("/ro") + data(b"") + integer(-1)),
            ("multi", MULTI, multi(((CREATE, create("/x")),))), ("check", CHECK, versioned("/", -1)),
            ("reconfig", RECONFIG, data("") * 3 + long(-1)), ("whoAmI", WHO_AM_I, b""),
            ("addWatch", ADD_WATCH, data("/ro") + integer(0)),
            ("auth", AUTH, integer(0) + data("digest") + data("a:b")), ("close", CLOSE_SESSION, b"")):
        seen[name] = raw.ask(op, record)
    seen["closed"] = raw.is_closed()
    left = Raw(port, read_only=1)
    ensemble.start(leader)
    ensemble.start(other)
    ensemble.wait_serving()
    seen["when the quorum is back"] = left.is_closed()
    seen["its session"] = Raw(port, left.session, left.password, read_only=1).state
    back = Raw(port, read_only=1)
    seen["a new one"] = (back.state, back.read_only, back.ask(CREATE, create("/back")))
    return seen


# What a real server answers otherwise, and why.
KNOWN = {
    "a session from before": "ZooKeeper forgets local sessions with the quorum; here they are held on",
    "its session": "ZooKeeper forgets local sessions with the quorum; here they are held on",
    "leader: another in a multi": "ZooKeeper's leader lets a local session own a node that nobody will ever remove",
    "follower: an ephemeral is made": "ZooKeeper's leader does not hear of the follower's refusal",
    "follower: another in a multi": "ZooKeeper's leader does not hear of the follower's refusal",
}


def differences(ours, theirs):
    keys = sorted(set(ours) | set(theirs))
    return {k: (ours.get(k), theirs.get(k)) for k in keys if ours.get(k) != theirs.get(k) and k not in KNOWN}


def compare(tap, name, run, settings, properties=(), servers=3):
    seen = []
    for kind in ("vivarium", "zookeeper"):
        options = [] if kind == "vivarium" else ["-D%s=%s" % item for item in properties]
        extra = dict(settings)
        if kind == "vivarium":
            extra.update(dict(properties))
        with Ensemble(kind, servers, settings=extra, java=options) as ensemble:
            seen.append(run(ensemble))
    differing = differences(*seen)
    tap.ok(not differing, "%s: a real server answers the same to %d questions" % (name, len(seen[0])),
           "\n".join("%s: ours %s, ZooKeeper's %s" % (k, *v) for k, v in differing.items()))


def main():
    tap = Tap()
    if default_configuration() == "memory":
        tap.skip("sessions", "needs a durable configuration")
        tap.done()
        return
    folder = tempfile.mkdtemp(prefix="viv-sessions-")
    try:
        jaas = write_jaas(folder)
        kazoo_sasl(tap, jaas)
        enforcement(tap, jaas)
        failures(tap, jaas)
        limits(tap)
        tap.ok(list(differences({"a": 0, "b": 1}, {"a": 0, "b": -119, "c": 2})) == ["b", "c"],
               "an answer that differs is noticed, and one that is missing")
        if "--ensemble" in sys.argv[1:] and zookeeper_class_path():
            compare(tap, "a session alone", session_details, {}, servers=1)
            compare(tap, "a session in an ensemble", session_details, {})
            local = {"localSessionsEnabled": "true"}
            compare(tap, "local sessions", lambda e: local_sessions(e, False), local)
            compare(tap, "local sessions that become global", lambda e: local_sessions(e, True),
                    dict(local, localSessionsUpgradingEnabled="true"))
            # Without local sessions ZooKeeper 3.8 answers every handshake of its read-only mode with -119.
            compare(tap, "read-only mode", read_only, local, (("readonlymode.enabled", "true"),))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    tap.done()


if __name__ == "__main__":
    main()
