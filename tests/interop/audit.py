"""The audit log: a script of operations gives the lines that Apache ZooKeeper writes (recorded in audit_lines.txt; with
--real that record is compared with a live server, --record writes it anew); a file that cannot be written stops nobody.
TAP on standard output.
"""

import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from ensemble import PATIENCE_S, Ensemble, Tap, connect, leave, zookeeper_class_path  # noqa: E402

from kazoo.exceptions import KazooException  # noqa: E402
from kazoo.security import make_acl  # noqa: E402

LINES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "audit_lines.txt")


class Real(Ensemble):
    """Its audit log goes to standard error."""

    def command(self, index):
        words = super().command(index)
        at = words.index("-cp") + 1
        words[at] = words[at].replace("slf4j-nop", "slf4j-simple")
        return words


def tried(call, *args, **options):
    try:
        call(*args, **options)
    except KazooException:
        pass


def operations(port):
    client = connect("127.0.0.1:%d" % port)
    client.create("/au", b"x")
    tried(client.create, "/au", b"x")
    tried(client.create, "/nope/x", b"")
    client.create("/au/e", b"", ephemeral=True)
    client.create("/au/s-", b"", sequence=True)
    client.create("/au/es-", b"", ephemeral=True, sequence=True)
    tried(client.create, "/nope/s-", b"", sequence=True)
    client.set("/au", b"y")
    tried(client.set, "/nope", b"")
    tried(client.set, "/au", b"", version=9)
    client.add_auth("digest", "alice:secret")
    client.set_acls("/au/s-0000000001", [make_acl("world", "anyone", all=True), make_acl("ip", "127.0.0.1", read=True)])
    tried(client.set_acls, "/nope", [make_acl("world", "anyone", all=True)])
    client.set_acls("/au/s-0000000001", [make_acl("digest", "a:b", read=True, create=True),
                                         make_acl("auth", "", all=True)])
    client.add_auth("digest", "bob:secret")
    multi = client.transaction()
    multi.create("/au/t1", b"")
    multi.create("/au/t2-", b"", sequence=True)
    multi.create("/au/t3", b"", ephemeral=True)
    multi.set_data("/au/t1", b"q")
    multi.check("/au/t1", 1)
    multi.delete("/au/t1")
    multi.commit()
    multi = client.transaction()
    multi.create("/au/t1", b"")
    multi.delete("/nope")
    multi.commit()
    multi = client.transaction()
    multi.check("/au", 1)
    multi.commit()
    client.delete("/au/s-0000000001")
    tried(client.delete, "/nope")
    tried(client.delete, "/au")
    tried(client.delete, "/")
    tried(client.create, "/\u00fc/\u0001", b"")
    client.get("/au")
    client.sync("/")
    leave(client)


def normal(line):
    """One line without time, names and chance: users and the ends of one session have no order."""
    line = re.sub(r"session=0x[0-9a-f]+", "session=S", line)
    line = re.sub(r"user=([^\t]+)", lambda m: "user=" + ",".join(sorted(m.group(1).split(","))), line)
    return line.replace("\x01", "?")


def lines_of(text):
    """(level, line) of each, the ends of ephemerals sorted behind all others but the server's."""
    found = [(m.group(1), normal(m.group(2))) for m in
             re.finditer(r"^[^\n]*?\b(INFO|ERROR)\b[^\n]*?((?:session|user)=[^\n]*operation=[^\n]*)$", text, re.M)]
    ends = sorted(item for item in found if "operation=ephemeral" in item[1])
    return ["%s %s" % item for item in [i for i in found if i not in ends and "operation=server" not in i[1]] + ends]


def wait_for(path, text, seconds=10):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if os.path.exists(path):
            with open(path, errors="replace") as f:
                content = f.read()
            if text in content:
                return content
        time.sleep(0.02)
    return ""


def real_lines():
    with Real("zookeeper", 1, settings={"audit.enable": "true"}) as ensemble:
        operations(ensemble.client_ports[0])
        time.sleep(0.5)
        with open(ensemble.log_file(0), errors="replace") as f:
            return lines_of(f.read())


def check_lines(tap, recorded):
    with Ensemble("vivarium", 1, settings={"audit.enable": "true"}) as ensemble:
        operations(ensemble.client_ports[0])
        path = os.path.join(ensemble.data_dir(0), "audit.log")
        text = wait_for(path, "znode=/au/t3\tresult=success")
        ours = lines_of(text)
        tap.ok(ours == recorded, "the lines are ZooKeeper's", "\n".join(
            "recorded %s\nours     %s" % pair for pair in zip(recorded, ours) if pair[0] != pair[1]) or
            "%d recorded, %d ours" % (len(recorded), len(ours)))
        tap.ok(lines_of(text.replace("setData", "setDate", 1)) != recorded, "a line that differs is noticed")
        stamps = [re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (INFO|ERROR) audit: ", line) for line in
                  text.splitlines()]
        tap.ok(stamps and all(stamps), "each line has its time and level", text[:500])
        tap.ok(os.stat(path).st_mode & 0o777 == 0o600, "the file is its owner's alone")
        moved = path + ".1"
        os.rename(path, moved)
        client = connect(ensemble.host(0))
        client.create("/after", b"")
        tap.ok("znode=/after\t" in wait_for(path, "znode=/after\t"), "a file that was moved away is made anew")
        leave(client)
        code = ensemble.terminate(0)
        with open(path) as f:
            last = f.read().splitlines()[-1]
        tap.ok(code == 0 and last.endswith("\toperation=serverStop\tresult=invoked"), "the stop is the last line", last)
        with open(moved) as f:
            first = f.readline()
        tap.ok("\toperation=serverStart\tresult=success" in first, "the start is the first", first)


def check_followers(tap):
    with Ensemble("vivarium", 3, settings={"audit.enable": "true"}) as ensemble:
        follower = next(i for i in range(3) if ensemble.mode(i) == "follower")
        client = connect(ensemble.host(follower))
        client.create("/here", b"", ephemeral=True)
        leave(client)
        texts = [wait_for(os.path.join(ensemble.data_dir(i), "audit.log"), "OnSessionCloseOrExpire\tznode=/here\t")
                 for i in range(3)]
        creates = ["operation=create\tznode=/here\t" in text for text in texts]
        tap.ok(all(texts) and [i for i in range(3) if creates[i]] == [follower],
               "a write is told where the client is attached, the end of an ephemeral everywhere", creates)


def check_failures(tap):
    with Ensemble("vivarium", 1, settings={"audit.enable": "true", "audit.file": "/dev/full"}) as ensemble:
        client = connect(ensemble.host(0))
        for i in range(20):
            client.create("/n%d" % i, b"")
        leave(client)
        code = ensemble.terminate(0)
        with open(ensemble.log_file(0)) as f:
            said = f.read().count("the audit log cannot be written")
        tap.ok(code == 0 and said == 1, "a log that cannot be written stops nobody and is told once", said)
    ensemble = Ensemble("vivarium", 1, settings={"audit.enable": "true", "audit.file": "/proc/nowhere/audit"})
    try:
        ensemble.start(0)
        code = ensemble.processes[0].wait(PATIENCE_S)
        ensemble.processes[0] = None
        tap.ok(code == 2 and "set audit.file" in ensemble.logs(), "one that cannot be opened stops the start",
               "%s %s" % (code, ensemble.logs()))
    finally:
        ensemble.close()
    with Ensemble("vivarium", 1) as ensemble:
        operations(ensemble.client_ports[0])
        tap.ok(not os.path.exists(os.path.join(ensemble.data_dir(0), "audit.log")), "without audit.enable there is none")


def main():
    if "--record" in sys.argv:
        with open(LINES, "w") as f:
            f.write("\n".join(real_lines()) + "\n")
        return 0
    with open(LINES) as f:
        recorded = f.read().splitlines()
    tap = Tap()
    check_lines(tap, recorded)
    check_followers(tap)
    check_failures(tap)
    if "--real" in sys.argv:
        if zookeeper_class_path() is None:
            tap.skip("the record is ZooKeeper's", "it is not installed")
        else:
            tap.ok(real_lines() == recorded, "the record is ZooKeeper's")
    tap.done()
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
