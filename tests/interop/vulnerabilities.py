"""Each vulnerability that Apache ZooKeeper's project has published, tried on Vivarium: what it gave away there is refused
here. The names are those of the CVE list. TAP."""

import datetime
import os
import re
import secrets
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import zkwire as w  # noqa: E402
from diff_generate import SUPER_DIGEST, SUPER_PASSWORD, digest_id  # noqa: E402
from ensemble import BUILD, PATIENCE_S, Ensemble, Metronome, Tap, four_letter, free_ports  # noqa: E402
from peer_tls import TlsEnsemble, introduce, make_stores, peer_context, run, stores  # noqa: E402

SOURCES = os.environ.get("VIV_SOURCE_DIR", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
ALICE = ((w.ALL, "digest", digest_id("alice", "secret")),)


def session(service, user=None):
    wire = w.Wire(service.client_ports[0])
    assert wire.greet(timeout_ms=40000)
    if user is not None:
        assert wire.call(w.AUTH, w.integer(0) + w.data("digest") + w.data(user), xid=w.XID_AUTH)[0] == 0
    return wire


# ---- peers ----

def expired_certificate(at):
    """A certificate of the servers' authority whose time is over."""
    late = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)
    run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=expired", "-addext",
        "subjectAltName=IP:127.0.0.1", "-keyout", at("expired.key"), "-out", at("expired.csr"))
    config = at("authority.cnf")
    with open(config, "w") as f:
        f.write("[ca]\ndefault_ca=a\n[a]\ndatabase=%s\nserial=%s\nnew_certs_dir=%s\ndefault_md=sha256\npolicy=p\n"
                "copy_extensions=copy\n[p]\ncommonName=supplied\n" % (at("index"), at("serial"), os.path.dirname(at("x"))))
    with open(at("index"), "w"):
        pass
    with open(at("serial"), "w") as f:
        f.write("77\n")
    run("openssl", "ca", "-batch", "-config", config, "-cert", at("ca.pem"), "-keyfile", at("ca.key"), "-in", at("expired.csr"),
        "-startdate", (late - datetime.timedelta(days=9)).strftime("%Y%m%d%H%M%SZ"), "-enddate",
        late.strftime("%Y%m%d%H%M%SZ"), "-notext", "-out", at("expired.crt"))
    with open(at("expired.pem"), "w") as out:
        for part in (".key", ".crt"):
            with open(at("expired" + part)) as f:
                out.write(f.read())


def peers(tap):
    if shutil.which("openssl") is None:
        tap.skip("CVE-2018-8012, CVE-2023-44981 and CVE-2026-24281", "openssl is not installed")
        return
    with tempfile.TemporaryDirectory(prefix="viv-cve-") as folder:
        at = make_stores(os.path.join(folder, "stores"))
        expired_certificate(at)
        lines = [["sslQuorum=true"] + stores(at)] * 3
        with TlsEnsemble(["vivarium"] * 3, lines) as service:
            leader = service.wait_leader()
            peer = service.peer_ports[leader][0]
            sid = 1 + next(i for i in range(3) if i != leader)

            def heard(name):
                try:
                    context = None if name == "" else peer_context(at, name)
                    return introduce(peer, context, sid) != b""
                except ssl.SSLError:
                    return False
            strangers = [who for who in ("", None, "stranger", "expired") if heard(who)]
            tap.ok(not strangers and heard("server"),
                   "CVE-2018-8012: nobody joins the quorum without a certificate that is valid", strangers)
            tap.ok(not heard("other"), "CVE-2023-44981: nor with a certificate that does not name its host")
            tap.ok(not heard("other"), "CVE-2026-24281: nor is a name looked up for an address that the certificate lacks")
            service.wait_serving()
    calls = subprocess.run(["grep", "-rnE", "gethostbyaddr|getnameinfo", os.path.join(SOURCES, "engine"), "--include=*.c"],
                           capture_output=True, text=True).stdout
    reverse = [line for line in calls.splitlines() if "NI_NUMERICHOST" not in line]
    tap.ok(not reverse, "CVE-2026-24281: no source asks for the name of an address", reverse)


def sasl_is_not_pretended(tap):
    """A setting that would make peers prove who they are is not skipped."""
    with tempfile.TemporaryDirectory(prefix="viv-cve-") as folder:
        config = os.path.join(folder, "zoo.cfg")
        with open(config, "w") as f:
            f.write("dataDir=%s/data\nclientPort=%d\nquorum.auth.enableSasl=true\n" % (folder, free_ports(1)[0]))
        run = subprocess.run([os.path.join(BUILD, "vivarium"), config], capture_output=True, text=True, timeout=PATIENCE_S)
        tap.ok(run.returncode != 0 and "quorum.auth.enableSasl" in run.stdout + run.stderr,
               "CVE-2023-44981: quorum.auth.enableSasl=true stops the start, as peers are not checked by SASL", run.stderr)


# ---- clients ----

def acl_hashes(tap, service):
    owner, stranger = session(service, "alice:secret"), session(service)
    readable = ALICE + ((w.READ, "world", "anyone"),)
    for path, acl in (("/hidden", ALICE), ("/readable", readable)):
        owner.call(w.CREATE, w.create(path, b"", acl, 0))
    hidden = stranger.call(w.GET_ACL, w.data("/hidden"))
    shown = stranger.call(w.GET_ACL, w.data("/readable"))
    own = owner.call(w.GET_ACL, w.data("/readable"))
    ids = [entry[2] for entry in shown[1][0]]
    tap.ok(hidden[0] == -102 and "alice:x" in ids and digest_id("alice", "secret") in [e[2] for e in own[1][0]],
           "CVE-2019-0201: getACL needs READ or ADMIN, and without ADMIN shows no hash", (hidden, shown, own))


def watch_paths(tap, service):
    owner, stranger = session(service, "alice:secret"), session(service)
    owner.call(w.CREATE, w.create("/parent", b"", w.OPEN, 0))
    for mode in (0, 1):
        stranger.call(w.ADD_WATCH, w.data("/parent") + w.integer(mode))
    owner.call(w.CREATE, w.create("/parent/secret", b"", ALICE, 0))
    owner.call(w.SET_DATA, w.data("/parent/secret") + w.data(b"x") + w.integer(-1))
    owner.call(w.CREATE, w.create("/parent/open", b"", w.OPEN, 0))
    owner.call(w.SET_ACL, w.data("/parent/open") + w.acl(ALICE) + w.integer(-1))
    owner.call(w.SET_DATA, w.data("/parent/open") + w.data(b"x") + w.integer(-1))
    owner.call(w.DELETE, w.versioned("/parent/secret", -1))
    owner.call(w.DELETE, w.versioned("/parent/open", -1))
    events = []
    stranger.send(w.request(w.XID_PING, w.PING))
    while True:
        reader = w.Reader(stranger.receive())
        if reader.take(w.REPLY)[0] == w.XID_PING:
            break
        kind, _, path = w.decode_event(reader)
        events.append((kind, path))
    secret = [event for event in events if "secret" in event[1]]
    opened = [kind for kind, path in events if path == "/parent/open"]
    tap.ok(not secret and opened == [w.NODE_CREATED],
           "CVE-2024-23944: a watch tells nothing of nodes that may not be read, then or later", events)


# ---- the admin port ----

def snapshot_status(port, headers):
    request = urllib.request.Request("http://127.0.0.1:%d/commands/snapshot" % port, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def admin(tap, service, port):
    root = session(service, "super:" + SUPER_PASSWORD)
    for perms, scheme, name, wanted in ((w.ALL, "ip", "10.9.9.9", None), (w.READ, "digest", digest_id("alice", "secret"), None),
                                        (w.ALL & ~w.ADMIN, "digest", digest_id("alice", "secret"), None),
                                        (w.ALL, "digest", digest_id("alice", "secret"), 200)):
        error, _ = root.call(w.SET_ACL, w.data("/") + w.acl(((perms, scheme, name),)) + w.integer(-1))
        assert error == 0
        if scheme == "ip":
            answers = [snapshot_status(port, {"X-Forwarded-For": "10.9.9.9", "Forwarded": "for=10.9.9.9", "Authorization": text})
                       for text in ("ip 10.9.9.9", "ip ")]
            tap.ok(all(answer in (401, 403) for answer in answers),
                   "CVE-2024-51504: an address in a header is nobody's address", answers)
        elif wanted is None:
            answer = snapshot_status(port, {"Authorization": "digest alice:secret"})
            tap.ok(answer == 403, "CVE-2025-58457: perms %d on the root are too few for a snapshot" % perms, answer)
        else:
            answer = snapshot_status(port, {"Authorization": "digest alice:secret"})
            tap.ok(answer == 200, "and all of them are enough (the control)", answer)
    root.call(w.SET_ACL, w.data("/") + w.acl(w.OPEN) + w.integer(-1))


# ---- words, shells, secrets ----

def costly_words(tap):
    settings = {"4lw.commands.whitelist": None}
    with Ensemble("vivarium", 1, settings=settings) as service:
        port = service.client_ports[0]
        wire = session(service)
        wire.call(w.CREATE, w.create("/x", b"", w.OPEN, 0))
        for i in range(5000):
            wire.send(w.request(2, w.EXISTS, w.watching("/watched/%d" % i, 1)))
            wire.receive()
        slowest, stop = [0.0], threading.Event()

        def bystander():
            while not stop.is_set():
                began = time.monotonic()
                assert wire.call(w.GET_DATA, w.watching("/x", 0))[0] == 0
                slowest[0] = max(slowest[0], time.monotonic() - began)

        thread = threading.Thread(target=bystander)
        thread.start()
        with Metronome(service.processes[0].pid) as metronome:
            answers = {four_letter(port, word) for word in ("wchp", "wchc", "dump", "cons") for _ in range(100)}
        stop.set()
        thread.join()
        tap.ok(all("not in the whitelist" in answer for answer in answers),
               "CVE-2017-5637: wchp, wchc, dump and cons are not answered unless they are allowed", answers)
        tap.ok(slowest[0] < metronome.allows(2.0), "CVE-2017-5637: and whoever sends them disturbs nobody",
               (slowest, metronome.worst_s))


def shell(tap, service):
    """The overflow was in the C shell's handling of a long command."""
    cli = [os.path.join(BUILD, "vivarium-cli"), "--server", service.host(0)]
    noise = secrets.token_bytes(1 << 16).replace(b"\0", b"x")
    lines = b"\n".join([b"get /" + b"a" * (1 << 20), b"x" * (1 << 20), b"create /" + b"b/" * 5000, noise, b"quit"]) + b"\n"
    codes = []
    for arguments, text in ((["get", "/" + "a" * 100000], b""), (["x" * 100000], b""), ([], lines)):
        run = subprocess.run(cli + arguments, input=text, capture_output=True, timeout=PATIENCE_S)
        codes.append(run.returncode)
    tap.ok(all(0 <= code < 126 for code in codes), "CVE-2016-5017: the shell survives commands of any length", codes)


def secret_values(tap):
    """Marked secrets in every option that takes one, and in what clients say: none of them is ever written down."""
    mark = "s3cret" + secrets.token_hex(8)
    with tempfile.TemporaryDirectory(prefix="viv-cve-") as folder:
        settings = {"SASLAuthenticationProvider.superPassword": mark, "ssl.keyStore.password": mark,
                    "ssl.trustStore.password": mark, "ssl.quorum.keyStore.password": mark,
                    "DigestAuthenticationProvider.superDigest": SUPER_DIGEST, "audit.enable": "true"}
        with Ensemble("vivarium", 1, settings=settings) as service:
            wire = session(service, "alice:" + mark)
            wire.call(w.CREATE, w.create("/x", mark.encode(), ALICE, 0))
            answers = [four_letter(service.client_ports[0], word) for word in ("conf", "envi", "cons", "dump", "mntr", "stat")]
            cli = subprocess.run([os.path.join(BUILD, "vivarium-cli"), "--server", service.host(0),
                                  "addauth", "digest", "alice:" + mark], capture_output=True, text=True, timeout=PATIENCE_S)
            service.terminate(0)
            with open(service.log_file(0), errors="replace") as f:
                log = f.read()
        found = [where for where, text in (("log", log), ("words", "".join(answers)), ("cli", cli.stdout + cli.stderr))
                 if mark in text or re.search("%s" % mark[:12], text)]
        tap.ok(not found and "server: starting" in log, "CVE-2026-24308: no secret is in a log, an answer or a message", found)
        shutil.rmtree(folder, ignore_errors=True)
        os.mkdir(folder)


def main():
    tap = Tap()
    admin_port = free_ports(1)[0]
    settings = {"DigestAuthenticationProvider.superDigest": SUPER_DIGEST, "admin.serverPort": admin_port,
                "admin.serverAddress": "127.0.0.1"}
    with Ensemble("vivarium", 1, settings=settings) as service:
        acl_hashes(tap, service)
        watch_paths(tap, service)
        admin(tap, service, admin_port)
        shell(tap, service)
    costly_words(tap)
    secret_values(tap)
    sasl_is_not_pretended(tap)
    peers(tap)
    tap.done()
    sys.exit(tap.failed > 0)


if __name__ == "__main__":
    main()
