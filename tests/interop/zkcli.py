"""ZooKeeper's own shell, zkCli.sh, against Vivarium: every command that it has for data, one answer each. TAP.
Part of `make interop`: skipped where Debian's zookeeper is not installed."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from ensemble import Ensemble, Tap, build_configurations, zookeeper_class_path  # noqa: E402

LIMIT_S = 60
# (command, what its answer contains)
SESSION = (
    ("create /cli one", "Created /cli"),
    ("create /cli again", "Node already exists: /cli"),
    ("get /cli", "one"),
    ("get -s /cli", "dataVersion = 0"),
    ("set /cli two", ""),
    ("set -v 7 /cli no", "version No is not valid"),
    ("stat /cli", "dataVersion = 1"),
    ("create -s /cli/seq- x", "Created /cli/seq-0000000000"),
    ("create -e /cli/gone x", "Created /cli/gone"),
    ("create -c /cli/container", "Created /cli/container"),
    ("create -t 900000 /cli/ttl x", "Created /cli/ttl"),
    ("ls /cli", "[container, gone, seq-0000000000, ttl]"),
    ("ls -R /cli", "/cli/seq-0000000000"),
    ("getAllChildrenNumber /cli", "4"),
    ("getEphemerals /cli", "/cli/gone"),
    ("addauth digest me:mine", ""),
    ("setAcl /cli/seq-0000000000 auth::cdrwa", ""),
    ("getAcl /cli/seq-0000000000", "'digest,'me:"),
    ("whoami", "digest: me"),
    ("sync /cli", "Sync is OK"),
    ("setquota -n 100 /cli", ""),
    ("listquota /cli", "count=100"),
    ("delquota /cli", ""),
    ("addWatch -m PERSISTENT_RECURSIVE /cli", ""),
    ("create /cli/watched x", "Created /cli/watched"),
    ("removewatches /cli", ""),
    ("delete /cli/watched", ""),
    ("delete /nothing", "Node does not exist: /nothing"),
    ("deleteall /cli", ""),
    ("stat /cli", "Node does not exist: /cli"),
    ("version", "version"),
    ("history", "delquota /cli"),
)


def converse(port):
    """What the shell printed: answers, and what it tells beside them."""
    lines = "".join("%s\n" % command for command, _ in SESSION) + "quit\n"
    run = subprocess.run(["java", "-Xmx128m", "-XX:+UseSerialGC", "-cp", zookeeper_class_path(),
                          "org.apache.zookeeper.ZooKeeperMain", "-server", "127.0.0.1:%d" % port, "-waitforconnection"],
                         input=lines, capture_output=True, text=True, timeout=LIMIT_S)
    return run.stdout, run.stderr


def single(port, command):
    """One command on the command line: its answer is nobody else's."""
    run = subprocess.run(["java", "-Xmx128m", "-XX:+UseSerialGC", "-cp", zookeeper_class_path(),
                          "org.apache.zookeeper.ZooKeeperMain", "-server", "127.0.0.1:%d" % port, "-waitforconnection"] +
                         command.split(), capture_output=True, text=True, timeout=LIMIT_S)
    return run.returncode, run.stdout + run.stderr


def main():
    tap = Tap()
    if zookeeper_class_path() is None:
        tap.skip("zkCli.sh works", "Debian's zookeeper is not installed")
        tap.done()
        return
    for backend in sys.argv[1:] or build_configurations():
        for servers in (1, 3):
            with Ensemble("vivarium", servers, backend, {"extendedTypesEnabled": "true"}) as service:
                name = "%s, %d servers" % (backend, servers)
                said = converse(service.client_ports[servers - 1])
                missing, at = [], [0, 0]
                for command, wanted in SESSION:
                    found = [text.find(wanted, start) for text, start in zip(said, at)]
                    if max(found) < 0:
                        missing.append("%s: no %r" % (command, wanted))
                    at = [max(pair) for pair in zip(found, at)] if min(found) < 0 else at
                tap.ok(not missing, "zkCli's commands are answered in their order: %s" % name,
                       "\n".join(missing) + "\n" + "\n".join(said)[-4000:])
                code, said = single(service.client_ports[0], "create /once x")
                tap.ok(code == 0 and "Created /once" in said, "zkCli runs one command: %s" % name, said)
                code, said = single(service.client_ports[0], "delete /missing")
                tap.ok(code != 0 and "does not exist" in said, "zkCli fails where the service refuses: %s" % name, said)
    tap.done()
    sys.exit(tap.failed > 0)


if __name__ == "__main__":
    main()
