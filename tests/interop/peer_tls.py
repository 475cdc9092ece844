"""Three servers that talk TLS with each other: they elect, follow and come back; who has no certificate, another's, or a
certificate of nobody's is refused before a byte of the protocol is heard; plain and TLS servers live together while an
ensemble is being converted. With --java one of them is Apache ZooKeeper. TAP."""

import os
import shutil
import socket
import ssl
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from ensemble import PATIENCE_S, Ensemble, Tap, connect, default_configuration, leave, zookeeper_class_path  # noqa: E402


def run(*command):
    subprocess.run(command, check=True, capture_output=True)


def make_stores(folder):
    """An authority, a certificate for the servers, one for another host, and one that nobody signed, as PEM, PKCS#12
    and, where keytool is installed, JKS."""
    os.mkdir(folder)

    def at(name):
        return os.path.join(folder, name)
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    run("openssl", "req", "-x509", *curve, "-days", "3650", "-subj", "/CN=authority", "-keyout", at("ca.key"), "-out", at("ca.pem"))
    for name, san in (("server", "IP:127.0.0.1"), ("other", "IP:127.0.0.9"), ("stranger", None)):
        if san is None:
            run("openssl", "req", "-x509", *curve, "-days", "3650", "-subj", "/CN=" + name, "-addext",
                "subjectAltName=IP:127.0.0.1", "-keyout", at(name + ".key"), "-out", at(name + ".crt"))
        else:
            run("openssl", "req", *curve, "-subj", "/CN=" + name, "-addext", "subjectAltName=" + san, "-keyout",
                at(name + ".key"), "-out", at(name + ".csr"))
            run("openssl", "x509", "-req", "-in", at(name + ".csr"), "-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-days", "3650",
                "-copy_extensions", "copy", "-out", at(name + ".crt"))
        with open(at(name + ".pem"), "w") as out:
            for part in (".key", ".crt"):
                with open(at(name + part)) as f:
                    out.write(f.read())
        run("openssl", "pkcs12", "-export", "-inkey", at(name + ".key"), "-in", at(name + ".crt"), "-out", at(name + ".p12"),
            "-passout", "pass:secret")
    if shutil.which("keytool") is not None:
        run("keytool", "-importkeystore", "-srckeystore", at("server.p12"), "-srcstoretype", "PKCS12", "-srcstorepass", "secret",
            "-destkeystore", at("server.jks"), "-deststoretype", "JKS", "-deststorepass", "secret")
        run("keytool", "-importcert", "-noprompt", "-keystore", at("ca.jks"), "-storetype", "JKS", "-storepass", "secret",
            "-alias", "ca", "-file", at("ca.pem"))
    return at


class TlsEnsemble(Ensemble):
    """`kinds`: of each server; `lines`: more of the configuration of each."""

    def __init__(self, kinds, lines):
        self.kinds, self.lines = kinds, lines
        super().__init__("vivarium", len(kinds), default_configuration(), {"tickTime": 1000})

    def command(self, index):
        self.kind = self.kinds[index]
        command = super().command(index)
        with open(command[-1], "a") as f:
            f.write("\n".join(self.lines[index]) + "\n")
        return command


def stores(at, key="server.pem", trust="ca.pem"):
    lines = ["ssl.quorum.keyStore.location=" + at(key), "ssl.quorum.trustStore.location=" + at(trust)]
    if not key.endswith(".pem"):
        lines.append("ssl.quorum.keyStore.password=secret")
    if not trust.endswith(".pem"):
        lines.append("ssl.quorum.trustStore.password=secret")
    return lines


def works(ensemble):
    """A write through each server is read at every other."""
    clients = []
    try:
        for port in ensemble.client_ports:
            client = connect("127.0.0.1:%d" % port, timeout=10)
            clients.append(client)
        made = [client.create("/by-", b"x", sequence=True) for client in clients]
        for client in clients:
            client.sync("/")
            if any(client.exists(path) is None for path in made):
                return False
        return True
    finally:
        for client in clients:
            leave(client)


def survives(tap, ensemble, what):
    leader = ensemble.wait_leader()
    ensemble.kill(leader)
    ensemble.wait_serving([i for i in range(ensemble.servers) if i != leader])
    ensemble.start(leader)
    ensemble.wait_serving()
    tap.ok(works(ensemble), what + ": a killed leader is replaced and comes back", ensemble.logs())


def peer_context(at, name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(at("ca.pem"))
    if name is not None:
        context.load_cert_chain(at(name + ".pem"))
    return context


def introduce(port, context, sid):
    """Says FOLLOWERINFO as `sid`; what the leader says first, b"" when it hangs up."""
    info = struct.pack(">qiq", sid, 0x10000, 0)
    packet = struct.pack(">iQi", 11, 0, len(info)) + info + struct.pack(">i", -1)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as plain:
            s = plain if context is None else context.wrap_socket(plain)
            s.sendall(packet)
            return s.recv(4096)
    except OSError:
        return b""


def check_refusals(tap, ensemble, at):
    leader = ensemble.wait_leader()
    peer, election = ensemble.peer_ports[leader]
    sid = next(i for i in range(3) if i != leader) + 1
    for who, name in (("without TLS", ""), ("without a certificate", None), ("with a certificate that nobody signed", "stranger"),
                      ("with a certificate of another host", "other")):
        context = peer_context(at, name) if name != "" else None
        tap.ok(introduce(peer, context, sid) == b"", "a peer %s is refused" % who)
        hello = struct.pack(">qqi", -65536, sid, 11) + b"127.0.0.1:1"
        try:
            with socket.create_connection(("127.0.0.1", election), timeout=PATIENCE_S) as plain:
                s = plain if context is None else context.wrap_socket(plain)
                s.sendall(hello)
                answer = s.recv(4096)
        except OSError:
            answer = b""
        tap.ok(answer[:1] in (b"", b"\x15"), "and so it is at the election port", answer)
    tap.ok(introduce(peer, peer_context(at, "server"), sid) != b"",
           "one with the servers' own certificate is heard (the control)")
    ensemble.wait_serving()
    tap.ok(works(ensemble), "the ensemble is not disturbed", ensemble.logs())


def check_ours(tap, at):
    secure = ["sslQuorum=true"]
    keys = [stores(at, "server.pem"), stores(at, "server.p12"), stores(at, "server.pem")]
    if os.path.exists(at("server.jks")):
        keys[2] = stores(at, "server.jks", "ca.jks")
    with TlsEnsemble(["vivarium"] * 3, [secure + k for k in keys]) as ensemble:
        tap.ok(works(ensemble), "three servers with PEM, PKCS#12 and JKS stores elect and serve", ensemble.logs())
        check_refusals(tap, ensemble, at)
        survives(tap, ensemble, "with TLS")


def check_conversion(tap, at):
    """As the manual has it: every server first takes both, then dials TLS, one at a time."""
    lines = [["sslQuorum=%s" % ("true" if i == 0 else "false"), "portUnification=true"] + stores(at) for i in range(3)]
    with TlsEnsemble(["vivarium"] * 3, lines) as ensemble:
        tap.ok(works(ensemble), "servers that dial plain and TLS live together on unified ports", ensemble.logs())


def check_java(tap, at):
    secure = ["sslQuorum=true"]
    java = stores(at, "server.jks", "ca.jks") + ["ssl.quorum.keyStore.password=secret", "ssl.quorum.trustStore.password=secret"]
    for ours in (("server.pem", "ca.pem"), ("server.jks", "ca.jks")):
        mine = secure + stores(at, *ours)
        for kinds in (["zookeeper", "vivarium", "vivarium"], ["zookeeper", "vivarium", "zookeeper"]):
            lines = [mine if kind == "vivarium" else secure + java for kind in kinds]
            with TlsEnsemble(kinds, lines) as ensemble:
                name = "%s with Java stores, ours %s" % ("/".join(k[0] for k in kinds), ours[0])
                tap.ok(works(ensemble), name + ": every server takes writes that all show", ensemble.logs())
                survives(tap, ensemble, name)


def main():
    tap = Tap()
    wants_java = "--java" in sys.argv[1:]
    scratch = Ensemble("vivarium", 1)
    at = make_stores(os.path.join(scratch.folder, "stores"))
    try:
        if not wants_java:
            check_ours(tap, at)
            check_conversion(tap, at)
        elif zookeeper_class_path() is None or not os.path.exists(at("server.jks")):
            tap.skip("an ensemble with Apache ZooKeeper", "zookeeper or keytool is not installed")
        else:
            check_java(tap, at)
    finally:
        scratch.close()
    tap.done()
    return tap.failed > 0


if __name__ == "__main__":
    sys.exit(main())
