"""Starts real servers for tests: ours, or Apache ZooKeeper from Debian, alone or as an ensemble on loopback.

Every server is a child in a process group of its own, in a temporary directory; leaving the `with` block stops them
by pid and removes everything. Ports are free ones, kept for this process.
"""

import atexit
import ctypes
import glob
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

BUILD = os.environ.get("VIV_BUILD_DIR", ".")
IS_LONG = bool(os.environ.get("VIV_LONG"))  # as .ci/run sets it: more of the same
JARS = ("zookeeper", "zookeeper-jute", "slf4j-api", "slf4j-nop", "netty-all", "netty-buffer", "netty-codec",
        "netty-common", "netty-handler", "netty-resolver", "netty-transport", "netty-transport-native-unix-common",
        "netty-transport-native-epoll", "snappy-java", "metrics-core", "commons-cli", "jline2", "log4j-1.2")


SERVING = ("leader", "follower", "observer", "standalone")
PATIENCE_S = 60  # for whatever will come: a busy machine may take long, and who waits for it in vain has failed anyway
PORTS = range(10000, 32768)  # below those that a kernel gives to outgoing connections
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def die_with_parent():
    """In the child: a test that is killed leaves no server behind."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


# A test that is told to stop cleans up as at its end.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def zookeeper_class_path():
    """The class path of Debian's ZooKeeper, or None when it is not installed."""
    jars = ["/usr/share/java/%s.jar" % name for name in JARS]
    present = [jar for jar in jars if os.path.exists(jar)]
    if "/usr/share/java/zookeeper.jar" not in present or shutil.which("java") is None:
        return None
    return ":".join(present)


def is_sanitized():
    """Under a sanitizer memory that was given back still counts as resident for a while."""
    names = subprocess.run(["nm", "-D", os.path.join(BUILD, "vivarium")], capture_output=True).stdout
    return b"__asan_init" in names or b"__tsan_init" in names


def program_for(user, folder):
    """The server; for another user a copy in `folder`, because the build itself may lie where that user cannot look."""
    program = os.path.join(BUILD, "vivarium")
    if user is None:
        return program
    copy = os.path.join(folder, "server-of-another-user")
    shutil.copy(program, copy)
    os.chmod(copy, 0o755)
    return copy


def is_free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


KEPT = []


def free_ports(count):
    """Ports at which nobody listens, for this process as long as it lives: an abstract name for each keeps other tests away,
    and no outgoing connection takes one while its server is down."""
    ports = []
    for port in random.Random().sample(PORTS, 4000):
        if len(ports) == count:
            break
        name = socket.socket(socket.AF_UNIX)
        try:
            name.bind("\0viv-test-port-%d" % port)
        except OSError:
            name.close()
            continue
        KEPT.append(name)
        if is_free(port):
            ports.append(port)
    assert len(ports) == count, "no free ports"
    return ports


def wait_until(condition, timeout=PATIENCE_S, pause=0.01):
    """Until the condition holds; what it gave last. An OSError counts as no: who is asked may not be there yet."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            found = condition()
        except OSError:
            found = None
        if found or time.monotonic() > deadline:
            return found
        time.sleep(pause)


def kazoo_client(hosts, timeout=20, **options):
    """A client that tries again soon and for ever."""
    from kazoo.client import KazooClient  # not every test has it
    return KazooClient(hosts=hosts, timeout=timeout, connection_retry={
        "max_tries": -1, "delay": 0.02, "backoff": 1, "max_jitter": 0.02}, **options)


def connect(hosts, timeout=20, **options):
    client = kazoo_client(hosts, timeout, **options)
    client.start(timeout=PATIENCE_S)
    return client


def leave(client):
    client.stop()
    client.close()


def fill_disk(path):
    """Writes the file until nothing more fits on its disk."""
    with open(path, "ab", buffering=0) as filler:
        for size in (1 << 20, 4096):
            try:
                while True:
                    filler.write(b"f" * size)
            except OSError:
                pass


def end_of(process, limit_s):
    """The exit code of a process that ends in time, None when it had to be killed."""
    try:
        return process.wait(limit_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None


def four_letter(port, word, timeout=20.0, host="127.0.0.1"):
    """The answer to a four-letter word, or '' when nobody answers."""
    try:
        with socket.create_connection((host, port), timeout=timeout) as s:
            s.settimeout(timeout)
            s.sendall(word.encode())
            parts = []
            while True:
                part = s.recv(65536)
                if not part:
                    return b"".join(parts).decode("utf-8", "replace")
                parts.append(part)
    except OSError:
        return ""


def waited_s(pid):
    """Seconds for which the threads of a process could have run and had no processor."""
    waited_ns = 0
    for path in glob.glob("/proc/%d/task/*/schedstat" % pid):
        try:
            with open(path) as f:
                waited_ns += int(f.read().split()[1])
        except OSError:
            pass  # a thread that has ended meanwhile
    return waited_ns / 1e9


class Metronome(threading.Thread):
    """What this machine is to blame for, where something has a limit of time: how late it wakes who sleeps, at worst, and
    how long it let the process `pid` wait for a processor."""

    def __init__(self, pid=None):
        super().__init__(daemon=True)
        self.worst_s, self.is_stopped = 0.0, False
        self.pid, self.before_s = pid or os.getpid(), waited_s(pid or os.getpid())

    def run(self):
        while not self.is_stopped:
            began = time.monotonic()
            time.sleep(0.01)
            self.worst_s = max(self.worst_s, time.monotonic() - began - 0.01)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.is_stopped = True
        self.join()

    def allows(self, limit_s):
        """The limit, for something that waits for a few wake-ups: a client's, a server's, its threads'."""
        return limit_s + 5 * self.worst_s + waited_s(self.pid) - self.before_s


class Ensemble:
    """kind: 'vivarium' or 'zookeeper'. backend: a storage configuration of ours, None for the build's default.
    java: more options for ZooKeeper's virtual machine. observers: indexes of servers that do not vote."""

    def __init__(self, kind, servers=1, backend=None, settings=None, keep=False, java=(), observers=()):
        self.kind, self.servers, self.backend, self.keep, self.java = kind, servers, backend, keep, list(java)
        self.observers = set(observers)
        self.settings = {"tickTime": 2000, "initLimit": 10, "syncLimit": 5, "maxClientCnxns": 0}
        self.settings.update(settings or {})
        self.folder = tempfile.mkdtemp(prefix="viv-test-")
        ports = free_ports(3 * servers)
        self.client_ports = ports[:servers]
        self.peer_ports = [(ports[servers + 2 * i], ports[servers + 2 * i + 1]) for i in range(servers)]
        self.processes = [None] * servers
        atexit.register(self.close)

    def __enter__(self):
        self.start_all()
        self.wait_serving()
        return self

    def __exit__(self, *_):
        self.close()

    def host(self, index):
        return "127.0.0.1:%d" % self.client_ports[index]

    def hosts(self):
        return ",".join(self.host(index) for index in range(self.servers))

    def data_dir(self, index):
        return os.path.join(self.folder, "server-%d" % (index + 1))

    def log_file(self, index):
        return os.path.join(self.folder, "server-%d.log" % (index + 1))

    def _config(self, index):
        data = self.data_dir(index)
        os.makedirs(data, mode=0o700, exist_ok=True)
        settings = {"4lw.commands.whitelist": "*"}  # a setting of None is left to the server
        settings.update(self.settings)
        lines = ["%s=%s" % item for item in settings.items() if item[1] is not None]
        lines += ["dataDir=%s" % data, "clientPort=%d" % self.client_ports[index], "clientPortAddress=127.0.0.1"]
        if self.kind == "vivarium":
            if "admin.serverPort" not in self.settings:
                lines.append("admin.enableServer=false")  # many servers run beside one another
            if self.backend:
                lines.append("backend=%s" % self.backend)
            if self.backend == "memory":
                lines.append("durability=none")
        else:
            lines.append("admin.enableServer=false")
        if self.servers > 1:
            for i, (quorum, election) in enumerate(self.peer_ports):
                role = ":observer" if i in self.observers else ""
                lines.append("server.%d=127.0.0.1:%d:%d%s" % (i + 1, quorum, election, role))
            if index in self.observers:
                lines.append("peerType=observer")
            with open(os.path.join(data, "myid"), "w") as f:
                f.write("%d\n" % (index + 1))
        path = os.path.join(self.folder, "server-%d.cfg" % (index + 1))
        with open(path, "w") as f:
            f.write("\n".join(lines) + "\n")
        return path

    def command(self, index):
        config = self._config(index)
        if self.kind == "vivarium":
            return [os.path.join(BUILD, "vivarium"), config]
        return ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Dzookeeper.extendedTypesEnabled=true"] + self.java + [
            "-cp", zookeeper_class_path(), "org.apache.zookeeper.server.quorum.QuorumPeerMain", config]

    def start(self, index):
        assert self.processes[index] is None
        with open(self.log_file(index), "ab") as log:
            self.processes[index] = subprocess.Popen(self.command(index), stdout=log, stderr=log,
                                                     stdin=subprocess.DEVNULL, start_new_session=True,
                                                     preexec_fn=die_with_parent)

    def start_all(self):
        for index in range(self.servers):
            if self.processes[index] is None:
                self.start(index)

    def signal(self, index, number):
        self.processes[index].send_signal(number)

    def kill(self, index):
        """SIGKILL, as a crash of the process."""
        process, self.processes[index] = self.processes[index], None
        if process is not None:
            process.kill()
            process.wait()

    def terminate(self, index, timeout=PATIENCE_S):
        """SIGTERM; returns the exit code."""
        process, self.processes[index] = self.processes[index], None
        process.terminate()
        return end_of(process, timeout)

    def mode(self, index, timeout=20.0):
        for line in four_letter(self.client_ports[index], "srvr", timeout).splitlines():
            if line.startswith("Mode: "):
                return line[6:].strip()
        return ""

    def leader(self):
        for index in range(self.servers):
            if self.processes[index] is not None and self.mode(index) in ("leader", "standalone"):
                return index
        return None

    def wait_leader(self):
        """Its index, once there is one."""
        found = []
        wait_until(lambda: found.append(self.leader()) or found[-1] is not None)
        return found[-1]

    def mntr(self, index):
        pairs = (line.split("\t", 1) for line in four_letter(self.client_ports[index], "mntr").splitlines()
                 if "\t" in line)
        return dict(pairs)

    def states(self):
        """What each server's tree is: its newest zxid, and digests of all of it."""
        shown = [self.mntr(index) for index in range(self.servers)]
        return [tuple(pairs[key] for key in sorted(pairs) if key.startswith("viv_") and ("digest" in key or "zxid" in key))
                for pairs in shown]

    def wait_equal(self, timeout=PATIENCE_S):
        """Until all servers show the same tree: whether they do."""
        def equal():
            shown = self.states()
            return len(set(shown)) == 1 and all(shown[0])
        return wait_until(equal, timeout)

    def died(self):
        """Indexes of servers that ended although nobody stopped them."""
        return [i for i, p in enumerate(self.processes) if p is not None and p.poll() is not None]

    def wait_serving(self, indexes=None, timeout=PATIENCE_S):
        """Until each of the servers says that it serves. Raises with the end of their logs."""
        began = time.monotonic()
        waiting = set(range(self.servers) if indexes is None else indexes)
        while waiting:
            waited = time.monotonic() - began
            # A server of Java's that starts takes connections which it never answers: soon another.
            waiting = {i for i in waiting if self.mode(i, 0.25 + waited / 4) not in SERVING}
            if self.died() or (waiting and waited > timeout):
                raise RuntimeError("servers %s do not serve\n%s" % (sorted(i + 1 for i in waiting), self.logs()))
            if waiting:
                time.sleep(0.02)

    def logs(self, lines=30):
        parts = []
        for index in range(self.servers):
            try:
                with open(self.log_file(index), errors="replace") as f:
                    parts.append("--- server %d\n%s" % (index + 1, "".join(f.readlines()[-lines:])))
            except OSError:
                pass
        return "\n".join(parts)

    def close(self):
        for index, process in enumerate(self.processes):
            if process is not None:
                try:
                    os.killpg(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                process.wait()
                self.processes[index] = None
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)


class Tap:
    """Prints results in the Test Anything Protocol."""

    def __init__(self):
        self.count = 0
        self.failed = 0

    def ok(self, passed, name, detail=""):
        self.count += 1
        self.failed += not passed
        print("%s %d - %s" % ("ok" if passed else "not ok", self.count, name), flush=True)
        if not passed:
            for line in str(detail).splitlines()[:60]:
                print("# " + line, flush=True)
        return passed

    def skip(self, name, why):
        self.count += 1
        print("ok %d - %s # SKIP %s" % (self.count, name, why), flush=True)

    def done(self):
        """The end. Whoever started the script by itself is told by its exit code, too."""
        print("1..%d" % self.count, flush=True)
        if self.failed:
            sys.exit(1)


def build_configurations():
    """Durable configurations that this build has, from its own --version line."""
    try:
        text = subprocess.run([os.path.join(BUILD, "vivarium"), "--version"], capture_output=True, text=True,
                              timeout=10).stdout
    except OSError:
        return []
    return [name for name in ("flat", "lmdb-wal", "rocksdb-wal") if name in text]


def default_configuration():
    text = subprocess.run([os.path.join(BUILD, "vivarium"), "--version"], capture_output=True, text=True,
                          timeout=10).stdout
    for line in text.splitlines():
        if line.startswith("default backend: "):
            return line.split(": ", 1)[1].strip()
    return "flat"
