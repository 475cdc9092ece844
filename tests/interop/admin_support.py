"""What the tests of the admin port share: servers with that port open, ours and Apache ZooKeeper's, requests to it, and
one scene that every word and command looks at."""

import http.client
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from ensemble import PATIENCE_S, Ensemble, connect, free_ports, leave, zookeeper_class_path  # noqa: E402

STORES = os.path.join(os.environ.get("VIV_SOURCE_DIR", "."), "tests", "unit", "security", "stores")
# Maps of names that are each server's own; and a text that the original has only when it is alone.
FREE_FORM = ("environment", "system_properties", "monitor", "initial_configuration")
JETTY = ("jetty9-server", "jetty9-servlet", "jetty9-http", "jetty9-io", "jetty9-util", "jetty9-util-ajax",
         "jetty9-security", "servlet-api", "jackson-core", "jackson-databind", "jackson-annotations")


def get(port, path, method="GET", timeout=PATIENCE_S):
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
        self.client = connect(ensemble.host(0))
        self.client.create("/e\u00e9", b"", ephemeral=True)
        for i in range(130):
            self.client.set("/", b"%d" % i)
        self.client.get("/", watch=lambda event: None)
        self.client.get("/e\u00e9", watch=lambda event: None)
        self.client.get_children("/", watch=lambda event: None)
        self.session = self.client.client_id[0]

    def close(self):
        leave(self.client)

    def shapes(self):
        """{role: {command: shape}}"""
        result = {}
        for index, port in enumerate(self.ensemble.admin_ports):
            role = self.ensemble.mode(index) + ("" if index == 0 else " elsewhere")
            names = re.findall(r'<a href="/commands/(\w+)">', get(port, "/commands")[2])
            result[role] = {name: shape(command(port, name)) for name in names if name not in FREE_FORM}
        return result
