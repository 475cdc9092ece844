"""The admin port over TLS: one port with it and without, certificates of clients, new certificates without a restart,
revocation, strangers. TAP on standard output.
"""

import http.client
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from admin_support import STORES, Ours, get  # noqa: E402
import pki  # noqa: E402
from ensemble import BUILD, PATIENCE_S, Tap, connect, four_letter, leave  # noqa: E402


def over_tls(port, path, key=None, trust=os.path.join(STORES, "trust.pem")):
    """Status of a request over TLS, or what went wrong."""
    context = ssl.create_default_context(cafile=trust)
    context.check_hostname = False
    if key is not None:
        context.load_cert_chain(os.path.join(STORES, key))
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=PATIENCE_S, context=context)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()


def plainly(port, path):
    try:
        return get(port, path)[0]
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__


def check_begun_record(tap, ensemble):
    """The library has something to do for as long as a TLS record is not whole: the loop must not wait for that."""
    with socket.create_connection(("127.0.0.1", ensemble.admin_ports[0]), timeout=PATIENCE_S) as stranger:
        stranger.sendall(b"\x16\x03")
        time.sleep(0.3)
        try:
            answer = four_letter(ensemble.client_ports[0], "srvr")
        except OSError as error:
            answer = type(error).__name__
        tap.ok("Mode: standalone" in answer, "ours: clients are served while a TLS record is not whole", answer)


def presented(port, trust):
    """The common name of the certificate that is shown."""
    context = ssl.create_default_context(cafile=trust)
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as s:
            return dict(pair[0] for pair in s.getpeercert()["subject"])["commonName"]


def check_files_change(tap):
    """New certificates without a restart, as on the other ports, and revoked clients."""
    with tempfile.TemporaryDirectory(prefix="viv-pki-") as folder:
        root = pki.Holder(folder, "root", is_authority=True)
        middle = pki.Holder(folder, "middle", root, is_authority=True)
        first, second, client = (pki.Holder(folder, name, middle) for name in ("first", "second", "client"))
        key, trust = os.path.join(folder, "own.pem"), os.path.join(folder, "trust.pem")
        shutil.copy(first.pem(), key)
        pki.write(trust, root.certificate() + root.revoke() + middle.revoke())
        with Ours(1, **{"ssl.quorum.keyStore.location": key, "ssl.quorum.trustStore.location": trust,
                        "ssl.quorum.crl": "true", "admin.forceHttps": "true",
                        "admin.needClientAuth": "true"}) as ensemble:
            port = ensemble.admin_ports[0]

            def ask():
                return over_tls(port, "/live", client.pem(), root.base + ".crt")

            def until(function, wanted):
                deadline = time.monotonic() + PATIENCE_S
                while function() != wanted and time.monotonic() < deadline:
                    time.sleep(0.05)
                return function() == wanted
            tap.ok(ask() == 200 and presented(port, root.base + ".crt") == "first", "ours: a client of the authority's is answered")
            shutil.copy(second.pem(), key)
            ensemble.signal(0, signal.SIGHUP)
            tap.ok(until(lambda: presented(port, root.base + ".crt"), "second"),
                   "ours: a new certificate is shown without a restart", ensemble.logs())
            pki.write(trust, root.certificate() + root.revoke() + middle.revoke(client))
            ensemble.signal(0, signal.SIGHUP)
            tap.ok(until(lambda: ask() == 200, False), "ours: a client that is on the list of the revoked is refused", ask())
            pki.write(trust, root.certificate() + root.revoke(middle) + middle.revoke())
            ensemble.signal(0, signal.SIGHUP)
            time.sleep(0.2)
            tap.ok(ask() != 200, "ours: and one below an authority that is revoked")
            pki.write(trust, root.certificate() + root.revoke() + middle.revoke())
            ensemble.signal(0, signal.SIGHUP)
            tap.ok(until(ask, 200), "ours: as soon as the lists allow it, it is answered again", ask())
            pki.write(key, "rubbish")
            ensemble.signal(0, signal.SIGHUP)
            tap.ok(until(lambda: "stay in use" in ensemble.logs(), True) and ask() == 200,
                   "ours: a broken file changes nothing, and is told of", ensemble.logs())


def check_long_answer(tap):
    """More than a pair of sockets holds, to a client that takes its time; and many at once."""
    stores = {"ssl.quorum.keyStore.location": STORES + "/plain.pem"}
    with Ours(1, **dict(stores, **{"admin.forceHttps": "true"})) as ensemble:
        port = ensemble.admin_ports[0]
        client = connect(ensemble.host(0))
        for i in range(400):
            client.create("/%d" % i, os.urandom(20000))
        context = ssl.create_default_context(cafile=os.path.join(STORES, "trust.pem"))
        connection = http.client.HTTPSConnection("localhost", port, timeout=PATIENCE_S, context=context)
        connection.request("GET", "/commands/snapshot", headers={"Authorization": "digest any:body"})
        response = connection.getresponse()
        size = 0
        while True:
            part = response.read(1 << 20)
            size += len(part)
            time.sleep(0.005)
            if not part:
                break
        connection.close()
        tap.ok(response.status == 200 and size > 8000000, "ours: a long answer comes whole to a slow taker", (response.status, size))
        strangers = [socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) for _ in range(100)]
        for stranger in strangers:
            stranger.sendall(b"\x16\x03\x01\x01\x00\x01")
        tap.ok(client.get("/1") is not None, "ours: a hundred begun handshakes disturb no client")
        for stranger in strangers:
            stranger.close()
        deadline = time.monotonic() + PATIENCE_S
        while over_tls(port, "/live") != 200 and time.monotonic() < deadline:
            time.sleep(0.05)
        tap.ok(over_tls(port, "/live") == 200, "ours: when they have gone, the port answers again")
        leave(client)


def check_shell(tap, port):
    """top and slow of vivarium-cli, with the options that are its clients' too."""
    def ask(scheme, *options):
        done = subprocess.run([os.path.join(BUILD, "vivarium-cli"), "--timeout", "5000", *options, "top", "--once", "--admin",
                               "%s127.0.0.1:%d" % (scheme, port)], capture_output=True, text=True, timeout=PATIENCE_S)
        return done.returncode, done.stdout + done.stderr
    trust = ("--tls-trust", os.path.join(STORES, "trust.pem"))
    code, said = ask("https://", *trust, "--tls-key", os.path.join(STORES, "plain.pem"))
    tap.ok(code == 0, "ours: vivarium-cli speaks TLS to it", (code, said))
    told = [ask("https://", *trust), ask("https://"), ask("", *trust)]
    tap.ok([code for code, _ in told] == [3, 2, 3] and "certificate required" in told[0][1] and "--tls-trust" in told[1][1] and
           "https://" in told[2][1], "ours: and says what is missing", told)


def check_tls(tap):
    stores = {"ssl.quorum.keyStore.location": STORES + "/plain.pem", "ssl.quorum.trustStore.location":
              STORES + "/trust.pem"}
    with Ours(1, **dict(stores, **{"admin.portUnification": "true"})) as ensemble:
        port = ensemble.admin_ports[0]
        both = [over_tls(port, "/live"), plainly(port, "/live"), over_tls(port, "/commands/srvr")]
        tap.ok(both == [200, 200, 200], "ours: one port answers with TLS and without", both)
        check_begun_record(tap, ensemble)
    with Ours(1, **dict(stores, **{"admin.forceHttps": "true", "admin.needClientAuth": "true"})) as ensemble:
        port = ensemble.admin_ports[0]
        answers = [over_tls(port, "/live"), over_tls(port, "/live", "plain.pem"), plainly(port, "/live") == 200]
        tap.ok(answers[0] != 200 and answers[1:] == [200, False], "ours: only with TLS and a certificate", answers)
        check_shell(tap, port)
    ensemble = Ours(1, **{"admin.forceHttps": "true"})
    try:
        ensemble.start(0)
        code = ensemble.processes[0].wait(PATIENCE_S)
        ensemble.processes[0] = None
        tap.ok(code == 2 and "ssl.keyStore" in ensemble.logs(), "ours: TLS without a key stops the start",
               "%s %s" % (code, ensemble.logs()))
    finally:
        ensemble.close()


def main():
    tap = Tap()
    check_tls(tap)
    check_files_change(tap)
    check_long_answer(tap)
    tap.done()
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
