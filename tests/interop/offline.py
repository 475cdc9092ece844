"""Data directories: ZooKeeper's and ours, in and out of each other, as of now and of earlier, with every backend; and
the start of a server on what ZooKeeper left behind. TAP; needs no ZooKeeper."""

import hashlib
import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from ensemble import (IS_LONG, PATIENCE_S, Ensemble, Tap, build_configurations, default_configuration, die_with_parent,  # noqa: E402
                      four_letter, program_for)
import namespace  # noqa: E402

SOURCE = os.environ.get("VIV_SOURCE_DIR", ".")
SETS = os.path.join(SOURCE, "datasets", "zookeeper-3.8")
SEGMENT = "log.segmentBytes=1048576"
DURABLE = ["backend=flat"] if default_configuration() == "memory" else []
ALL = ("basic", "torn-tail", "snappy", "synthetic-3.9-layout", "snap-and-log", "fuzzy-snapshot", "fuzzy-long",
       "bulk-20k", "quorum-member")


def expected(name):
    path = os.path.join(SETS, name, "expected.json")
    return namespace.expected(path if os.path.exists(path) else path + ".gz")


def same(tap, got, wanted, name):
    nodes = namespace.difference(got[0], wanted[0])
    tap.ok(nodes == "" and got[1] == wanted[1], name, nodes + "\n%r\n%r" % (got[1], wanted[1]))


def checksum(folder):
    """Of every file's name and bytes."""
    whole = hashlib.sha256()
    for base, _, names in sorted(os.walk(folder)):
        for name in sorted(names):
            whole.update(os.path.join(base, name).encode())
            with open(os.path.join(base, name), "rb") as f:
                whole.update(f.read())
    return whole.hexdigest()


def check_import(tap, folder, backends):
    for backend in backends:
        for name in ALL if backend == backends[0] else ("basic", "fuzzy-snapshot"):
            to = os.path.join(folder, "import-%s-%s" % (backend, name))
            before = checksum(os.path.join(SETS, name))
            code, out, err = namespace.cli("--json", "import", os.path.join(SETS, name), "--to", to, "--backend",
                                           backend)
            wanted = expected(name)
            if not tap.ok(code == 0 and checksum(os.path.join(SETS, name)) == before,
                          "%s is imported into %s and left as it was" % (name, backend), out + err):
                continue
            got = namespace.dump(to)
            same(tap, got, wanted, "%s in %s is exactly what the real server served" % (name, backend))
            facts = json.loads(out)
            tap.ok(facts["digest_mismatches"] == 0 and int(facts["zxid"], 16) == wanted[2] == got[2],
                   "%s in %s: zxid and every recorded digest agree" % (name, backend), out)


def check_export(tap, folder, backends):
    for backend in backends:
        ours = os.path.join(folder, "import-%s-fuzzy-snapshot" % backend)
        for form in ([], ["--compress", "gz"], ["--compress", "snappy"]):
            to = os.path.join(folder, "export-%s-%s" % (backend, form[-1] if form else "plain"))
            code, out, err = namespace.cli("export", ours, "--to", to, *form)
            code2, out2, err2 = namespace.cli("diff", "-s", "-a", os.path.join(SETS, "fuzzy-snapshot"), to)
            tap.ok((code, code2) == (0, 0),
                   "an export of %s (%s) comes back the same" % (backend, form[-1] if form else "plain"),
                   out + err + out2 + err2)
    code, out, _ = namespace.cli("diff", "-s", "-a", os.path.join(SETS, "torn-tail"), os.path.join(SETS, "basic"))
    tap.ok(code == 1 and "added" in out, "diff finds the one transaction between two directories", out)


def check_dump(tap, folder):
    whole, part = os.path.join(folder, "whole.jsonl"), os.path.join(folder, "part.jsonl")
    basic = os.path.join(SETS, "basic")
    namespace.cli("dump", "--from", basic, "--out", whole)
    to = os.path.join(folder, "restored")
    code, out, err = namespace.cli("restore", whole, "--to", to)
    code2, out2, _ = namespace.cli("diff", "-s", "-a", basic, to)
    tap.ok((code, code2) == (0, 0), "a dump of the whole restores to the same, sessions and ephemerals too",
           out + err + out2)
    same(tap, namespace.dump(to)[:2], expected("basic")[:2], "and to exactly what the real server served")
    namespace.cli("dump", "--from", basic, "--out", part, "/acl")
    to = os.path.join(folder, "moved")
    code, out, err = namespace.cli("restore", part, "--to", to, "--at", "/elsewhere/acl")
    moved = namespace.dump(to)[0]
    was = expected("basic")[0]
    wanted = {"/elsewhere" + path: facts for path, facts in was.items() if (path + "/").startswith("/acl/")}
    got = {path: facts for path, facts in moved.items() if path.startswith("/elsewhere/")}
    tap.ok(code == 0 and namespace.difference(got, wanted) == "", "a part of it restores to another path",
           err + namespace.difference(got, wanted))
    with open(whole) as f:
        lines = f.readlines()
    for name, text in (("cut off", lines[:-1]), ("without a node in its middle", lines[:20] + lines[21:]),
                       ("with a child before its parent", lines[:5] + lines[6:20] + [lines[5]] + lines[20:]),
                       ("that is none", ["hello\n"])):
        broken, to = os.path.join(folder, "broken.jsonl"), os.path.join(folder, "broken")
        with open(broken, "w") as f:
            f.writelines(text)
        code, _, err = namespace.cli("restore", broken, "--to", to)
        tap.ok(code == 1 and err and not os.path.exists(os.path.join(to, "vivarium")), "a dump %s is refused" % name,
               err)


# ---- servers ----

class Server:
    """One server on a directory of the test's own."""

    def __init__(self, data, *lines):
        self.data, self.lines, self.user = data, list(lines), None
        self.log = data + ".log"

    def start(self):
        config = self.data + ".cfg"
        with open(config, "w") as f:
            f.write("\n".join(["dataDir=%s" % self.data, "clientPort=0", "clientPortAddress=127.0.0.1", "tickTime=500",
                               "4lw.commands.whitelist=*", "admin.enableServer=false"] + DURABLE + self.lines) + "\n")
        self.output = open(self.log, "w")
        program = program_for(self.user, os.path.dirname(self.data))
        self.process = subprocess.Popen([program, config], stdout=self.output,
                                        stderr=self.output, preexec_fn=self.prepare)
        return self

    def prepare(self):
        die_with_parent()
        if self.user is not None:
            os.setgid(self.user)
            os.setuid(self.user)

    def text(self):
        with open(self.log) as f:
            return f.read()

    def wait_port(self):
        deadline = time.monotonic() + PATIENCE_S
        while self.process.poll() is None and time.monotonic() < deadline:
            for line in self.text().splitlines():
                if "listening" in line and " client: " in line:
                    return int(line.rsplit("port=", 1)[1].split()[0])
            time.sleep(0.01)
        raise RuntimeError("the server does not serve\n" + self.text())

    def end(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(PATIENCE_S)
        self.output.close()
        return code

    def refused(self):
        """Exit code and errors of a start that must fail."""
        self.start()
        try:
            code = self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            code = None
        self.end(signal.SIGKILL)
        return code, [line for line in self.text().splitlines() if " ERROR " in line]


def attach(port, session, password, timeout_ms=30000):
    """The answer to a connect request for a session: granted timeout and session id."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as s:
        body = struct.pack(">iqiq", 0, 0, timeout_ms, session) + struct.pack(">i", len(password)) + password + b"\0"
        s.sendall(struct.pack(">i", len(body)) + body)
        answer = s.recv(4096)
    _, granted, session = struct.unpack(">iiq", answer[4:20])
    return granted, session


def copy_set(name, to):
    for entry in ("version-2", "myid"):
        source = os.path.join(SETS, name, entry)
        if os.path.isdir(source):
            shutil.copytree(source, os.path.join(to, entry))
        elif os.path.exists(source):
            shutil.copy(source, to)
    return os.path.join(to, "version-2")


def check_drop_in(tap, folder, backends):
    from kazoo.client import KazooClient
    with open(os.path.join(SETS, "basic", "sessions.json")) as f:
        session = json.load(f)["sessions"]["live_with_ephemerals"]
    for backend in backends:
        data = os.path.join(folder, "drop-in-" + backend)
        os.makedirs(data)
        theirs = copy_set("basic", data)
        before = checksum(theirs)
        server = Server(data, "backend=%s" % backend).start()
        port = server.wait_port()
        answer = attach(port, int(session["id"], 16), bytes.fromhex(session["password"]))
        tap.ok(answer[0] > 0 and answer[1] == int(session["id"], 16),
               "%s: a session that ZooKeeper opened is attached to again with its password" % backend, answer)
        tap.ok(attach(port, int(session["id"], 16), b"x" * 16)[0] == 0, "%s: and not with another" % backend)
        client = KazooClient("127.0.0.1:%d" % port)
        client.start(timeout=PATIENCE_S)
        value, stat = client.get("/eph/a1" if client.exists("/eph/a1") else "/plain")
        owned = [path for path, facts in expected("basic")[0].items() if facts["owner"] == int(session["id"], 16)]
        tap.ok(owned and all(client.exists(path).ephemeralOwner == int(session["id"], 16) for path in owned),
               "%s: its ephemeral nodes are there" % backend, owned)
        client.create("/after", b"import")
        tap.ok(client.exists("/after").czxid > 0x4d, "%s: new transactions go on behind the imported ones" % backend)
        client.stop()
        client.close()
        code = server.end(signal.SIGKILL)
        server.start()
        server.wait_port()
        server.end()
        nodes = namespace.dump(data)[0]
        tap.ok("/after" in nodes and all(path in nodes for path in owned) and checksum(theirs) == before,
               "%s: a second start goes on from there; ZooKeeper's files are untouched" % backend, server.text())


def check_split(tap, folder):
    data, logs = os.path.join(folder, "split"), os.path.join(folder, "split-logs")
    os.makedirs(data)
    os.makedirs(os.path.join(logs, "version-2"))
    theirs = copy_set("snap-and-log", data)
    for name in os.listdir(theirs):
        if name.startswith("log."):
            os.rename(os.path.join(theirs, name), os.path.join(logs, "version-2", name))
    server = Server(data, "dataLogDir=%s" % logs).start()
    server.wait_port()
    server.end()
    got = namespace.dump(data, "--log-dir", logs)
    same(tap, got, expected("snap-and-log"), "dataDir and dataLogDir apart are imported, each into its own")


def check_killed_import(tap, folder):
    rng = random.Random(7)
    data = os.path.join(folder, "killed")
    os.makedirs(data)
    copy_set("bulk-20k", data)
    begin = time.monotonic()
    namespace.cli("import", data, "--to", os.path.join(folder, "timed"))
    usual = time.monotonic() - begin
    states, round_number = set(), 0
    while round_number < (12 if IS_LONG else 6) or (len(states) < 2 and round_number < 60):
        round_number += 1
        server = Server(data, SEGMENT).start()
        time.sleep(usual * rng.uniform(0.02, 1.5) * max(1, round_number / 12))
        server.end(signal.SIGKILL)
        names = tuple(sorted(n for n in os.listdir(data) if n.startswith("vivarium")))
        states.add(names)
        if round_number % 3 == 2:
            for name in names:  # as far as it came: begin anew, or an import that had ended
                if name != "vivarium.import":
                    path = os.path.join(data, name)
                    shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
    server = Server(data, SEGMENT).start()
    server.wait_port()
    server.end()
    same(tap, namespace.dump(data), expected("bulk-20k"), "an import that was killed again and again comes out whole")
    tap.ok(len(states) > 1, "it was killed at more than one stage", states)


def check_ran_again(tap, folder):
    data = os.path.join(folder, "again")
    os.makedirs(data)
    theirs = copy_set("torn-tail", data)
    server = Server(data).start()
    server.wait_port()
    server.end()
    with open(os.path.join(theirs, "log.1"), "rb") as f:
        whole = f.read()
    shutil.copy(os.path.join(SETS, "torn-tail", "version-2", "snapshot.0"), os.path.join(theirs, "snapshot.4c"))
    server.start()
    server.wait_port()
    server.end()
    tap.ok(True, "a snapshot of what was imported changes nothing")
    with open(os.path.join(theirs, "log.4d"), "wb") as f:
        f.write(whole[:16])
    code, errors = server.refused()
    tap.ok(code == 3 and len(errors) == 1 and "has run on this data directory since" in errors[0] and
           "log.4d" in errors[0] and "version-2" in errors[0],
           "files of ZooKeeper's that are newer than the import are noticed and refused", errors)
    os.unlink(os.path.join(theirs, "log.4d"))
    with open(os.path.join(theirs, "currentEpoch"), "w") as f:
        f.write("5")
    code, errors = server.refused()
    tap.ok(code == 3 and len(errors) == 1 and "since it was imported" in errors[0], "so is an epoch", errors)
    os.unlink(os.path.join(theirs, "currentEpoch"))
    os.rename(os.path.join(data, "vivarium"), os.path.join(data, "lost"))
    code, errors = server.refused()
    tap.ok(code == 3 and len(errors) == 1 and "was imported here before" in errors[0] and
           not os.path.exists(os.path.join(data, "vivarium")),
           "when our folder is lost the old data does not come back silently", errors)
    os.rename(os.path.join(data, "lost"), os.path.join(data, "vivarium"))
    os.unlink(os.path.join(data, "vivarium", "import.json"))
    code, errors = server.refused()
    tap.ok(code == 3 and len(errors) == 1 and "never imported" in errors[0], "two data sets side by side are refused",
           errors)


def crc32c(data, crc=0):
    crc ^= 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def flip_version(path):
    """Both slots of the hard state as the next version would write them."""
    with open(path, "r+b") as f:
        slots = bytearray(f.read())
        for at in (0, 4096):
            slots[at + 12:at + 16] = struct.pack("<I", 2)
            crc = crc32c(slots[at + 12:at + 4096], crc32c(slots[at:at + 8]))
            slots[at + 8:at + 12] = struct.pack("<I", crc)
        f.seek(0)
        f.write(slots)


def check_damage(tap, folder):
    for name, offset, text in (("a transaction", 63786, "checksum"), ("a length", 63764, "length")):
        data = os.path.join(folder, "damaged-" + name.split()[1])
        os.makedirs(data)
        theirs = copy_set("basic", data)
        with open(os.path.join(theirs, "log.1"), "r+b") as f:
            f.seek(offset)
            f.write(b"\x7f\xff\xff\xff")
        code, errors = Server(data).refused()
        tap.ok(code == 3 and len(errors) == 1 and text in errors[0] and "log.1" in errors[0] and
               "offset=" in errors[0] and os.listdir(data) == ["version-2"], "%s that is damaged is refused with file and offset" % name, errors)
    data = os.path.join(folder, "newer")
    namespace.cli("import", os.path.join(SETS, "basic"), "--to", data)
    hard = os.path.join(data, "vivarium", "hard")
    flip_version(hard)
    code, errors = Server(data).refused()
    tap.ok(code == 3 and errors and any("newer version" in line for line in errors),
           "data of a newer version is refused", errors)
    data = os.path.join(folder, "foreign")
    os.makedirs(data)
    copy_set("basic", data)
    code, errors = Server(data, "backend=memory", "durability=none").refused()
    tap.ok(code == 3 and len(errors) == 1 and "keep nothing" in errors[0],
           "a storage that keeps nothing imports nothing", errors)


def check_past(tap, folder, backends):
    from kazoo.client import KazooClient
    for backend in backends:
        data = os.path.join(folder, "past-" + backend)
        os.makedirs(data)
        server = Server(data, "backend=%s" % backend, "snapCount=40", SEGMENT).start()
        client = KazooClient("127.0.0.1:%d" % server.wait_port(), timeout=20)
        client.start(timeout=PATIENCE_S)
        client.create("/app", b"0")
        history = {}
        for i in range(1, 30):
            client.set("/app", b"%d" % i)
            client.create("/app/n%02d" % i, b"x" * i, ephemeral=i % 5 == 0)
            history[client.exists("/app").pzxid] = i
        code, out, err = namespace.cli("inspect", data)
        tap.ok(code == 1 and "running server holds" in err,
               "%s: the directory of a running server is refused" % backend, out + err)
        last = max(history)
        server.end(signal.SIGKILL)
        before = checksum(os.path.join(data, "vivarium"))
        found = set()
        for zxid, i in list(history.items())[1::6]:
            code, out, err = namespace.cli("dirget", data, "/app", "--as-of", "0x%x" % zxid)
            if code == 0:
                found.add(out.strip() == str(i))
        tap.ok(found == {True}, "%s: the past is read as it was" % backend, found)
        code, out, err = namespace.cli("dirget", data, "/app", "--as-of", "0x%x" % (last + 1000))
        tap.ok(code == 1 and "older than what is asked" in err, "%s: the future is not" % backend, out + err)
        some = sorted(history)[-3]
        to = data + "-back"
        code, out, err = namespace.cli("rollback", data, "--to-zxid", "0x%x" % some, "--to", to, "--backend", backend)
        tap.ok(code == 0 and checksum(os.path.join(data, "vivarium")) == before,
               "%s: a rollback leaves the original untouched" % backend, out + err)
        back = Server(to, "backend=%s" % backend).start()
        port = back.wait_port()
        client.set_hosts("127.0.0.1:%d" % port)
        value = client.retry(client.get, "/app")[0]
        tap.ok(value == b"%d" % history[some] and client.exists("/app").pzxid == some,
               "%s: a client that has seen the future comes back by itself" % backend, value)
        client.set("/app", b"on")
        tap.ok(client.exists("/app").mzxid > last, "%s: and its writes come after everything it has seen" % backend)
        client.stop()
        client.close()
        back.end()


def check_online(tap, folder):
    from kazoo.client import KazooClient
    data, dump = os.path.join(folder, "online"), os.path.join(folder, "online.jsonl")
    os.makedirs(data)
    server = Server(data).start()
    at = "127.0.0.1:%d" % server.wait_port()
    namespace.cli("dump", "--from", os.path.join(SETS, "fuzzy-snapshot"), "--out", dump, "/pool")
    code, out, err = namespace.cli("--server", at, "--json", "restore", dump, "--at", "/copy/pool")
    was = {p: f for p, f in expected("fuzzy-snapshot")[0].items() if (p + "/").startswith("/pool/")}
    kept = {p: f for p, f in was.items() if f["owner"] >> 56 == 0xff or f["owner"] in (0, 1 << 63)}
    tap.ok(code == 0 and json.loads(out)["created"] == len(kept) and
           json.loads(out)["ephemerals_left_out"] == len(was) - len(kept),
           "a dump is restored through a server, to another path", out + err)
    code, out, err = namespace.cli("--server", at, "dump", "/copy/pool")
    lines = out.splitlines()
    got = namespace.dumped(lines)[0] if code == 0 else {}
    pick = ("data", "acl")
    tap.ok({p[5:]: [f[k] for k in pick] for p, f in got.items()} == {p: [f[k] for k in pick] for p, f in kept.items()},
           "and dumped through it with the same values and ACLs", err)
    code, _, err = namespace.cli("--server", at, "restore", dump, "--at", "/copy/pool")
    tap.ok(code == 1 and "there already" in err, "what is there already is not overwritten unasked", err)
    namespace.cli("dump", "--from", os.path.join(SETS, "basic"), "--out", dump, "/seq")
    counts = []
    for more in ([], ["--overwrite"]):
        code, out, err = namespace.cli("--server", at, "--json", "restore", dump, *more)
        counts.append(json.loads(out)["overwritten" if more else "created"] if code == 0 else err)
    tap.ok(counts[0] == counts[1] and counts[0] > 3, "and is when asked", counts)
    client = KazooClient(at)
    client.start(timeout=PATIENCE_S)
    client.create("/copy/mine", b"e", ephemeral=True)
    code, out, err = namespace.cli("--server", at, "dump", "/copy/mine")
    tap.ok('"kind":"ephemeral"' in out, "an ephemeral node is told as such", out)
    client.stop()
    client.close()
    server.end()


def state_of(ensemble, index):
    """What a server shows of its zxid and its digests."""
    return sorted(item for item in ensemble.mntr(index).items()
                  if item[0].startswith("viv_") and ("digest" in item[0] or item[0].endswith("_zxid")))


def check_tail(tap):
    """A member whose last transaction never reached the others: it gives it up, whoever begins."""
    for first in ((0, 1), (0, 2)):
        ensemble = Ensemble("vivarium", 3, backend=build_configurations()[0])
        try:
            for index, name in enumerate(("torn-tail", "torn-tail", "basic")):
                os.makedirs(ensemble.data_dir(index))
                copy_set(name, ensemble.data_dir(index))
            for index in first:
                ensemble.start(index)
            ensemble.wait_serving(first)
            ensemble.start_all()
            ensemble.wait_serving()
            deadline = time.monotonic() + PATIENCE_S
            while time.monotonic() < deadline:
                shown = [state_of(ensemble, index) for index in range(3)]
                if shown[0] and shown[0] == shown[1] == shown[2]:
                    break
                time.sleep(0.1)
            tap.ok(len(shown[0]) >= 3 and shown[0] == shown[1] == shown[2] and ensemble.died() == [],
                   "an imported member with a tail of its own joins servers %d and %d" % (first[0] + 1, first[1] + 1),
                   "%s\n%s" % (shown, ensemble.logs()))
        finally:
            ensemble.close()


def check_member_rollback(tap):
    """Every member is rolled back to the same transaction, each into a directory of its own."""
    ensemble = Ensemble("vivarium", 3, backend=build_configurations()[0])
    try:
        said = []
        for index in range(3):
            said.append(namespace.cli("rollback", "--backend", "flat", os.path.join(SETS, "quorum-member"), "--to-zxid",
                                      "0x200000005", "--to", ensemble.data_dir(index), "--to-server-id", index + 1))
        wanted = namespace.dump(os.path.join(SETS, "quorum-member"), "--as-of", "0x200000005")[0]
        ensemble.start_all()
        ensemble.wait_serving()
        epochs = [int(four_letter(port, "srvr").split("Zxid: ")[1].split()[0], 16) >> 32
                  for port in ensemble.client_ports]
        for index in range(3):
            ensemble.terminate(index)
        got = namespace.dump(ensemble.data_dir(1))[0]
        tap.ok(all(code == 0 for code, _, _ in said) and min(epochs) >= 3 and
               set(got) == set(wanted) and got["/"]["data"] == wanted["/"]["data"],
               "three members that were rolled back form an ensemble in a later epoch", "%s %s" % (said, epochs))
    finally:
        ensemble.close()


def check_permissions(tap, folder):
    if os.geteuid() != 0:
        tap.skip("ZooKeeper's files that this user may not read are refused", "only root can become somebody else")
        return
    data = os.path.join(folder, "private")
    os.makedirs(data)
    theirs = copy_set("basic", data)
    for path in (folder, data):
        os.chmod(path, 0o755)
    os.chown(data, 65534, 65534)
    os.chmod(theirs, 0o700)
    server = Server(data)
    server.user = 65534
    code, errors = server.refused()
    tap.ok(code == 3 and len(errors) == 1 and "cannot be read" in errors[0] and "vivarium" not in os.listdir(data),
           "ZooKeeper's files that this user may not read are refused", "%s %s %s" % (code, errors, server.text()))
    os.chown(data, 0, 0)
    os.chmod(theirs, 0o755)
    code, errors = server.refused()
    tap.ok(code == 3 and len(errors) == 1 and "cannot be made" in errors[0],
           "so is a place where this user may not write", "%s %s %s" % (code, errors, server.text()))


def check_inspect(tap, folder):
    code, out, err = namespace.cli("--json", "inspect", os.path.join(SETS, "fuzzy-long"))
    facts = json.loads(out)
    tap.ok(code == 0 and facts["sound"] and facts["format"] == "zookeeper" and facts["snapshot"] == "snapshot.f7f" and
           len(facts["files"]) == 17, "inspect tells what ZooKeeper's directory holds", out + err)
    broken = os.path.join(folder, "inspect")
    shutil.copytree(os.path.join(folder, "import-flat-basic"), broken)
    for name in os.listdir(os.path.join(broken, "vivarium")):
        if name.startswith("snap-"):
            with open(os.path.join(broken, "vivarium", name), "r+b") as f:
                f.seek(1000)
                byte = f.read(1)
                f.seek(1000)
                f.write(bytes([byte[0] ^ 1]))
    before = checksum(broken)
    code, out, err = namespace.cli("--json", "inspect", broken)
    tap.ok(code == 1 and not json.loads(out)["sound"] and checksum(broken) == before,
           "a damaged image is told by the exit code, and nothing is repaired", out + err)
    code, out, err = namespace.cli("inspect", os.path.join(folder, "nowhere"))
    tap.ok(code != 0 and err, "a directory that is not there is told", err)


def main():
    tap = Tap()
    backends = build_configurations()
    with tempfile.TemporaryDirectory(prefix="viv-offline-") as folder:
        os.environ["TMPDIR"] = folder
        check_import(tap, folder, backends)
        check_export(tap, folder, backends)
        check_inspect(tap, folder)
        check_dump(tap, folder)
        check_split(tap, folder)
        check_killed_import(tap, folder)
        check_ran_again(tap, folder)
        check_damage(tap, folder)
        check_tail(tap)
        check_permissions(tap, folder)
        check_member_rollback(tap)
        try:
            import kazoo  # noqa: F401
        except ImportError:
            tap.skip("servers and clients on imported data", "kazoo is not installed")
            tap.done()
            return
        check_drop_in(tap, folder, backends)
        check_past(tap, folder, backends)
        check_online(tap, folder)
        left = [name for name in os.listdir(folder) if name.startswith("vivarium-")]
        tap.ok(left == [], "no copy is left behind", left)
    tap.done()


if __name__ == "__main__":
    main()
