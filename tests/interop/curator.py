"""Curator's recipes (Debian's libcurator-*-java), compiled here, against one and three servers on every durable
configuration of this build. TAP. Part of `make interop`: skipped where Java or Curator is not installed."""

import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
from ensemble import Ensemble, Tap, build_configurations, zookeeper_class_path  # noqa: E402

JARS = ("curator-client", "curator-framework", "curator-recipes", "guava", "jackson-core", "jackson-databind",
        "jackson-annotations")
SETTINGS = {"extendedTypesEnabled": "true"}
LIMIT_S = 300


def class_path():
    jars = ["/usr/share/java/%s.jar" % name for name in JARS]
    base = zookeeper_class_path()
    return ":".join(jars + [base]) if base and all(os.path.exists(jar) for jar in jars) else None


def build(folder):
    subprocess.run(["javac", "-nowarn", "-cp", class_path(), "-d", folder, os.path.join(HERE, "CuratorRecipes.java")],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=LIMIT_S)


def recipes(tap, folder, service, name):
    """One TAP line for each recipe."""
    run = subprocess.run(["java", "-Xmx256m", "-XX:+UseSerialGC", "-cp", folder + ":" + class_path(), "CuratorRecipes",
                          service.hosts()], capture_output=True, text=True, timeout=LIMIT_S)
    lines = run.stdout.splitlines()
    for line in lines:
        if line.startswith(("ok ", "not ok ")):
            passed, rest = not line.startswith("not "), line.split("ok ", 1)[1]
            what, _, why = rest.partition(": ")
            tap.ok(passed, "Curator's %s works: %s" % (what, name), why + "\n" + service.logs(5))
    tap.ok("done" in lines, "Curator came to its end: %s" % name, run.stderr)


def main():
    tap = Tap()
    if class_path() is None or not os.path.exists("/usr/bin/javac"):
        tap.skip("Curator's recipes work", "no Java compiler, or no libcurator-recipes-java")
        tap.done()
        return
    configurations = [(kind, backend, servers) for servers in (1, 3) for kind, backend in
                      [("vivarium", b) for b in sys.argv[1:] or build_configurations()]]
    if sys.argv[1:] == ["zookeeper"]:
        configurations = [("zookeeper", None, 1)]
    with tempfile.TemporaryDirectory(prefix="viv-curator-") as folder:
        build(folder)
        for kind, backend, servers in configurations:
            with Ensemble(kind, servers, backend, SETTINGS) as service:
                recipes(tap, folder, service, "%s, %d servers" % (backend or kind, servers))
    tap.done()
    sys.exit(tap.failed > 0)


if __name__ == "__main__":
    main()
