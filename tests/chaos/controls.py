"""What must be caught, is: a recorded history in which one thing was changed, and servers whose syncs do nothing.

A spoiler takes the records of an honest history and returns them with one promise broken.
"""

import json
import struct

import zkwire
from checker import Checker
from zkwire import CREATE, GET_DATA, SET_DATA


def read_history(path):
    with open(path) as file:
        return [json.loads(line) for line in file]


def answered(records, wanted):
    """(index of the request, index of the reply) of good answers to that operation, in the middle of the history."""
    waiting, pairs = {}, []
    for at, record in enumerate(records):
        key = (record.get("client"), record.get("xid"))
        if record.get("kind") == "open":
            waiting = {k: v for k, v in waiting.items() if k[0] != record["client"]}
        elif record.get("kind") == "request" and record["type"] == wanted:
            waiting[key] = at
        elif record.get("kind") == "reply" and record["code"] == 0 and key in waiting:
            pairs.append((waiting.pop(key), at))
    return pairs[len(pairs) // 2:]


def path_of(record):
    return zkwire.Reader(bytes.fromhex(record["bytes"])).text()


def with_record(records, at, **changes):
    return records[:at] + [dict(records[at], **changes)] + records[at + 1:]


def another_value(records):
    """A client reads what nobody wrote."""
    for asked, at in answered(records, GET_DATA):
        if path_of(records[asked]).startswith("/registers"):
            raw = bytearray.fromhex(records[at]["bytes"])
            raw[4] ^= 1
            return with_record(records, at, bytes=raw.hex())
    return records


def an_older_value(records):
    """A client reads at a newer zxid what it has read before."""
    seen = {}
    for asked, at in answered(records, GET_DATA):
        path = path_of(records[asked])
        older = seen.setdefault(path, records[at]["bytes"])
        if older != records[at]["bytes"]:
            return with_record(records, at, bytes=older)
    return records


def an_older_zxid(records):
    at = answered(records, SET_DATA)[0][1]
    return with_record(records, at, zxid=records[at]["zxid"] - 40)


def a_write_that_was_lost(records):
    """It is acknowledged, and nobody ever sees it: its zxid is one that the others do not know."""
    for asked, at in answered(records, GET_DATA):
        if path_of(records[asked]).startswith("/registers"):
            stat = bytearray.fromhex(records[at]["bytes"])[-zkwire.STAT.size:]
            struct.pack_into(">q", stat, 8, records[at]["zxid"])
            record = dict(records[asked], type=SET_DATA, bytes=zkwire.versioned_data(
                path_of(records[asked]), b"never seen", -1).hex())
            return records[:asked] + [record] + with_record(records[asked + 1:], at - asked - 1, bytes=stat.hex())
    return records


def a_number_twice(records):
    pairs = [at for asked, at in answered(records, CREATE) if "/n-" in path_of(records[asked])]
    first = records[pairs[0]]
    same = [at for at in pairs[1:] if records[at]["client"] == first["client"]]
    return with_record(records, same[0], bytes=first["bytes"])


def an_event_that_never_came(records):
    events = [at for at, record in enumerate(records) if record.get("kind") == "event" and record["type"] == 3]
    at = events[len(events) // 2]
    return records[:at] + records[at + 1:]


SPOILERS = {"a value that nobody wrote": another_value, "a read that goes back": an_older_value,
            "a zxid that goes back": an_older_zxid, "an acknowledged write that is lost": a_write_that_was_lost,
            "a sequence number twice": a_number_twice, "an event that never came": an_event_that_never_came}


def violations_of(records):
    checker = Checker()
    for record in records[1:]:
        checker.feed(record)
    checker.end()
    return checker.violations


def judge_recordings(tap, history):
    records = read_history(history)
    honest = violations_of(records)
    tap.ok(not honest, "control: the history as it was recorded breaks no promise", "\n".join(honest[:5]))
    for name, spoil in SPOILERS.items():
        found = violations_of(spoil(records))
        tap.ok(bool(found), "control: %s is caught" % name, "nothing was found")
    checker = Checker()
    checker.note_tree(1, 5, "a")
    checker.note_tree(2, 5, "b")
    tap.ok(bool(checker.violations), "control: trees that differ at one zxid are caught")
