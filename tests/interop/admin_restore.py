"""The command restore of the admin port: a snapshot that was taken before becomes the state, stock clients come back by
themselves, a crash in between ends in the old state or the new, what is not a snapshot changes nothing, and a server of
an ensemble refuses. TAP on standard output.
"""

import http.client
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from admin_support import Ours  # noqa: E402
from ensemble import PATIENCE_S, Tap, build_configurations, connect, leave  # noqa: E402

DATA = os.path.join(os.environ.get("VIV_SOURCE_DIR", "."), "datasets", "zookeeper-3.8", "synthetic-3.9-layout")
NO_PAUSE = {"admin.rateLimiterIntervalInMS": 0}


def ask(port, method, command, body=None, authorization="digest a:b"):
    """Status, headers and bytes."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        headers = {"Authorization": authorization} if authorization is not None else {}
        if body is not None:
            headers["Content-Type"] = "application/octet-stream"
        connection.request(method, "/commands/" + command, body=body, headers=headers)
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


def tree_of(client, path="/"):
    """Everything below, values and stats."""
    result = {}
    data, stat = client.get(path)
    result[path] = (data, tuple(stat))
    for child in client.get_children(path):
        if path != "/" or child != "zookeeper":
            result.update(tree_of(client, (path if path != "/" else "") + "/" + child))
    return result


def wait_restarted(ensemble, count=2):
    """The ports are written anew by each start."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with open(ensemble.log_file(0), errors="replace") as f:
            if f.read().count(" listening ") >= 2 * count:
                break
        time.sleep(0.02)
    ensemble.wait_serving()
    ensemble.admin_ports = [ensemble.ports(0)["admin"]]


def check_there_and_back(tap, backend):
    with tempfile.TemporaryDirectory(prefix="viv-log-") as log_dir, \
            Ours(1, **dict(NO_PAUSE, backend=backend, dataLogDir=log_dir)) as ensemble:
        client = connect(ensemble.host(0))
        for i in range(200):
            client.create("/n%d" % i, b"first %d" % i)
            client.set("/n%d" % i, b"second %d" % i)
        client.create("/mine", b"", ephemeral=True)
        before = tree_of(client)
        status, headers, body = ask(ensemble.admin_ports[0], "GET", "snapshot")
        session = client.client_id[0]
        for i in range(200):
            client.delete("/n%d" % i)
        client.create("/later", b"gone after the restore")
        last = client.get("/later")[1].czxid
        late = connect(ensemble.host(0))
        events = []
        client.add_listener(events.append)
        status, _, text = ask(ensemble.admin_ports[0], "POST", "restore", body)
        answer = json.loads(text)
        tap.ok(status == 200 and answer["error"] is None and list(answer)[0] == "last_zxid" and
               answer["last_zxid"] >= int(headers["last_zxid"], 16), "%s: a snapshot is restored" % backend, (status, answer))
        after = None
        deadline = time.monotonic() + PATIENCE_S
        while after is None and time.monotonic() < deadline:
            try:
                after = client.retry(tree_of, client)
            except Exception:
                time.sleep(0.05)
        tap.ok(after == before, "%s: the tree is that of the snapshot, to the last stat" % backend,
               sorted(set(before) ^ set(after or ()))[:5])
        tap.ok(client.client_id[0] == session and "LOST" not in events,
               "%s: a session that the snapshot holds goes on by itself, with its ephemeral node" % backend, events)
        stat = client.retry(client.set, "/n1", b"third")
        tap.ok(stat.mzxid > last and stat.mzxid >> 32 > last >> 32,
               "%s: the epoch is later than all that clients have seen" % backend, (hex(stat.mzxid), hex(last)))
        late.retry(late.get, "/n1")
        tap.ok(late.connected, "%s: one opened later finds it gone and opens another" % backend)
        wait_restarted(ensemble)
        names = sorted(os.listdir(ensemble.data_dir(0))), sorted(os.listdir(log_dir))
        tap.ok("vivarium.replaced" in names[0] and names[1] == ["vivarium", "vivarium.replaced"] and
               not [name for name in names[0] if ".restor" in name],
               "%s: what was there before is kept aside, and nothing else is left" % backend, names)
        ensemble.kill(0)
        ensemble.start(0)
        ensemble.wait_serving()
        tap.ok(client.retry(client.get, "/n1")[0] == b"third" and client.retry(client.get, "/n2") and True,
               "%s: a crash and a start later it is still so" % backend)
        for c in (client, late):
            leave(c)


def check_refusals(tap):
    with Ours(1) as ensemble:
        client = connect(ensemble.host(0))
        client.create("/here", b"")
        port = ensemble.admin_ports[0]
        body = ask(port, "GET", "snapshot")[2]
        refused = [ask(port, "POST", "restore", body, text)[0] for text in (None, "nope x")]
        refused += [ask(port, "GET", "restore")[0], ask(port, "POST", "srvr", b"x")[0], ask(port, "POST", "restore", b"")[0]]
        tap.ok(refused == [401, 401, 405, 405, 400], "who may not, and how not", refused)
        tap.ok(ask(port, "POST", "restore", body)[0] == 429, "the next one has to wait")
        tap.ok(client.exists("/here") is not None and client.connected, "and nothing has changed")
        leave(client)
    with Ours(1, **NO_PAUSE) as ensemble:
        client = connect(ensemble.host(0))
        client.create("/here", b"x" * 1000)
        events = []
        client.add_listener(events.append)
        port = ensemble.admin_ports[0]
        body = ask(port, "GET", "snapshot")[2]
        damaged = bytearray(body)
        damaged[len(body) // 2] ^= 1
        cases = {"rubbish": b"rubbish" * 1000, "half of one": body[:len(body) // 2], "a damaged one": bytes(damaged),
                 "one that does not tell its zxid": without_zxid()}
        for what, bytes_sent in cases.items():
            status, _, text = ask(port, "POST", "restore", bytes_sent)
            tap.ok(status == 500 and json.loads(text)["error"], "%s is refused" % what, (status, text))
        tap.ok(client.get("/here")[0] == b"x" * 1000 and events == [], "and no client has noticed", events)
        left = [name for name in os.listdir(ensemble.data_dir(0)) if ".restor" in name]
        tap.ok(left == [], "nothing is left of them", left)
        metrics = ensemble.mntr(0)
        tap.ok(metrics["zk_restore_error_count"] == str(len(cases)), "they are counted", metrics["zk_restore_error_count"])
        check_broken_off(tap, ensemble, body)
        leave(client)
    with Ours(1, **{"admin.restore.enabled": "false"}) as ensemble:
        tap.ok(ask(ensemble.admin_ports[0], "POST", "restore", b"x")[0] == 503, "it can be switched off")
    with Ours(3) as ensemble:
        answers = [ask(port, "POST", "restore", b"x") for port in ensemble.admin_ports]
        tap.ok([a[0] for a in answers] == [409] * 3 and b"rescue" in answers[0][2],
               "a server of an ensemble refuses, and names the way", answers[0])


def check_of_zookeeper(tap):
    """What ZooKeeper 3.9 would send."""
    with open(os.path.join(DATA, "expected.json")) as f:
        wanted = set(json.load(f)["znodes"])
    folder = os.path.join(DATA, "version-2")
    name = sorted(name for name in os.listdir(folder) if name.startswith("snapshot."))[-1]
    with Ours(1, skipACL="yes", **NO_PAUSE) as ensemble, open(os.path.join(folder, name), "rb") as f:
        status, _, text = ask(ensemble.admin_ports[0], "POST", "restore", f.read())
        wait_restarted(ensemble)
        client = connect(ensemble.host(0))
        found = set(tree_of(client))
        tap.ok(status == 200 and found == {path for path in wanted if not path.startswith("/zookeeper")},
               "a snapshot in the layout of ZooKeeper 3.9 is restored", (status, text, sorted(found ^ wanted)[:5]))
        leave(client)


def without_zxid():
    """A snapshot as 3.8 writes it."""
    folder = os.path.join(os.path.dirname(DATA), "basic", "version-2")
    name = sorted(name for name in os.listdir(folder) if name.startswith("snapshot."))[-1]
    with open(os.path.join(folder, name), "rb") as f:
        return f.read()


def check_broken_off(tap, ensemble, body):
    """Whoever sends goes away in the middle: nothing happens, and the next one is heard."""
    connection = http.client.HTTPConnection("127.0.0.1", ensemble.admin_ports[0], timeout=PATIENCE_S)
    connection.putrequest("POST", "/commands/restore")
    connection.putheader("Authorization", "digest a:b")
    connection.putheader("Content-Length", str(len(body) * 10))
    connection.endheaders()
    connection.send(body)
    time.sleep(0.1)
    tap.ok(ask(ensemble.admin_ports[0], "POST", "restore", body)[0] == 429, "one at a time")
    connection.close()
    deadline = time.monotonic() + PATIENCE_S
    status = 0
    while status != 500 and time.monotonic() < deadline:
        status = ask(ensemble.admin_ports[0], "POST", "restore", b"rubbish")[0]
        time.sleep(0.02)
    tap.ok(status == 500, "when it has gone, the next one is heard", status)


def check_killed(tap):
    """kill -9 at many moments around the promise: the state is the old one or the new one, whole; once promised, the new."""
    outcomes = {"old": 0, "new": 0}
    wrong = []
    for step in range(8):
        with Ours(1, **NO_PAUSE) as ensemble:
            client = connect(ensemble.host(0))
            client.create("/old", b"")
            body = ask(ensemble.admin_ports[0], "GET", "snapshot")[2]
            client.delete("/old")
            client.create("/new", b"")
            leave(client)
            sender = threading.Thread(target=send_quietly, args=(ensemble.admin_ports[0], body))
            sender.start()
            time.sleep(0.004 * step)
            ensemble.kill(0)
            sender.join()
            promised = os.path.exists(os.path.join(ensemble.data_dir(0), "vivarium.restore.json"))
            ensemble.start(0)
            ensemble.wait_serving()
            client = connect(ensemble.host(0))
            names = set(client.get_children("/")) - {"zookeeper"}
            outcome = {("old",): "new", ("new",): "old"}.get(tuple(names))
            if outcome is None or (promised and outcome != "new"):
                wrong.append((step, names, promised))
            else:
                outcomes[outcome] += 1
            leave(client)
    tap.ok(not wrong, "killed around a restore, a server has the old state or the new: %r" % outcomes, wrong)


def send_quietly(port, body):
    try:
        ask(port, "POST", "restore", body)
    except (OSError, http.client.HTTPException):
        pass


def check_unfinished(tap):
    """Each state that a crash can leave between the steps of the exchange, made by hand."""
    with Ours(1, **NO_PAUSE) as ensemble:
        client = connect(ensemble.host(0))
        client.create("/old", b"")
        body = ask(ensemble.admin_ports[0], "GET", "snapshot")[2]
        client.delete("/old")
        client.create("/new", b"")
        leave(client)
        ensemble.kill(0)
        data = ensemble.data_dir(0)
        keep = os.path.join(ensemble.folder, "kept")
        shutil.copytree(data, keep)
        for name in ("promised", "with a draft", "the old one is aside", "the new one is in place"):
            shutil.rmtree(data)
            shutil.copytree(keep, data)
            with open(os.path.join(data, "vivarium.restore"), "wb") as f:
                f.write(body)
            with open(os.path.join(data, "vivarium.restore.json"), "w") as f:
                json.dump({"version": 1, "epoch": 9}, f)
            own = os.path.join(data, "vivarium")
            if name == "with a draft":
                os.makedirs(own + ".restoring/rubbish")
            if name == "the old one is aside":
                os.rename(own, own + ".replaced")
            if name == "the new one is in place":
                shutil.copytree(own, own + ".replaced")
            ensemble.start(0)
            ensemble.wait_serving()
            client = connect(ensemble.host(0))
            names = set(client.get_children("/")) - {"zookeeper"}
            tap.ok(names == {"old"} and os.path.isdir(own + ".replaced") and
                   client.create("/x", b"") and client.get("/x")[1].czxid >> 32 >= 9,
                   "a restore is finished by the next start: %s" % name, (names, os.listdir(data)))
            leave(client)
            ensemble.signal(0, signal.SIGTERM)
            ensemble.processes[0].wait(PATIENCE_S)
            ensemble.processes[0] = None
        with open(os.path.join(data, "vivarium.restore.json"), "w") as f:
            json.dump({"version": 1, "epoch": 9}, f)
        ensemble.start(0)
        code = ensemble.processes[0].wait(PATIENCE_S)
        ensemble.processes[0] = None
        tap.ok(code == 3 and "put it back, or remove the promise" in ensemble.logs(),
               "a promise without its snapshot stops the start, with what to do", (code, ensemble.logs(3)))


def main():
    tap = Tap()
    for backend in build_configurations() if "--all" in sys.argv else build_configurations()[:1]:
        check_there_and_back(tap, backend)
    check_refusals(tap)
    check_of_zookeeper(tap)
    check_unfinished(tap)
    if "--all" in sys.argv:
        check_killed(tap)
    tap.done()
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
