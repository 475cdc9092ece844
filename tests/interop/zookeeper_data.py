"""Data directories handed over between Apache ZooKeeper's own server and ours, in both directions: what one wrote, the
other serves. TAP; needs Debian's ZooKeeper and kazoo; about two minutes."""

import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from ensemble import Ensemble, Tap, build_configurations, four_letter, leave, zookeeper_class_path  # noqa: E402
import namespace  # noqa: E402

SETS = os.path.join(os.environ.get("VIV_SOURCE_DIR", "."), "datasets", "zookeeper-3.8")
SUPER = "super:sesame"  # its digest is given to the real server, so that it shows nodes with any ACL


def client_of(ensemble, index=0, timeout=20.0, **more):
    from kazoo.client import KazooClient
    client = KazooClient(ensemble.host(index), timeout=timeout, **more)
    client.start(timeout=20)
    return client


def digest_of(user):
    import base64
    import hashlib
    return user.split(":")[0] + ":" + base64.b64encode(hashlib.sha1(user.encode()).digest()).decode()


def real(servers=1):
    """A real server that knows a super user."""
    ensemble = Ensemble("zookeeper", servers)
    usual = ensemble.command

    def command(index):
        words = usual(index)
        return [words[0], "-Dzookeeper.DigestAuthenticationProvider.superDigest=" + digest_of(SUPER)] + words[1:]
    ensemble.command = command
    return ensemble


def stats_left_out(nodes):
    """Without what a server counts anew (quota usage), and without what it writes itself at start."""
    return {path: facts for path, facts in nodes.items()
            if not path.endswith("/zookeeper_stats") and path != "/zookeeper/config"}


def compare_served(client, nodes):
    """Every node of a directory's dump against what a server serves."""
    told = namespace.served(client)
    wrong = []
    for path, facts in stats_left_out(nodes).items():
        got = told.get(path)
        owner = facts["owner"] if facts["owner"] >> 56 != 0xff and facts["owner"] != 1 << 63 else 0
        wanted = {"data": facts["data"], "acl": sorted(facts["acl"]), "ephemeralOwner": owner}
        wanted.update({key: facts[key] for key in ("czxid", "mzxid", "pzxid", "ctime", "mtime", "version", "aversion")})
        if got is None or any(got[key] != value and not (key == "data" and (got[key] or b"") == (value or b""))
                              for key, value in wanted.items()):
            wrong.append("%s: %r, wanted %r" % (path, got, wanted))
    wrong += ["%s: not in the directory" % path for path in set(stats_left_out(told)) - set(nodes)]
    return "\n".join(wrong[:5])


def check_export(tap, folder, name, options, more=()):
    ours = os.path.join(folder, "ours-" + name)
    if not os.path.exists(ours):
        namespace.cli("import", os.path.join(SETS, name), "--to", ours)
    ensemble = real()
    try:
        data = ensemble.data_dir(0)
        os.makedirs(data, exist_ok=True)
        code, out, err = namespace.cli("export", ours, "--to", data, *options)
        tap.ok(code == 0, "%s is exported %s" % (name, " ".join(options)), out + err)
        ensemble.start_all()
        ensemble.wait_serving()
        client = client_of(ensemble, auth_data=[("digest", SUPER)])
        nodes, sessions, _ = namespace.dump(ours)
        tap.ok(compare_served(client, nodes) == "", "the real server serves %s %s node by node" %
               (name, " ".join(options)), compare_served(client, nodes))
        listed = four_letter(ensemble.client_ports[0], "dump")
        tap.ok(all("0x%x" % session in listed for session, _ in sessions.items()),
               "and knows its sessions", "%s\n%s" % (sessions, listed))
        leave(client)
        text = ensemble.logs(200)
        tap.ok("igest" not in "".join(line for line in text.splitlines() if "mismatch" in line.lower()),
               "and finds no digest that differs", text)
        ensemble.kill(0)
        code, out, err = namespace.cli("--json", "inspect", os.path.join(data, "version-2"))
        tap.ok(code == 0, "what it wrote then is sound", out + err)
    finally:
        ensemble.close()


def work(client, root, count):
    """Some of everything; returns the paths of the ephemeral nodes."""
    from kazoo.security import make_digest_acl
    client.create(root, b"root")
    for i in range(count):
        client.create("%s/n%03d" % (root, i), b"v%d" % i)
        if i % 3 == 0:
            client.set("%s/n%03d" % (root, i), b"w%d" % i)
        if i % 7 == 0:
            client.delete("%s/n%03d" % (root, i))
    client.create(root + "/q-", b"", sequence=True)
    client.create(root + "/locked", b"s", acl=[make_digest_acl("u", "p", all=True)])
    client.create(root + "/eph", b"mine", ephemeral=True)
    with client.transaction() as multi:
        multi.create(root + "/m1", b"1")
        multi.set_data(root, b"root again")
    return [root + "/eph"]


def taken_over(ensemble, theirs):
    """The same directories and ports, for ours."""
    for name in ("folder", "client_ports", "peer_ports"):
        setattr(ensemble, name, getattr(theirs, name))
    ensemble.keep = True
    return ensemble


def check_swap(tap, servers, number, backend):
    theirs = real(servers)
    try:
        theirs.start_all()
        theirs.wait_serving()
        client = client_of(theirs, auth_data=[("digest", "u:p")])
        ephemerals = work(client, "/swap", 60)
        from_real = namespace.served(client, "/swap")
        session = client.client_id
        for index in range(servers):
            theirs.kill(index) if number == signal.SIGKILL else theirs.terminate(index)
        how = "killed" if number == signal.SIGKILL else "stopped"
        name = "%d server%s %s, %s" % (servers, "s" if servers > 1 else "", how, backend)
        ours = taken_over(Ensemble("vivarium", servers, backend=backend), theirs)
        ours.start_all()
        ours.wait_serving()
        deadline = time.monotonic() + 15
        while client.state != "CONNECTED" and time.monotonic() < deadline:
            time.sleep(0.05)
        tap.ok(client.state == "CONNECTED" and client.client_id[0] == session[0],
               "%s: the client goes on with its session" % name, "%s %s\n%s" % (client.state, session, ours.logs()))
        for index in range(servers):
            other = client_of(ours, index, auth_data=[("digest", "u:p")])
            other.sync("/swap")
            told = namespace.served(other, "/swap")
            tap.ok(told == from_real, "%s: server %d serves the same tree" % (name, index + 1),
                   namespace.difference(told, from_real))
            leave(other)
        client.create("/swap/after", b"x")
        tap.ok(client.exists("/swap/after").czxid > max(n["mzxid"] for n in from_real.values()) and
               all(client.exists(path).ephemeralOwner == session[0] for path in ephemerals),
               "%s: writes go on, ephemerals stay" % name)
        leave(client)
        for index in range(servers):
            ours.terminate(index)
        theirs.start_all()
        theirs.wait_serving()
        again = client_of(theirs)
        again.create("/diverged")
        leave(again)
        for index in range(servers):
            theirs.kill(index)
        ours.start(0)
        code = ours.processes[0].wait(20)
        ours.processes[0] = None
        tap.ok(code == 3 and "has run on this data directory since" in ours.logs(),
               "%s: that ZooKeeper ran again is noticed" % name, ours.logs())
        ours.close()
    finally:
        theirs.close()


def check_with_log(tap, folder, backend):
    """Our own writes, as a snapshot and the transactions behind it."""
    ours, theirs = Ensemble("vivarium", 1, backend=backend), real()
    try:
        ours.settings["snapCount"] = 50
        ours.start_all()
        ours.wait_serving()
        client = client_of(ours, auth_data=[("digest", "u:p")])
        work(client, "/logged", 120)
        ours.kill(0)  # before the client can close its session
        client.stop()
        data = theirs.data_dir(0)
        os.makedirs(data, exist_ok=True)
        code, out, err = namespace.cli("export", "--with-log", ours.data_dir(0), "--to", data)
        tap.ok(code == 0 and " 0 log records" not in out, "%s is exported with its log" % backend, out + err)
        theirs.start_all()
        theirs.wait_serving()
        client = client_of(theirs, auth_data=[("digest", SUPER)])
        wrong = compare_served(client, namespace.dump(ours.data_dir(0))[0])
        tap.ok(wrong == "", "the real server replays it to the same tree", wrong)
        leave(client)
        theirs.kill(0)
        code, out, err = namespace.cli("--json", "inspect", os.path.join(data, "version-2"))
        tap.ok(code == 0, "each digest that we recorded agrees", out + err)
    finally:
        ours.close()
        theirs.close()


def check_rolling(tap, backend):
    """One server after the other is swapped while the others go on."""
    theirs = real(3)
    ours = taken_over(Ensemble("vivarium", 3, backend=backend), theirs)
    try:
        theirs.start_all()
        theirs.wait_serving()
        client = client_of(theirs, 0, auth_data=[("digest", "u:p")])
        client.set_hosts(theirs.hosts())
        work(client, "/rolling", 40)
        for index in range(3):
            theirs.kill(index)
            client.retry(client.create, "/rolling/without-%d" % index, b"%d" % index)
            ours.start(index)
            ours.wait_serving([index])
            client.retry(client.create, "/rolling/with-%d" % index, b"%d" % index)
        time.sleep(0.5)
        told = [namespace.served(client_of(ours, index, auth_data=[("digest", "u:p")]), "/rolling")
                for index in range(3)]
        tap.ok(told[0] == told[1] == told[2] and
               all("/rolling/%s-%d" % (name, i) in told[0] for name in ("with", "without") for i in range(3)) and
               told[0]["/rolling/eph"]["ephemeralOwner"] == client.client_id[0],
               "three servers are swapped one after the other under load, %s" % backend,
               namespace.difference(told[0], told[1]) + namespace.difference(told[0], told[2]) + ours.logs())
        leave(client)
    finally:
        ours.close()
        theirs.close()


def main():
    import tempfile
    tap = Tap()
    try:
        import kazoo  # noqa: F401
        missing = "" if zookeeper_class_path() else "Debian's zookeeper is not installed"
    except ImportError:
        missing = "kazoo is not installed"
    if missing:
        tap.skip("data directories of a real server", missing)
        tap.done()
        return
    backends = build_configurations()
    with tempfile.TemporaryDirectory(prefix="viv-zkdata-") as folder:
        os.environ["TMPDIR"] = folder
        check_export(tap, folder, "basic", [])
        check_export(tap, folder, "fuzzy-snapshot", ["--compress", "gz"])
        check_export(tap, folder, "fuzzy-snapshot", ["--compress", "snappy"])
        check_export(tap, folder, "quorum-member", [])
        check_with_log(tap, folder, backends[0])
        check_rolling(tap, backends[0])
        for i, (servers, number) in enumerate(((1, signal.SIGKILL), (1, signal.SIGTERM), (3, signal.SIGKILL),
                                               (3, signal.SIGTERM))):
            check_swap(tap, servers, number, backends[i % len(backends)])
    tap.done()
    sys.exit(1 if tap.failed else 0)


if __name__ == "__main__":
    main()
