"""What operators ask over HTTP: every command of the admin port, in Vivarium's servers and, with --real, in Apache
ZooKeeper's too. Fields, their order and their types are those recorded in admin_shapes.json from a real server; with
--real that record is compared with the live one as well, and --record writes it anew. TAP on standard output.
"""

import http.client
import json
import os
import re
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from admin_support import Ours, Real, Scene, command, get, real_available  # noqa: E402
from ensemble import PATIENCE_S, Tap, connect, four_letter, leave, wait_until  # noqa: E402


SHAPES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "admin_shapes.json")
ALIASES = {"configuration": ["conf", "config"], "connections": ["cons"], "environment": ["env", "envi"],
           "get_trace_mask": ["gtmk"], "initial_configuration": ["icfg"], "is_read_only": ["isro"],
           "last_snapshot": ["lsnp"], "leader": ["lead"], "monitor": ["mntr"], "observers": ["obsr"],
           "server_stats": ["srvr"], "stats": ["stat"], "system_properties": ["sysp"], "watches": ["wchc"],
           "watches_by_path": ["wchp"], "watch_summary": ["wchs"], "set_trace_mask": ["stmk"],
           "observer_connection_stat_reset": ["orst"], "stat_reset": ["srst"], "connection_stat_reset": ["crst"]}
PROVIDER = "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider"


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
        client = connect(ensemble.host(0))
        for future in [client.create_async("/n%05d" % i, b"x" * 20000) for i in range(500)]:
            future.get(timeout=PATIENCE_S)
        for future in [client.exists_async("/" + "long" * 200 + str(i), watch=lambda event: None)
                       for i in range(3000)]:
            future.get(timeout=PATIENCE_S)
        held = [socket.create_connection(("127.0.0.1", ensemble.admin_ports[0]), timeout=PATIENCE_S) for _ in range(4)]
        held[1].sendall(b"GET /comm")
        held[2].sendall(b"GET /commands/wchp HTTP/1.1\r\nHost: x\r\n\r\n")
        held[3].sendall(b"GET /commands/snapshot HTTP/1.1\r\nHost: x\r\nAuthorization: digest a:b\r\n\r\n")
        word = socket.create_connection(("127.0.0.1", ensemble.client_ports[0]), timeout=PATIENCE_S)
        word.sendall(b"wchp")
        began = [s.recv(10) for s in (held[2], held[3], word)]
        code = ensemble.terminate(0)
        tap.ok(code == 0 and all(began), "ours: it stops while visitors wait, lists and a snapshot are under way",
               "%s %s\n%s" % (code, began, ensemble.logs()))
        for s in held + [word]:
            s.close()
        leave(client)


def check_safe_to_stop(tap, ensemble):
    ready = [get(port, "/ready")[0] for port in ensemble.admin_ports]
    safe = [get(port, "/safe-to-stop") for port in ensemble.admin_ports]
    tap.ok(ready == [200] * 3 and [s[0] for s in safe] == [200] * 3, "ours: any one of three may be stopped", safe)
    leader = ensemble.wait_leader()
    follower = (leader + 1) % 3
    ensemble.kill(follower)
    others = [i for i in range(3) if i != follower]
    needed = wait_until(lambda: [get(ensemble.admin_ports[i], "/safe-to-stop")[0] for i in others] == [503, 503])
    tap.ok(needed and [get(ensemble.admin_ports[i], "/ready")[0] for i in others] == [200, 200],
           "ours: with one gone the other two are needed, and ready", ensemble.logs())


def check_limits(tap, ensemble):
    port = ensemble.admin_ports[0]
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as s:
        s.sendall(b"GET /commands/ruok HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 200000 + b"\r\n\r\n")
        try:
            answer = s.recv(100)
        except ConnectionResetError:
            answer = b""
    tap.ok(answer == b"" or b" 431 " in answer or b" 413 " in answer, "ours: a request that is too long is refused",
           answer)
    held = []
    for _ in range(200):
        held.append(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S))
        held[-1].sendall(b"GET ")
    tap.ok(four_letter(ensemble.client_ports[0], "ruok") == "imok",
           "ours: two hundred silent visitors of the admin port leave clients alone")
    for s in held:
        s.close()

    def answers():
        try:
            return get(port, "/live")[0] == 200
        except http.client.HTTPException:
            return False
    tap.ok(wait_until(answers), "ours: and when they have gone it answers again")


def check_busy_ports(tap):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ensemble = Ours(1, **{"admin.serverPort": port})
        try:
            ensemble.start(0)
            code = ensemble.processes[0].wait(PATIENCE_S)
            ensemble.processes[0] = None
            log = ensemble.logs()
            tap.ok(code == 2 and "admin.serverPort" in log, "ours: a port that was asked for and is taken stops the start",
                   "%s\n%s" % (code, log))
        finally:
            ensemble.close()


def check_long_lists(tap, ensemble):
    """Enough watches for many pieces: by word and by command, whole, while clients are served."""
    client = connect(ensemble.host(0))
    count = 5000
    for future in [client.exists_async("/n%05d" % i, watch=lambda event: None) for i in range(count)]:
        future.get(timeout=PATIENCE_S)
    text = four_letter(ensemble.client_ports[0], "wchp")
    tap.ok(text.count("\n/n") + text.startswith("/n") == count and text.endswith("\n\n"), "ours: wchp lists every one")
    by_path = command(ensemble.admin_ports[0], "wchp")["path_to_session_ids"]
    tap.ok(len([p for p in by_path if p.startswith("/n")]) == count, "ours: so does watches_by_path")
    by_session = command(ensemble.admin_ports[0], "wchc")["session_id_to_watched_paths"]
    tap.ok(len(by_session[str(client.client_id[0])]) == count, "ours: and watches", len(by_session))
    leave(client)


def run_ours(tap, recorded):
    with Ours(1, **{"ssl.keyStore.password": "geheim", "ssl.trustStore.password: geheim": "1",
                    " ssl.quorum.trustStore.password geheim": "1", "metricsProvider.className": PROVIDER,
                    "metricsProvider.httpHost": "127.0.0.1", "metricsProvider.httpPort": 0}) as ensemble:
        scene = Scene(ensemble)
        check_values(tap, "ours", scene)
        check_commands(tap, "ours", recorded, scene.shapes())
        check_aliases(tap, "ours", ensemble.admin_ports[0])
        check_errors(tap, "ours", ensemble.admin_ports[0])
        check_ours_only(tap, ensemble)
        check_busy(tap, scene)
        check_limits(tap, ensemble)
        scene.close()
        check_long_lists(tap, ensemble)
    with Ours(3) as ensemble:
        scene = Scene(ensemble)
        check_commands(tap, "ours", recorded, {k: v for k, v in scene.shapes().items() if k in recorded})
        scene.close()
        check_safe_to_stop(tap, ensemble)
    check_busy_ports(tap)
    check_stop(tap)


def run_real(tap, recorded):
    with Real(1) as ensemble:
        scene = Scene(ensemble)
        check_values(tap, "real", scene)
        check_commands(tap, "real", recorded, scene.shapes())
        check_aliases(tap, "real", ensemble.admin_ports[0])
        check_errors(tap, "real", ensemble.admin_ports[0])
        scene.close()
    with Real(3) as ensemble:
        scene = Scene(ensemble)
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
