"""Disks that fill, fail and rot below real servers, alone and three, in the build's default configuration.

A full disk refuses writes with SystemError while reads are served, and takes them again when there is room; a disk
that fails ends the process at once with exit code 3 and one line; a torn tail is cut; a damaged newest image is set
aside for the one before. Never is anything lost that was acknowledged. Full disks are small tmpfs mounts: without
root they are skipped. TAP.
"""

import json
import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from ensemble import (BUILD, IS_LONG, PATIENCE_S, Ensemble, Tap, connect, default_configuration, fill_disk,  # noqa: E402
                      four_letter, leave, wait_until)

from kazoo.exceptions import KazooException, NodeExistsError, SystemZookeeperError  # noqa: E402

DISK_BYTES = 48 << 20
SHIM = os.path.join(BUILD, "syscall_shim.so")
FAILING_CALLS = (70, 151, 242, 420) if IS_LONG else (151, 242)
WRITERS = 3


class SmallDisks(Ensemble):
    """Every server has a disk of its own, which can be filled and emptied."""

    def __init__(self, servers):
        super().__init__("vivarium", servers, settings={"log.segmentBytes": 1048576, "tickTime": 500})
        self.mounted = []
        for index in range(servers):
            os.makedirs(self.data_dir(index), mode=0o700)
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%d" % DISK_BYTES, "none", self.data_dir(index)],
                           check=True)
            self.mounted.append(self.data_dir(index))

    def fill(self, index):
        fill_disk(os.path.join(self.data_dir(index), "filler"))

    def empty(self, index):
        os.unlink(os.path.join(self.data_dir(index), "filler"))

    def close(self):
        mounted, self.mounted = getattr(self, "mounted", []), []
        keep, self.keep = self.keep, True
        super().close()
        for path in mounted:
            subprocess.run(["umount", "-l", path], check=False)
        self.keep = keep
        super().close()


def can_mount():
    if os.geteuid() != 0:
        return False
    try:
        disk = SmallDisks(1)
        disk.close()
        return True
    except (OSError, subprocess.CalledProcessError):
        return False


class Writer(threading.Thread):
    """Creates numbered nodes; remembers what was acknowledged and what was refused."""

    def __init__(self, number, hosts, data=b"d" * 2000):
        super().__init__(daemon=True)
        self.number, self.data = number, data
        self.client = connect(hosts, randomize_hosts=True)
        self.acknowledged, self.refused, self.other = [], 0, []
        self.is_stopped = threading.Event()

    def run(self):
        tried = 0
        while not self.is_stopped.is_set():
            name = "/w%d-%06d" % (self.number, tried)
            tried += 1
            try:
                self.client.create(name, self.data)
                self.acknowledged.append(name)
            except SystemZookeeperError:
                self.refused += 1
                self.is_stopped.wait(0.01)
            except NodeExistsError:
                self.acknowledged.append(name)  # the answer of a first try was lost, the node was not
            except KazooException as error:
                self.other.append(repr(error))
                self.is_stopped.wait(0.02)

    def stop(self):
        self.is_stopped.set()
        self.join(PATIENCE_S)
        leave(self.client)


def lost(hosts, writers):
    client = connect(hosts)
    client.sync("/")
    present = set(client.get_children("/"))
    leave(client)
    return [name for writer in writers for name in writer.acknowledged if name[1:] not in present]


def more_from_each(writers):
    """Condition: every writer was acknowledged once more from now on."""
    counts = [len(w.acknowledged) for w in writers]
    return lambda: all(len(w.acknowledged) > count for w, count in zip(writers, counts))


def check_full_alone(tap):
    with SmallDisks(1) as server:
        writers = [Writer(i, server.hosts()) for i in range(WRITERS)]
        for writer in writers:
            writer.start()
        wait_until(more_from_each(writers))
        server.fill(0)
        tap.ok(wait_until(lambda: sum(w.refused for w in writers) > 20), "a full disk refuses writes with SystemError",
               "%s\n%s" % ([(w.refused, w.other[:3]) for w in writers], server.logs()))
        reads = []

        def read():  # a new session is a write too: one that was there before reads on
            reads.append(writers[0].client.get(writers[0].acknowledged[0])[0] == writers[0].data)

        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        thread.join(PATIENCE_S)
        tap.ok(reads == [True] and four_letter(server.client_ports[0], "isro") == "rw", "and reads are served",
               "%s\n%s" % (reads, server.logs()))
        server.empty(0)
        tap.ok(wait_until(more_from_each(writers)), "when there is room again writes are served by themselves",
               "%s\n%s" % ([(w.refused, w.other[:3]) for w in writers], server.logs()))
        server.fill(0)
        before = sum(w.refused for w in writers)
        wait_until(lambda: sum(w.refused for w in writers) > before + 5)
        server.kill(0)
        for writer in writers:
            writer.is_stopped.set()
        server.empty(0)
        server.start(0)
        server.wait_serving()
        for writer in writers:
            writer.stop()
        missing = lost(server.hosts(), writers)
        tap.ok(not missing, "a server killed while its disk is full has lost nothing acknowledged", missing[:20])


def check_full_of_three(tap):
    with SmallDisks(3) as servers:
        writers = [Writer(i, servers.hosts()) for i in range(WRITERS)]
        for writer in writers:
            writer.start()
        wait_until(more_from_each(writers))
        leader = servers.wait_leader()
        follower = (leader + 1) % 3
        servers.fill(follower)
        time.sleep(1.0)
        tap.ok(wait_until(more_from_each(writers)), "with the disk of one follower full the others go on", servers.logs())
        servers.empty(follower)
        leader = servers.wait_leader()
        servers.fill(leader)
        before = sum(w.refused for w in writers)
        moved = wait_until(lambda: sum(w.refused for w in writers) > before or servers.leader() not in (leader, None))
        tap.ok(moved, "with the disk of the leader full it says so, or another leads", servers.logs())
        servers.empty(leader)
        tap.ok(wait_until(more_from_each(writers)), "when there is room again writes are served by themselves",
               "%s\n%s" % ([(w.refused, w.other[-3:]) for w in writers], servers.logs()))
        for writer in writers:
            writer.stop()
        servers.wait_serving()
        missing = lost(servers.hosts(), writers)
        tap.ok(not missing, "nothing acknowledged is lost", missing[:20])
        tap.ok(servers.wait_equal(), "and all three agree",
               "%s\n%s" % (servers.states(), servers.logs()))


def write_some(server, count, data=b"x" * 100):
    writer = Writer(0, server.hosts(), data)
    writer.start()
    wait_until(lambda: len(writer.acknowledged) >= count or server.died())
    return writer


def log_files(server):
    folder = os.path.join(server.data_dir(0), "vivarium")
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.startswith("log-")]


def check_torn_tail(tap):
    with Ensemble("vivarium", settings={"log.segmentBytes": 1048576}) as server:
        writer = write_some(server, 200)
        server.kill(0)
        writer.is_stopped.set()
        newest = max(log_files(server), key=lambda path: os.stat(path).st_mtime_ns)
        with open(newest, "r+b") as f:
            end = len(f.read().rstrip(b"\0"))
            f.seek((end + 511) // 512 * 512)
            f.write(os.urandom(3000))  # what a write that was cut off by the power may leave
        server.start(0)
        server.wait_serving()
        writer.stop()
        missing = lost(server.hosts(), [writer])
        tap.ok(not missing, "a torn tail is cut, and nothing acknowledged is lost",
               "%s\n%s" % (missing[:9], server.logs()))


def check_failing(tap):
    if not os.path.exists(SHIM):
        tap.skip("a disk that fails ends the process", "make check builds syscall_shim.so")
        return
    for number in FAILING_CALLS:
        with Ensemble("vivarium", settings={"log.segmentBytes": 1048576, "snapCount": 100}) as server:
            server.terminate(0)
            os.environ.update(LD_PRELOAD=SHIM, VIV_SHIM_AT=str(number), VIV_SHIM_DO="sync",
                              ASAN_OPTIONS="verify_asan_link_order=0")
            server.start(0)
            for name in ("LD_PRELOAD", "VIV_SHIM_AT", "VIV_SHIM_DO", "ASAN_OPTIONS"):
                del os.environ[name]
            process = server.processes[0]
            try:
                server.wait_serving()
                writer = write_some(server, 20000)
                writer.is_stopped.set()
                code = process.wait(PATIENCE_S)
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                tap.ok(False, "the first sync from call %d on fails and the process ends" % number,
                       "%s\n%s" % (error, server.logs()))
                continue
            with open(server.log_file(0)) as f:
                lines = [line for line in f if "the storage failed" in line]
            server.processes[0] = None
            server.start(0)
            server.wait_serving()
            writer.stop()
            missing = lost(server.hosts(), [writer])
            tap.ok(code == 3 and len(lines) == 1 and not missing,
                   "the first sync from call %d on fails: exit code 3, one line, nothing acknowledged is lost" % number,
                   "exit %s, lost %s\n%s" % (code, missing[:9], server.logs()))


def images(server):
    return sorted(n for n in os.listdir(os.path.join(server.data_dir(0), "vivarium"))
                  if n.startswith("snap-") and "." not in n)


def log_bytes(server):
    return sum(os.stat(path).st_size for path in log_files(server))


def check_reserve(tap):
    """A reserve that no disk has: the fallback goes. None at all: it stays."""
    kept = {}
    for reserve in (0, 1 << 30):
        settings = {"log.segmentBytes": 1048576, "snapCount": 200, "disk.reserveMiB": reserve}
        with Ensemble("vivarium", settings=settings) as server:
            writer = write_some(server, 3000, b"x" * 1000)
            writer.stop()
            if reserve:
                wait_until(lambda: "the disk runs low" in open(server.log_file(0)).read() and len(images(server)) <= 1 and
                           log_bytes(server) <= kept[0][1])
            kept[reserve] = (len(images(server)), log_bytes(server))
            server.kill(0)
            server.start(0)
            server.wait_serving()
            missing = lost(server.hosts(), [writer])
            tap.ok(not missing, "with a reserve of %d MiB nothing acknowledged is lost" % reserve, missing[:9])
    if default_configuration() == "flat":
        tap.ok(kept[0][0] >= 2 and kept[1 << 30][0] == 1, "older images go when the disk runs low, and only then", kept)
    tap.ok(kept[1 << 30][1] <= kept[0][1], "and the log is no longer for it", kept)


def check_damaged_image(tap):
    name = "a damaged newest image falls back to the one before and the log"
    if default_configuration() != "flat":
        tap.skip(name, "the images of this configuration are damaged in test_backends")
        return
    with Ensemble("vivarium", settings={"log.segmentBytes": 1048576, "snapCount": 200}) as server:
        folder = os.path.join(server.data_dir(0), "vivarium")

        writer = write_some(server, 1200)
        wait_until(lambda: len(images(server)) >= 2)
        writer.stop()
        server.terminate(0)
        found = images(server)
        newest = os.path.join(folder, found[-1])
        with open(newest, "r+b") as f:
            f.seek(os.stat(newest).st_size // 2)
            byte = f.read(1)
            f.seek(-1, os.SEEK_CUR)
            f.write(bytes([byte[0] ^ 0x10]))
        server.start(0)
        server.wait_serving()
        with open(server.log_file(0)) as f:
            text = f.read()
        reports = [json.loads(line) for line in text.splitlines() if line.startswith('{"event":"recovery"')]
        told = [line for line in text.splitlines() if found[-1] in line]
        missing = lost(server.hosts(), [writer])
        tap.ok(reports[-1]["images_rejected"] == 1 and told and not missing, name,
               "%s\nlost %s\n%s" % (found, missing[:9], server.logs()))


def main():
    tap = Tap()
    if default_configuration() == "memory":
        tap.skip("disk faults", "memory has no disk")
        tap.done()
        return
    check_torn_tail(tap)
    check_damaged_image(tap)
    check_reserve(tap)
    check_failing(tap)
    if can_mount():
        check_full_alone(tap)
        check_full_of_three(tap)
    else:
        tap.skip("full disks", "no small file system can be mounted here")
    tap.done()


if __name__ == "__main__":
    main()
