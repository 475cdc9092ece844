"""The four-letter words: their forms, in Vivarium's servers and, with --real, in Apache ZooKeeper's too. TAP on standard
output.
"""

import os
import re
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from admin_support import Ours, Real, Scene, command, get, real_available  # noqa: E402
from ensemble import PATIENCE_S, Ensemble, Tap, four_letter  # noqa: E402

NUMBER = r"-?\d+"
SUMMARY = (r"Latency min/avg/max: \d+/\d+\.\d{1,4}/\d+\nReceived: \d+\nSent: \d+\nConnections: \d+\nOutstanding: \d+\n"
           r"Zxid: 0x[0-9a-f]+\nMode: (standalone|leader|follower)\nNode count: \d+\n"
           r"(Proposal sizes last/min/max: -?\d+/-?\d+/-?\d+\n)?$")
BRIEF = r"( /127\.0\.0\.1:\d+\[[0-5]\]\(queued=\d+,recved=\d+,sent=\d+\)\n)+"
DATE = r"\w{3} \w{3} \d\d \d\d:\d\d:\d\d \w+ \d{4}"
SID = r"0x[0-9a-f]+"
WORDS = {
    "ruok": r"imok$",
    "isro": r"rw$",
    "gtmk": r"\d+$",
    "crst": r"Connection stats reset\.\n$",
    "srst": r"Server stats reset\.\n$",
    "dirs": r"datadir_size: \d+\nlogdir_size: \d+\n$",
    "srvr": r"Zookeeper version: \d+\.\d+\.\d+-[^\n]+, built on [^\n]+\n" + SUMMARY,
    "stat": r"Zookeeper version: \d+\.\d+\.\d+-[^\n]+, built on [^\n]+\nClients:\n" + BRIEF + r"\n" + SUMMARY,
    "wchs": r"1 connections watching 2 paths\nTotal watches:2\n$",
    "wchc": r"(?P<sid>%s)\n(\t/(e\u00e9)?\n){2}\n$" % SID,
    "wchp": r"(/(e\u00e9)?\n\t(?P<sid>%s)\n){2}\n$".replace("?P<sid>", "") % SID,
    "cons": r"( /127\.0\.0\.1:\d+\[[0-5]\]\(queued=\d+,recved=\d+,sent=\d+"
            r"(,sid=%s,lop=[A-Z0-9]+,est=\d+,to=\d+(,lcxid=0x[0-9a-f]+)?,lzxid=0x[0-9a-f]+,lresp=\d+,llat=\d+,minlat=\d+,"
            r"avglat=\d+,maxlat=\d+)?\)\n)+\n$" % SID,
    "dump": r"SessionTracker dump:\n(Session Sets \(\d+\)/\(\d+\):\n(\d+ expire at %s:\n(\t%s\n)*)*|"
            r"Global Sessions\(\d+\):\n(%s\t\d+ms\n)*)ephemeral nodes dump:\nSessions with Ephemerals \(\d+\):\n"
            r"(%s:\n(\t/[^\n]*\n)*)*Connections dump:\nConnections Sets \(\d+\)/\(\d+\):\n"
            r"(\d+ expire at %s:\n(\tip: /127\.0\.0\.1:\d+ sessionId: %s\n)*)*$" % (DATE, SID, SID, SID, DATE, SID),
    "hash": r"([0-9a-f]+: \d+\n)+$",
    "envi": r"Environment:\nzookeeper\.version=[^\n]+\nhost\.name=[^\n]+\n([a-z.]+=[^\n]*\n)+$",
    "conf": r"clientPort=\d+\nsecureClientPort=-1\ndataDir=/[^\n]+\ndataDirSize=\d+\ndataLogDir=/[^\n]+\ndataLogSize=\d+\n"
            r"tickTime=\d+\nmaxClientCnxns=\d+\nminSessionTimeout=\d+\nmaxSessionTimeout=\d+\n"
            r"clientPortListenBacklog=-?\d+\nserverId=\d+\n",
    "mntr": r"zk_version\t[^\n]+\nzk_server_state\t\w+\n((zk|viv)_[^\t\n]+\t[^\n]+\n)+$",
}


def check_words(tap, who, scene, index=0):
    port = scene.ensemble.client_ports[index]
    for word, pattern in WORDS.items():
        if index > 0 and word in ("wchs", "wchc", "wchp"):
            continue
        text = four_letter(port, word)
        deadline = time.monotonic() + PATIENCE_S
        while re.match(pattern, text) is None and time.monotonic() < deadline:
            time.sleep(0.05)  # another server may be behind the one that the client knows
            text = four_letter(port, word)
        tap.ok(re.match(pattern, text) is not None, "%s: %s has its form" % (who, word), text)


def ask(port, *parts):
    """What is answered to bytes that come in parts."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as s:
        s.settimeout(PATIENCE_S)
        for i, part in enumerate(parts):
            if i > 0:
                time.sleep(0.05)
            s.sendall(part)
        answer = b""
        try:
            while True:
                more = s.recv(65536)
                if not more:
                    return answer
                answer += more
        except ConnectionResetError:
            return answer


def check_odd_words(tap, who, port):
    parts = [b"stmk" + struct.pack(">q", 306)]
    if who == "ours":
        parts = [parts[0][:2], parts[0][2:7], parts[0][7:]]  # the original wants them in one piece
    masks = [ask(port, b"stmk" + struct.pack(">q", 77)), four_letter(port, "gtmk"), ask(port, *parts),
             four_letter(port, "gtmk")]
    tap.ok(masks == [b"77", "77", b"306", "306"], "%s: stmk takes eight bytes" % who, masks)
    tap.ok(ask(port, b"\xff\xf4\xff\xfd") == b"", "%s: telnet's farewell closes" % who)
    tap.ok(ask(port, b"wchs\r\n").startswith(b"1 connections"), "%s: what follows a word is ignored" % who)


def check_cons(tap, who, scene):
    port = scene.ensemble.client_ports[0]
    scene.client.get("/")
    line = [l for l in four_letter(port, "cons").splitlines() if "sid=0x%x" % scene.session in l][0]
    tap.ok("lop=GETD" in line and "to=20000" in line and "lcxid=0x" in line, "%s: cons tells the last operation" % who,
           line)
    four_letter(port, "crst")
    line = [l for l in four_letter(port, "cons").splitlines() if "sid=0x%x" % scene.session in l][0]
    tap.ok("recved=0,sent=0" in line and "lop=NA" in line and "lcxid" not in line and "lzxid=0xffffffffffffffff" in line,
           "%s: crst begins anew" % who, line)
    four_letter(port, "srst")
    srvr = four_letter(port, "srvr")
    tap.ok(re.search(r"^Received: [12]$", srvr, re.M) is not None and "Latency min/avg/max: 0/0.0/0" in srvr,
           "%s: srst too, and words count as packets" % who, srvr)


def check_whitelist(tap):
    with Ensemble("vivarium", settings={"admin.enableServer": "false"}) as ensemble:
        path = os.path.join(ensemble.folder, "server-1.cfg")
        ensemble.kill(0)
        original = ensemble._config
        ensemble._config = lambda index: (original(index), rewrite(path, "4lw.commands.whitelist=*", ""))[0]
        ensemble.start(0)
        ensemble.wait_serving()
        port = ensemble.client_ports[0]
        allowed = [w for w in WORDS if "not in the whitelist" not in four_letter(port, w)]
        tap.ok(sorted(allowed) == ["conf", "isro", "mntr", "ruok", "srvr", "stat"],
               "ours: without a whitelist six words are answered", allowed)
        tap.ok(four_letter(port, "wchp") == "wchp is not executed because it is not in the whitelist.\n",
               "ours: a refusal has ZooKeeper's words")
        tap.ok(ask(port, b"stmk") == b"stmk is not executed because it is not in the whitelist.\n",
               "ours: a refused stmk does not wait for its eight bytes")
        with open(os.path.join(ensemble.data_dir(0), "ports")) as f:
            tap.ok("admin" not in f.read(), "ours: admin.enableServer=false opens no port")


def rewrite(path, old, new):
    with open(path) as f:
        text = f.read()
    with open(path, "w") as f:
        f.write(text.replace(old, new))


def check_not_serving(tap):
    with_one_of_three = Ours(3)
    try:
        with_one_of_three.start(0)
        port = with_one_of_three.client_ports[0]
        deadline = time.monotonic() + PATIENCE_S
        while four_letter(port, "ruok") != "imok" and time.monotonic() < deadline:
            time.sleep(0.02)
        answers = {word: four_letter(port, word) for word in ("srvr", "mntr", "cons", "isro", "gtmk", "hash", "dump")}
        refusal = "This ZooKeeper instance is not currently serving requests\n"
        tap.ok(answers == {"srvr": refusal, "mntr": refusal, "cons": refusal, "isro": "null", "gtmk": "306",
                           "hash": refusal, "dump": refusal}, "ours: words without a quorum", answers)
        admin = with_one_of_three.ports(0)["admin"]
        ruok = command(admin, "ruok")
        tap.ok(ruok == {"command": "ruok", "error": refusal.strip()}, "ours: commands without a quorum", ruok)
        tap.ok(command(admin, "gtmk")["tracemask"] == 306, "ours: some need none")
        health = [get(admin, path)[0] for path in ("/live", "/ready", "/safe-to-stop")]
        tap.ok(health == [200, 503, 503], "ours: live, but not ready", health)
    finally:
        with_one_of_three.close()


def run(tap, who, kind):
    with kind(1) as ensemble:
        scene = Scene(ensemble)
        check_words(tap, who, scene)
        check_odd_words(tap, who, ensemble.client_ports[0])
        check_cons(tap, who, scene)
        scene.close()
    with kind(3) as ensemble:
        scene = Scene(ensemble)
        for index in range(3):
            check_words(tap, "%s, server %d" % (who, index + 1), scene, index)
        scene.close()


def main():
    tap = Tap()
    run(tap, "ours", Ours)
    check_whitelist(tap)
    check_not_serving(tap)
    if "--real" in sys.argv:
        if real_available():
            run(tap, "real", Real)
        else:
            tap.skip("the same in Apache ZooKeeper", "it, or Jetty, is not installed")
    tap.done()
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
