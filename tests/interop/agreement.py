"""Raw requests, sent to Vivarium and to Apache ZooKeeper 3.8: quotas, TTL nodes, reconfiguration, ACL schemes and the
operations about watches and the session itself, which client libraries hide or do not have. Error codes and answers must
be equal; what differs on purpose is listed with its reason. TAP on standard output.

    agreement.py [--ensemble] [--differences]    also with three servers; what was seen to differ
"""

import os
import re
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from ensemble import Ensemble, Tap, default_configuration, zookeeper_class_path  # noqa: E402

from zkwire import (ADD_WATCH, AUTH, CHECK, CHECK_WATCHES, CREATE, CREATE2, CREATE_CONTAINER, CREATE_TTL,  # noqa: E402
                    DELETE, DELETE_CONTAINER, EXISTS, GET_ACL, GET_ALL_CHILDREN_NUMBER, GET_CHILDREN, GET_CHILDREN2,
                    GET_DATA, GET_EPHEMERALS, MULTI, MULTI_END, MULTI_READ, OPEN, RECONFIG, REMOVE_WATCHES, REPLY, SET_ACL,
                    SET_DATA, SET_WATCHES, SET_WATCHES2, STAT, SYNC, WHO_AM_I, XID_EVENT, Reader, Wire, acl, data, integer,
                    long, request, vector)
import zkwire  # noqa: E402

# The newest ZooKeeper, which is followed, differs from the 3.8.0 that is asked here.
KNOWN = {
    "a stranger asks whether a node exists that it may not read": "READ is checked from 3.8.4 and 3.9.2 on",
    "create with the flags of a container": "opcode and flags must agree",
    "createContainer without its flag": "opcode and flags must agree",
    "stats written by a client": "usage is counted, not kept as a text (tree/quota.h)",
    "a watch and a persistent watch side by side, the persistent one": "both stay from 3.9.0 on",
    "a watch of a persistent kind alone": "types 4 and 5 are there from 3.9.0 on",
    "deleteContainer by a client": "not for clients",
    "addWatch of a null path": "a null path cannot be watched",
    "reconfig cut off": "a follower of ZooKeeper's says nothing more",
}


def create(path, value=b"", flags=0, entries=OPEN, ttl=None):
    return zkwire.create(path, value, entries, flags, ttl)


def path_version(path, version=-1):
    return zkwire.versioned(path, version)


def path_watch(path, watch=False):
    return zkwire.watching(path, watch)


def set_data(path, value, version=-1):
    return data(path) + data(value) + integer(version)


def multi(*steps):
    return zkwire.multi(steps)


def split(raw):
    """The strings of a vector, sorted."""
    reader = Reader(raw)
    return sorted(reader.vector(reader.data))


class Client(Wire):
    def __init__(self, port):
        super().__init__(port)
        self.xid, self.events, self.open = 0, [], True
        self.greet(timeout_ms=30000)

    def ask(self, op, record=b"", xid=None):
        """(err, answer); a connection that ends is (None, 'closed') from then on."""
        self.xid += 1
        if self.open:
            self.send(request(self.xid if xid is None else xid, op, record))
        while self.open:
            try:
                reply = self.receive()
            except TimeoutError:
                return None, "silence"
            if reply is None:
                break
            got, _, err = REPLY.unpack_from(reply)
            if got != XID_EVENT:
                return err, reply[REPLY.size:] if err == 0 else b""
            self.events.append(zkwire.decode_event(Reader(reply, REPLY.size)))
        self.open = False
        return None, "closed"

    def heard(self):
        self.ask(EXISTS, path_watch("/"))
        events, self.events = self.events, []
        return events


class Script:
    """What was asked and what came back."""

    def __init__(self, port):
        self.port, self.lines = port, []

    def client(self):
        return Client(self.port)

    def code(self, name, client, op, record=b""):
        self.lines.append((name, client.ask(op, record)[0]))

    def add(self, name, value):
        self.lines.append((name, value))

    def data(self, name, client, path):
        err, reply = client.ask(GET_DATA, path_watch(path))
        self.lines.append((name, err if err else reply[:-STAT.size]))


def quotas(script):
    a = script.client()
    for path in ("/q", "/q/a", "/zookeeper/quota/q"):
        a.ask(CREATE, create(path, b"abc"))
    limits, stats = "/zookeeper/quota/q/zookeeper_limits", "/zookeeper/quota/q/zookeeper_stats"
    script.code("create limits", a, CREATE, create(limits, b"count=3,bytes=20=;byteHardLimit=25;countHardLimit=4"))
    script.code("create without stats", a, CREATE, create("/q/b", b"x"))
    script.code("create stats", a, CREATE, create(stats, b"count=77,bytes=78=;foo=9"))
    script.data("stats when created", a, stats)
    script.code("at the hard count", a, CREATE, create("/q/c"))
    script.code("one over", a, CREATE, create("/q/d"))
    script.code("one over in the other dialect", a, CREATE2, create("/q/d"))
    script.code("a container over", a, CREATE_CONTAINER, create("/q/d", flags=4))
    script.code("a sequence over", a, CREATE, create("/q/d-", flags=2))
    script.code("a TTL node over", a, CREATE_TTL, create("/q/d", flags=5, ttl=100000))
    script.code("elsewhere", a, CREATE, create("/e"))
    script.data("stats at the limit", a, stats)
    script.code("bytes at the limit", a, SET_DATA, set_data("/q/a", b"x" * 21))
    script.code("bytes over", a, SET_DATA, set_data("/q/a", b"x" * 22))
    script.code("over, with a stale version", a, SET_DATA, set_data("/q/a", b"x" * 22, 9))
    script.code("stale only", a, SET_DATA, set_data("/q/a", b"x", 9))
    script.data("stats after", a, stats)
    script.code("tighter limits", a, SET_DATA, set_data(limits, b"bytes=1=;byteHardLimit=5"))
    script.code("shrinking, still over", a, SET_DATA, set_data("/q/a", b"x" * 9))
    script.code("same size while over", a, SET_DATA, set_data("/q/a", b"y" * 21))
    script.code("create empty while over", a, CREATE, create("/q/empty"))
    script.code("create with data while over", a, CREATE, create("/q/full", b"1"))
    script.code("delete while over", a, DELETE, path_version("/q/a"))
    script.data("stats after the delete", a, stats)
    script.code("multi: two creates against one place", a, SET_DATA, set_data(limits, b"countHardLimit=5"))
    script.add("multi over", a.ask(MULTI, multi((CREATE, create("/q/m1")), (CREATE, create("/q/m2")))))
    script.data("stats after the multi", a, stats)
    script.add("multi that is refused", a.ask(MULTI, multi((DELETE, path_version("/q/m1")), (CREATE, create("/q/m3")))))
    for value in (b"count=oops", b"countHardLimit=", b"a=b=c,count=3", b"count", b"count=0x1", b"count= 5", b",count=9", b"="):
        a.ask(SET_DATA, set_data(limits, value))
        script.code("create under %r" % value, a, CREATE, create("/q/n"))
        script.code("set under %r" % value, a, SET_DATA, set_data("/q/b", b"zz"))
        script.code("set of the same size under %r" % value, a, SET_DATA, set_data("/q/b", b"yy"))
    for value in (None, b"", b"count=1", b"=3", b"count=1,,bytes=2", b" countHardLimit=1", b"countHardLimit=-5", b",",
                  b"countHardLimit=99999999999", b"countHardLimit==1"):
        a.ask(SET_DATA, set_data(limits, value))
        script.code("create under %r" % value, a, CREATE, create("/q/n", b"1"))
        script.code("delete under %r" % value, a, DELETE, path_version("/q/n"))
    script.data("stats in the end", a, stats)
    a.ask(SET_DATA, set_data(stats, b"count=1,bytes=1"))
    script.data("stats written by a client", a, stats)
    script.code("delete limits", a, DELETE, path_version(limits))
    script.code("create without limits", a, CREATE, create("/q/free"))


def ttl_nodes(script):
    a = script.client()
    for flags in range(-1, 8):
        for ttl in (-1, 0, 1, 2 ** 40 - 1, 2 ** 40):
            if flags in range(0, 5):
                continue
            script.code("createTTL flags %d ttl %d" % (flags, ttl), a, CREATE_TTL, create("/t%d-%d" % (flags, ttl), flags=flags,
                                                                                 ttl=ttl))
    script.code("create with the flags of a TTL node", a, CREATE, create("/x", flags=5))
    script.code("createContainer with the flags of a TTL node", a, CREATE_CONTAINER, create("/x", flags=6))
    script.code("a TTL node below an ephemeral", a, CREATE, create("/eph", flags=1))
    script.code("a TTL node below an ephemeral, now", a, CREATE_TTL, create("/eph/t", flags=5, ttl=9))
    script.code("a TTL node without a ttl", a, CREATE_TTL, create("/x", flags=5))
    script.add("in a multi", a.ask(MULTI, multi((CREATE_TTL, create("/mt", flags=5, ttl=10 ** 9)), (DELETE, path_version("/mt"))))[0])
    script.code("delete", a, DELETE, path_version("/t5-1"))
    err, reply = a.ask(GET_DATA, path_watch("/t5-%d" % (2 ** 40 - 1)))
    script.add("its owner is not shown", (err, reply[-24:-16]))


def flags_that_lie(script):
    a = script.client()
    script.code("create with the flags of a container", a, CREATE, create("/l1", flags=4))
    script.code("createContainer without its flag", a, CREATE_CONTAINER, create("/l2", flags=0))


def access(script):
    a, b = script.client(), script.client()
    auth = integer(0) + data("digest") + data(b"alice:secret")
    script.code("auth", a, AUTH, auth)
    mine = [(31, "auth", "")]
    script.code("create for oneself", a, CREATE, create("/mine", b"1", entries=mine))
    for op in (GET_DATA, GET_CHILDREN, GET_CHILDREN2):
        script.code("a stranger asks %d" % op, b, op, path_watch("/mine"))
    script.code("a stranger asks whether a node exists that it may not read", b, EXISTS, path_watch("/mine"))
    script.code("a stranger asks for the list", b, GET_ACL, data("/mine"))
    script.code("a stranger counts", b, GET_ALL_CHILDREN_NUMBER, data("/mine"))
    script.code("a stranger writes", b, SET_DATA, set_data("/mine", b"2"))
    script.code("a stranger creates", b, CREATE, create("/mine/x"))
    script.code("a stranger checks", b, MULTI, multi((CHECK, path_version("/mine"))))
    a.ask(SET_ACL, data("/mine") + acl([(1, "world", "anyone"), (30, "digest", "alice:aYXlLOpEooaV1cRAvUL1fp9Qt7E=")])
          + integer(-1))
    script.add("the list, masked", b.ask(GET_ACL, data("/mine"))[1][:-STAT.size])
    script.add("the list, for who administers", a.ask(GET_ACL, data("/mine"))[1][:-STAT.size])
    for scheme, ids in (
            ("ip", ("1.2.3.4", "1.2.3.4/8", "1.2.3.4/0", "1.2.3.4/32", "1.2.3.4/33", "1.2.3.4/", "1.2.3", "x", "")),
            ("sasl", ("user", "user@REALM", "user/host@REALM", "a@b@c", "a/b/c@d", "a/b/c", "", "@", "u@r/x", "/@")),
            ("x509", ("CN=a", "CN=a,O=b", "nope", "", "CN=a,", "CN=\"a,b\"", "CN=a\\,b", "=a", "CN=", "CN=a+OU=b",
                      "CN=a;O=b", "CN = a", "1.2.3=x", ",")),
            ("super", ("", "x")), ("auth", ("x",)), ("world", ("anyone", "all"))):
        for number, id in enumerate(ids):
            script.code("create with %s:%s" % (scheme, id), a, CREATE,
                        create("/acl-%s-%d" % (scheme, number), entries=[(31, scheme, id)]))
    script.add("who am I", sorted_who(a))
    script.add("who is the stranger", sorted_who(b))
    # Events.
    a.ask(CREATE, create("/shut", entries=mine))
    b.ask(ADD_WATCH, data("/shut") + integer(1))
    a.ask(CREATE, create("/shut/n", entries=mine))
    a.ask(SYNC, data("/"))
    b.ask(SYNC, data("/"))
    time.sleep(0.05)
    script.add("an event of a node that may not be read", [e[0] for e in b.heard()])


def sorted_who(client):
    reply = client.ask(WHO_AM_I)[1]
    (count,) = struct.unpack_from(">i", reply)
    values = split(integer(2 * count) + reply[4:])
    return values


def watches(script):
    a, b = script.client(), script.client()
    for path in ("/w", "/w/1", "/w/2"):
        b.ask(CREATE, create(path))
    watch = lambda path, mode: data(path) + integer(mode)
    script.code("addWatch mode 2", a, ADD_WATCH, watch("/w", 2))
    script.code("addWatch mode -1", a, ADD_WATCH, watch("/w", -1))
    script.code("addWatch of a null path", a, ADD_WATCH, data(None) + integer(0))
    for op in (CHECK_WATCHES, REMOVE_WATCHES):
        for kind in (0, 1, 2, 3, 7, -1):
            script.code("%d of none, type %d" % (op, kind), a, op, watch("/w", kind))
    a.ask(GET_DATA, path_watch("/w", True))
    a.ask(GET_CHILDREN, path_watch("/w", True))
    for kind in (1, 2, 3):
        script.code("check of both, type %d" % kind, a, CHECK_WATCHES, watch("/w", kind))
    script.code("check elsewhere", a, CHECK_WATCHES, watch("/w/1", 3))
    script.code("remove children's", a, REMOVE_WATCHES, watch("/w", 1))
    script.code("and again", a, REMOVE_WATCHES, watch("/w", 1))
    b.ask(CREATE, create("/w/3"))
    script.add("no event of children", a.heard())
    script.code("remove any", a, REMOVE_WATCHES, watch("/w", 3))
    b.ask(SET_DATA, set_data("/w", b"1"))
    script.add("no event of data", a.heard())
    script.code("persistent", a, ADD_WATCH, watch("/w", 0))
    script.code("a persistent one is any", a, CHECK_WATCHES, watch("/w", 3))
    b.ask(SET_DATA, set_data("/w", b"2"))
    b.ask(SET_DATA, set_data("/w", b"3"))
    b.ask(CREATE, create("/w/4"))
    script.add("events of a persistent watch", a.heard())
    script.code("remove it", a, REMOVE_WATCHES, watch("/w", 3))
    script.code("recursive", a, ADD_WATCH, watch("/w", 1))
    b.ask(CREATE, create("/w/4/5"))
    b.ask(DELETE, path_version("/w/4/5"))
    b.ask(DELETE, path_version("/w/4"))
    script.add("events of a recursive watch", a.heard())
    script.code("remove that", a, REMOVE_WATCHES, watch("/w", 3))
    # Coexistence.
    a.ask(ADD_WATCH, watch("/w", 0))
    a.ask(GET_DATA, path_watch("/w", True))
    b.ask(SET_DATA, set_data("/w", b"4"))
    script.add("a watch and a persistent watch side by side", a.heard())
    b.ask(SET_DATA, set_data("/w", b"5"))
    script.add("a watch and a persistent watch side by side, the persistent one", a.heard())
    a.ask(REMOVE_WATCHES, watch("/w", 3))
    a.ask(ADD_WATCH, watch("/w", 0))
    script.code("a watch of a persistent kind alone", a, REMOVE_WATCHES, watch("/w", 4))
    a.ask(REMOVE_WATCHES, watch("/w", 3))
    # Catching up.
    before = b.ask(GET_DATA, path_watch("/w"))[1][-STAT.size + 8:-STAT.size + 16]
    b.ask(SET_DATA, set_data("/w", b"6"))
    b.ask(CREATE, create("/w/6"))
    lists = (["/w", "/w/1", "/gone"], ["/w/6", "/later"], ["/w", "/w/1", "/gone"])
    record = before + b"".join(vector(part) for part in lists)
    script.code("setWatches", a, SET_WATCHES, record)
    script.add("what was missed", a.heard())
    b.ask(CREATE, create("/later"))
    b.ask(SET_DATA, set_data("/w/1", b"x"))
    script.add("what was set again", a.heard())
    c = script.client()
    script.code("setWatches2", c, SET_WATCHES2, record + vector(["/w/2"]) + vector(["/w/3"]))
    script.add("what was missed, and more lists", c.heard())
    for path in ("/w/2/x", "/w/3/x"):
        b.ask(CREATE, create(path))
    for path in ("/w/2", "/w/3", "/w/3/x", "/w/3/x"):
        b.ask(SET_DATA, set_data(path, b"7"))
    script.add("persistent ones set again", c.heard())
    script.code("a null list", c, SET_WATCHES, before + vector([]) + integer(-1) + vector([]))


def reads(script):
    a = script.client()
    for path in ("/r", "/r/1", "/r/1/2", "/r/1/2/3", "/rr"):
        a.ask(CREATE, create(path, path.encode()))
    for path in ("/e", "/e/x"):
        a.ask(CREATE, create(path + "-p"))
    for path in ("/eph", "/eph2", "/r/eph"):
        a.ask(CREATE, create(path, flags=1))
    for path in ("/r", "/r/1", "/r/1/2/3", "/missing", ""):
        err, reply = a.ask(GET_ALL_CHILDREN_NUMBER, data(path))
        script.add("descendants of %r" % path, (err, reply if path else len(reply)))
    script.code("descendants of null", a, GET_ALL_CHILDREN_NUMBER, data(None))
    for prefix in (None, "", " ", "/", "/e", "/eph", "/eph2", "/r", "/x", "eph"):
        err, reply = a.ask(GET_EPHEMERALS, data(prefix))
        script.add("ephemerals below %r" % prefix, (err, split(reply) if err == 0 else reply))
    script.code("no prefix at all", a, GET_EPHEMERALS, b"")
    one = (GET_DATA, path_watch("/r/1"))
    for name, steps in (("nothing", ()), ("missing", ((GET_DATA, path_watch("/none")), (GET_CHILDREN, path_watch("/no")))),
                        ("a change among them", ((CREATE, create("/zz")),)), ("exists", ((EXISTS, path_watch("/r")),)),
                        ("children with stat", ((GET_CHILDREN2, path_watch("/r")),))):
        err, reply = a.ask(MULTI_READ, multi(*steps))
        script.add("multiRead of %s" % name, (err, reply))
    err, reply = a.ask(MULTI_READ, multi(one, (GET_CHILDREN, path_watch("/r/1")), (GET_DATA, path_watch("/none"))))
    at = 9 + 4 + 4
    script.add("multiRead of three", (err, reply[:at], reply[at + STAT.size:]))
    err, reply = a.ask(MULTI, multi(one))
    script.add("a read in a multi of changes", (err, reply))
    for op in (CREATE, CREATE2, DELETE, SET_DATA, CHECK, SET_ACL):
        script.code("an empty record of %d in a multi" % op, a, MULTI, struct.pack(">ibi", op, 0, -1) + MULTI_END)
    script.code("setACL in a multi", a, MULTI, multi((SET_ACL, data("/r") + acl(OPEN) + integer(-1))))
    script.code("a multi without an end", a, MULTI, multi((CHECK, path_version("/r")))[:-9])


def configuration(script):
    a = script.client()
    err, reply = a.ask(GET_DATA, path_watch("/zookeeper/config"))
    script.add("/zookeeper/config is null", reply[:4] == bytes([255] * 4))
    script.add("/zookeeper/config", (err, re.sub(rb":[0-9]+", b":port", reply[4:-STAT.size])))
    script.add("its stat", STAT.unpack(reply[-STAT.size:])[4:8])
    script.add("its list", a.ask(GET_ACL, data("/zookeeper/config"))[1][:-STAT.size])
    script.code("writing it", a, SET_DATA, set_data("/zookeeper/config", b"x"))
    script.code("deleting it", a, DELETE, path_version("/zookeeper/config"))
    script.code("creating below it", a, CREATE, create("/zookeeper/config/x"))
    record = data("server.9=127.0.0.1:1:2") + data(None) + data(None) + long(-1)
    script.code("reconfig", a, RECONFIG, record)
    script.code("reconfig of nothing", a, RECONFIG, data(None) * 3 + long(-1))
    script.code("reconfig of an old version", a, RECONFIG, record[:-8] + long(5))
    script.code("reconfig cut off", a, RECONFIG, record[:-8])


def not_for_clients(script):
    for name, op, record in (("deleteContainer by a client", DELETE_CONTAINER, data("/n")),
                             ("createSession by an opcode of none", 10, b""), ("an unknown opcode", 777, b"")):
        a = script.client()
        script.add(name, (a.ask(op, record)[0], a.ask(EXISTS, path_watch("/"))))
    script.add("the server lives", script.client().ask(EXISTS, path_watch("/"))[0])


SERVED = {"extendedTypesEnabled": "true", "enforceQuota": "true",
          "authProvider.1": "org.apache.zookeeper.server.auth.SASLAuthenticationProvider",
          "authProvider.2": "org.apache.zookeeper.server.auth.X509AuthenticationProvider"}
PLANS = (
    ("one server with everything on", 1, SERVED,
     (quotas, ttl_nodes, access, watches, reads, configuration, flags_that_lie, not_for_clients)),
    ("three servers", 3, {}, (configuration,)),
)


class Switched(Ensemble):
    """ZooKeeper's extended types only where the plan says so."""

    def command(self, index):
        words = super().command(index)
        if self.settings.get("extendedTypesEnabled") != "true":
            words = [w for w in words if not w.startswith("-Dzookeeper.extendedTypes")]
        if "authProvider.2" in self.settings and self.kind == "zookeeper":
            words[1:1] = ["-Dzookeeper.ssl.keyStore.location=", "-Dzookeeper.ssl.trustStore.location="]
        return words


def play(kind, servers, settings, parts):
    backend = default_configuration() if kind == "vivarium" else None
    with Switched(kind, servers, backend, settings) as ensemble:
        results = []
        for part in parts:
            script = Script(ensemble.client_ports[0])
            part(script)
            results.append((part.__name__, script.lines))
        return results, ensemble.died()


def main():
    tap = Tap()
    if zookeeper_class_path() is None:
        tap.skip("raw requests", "Debian's zookeeper is not installed")
        return tap.done()
    differing, count = set(), 0
    for name, servers, settings, parts in PLANS if "--ensemble" in sys.argv else PLANS[:1]:
        ours, died = play("vivarium", servers, settings, parts)
        theirs, _ = play("zookeeper", servers, settings, parts)
        tap.ok(not died, "%s: ours still run" % name)
        for (part, mine), (_, other) in zip(ours, theirs):
            problems = []
            for (what, got), (_, want) in zip(mine, other):
                count += 1
                if got != want:
                    differing.add(what)
                    if what not in KNOWN:
                        problems.append("%s: got %r, ZooKeeper says %r" % (what, got, want))
            tap.ok(not problems and len(mine) == len(other), "%s: %s, %d answers" % (name, part, len(mine)),
                   "\n".join(problems))
    tap.ok(differing, "control: what is known to differ is seen to differ", sorted(differing))
    tap.ok(count > 200, "some hundreds of answers were compared", count)
    if "--differences" in sys.argv:
        print("# " + "\n# ".join(sorted(differing)))
    return tap.done()


if __name__ == "__main__":
    main()
