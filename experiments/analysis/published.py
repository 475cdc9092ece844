"""Published values that the paper compares with, read from datasets/published. A value that nobody has looked up again
(marked `recalled`) must not be printed."""

import csv
import os

import placement
import tex

# key: file, fields that select the row, column
VALUES = {
    "atc10/write-3": ("zk_atc10_table1.csv", {"servers": "3", "read_pct": "0"}, "ops_per_s"),
    "atc10/read-3": ("zk_atc10_table1.csv", {"servers": "3", "read_pct": "100"}, "ops_per_s"),
    "atc10/write-13": ("zk_atc10_table1.csv", {"servers": "13", "read_pct": "0"}, "ops_per_s"),
    "atc10/read-13": ("zk_atc10_table1.csv", {"servers": "13", "read_pct": "100"}, "ops_per_s"),
    "atc10/create-ms": ("zk_atc10_claims.csv", {"metric": "mean create latency, 1 worker, 3 servers"}, "value"),
    "atc10/election-ms": ("zk_atc10_claims.csv", {"metric": "leader election upper bound observed"}, "value"),
    "dbtester/election-min-ms": ("dbtester_2017q1_zk_log_events.csv", {"event": "election"}, "min:duration"),
    "dbtester/election-max-ms": ("dbtester_2017q1_zk_log_events.csv", {"event": "election"}, "max:duration"),
    "jump/ring-100": ("jump_hash_table_balance.csv", {"scheme": "karger ring", "points_per_bucket": "100"},
                      "std_error_of_bucket_size"),
    "maglev/ring": ("maglev_nsdi16_balance.csv", {"method": "karger (1000 views)", "table_size": "65537"},
                    "overprovision_pct"),
    "maglev/rendezvous": ("maglev_nsdi16_balance.csv", {"method": "rendezvous", "table_size": "65537"},
                          "overprovision_pct"),
    "keeper/memory-x": ("clickhouse_keeper_claims.csv", {"metric": "memory, ZooKeeper over Keeper, at most"}, "value"),
    "ctrl/unsafe": ("ctrl_fast18_zookeeper.csv", {"experiment": "random block corruption", "system": "original"},
                    "unsafe"),
    "ctrl/cases": ("ctrl_fast18_zookeeper.csv", {"experiment": "random block corruption", "system": "original"},
                   "cases"),
    "snapshot/drop-x": ("other_claims.csv", {"source": "ZOOKEEPER-3657 comment"}, "value"),
}


class PublishedError(Exception):
    """A published value is missing, ambiguous, or was never looked up."""


def lookup(folder, name, fields, column):
    """One value as a number; `min:` or `max:` before the column asks for that of several rows."""
    fold, _, column = column.rpartition(":")
    with open(os.path.join(folder, name), encoding="utf-8", newline="") as f:
        found = [row for row in csv.DictReader(f) if all(row[key] == value for key, value in fields.items())]
    if not found or (len(found) > 1 and not fold):
        raise PublishedError("%s: %d rows are %s" % (name, len(found), fields))
    if any(row["mark"] == "recalled" for row in found):
        raise PublishedError("%s: %s was only recalled, look it up first" % (name, fields))
    return {"": min, "min": min, "max": max}[fold](float(row[column]) for row in found)


def quote(folder, numbers):
    for key, (name, fields, column) in VALUES.items():
        value = lookup(folder, name, fields, column)
        # As printed there: nothing is rounded, no digit is added.
        numbers.set("published/" + key, tex.count(int(value)) if value.is_integer() else "%g" % value)


def quote_formula(numbers, bins_list):
    """What h(x) = (x mod p) + 1 must move by arithmetic."""
    for bins in bins_list:
        numbers.set("formula/%d/join" % bins, tex.percent(placement.formula_join(bins)))
        numbers.set("formula/%d/leave" % bins, tex.percent(placement.formula_leave(bins)))
