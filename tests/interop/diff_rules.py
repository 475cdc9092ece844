"""The differences between Vivarium and Apache ZooKeeper 3.8.0 (as Debian 12 ships it, with the fix of
CVE-2024-23944) that are meant, one row each. The differential test
counts every use of a row and fails on anything else. `differential.py --document` prints DIFFERENCES.md from it."""

# name: (what differs, why)
RULES = {
    "event-zxid": (
        "The header of a notification carries the zxid of the transaction that caused it; 3.8.0 always writes -1. Events "
        "that setWatches produces carry -1 in both.",
        "ZooKeeper 3.9.0 and later do so; clients ignore the field."),
    "exists-needs-read": (
        "exists on a node without READ permission is refused with -102 and sets no watch; 3.8.0 answers and sets the "
        "watch.",
        "ZooKeeper 3.8.4 and 3.9.2 on; part of the answer to CVE-2024-23944."),
    "multi-create2": (
        "create2 inside a multi is answered as create2, with path and Stat; 3.8.0 answers it as create, with the path "
        "only. createContainer and createTTL are answered as create2 by both.",
        "ZooKeeper 3.8.3 and 3.9 on; clients decode by the type in the result's header."),
    "multi-flags": (
        "A create flag outside 0..6 inside a multi fails the whole request with -5; 3.8.0 puts -8 into the results.",
        "ZooKeeper 3.9."),
    "opcode-and-flags": (
        "Not comparable: createContainer goes with flag 4, createTTL with 5 and 6, create and create2 with 0..3, and "
        "anything else is -8. 3.8.0 lets the opcode decide and then disagrees with its own digest, or crashes and cannot "
        "start again. The reference server is sent the flag 99, which it refuses with -8.",
        "No client sends it; a record that cannot be replayed is never proposed."),
    "top-level-check": (
        "Not comparable: check outside a multi is an unknown operation, -6 and close. 3.8.0 writes a record that it "
        "cannot read again. The reference server is sent opcode 10.",
        "ZooKeeper 3.8.5 and 3.9.3 on."),
    "internal-opcodes": (
        "Not comparable: createSession and deleteContainer from a client are unknown operations, -6 and close. 3.8.0 "
        "executes them. The reference server is sent opcode 10.",
        "They belong to servers: no client sends them, and deleteContainer has no ACL check."),
    "watch-types-4-5": (
        "removeWatches and checkWatches know the types 4 (persistent) and 5 (recursive); 3.8.0 refuses them with -5. The "
        "reference server is sent type 3, which on a connection with one kind of watch only means the same.",
        "ZooKeeper 3.9."),
    "check-watches-of-others": (
        "checkWatches answers for the connection's own watches: -121 when it has none. 3.8.0 answers 0 when any "
        "connection watches the path, and -5 to a path without a slash.",
        "ZooKeeper 3.9; a client asks about its own."),
    "null-path": (
        "A null path is -5, because the record cannot be decoded; 3.8.0 answers -8 to setData and setACL, and to a create "
        "whose flags or ttl it looks at first.",
        "No client sends it, and the two refusals have the same effect."),
    "count-of-nothing": (
        "getAllChildrenNumber of the empty path is that of \"/\"; 3.8.0 counts \"/\" as its own descendant then.",
        "For every other read the empty path is an alias of \"/\"."),
    "sync-zxid": (
        "In an ensemble, a sync that a client sends to the leader may leave it behind what a follower has answered before: "
        "3.8.0's leader tells its followers of a commit first, and answers a sync of its own client without waiting for "
        "its own turn. It is asked again until it has caught up; of Vivarium one sync has to be enough.",
        "A fault of the reference server; clients keep the greatest zxid they have seen."),
    "silent-reference": (
        "3.8.0 now and then leaves a request of a follower's client without an answer under load, or closes the connection of a "
        "client whose server is to catch up with its leader. Such a round is given "
        "up, at most one in five.",
        "A fault of the reference server; clients run into their timeout and reconnect."),
    "closing-order": (
        "When one closeSession removes several ephemeral nodes, their events may come in another order: 3.8.0 walks a "
        "hash set, Vivarium its own order. The set of events is the same, and all come before the next reply.",
        "No order is documented, and it changes from run to run in 3.8.0."),
}

NOT_COMPARED = (
    ("times (ctime, mtime)", "only whether they are zero, and that mtime is not before ctime. The mtime of "
     "/zookeeper/config is 0 here and the time of the start in 3.8.0"),
    ("session ids, passwords and zxids", "mapped: ids to the session's place in the conversation, zxids to their "
     "distance from the round's first"),
    ("order in lists", "children, ephemerals, identities of whoAmI, and ACL entries: both sorted, as no order is promised"),
    ("different watch modes of one connection on one path", "not sent: in 3.8.0 a later registration replaces the "
     "earlier one, from 3.9.0 on and here they coexist. Tests of the server's own cover it"),
    ("removeWatches types 1 and 2 on persistent watches", "not sent: 3.8.0 removes them, 3.9 and Vivarium do not"),
    ("ids of scheme ip in IPv6 form", "not sent: refused by 3.8.0, accepted by newer versions"),
    ("null paths inside multi and addWatch", "not sent: a multi fails with -5 in both, but leaves a hole in the zxids of "
     "3.8.0; addWatch of null is kept by 3.8.0, and -5 here as any record that cannot be decoded"),
    ("what is pipelined behind a setACL", "not sent: 3.8.0 may still check it by the ACL from before, Vivarium never does"),
    ("sync and watches of paths beyond the basic multilingual plane", "not sent: no such node can exist, and Java echoes the text as two "
     "surrogates of three bytes each"),
    ("writes below a quota that are pipelined behind others", "not sent: 3.8.0 compares with the usage that happens to be "
     "committed, Vivarium with that at the write's place in the order"),
    ("half a quota", "not sent: the limits without the usage, or the usage without limits. 3.8.0 then keeps the figures of "
     "before; here they are always those of the tree"),
    ("the length of a frame alone", "a frame beyond the limit is sent with its header, by which Vivarium tells a long "
     "setWatches, which it takes, from the rest"),
    ("reaping of containers and TTL nodes", "its interval is set beyond the run on both sides: it happens by the clock"),
)


def document():
    lines = ["# Differences from Apache ZooKeeper 3.8.0 as in Debian 12", "",
             "`tests/interop/differential.py --document` prints this file from the table that the test itself uses; each",
             "row is counted when it is used. Any other difference fails the test.", "", "## What differs, and is meant",
             ""]
    for name, (what, why) in RULES.items():
        lines += ["* **%s**: %s" % (name, what), "  Reason: %s" % why]
    lines += ["", "## What is not compared", ""]
    lines += ["* %s: %s." % row for row in NOT_COMPARED]
    return "\n".join(lines) + "\n"
