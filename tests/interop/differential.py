"""Random conversations with Vivarium and with Apache ZooKeeper 3.8 at the same time: every reply, every event, their order
on each connection and the final trees must be equal, field by field, but for the rows of DIFFERENCES.md.

    differential.py                                        the short form for make check
    differential.py --operations N [--seed S] [--servers 1|3] [--backend NAME | all]
    differential.py --replay FILE                          plays what a failure has left behind
    differential.py --document                             prints DIFFERENCES.md

A failure prints seed and round, shrinks the conversation, and writes it to differential-SEED-ROUND.json in the current
folder. TAP on standard output.
"""

import argparse
import collections
import json
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import diff_rules  # noqa: E402
from diff_generate import SUPER_DIGEST, Generator, Op  # noqa: E402
from diff_play import Difference, Player, Shadow, SilentReference  # noqa: E402
from ensemble import Ensemble, Tap, build_configurations, default_configuration, zookeeper_class_path  # noqa: E402

SHORT, ROUND = 1500, 1500
SHRINK_TRIES = 120
SPOILT_ONE_IN = 25  # a seed may have few good replies, and some of what they say is not compared
SETTINGS = {"tickTime": 500, "initLimit": 60, "syncLimit": 60, "minSessionTimeout": 1000, "maxSessionTimeout": 100000, "enforceQuota": "true",
            "extendedTypesEnabled": "true", "DigestAuthenticationProvider.superDigest": SUPER_DIGEST,
            "znode.container.checkIntervalMs": 86400000, "snapCount": 20000}
JAVA = ("-Dznode.container.checkIntervalMs=86400000", "-Dzookeeper.forceSync=no")


class Pair:
    """Both services, started together. Once more when another program took one of the free ports meanwhile."""

    def __init__(self, servers, backend):
        self.servers, self.backend = servers, backend
        self.shadow = Shadow()  # some nodes outlive a round: /zookeeper/none

    def start(self):
        self.ours = Ensemble("vivarium", self.servers, self.backend, SETTINGS)
        self.reference = Ensemble("zookeeper", self.servers, settings=SETTINGS, java=JAVA)
        for service in (self.reference, self.ours):
            service.start_all()
        for service in (self.ours, self.reference):
            service.wait_serving()

    def __enter__(self):
        try:
            self.start()
        except RuntimeError:
            self.__exit__()
            self.start()
        return self

    def __exit__(self, *_):
        self.ours.close()
        self.reference.close()

    def player(self, root, corrupt=None):
        return Player(self.ours, self.reference, root, self.shadow, corrupt)

    def logs(self):
        return self.ours.logs(5) + "\n" + self.reference.logs(5)


def plain_step(step):
    return step[:2] + [[op.plain() for op in step[2]]] if step[0] == "run" else step


def step_of_plain(step):
    return step[:2] + [[Op.of_plain(op) for op in step[2]]] if step[0] == "run" else step


def play_round(pair, seed, root, operations, corrupt=None):
    """(player, steps, difference or None, nodes compared)"""
    player, generator, steps = pair.player(root, corrupt), Generator(seed, root), []
    player.learn = generator.learn
    try:
        player.begin()
        while player.operations < operations:
            generator.zxid = player.last_zxid
            step = generator.step(player.attached)
            steps.append(step)
            player.play(step)
        return player, steps, None, player.end()
    except (Difference, OSError) as difference:
        return player, steps, difference, 0
    finally:
        player.close()


def replay(steps, root, servers, backend, corrupt=None):
    """The difference that the steps lead to on fresh servers, or None."""
    with Pair(servers, backend) as pair:
        player = pair.player(root, corrupt)
        try:
            player.begin()
            for step in steps:
                player.play(step)
            player.end()
        except (Difference, OSError) as difference:
            return difference
        finally:
            player.close()
    return None


def single(steps):
    """The same requests, each in a run of its own."""
    return [one for step in steps
            for one in ([[step[0], step[1], [op]] for op in step[2]] if step[0] == "run" else [step])]


def shrink(steps, root, servers, backend, corrupt=None, tries=SHRINK_TRIES):
    """Fewer steps that still lead to a difference: one request a step where that is enough."""
    def kind(difference):
        return str(difference).split(", record")[0].rpartition(": ")[2]

    wanted = kind(replay(steps, root, servers, backend, corrupt))

    def fails(candidate):
        return kind(replay(candidate, root, servers, backend, corrupt)) == wanted

    if fails(single(steps)):
        steps = single(steps)
    size, start = len(steps) // 2, 0
    while size > 0 and tries > 0:
        candidate = steps[:start] + steps[start + size:]
        tries -= 1
        if candidate and fails(candidate):
            steps = candidate
        else:
            start += size
        if start >= len(steps):
            size, start = size // 2, 0
    return steps


def report(seed, number, steps, difference, logs, name):
    with open(name, "w") as f:
        json.dump([plain_step(step) for step in steps], f)
    return "seed %d, round %d, step %d: %s\nthe conversation: %s (differential.py --replay %s --root /r%d)\n%s" % (
        seed, number, len(steps), difference, name, name, number, logs)


def rounds(pair, seed, operations, total):
    """Plays rounds on one pair of services until that many operations are done: (what ended it, its steps)."""
    while total["operations"] < operations:
        player, steps, difference, nodes = play_round(pair, seed * 1000 + total["rounds"], "/r%d" % total["rounds"],
                                                      min(ROUND, operations - total["operations"]))
        total.update(player.used)
        total.update({"operations": player.operations, "nodes": nodes, "rounds": 1})
        if difference is not None:
            return difference, steps
    return None, []


def run(tap, seed, operations, servers, backend, shrinking=True):
    """One configuration: rounds until that many operations were compared."""
    total, began, difference, steps = collections.Counter(), time.monotonic(), None, []
    name = "%d operations are answered alike: %s, %d servers, seed %d" % (operations, backend, servers, seed)
    while difference is None and total["operations"] < operations:
        with Pair(servers, backend) as pair:
            difference, steps = rounds(pair, seed, operations, total)
            logs = pair.logs()
        if isinstance(difference, SilentReference) and 5 * total["silent-reference"] < total["rounds"]:
            total["silent-reference"] += 1
            difference = None
    number, file = total["rounds"] - 1, "differential-%d-%d.json" % (seed, total["rounds"] - 1)
    tap.ok(difference is None, name, difference and report(seed, number, steps, difference, logs, file))
    print("# %d operations, %d rounds, %d nodes compared, %.0f operations/s" % (
        total.pop("operations"), total.pop("rounds"), total.pop("nodes"), operations / (time.monotonic() - began)), flush=True)
    for rule, count in sorted(total.items()):
        print("# %6d x %s" % (count, rule), flush=True)
    if difference is not None and shrinking:
        print("# shrinking", flush=True)
        smaller = shrink(steps, "/r%d" % number, servers, backend)
        with open(file, "w") as f:
            json.dump([plain_step(step) for step in smaller], f)
        print("# %d of %d steps are left in %s" % (len(smaller), len(steps), file), flush=True)
        for step in smaller[-8:]:
            print("#   %s" % json.dumps(plain_step(step))[:300], flush=True)
    unknown = set(total) - set(diff_rules.RULES)
    tap.ok(not unknown, "every rule that was used is in the table: %s, %d servers" % (backend, servers), unknown)


def spoil(every):
    """A control: one field in every so many good replies is not what the server said."""
    seen = [0]

    def corrupt(item):
        seen[0] += item[0] == "reply" and item[3] == 0
        if item[0] == "reply" and item[3] == 0 and seen[0] % every == 0:
            return item[:4] + (item[4] + ("spoilt",),)
        return item

    return corrupt


def controls(tap, seed):
    """What was changed on purpose is found; and a shrunk conversation still shows it."""
    with Pair(1, default_configuration()) as pair:
        _, _, difference, _ = play_round(pair, seed, "/control", 1000, spoil(SPOILT_ONE_IN))
    tap.ok(difference is not None and "spoilt" in str(difference), "one changed reply in %d is found" % SPOILT_ONE_IN, difference)


def documented():
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "DIFFERENCES.md")) as f:
        return f.read()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100000)
    parser.add_argument("--operations", type=int, default=0)
    parser.add_argument("--servers", type=int, default=1)
    parser.add_argument("--backend", default=None)
    parser.add_argument("--replay")
    parser.add_argument("--root", default="/r0")
    parser.add_argument("--document", action="store_true")
    parser.add_argument("--no-shrink", action="store_true")
    options = parser.parse_args()
    if options.document:
        sys.stdout.write(diff_rules.document())
        return
    tap = Tap()
    backend = options.backend or default_configuration()
    tap.ok(documented() == diff_rules.document(), "DIFFERENCES.md says what the table says")
    if zookeeper_class_path() is None:
        tap.skip("random conversations are answered as by ZooKeeper", "Debian's zookeeper is not installed")
    elif options.replay:
        with open(options.replay) as f:
            steps = [step_of_plain(step) for step in json.load(f)]
        difference = replay(steps, options.root, options.servers, backend)
        tap.ok(difference is None, "the conversation is answered alike", difference)
    elif options.operations == 0:
        run(tap, 1, SHORT, 1, backend, shrinking=False)
        controls(tap, options.seed)
    else:
        for name in build_configurations() if backend == "all" else [backend]:
            run(tap, options.seed, options.operations, options.servers, name, not options.no_shrink)
    tap.done()
    sys.exit(tap.failed > 0)


if __name__ == "__main__":
    main()
