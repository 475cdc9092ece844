"""What a server refuses to start from: each bad value, taken port and wrong directory is told in one clear message with
the right exit code, and leaves nothing behind. TAP."""

import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from ensemble import BUILD, PATIENCE_S, Ensemble, Tap, default_configuration, free_ports, program_for  # noqa: E402

PROGRAM = os.path.join(BUILD, "vivarium")
VOLATILE = ["durability=none"] if default_configuration() == "memory" else []
NOBODY = 65534

# A line that must be refused, the reason that must be told, and what is told to be legal.
BAD_VALUES = (
    ("tickTime=soon", "not a whole number", "legal: 1 to"),
    ("tickTime=0", "out of range", "legal: 1 to"),
    ("tickTime=99999999999999999999", "not a whole number", "legal: 1 to"),
    ("tickTime= ", "not a whole number", "legal: 1 to"),
    ("maxClientCnxns=-1", "out of range", "legal: 0 to"),
    ("snapCount=1", "out of range", "legal: 2 to"),
    ("jute.maxbuffer=1e6", "not a whole number", "legal: 64 to"),
    ("log.segmentBytes=4096", "out of range", "legal: 1048576 to"),
    ("load.threads=3", "out of range", "legal: 1 to 2"),
    ("clientPortAddress=bad host", "not a host name", "legal: a host name or an address"),
    ("backend=tape", "not in this build", "legal: "),
    ("durability=maybe", "neither of the two", "legal: sync or none"),
    ("snapshot=sharp", "not a way of taking snapshots", "legal: fuzzy"),
    ("clusterId=abc", "not 32 hexadecimal digits", "legal: 32 hexadecimal digits"),
    ("4lw.commands.whitelist=ruok,nope", "four-letter word", "legal: *"),
    ("server.0=127.0.0.1:2888:3888", "server id", "legal: server.N="),
    ("server.255=127.0.0.1:2888:3888", "server id", "legal: server.N="),
    ("server.x=127.0.0.1:2888:3888", "server id", "legal: server.N="),
    ("server.1=127.0.0.1", "host", "legal: server.N="),
    ("server.1=127.0.0.1:2888", "two ports", "legal: server.N="),
    ("server.1=127.0.0.1:0:70000", "two ports", "legal: server.N="),
    ("server.1=127.0.0.1:2888:3888:king", "role", "legal: server.N="),
    ("server.1=[::1:2888:3888", "host", "legal: server.N="),
    ("forceSync=no", "forceSync", "durability=none"),
    ("enforce.auth.enabled=true", "enforce.auth.schemes is missing", "legal: a comma list"),
    ("sessionRequireClientSASLAuth=true", "java.security.auth.login.config", "is missing; legal: a JAAS file"),
    ("largeRequestMaxBytes=1", "out of range", "legal: 1048576 to"),
    ("ssl.ocsp=true", "ssl.ocsp", "legal: false"),
    ("ssl.enabledProtocols=TLSv1.1,TLSv1.2", "not safe", "legal: TLSv1.2"),
    ("ssl.quorum.keyStore.type=BCFKS", "not a type", "legal: PEM, PKCS12 or JKS"),
    ("ssl.clientAuth=perhaps", "none of the three", "legal: need"),
    ("ssl.context.supplier.class=Mine", "not supported", "the other keys"),
)


class Case:
    """A folder of its own and what a start in it came to."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="viv-refusal-")
        self.data = os.path.join(self.folder, "data")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, *lines, data=None, port=0, user=None, command=None):
        """Exit code and what was said; the first lines are dataDir, clientPortAddress and clientPort."""
        path = os.path.join(self.folder, "server.cfg")
        with open(path, "w") as f:
            f.write("\n".join(["dataDir=%s" % (data or self.data), "clientPortAddress=127.0.0.1",
                               "clientPort=%d" % port, *VOLATILE, *lines]) + "\n")
        os.chmod(self.folder, 0o755)
        program = program_for(user, self.folder)
        done = subprocess.run([program, path] if command is None else command, capture_output=True, text=True,
                              errors="replace", timeout=PATIENCE_S, user=user)
        return done.returncode, done.stderr

    def write_myid(self, text):
        os.makedirs(self.data, exist_ok=True)
        with open(os.path.join(self.data, "myid"), "w") as f:
            f.write(text)


def errors(text):
    return [line for line in text.splitlines() if " ERROR " in line]


def check_values(tap):
    with Case() as case:
        line = 4 + len(VOLATILE)
        wrong = []
        for bad, reason, legal in BAD_VALUES:
            code, text = case.run(bad)
            told = [t for t in text.splitlines() if "server.cfg:%d: error: " % line in t]
            if code != 2 or len(told) != 1 or reason not in told[0] or legal not in told[0]:
                wrong.append("%s -> %d %s" % (bad, code, text))
        tap.ok(not wrong, "each of %d bad values is told with file, line, key and what is legal" % len(BAD_VALUES),
               "\n".join(wrong))
        tap.ok(os.listdir(case.folder) == ["server.cfg"], "and nothing was made", os.listdir(case.folder))
        code, text = case.run("tikTime=2000", "tickTime=soon", "no equals sign here")
        tap.ok(code == 2 and "server.cfg:%d: warning: " % line in text and "tikTime" in text and
               "server.cfg:%d: error: " % (line + 1) in text, "a typo in a key is a warning with its line", text)
        code, text = case.run("tickTime=2000", "tickTime=3000", "load.threads=3")
        tap.ok("server.cfg:%d: " % (line + 1) in text and text.count("tickTime") > 0, "a key given twice is told", text)


def check_files(tap):
    with Case() as case:
        for name, command in (("a missing file", [PROGRAM, os.path.join(case.folder, "none.cfg")]),
                              ("a directory", [PROGRAM, case.folder])):
            code, text = case.run(command=command)
            tap.ok(code == 2 and "cannot be read" in text, "%s as configuration is refused" % name, text)
        path = os.path.join(case.folder, "noise.cfg")
        with open(path, "wb") as f:
            f.write(random.Random(1).randbytes(1 << 16))
        code, text = case.run(command=[PROGRAM, path])
        tap.ok(code == 2 and "was not started" in text, "noise as configuration is refused", (code, text[-300:]))


def check_myid(tap):
    ports = free_ports(6)
    lines = ["initLimit=5", "syncLimit=5"] + ["server.%d=127.0.0.1:%d:%d" % (i + 1, ports[2 * i], ports[2 * i + 1])
                                              for i in range(3)]
    for text in (None, "", "x", "0", "255", "-1", "1 2", "9", "9" * 5000):
        with Case() as case:
            if text is not None:
                case.write_myid(text + "\n")
            code, said = case.run(*lines)
            tap.ok(code == 2 and said.count(": error: ") == 1 and "myid" in said and
                   not os.path.exists(os.path.join(case.data, "vivarium")),
                   "myid %s is refused" % ("that is missing" if text is None else repr(text[:8])), said)


def check_directories(tap):
    with Case() as case:
        theirs = os.path.join(case.data, "version-2")
        os.makedirs(theirs)
        with open(os.path.join(theirs, "log.1"), "w") as f:
            f.write("theirs")
        code, text = case.run()
        with open(os.path.join(theirs, "log.1")) as f:
            kept = f.read()
        tap.ok(code == 3 and len(errors(text)) == 1 and "no snapshot" in text and kept == "theirs" and
               os.listdir(case.data) == ["version-2"],
               "a damaged directory of ZooKeeper's is refused and left alone", text)
    with Case() as case:
        with open(case.data, "w") as f:
            f.write("a file")
        code, text = case.run()
        tap.ok(code == 3 and len(errors(text)) == 1 and case.data in text, "a file as directory is refused", text)
    with Case() as case:
        os.makedirs(case.data, mode=0o755)
        if os.geteuid() != 0:
            tap.skip("a directory of another user is refused", "only root can become somebody else")
            return
        code, text = case.run(user=NOBODY)
        tap.ok(code == 3 and len(errors(text)) == 1 and os.listdir(case.data) == [],
               "a directory of another user is refused", text)


def check_taken(tap):
    with Ensemble("vivarium") as server:
        data = server.data_dir(0)
        before = sorted(os.listdir(data))
        with Case() as case:
            code, text = case.run(data=data)
            tap.ok(code == 3 and len(errors(text)) == 1 and "another process holds" in text and
                   sorted(os.listdir(data)) == before and server.mode(0) == "standalone",
                   "a second server in one directory is refused, the first serves on", text)
            code, text = case.run(port=server.client_ports[0])
            tap.ok(code == 2 and len(errors(text)) == 1 and str(server.client_ports[0]) in text and
                   not os.path.exists(os.path.join(case.data, "ports")), "a taken client port is refused", text)
    with Case() as case, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = free_ports(5)
        case.write_myid("1\n")
        code, text = case.run("initLimit=5", "syncLimit=5",
                              "server.1=127.0.0.1:%d:%d" % (ports[0], taken.getsockname()[1]),
                              "server.2=127.0.0.1:%d:%d" % tuple(ports[1:3]),
                              "server.3=127.0.0.1:%d:%d" % tuple(ports[3:5]))
        tap.ok(code == 2 and len(errors(text)) == 1 and "election port" in text,
               "a taken election port is refused", text)


def check_foreign(tap):
    if default_configuration() == "memory":
        tap.skip("the files of another server are refused", "memory has none")
        return
    with Ensemble("vivarium", 3) as servers:
        for index in range(3):
            servers.terminate(index)
        with open(os.path.join(servers.data_dir(0), "myid"), "w") as f:
            f.write("2\n")
        path = os.path.join(servers.folder, "server-1.cfg")
        done = subprocess.run([PROGRAM, path], capture_output=True, text=True, timeout=PATIENCE_S)
        tap.ok(done.returncode == 3 and "another server or ensemble" in done.stderr,
               "the files of another server are refused, with what to do", done.stderr)


def main():
    tap = Tap()
    check_values(tap)
    check_files(tap)
    check_myid(tap)
    check_directories(tap)
    check_taken(tap)
    check_foreign(tap)
    tap.done()


if __name__ == "__main__":
    main()
