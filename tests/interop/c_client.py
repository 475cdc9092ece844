"""The stock C client against Vivarium and against Apache ZooKeeper 3.8: its transcripts must be equal. TAP."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from ensemble import (BUILD, IS_LONG, PATIENCE_S, Ensemble, Tap, build_configurations, default_configuration,  # noqa: E402
                      zookeeper_class_path)

PROGRAM = os.path.join(BUILD, "c_client")


def transcript(hosts):
    return subprocess.run([PROGRAM, hosts], capture_output=True, text=True, timeout=PATIENCE_S).stdout.splitlines()


def main():
    tap = Tap()
    if zookeeper_class_path() is None or not os.path.exists(PROGRAM):
        tap.skip("the C client sees no difference", "zookeeper or libzookeeper-mt-dev is not installed")
        tap.done()
        return
    for servers in (1, 3):
        with Ensemble("zookeeper", servers) as peer:
            reference = transcript(peer.hosts())
        tap.ok(len(reference) > 35, "the C client's script runs against ZooKeeper, %d servers" % servers,
               "\n".join(reference))
        for backend in build_configurations() if servers == 1 or IS_LONG else [default_configuration()]:
            try:
                with Ensemble("vivarium", servers, backend) as ours:
                    actual = transcript(ours.hosts())
                    detail = "\n".join("- %s\n+ %s" % pair for pair in zip(reference, actual) if pair[0] != pair[1])
                    detail += "\n" + ours.logs(10)
                tap.ok(actual == reference, "the C client sees no difference: %s, %d servers" % (backend, servers),
                       detail)
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                tap.ok(False, "the C client sees no difference: %s, %d servers" % (backend, servers), error)
    tap.done()


if __name__ == "__main__":
    main()
