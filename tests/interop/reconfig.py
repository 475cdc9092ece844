"""Ensembles that change while they serve: the same requests for it to Apache ZooKeeper 3.8 and to ours, and ensembles
of both kinds, whose servers join without a vote, vote, lead, observe and leave. TAP on standard output.

reconfig.py [--real]: with --real also against and with ZooKeeper's own servers; else ours alone."""

import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from ensemble import BUILD, Ensemble, Tap, connect, default_configuration, leave, zookeeper_class_path  # noqa: E402

from kazoo.exceptions import KazooException  # noqa: E402
from kazoo.security import make_digest_acl_credential  # noqa: E402

PASSWORD = "super:secret"
JAVA_ONLY = ("multiAddress.enabled",)  # what ZooKeeper hears of from a system property, not from its file
# What is answered otherwise, and is meant: 3.8.0's code, ours, and why.
MEANT = {
    "somebody else's address": (0, -8, "two servers cannot answer at one address"),
    "all anew, nobody votes": (-5, -8, "a configuration that makes no sense; there an exception that nobody catches"),
}


class Changing(Ensemble):
    """kinds: of each server. The first `begin` of them are the ensemble; each of the others knows those and itself."""

    def __init__(self, kinds, begin, settings=None):
        self.kinds, self.begin, self.roles = kinds, begin, {}
        digest = make_digest_acl_credential("super", "secret")
        both = {"tickTime": 500, "reconfigEnabled": "true"}
        both.update(settings or {})
        super().__init__("vivarium", len(kinds), default_configuration(), both,
                         java=["-Dzookeeper.%s=%s" % (key, both[key]) for key in JAVA_ONLY if key in both] +
                         ["-Dzookeeper.DigestAuthenticationProvider.superDigest=" + digest])
        self.digest = digest

    def line(self, index, role="participant"):
        hosts = ("127.0.0.1", "127.0.0.2") if "multiAddress.enabled" in self.settings else ("127.0.0.1",)
        addresses = "|".join("%s:%d:%d" % ((host,) + self.peer_ports[index]) for host in hosts)
        return "server.%d=%s:%s;127.0.0.1:%d" % (index + 1, addresses, role, self.client_ports[index])

    def _config(self, index):
        path = super()._config(index)
        with open(path) as f:
            lines = [line for line in f.read().splitlines() if not line.startswith(("server.", "clientPort"))]
        known = sorted(set(range(self.begin)) | {index})
        lines += [self.line(i, self.roles.get(i, "participant")) for i in known]
        if self.kinds[index] == "vivarium":
            lines.append("DigestAuthenticationProvider.superDigest=" + self.digest)
        with open(path, "w") as f:
            f.write("\n".join(lines) + "\n")
        return path

    def command(self, index):
        self.kind = self.kinds[index]
        if self.kind == "vivarium" or not os.path.exists(os.path.join(self.folder, "server-%d.cfg.bak" % (index + 1))):
            return super().command(index)
        config = self._config  # what ZooKeeper wrote into its file since its first start stays there
        self._config = lambda i: os.path.join(self.folder, "server-%d.cfg" % (i + 1))
        try:
            return super().command(index)
        finally:
            self._config = config

    def begin_with(self):
        for index in range(self.begin):
            self.start(index)
        self.wait_serving(range(self.begin))

    def client(self, index, is_super=True):
        client = connect("127.0.0.1:%d" % self.client_ports[index], timeout=10)
        if is_super:
            client.add_auth("digest", PASSWORD)
        return client

    def reconfig(self, index, joining=None, leaving=None, members=None, version=-1):
        """The members afterwards; None when the connection went, as it does when the leader changes."""
        client = self.client(index)
        try:
            return client.reconfig(joining, leaving, members, version)[0].decode()
        except KazooException as error:
            if "ConnectionLoss" in repr(error) or "SessionExpired" in repr(error):
                return None
            raise
        finally:
            leave(client)

    def members(self, index):
        """As `index` shows them, in the words of the dynamic file."""
        client = self.client(index)
        client.sync("/")
        text = client.get("/zookeeper/config")[0].decode()
        leave(client)
        return text

    def wait_members(self, indexes, numbers, timeout=20):
        """Until all of them show exactly these servers."""
        deadline = time.monotonic() + timeout
        wanted = sorted(number + 1 for number in numbers)
        while time.monotonic() < deadline:
            try:
                shown = [sorted(int(line.split("=")[0][7:]) for line in self.members(i).splitlines()
                                if line.startswith("server.")) for i in indexes]
                if all(s == wanted for s in shown):
                    return True
            except Exception:  # noqa: BLE001  a server that changes its part closes its clients
                pass
            time.sleep(0.1)
        return False


def code_of(call):
    try:
        call()
        return 0
    except KazooException as error:
        return getattr(error, "code", repr(error))


def ask_everything(ensemble):
    """What is answered to requests that are refused, and to one that is served, in words that both kinds share."""
    client, stranger = ensemble.client(0), ensemble.client(1, is_super=False)
    now = int(ensemble.members(0).splitlines()[-1].split("=")[1], 16)
    line, taken = ensemble.line(3), ensemble.line(0).replace("server.1", "server.4")
    asked = {
        "a stranger": lambda: stranger.reconfig(line, None, None),
        "a stranger, nonsense": lambda: stranger.reconfig("nonsense", None, None),
        "an old version": lambda: client.reconfig(line, None, None, 5),
        "an old version, nonsense": lambda: client.reconfig("nonsense", None, None, 5),
        "no server line": lambda: client.reconfig("nonsense", None, None),
        "no client port": lambda: client.reconfig(line.split(";")[0], None, None),
        "a role of nobody": lambda: client.reconfig(line.replace("participant", "voter"), None, None),
        "no number leaves": lambda: client.reconfig(None, "x", None),
        "too few stay": lambda: client.reconfig(None, "1,2", None),
        "nobody follows": lambda: client.reconfig("%s,%s" % (line, ensemble.line(4)), "1,2", None),
        "all anew, nobody votes": lambda: client.reconfig(None, None, ensemble.line(0, "observer")),
        "all anew, an unknown line": lambda: client.reconfig(None, None, ensemble.line(0) + ",color=red"),
        "all anew, nobody follows": lambda: client.reconfig(None, None, ",".join(ensemble.line(i) for i in (0, 3, 4))),
        "nobody leaves": lambda: client.reconfig(None, "77", None, now),
        "somebody else's address": lambda: client.reconfig(taken, None, None),
    }
    codes = {name: code_of(call) for name, call in asked.items()}
    data, stat = client.get("/zookeeper/config")
    lines = data.decode().splitlines()
    shown = [line.split("=")[0] + ":" + line.split(";")[0].rsplit(":", 1)[-1] for line in lines[:-1]
             if not line.startswith("server.4")]  # of the last request
    codes["shown afterwards"] = (shown, stat.version, int(lines[-1].split("=")[1], 16) == stat.mzxid)
    for c in (client, stranger):
        leave(c)
    return codes


def same_answers(tap):
    answers = []
    for kind in ("zookeeper", "vivarium"):
        with_five = Changing([kind] * 5, 3)
        try:
            with_five.begin_with()
            answers.append(ask_everything(with_five))
        finally:
            with_five.close()
    for name, answer in answers[0].items():
        is_meant = name in MEANT and MEANT[name][:2] == (answer, answers[1][name])
        tap.ok(answers[1][name] == answer or is_meant,
               "answered %s: %s" % ("as is meant" if is_meant else "alike", name),
               "%s\n%s" % (answer, answers[1][name]))


def write(ensemble, index, path):
    for _ in range(50):
        client = ensemble.client(index)
        try:
            client.create(path, b"x")
            return
        except Exception:  # noqa: BLE001  the leader changes
            time.sleep(0.1)
        finally:
            leave(client)
    raise RuntimeError("%s cannot be written" % path)


def play(tap, kinds, settings=None):
    """Three servers; the fourth joins, votes, and the leader leaves; it comes back as an observer, and votes again."""
    name = " ".join(["%s" % kind[:3] for kind in kinds] + sorted(settings or {}))
    ensemble = Changing(kinds, 3, settings)
    try:
        ensemble.begin_with()
        write(ensemble, 0, "/before")
        ensemble.start(3)
        ensemble.wait_serving([3])
        client = ensemble.client(3)
        tap.ok(client.exists("/before") is not None, "%s: the fourth learns without a vote" % name, ensemble.logs())
        leave(client)
        ensemble.reconfig(3, joining=ensemble.line(3))
        tap.ok(ensemble.wait_members(range(4), range(4)), "%s: it votes, and all know it" % name, ensemble.logs())
        leader = ensemble.wait_leader()
        others = [i for i in range(4) if i != leader]
        ensemble.reconfig(others[0], leaving=str(leader + 1))
        ensemble.wait_serving()
        tap.ok(ensemble.wait_members(range(4), others), "%s: the leader, a %s, leaves, and shows it" %
               (name, kinds[leader]), ensemble.logs())
        tap.ok(ensemble.leader() in others, "%s: another leads" % name, [ensemble.mode(i) for i in range(4)])
        write(ensemble, others[1], "/while-away")
        ensemble.reconfig(others[0], joining=ensemble.line(leader, "observer"))
        for _ in range(100):
            if ensemble.mode(leader) == "observer":
                break
            time.sleep(0.1)
        tap.ok(ensemble.mode(leader) == "observer", "%s: it observes" % name, ensemble.logs())
        ensemble.reconfig(others[0], joining=ensemble.line(leader))
        for _ in range(100):
            if ensemble.mode(leader) in ("follower", "leader"):
                break
            time.sleep(0.1)
        ensemble.wait_serving()
        tap.ok(ensemble.wait_members(range(4), range(4)), "%s: it votes again" % name, ensemble.logs())
        victim = ensemble.wait_leader()
        ensemble.kill(victim)
        rest = [i for i in range(4) if i != victim]
        ensemble.wait_serving(rest)
        write(ensemble, rest[0], "/after")
        ensemble.start(victim)
        ensemble.wait_serving()
        shown = []
        for i in range(4):
            client = ensemble.client(i)
            client.sync("/")
            shown.append((sorted(client.get_children("/")), ensemble.members(i)))
            leave(client)
        tap.ok(all(s == shown[0] for s in shown), "%s: all show the same after the leader was killed" % name, shown)
        for i in range(4):
            ensemble.kill(i)
        ensemble.start_all()
        ensemble.wait_serving()
        tap.ok(ensemble.members(3) == shown[0][1], "%s: and after all were" % name, ensemble.logs())
        tap.ok(not ensemble.died(), "%s: nobody ended by itself" % name, ensemble.logs())
    except RuntimeError as error:
        tap.ok(False, "%s: all serve" % name, error)
    finally:
        ensemble.close()


def run_cli(ensemble, index, *words):
    """Exit code and output of one command of the shell's."""
    shell = subprocess.run([os.path.join(BUILD, "vivarium-cli"), "--server",
                            ensemble.host(index)], timeout=90, capture_output=True, text=True,
                           input="addauth digest %s\n%s\n" % (PASSWORD, " ".join(words)))
    return shell.returncode, shell.stdout + shell.stderr


def commands(tap):
    """What the shell has for it."""
    ensemble = Changing(["vivarium"] * 4, 3)
    try:
        ensemble.begin_with()
        ensemble.start(3)
        code, said = run_cli(ensemble, 0, "join", ensemble.line(3))
        tap.ok(code == 0 and ensemble.line(3) in said, "join makes a started server a voter", said)
        code, said = run_cli(ensemble, 0, "join", ensemble.line(3).split(";")[0])
        tap.ok(code == 2 and "port" in said, "join asks for the port of clients", said)
        for target in range(4):
            code, said = run_cli(ensemble, (target + 1) % 4, "handover", str(target + 1))
            ensemble.wait_serving()
            tap.ok(code == 0 and ensemble.leader() == target, "server %d leads when it shall" % (target + 1), said)
        code, said = run_cli(ensemble, 0, "handover", "9")
        tap.ok(code == 1, "handover to nobody is refused", said)
    finally:
        ensemble.close()


def main():
    tap = Tap()
    play(tap, ["vivarium"] * 4)
    commands(tap)
    if "--real" in sys.argv:
        if zookeeper_class_path() is None:
            tap.skip("reconfigurations of mixed ensembles", "Debian's zookeeper is not installed")
        else:
            same_answers(tap)
            play(tap, ["zookeeper", "zookeeper", "zookeeper", "vivarium"])
            play(tap, ["vivarium", "vivarium", "vivarium", "zookeeper"])
            play(tap, ["zookeeper", "vivarium", "vivarium", "zookeeper"])
            play(tap, ["vivarium", "zookeeper", "zookeeper", "vivarium"])
            play(tap, ["zookeeper", "vivarium", "vivarium", "zookeeper"], {"multiAddress.enabled": "true"})
    tap.done()


if __name__ == "__main__":
    main()
