"""What operators ask: every four-letter word and every command of the admin port, in Vivarium's servers and, with
--real, in Apache ZooKeeper's too. Fields, their order and their types are those recorded in admin_shapes.json from a
real server; with --real that record is compared with the live one as well, and --record writes it anew. TAP on
standard output.
"""

import http.client
import json
import os
import re
import socket
import ssl
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from ensemble import Ensemble, Tap, four_letter, free_ports, zookeeper_class_path  # noqa: E402

from kazoo.client import KazooClient  # noqa: E402
from kazoo.security import make_acl, make_digest_acl  # noqa: E402

SHAPES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "admin_shapes.json")
STORES = os.path.join(os.environ.get("VIV_SOURCE_DIR", "."), "tests", "unit", "security", "stores")
ALIASES = {"configuration": ["conf", "config"], "connections": ["cons"], "environment": ["env", "envi"],
           "get_trace_mask": ["gtmk"], "initial_configuration": ["icfg"], "is_read_only": ["isro"],
           "last_snapshot": ["lsnp"], "leader": ["lead"], "monitor": ["mntr"], "observers": ["obsr"],
           "server_stats": ["srvr"], "stats": ["stat"], "system_properties": ["sysp"], "watches": ["wchc"],
           "watches_by_path": ["wchp"], "watch_summary": ["wchs"], "set_trace_mask": ["stmk"],
           "observer_connection_stat_reset": ["orst"], "stat_reset": ["srst"], "connection_stat_reset": ["crst"]}
# Maps of names that are each server's own; and a text that the original has only when it is alone.
FREE_FORM = ("environment", "system_properties", "monitor", "initial_configuration")
PROVIDER = "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider"
JETTY = ("jetty9-server", "jetty9-servlet", "jetty9-http", "jetty9-io", "jetty9-util", "jetty9-util-ajax",
         "jetty9-security", "servlet-api", "jackson-core", "jackson-databind", "jackson-annotations")


def get(port, path, method="GET", timeout=10):
    """Status, headers and text."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read().decode("utf-8")
    finally:
        connection.close()


def command(port, name):
    status, headers, text = get(port, "/commands/" + name)
    assert status == 200 and headers["Content-Type"].startswith("application/json"), (status, headers)
    return json.loads(text)


def shape(value):
    """Names in their order and types; a map whose keys are data has one entry, '*'."""
    if isinstance(value, dict):
        keys = list(value)
        if keys and all(re.match(r"-?\d+$|/", key) for key in keys):
            return {"*": max((shape(item) for item in value.values()), key=lambda item: len(str(item)))}
        # The original orders these by chance, anew at each start.
        return {key: shape(value[key]) for key in (sorted(keys) if "packets_sent" in keys and "uptime" in keys else keys)}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


class Real(Ensemble):
    """Apache ZooKeeper with its admin port, which needs more of Debian's jars."""

    def __init__(self, servers):
        self.admin_ports = free_ports(servers)
        super().__init__("zookeeper", servers)

    def _config(self, index):
        path = super()._config(index)
        with open(path) as f:
            text = f.read()
        with open(path, "w") as f:
            f.write(text.replace("admin.enableServer=false", "admin.serverAddress=127.0.0.1\nadmin.serverPort=%d"
                                 % self.admin_ports[index]))
        return path

    def command(self, index):
        words = super().command(index)
        at = words.index("-cp") + 1
        words[at] += "".join(":/usr/share/java/%s.jar" % name for name in JETTY)
        return words


class Ours(Ensemble):
    def __init__(self, servers, **settings):
        super().__init__("vivarium", servers, settings=dict({"admin.serverPort": 0}, **settings))

    def __enter__(self):
        super().__enter__()
        self.admin_ports = [self.ports(i)["admin"] for i in range(self.servers)]
        return self

    def ports(self, index):
        with open(os.path.join(self.data_dir(index), "ports")) as f:
            return {name: int(port) for name, port in (line.strip().split("=") for line in f)}


def real_available():
    return zookeeper_class_path() is not None and all(os.path.exists("/usr/share/java/%s.jar" % j) for j in JETTY)


class Scene:
    """One session with an ephemeral, watches and enough writes for a digest, seen by every word and command."""

    def __init__(self, ensemble):
        self.ensemble = ensemble
        self.client = KazooClient(hosts="127.0.0.1:%d" % ensemble.client_ports[0], timeout=20)
        self.client.start(timeout=20)
        self.client.create("/e\u00e9", b"", ephemeral=True)
        for i in range(130):
            self.client.set("/", b"%d" % i)
        self.client.get("/", watch=lambda event: None)
        self.client.get("/e\u00e9", watch=lambda event: None)
        self.client.get_children("/", watch=lambda event: None)
        self.session = self.client.client_id[0]

    def close(self):
        self.client.stop()
        self.client.close()

    def shapes(self):
        """{role: {command: shape}}"""
        result = {}
        for index, port in enumerate(self.ensemble.admin_ports):
            role = self.ensemble.mode(index) + ("" if index == 0 else " elsewhere")
            names = re.findall(r'<a href="/commands/(\w+)">', get(port, "/commands")[2])
            result[role] = {name: shape(command(port, name)) for name in names if name not in FREE_FORM}
        return result


# ---- four-letter words ----

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
        deadline = time.monotonic() + 5
        while re.match(pattern, text) is None and time.monotonic() < deadline:
            time.sleep(0.05)  # another server may be behind the one that the client knows
            text = four_letter(port, word)
        tap.ok(re.match(pattern, text) is not None, "%s: %s has its form" % (who, word), text)


def ask(port, *parts):
    """What is answered to bytes that come in parts."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
        s.settimeout(5)
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
        deadline = time.monotonic() + 10
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


# ---- the admin port ----

def check_commands(tap, who, recorded, shapes):
    for role, commands in shapes.items():
        wanted = recorded[role]
        more = ["slow", "top"] if who == "ours" else []
        tap.ok(sorted(list(wanted) + more) == sorted(commands), "%s: %s has every command" % (who, role),
               sorted(set(wanted) ^ set(commands)))
        for name, fields in wanted.items():
            same = json.dumps(commands.get(name)) == json.dumps(fields)
            tap.ok(same, "%s: %s, %s: fields and types" % (who, role, name),
                   "recorded %s\nanswered %s" % (json.dumps(fields), json.dumps(commands.get(name))))


def check_aliases(tap, who, port):
    wrong = [(name, alias) for name, aliases in ALIASES.items() for alias in aliases
             if command(port, alias)["command"] != name]
    tap.ok(not wrong, "%s: aliases name their commands" % who, wrong)


def check_errors(tap, who, port):
    texts = [get(port, "/commands/" + name)[2].strip() for name in
             ("nope", "set_trace_mask", "stmk?traceMask=abc", "a/b", "a%22b", "stmk?traceMask=77", "gtmk",
              "stmk?traceMask=306")]
    expected = ['{\n  "command" : "nope",\n  "error" : "Unknown command: nope"\n}',
                '{\n  "error" : "setTraceMask requires long traceMask argument",\n  "command" : "set_trace_mask"\n}',
                '{\n  "error" : "setTraceMask requires long traceMask argument, got abc",\n'
                '  "command" : "set_trace_mask"\n}',
                '{\n  "command" : "a/b",\n  "error" : "Unknown command: a/b"\n}',
                '{\n  "command" : "a\\"b",\n  "error" : "Unknown command: a\\"b"\n}',
                '{\n  "tracemask" : 77,\n  "command" : "set_trace_mask",\n  "error" : null\n}',
                '{\n  "tracemask" : 77,\n  "command" : "get_trace_mask",\n  "error" : null\n}',
                '{\n  "tracemask" : 306,\n  "command" : "set_trace_mask",\n  "error" : null\n}']
    tap.ok(texts == expected, "%s: errors, to the letter" % who, texts)
    statuses = [get(port, "/commands/ruok", method)[0] for method in ("TRACE", "POST", "HEAD", "DELETE")]
    tap.ok(statuses == [403, 405, 200, 405], "%s: TRACE, POST, HEAD and DELETE" % who, statuses)
    tap.ok(get(port, "/nope")[0] == 404, "%s: another path is not found" % who)
    index = [get(port, path)[2] for path in ("/commands", "/commands/")]
    tap.ok(index[0] == index[1] and '<a href="/commands/ruok">ruok</a>\n<br/>\n' in index[0], "%s: the index" % who)


def check_values(tap, who, scene):
    port = scene.ensemble.admin_ports[0]
    dump = command(port, "dump")
    tap.ok(dump["session_id_to_ephemeral_paths"] == {str(scene.session): ["/e\u00e9"]}, "%s: dump names the ephemeral" %
           who, dump)
    watches = command(port, "watches")["session_id_to_watched_paths"]
    tap.ok({k: sorted(v) for k, v in watches.items()} == {str(scene.session): ["/", "/e\u00e9"]},
           "%s: watches by session" % who, watches)
    by_path = command(port, "watches_by_path")["path_to_session_ids"]
    tap.ok(by_path == {"/": [scene.session], "/e\u00e9": [scene.session]}, "%s: watches by path" % who, by_path)
    summary = command(port, "watch_summary")
    tap.ok([summary[k] for k in ("num_connections", "num_paths", "num_total_watches")] == [1, 2, 2],
           "%s: watch summary" % who, summary)
    words = dict(re.findall(r"(\w+): (\d+)\n", four_letter(scene.ensemble.client_ports[0], "hash")))
    digests = command(port, "hash")["digests"]
    shown = [value for name, value in command(port, "monitor").items() if name.startswith("viv_") and "digest" in name]
    wanted = 2 if scene.ensemble.kind == "vivarium" else 0
    tap.ok(len(shown) == wanted and all(isinstance(value, str) for value in shown),
           "%s: monitor tells digests, all 64 bits of them, as text" % who, shown)
    tap.ok(digests and {"%x" % d["zxid"]: str(d["digest"]) for d in digests} == words,
           "%s: hash is the same by word and by command" % who, (words, digests))
    config = command(port, "configuration")
    tap.ok(config["client_port"] == scene.ensemble.client_ports[0] and config["tick_time"] == 2000,
           "%s: configuration" % who, config)
    monitor = command(port, "monitor")
    tap.ok(monitor["znode_count"] == command(port, "srvr")["node_count"] and monitor["error"] is None,
           "%s: monitor and server_stats agree" % who, monitor)


def check_ours_only(tap, ensemble):
    port = ensemble.admin_ports[0]
    environment = command(port, "environment")
    tap.ok(not [k for k in environment if k.startswith("java.")] and environment["os.name"] == "Linux",
           "ours: the environment tells nothing of Java", environment)
    text = command(port, "initial_configuration")["initial_configuration"]
    hidden = ["%s=***\n" % key for key in ("ssl.keyStore.password", "ssl.trustStore.password",
                                           "ssl.quorum.trustStore.password")]
    tap.ok("admin.serverPort=0\n" in text and all(line in text for line in hidden) and "geheim" not in text,
           "ours: the initial configuration, without secrets, however its lines are written", text)
    properties = command(port, "system_properties")
    tap.ok(properties["zookeeper.tickTime"] == "2000" and "geheim" not in str(properties) and
           list(properties)[:-2] == sorted(list(properties)[:-2]), "ours: properties are sorted", properties)
    health = [(status, json.loads(text)) for status, _, text in
              (get(port, path) for path in ("/live", "/ready", "/safe-to-stop"))]
    tap.ok([status for status, _ in health] == [200, 200, 503] and health[2][1]["safe_to_stop"] is False,
           "ours: alone it is live and ready, but not safe to stop", health)


def check_busy(tap, scene):
    """top and slow, and the same numbers in Prometheus' form on both ports."""
    ensemble = scene.ensemble
    port = ensemble.admin_ports[0]
    top, slow = command(port, "top"), command(port, "slow")
    tap.ok(top["paths"] and top["paths"][0]["path"] == "/" and top["paths"][0]["writes"] >= 130 and
           scene.session in [s["session_id"] for s in top["sessions"]], "ours: top names the busiest path and session", top)
    stages = slow["requests"] and slow["requests"][0]["stages_ms"]
    tap.ok(stages and all(isinstance(v, float) for v in stages.values()), "ours: slow names stages", slow)
    status, headers, text = get(port, "/metrics")
    tap.ok(status == 200 and headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8" and
           "\nznode_count %d.0\n" % command(port, "srvr")["node_count"] in text, "ours: metrics on the admin port",
           text[:300])
    metrics = ensemble.ports(0)["metrics"]
    tap.ok(get(metrics, "/metrics")[0] == 200 and get(metrics, "/commands")[0] == 404 and get(metrics, "/ready")[0] == 404,
           "ours: metrics, and nothing else, on the port of the provider")
    some = [line for line in get(metrics, "/metrics?name[]=znode_count&name%5B%5D=uptime")[2].splitlines()
            if not line.startswith("#")]
    tap.ok(sorted(line.split()[0] for line in some) == ["uptime", "znode_count"], "ours: only those that are asked for",
           some)


def check_stop(tap):
    """Silent visitors, half a request, a list that nobody reads, a snapshot: none keeps the server from its end."""
    with Ours(1) as ensemble:
        client = KazooClient(hosts="127.0.0.1:%d" % ensemble.client_ports[0], timeout=20)
        client.start(timeout=20)
        for future in [client.create_async("/n%05d" % i, b"x" * 20000) for i in range(500)]:
            future.get(timeout=20)
        for future in [client.exists_async("/" + "long" * 200 + str(i), watch=lambda event: None)
                       for i in range(3000)]:
            future.get(timeout=20)
        held = [socket.create_connection(("127.0.0.1", ensemble.admin_ports[0]), timeout=5) for _ in range(4)]
        held[1].sendall(b"GET /comm")
        held[2].sendall(b"GET /commands/wchp HTTP/1.1\r\nHost: x\r\n\r\n")
        held[3].sendall(b"GET /commands/snapshot HTTP/1.1\r\nHost: x\r\nAuthorization: digest a:b\r\n\r\n")
        word = socket.create_connection(("127.0.0.1", ensemble.client_ports[0]), timeout=5)
        word.sendall(b"wchp")
        began = [s.recv(10) for s in (held[2], held[3], word)]
        code = ensemble.terminate(0)
        tap.ok(code == 0 and all(began), "ours: it stops while visitors wait, lists and a snapshot are under way",
               "%s %s\n%s" % (code, began, ensemble.logs()))
        for s in held + [word]:
            s.close()
        client.stop()
        client.close()


def check_safe_to_stop(tap, ensemble):
    ready = [get(port, "/ready")[0] for port in ensemble.admin_ports]
    safe = [get(port, "/safe-to-stop") for port in ensemble.admin_ports]
    tap.ok(ready == [200] * 3 and [s[0] for s in safe] == [200] * 3, "ours: any one of three may be stopped", safe)
    follower = next(i for i in range(3) if ensemble.mode(i) == "follower")
    ensemble.kill(follower)
    others = [i for i in range(3) if i != follower]
    deadline = time.monotonic() + 15
    answers = []
    while time.monotonic() < deadline:
        answers = [get(ensemble.admin_ports[i], "/safe-to-stop")[0] for i in others]
        if answers == [503, 503]:
            break
        time.sleep(0.05)
    tap.ok(answers == [503, 503] and [get(ensemble.admin_ports[i], "/ready")[0] for i in others] == [200, 200],
           "ours: with one gone the other two are needed, and ready", answers)


def check_limits(tap, ensemble):
    port = ensemble.admin_ports[0]
    with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
        s.sendall(b"GET /commands/ruok HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 200000 + b"\r\n\r\n")
        try:
            answer = s.recv(100)
        except ConnectionResetError:
            answer = b""
    tap.ok(answer == b"" or b" 431 " in answer or b" 413 " in answer, "ours: a request that is too long is refused",
           answer)
    held = []
    for _ in range(200):
        held.append(socket.create_connection(("127.0.0.1", port), timeout=5))
        held[-1].sendall(b"GET ")
    tap.ok(four_letter(ensemble.client_ports[0], "ruok") == "imok",
           "ours: two hundred silent visitors of the admin port leave clients alone")
    for s in held:
        s.close()
    deadline = time.monotonic() + 10
    status = None
    while status != 200 and time.monotonic() < deadline:
        try:
            status = get(port, "/live")[0]
        except (OSError, http.client.HTTPException):
            time.sleep(0.05)
    tap.ok(status == 200, "ours: and when they have gone it answers again", status)


def check_busy_ports(tap):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ensemble = Ours(1, **{"admin.serverPort": port})
        try:
            ensemble.start(0)
            code = ensemble.processes[0].wait(20)
            ensemble.processes[0] = None
            log = ensemble.logs()
            tap.ok(code == 2 and "admin.serverPort" in log, "ours: a port that was asked for and is taken stops the start",
                   "%s\n%s" % (code, log))
        finally:
            ensemble.close()


def check_long_lists(tap, ensemble):
    """Enough watches for many pieces: by word and by command, whole, while clients are served."""
    client = KazooClient(hosts="127.0.0.1:%d" % ensemble.client_ports[0], timeout=20)
    client.start(timeout=20)
    count = 5000
    for future in [client.exists_async("/n%05d" % i, watch=lambda event: None) for i in range(count)]:
        future.get(timeout=20)
    text = four_letter(ensemble.client_ports[0], "wchp")
    tap.ok(text.count("\n/n") + text.startswith("/n") == count and text.endswith("\n\n"), "ours: wchp lists every one")
    by_path = command(ensemble.admin_ports[0], "wchp")["path_to_session_ids"]
    tap.ok(len([p for p in by_path if p.startswith("/n")]) == count, "ours: so does watches_by_path")
    by_session = command(ensemble.admin_ports[0], "wchc")["session_id_to_watched_paths"]
    tap.ok(len(by_session[str(client.client_id[0])]) == count, "ours: and watches", len(by_session))
    client.stop()
    client.close()


def snapshot(port, authorization, query=""):
    """Status, headers and bytes."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
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
        client = KazooClient(hosts="127.0.0.1:%d" % ensemble.client_ports[0], timeout=20)
        client.start(timeout=20)
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
        client.stop()
        client.close()
        if "--real" in sys.argv:
            check_snapshot_is_loaded(tap, body, int(zxid, 16))
    with Ours(1, **{"admin.snapshot.enabled": "false"}) as ensemble:
        tap.ok(snapshot(ensemble.admin_ports[0], "digest any:body")[0] == 503, "ours: snapshots can be switched off")
    if "--real" in sys.argv:
        check_broken_snapshot(tap)


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
        leader = ensemble.leader()
        asked, others = (leader + 1) % 3, [leader, (leader + 2) % 3]
        client = KazooClient(hosts="127.0.0.1:%d" % ensemble.client_ports[asked], timeout=20)
        client.start(timeout=20)
        for future in [client.create_async("/n%d" % i, b"x" * 900000) for i in range(40)]:
            future.get(timeout=20)
        client.stop()
        client.close()
        port = ensemble.admin_ports[asked]
        whole = len(snapshot(port, "digest a:b")[2])
        before = begin_snapshot(port)
        for i in others:
            ensemble.kill(i)
        deadline = time.monotonic() + 20
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
        client = KazooClient(hosts="127.0.0.1:%d" % real.client_ports[0], timeout=20)
        client.start(timeout=20)
        tap.ok(client.get("/last")[0] == b"the last one" and len(client.get_children("/")) == 3002,
               "real: the snapshot is loaded", client.get_children("/")[:5])
        client.stop()
        client.close()
    finally:
        real.close()


def over_tls(port, path, key=None):
    """Status of a request over TLS, or what went wrong."""
    context = ssl.create_default_context(cafile=os.path.join(STORES, "trust.pem"))
    context.check_hostname = False
    if key is not None:
        context.load_cert_chain(os.path.join(STORES, key))
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=context)
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
    with socket.create_connection(("127.0.0.1", ensemble.admin_ports[0]), timeout=5) as stranger:
        stranger.sendall(b"\x16\x03")
        time.sleep(0.3)
        try:
            answer = four_letter(ensemble.client_ports[0], "srvr", timeout=5)
        except OSError as error:
            answer = type(error).__name__
        tap.ok("Mode: standalone" in answer, "ours: clients are served while a TLS record is not whole", answer)


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
    ensemble = Ours(1, **{"admin.forceHttps": "true"})
    try:
        ensemble.start(0)
        code = ensemble.processes[0].wait(20)
        ensemble.processes[0] = None
        tap.ok(code == 2 and "ssl.keyStore" in ensemble.logs(), "ours: TLS without a key stops the start",
               "%s %s" % (code, ensemble.logs()))
    finally:
        ensemble.close()


def run_ours(tap, recorded):
    with Ours(1, **{"ssl.keyStore.password": "geheim", "ssl.trustStore.password: geheim": "1",
                    " ssl.quorum.trustStore.password geheim": "1", "metricsProvider.className": PROVIDER,
                    "metricsProvider.httpHost": "127.0.0.1", "metricsProvider.httpPort": 0}) as ensemble:
        scene = Scene(ensemble)
        check_words(tap, "ours", scene)
        check_odd_words(tap, "ours", ensemble.client_ports[0])
        check_values(tap, "ours", scene)
        check_commands(tap, "ours", recorded, scene.shapes())
        check_aliases(tap, "ours", ensemble.admin_ports[0])
        check_errors(tap, "ours", ensemble.admin_ports[0])
        check_cons(tap, "ours", scene)
        check_ours_only(tap, ensemble)
        check_busy(tap, scene)
        check_limits(tap, ensemble)
        scene.close()
        check_long_lists(tap, ensemble)
    with Ours(3) as ensemble:
        scene = Scene(ensemble)
        for index in range(3):
            check_words(tap, "ours, server %d" % (index + 1), scene, index)
        check_commands(tap, "ours", recorded, {k: v for k, v in scene.shapes().items() if k in recorded})
        scene.close()
        check_safe_to_stop(tap, ensemble)
    check_whitelist(tap)
    check_not_serving(tap)
    check_busy_ports(tap)
    check_tls(tap)
    check_snapshot(tap)
    check_stop(tap)


def run_real(tap, recorded):
    with Real(1) as ensemble:
        scene = Scene(ensemble)
        check_words(tap, "real", scene)
        check_odd_words(tap, "real", ensemble.client_ports[0])
        check_values(tap, "real", scene)
        check_commands(tap, "real", recorded, scene.shapes())
        check_aliases(tap, "real", ensemble.admin_ports[0])
        check_errors(tap, "real", ensemble.admin_ports[0])
        check_cons(tap, "real", scene)
        scene.close()
    with Real(3) as ensemble:
        scene = Scene(ensemble)
        for index in range(3):
            check_words(tap, "real, server %d" % (index + 1), scene, index)
        check_commands(tap, "real", recorded, {k: v for k, v in scene.shapes().items() if k in recorded})
        scene.close()


def record():
    """Every role at a server that the client is attached to, and leader and follower at another."""
    shapes = {}
    wanted = {"standalone", "leader elsewhere", "follower elsewhere", "follower"}
    for servers in (1, 3):
        with Real(servers) as ensemble:
            scene = Scene(ensemble)
            shapes.update(scene.shapes())
            scene.close()
    with open(SHAPES, "w") as f:
        json.dump({role: shapes[role] for role in sorted(wanted & set(shapes))}, f, indent=1)
        f.write("\n")


def main():
    if "--record" in sys.argv:
        record()
        return 0
    with open(SHAPES) as f:
        recorded = json.load(f)
    tap = Tap()
    # A checker that finds nothing finds nothing: one field less must be noticed.
    broken = json.loads(json.dumps(recorded["standalone"]["dirs"]))
    broken.pop("logdir_size")
    tap.ok(json.dumps(broken) != json.dumps(recorded["standalone"]["dirs"]), "a field that is missing is noticed")
    run_ours(tap, recorded)
    if "--real" in sys.argv:
        if real_available():
            run_real(tap, recorded)
        else:
            tap.skip("the same in Apache ZooKeeper", "it, or Jetty, is not installed")
    tap.done()
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
