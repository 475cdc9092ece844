"""What a namespace holds, from wherever it is told, in one shape, so that any two can be compared: the JSON of
datasets/zookeeper-3.8, a dump of vivarium-cli, a server through kazoo."""

import base64
import gzip
import json
import subprocess

from ensemble import BUILD


def expected(path):
    """{path: facts} and {session: timeout} of a data set's expected.json or .json.gz."""
    with (gzip.open(path) if path.endswith(".gz") else open(path)) as f:
        whole = json.load(f)
    nodes = {}
    for name, node in whole["znodes"].items():
        stat = node["stat"]
        nodes[name] = {"data": None if node["data"] is None else base64.b64decode(node["data"]),
                       "acl": [tuple(entry) for entry in node["acl"]], "owner": int(node["stored_owner"], 16),
                       "children_created": node["stored_cversion"]}
        nodes[name].update({key: stat[key] for key in ("czxid", "mzxid", "pzxid", "ctime", "mtime", "version",
                                                       "aversion")})
    return nodes, {int(name, 16): ms for name, ms in whole["sessions"].items()}, int(whole["zxid"], 16)


def owner_of(node):
    kinds = {"persistent": 0, "container": 1 << 63, "ttl": 0xff << 56 | node.get("ttl_ms", 0)}
    return int(node["owner"], 16) if node["kind"] == "ephemeral" else kinds[node["kind"]]


def dumped(lines):
    """The same of a dump's lines."""
    nodes, sessions, header = {}, {}, json.loads(lines[0])
    for line in lines[1:-1]:
        item = json.loads(line)
        if "session" in item:
            sessions[int(item["session"], 16)] = item["timeout_ms"]
            continue
        data = item["text"].encode() if "text" in item else \
            base64.b64decode(item["base64"]) if "base64" in item else None
        nodes[item["path"]] = {"data": data, "acl": [tuple(entry) for entry in item["acl"]], "owner": owner_of(item)}
        nodes[item["path"]].update(item["stat"])
    end = json.loads(lines[-1])
    assert end["end"] and end["nodes"] == len(nodes)
    return nodes, sessions, int(header["zxid"], 16)


def cli(*arguments, timeout=60, env=None):
    """Exit code, standard output, standard error."""
    done = subprocess.run([BUILD + "/vivarium-cli"] + [str(a) for a in arguments], capture_output=True, text=True,
                          timeout=timeout, env=env, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout, done.stderr


def dump(directory, *options):
    code, out, err = cli("dump", "--from", directory, *options)
    if code != 0:
        raise RuntimeError("dump of %s: %s" % (directory, err))
    return dumped(out.splitlines())


def served(client, path="/", nodes=None):
    """Everything below a path as a server tells it, without what only files know."""
    nodes = {} if nodes is None else nodes
    data, stat = client.get(path)
    acl, _ = client.get_acls(path)
    nodes[path] = {"data": data, "acl": sorted((a.perms, a.id.scheme, a.id.id) for a in acl)}
    nodes[path].update({key: getattr(stat, key) for key in ("czxid", "mzxid", "pzxid", "ctime", "mtime", "version",
                                                            "cversion", "aversion", "ephemeralOwner", "numChildren")})
    for child in client.get_children(path):
        served(client, path.rstrip("/") + "/" + child, nodes)
    return nodes


def difference(a, b):
    """"" when two are equal, else the first differences."""
    parts = []
    for path in sorted(set(a) | set(b)):
        if a.get(path) != b.get(path):
            parts.append("%s: %r, %r" % (path, a.get(path), b.get(path)))
    return "\n".join(parts[:5])
