"""TLS on the client ports: who is let in with which certificate, keys that change while the server runs, one port for
both, stores that do not work, and the limits of connections that are not open yet. TAP."""

import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pki  # noqa: E402
from ensemble import (BUILD, PATIENCE_S, Ensemble, Metronome, Tap, default_configuration, die_with_parent,  # noqa: E402
                      free_ports, leave, program_for, zookeeper_class_path)

from kazoo.client import KazooClient  # noqa: E402

STORES = os.path.join(os.environ.get("VIV_SOURCE_DIR", "."), "tests", "unit", "security", "stores")
SUBJECT = rb"CN=vivarium test,OU=a\+b,O=Example\, Inc.,C=DE"
CONNECT = struct.pack(">iiqiqi16sb", 45, 0, 0, 10000, 0, 16, b"", 0)
WHO_AM_I = struct.pack(">iii", 8, 1, 107)
NOBODY = 65534


class Server:
    """One server in a folder of its own; its stores are copies, so that a test may change them."""

    def __init__(self, *lines, ports="secureClientPort=0\nsecureClientPortAddress=127.0.0.1"):
        self.folder = tempfile.mkdtemp(prefix="viv-tls-")
        self.stores = os.path.join(self.folder, "stores")
        os.mkdir(self.stores)
        for name in os.listdir(STORES):  # contents only: the sources may be read-only
            shutil.copyfile(os.path.join(STORES, name), os.path.join(self.stores, name))
        os.mkdir(os.path.join(self.folder, "data"), 0o700)
        self.lines = ["dataDir=%s/data" % self.folder, *ports.splitlines(), "4lw.commands.whitelist=*", *lines]
        if default_configuration() == "memory":
            self.lines.append("durability=none")
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                assert self.process.wait(PATIENCE_S) in (0, -signal.SIGTERM), self.log()
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def store(self, name):
        return os.path.join(self.stores, name)

    def write_config(self):
        path = os.path.join(self.folder, "cfg")
        with open(path, "w") as f:
            f.write("\n".join(line.replace("STORES", self.stores) for line in self.lines) + "\n")
        return path

    def start(self, files=None):
        def prepare():
            die_with_parent()
            if files is not None:
                import resource
                resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
        self.log_path = os.path.join(self.folder, "log")
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([os.path.join(BUILD, "vivarium"), self.write_config()], stdout=log, stderr=log,
                                            preexec_fn=prepare)
        deadline = time.monotonic() + PATIENCE_S
        self.ports = {}
        while not self.ports:
            assert self.process.poll() is None and time.monotonic() < deadline, self.log()
            try:
                with open(os.path.join(self.folder, "data", "ports")) as f:
                    self.ports = dict((k, int(v)) for k, v in (line.split("=") for line in f.read().split()))
            except OSError:
                time.sleep(0.02)

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def wait_log(self, text, count=1):
        deadline = time.monotonic() + PATIENCE_S
        while self.log().count(text) < count and time.monotonic() < deadline:
            time.sleep(0.02)
        return self.log().count(text) >= count


def client_context(key="plain.pem", trust="trust.pem"):
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=os.path.join(STORES, trust))
    if key is not None:
        context.load_cert_chain(os.path.join(STORES, key))
    return context


def connect(port, context=None, host="localhost", source="127.0.0.1"):
    plain = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S, source_address=(source, 0))
    return plain if context is None else context.wrap_socket(plain, server_hostname=host)


def read_exactly(s, size):
    data = b""
    while len(data) < size:
        part = s.recv(size - len(data))
        if not part:
            return data
        data += part
    return data


def session(s, timeout_ms=10000):
    """A session over an open connection; the length of the answer tells."""
    s.sendall(CONNECT[:16] + struct.pack(">i", timeout_ms) + CONNECT[20:])
    return len(read_exactly(s, 41)) == 41


def word(s, text):
    s.sendall(text)
    answer = b""
    while True:
        part = s.recv(4096)
        if not part:
            return answer
        answer += part


def who_am_i(s):
    s.sendall(WHO_AM_I)
    return read_exactly(s, struct.unpack(">i", read_exactly(s, 4))[0])


def attempt(function):
    try:
        return function()
    except (OSError, ssl.SSLError) as error:
        return "%s: %s" % (type(error).__name__, error)


KEYS = ("ssl.keyStore.location=STORES/key.p12", "ssl.keyStore.password=secret", "ssl.trustStore.location=STORES/trust.jks",
        "ssl.trustStore.password=secret")


def check_identity(tap):
    user = SUBJECT.decode()
    with Server(*KEYS, "X509AuthenticationProvider.superUser=" + user) as server:
        port = server.ports["secureClient"]
        with connect(port, client_context()) as s:
            tap.ok(word(s, b"ruok") == b"imok", "a four-letter word is answered over TLS, and the end is told")
        with connect(port, client_context()) as s:
            tap.ok(session(s), "a session is made over TLS")
            answer = who_am_i(s)
            tap.ok(b"x509" in answer and SUBJECT in answer and b"super" in answer and b"127.0.0.1" in answer,
                   "the certificate's subject is an identity, and the super user when it is configured", answer)
        result = attempt(lambda: session(connect(port, client_context(key=None))))
        tap.ok(result is not True, "without a certificate nobody comes in by default", result)
        result = attempt(lambda: connect(port, client_context(), host="example.org"))
        tap.ok("CERTIFICATE_VERIFY_FAILED" in str(result), "a client sees that the server is not another host", result)
        with connect(port) as s:
            s.sendall(CONNECT)
            tap.ok(attempt(lambda: s.recv(4096)[:1]) in (b"", b"\x15"), "plain bytes on the TLS port are refused")
            tap.ok(server.wait_log("no TLS connection came about"), "and told of")
        with connect(port, client_context()) as s:
            tap.ok(session(s), "others are served as before")


def check_one_port(tap):
    with Server(*KEYS, "client.portUnification=true", "ssl.clientAuth=none",
                ports="clientPort=0\nclientPortAddress=127.0.0.1") as server:
        port = server.ports["client"]
        with connect(port, client_context(key=None)) as secure, connect(port) as plain:
            tap.ok(session(secure) and session(plain), "one port takes TLS and plain connections")
            tap.ok(b"x509" not in who_am_i(secure) and b"x509" not in who_am_i(plain), "neither of them is anybody yet")
        with connect(port) as plain:
            tap.ok(word(plain, b"ruok") == b"imok", "four-letter words are told from TLS by their first byte")


def make_certificate(server, name, common_name):
    """A key and a certificate of its own, as one PEM file; it is trusted by nobody yet."""
    path = server.store(name)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                    "3650", "-subj", "/CN=" + common_name, "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                    "-keyout", path + ".key", "-out", path + ".crt"], check=True, capture_output=True)
    with open(path, "w") as out:
        for part in (".key", ".crt"):
            with open(path + part) as f:
                out.write(f.read())
    return path


def presented(port, context):
    """The common name of the certificate that the server shows."""
    with connect(port, context) as s:
        return dict(pair[0] for pair in s.getpeercert()["subject"])["commonName"]


def check_reload(tap):
    with Server("ssl.keyStore.location=STORES/plain.pem", "ssl.trustStore.location=STORES/trust.pem",
                "ssl.clientAuth=want") as server:
        port = server.ports["secureClient"]
        context = client_context(key=None)
        old = connect(port, context)
        tap.ok(session(old), "a session with the first certificate")
        new = make_certificate(server, "new.pem", "renewed")
        context.load_verify_locations(new + ".crt")
        shutil.copy(new, server.store("plain.pem"))
        server.process.send_signal(signal.SIGHUP)
        tap.ok(server.wait_log("were read again"), "SIGHUP reads keys and certificates again", server.log())
        tap.ok(presented(port, context) == "renewed", "new connections get the new certificate")
        with open(server.store("plain.pem"), "w") as f:
            f.write("-----BEGIN CERTIFICATE-----\nrubbish\n")
        server.process.send_signal(signal.SIGHUP)
        tap.ok(server.wait_log("the ones read before stay in use"), "a broken store is told of", server.log())
        tap.ok(presented(port, context) == "renewed" and server.log().count("stay in use") == 1,
               "once, and the certificate before it stays")
        tap.ok(SUBJECT not in who_am_i(old), "a session that was there before goes on")
        old.close()
    with Server("ssl.keyStore.location=STORES/plain.pem", "ssl.trustStore.location=STORES/trust.pem",
                "ssl.clientAuth=want", "client.certReload=true") as server:
        new = make_certificate(server, "new.pem", "renewed")
        context = client_context(key=None)
        context.load_verify_locations(new + ".crt")
        os.replace(new, server.store("plain.pem"))
        tap.ok(server.wait_log("were read again") and presented(server.ports["secureClient"], context) == "renewed",
               "with client.certReload a file that changes is read by itself", server.log())


def check_refusals(tap):
    """What the server does not start with: one message that says what to do, and nothing opened."""
    key = "ssl.keyStore.location=STORES/"
    trust = ("ssl.trustStore.location=STORES/trust.pem",)
    cases = (
        ("a wrong password", (key + "key.jks", "ssl.keyStore.password=wrong", *trust), "password of a TLS store is wrong"),
        ("a missing file", (key + "none.jks", *trust), "a TLS file is missing"),
        ("a store of another type", (key + "key.pem", "ssl.keyStore.type=JKS", *trust), "of another type"),
        ("no key store", trust, "a TLS store is not configured"),
        ("no trust store", (key + "plain.pem",), "a TLS store is not configured"),
        ("a trust store in place of a key store", (key + "trust.pem", *trust), "holds no private key"),
        ("a key that is not that of the certificate", (key + "mixed.pem", *trust), "do not belong together"),
        ("a list of the revoked that is not there", (key + "plain.pem", "ssl.crl=true", *trust), "there is none"),
        ("a cipher that does not exist", (key + "plain.pem", "ssl.ciphersuites=TLS_RSA_WITH_NULL", *trust),
         "cipher suite is unknown"),
    )
    for name, lines, told in cases:
        with_user(tap, name, lines, told, None)
    if os.getuid() == 0:
        with_user(tap, "a file that may not be read", (key + "plain.pem", *trust), "may not be read", NOBODY)
    else:
        tap.skip("a file that may not be read stops the start with one message", "needs root to become another user")


def with_user(tap, name, lines, told, user):
    server = Server(*lines, "ssl.trustStore.password=secret")
    try:
        with open(server.store("plain.pem")) as f:
            text = f.read()
        other = make_certificate(server, "other.pem", "other")
        with open(other + ".key") as k, open(server.store("mixed.pem"), "w") as f:
            f.write(k.read() + text[text.index("-----BEGIN CERT"):])
        path = server.write_config()
        if user is not None:
            os.chown(os.path.join(server.folder, "data"), user, user)
            os.chmod(server.folder, 0o755)
            os.chmod(server.store("plain.pem"), 0o600)
        done = subprocess.run([program_for(user, server.folder), path], capture_output=True, text=True, timeout=PATIENCE_S,
                              user=user)
        errors = [line for line in done.stderr.splitlines() if " ERROR " in line]
        tap.ok(done.returncode == 2 and len(errors) == 1 and told in errors[0] and "secret" not in done.stderr and
               os.listdir(os.path.join(server.folder, "data")) == [],
               "%s stops the start with one message, and leaves nothing behind" % name, (done.returncode, done.stderr))
    finally:
        server.__exit__()


def check_revoked(tap):
    """A client below a root and an authority: refused when any list on its way up names it or the authority, or is
    missing; the root, which is trusted by itself, needs no list."""
    with tempfile.TemporaryDirectory(prefix="viv-pki-") as folder:
        root = pki.Holder(folder, "root", is_authority=True)
        middle = pki.Holder(folder, "middle", root, is_authority=True)
        server_key, client, other = (pki.Holder(folder, name, middle) for name in ("server", "client", "other"))
        top = pki.Holder(folder, "top", is_authority=True)  # of another tree, whose lists say nothing about this one
        trust = os.path.join(folder, "trust.pem")
        cases = (
            ("nobody is revoked", root.revoke() + middle.revoke(), True),
            ("somebody else is revoked", root.revoke() + middle.revoke(other), True),
            ("the client is revoked", root.revoke() + middle.revoke(client), False),
            ("the authority between is revoked", root.revoke(middle) + middle.revoke(), False),
            ("the list of the authority between is missing", root.revoke(), False),
            ("the list of the root is missing", middle.revoke(), False),
            ("the lists are of others", top.revoke(), False),
        )
        pki.write(trust, root.certificate() + cases[0][1])
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=root.base + ".crt")
        context.load_cert_chain(client.pem())
        with Server("ssl.keyStore.location=" + server_key.pem(), "ssl.trustStore.location=" + trust,
                    "ssl.crl=true") as server:
            for name, lists, is_welcome in cases:
                pki.write(trust, root.certificate() + lists)
                reads = server.log().count("were read again")
                server.process.send_signal(signal.SIGHUP)
                server.wait_log("were read again", reads + 1)
                result = attempt(lambda: session(connect(server.ports["secureClient"], context)))
                tap.ok((result is True) == is_welcome, "ssl.crl: %s: %s" % (name, "welcome" if is_welcome else "refused"),
                       (result, server.log()[-600:]))
            pki.write(trust, middle.certificate() + middle.revoke())
            server.process.send_signal(signal.SIGHUP)
            server.wait_log("were read again", len(cases) + 1)
            tap.ok(session(connect(server.ports["secureClient"], context)),
                   "ssl.crl: an authority that is trusted by itself needs no list of the root's")


def check_expired(tap):
    with Server("ssl.keyStore.location=STORES/expired.p12", *KEYS[1:]) as server:
        tap.ok(server.wait_log("the own certificate has expired"), "an expired certificate is warned of at the start",
               server.log())


def check_handshake_limits(tap):
    """Connections that say nothing, or half of a handshake, beside a bystander."""
    with Server(*KEYS, "maxClientCnxns=0", "netty.server.outstandingHandshake.limit=20",
                "ssl.handshakeDetectionTimeoutMillis=1000") as server:
        port = server.ports["secureClient"]
        bystander = connect(port, client_context())
        tap.ok(session(bystander), "a bystander has a session")
        hello = b"\x16\x03\x01\x01\x00\x01"
        started = time.monotonic()
        stuck = [connect(port) for _ in range(40)]
        for s in stuck:
            s.sendall(hello)
        with connect(port, client_context()) as s:
            waited = session(s)
        tap.ok(waited and time.monotonic() - started > 0.5,
               "over the limit of handshakes newcomers wait, and come in when others are given up")
        slowest = 0.0
        with Metronome(server.process.pid) as metronome:
            for _ in range(20):
                began = time.monotonic()
                who_am_i(bystander)
                slowest = max(slowest, time.monotonic() - began)
        tap.ok(slowest < metronome.allows(0.5), "the bystander is not disturbed", (slowest, metronome.worst_s))
        closed = [attempt(lambda s=s: s.recv(1)) for s in stuck]
        tap.ok(all(c in (b"",) or "Reset" in str(c) for c in closed), "handshakes that do not come on are given up", closed)
        for s in stuck:
            s.close()
        bystander.close()


def check_descriptors(tap):
    """With few descriptors the last connections are refused, those there are go on, and one line a second tells."""
    server = Server(*KEYS, "maxClientCnxns=0", ports="clientPort=0\nclientPortAddress=127.0.0.1")
    try:
        server.start(files=160)
        port = server.ports["client"]
        bystander = connect(port)
        tap.ok(session(bystander), "a bystander has a session")
        began = time.monotonic()
        others = [connect(port) for _ in range(200)]
        held = sum(attempt(lambda s=s: session(s)) is True for s in others)
        tap.ok(20 <= held <= 90, "connections are refused while the descriptors kept for peers are still free", held)
        tap.ok(b"127.0.0.1" in who_am_i(bystander), "a session that was there before goes on")
        seconds = time.monotonic() - began
        tap.ok(1 <= server.log().count("limit=\"open files") <= seconds + 3, "and one line a second tells", server.log()[-2000:])
        for s in others:
            s.close()
        deadline = time.monotonic() + PATIENCE_S
        while attempt(lambda: session(connect(port))) is not True and time.monotonic() < deadline:
            time.sleep(0.05)
        tap.ok(attempt(lambda: session(connect(port))) is True, "newcomers come in again when others have left")
        bystander.close()
    finally:
        server.__exit__()


def check_clients(tap):
    """Our own client and kazoo; zkCli.sh with Java's stores is in the long form (--java)."""
    with Server(*KEYS) as server:
        port = server.ports["secureClient"]
        with open(server.store("password"), "w") as f:
            f.write("secret\n")

        def cli(host, *command, key=True, wait_ms=PATIENCE_S * 1000):
            options = ["--tls-trust", server.store("trust.p12"), "--tls-password-file", server.store("password")]
            options += ["--tls-key", server.store("key.jks")] if key else []
            done = subprocess.run([os.path.join(BUILD, "vivarium-cli"), "--wait", "%d" % wait_ms, "--server", "%s:%d" % (host, port),
                                   *options, *command], capture_output=True, text=True, timeout=PATIENCE_S)
            return done.returncode, done.stdout + done.stderr
        code, said = cli("localhost", "whoami")
        tap.ok(code == 0 and SUBJECT.decode() in said, "vivarium-cli speaks TLS with PKCS#12 and JKS stores", (code, said))
        code, said = cli("localhost", "create", "/long", "x" * 100000)
        code, said = cli("localhost", "get", "/long")
        tap.ok(code == 0 and "x" * 100000 in said, "and carries what is longer than a record", (code, said[:200]))
        code, said = cli("localhost", "ls", "/", key=False, wait_ms=1500)
        tap.ok(code == 3 and "certificate required" in said, "it says why it is not let in", (code, said))
        client = KazooClient(hosts="localhost:%d" % port, use_ssl=True, ca=server.store("trust.pem"), timeout=10,
                             certfile=server.store("plain.pem"), keyfile=server.store("plain.pem"))
        client.start(timeout=PATIENCE_S)
        client.create("/kazoo", b"data")
        tap.ok(client.get("/kazoo")[0] == b"data", "kazoo speaks TLS")
        leave(client)


ZK_CLI = "org.apache.zookeeper.ZooKeeperMain"


def check_java(tap):
    """zkCli.sh's class over TLS with JKS and PKCS#12 stores, and the same server under the name that Java's has."""
    classes = zookeeper_class_path()
    if classes is None:
        tap.skip("Java's client over TLS", "zookeeper or a Java runtime is not installed")
        return
    with Server(*KEYS) as server:
        for key, trust in (("key.jks", "trust.jks"), ("key.p12", "trust.p12")):
            options = {"client.secure": "true", "clientCnxnSocket": "org.apache.zookeeper.ClientCnxnSocketNetty",
                       "ssl.keyStore.location": server.store(key), "ssl.keyStore.password": "secret",
                       "ssl.trustStore.location": server.store(trust), "ssl.trustStore.password": "secret"}
            done = subprocess.run(["java", *("-Dzookeeper.%s=%s" % item for item in options.items()), "-cp", classes, ZK_CLI,
                                   "-server", "localhost:%d" % server.ports["secureClient"], "-waitforconnection", "whoami"],
                                  capture_output=True, text=True, timeout=PATIENCE_S)
            tap.ok(SUBJECT.decode() in done.stdout, "Java's client with %s is the subject that we name" % key,
                   done.stdout + done.stderr)


def check_real(tap):
    """Apache ZooKeeper's own server with the same stores: what it makes of the same clients."""
    classes = zookeeper_class_path()
    if classes is None:
        tap.skip("the same subject as Apache ZooKeeper's", "zookeeper or a Java runtime is not installed")
        return
    for auth in ("need", "want", "none"):
        settings = {"secureClientPort": free_ports(1)[0], "secureClientPortAddress": "127.0.0.1", "ssl.clientAuth": auth,
                    "serverCnxnFactory": "org.apache.zookeeper.server.NettyServerCnxnFactory",
                    "ssl.keyStore.location": os.path.join(STORES, "key.jks"), "ssl.keyStore.password": "secret",
                    "ssl.trustStore.location": os.path.join(STORES, "trust.jks"), "ssl.trustStore.password": "secret"}
        with Ensemble("zookeeper", 1, settings=settings):
            with connect(settings["secureClientPort"], client_context()) as s:
                same = session(s) and SUBJECT in who_am_i(s)
            bare = attempt(lambda: session(connect(settings["secureClientPort"], client_context(key=None))))
            with Server(*KEYS, "ssl.clientAuth=" + auth) as server:
                ours = attempt(lambda: session(connect(server.ports["secureClient"], client_context(key=None))))
            if auth != "none":  # with none it does not ask for the certificate
                tap.ok(same, "clientAuth=%s: Apache ZooKeeper names the subject as we do" % auth)
            tap.ok((bare is True) == (ours is True),
                   "clientAuth=%s: a client without a certificate fares the same" % auth, (bare, ours))


def main():
    tap = Tap()
    for check in (check_identity, check_one_port, check_reload, check_refusals, check_revoked, check_expired, check_handshake_limits,
                  check_descriptors, check_clients) if "--java" not in sys.argv[1:] else (check_java, check_real):
        check(tap)
    tap.done()
    return tap.failed > 0


if __name__ == "__main__":
    sys.exit(main())
