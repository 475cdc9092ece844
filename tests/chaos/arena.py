"""A machine room for one ensemble: each server in a network namespace and on a file system of its own.

The script that uses it runs in namespaces of its own for processes, mounts and the network (`enter`), so that the
kernel takes everything away when it ends, however it ends. Its own network namespace is the hub that routes between
all others; a cut is a rule there that drops packets of one direction. Server N is 10.66.N.2, all clients are
10.66.100.2. The file systems are ext4 on loop devices: they fill up, and lose what was not synced at a power cut.
"""

import fcntl
import os
import re
import signal
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from ensemble import BUILD, SERVING, die_with_parent, end_of, fill_disk, four_letter  # noqa: E402

SHIM = os.path.join(os.path.abspath(BUILD), "sync_shim.so")
CLIENTS = 100                # their place beside the servers 1, 2, ...
CLIENT_PORT = 2181
DISK_BYTES = 192 << 20
# The chronicler takes no image, because an exported log begins behind the newest one, and has room for all its log.
CHRONICLE_TXNS, CHRONICLE_BYTES = 10**9, 2 << 30
EXT4_SHUTDOWN = 0x8004587D   # EXT4_IOC_SHUTDOWN
WITHOUT_FLUSH = 2            # ... EXT4_GOING_FLAGS_NOLOGFLUSH: as if the power had gone
PASS, SLOW, FROZEN, FAILING, LYING = range(5)
OUTSIDE = "VIV_CHAOS_INSIDE"


def missing():
    """Why this machine has no room, or ''."""
    if os.geteuid() != 0:
        return "namespaces and loop devices need root"
    for program in ("ip", "unshare", "nsenter", "mkfs.ext4", "mount"):
        if subprocess.run(["which", program], capture_output=True, check=False).returncode != 0:
            return "%s is not installed (iproute2, util-linux, e2fsprogs)" % program
    return "" if os.path.exists(SHIM) else "%s is not built" % SHIM


def enter():
    """Runs this script once more in namespaces of its own and returns its exit code, or None when this is that run."""
    if os.environ.get(OUTSIDE):
        run("ip", "link", "set", "lo", "up")
        with open("/proc/sys/net/ipv4/ip_forward", "w") as f:
            f.write("1")
        return None
    process = subprocess.Popen(["unshare", "--fork", "--pid", "--kill-child", "--mount-proc", "--mount", "--net",
                                sys.executable] + sys.argv, env=dict(os.environ, **{OUTSIDE: "1"}),
                               preexec_fn=die_with_parent)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: process.kill())
    return process.wait()


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError("%s: %s" % (" ".join(command), done.stderr.strip()))
    return done.stdout


def address(place):
    return "10.66.%d.2" % place


class Disk:
    """An ext4 of its own. `path` is where it is mounted."""

    def __init__(self, folder, name, size):
        self.image, self.path, self.size = os.path.join(folder, name + ".img"), os.path.join(folder, name), size
        os.makedirs(self.path)
        self.make()

    def make(self):
        with open(self.image, "wb") as f:
            f.truncate(self.size)
        run("mkfs.ext4", "-q", "-F", "-m", "0", self.image)
        run("mount", "-o", "loop", self.image, self.path)

    def wipe(self):
        run("umount", self.path)
        self.make()

    def lose_power(self):
        """What was not synced is gone; nobody may have files open here when it comes back."""
        fd = os.open(self.path, os.O_RDONLY)
        fcntl.ioctl(fd, EXT4_SHUTDOWN, struct.pack("I", WITHOUT_FLUSH))
        os.close(fd)

    def come_back(self):
        run("umount", self.path)
        run("mount", "-o", "loop", self.image, self.path)

    def fill(self):
        fill_disk(os.path.join(self.path, "filler"))

    def empty(self):
        try:
            os.unlink(os.path.join(self.path, "filler"))
        except FileNotFoundError:
            pass


class Server:
    """One of the ensemble; the one beyond the arena's count is the chronicler. `expected_end`: a fault made it end by
    itself."""

    def __init__(self, arena, number, backend):
        self.arena, self.number, self.backend = arena, number, backend
        self.namespace = arena.network(number)
        self.is_chronicler = number > arena.count
        self.disk = Disk(arena.folder, "disk-%d" % number, CHRONICLE_BYTES if self.is_chronicler else DISK_BYTES)
        self.control = os.path.join(arena.folder, "sync-%d" % number)
        self.log = os.path.join(arena.results, "server-%d.log" % number)
        self.process = None
        self.expected_end = False
        self.sync(PASS)

    def sync(self, deed, ms=0):
        """What becomes of its syncs (tests/support/sync_shim.c)."""
        fd = os.open(self.control, os.O_RDWR | os.O_CREAT, 0o600)
        os.pwrite(fd, struct.pack("II", deed, ms), 0)
        os.close(fd)

    def config(self):
        data = os.path.join(self.disk.path, "data")
        os.makedirs(data, mode=0o700, exist_ok=True)
        with open(os.path.join(data, "myid"), "w") as f:
            f.write("%d\n" % self.number)
            f.flush()
            os.fsync(f.fileno())
        settings = dict(self.arena.settings, dataDir=data, backend=self.backend)
        if self.is_chronicler:
            settings.update({"peerType": "observer", "snapCount": CHRONICLE_TXNS})
        settings["admin.serverAddress"] = address(self.number)
        for other in range(1, self.arena.count + 1):
            settings["server.%d" % other] = "%s:2888:3888" % address(other)
        settings["server.%d" % (self.arena.count + 1)] = "%s:2888:3888:observer" % address(self.arena.count + 1)
        path = os.path.join(self.arena.folder, "server-%d.cfg" % self.number)
        with open(path, "w") as f:
            f.write("".join("%s=%s\n" % item for item in settings.items()))
        return path

    def start(self):
        assert self.process is None
        self.expected_end = False
        command = ["nsenter", "--net=/proc/%d/ns/net" % self.namespace, "--", os.path.join(BUILD, "vivarium"),
                   self.config()]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                            preexec_fn=die_with_parent,
                                            env=dict(os.environ, LD_PRELOAD=SHIM, VIV_SYNC_CONTROL=self.control,
                                                     ASAN_OPTIONS="verify_asan_link_order=0"))

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.wait()

    def terminate(self, timeout=20):
        """SIGTERM; the exit code, None when it did not end."""
        process, self.process = self.process, None
        process.terminate()
        return end_of(process, timeout)

    def ended(self):
        """The exit code of a server that ended by itself, else None."""
        return None if self.process is None else self.process.poll()

    def word(self, word):
        return four_letter(CLIENT_PORT, word, timeout=1.0, host=address(self.number))

    def mode(self):
        found = re.search(r"^Mode: (\w+)", self.word("srvr"), re.M)
        return found.group(1) if found else ""

    def state(self):
        """(zxid, digest) of its tree at one moment, or None."""
        pairs = dict(line.split("\t", 1) for line in self.word("mntr").splitlines() if "\t" in line)
        try:
            return (int(pairs["viv_group_0_last_zxid"], 0),
                    pairs["viv_group_0_digest"] + "/" + pairs["viv_group_0_digest_extra"])
        except (KeyError, ValueError):
            return None


class Arena:
    """settings: of every server's configuration. folder: for disks; results: for logs that stay. `servers` vote, and are
    whom faults strike; the chronicler observes untroubled, so that its log tells the whole order that was committed."""

    def __init__(self, folder, results, backends, settings):
        self.folder, self.results, self.settings, self.count = folder, results, settings, len(backends)
        self.cuts, self.holders = set(), []
        self.clients = self.network(CLIENTS)
        self.servers = [Server(self, number + 1, backend) for number, backend in enumerate(backends)]
        self.chronicler = Server(self, self.count + 1, backends[0])
        self.everybody = self.servers + [self.chronicler]

    def network(self, place):
        """A network namespace, joined to the hub; the process whose namespace it is."""
        holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"], preexec_fn=die_with_parent)
        self.holders.append((place, holder))
        own = os.readlink("/proc/self/ns/net")
        while os.readlink("/proc/%d/ns/net" % holder.pid) == own:
            time.sleep(0.01)
        link, inside = "h%d" % place, ["nsenter", "--net=/proc/%d/ns/net" % holder.pid, "--", "ip"]
        run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", str(holder.pid))
        run("ip", "addr", "add", "10.66.%d.1/24" % place, "dev", link)
        run("ip", "link", "set", link, "up")
        run(*inside, "link", "set", "lo", "up")
        run(*inside, "addr", "add", address(place) + "/24", "dev", "eth0")
        run(*inside, "link", "set", "eth0", "up")
        run(*inside, "route", "add", "default", "via", "10.66.%d.1" % place)
        return holder.pid

    def close(self):
        """Makes room for another arena."""
        self.mend()
        for server in self.everybody:
            server.kill()
            run("umount", server.disk.path)
        for place, holder in self.holders:
            run("ip", "link", "del", "h%d" % place)
            holder.kill()
            holder.wait()

    def beside_clients(self, *command):
        """Starts a program where the clients are."""
        return subprocess.Popen(["nsenter", "--net=/proc/%d/ns/net" % self.clients, "--"] + list(command),
                                stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)

    def cut(self, pairs):
        """Nothing goes from one to the other of each pair of places any more."""
        for pair in set(pairs) - self.cuts:
            run("ip", "rule", "add", "from", address(pair[0]), "to", address(pair[1]), "pref", "100", "blackhole")
            self.cuts.add(pair)

    def mend(self, pairs=None):
        for pair in set(self.cuts if pairs is None else pairs) & self.cuts:
            run("ip", "rule", "del", "from", address(pair[0]), "to", address(pair[1]), "pref", "100", "blackhole")
            self.cuts.discard(pair)

    def leader(self):
        """The number of who leads, or None."""
        for server in self.servers:
            if server.process is not None and server.mode() == "leader":
                return server.number
        return None

    def await_leader(self, limit_s=30):
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            number = self.leader()
            if number is not None:
                return number
            time.sleep(0.05)
        raise RuntimeError("nobody leads within %d s" % limit_s)

    def await_serving(self, limit_s=60):
        """Until all serve; the numbers of those that do not."""
        deadline = time.monotonic() + limit_s
        waiting = {server.number for server in self.everybody}
        while waiting and time.monotonic() < deadline:
            waiting = {n for n in waiting if self.everybody[n - 1].mode() not in SERVING}
            if waiting:
                time.sleep(0.05)
        return sorted(waiting)
