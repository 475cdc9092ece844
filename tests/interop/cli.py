"""vivarium-cli as scripts and people use it: one command at a time, a script on standard input, a terminal, JSON, exit
codes, a connection that breaks, and the same answers as zkCli.sh. TAP."""

import base64
import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time

from kazoo.client import KazooClient

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from ensemble import BUILD, PATIENCE_S, Ensemble, Tap, free_ports, leave, zookeeper_class_path  # noqa: E402

PROGRAM = os.path.join(BUILD, "vivarium-cli")
ALL_BYTES = bytes(range(256))
CHILDREN = 12000
SOURCE = os.environ.get("VIV_SOURCE_DIR", ".")


def run(hosts, *words, data=None, options=()):
    """The finished process, with bytes for output."""
    return subprocess.run([PROGRAM, "--server", hosts, "--wait", "5000", *options, *words], input=data,
                          stdin=None if data is not None else subprocess.DEVNULL, capture_output=True, timeout=PATIENCE_S)


def said(process):
    return "exit %d\n%s\n%s" % (process.returncode, process.stdout.decode("utf-8", "replace"),
                                process.stderr.decode("utf-8", "replace"))


def tell_json(hosts, *words):
    process = run(hosts, *words, options=("--json",))
    return json.loads(process.stdout) if process.returncode == 0 and process.stdout else {"failed": said(process)}


# ---- one command at a time ----

def check_commands(tap, hosts):
    """command, exit code, a part of what it says (None: nothing on standard output)"""
    steps = (
        (("create", "/a", "hello world"), 0, "Created /a"),
        (("get", "/a"), 0, "hello world"),
        (("create", "-s", "/a/s-", "x"), 0, "Created /a/s-0000000000"),
        (("create", "-c", "/container"), 0, "Created /container"),
        (("create", "-p", "/deep/er/still", "x"), 0, "Created /deep/er/still"),
        (("ls", "/a"), 0, "[s-0000000000]"),
        (("ls", "-R", "/deep"), 0, "/deep\n/deep/er\n/deep/er/still\n"),
        (("set", "-s", "/a", "b"), 0, "dataVersion = 1"),
        (("set", "-v", "7", "/a", "b"), 1, "version No is not valid: /a"),
        (("set", "/a", "c", "1"), 0, None),
        (("get", "-s", "/a"), 0, "c\ncZxid = 0x"),
        (("stat", "/nope"), 1, "Node does not exist: /nope"),
        (("create", "/a", "again"), 1, "Node already exists: /a"),
        (("create", "/no/parent", "x"), 1, "Node does not exist: /no/parent"),
        (("getAcl", "/a"), 0, "'world,'anyone\n: cdrwa\n"),
        (("setAcl", "-R", "/deep", "world:anyone:cdra"), 0, None),
        (("set", "/deep/er", "x"), 1, "Insufficient permission: /deep/er"),
        (("setAcl", "/deep", "world:anyone"), 2, "is not an ACL"),
        (("getAllChildrenNumber", "/deep"), 0, "2\n"),
        (("getEphemerals",), 0, "[]"),
        (("whoami",), 0, "ip: 127.0.0.1"),
        (("sync", "/"), 0, "Sync is OK"),
        (("setquota", "-n", "50", "-b", "1000", "/a"), 0, None),
        (("listquota", "/a"), 0, "Output quota for /a count=50,bytes=1000=;byteHardLimit=-1;countHardLimit=-1\n"
                                 "Output stat for /a count=2,bytes=2"),
        (("setquota", "-n", "5", "/a/s-0000000000"), 1, "/a has a quota already"),
        (("delquota", "-b", "/a"), 0, None),
        (("listquota", "/a"), 0, "count=50,bytes=-1="),
        (("delquota", "/a"), 0, None),
        (("listquota", "/a"), 1, "quota for /a does not exist."),
        (("addauth", "digest", "u:p"), 0, None),
        (("addauth", "nonsense", "u:p"), 1, "Authentication failed"),
        (("config",), 0, ""),
        (("delete", "-v", "9", "/a"), 1, "version No is not valid: /a"),
        (("delete", "/a"), 1, "Node not empty: /a"),
        (("delete", "/a/s-0000000000", "0"), 0, None),
        (("delete", "/a"), 0, None),
        (("deleteall", "/deep"), 0, None),
        (("deleteall", "/deep"), 1, "Node does not exist: /deep"),
        (("delete", "/zookeeper"), 1, "Arguments are not valid: /zookeeper"),
        (("ls", "relative"), 2, "Path must start with / character"),
        (("nonsense",), 2, "there is no command nonsense; `help` lists them"),
        (("ls",), 2, "PATH is missing\nusage: ls "),
        (("ls", "-q", "/"), 2, "there is no option -q"),
        (("get", "/a", "/b"), 2, "/b is one argument too many"),
        (("set", "-v", "one", "/a", "b"), 2, "a number is wanted"),
        (("set", "--file", "/no/such/file", "/container"), 4, "/no/such/file cannot be read"),
        (("addWatch", "-m", "SOMETIMES", "/a"), 2, "PERSISTENT or PERSISTENT_RECURSIVE is wanted"),
    )
    wrong = []
    for words, code, part in steps:
        process = run(hosts, *words)
        text = (process.stdout if code == 0 else process.stderr).decode()
        if process.returncode != code or (part is None and text) or (part and part not in text):
            wrong.append("%s: %s" % (" ".join(words), said(process)))
    tap.ok(not wrong, "%d commands answer, refuse and return as documented" % len(steps), "\n".join(wrong))


def check_values(tap, hosts):
    wrong = []
    for name, value in (("bytes", ALL_BYTES), ("empty", b""), ("text", "grüße\n".encode()), ("large", ALL_BYTES * 3000)):
        path = "/v-" + name
        run(hosts, "create", path, "x")
        if run(hosts, "set", "--file", "-", path, data=value).returncode != 0:
            wrong.append("%s cannot be set" % name)
        raw = run(hosts, "get", "--raw", path).stdout
        coded = run(hosts, "get", "--base64", path).stdout
        told = tell_json(hosts, "get", path)
        plain = told.get("data").encode() if "data" in told else base64.b64decode(told["data_base64"])
        if not raw == base64.b64decode(coded) == plain == value:
            wrong.append("%s: raw %r base64 %r json %r" % (name, raw[:40], coded[:40], str(told)[:80]))
        run(hosts, "set", "--base64", path, base64.b64encode(value).decode()[:80000])
        run(hosts, "delete", path)
    tap.ok(not wrong, "any bytes go in by a file and come back raw, as base64 and as JSON", "\n".join(wrong))
    run(hosts, "create", "--base64", "/v-evil", base64.b64encode(b"\x1b[31mred\\").decode())
    shown = run(hosts, "get", "/v-evil").stdout
    tap.ok(shown == b"\\x1b[31mred\\\\\n", "a terminal is not given what it would obey", shown)
    run(hosts, "create", "/v-null")
    tap.ok(tell_json(hosts, "get", "/v-null").get("data", "?") is None and run(hosts, "get", "/v-null").stdout == b"null\n",
           "no data is not the same as empty data")
    for name in ("evil", "null"):
        run(hosts, "delete", "/v-" + name)


def check_json(tap, hosts):
    created = tell_json(hosts, "create", "/j", "1")
    stat = tell_json(hosts, "stat", "/j")["stat"]
    tap.ok(created == {"created": "/j"} and stat["version"] == 0 and stat["dataLength"] == 1
           and re.fullmatch("0x[0-9a-f]+", stat["czxid"]) is not None and len(stat) == 11, "a stat is eleven members", stat)
    tap.ok(tell_json(hosts, "ls", "/j") == {"path": "/j", "children": []}, "a list of children is an array")
    tap.ok(tell_json(hosts, "getAcl", "/j")["acl"] == [{"scheme": "world", "id": "anyone", "perms": "cdrwa"}],
           "an ACL is an array of its entries")
    refused = run(hosts, "get", "/nope", options=("--json",))
    told = json.loads(refused.stderr)
    tap.ok(refused.returncode == 1 and not refused.stdout and told["error"] == "NoNode" and told["code"] == -101
           and told["path"] == "/nope", "a refusal is a document on standard error", said(refused))
    tap.ok(tell_json(hosts, "deleteall", "/j") == {"path": "/j", "deleted": 1}, "what was deleted is counted")


# What these do is seen, or told in the words of an event; the shell's own are for people.
SILENT = {"delete", "addWatch", "removewatches", "printwatches", "setquota", "delquota", "addauth", "connect", "close", "help",
          "history", "redo", "quit"}


def offline(folder):
    """Commands on data directories, each on what the one before has made."""
    ours, dump = os.path.join(folder, "ours"), os.path.join(folder, "dump")
    theirs = os.path.join(SOURCE, "datasets", "zookeeper-3.8", "basic")
    return (("import", "--to", ours, theirs), ("inspect", ours), ("inspect", theirs), ("inspect", folder),
            ("dump", "--from", theirs, "/acl"), ("dump", "--from", theirs, "--out", dump, "/acl"),
            ("restore", "--to", os.path.join(folder, "back"), dump), ("restore", "--at", "/restored", dump),
            ("deleteall", "/restored"), ("export", "--to", os.path.join(folder, "theirs"), ours),
            ("rollback", "--to", os.path.join(folder, "before"), "--to-zxid", "0x4d", ours), ("rescue", ours),
            ("diff", theirs, os.path.join(folder, "back")), ("dirls", theirs, "/"), ("dirget", theirs, "/acl"))


def check_documents(tap, hosts):
    """documents.def, from which the manual page is made, against what is really printed."""
    with open(os.path.join(SOURCE, "engine", "cli", "documents.def")) as f:
        text = re.sub(r'"\s+"', "", f.read())
    documents = {name: members.split() for name, members in re.findall(r'^VIV_CLI_DOCUMENT\((\w+), "(.*?)"\)', text, re.M)}
    with open(os.path.join(SOURCE, "engine", "cli", "commands.def")) as f:
        commands = set(re.findall(r"^VIV_CLI_COMMAND\((\w+),", f.read(), re.M))
    undocumented = commands - set(documents) - SILENT
    tap.ok(not undocumented, "each command that prints something has its members named", undocumented)
    run(hosts, "create", "/d", "x")
    run(hosts, "setquota", "-n", "5", "/d")
    wrong, folder = [], tempfile.mkdtemp(prefix="viv-cli-")
    for words in (("ls", "/"), ("ls", "-s", "/"), ("get", "/d"), ("stat", "/d"), ("create", "/d/x"), ("set", "/d", "y"),
                  ("getAcl", "/d"), ("setAcl", "/d", "world:anyone:cdrwa"), ("getAllChildrenNumber", "/"), ("sync", "/"),
                  ("getEphemerals",), ("listquota", "/d"), ("whoami",), ("config",), ("config", "-c"), ("version",),
                  ("deleteall", "/d"), *offline(folder)):
        for line in run(hosts, "--json", *words).stdout.splitlines():
            told = set(json.loads(line))
            members = documents[words[0]]
            legal = set("|".join(members).replace("[", "").replace("]", "").split("|"))
            needed = [set(member.split("|")) for member in members if not member.startswith("[")]
            if not told <= legal or not all(told & some for some in needed):
                wrong.append("%s: %s instead of %s" % (" ".join(words), sorted(told), members))
    shutil.rmtree(folder)
    tap.ok(not wrong and len(documents) > 20, "JSON has the members that the manual page names", "\n".join(wrong))
    run(hosts, "delquota", "/d")


def check_unreachable(tap):
    process = subprocess.run([PROGRAM, "--server", "127.0.0.1:1", "--wait", "200", "ls", "/"], capture_output=True)
    tap.ok(process.returncode == 3 and b"Connection refused" in process.stderr and b"is it running" in process.stderr,
           "without a server the exit code is 3, with the cause and what to look at", said(process))
    for servers in ("", "host:port", "127.0.0.1:99999", "[::1", "a//b"):
        process = subprocess.run([PROGRAM, "--server", servers, "--wait", "200", "ls", "/"], capture_output=True)
        if not tap.ok(process.returncode == 2 and b"host:port" in process.stderr,
                      "servers told as '%s' are refused" % servers, said(process)):
            break
    with open("/dev/full", "wb") as full:
        process = subprocess.run([PROGRAM, "version"], stdout=full, stderr=subprocess.PIPE)
    tap.ok(process.returncode == 4, "output that cannot be written is no success", process.stderr)


def check_chroot(tap, hosts):
    run(hosts, "create", "-p", "/root/of/it", "x")
    inside = hosts + "/root/of"
    made = run(inside, "create", "-s", "/n-", "y").stdout
    listed = run(inside, "ls", "-R", "/").stdout
    run(inside, "setquota", "-n", "5", "/it")
    quota = run(hosts, "listquota", "/root/of/it")
    tap.ok(made.startswith(b"Created /n-0") and listed.splitlines()[0] == b"/" and b"/it" in listed.splitlines()
           and quota.returncode == 0, "below a chroot paths are told without it, and quotas stand outside it",
           "%r %r %s" % (made, listed, said(quota)))
    run(hosts, "delquota", "/root/of/it")
    run(hosts, "deleteall", "/root")


def check_many_children(tap, hosts):
    """Too many for one answer of this server: their names alone are longer than it may be."""
    client = KazooClient(hosts)
    client.start()
    client.create("/many")
    names = ["n%06d-%s" % (i, "long" * 28) for i in range(CHILDREN)]
    for made in [client.create_async("/many/" + name) for name in names]:
        made.get()
    leave(client)
    refused = run(hosts, "ls", "/many")
    tap.ok(refused.returncode == 1 and b"ls --pages" in refused.stderr, "a list that is too long is refused, with a way out",
           said(refused)[:300])
    pages = run(hosts, "ls", "--pages", "/many").stdout.decode().split()
    walked = run(hosts, "ls", "-R", "/many").stdout.decode().split()
    tap.ok(sorted(pages) == names and walked == ["/many"] + ["/many/" + name for name in names],
           "%d children are listed page by page, and by a walk" % CHILDREN, (len(pages), len(walked)))
    tap.ok(tell_json(hosts, "deleteall", "/many") == {"path": "/many", "deleted": CHILDREN + 1},
           "a wide subtree is deleted whole")


def check_script(tap, hosts):
    script = "# a comment\n\ncreate /s \"a 'b'\"\nget /nope\nget /s\naddWatch /s\nset /s z\nprintwatches off\nset /s y\n" \
             "history\nredo 1\nquit\nget /s\n"
    process = run(hosts, data=script.encode())
    text = process.stdout.decode()
    events = text.count("WatchedEvent state:SyncConnected type:NodeDataChanged path:/s")
    tap.ok(process.returncode == 1 and "a 'b'" in text and events == 1 and "1 - get /nope" in text
           and process.stderr.count(b"Node does not exist: /nope") == 2 and "\ny\n" not in text,
           "a script runs to `quit`, tells watches while they are wanted, and returns its first failure", said(process))
    run(hosts, "delete", "/s")


# ---- what zkCli.sh does with the same commands ----

def results_of(text):
    """What is printed, without what either program says of itself."""
    noise = ("Connecting to", "Welcome", "JLine", "WATCHER", "WatchedEvent", "[zk:")
    return [line.rstrip() for line in text.splitlines() if line.strip() and not line.startswith(noise)]


def check_same_as_zkcli(tap, hosts):
    name = "what zkCli.sh prints is printed"
    if zookeeper_class_path() is None:
        tap.skip(name, "Debian's zookeeper is not installed")
        return
    run(hosts, data=b"create /z text\ncreate /z/one 1\ncreate /z/two\nsetAcl /z/one ip:10.0.0.0/8:r,world:anyone:cdrwa\n"
                    b"setquota -N 50 -B 1000 /z\n")
    script = "ls /z\nls -s /z\nls -R /z\nget /z\nget -s /z/one\nget /z/two\nstat /z/one\ngetAcl /z/one\ngetAcl -s /z\n" \
             "listquota /z\ngetAllChildrenNumber /z\ngetEphemerals\ncreate -e /z/e x\ngetEphemerals /z\nset -s /z/one 2\n" \
             "setAcl -s /z/one world:anyone:cdrwa\nsetAcl /z/one ip:10.0.0.0/8:r,world:anyone:cdrwa\nsync /z\nwhoami\ndelete /z/e\nset /z/one 1\n"
    ours = run(hosts, data=script.encode())
    theirs = subprocess.run(["java", "-cp", zookeeper_class_path(), "org.apache.zookeeper.ZooKeeperMain", "-server", hosts],
                            input=script.encode() + b"help\nquit\n", capture_output=True, timeout=PATIENCE_S)
    listed = re.findall(r"^\t(\w+)", theirs.stderr.decode(), re.M)
    known = set(line.split()[0] for line in run(hosts, "help").stdout.decode().splitlines() if line[:1].strip())
    tap.ok(len(listed) >= 28 and set(listed) <= known, "every command of zkCli.sh is there", sorted(set(listed) - known))
    # Ours says on standard output that a node was created, theirs on standard error; counters have moved on between.
    moved = re.compile(r"(mZxid|mtime|pZxid|cversion|dataVersion|aclVersion|ephemeralOwner|ctime|cZxid) = .*")
    first, second = ([moved.sub(r"\1", line) for line in results_of(p.stdout.decode()) if not line.startswith("Created")]
                     for p in (ours, theirs))
    tap.ok(first == second and len(first) > 60, name, "\n".join("%-60s | %s" % (
        a, b) for a, b in zip(first + [""] * 100, second + [""] * 100) if a != b))
    run(hosts, "delquota", "/z")
    run(hosts, "deleteall", "/z")


# ---- a terminal ----

class Terminal:
    def __init__(self, hosts, history):
        self.pid, self.fd = pty.fork()
        self.text = ""
        if self.pid == 0:
            os.environ.update(TERM="dumb", VIVARIUM_CLI_HISTORY=history)
            os.execv(PROGRAM, [PROGRAM, "--server", hosts])

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def until(self, pattern, timeout=10.0):
        """Reads until the pattern stands in what was said since the last call; that part of it, or None."""
        deadline = time.monotonic() + timeout
        while True:
            found = re.search(pattern, self.text)
            if found:
                before, self.text = self.text[:found.end()], self.text[found.end():]
                return before
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                return None
            try:
                self.text += os.read(self.fd, 65536).decode("utf-8", "replace")
            except OSError:
                return None

    def end(self):
        os.close(self.fd)
        return os.waitpid(self.pid, 0)[1]


def check_terminal(tap, ensemble):
    hosts = ensemble.hosts()
    try:
        for fd in os.openpty():
            os.close(fd)
    except OSError as error:
        tap.skip("the shell at a terminal", "no terminal can be made here: %s" % error)
        return
    with tempfile.TemporaryDirectory() as folder:
        history = os.path.join(folder, "history")
        run(hosts, "create", "/apple", "red")
        terminal = Terminal(hosts, history)
        tap.ok(terminal.until(r"\(CONNECTED\) 0\] "), "the prompt says that it is connected", terminal.text)
        terminal.type("get /ap\t\n")
        tap.ok(terminal.until(r"red\r\n"), "a path is completed by asking the server", terminal.text)
        terminal.type("getE\t\n")
        tap.ok(terminal.until(r"getEphemerals[^\[]*\[\]\r\n"), "a command is completed", terminal.text)
        terminal.type("addauth digest me:secret\naddWatch /apple\n")
        terminal.until(r"\(CONNECTED\) 4\] ")
        terminal.type("half a li")
        terminal.until("half a li")
        run(hosts, "set", "/apple", "green")
        tap.ok(terminal.until(r"NodeDataChanged path:/apple\r\n(.*\r\n)*.*half a li"),
               "a watch is told at the prompt, and the line that was begun stays", terminal.text)
        terminal.type("\x03get /apple\n")
        tap.ok(terminal.until(r"\^C(.*\r\n)*green\r\n"), "Control-C gives up a line", terminal.text)
        terminal.until(r"\(CONNECTED\) 5\] ")
        ensemble.kill(0)
        tap.ok(terminal.until(r"\(CONNECTING\) 5\] "), "the prompt says that the connection went", terminal.text)
        ensemble.start(0)
        ensemble.wait_serving()
        tap.ok(terminal.until(r"\(CONNECTED\) 5\] "), "and that it is back", terminal.text)
        run(hosts, "set", "/apple", "blue")
        tap.ok(terminal.until(r"NodeDataChanged path:/apple\r\n"), "a watch outlives the connection it was set on",
               terminal.text)
        terminal.type("whoami\n")
        tap.ok(terminal.until(r"digest: me\r\n"), "and so does an identity", terminal.text)
        terminal.type("quit\n")
        terminal.until("never", 0.5)
        status = terminal.end()
        with open(history) as f:
            kept = f.read()
        tap.ok(status == 0 and os.stat(history).st_mode & 0o777 == 0o600 and "apple" in kept and "secret" not in kept,
               "the history is its owner's alone and holds no password", kept)
        run(hosts, "delete", "/apple")


def check_many_watches(tap, ensemble):
    """More watches than one frame of the client library tells again: all of them are known to the next connection."""
    hosts = ensemble.hosts()
    paths = ["/watched-%s-%04d" % ("x" * 100, i) for i in range(2500)]
    shell = subprocess.Popen([PROGRAM, "--server", hosts], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    shell.stdin.write("".join("addWatch -m PERSISTENT %s\n" % path for path in paths).encode() + b"stat /\n")
    shell.stdin.flush()
    while not shell.stdout.readline().startswith(b"numChildren"):
        pass
    ensemble.kill(0)
    ensemble.start(0)
    ensemble.wait_serving()
    shell.stdin.write(b"sync\n")
    shell.stdin.flush()
    shell.stdout.readline()
    count = int(ensemble.mntr(0)["zk_watch_count"])
    for path in (paths[0], paths[-1]):
        run(hosts, "create", path)
        run(hosts, "delete", path)
    shell.stdin.close()
    events = shell.stdout.read().decode().count("WatchedEvent")
    shell.wait()
    tap.ok(count >= len(paths) and events == 4, "%d watches outlive a connection" % len(paths), (count, events))


# ---- an operator's tools ----

def check_watch(tap, hosts):
    run(hosts, "create", "/w", "1")
    watcher = subprocess.Popen([PROGRAM, "--server", hosts, "--json", "watch", "-R", "--count", "2", "--for", "20", "/w"],
                               stdout=subprocess.PIPE)
    events = []
    deadline = time.monotonic() + PATIENCE_S
    while watcher.poll() is None and time.monotonic() < deadline:
        run(hosts, "create", "/w/x", "1")
        run(hosts, "delete", "/w/x")
    events = [json.loads(line)["event"] for line in watcher.communicate()[0].splitlines()]
    tap.ok(watcher.returncode == 0 and sorted(set(events)) == ["NodeCreated", "NodeDeleted"], "watch tells what happens",
           events)
    run(hosts, "delete", "/w")


def check_bench(tap, hosts):
    before = run(hosts, "ls", "/").stdout
    wrong = []
    for op in ("create", "mixed"):
        told = tell_json(hosts, "bench", "--op", op, "--seconds", "1", "--clients", "3", "--pipeline", "4", "--nodes", "50")
        if not (told.get("ops", 0) > 100 and told["errors"] == told["lost"] == 0
                and 0 < told["p50_us"] <= told["p99_us"] <= told["p999_us"]):
            wrong.append("%s: %s" % (op, told))
    tap.ok(not wrong, "a load runs without an error, and its percentiles rise", "\n".join(wrong))
    after = run(hosts, "ls", "/").stdout
    tap.ok(after == before, "and leaves nothing behind", "%r %r" % (before, after))
    refused = run(hosts, "bench", "--op", "sing")
    tap.ok(refused.returncode == 2 and run(hosts, "ls", "/").stdout == before, "a bad option does nothing", said(refused))


def check_live(tap, hosts, admin):
    script = "create /busy\ncreate -e /busy/e\n" + "set /busy %s\n" % ("x" * 100) * 200
    shell = subprocess.Popen([PROGRAM, "--server", hosts], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    shell.stdin.write((script + "addWatch /busy\n").encode())
    shell.stdin.flush()
    told = {}
    deadline = time.monotonic() + PATIENCE_S
    while "/busy" not in [row["path"] for row in told.get("most_watched", [])] and time.monotonic() < deadline:
        time.sleep(0.2)
        told = json.loads(run(hosts, "top", "--once", "--admin", admin, options=("--json",)).stdout or b"{}")
    shell.stdin.write(b"quit\n")
    shell.stdin.close()
    busy = [row for row in told.get("paths", []) if row["path"] == "/busy"]
    owners = [row["ephemerals"] for row in told.get("most_ephemerals", [])]
    tap.ok(busy and busy[0]["writes"] >= 100 and busy[0]["children"] == 1 and busy[0]["data_bytes"] == 100
           and owners == [1], "top knows what is written, watched and owned", told)
    shell.wait()
    table = run(hosts, "top", "--once", "--by", "children", "--admin", admin)
    tap.ok(table.returncode == 0 and re.search(rb"path +writes +error +children", table.stdout), "and shows it as a table",
           said(table))
    slow = run(hosts, "slow", "--admin", admin, options=("--json",))
    rows = json.loads(slow.stdout)["requests"]
    tap.ok(any(row["operation"] == "setData" and row["whole_ms"] >= row["stages_ms"]["stored"] > 0 for row in rows),
           "slow knows the stages of requests", rows[:2])
    run(hosts, "deleteall", "/busy")
    process = subprocess.run([PROGRAM, "slow", "--admin", "127.0.0.1:1"], capture_output=True)
    tap.ok(process.returncode == 3 and b"--admin HOST:PORT" in process.stderr,
           "without an admin port the exit code is 3", said(process))
    process = subprocess.run([PROGRAM, "top", "--once", "--timeout", "500", "--admin", hosts], capture_output=True)
    tap.ok(process.returncode in (2, 3), "a port that speaks something else is not taken for one", said(process))


# ---- TLS ----

STORES = os.path.join(os.environ.get("VIV_SOURCE_DIR", "."), "tests", "unit", "security", "stores")


def check_tls(tap):
    port = free_ports(1)[0]
    stores = {"secureClientPort": port, "secureClientPortAddress": "127.0.0.1",
              "ssl.keyStore.location": os.path.join(STORES, "plain.pem"),
              "ssl.trustStore.location": os.path.join(STORES, "trust.pem")}
    trust = ("--tls", "--tls-trust", os.path.join(STORES, "trust.pem"))
    key = ("--tls-key", os.path.join(STORES, "plain.pem"))
    with Ensemble("vivarium", settings=stores) as ensemble:
        hosts = "localhost:%d" % port
        large = ALL_BYTES * 3000
        run(hosts, "create", "/tls", options=trust + key)
        run(hosts, "set", "--file", "-", "/tls", data=large, options=trust + key)
        tap.ok(run(hosts, "get", "--raw", "/tls", options=trust + key).stdout == large, "a large value goes through TLS",
               said(run(hosts, "stat", "/tls", options=trust + key)))
        named = run(hosts, "whoami", options=trust + key)
        tap.ok(b"x509: CN=" in named.stdout, "the server knows the certificate", said(named))
        with tempfile.NamedTemporaryFile("w", suffix=".properties") as keys:
            keys.write("# as zkCli reads it\nzookeeper.client.secure=true\n"
                       "zookeeper.clientCnxnSocket=org.apache.zookeeper.ClientCnxnSocketNetty\n"
                       "zookeeper.ssl.keyStore.location = %s\nzookeeper.ssl.trustStore.location=%s\n"
                       % (os.path.join(STORES, "plain.pem"), os.path.join(STORES, "trust.pem")))
            keys.flush()
            named = run(hosts, "whoami", options=("-client-configuration", keys.name))
            tap.ok(b"x509: CN=" in named.stdout, "a client configuration of ZooKeeper's is understood", said(named))
        for what, options, code, part in (
                ("without a key", trust, 3, b"no server of"),
                ("with a server that nobody vouches for", ("--tls",) + key, 3, b"certificate"),
                ("without TLS", (), 3, b"is it running"),
                ("with a store that is not there", ("--tls", "--tls-trust", "/no/such"), 4, b"/no/such")):
            for wait_ms in ("500", "5000", "30000"):  # a busy machine has not got so far at first
                process = run(hosts, "ls", "/", options=options + ("--wait", wait_ms))
                if part in process.stderr:
                    break
            tap.ok(process.returncode == code and part in process.stderr, "%s it is told why there is no connection" % what,
                   said(process))
        other = run(ensemble.host(0), "ls", "/", options=trust + key + ("--wait", "500"))
        tap.ok(other.returncode == 3 and b"is it running" in other.stderr, "and so it is at a plain port", said(other))


def main():
    tap = Tap()
    admin = free_ports(1)[0]
    with Ensemble("vivarium", settings={"limit.replyBytes": 1 << 20, "admin.serverPort": admin}) as ensemble:
        hosts = ensemble.hosts()
        check_live(tap, hosts, "127.0.0.1:%d" % admin)  # first: it looks at ten seconds
        check_commands(tap, hosts)
        check_values(tap, hosts)
        check_json(tap, hosts)
        check_documents(tap, hosts)
        check_chroot(tap, hosts)
        check_many_children(tap, hosts)
        check_script(tap, hosts)
        check_same_as_zkcli(tap, hosts)
        check_watch(tap, hosts)
        check_bench(tap, hosts)
        check_many_watches(tap, ensemble)
        check_terminal(tap, ensemble)
    check_tls(tap)
    check_unreachable(tap)
    tap.done()


main()
