"""The server as a program: it starts on a port that the kernel chose, answers four-letter words and the stock kazoo
client, stops cleanly on SIGTERM, keeps its data over kill -9, and says what is wrong when it cannot start. TAP on
standard output.
"""

import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from ensemble import BUILD, PATIENCE_S, Tap, default_configuration, four_letter, free_ports  # noqa: E402

from kazoo.client import KazooClient  # noqa: E402
from kazoo.exceptions import KazooException  # noqa: E402

PROGRAM = os.path.join(BUILD, "vivarium")


class Server:
    """One server in a folder of its own."""

    def __init__(self, folder, extra=""):
        self.folder = folder
        self.data = os.path.join(folder, "data")
        self.config = os.path.join(folder, "server.cfg")
        self.errors = os.path.join(folder, "stderr")
        self.output = os.path.join(folder, "stdout")
        with open(self.config, "w") as f:
            f.write("dataDir=%s\nclientPort=0\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n%s" % (self.data, extra))
        self.process = None
        self.port = None

    def start(self, environment=None):
        ports = os.path.join(self.data, "ports")
        if os.path.exists(ports):
            os.unlink(ports)  # a killed server leaves it
        with open(self.errors, "ab") as errors, open(self.output, "wb") as output:
            self.process = subprocess.Popen([PROGRAM, self.config], stdout=output, stderr=errors,
                                            stdin=subprocess.DEVNULL, env=dict(os.environ, **(environment or {})))
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline and self.process.poll() is None:
            if os.path.exists(ports):
                with open(ports) as f:
                    self.port = int(re.match(r"client=(\d+)\n", f.read()).group(1))
                if four_letter(self.port, "isro") == "rw":
                    return self
            time.sleep(0.01)
        raise RuntimeError("the server does not serve:\n" + self.log())

    def log(self):
        with open(self.errors, errors="replace") as f:
            return f.read()

    def client(self):
        client = KazooClient(hosts="127.0.0.1:%d" % self.port, timeout=10)
        client.start(timeout=PATIENCE_S)
        return client

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        try:
            return self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None


def run_to_end(folder, lines):
    """Starts with a configuration that must be refused; returns exit code and what was said."""
    path = os.path.join(folder, "refused.cfg")
    with open(path, "w") as f:
        f.write(lines)
    done = subprocess.run([PROGRAM, path], capture_output=True, text=True, timeout=PATIENCE_S)
    return done.returncode, done.stderr


def volatile(extra):
    return extra + ("durability=none\n" if default_configuration() == "memory" else "")


def check_words(tap, server):
    tap.ok(four_letter(server.port, "ruok") == "imok", "ruok is answered imok")
    srvr = four_letter(server.port, "srvr")
    tap.ok(re.match(r"Zookeeper version: [^,]+, built on .*\nLatency min/avg/max: \d+/\d+\.\d+/\d+\nReceived: \d+\n"
                    r"Sent: \d+\nConnections: \d+\nOutstanding: \d+\nZxid: 0x[0-9a-f]+\nMode: standalone\n"
                    r"Node count: 5\n$", srvr) is not None, "srvr of a fresh server has the lines of ZooKeeper", srvr)
    mntr = dict(line.split("\t", 1) for line in four_letter(server.port, "mntr").splitlines())
    tap.ok(mntr.get("zk_server_state") == "standalone" and mntr.get("zk_znode_count") == "5",
           "mntr names state and node count", mntr)
    tap.ok("clientPort=%d\n" % server.port in four_letter(server.port, "conf"), "conf shows the port that was chosen")
    tap.ok(four_letter(server.port, "wchs") == "wchs is not executed because it is not in the whitelist.\n",
           "a word outside the whitelist is refused in ZooKeeper's words")
    tap.ok(four_letter(server.port, "ruok\n") == "imok", "a newline behind a word does no harm")


def check_frames(tap, server):
    results = []
    for bad in (b"\xff\xff\xff\xff", struct.pack(">I", 1048576), b"\0\0\0\0", b"xxxx"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as s:
            s.sendall(bad)
            try:
                results.append(s.recv(1))
            except ConnectionResetError:
                results.append(b"")
    tap.ok(results == [b""] * 4, "frames of impossible length close their connection without a reply", results)
    tap.ok(1 <= server.log().count("a frame of impossible length") <= 2, "and one line a second tells of them",
           server.log())


def check_client(tap, server):
    client = server.client()
    try:
        tap.ok(client.create("/smoke", b"one") == "/smoke", "kazoo creates")
        stat = client.set("/smoke", b"two")
        tap.ok(stat.version == 1 and client.get("/smoke")[0] == b"two", "kazoo sets and gets", stat)
        client.create("/gone", b"")
        client.delete("/gone")
        tap.ok(client.exists("/gone") is None, "kazoo deletes")
        many = [client.create_async("/smoke/n", b"x" * 100, sequence=True) for _ in range(2000)]
        tap.ok([m.get(20) for m in many] == ["/smoke/n%010d" % i for i in range(2000)],
               "2000 pipelined creates are answered in order")
        big = b"b" * 1000000
        client.create("/smoke/big", big)
        tap.ok(client.get("/smoke/big")[0] == big, "a megabyte comes back whole")
    finally:
        client.stop()
        client.close()


def check_kept(tap, server, name):
    client = server.client()
    try:
        tap.ok(client.get("/smoke")[0] == b"two" and len(client.get_children("/smoke")) == 2001, name)
    finally:
        client.stop()
        client.close()


def check_life(tap, server):
    with open(server.output) as f:
        report = json.loads(f.read())
    tap.ok(report.get("event") == "recovery" and report.get("entries_replayed") == 0,
           "the start prints its recovery as one JSON line", report)
    tap.ok(oct(os.stat(os.path.join(server.data, "vivarium")).st_mode & 0o777) == "0o700",
           "the data directory is private")
    code, text = run_to_end(server.folder, "dataDir=%s\nclientPort=0\n%s" % (server.data, volatile("")))
    tap.ok(code == 3 and "another process holds this data directory" in text, "a busy directory is refused", text)
    other = os.path.join(server.folder, "other")
    code, text = run_to_end(server.folder, "dataDir=%s\nclientPortAddress=127.0.0.1\nclientPort=%d\n%s" %
                            (other, server.port, volatile("")))
    tap.ok(code == 2 and "the client port cannot be opened" in text, "a busy port is refused", text)
    if default_configuration() != "memory":
        server.stop(signal.SIGKILL)
        server.start()
        check_kept(tap, server, "kill -9 and a restart keep every write")
        with open(server.output) as f:
            tap.ok(json.loads(f.read())["entries_replayed"] > 2000, "because the log was replayed")
    code = server.stop()
    tap.ok(code == 0, "SIGTERM ends the process with exit code 0", "%s\n%s" % (code, server.log()))
    tap.ok(not os.path.exists(os.path.join(server.data, "ports")), "and takes the ports file away")
    if default_configuration() != "memory":
        server.start()
        check_kept(tap, server, "a clean restart keeps every write")
        server.stop(signal.SIGINT)
    with open(os.path.join(server.folder, "trace")) as f:
        codes = [json.loads(line)["code"] for line in f]
    wanted = ["INIT_OK", "SNAP_OK", "LOG_OK", "REPLAY_OK", "SERVING", "FIRST_CONN"]
    tap.ok([c for c in codes if c in wanted][:6] == wanted, "the milestones of a start are traced in order", codes)


def check_refusals(tap, folder):
    code, text = run_to_end(folder, "dataDir=/nowhere\ntickTime=soon\nbackend=tape\n")
    tap.ok(code == 2 and "refused.cfg:2: error: tickTime=soon: not a whole number; legal: 1 to " in text and
           "refused.cfg:3: error: backend=tape: " in text and "clientPort is missing" in text,
           "every error of a file is listed with its line", text)
    theirs = os.path.join(folder, "theirs")
    os.makedirs(os.path.join(theirs, "version-2"))
    with open(os.path.join(theirs, "version-2", "log.1"), "w") as f:
        f.write("theirs")
    code, text = run_to_end(folder, "dataDir=%s\nclientPort=0\n%s" % (theirs, volatile("")))
    tap.ok(code == 3 and "Apache ZooKeeper" in text and os.listdir(theirs) == ["version-2"],
           "a damaged directory of ZooKeeper's is refused and left alone", text)
    for arguments, code in (([], 2), (["--nonsense"], 2), (["--help"], 0), (["--version"], 0)):
        done = subprocess.run([PROGRAM] + arguments, capture_output=True, text=True, timeout=PATIENCE_S)
        tap.ok(done.returncode == code and (done.stdout + done.stderr) != "",
               "vivarium %s ends with %d" % (" ".join(arguments), code))


def write_until_it_ends(server):
    """Creates nodes until the server is gone; returns how many were acknowledged."""
    client = server.client()
    acknowledged = 0
    try:
        while acknowledged < 5000:
            client.create("/w%08d" % acknowledged, b"x" * 100)
            acknowledged += 1
    except KazooException:
        pass
    finally:
        client.stop()
        client.close()
    return acknowledged


def check_failing_disk(tap, folder):
    """The disk refuses every call from some call on: the process ends at once, and what it had acknowledged is there."""
    shim = os.path.join(BUILD, "syscall_shim.so")
    if not os.path.exists(shim):
        tap.skip("a failing disk ends the process", "make check builds syscall_shim.so")
        return
    home = os.path.join(folder, "failing")
    os.makedirs(home)
    server = Server(home, volatile("log.segmentBytes=1048576\n"))
    server.start({"LD_PRELOAD": shim, "VIV_SHIM_AT": "300", "VIV_SHIM_DO": "dead",
                  "ASAN_OPTIONS": "verify_asan_link_order=0"})
    acknowledged = write_until_it_ends(server)
    code = server.process.wait(PATIENCE_S)
    lines = [line for line in server.log().splitlines() if "the storage failed" in line]
    tap.ok(code == 3 and len(lines) == 1 and "phase=" in lines[0] and "path=" + server.data in lines[0],
           "a disk that fails ends the process with exit code 3 and one line", "%s\n%s" % (code, server.log()))
    server.start()
    client = server.client()
    tap.ok(0 < acknowledged <= len([n for n in client.get_children("/") if n.startswith("w")]),
           "and nothing that was acknowledged is lost", acknowledged)
    client.stop()
    client.close()
    server.stop(signal.SIGKILL)
    check_damaged_log(tap, server)


def check_damaged_log(tap, server):
    folder = os.path.join(server.data, "vivarium")
    log = os.path.join(folder, sorted(name for name in os.listdir(folder) if name.startswith("log-"))[0])
    with open(log, "r+b") as f:
        at = f.read().index(b"x" * 100)  # the data of the first node that was written
        f.seek(at)
        f.write(b"y")
    done = subprocess.run([PROGRAM, server.config], capture_output=True, text=True, timeout=PATIENCE_S)
    tap.ok(done.returncode == 3 and "file=" + log in done.stderr and "offset=" in done.stderr and
           "zxid=" in done.stderr and "do=" in done.stderr,
           "a log that is damaged in its middle is refused: file, offset, zxid and what to do", done.stderr)


def check_ensemble(tap, folder):
    ports = free_ports(6)
    lines = "initLimit=10\nsyncLimit=5\ntickTime=500\n" + "".join(
        "server.%d=127.0.0.1:%d:%d\n" % (i + 1, ports[2 * i], ports[2 * i + 1]) for i in range(3))
    servers = []
    try:
        for i in range(3):
            home = os.path.join(folder, "server-%d" % (i + 1))
            os.makedirs(os.path.join(home, "data"))
            with open(os.path.join(home, "data", "myid"), "w") as f:
                f.write("%d\n" % (i + 1))
            server = Server(home, volatile(lines))
            with open(server.errors, "ab") as errors:
                server.process = subprocess.Popen([PROGRAM, server.config], stdout=errors, stderr=errors,
                                                  stdin=subprocess.DEVNULL)
            servers.append(server)
        modes = wait_modes(servers)
        tap.ok(sorted(modes) == ["follower", "follower", "leader"], "three servers elect one leader",
               "%s\n%s" % (modes, "\n".join(s.log() for s in servers)))
        if sorted(modes) == ["follower", "follower", "leader"]:
            client = servers[modes.index("follower")].client()
            client.create("/through", b"a follower")
            client.stop()
            client.close()
            client = servers[modes.index("leader")].client()
            client.sync("/")
            tap.ok(client.get("/through")[0] == b"a follower", "a write through a follower is read at the leader")
            client.stop()
            client.close()
        codes = [s.stop() for s in servers]
        tap.ok(codes == [0, 0, 0], "each stops cleanly on SIGTERM", codes)
    finally:
        for server in servers:
            if server.process.poll() is None:
                server.process.kill()
                server.process.wait()


def wait_modes(servers):
    deadline = time.monotonic() + PATIENCE_S
    modes = []
    while time.monotonic() < deadline:
        modes = []
        for server in servers:
            ports = os.path.join(server.data, "ports")
            if os.path.exists(ports):
                with open(ports) as f:
                    server.port = int(re.match(r"client=(\d+)\n", f.read()).group(1))
                match = re.search(r"^Mode: (\w+)", four_letter(server.port, "srvr"), re.M)
                modes.append(match.group(1) if match else "none")
        if len(modes) == 3 and "none" not in modes:
            break
        time.sleep(0.05)
    return modes


def main():
    tap = Tap()
    folder = tempfile.mkdtemp(prefix="viv-smoke-")
    server = Server(folder, volatile("trace.file=%s/trace\n" % folder))
    try:
        server.start()
        check_words(tap, server)
        check_frames(tap, server)
        check_client(tap, server)
        check_life(tap, server)
        check_refusals(tap, folder)
        if default_configuration() != "memory":
            check_failing_disk(tap, folder)
        check_ensemble(tap, folder)
    finally:
        if server.process is not None and server.process.poll() is None:
            server.process.kill()
            server.process.wait()
        shutil.rmtree(folder, ignore_errors=True)
    tap.done()
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
