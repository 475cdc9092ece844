"""Two of three servers are lost with their disks: vivarium-cli rescue finds what the third knows, leaves it as it is, and
begins anew from it, as one server or as three; stock clients, which have seen what is lost, come back by themselves.
TAP."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time

from kazoo.client import KazooClient

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from ensemble import BUILD, Ensemble, Tap, build_configurations, default_configuration, leave  # noqa: E402

PROGRAM = os.path.join(BUILD, "vivarium-cli")
NODES = 300


def rescue(*words, options=()):
    return subprocess.run([PROGRAM, *options, "rescue", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60)


def fingerprint(folder):
    """Every file's name, time and content."""
    prints = []
    for root, folders, files in os.walk(folder):
        for name in sorted(files):
            path = os.path.join(root, name)
            with open(path, "rb") as f:
                prints.append((path, os.stat(path).st_mtime_ns, hashlib.sha256(f.read()).hexdigest()))
        prints.append((root, os.stat(root).st_mtime_ns, ""))
    return sorted(prints)


def patiently(action, seconds=30):
    deadline = time.monotonic() + seconds
    while True:
        try:
            return action()
        except Exception as error:  # noqa: BLE001: whatever a client says while there is no server
            if time.monotonic() > deadline:
                return error
            time.sleep(0.1)


def lose_two(tap, ensemble, client):
    """The third lags: it is stopped first, so that clients have seen more than it knows."""
    client.create("/kept", b"1")
    client.create("/mine", b"x", ephemeral=True)
    for made in [client.create_async("/kept/n%d" % i, b"v") for i in range(NODES)]:
        made.get()
    client.sync("/")
    third = next(i for i in range(3) if i != ensemble.leader() and str(ensemble.client_ports[i]) not in attached(client))
    time.sleep(0.2)
    ensemble.kill(third)
    client.create("/lost", b"2")
    seen = client.last_zxid
    for index in range(3):
        if index != third:
            ensemble.kill(index)
            shutil.rmtree(ensemble.data_dir(index))
    tap.ok(True, "two of three servers are gone, and a client has seen 0x%x" % seen)
    return third, seen


def attached(client):
    return str(client._connection._socket.getpeername()[1]) if client._connection._socket else ""


def check_refusals(tap, ensemble, survivor, folder):
    running = rescue(ensemble.data_dir(survivor))
    tap.ok(running.returncode == 1 and "run" in running.stderr, "a directory that a server holds is refused",
           running.stderr)
    ensemble.kill(survivor)
    nothing = rescue(os.path.join(folder, "nothing"))
    tap.ok(nothing.returncode == 1 and "none of these directories" in nothing.stderr, "no data is told", nothing.stderr)
    wrong = rescue("--servers", "1,,2", ensemble.data_dir(survivor))
    tap.ok(wrong.returncode == 2 and "numbers from 1" in wrong.stderr, "server numbers are checked", wrong.stderr)


def start_anew(ensemble, folders, ids):
    """Servers on the old client ports, with their data in `folders`."""
    for index, folder in enumerate(folders):
        shutil.rmtree(ensemble.data_dir(index), ignore_errors=True)
        shutil.move(folder, ensemble.data_dir(index))
    ensemble.servers = len(ids)
    ensemble.start_all()
    ensemble.wait_serving()


def check_clients(tap, client, session, seen, what):
    names = patiently(lambda: client.get_children("/kept"))
    mine = patiently(lambda: client.exists("/mine"))
    tap.ok(len(names) == NODES and client.client_id[0] == session and mine is not None and client.exists("/lost") is None,
           "the client is back on %s with its session and its ephemeral node, and finds what was kept" % what,
           (names, mine, session, client.client_id))
    client.set("/kept", b"again")
    tap.ok(client.get("/kept")[0] == b"again" and client.last_zxid > seen, "it writes, later than anything it has seen",
           client.last_zxid)


def check(tap, backend, ids):
    what = "one server" if len(ids) == 1 else "%d servers" % len(ids)
    with Ensemble("vivarium", 3, backend=backend) as ensemble:
        client = KazooClient(ensemble.hosts(), timeout=40)
        client.start()
        session = client.client_id[0]
        survivor, seen = lose_two(tap, ensemble, client)
        into = os.path.join(ensemble.folder, "anew")
        kept = ensemble.data_dir(survivor)
        lost = [ensemble.data_dir(i) for i in range(3) if i != survivor]
        before = fingerprint(kept)
        looked = rescue(*lost, kept)
        tap.ok(looked.returncode == 0 and "The newest history is that of server %d" % (survivor + 1) in looked.stdout
               and "Nothing was written" in looked.stdout, "without --into it only tells", looked.stdout + looked.stderr)
        servers = ("--servers", ",".join(map(str, ids)), "--backend", backend, "--into", into)
        asked = rescue(*servers, kept)
        tap.ok(asked.returncode == 0 and not os.path.exists(into) and "nothing was written" in asked.stderr,
               "without a terminal and --yes nothing is written", asked.stdout + asked.stderr)
        done = rescue(*servers, *lost, kept, options=("--yes", "--json"))
        told = json.loads(done.stdout) if done.stdout else {}
        tap.ok(done.returncode == 0 and told["written"] and told["newest"] == kept and int(told["new_zxid"], 16) > seen,
               "with --yes the newest history is written, to begin later than what any client saw", said(done))
        again = rescue(*servers, kept, options=("--yes",))
        tap.ok(again.returncode == 4 and "is there already" in again.stderr, "nothing is written over it", said(again))
        tap.ok(fingerprint(kept) == before, "the survivor's files are as they were")
        folders = [into] if len(ids) == 1 else [os.path.join(into, "server-%d" % i) for i in ids]
        start_anew(ensemble, folders, ids)
        check_clients(tap, client, session, seen, what)
        if len(ids) == 1:
            check_refusals(tap, ensemble, 0, ensemble.folder)
        leave(client)


def said(process):
    return "exit %d\n%s\n%s" % (process.returncode, process.stdout, process.stderr)


def main():
    tap = Tap()
    usual = default_configuration()
    if usual == "memory":
        usual = "flat"
    others = [name for name in build_configurations() if name != usual]
    check(tap, usual, [1])
    check(tap, others[0] if others else usual, [1, 2, 3])
    tap.done()


main()
