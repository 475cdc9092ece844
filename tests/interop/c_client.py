"""The stock C client against Vivarium and against Apache ZooKeeper 3.8: its transcripts must be equal. TAP."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from ensemble import (BUILD, IS_LONG, PATIENCE_S, Ensemble, Tap, build_configurations, default_configuration,  # noqa: E402
                      zookeeper_class_path)

PROGRAM = os.path.join(BUILD, "c_client")
REFERENCES_MAX = 4


def transcript(hosts):
    return subprocess.run([PROGRAM, hosts], capture_output=True, text=True, timeout=PATIENCE_S).stdout.splitlines()


def reference_of(servers):
    """ZooKeeper's transcript. Its leader checks a request against a tree that may lack what a follower of its has
    answered already (3.8.0 sends a commit before it applies it), so one in many shows a setACL not yet in force."""
    with Ensemble("zookeeper", servers) as peer:
        return transcript(peer.hosts())


def main():
    tap = Tap()
    if zookeeper_class_path() is None or not os.path.exists(PROGRAM):
        tap.skip("the C client sees no difference", "zookeeper or libzookeeper-mt-dev is not installed")
        tap.done()
        return
    for servers in (1, 3):
        references = [reference_of(servers)]
        tap.ok(len(references[0]) > 35, "the C client's script runs against ZooKeeper, %d servers" % servers,
               "\n".join(references[0]))
        for backend in build_configurations() if servers == 1 or IS_LONG else [default_configuration()]:
            try:
                with Ensemble("vivarium", servers, backend) as ours:
                    actual = transcript(ours.hosts())
                    logs = ours.logs(10)
                while actual not in references and len(references) < REFERENCES_MAX:
                    references.append(reference_of(servers))
                detail = "\n".join("- %s\n+ %s" % pair for pair in zip(references[-1], actual) if pair[0] != pair[1])
                tap.ok(actual in references, "the C client sees no difference: %s, %d servers" % (backend, servers),
                       detail + "\n" + logs)
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                tap.ok(False, "the C client sees no difference: %s, %d servers" % (backend, servers), error)
    tap.done()


if __name__ == "__main__":
    main()
