"""An ensemble whose members stand in the file that dynamicConfigFile names, as ZooKeeper leaves it behind after a
reconfiguration: it serves, and shows members and version at /zookeeper/config. TAP."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from ensemble import PATIENCE_S, Ensemble, Tap, default_configuration, leave  # noqa: E402

from kazoo.client import KazooClient  # noqa: E402

VERSION = "100000007"


class WithDynamicFile(Ensemble):
    """One file for each server, without the ports of clients: those stay in the file of each server."""

    def _config(self, index):
        path = super()._config(index)
        with open(path) as f:
            lines = f.read().splitlines()
        members = [line for line in lines if line.startswith("server.")]
        dynamic = os.path.join(self.folder, "members-%d.dynamic" % (index + 1))
        with open(dynamic, "w") as f:
            f.write("\n".join(members + ["version=" + VERSION]) + "\n")
        with open(path, "w") as f:
            rest = [line for line in lines if line not in members]
            f.write("\n".join(rest + ["dynamicConfigFile=" + dynamic]) + "\n")
        self.members = members
        return path


def main():
    tap = Tap()
    with WithDynamicFile("vivarium", 3, default_configuration()) as ensemble:
        client = KazooClient(hosts=ensemble.hosts())
        client.start(timeout=PATIENCE_S)
        client.create("/written", b"x")
        shown = client.get("/zookeeper/config")[0].decode().splitlines()
        leave(client)
        wanted = [line + ":participant" for line in ensemble.members] + ["version=" + VERSION]
        tap.ok(shown == wanted, "members and version are those of the dynamic file", shown)
        tap.ok(sorted(ensemble.mode(i) for i in range(3)) == ["follower", "follower", "leader"], "all three serve",
               [ensemble.mode(i) for i in range(3)])
    tap.done()


if __name__ == "__main__":
    main()
