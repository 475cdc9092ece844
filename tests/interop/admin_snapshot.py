"""Snapshots by the admin port: who may have one, what is in it, what happens to one that is broken off; with --real
Apache ZooKeeper loads it. TAP on standard output.
"""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from admin_support import Ours  # noqa: E402
from ensemble import BUILD, PATIENCE_S, Ensemble, Tap, connect, leave, zookeeper_class_path  # noqa: E402

from kazoo.security import make_acl, make_digest_acl  # noqa: E402


def snapshot(port, authorization, query=""):
    """Status, headers and bytes."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request("GET", "/commands/snapshot" + query,
                           headers={"Authorization": authorization} if authorization is not None else {})
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


def check_snapshot(tap):
    with Ours(1) as ensemble:
        port = ensemble.admin_ports[0]
        client = connect(ensemble.host(0))
        for i in range(3000):
            client.create_async("/n%d" % i, b"x" * 500)
        client.create("/last", b"the last one")
        client.set_acls("/", [make_digest_acl("root", "secret", all=True), make_acl("world", "anyone", read=True)])
        refused = [snapshot(port, text)[0] for text in
                   (None, "", "digest", "digest ", "nope x", "digest a b", "ip", "digest other:word")]
        tap.ok(refused == [401, 401, 401, 401, 401, 401, 403, 403], "ours: who may not have a snapshot", refused)
        status, headers, body = snapshot(port, "digest root:secret")
        zxid = headers.get("last_zxid", "0x0")
        tap.ok(status == 200 and headers["Content-Type"] == "application/octet-stream" and body[:4] == b"ZKSN" and
               b"the last one" in body and int(zxid, 16) >= 3001, "ours: whoever holds every permission gets it",
               (status, headers, body[:40]))
        tap.ok(snapshot(port, "digest root:secret")[0] == 429, "ours: the next one has to wait")
        leave(client)
        if "--real" in sys.argv:
            check_snapshot_is_loaded(tap, body, int(zxid, 16))
    check_kept(tap)
    with Ours(1, **{"admin.snapshot.enabled": "false"}) as ensemble:
        tap.ok(snapshot(ensemble.admin_ports[0], "digest any:body")[0] == 503, "ours: snapshots can be switched off")
    if "--real" in sys.argv:
        check_broken_snapshot(tap)


def check_kept(tap):
    """streaming=false: files in the data directory, the newest few."""
    with Ours(1, **{"admin.rateLimiterIntervalInMS": 0}) as ensemble:
        port = ensemble.admin_ports[0]
        folder = os.path.join(ensemble.data_dir(0), "snapshots")
        client = connect(ensemble.host(0))
        for future in [client.create_async("/n%d" % i, b"x" * 5000) for i in range(2000)]:
            future.get(timeout=PATIENCE_S)
        names = []
        for i in range(5):
            client.set("/", b"%d" % i)
            status, headers, body = snapshot(port, "digest a:b", "?streaming=false")
            answer = json.loads(body)
            names.append("snapshot.%x" % int(headers["last_zxid"], 16))
        path = os.path.join(folder, names[-1])
        tap.ok(status == 200 and list(answer) == ["file", "command", "error"] and answer["file"] == path and
               int(headers["snapshot_size"]) == os.path.getsize(path) > 2000 * 5000,
               "ours: streaming=false keeps a file and tells its zxid and size", (status, headers, answer))
        tap.ok(sorted(os.listdir(folder)) == sorted(names[-3:]), "ours: the newest three stay", os.listdir(folder))
        told = subprocess.run([os.path.join(BUILD, "vivarium-cli"), "--json", "diff", path,
                               os.path.join(folder, names[-2])], capture_output=True, text=True, timeout=PATIENCE_S)
        tap.ok(told.returncode == 1 and '"/"' in told.stdout, "ours: vivarium-cli reads them", (told.stdout, told.stderr))
        with open(path, "rb") as f:
            whole = f.read()
        tap.ok(whole == snapshot(port, "digest a:b")[2], "ours: it is what a stream would have been")
        shutil.rmtree(folder)
        with open(folder, "w") as f:
            f.write("in the way")
        status, _, body = snapshot(port, "digest a:b", "?streaming=false")
        tap.ok(status == 500 and json.loads(body)["error"] and client.get("/n1") is not None,
               "ours: what cannot be kept is told, and clients are served", (status, body))
        leave(client)


def begin_snapshot(port):
    """A download that takes its first bytes and then waits."""
    taker = socket.socket()
    taker.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    taker.settimeout(30)
    taker.connect(("127.0.0.1", port))
    taker.sendall(b"GET /commands/snapshot HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                  b"Authorization: digest a:b\r\n\r\n")
    taker.recv(100)
    return taker


def count_rest(taker):
    count = 0
    part = True
    while part:
        part = taker.recv(1 << 16)
        count += len(part)
    return count


def check_broken_snapshot(tap):
    """The taker of a snapshot that was broken off is still there when the next one is taken."""
    with Ours(3, **{"admin.rateLimiterIntervalInMS": 0}) as ensemble:
        leader = ensemble.wait_leader()
        asked, others = (leader + 1) % 3, [leader, (leader + 2) % 3]
        client = connect(ensemble.host(asked))
        for future in [client.create_async("/n%d" % i, b"x" * 900000) for i in range(40)]:
            future.get(timeout=PATIENCE_S)
        leave(client)
        port = ensemble.admin_ports[asked]
        whole = len(snapshot(port, "digest a:b")[2])
        before = begin_snapshot(port)
        for i in others:
            ensemble.kill(i)
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline and "a snapshot was broken off" not in ensemble.logs(1000):
            time.sleep(0.1)
        for i in others:
            ensemble.start(i)
        ensemble.wait_serving()
        after = begin_snapshot(port)
        counts = count_rest(before), count_rest(after), whole
        tap.ok(counts[0] < whole <= counts[1], "ours: who waits for a broken snapshot takes nothing of the next one",
               counts)


def check_snapshot_is_loaded(tap, body, zxid):
    """By Apache ZooKeeper, where it is installed."""
    if zookeeper_class_path() is None:
        tap.skip("real: the snapshot is loaded", "ZooKeeper is not installed")
        return
    real = Ensemble("zookeeper", 1)
    try:
        folder = os.path.join(real.data_dir(0), "version-2")
        os.makedirs(folder)
        with open(os.path.join(folder, "snapshot.%x" % zxid), "wb") as f:
            f.write(body)
        real.start(0)
        real.wait_serving()
        client = connect("127.0.0.1:%d" % real.client_ports[0])
        tap.ok(client.get("/last")[0] == b"the last one" and len(client.get_children("/")) == 3002,
               "real: the snapshot is loaded", client.get_children("/")[:5])
        leave(client)
    finally:
        real.close()


def main():
    tap = Tap()
    check_snapshot(tap)
    tap.done()
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
