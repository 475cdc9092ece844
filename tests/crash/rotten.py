"""Damaged files of three real servers: transactions in their logs, different ones on one, two and all three; images; the
promises; every copy of one transaction. What a peer has is made whole while clients are served; what nobody has keeps
the ensemble down and is named. TAP on standard output.

    rotten.py [--backend NAME]
"""

import argparse
import glob
import logging
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from ensemble import (IS_LONG, PATIENCE_S, Ensemble, Tap, connect, default_configuration, leave,  # noqa: E402
                      wait_until)

SETTINGS = {"tickTime": 400, "initLimit": 10, "syncLimit": 5, "snapCount": 100000}
ENTRIES = 120
BATCH_MAGIC, BATCH_HEADER_BYTES = b"BTCH", 64


def value(number):
    return b"<transaction %06d>" % number + b"." * 200


def write(hosts, first, count):
    client = connect(hosts)
    for answer in [client.create_async("/e%06d" % n, value(n)) for n in range(first, first + count)]:
        answer.get(True, PATIENCE_S)
    leave(client)


def wrong(hosts, count):
    """The transactions that a client does not read as they were written."""
    client = connect(hosts)
    client.sync("/")
    names = set(client.get_children("/"))
    bad = [n for n in range(count) if "e%06d" % n not in names or client.get("/e%06d" % n)[0] != value(n)]
    leave(client)
    return bad


def log_files(ensemble, index):
    return sorted(glob.glob(os.path.join(ensemble.data_dir(index), "vivarium", "log-*")))


def has_identifiers(ensemble, index):
    """Whether the newest transaction lies in the server's log, and the identifier of its batch too, which comes later."""
    for path in log_files(ensemble, index):
        with open(path, "rb") as file:
            content = file.read()
        at = content.find(b"<transaction %06d>" % (ENTRIES - 1))
        header = content.rfind(BATCH_MAGIC, 0, at)
        if at >= 0 and content.count(content[header:header + BATCH_HEADER_BYTES]) == 2:
            return True
    return False


def flip(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        file.seek(offset)
        file.write(bytes([byte[0] ^ 0x20]))


def damage(ensemble, index, number):
    """Flips a bit in the body of that transaction in the server's log; True when it was found."""
    found = False
    for path in log_files(ensemble, index):
        with open(path, "rb") as file:
            at = file.read().find(b"<transaction %06d>" % number)
        if at >= 0:
            flip(path, at + 20)
            found = True
    return found


def said(ensemble, index, words):
    with open(ensemble.log_file(index), errors="replace") as file:
        return [line for line in file if words in line]


def stop_all(ensemble):
    for index in range(ensemble.servers):
        if ensemble.processes[index] is not None:
            ensemble.kill(index)


def written(backend, settings=None):
    ensemble = Ensemble("vivarium", 3, backend, dict(SETTINGS, **(settings or {})))
    ensemble.start_all()
    ensemble.wait_serving()
    write(ensemble.hosts(), 0, ENTRIES)
    assert wait_until(lambda: all(has_identifiers(ensemble, index) for index in range(3))), ensemble.logs()
    stop_all(ensemble)
    return ensemble


def check_repaired(tap, backend, plan, name):
    """plan: {server: [transactions]}; each has a copy left somewhere."""
    ensemble = written(backend)
    try:
        found = all(damage(ensemble, index, number) for index, numbers in plan.items() for number in numbers)
        for index in range(3):
            ensemble.start(index)
        ensemble.wait_serving()
        bad = wrong(ensemble.hosts(), ENTRIES)
        repaired = [len(said(ensemble, index, "an entry of the log is whole again")) for index in plan]
        expected = [len(numbers) for numbers in plan.values()]
        tap.ok(found and not bad and ensemble.wait_equal(), "%s: all is read as it was written" % name,
               "%s %s\n%s" % (found, bad[:5], ensemble.logs()))
        tap.ok(repaired == expected, "%s: each transaction came from a peer" % name,
               "%s\n%s" % (repaired, ensemble.logs()))
        stop_all(ensemble)
        for index in range(3):
            ensemble.start(index)
        ensemble.wait_serving()
        again = [line for index in range(3) for line in said(ensemble, index, "an entry of the log is damaged")]
        tap.ok(len(again) == sum(expected) and not wrong(ensemble.hosts(), ENTRIES),
               "%s: and is on the disk" % name, "".join(again))
    finally:
        ensemble.close()


def check_lost(tap, backend):
    ensemble = written(backend)
    try:
        found = all(damage(ensemble, index, 40) for index in range(3))
        for index in range(3):
            ensemble.start(index)
        words = "every server has answered, and none has a copy"
        named = wait_until(lambda: any(said(ensemble, index, words) for index in range(3)))
        lines = [line for index in range(3) for line in said(ensemble, index, words)]
        serving = [ensemble.mode(index) for index in range(3)]
        tap.ok(found and named and not any(mode in ("leader", "follower") for mode in serving),
               "every copy of one transaction is damaged: the ensemble stays down", "%s\n%s" % (serving, ensemble.logs()))
        tap.ok(bool(lines) and re.search("zxid=0x[0-9a-f]+", lines[0]) is not None, "and names it", lines)
    finally:
        ensemble.close()


def check_running(tap, backend):
    """What rots while servers run is found, and repaired from memory or from a peer."""
    with Ensemble("vivarium", 3, backend, dict(SETTINGS, **{"scrub.kibPerSecond": 65536})) as ensemble:
        write(ensemble.hosts(), 0, ENTRIES)
        found = [damage(ensemble, index, 10 + index) for index in range(3)]
        healed = wait_until(lambda: all(said(ensemble, index, "an entry of the log is whole again") for index in range(3)))
        tap.ok(all(found) and healed, "what rots while servers run is found and made whole", ensemble.logs())
        shown = ensemble.mntr(0)
        tap.ok(int(shown.get("viv_scrub_bytes", 0)) > 0 and int(shown.get("viv_log_repairs", 0)) >= 1,
               "and is told in the metrics", {key: shown[key] for key in shown if "scrub" in key or "repair" in key})


def check_promises(tap, backend):
    ensemble = written(backend)
    try:
        for offset in (20, 4096 + 20):
            flip(os.path.join(ensemble.data_dir(1), "vivarium", "hard"), offset)
        for index in range(3):
            ensemble.start(index)
        ensemble.wait_serving()
        tap.ok(not wrong(ensemble.hosts(), ENTRIES) and ensemble.wait_equal() and
               bool(said(ensemble, 1, "the promises of this server are lost")),
               "a server whose promises are lost learns like a new one", ensemble.logs())
    finally:
        ensemble.close()


def image_files(ensemble, index, backend):
    folder = os.path.join(ensemble.data_dir(index), "vivarium")
    if backend == "flat":
        return glob.glob(os.path.join(folder, "snap-*"))
    pattern = "data.mdb" if backend.startswith("lmdb") else "*.sst"
    return glob.glob(os.path.join(folder, backend.split("-")[0] + "-*", pattern))


def rot_images(ensemble, index, backend):
    """Half of every file that holds rows becomes something else; how many files."""
    paths = image_files(ensemble, index, backend)
    for path in paths:
        size = os.stat(path).st_size
        with open(path, "r+b") as file:
            file.seek(size // 8)
            file.write(b"\xb7" * (size // 2))
    return len(paths)


def check_running_image(tap, backend, scrub_kib):
    """An image that rots below a server that serves, alone: it writes another one, before it has to need it."""
    settings = dict(SETTINGS, **{"snapCount": 40, "scrub.kibPerSecond": scrub_kib})
    expected = 2 if backend == "flat" else 1  # images that are kept
    with Ensemble("vivarium", 1, backend, settings) as ensemble:
        def shown(name):
            return int(ensemble.mntr(0).get("viv_" + name, 0))

        settled = True
        for images in (1, 2):
            write(ensemble.hosts(), (images - 1) * ENTRIES // 2, ENTRIES // 2)
            settled = settled and wait_until(lambda: shown("checkpoints") >= images)
        files = rot_images(ensemble, 0, backend)
        if not scrub_kib:
            quiet = not wait_until(lambda: shown("image_faults") > 0, 4)
            ensemble.kill(0)
            ensemble.start(0)
            tap.ok(settled and files > 0 and quiet and wait_until(lambda: said(ensemble, 0, "damaged")),
                   "control: without the slow look only the next start finds it", ensemble.logs())
            return
        healed = wait_until(lambda: len(said(ensemble, 0, "a damaged image was replaced by a new one")) == expected and
                      shown("scrub_image_bytes") > 0)
        told = said(ensemble, 0, "damaged")
        tap.ok(settled and files >= expected and healed and shown("image_faults") == expected and
               not wrong(ensemble.hosts(), ENTRIES), "an image that rots below a server is replaced while it serves",
               "%d %d\n%s" % (files, shown("image_faults"), ensemble.logs()))
        ensemble.kill(0)
        ensemble.start(0)
        ensemble.wait_serving()
        tap.ok(not wrong(ensemble.hosts(), ENTRIES) and said(ensemble, 0, "damaged") == told,
               "and the next start finds a sound one", ensemble.logs())


def check_image(tap, backend):
    """An image that nothing here makes up for: the state comes from a leader, the vote is kept."""
    ensemble = written(backend, {"snapCount": 40})
    try:
        damaged = 0
        for index in (0, 1):
            damaged += rot_images(ensemble, index, backend)
        for index in range(3):
            ensemble.start(index)
        ensemble.wait_serving()
        told = [said(ensemble, index, "the state here is damaged") for index in (0, 1)]
        tap.ok(damaged >= 2 and not wrong(ensemble.hosts(), ENTRIES) and ensemble.wait_equal(),
               "two servers without a sound image take the state from the third", "%d %s\n%s" % (damaged, told,
                                                                                              ensemble.logs()))
        tap.ok(all(told), "and say so", told)
    finally:
        ensemble.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", default=default_configuration())
    parser.add_argument("--long", action="store_true", default=IS_LONG)
    arguments = parser.parse_args()
    logging.getLogger("kazoo").setLevel(logging.CRITICAL)  # lost connections are the point here
    tap = Tap()
    if arguments.backend == "memory":
        tap.skip("damaged files", "memory has none")
        tap.done()
        return
    check_repaired(tap, arguments.backend, {0: [5], 1: [50, 51], 2: [ENTRIES - 1]}, "three servers damaged")
    check_lost(tap, arguments.backend)
    check_image(tap, arguments.backend)
    check_running_image(tap, arguments.backend, 65536)
    if arguments.long:
        check_repaired(tap, arguments.backend, {0: [5, 6, 7, 100]}, "one server damaged")
        check_repaired(tap, arguments.backend, {0: list(range(ENTRIES)), 1: [3]}, "one server lost all of its bodies")
        check_running(tap, arguments.backend)
        check_promises(tap, arguments.backend)
        check_running_image(tap, arguments.backend, 0)
    tap.done()


if __name__ == "__main__":
    main()
