"""Three servers at default settings under as many writes as they can take, while every core is busy with something else
too: nobody may suspect the leader, and no session may be lost.

    saturated.py [--minutes M] [--backend NAME] [--servers N]

Writers keep hundreds of setData in flight each; burners spin, one a core. What the servers log tells the elections. The
control stops the leader for three seconds at the end, which must be seen as an election. TAP.
"""

import argparse
import multiprocessing
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import zkwire  # noqa: E402
from ensemble import Ensemble, Tap, die_with_parent  # noqa: E402

WRITERS, BATCH, IN_FLIGHT = 6, 100, 4
SETTLE_S = 1.0


def burn():
    die_with_parent()
    while True:
        pass


def frames_in(wire, count):
    """Takes so many frames; false when the server has closed."""
    for _ in range(count):
        if wire.receive() is None:
            return False
    return True


def write(number, port, answered, longest_ms, lost):
    """Keeps IN_FLIGHT batches of setData on their way; counts answers, the longest wait for one, lost connections."""
    die_with_parent()
    path = "/writer-%d" % number
    while True:
        wire = zkwire.Wire(port, timeout=60)
        if not wire.greet(timeout_ms=20000):
            time.sleep(0.1)
            continue
        wire.call(zkwire.CREATE, zkwire.create(path, b"", zkwire.OPEN, 1), xid=1)
        batch = b"".join(zkwire.frame(zkwire.request(2, zkwire.SET_DATA, zkwire.versioned_data(path, b"x" * 100, -1)))
                         for _ in range(BATCH))
        for _ in range(IN_FLIGHT):
            wire.send(batch)
        while True:
            begin = time.monotonic()
            if not frames_in(wire, BATCH):
                break
            answered[number] += BATCH
            longest_ms[number] = max(longest_ms[number], int((time.monotonic() - begin) * 1000))
            wire.send(batch)
        lost[number] += 1


def elections(ensemble):
    """Lines in which a server says that it looks for a leader, all logs together."""
    found = []
    for index in range(ensemble.servers):
        with open(ensemble.log_file(index), errors="replace") as log:
            found += ["server %d: %s" % (index + 1, line.strip()) for line in log if "looking for a leader" in line]
    return found


def run(tap, ensemble, minutes):
    answered, longest_ms, lost = (multiprocessing.Array("q", WRITERS) for _ in range(3))
    helpers = [multiprocessing.Process(target=burn, daemon=True) for _ in range(os.cpu_count())]
    for number in range(WRITERS):
        port = ensemble.client_ports[number % ensemble.servers]
        helpers.append(multiprocessing.Process(target=write, args=(number, port, answered, longest_ms, lost),
                                               daemon=True))
    before = len(elections(ensemble))
    for helper in helpers:
        helper.start()
    time.sleep(minutes * 60)
    found = elections(ensemble)[before:]
    lost_now, busiest = sum(lost), max(os.getloadavg())
    print("# %.1f minutes, %d writes (%.0f/s), longest wait for %d of them %d ms, load %.1f" %
          (minutes, sum(answered), sum(answered) / (minutes * 60), BATCH, max(longest_ms), busiest))
    tap.ok(not found, "no server looks for a leader", "\n".join(found[:20]))
    tap.ok(lost_now == 0 and not ensemble.died(), "no connection is lost", "%d lost\n%s" %
           (lost_now, ensemble.logs(10)))
    tap.ok(min(answered) > 0, "every writer writes", list(answered))
    leader = ensemble.leader()
    ensemble.signal(leader, signal.SIGSTOP)
    time.sleep(3)
    ensemble.signal(leader, signal.SIGCONT)
    time.sleep(SETTLE_S)
    tap.ok(len(elections(ensemble)) > before + len(found), "control: a leader that hangs is suspected under this load",
           ensemble.logs(10))
    for helper in helpers:
        helper.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--backend", default=None)
    parser.add_argument("--servers", type=int, default=3)
    arguments = parser.parse_args()
    tap = Tap()
    with Ensemble("vivarium", arguments.servers, arguments.backend) as ensemble:
        run(tap, ensemble, arguments.minutes)
    tap.done()
    sys.exit(1 if tap.failed else 0)


if __name__ == "__main__":
    main()
