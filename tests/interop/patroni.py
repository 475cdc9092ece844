"""Patroni keeps a PostgreSQL pair highly available with Vivarium in ZooKeeper's place: a primary is elected, a replica
follows, the primary is killed together with its Patroni, the replica is promoted and has the data. TAP.
Part of `make interop`: skipped where Patroni or PostgreSQL 15 is not installed, or without root (PostgreSQL refuses to run
as root, so it is started as the user postgres)."""

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from ensemble import Ensemble, Tap, build_configurations, die_with_parent, free_ports  # noqa: E402

BINARIES = "/usr/lib/postgresql/15/bin"
LIMIT_S = 120
TTL_S = 20  # Patroni's least; it is the session timeout of its ZooKeeper client

CONFIG = """
scope: viv
name: {name}
restapi: {{listen: '127.0.0.1:{rest}', connect_address: '127.0.0.1:{rest}'}}
zookeeper: {{hosts: [{hosts}]}}
bootstrap:
  dcs: {{ttl: {ttl}, loop_wait: 1, retry_timeout: 3, maximum_lag_on_failover: 1048576}}
  initdb: [{{encoding: UTF8}}, {{auth-local: trust}}, {{auth-host: trust}}, no-sync]
  pg_hba: ['local all all trust', 'host all all 127.0.0.1/32 trust', 'host replication all 127.0.0.1/32 trust']
postgresql:
  listen: 127.0.0.1:{port}
  connect_address: 127.0.0.1:{port}
  data_dir: {folder}/{name}
  bin_dir: {binaries}
  pgpass: {folder}/{name}.pass
  authentication: {{superuser: {{username: postgres}}, replication: {{username: replicator}}}}
  parameters: {{unix_socket_directories: '{folder}', shared_buffers: 16MB, fsync: 'off', max_connections: 20}}
"""


def is_installed():
    return os.path.exists(BINARIES + "/postgres") and shutil.which("patroni") is not None and os.geteuid() == 0


class Member:
    def __init__(self, folder, name, hosts):
        self.folder, self.name = folder, name
        self.port, self.rest = free_ports(2)
        self.config = os.path.join(folder, name + ".yml")
        with open(self.config, "w") as f:
            f.write(CONFIG.format(name=name, rest=self.rest, port=self.port, folder=folder, binaries=BINARIES, ttl=TTL_S,
                                  hosts=", ".join("'%s'" % host for host in hosts.split(","))))
        self.process = None

    def start(self):
        user = pwd.getpwnam("postgres")
        self.log = open(os.path.join(self.folder, self.name + ".log"), "ab")
        self.process = subprocess.Popen(["patroni", self.config], stdout=self.log, stderr=self.log, cwd=self.folder,
                                        stdin=subprocess.DEVNULL, user=user.pw_uid, group=user.pw_gid, extra_groups=[],
                                        start_new_session=True, preexec_fn=die_with_parent,
                                        env=dict(os.environ, HOME=self.folder))

    def role(self):
        """primary, replica, or '' when it does not answer or does not run."""
        try:
            with urllib.request.urlopen("http://127.0.0.1:%d/patroni" % self.rest, timeout=2) as answer:
                state = json.load(answer)
        except urllib.error.HTTPError as error:
            state = json.load(error)
        except (OSError, ValueError):
            return ""
        role = {"master": "primary"}.get(state.get("role"), state.get("role"))
        return role if state.get("state") == "running" else ""

    def sql(self, text):
        run = subprocess.run([BINARIES + "/psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-At", "-c",
                              text, "postgres"], capture_output=True, text=True, timeout=20)
        return run.stdout.strip() if run.returncode == 0 else None

    def postmaster(self):
        """The pid in PostgreSQL's own file, None without one."""
        try:
            with open(os.path.join(self.folder, self.name, "postmaster.pid")) as f:
                return int(f.readline())
        except (OSError, ValueError):
            return None

    def kill(self):
        """Patroni and PostgreSQL, by their pids, as a machine that goes away."""
        pid = self.postmaster()
        if self.process is not None:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.process.wait()
            self.process = None
        if pid is not None:
            try:
                os.killpg(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass

    def tail(self):
        try:
            with open(os.path.join(self.folder, self.name + ".log"), errors="replace") as f:
                return "--- %s\n%s" % (self.name, "".join(f.readlines()[-12:]))
        except OSError:
            return ""  # never started


def wait(condition, limit_s=LIMIT_S):
    """Seconds until it holds, None when it does not within the limit."""
    began = time.monotonic()
    while time.monotonic() - began < limit_s:
        if condition():
            return time.monotonic() - began
        time.sleep(0.2)
    return None


def fail_over(tap, service, members, name):
    def ok(passed, what):
        return tap.ok(passed, "%s: %s" % (what, name),
                      "\n".join(member.tail() for member in members) + service.logs(5))

    first, second = members
    first.start()
    if not ok(wait(lambda: first.role() == "primary") is not None, "Patroni makes a primary"):
        return
    second.start()
    if not ok(wait(lambda: second.role() == "replica") is not None, "a replica follows it"):
        return
    first.sql("create table t (n int); insert into t select generate_series(1, 100)")
    ok(wait(lambda: second.sql("select count(*) from t") == "100", 30) is not None, "the replica has the data")
    first.kill()
    took = wait(lambda: second.role() == "primary")
    if ok(took is not None, "the replica is promoted when the primary is killed"):
        print("# promoted %.1f s after the kill, ttl %d s" % (took, TTL_S), flush=True)
    ok(wait(lambda: second.sql("insert into t values (101) returning n") is not None, 30) is not None,
       "the new primary takes writes")
    ok(second.sql("select count(*) from t") == "101", "and nothing is lost")


def main():
    tap = Tap()
    if not is_installed():
        tap.skip("Patroni fails over", "Patroni, PostgreSQL 15 or root is missing")
        tap.done()
        return
    for backend in sys.argv[1:] or build_configurations():
        for servers in (1, 3):
            folder = tempfile.mkdtemp(prefix="viv-patroni-", dir="/tmp")
            shutil.chown(folder, "postgres", "postgres")
            with Ensemble("vivarium", servers, backend) as service:
                members = [Member(folder, member, service.hosts()) for member in ("one", "two")]
                try:
                    fail_over(tap, service, members, "%s, %d servers" % (backend, servers))
                finally:
                    for member in members:
                        member.kill()
                    shutil.rmtree(folder, ignore_errors=True)
    tap.done()
    sys.exit(tap.failed > 0)


if __name__ == "__main__":
    main()
