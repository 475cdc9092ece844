#ifndef VIV_ZAB_ZAB_H
#define VIV_ZAB_ZAB_H

#include "base/entry.h"
#include "base/sid_set.h"
#include "wire/peer.h"

/* One server's part in one ZAB ensemble, as a pure state machine: fast leader election, discovery, synchronisation
 * (DIFF, TRUNC, SNAP), broadcast, heartbeats, resignation, reconfiguration (zab.md §4-§8, §12; D1-D12 of §13 are
 * law; each entry of zab-pitfalls.md is a test). An input goes in, outputs come out; time is data; it never blocks and
 * cannot fail.
 *
 * What it does not know: znodes, sessions (their bytes pass through), sockets, files. A message that depends on
 * something being durable is withheld here until the matching *_STORED input: a driver cannot reorder them.
 *
 * Standalone (one member, config.standalone): leads at once, epoch 0, zxids are a plain counter, no messages. */

struct viv_zab;

struct viv_zab_member {
    viv_sid sid;
    bool voter; /* false: observer */
    /* Hierarchical quorums (zab.md §4.5), when some member has a group: then every voter has one, from 1 on. A voter
     * of weight 0 follows and acknowledges, but neither counts nor leads. */
    uint32_t group;
    uint64_t weight;
};

struct viv_zab_config {
    viv_gid gid;
    viv_sid sid;
    bool standalone;
    /* The configuration to begin with; this server may be missing in it. Copied. */
    const struct viv_zab_member *members;
    size_t member_count;
    struct viv_bytes config_text; /* "server.1=...\nversion=0" */
    uint64_t config_version;
    bool reconfigurable; /* the ensemble may change: servers that nobody knows may learn, and a configuration that
                            was never decided gets a version when an epoch is established */
    uint32_t snap_syncs_max, diff_syncs_max; /* observers brought up to date at a time; 0: as many as come */
    uint32_t tick_ms, init_limit_ticks, sync_limit_ticks;
    bool adaptive; /* a leader of our own kind is given up when it is suspected (detect/detector.h), not only after
                      syncLimit */
    uint32_t epoch_entries_max; /* then a leader goes over to another epoch (rollover.h); 0: as many as there are */
    uint64_t seed;
    const char *election_policy; /* "fle", "ring", "priority" or "rtt", as every voter's: election_policy.h */
    uint64_t election_slack;     /* 0 with fle */
    uint32_t election_priority;
};

/* Where the server stands after recovery. */
struct viv_zab_start {
    uint64_t now_ms;
    uint32_t accepted_epoch, current_epoch;
    uint64_t base_zxid;    /* history in the log starts after it */
    uint64_t applied_zxid; /* committed and in the tree */
    uint64_t last_zxid;    /* newest durable entry */
    uint64_t
        uncertain_from_zxid; /* of damaged entries from this one on nothing shows that they were durable; 0: none */
    bool baseless; /* there is a log, and no state below it: only a leader's snapshot helps. Then applied_zxid is
                      last_zxid, and nothing was recovered */
};

enum viv_zab_input_kind {
    VIV_ZAB_TICK,           /* time passed; give one at least every tick_ms / 10 */
    VIV_ZAB_VOTE,           /* sid, vote: an election message arrived */
    VIV_ZAB_LINK_UP,        /* link, sid: the LINK_DIAL of this sid succeeded; sid 0: a learner connected to us:
                               barred, proved */
    VIV_ZAB_LINK_DOWN,      /* link, or link 0 and sid: the dial failed */
    VIV_ZAB_PACKET,         /* link, packet */
    VIV_ZAB_STORED,         /* zxid: every entry of APPEND outputs up to it is durable (answers in order) */
    VIV_ZAB_EPOCHS_STORED,  /* answers EPOCHS, in order */
    VIV_ZAB_TRUNCATED,      /* answers TRUNCATE */
    VIV_ZAB_SNAP_SENT,      /* link: the stream asked for by SNAP_SEND has been handed to the link whole */
    VIV_ZAB_SNAP_INSTALLED, /* zxid: the stream asked for by SNAP_RECEIVE is the state now, and durable; data: the
                               configuration in it */
    VIV_ZAB_SNAP_ABORTED,   /* that stream was given up (malformed, or its link went away or was closed before it was
                               whole) and nothing has changed here. Every SNAP_RECEIVE gets exactly one of the two
                               answers, also after LINK_DOWN or LINK_CLOSE; until then this server does not vote */
    VIV_ZAB_SNAP_PROGRESS,  /* link: bytes of a snapshot stream moved, in or out; keeps a long one from timing out */
    VIV_ZAB_PROPOSE,        /* zxid (= viv_zab_next_zxid), body: leader only, phase BROADCAST only. A reconfiguration
                               only while none is under way; sid: who shall lead afterwards, 0: this server if it can */
    VIV_ZAB_LOG_DATA,       /* link, entries, entry_count, last, is_cut: answers READ, in parts. A last part that ends
                               short of what was asked for: the log does not have it */
    VIV_ZAB_FAULT,          /* zxid, fault_bytes, fault_crc: an entry of the log is damaged that is delivered already */
    VIV_ZAB_REPAIRED,       /* answers REPAIR */
    VIV_ZAB_PING_REPLY,     /* link, data: the sessions touched since the last one; answers PING_ASK */
    VIV_ZAB_PASS,           /* link, packet: send it on that link after everything queued before (SYNC, REVALIDATE,
                               REQUEST); dropped when the link is not in broadcast */
    VIV_ZAB_CONFIRM,        /* zxid = a mark of the caller's that grows: is this still the leader? Leader only, phase
                               BROADCAST only; answered by CONFIRMED, unless the reign ends first */
};

struct viv_zab_input {
    enum viv_zab_input_kind kind;
    uint64_t now_ms; /* monotonic; never goes back; in every input */
    uint32_t link;   /* names one connection of the quorum port; never 0, never reused soon */
    viv_sid sid;
    uint64_t zxid;
    struct viv_sid_set barred, proved; /* whom the learner cannot be, and who it is by certificate or address */
    struct viv_vote vote;
    struct viv_packet packet;
    struct viv_bytes data;
    const struct viv_entry *entries;
    size_t entry_count;
    uint32_t fault_bytes, fault_crc;
    bool last;
    bool is_cut;     /* LOG_DATA, the last: the log has more of it, which cannot be read */
    bool for_repair; /* LOG_DATA: answers a READ of that kind, with zxid; at once and whole */
    bool is_gone;    /* the log does not reach back that far */
};

enum viv_zab_phase { VIV_ZAB_ELECTION, VIV_ZAB_DISCOVERY, VIV_ZAB_SYNCHRONIZATION, VIV_ZAB_BROADCAST };

enum viv_zab_output_kind {
    VIV_ZAB_VOTE_SEND,    /* sid, vote: replaces an unsent one to the same server */
    VIV_ZAB_LISTEN,       /* flag: accept learners on the quorum port, or stop and close those accepted */
    VIV_ZAB_LINK_DIAL,    /* sid: answered by LINK_UP or LINK_DOWN */
    VIV_ZAB_LINK_CLOSE,   /* link: no input for it will be heeded any more */
    VIV_ZAB_SEND,         /* link, packet: bytes borrowed until the outputs are reset or, for a PROPOSAL's data, as
                             long as the entry lives */
    VIV_ZAB_ENVELOPE,     /* link: from the next SEND/PACKET on, frames of this link are in the group envelope */
    VIV_ZAB_APPEND,       /* entries, entry_count, zxid = commit hint: log them; answered by STORED. The bodies stay
                             valid and unmoved until that answer */
    VIV_ZAB_EPOCHS,       /* accepted_epoch, current_epoch: make durable; answered by EPOCHS_STORED */
    VIV_ZAB_TRUNCATE,     /* zxid: forget the log above it, durably; answered by TRUNCATED */
    VIV_ZAB_READ,         /* link, zxid_from, zxid: read log entries in (from, zxid] for a DIFF, or with flag one entry
                             for a server whose copy is damaged; answered by LOG_DATA */
    VIV_ZAB_REPAIR,       /* entry: put the body of this damaged one back into the log; answered by REPAIRED */
    VIV_ZAB_SNAP_SEND,    /* link: stream the tree as it is now (applied state) to the link; answered by SNAP_SENT.
                             Nothing else is sent on the link meanwhile */
    VIV_ZAB_SNAP_RECEIVE, /* link, zxid, flag (the log is longer now: the epoch is to be forgotten with it, durably, so
                             that a crash in between leaves a server that counts for nothing): the bytes that follow on
                             this link are a snapshot stream; answered by SNAP_INSTALLED or SNAP_ABORTED */
    VIV_ZAB_DELIVER,      /* entry: committed and durable here; apply it, in exactly this order */
    VIV_ZAB_ROLE,         /* state, sid = leader or 0, epoch, phase, flag = serving clients */
    VIV_ZAB_PING_ASK,     /* link: answer at once with PING_REPLY */
    VIV_ZAB_MEMBERS,      /* members, members_next: texts of the active configuration and of the proposed one, empty
                             when there is none; flag: the active one was heard of, its entry was not delivered */
    VIV_ZAB_PASSED,       /* link, sid, packet: REQUEST, SYNC, REVALIDATE, or a learner's PING data; borrowed */
    VIV_ZAB_CONFIRMED,    /* zxid = mark: a quorum followed this leader after every CONFIRM with a mark up to it */
    VIV_ZAB_TRACE,        /* trace code, a, b */
    VIV_ZAB_FATAL,        /* text: an invariant is broken, or with flag the configuration forbids to go on; the
                             process must stop */
};

struct viv_zab_output {
    enum viv_zab_output_kind kind;
    uint32_t link;
    viv_sid sid;
    uint64_t zxid, zxid_from;
    struct viv_vote vote;
    struct viv_packet packet;
    const struct viv_entry *entries; /* until the outputs are reset (the bodies: see APPEND) */
    size_t entry_count;
    struct viv_entry entry;
    struct viv_bytes members, members_next;
    uint32_t accepted_epoch, current_epoch, epoch;
    enum viv_server_state state;
    enum viv_zab_phase phase;
    bool flag;
    int trace;
    uint64_t a, b;
    const char *text;
};

/* A list that grows; all-zero is empty. `arena` holds what outputs borrow. */
struct viv_zab_outputs {
    struct viv_zab_output *items;
    size_t count, capacity;
    struct viv_arena *arena; /* set by the caller */
};

struct viv_zab *viv_zab_new(const struct viv_zab_config *config);
void viv_zab_free(struct viv_zab *zab);

/* Recovery, before start: entries of the log above the tree's image in zxid order; committed ones first. They become
 * the history for DIFF; those not committed, and those from the first damaged one on, wait. Bodies are copied. */
void viv_zab_recover(struct viv_zab *zab, const struct viv_entry *entry, bool committed);
/* Before the entries: the configuration in the image. The one from the file stays when it is as new. */
void viv_zab_recover_members(struct viv_zab *zab, struct viv_bytes text);
void viv_zab_start(struct viv_zab *zab, const struct viv_zab_start *start, struct viv_zab_outputs *out);
void viv_zab_step(struct viv_zab *zab, const struct viv_zab_input *input, struct viv_zab_outputs *out);

/* The zxid that the next PROPOSE must carry. Leader in BROADCAST only. Beyond the last counter of an epoch the leader
 * resigns. */
uint64_t viv_zab_next_zxid(const struct viv_zab *zab);
bool viv_zab_is_broadcasting_leader(const struct viv_zab *zab);
/* The learner's link to its leader in BROADCAST, or 0. */
uint32_t viv_zab_leader_link(const struct viv_zab *zab);
uint64_t viv_zab_last_proposed(const struct viv_zab *zab);
uint64_t viv_zab_last_committed(const struct viv_zab *zab);

/* Who is at the other end of a learner's link while this server leads and serves; 0: nobody that is served. */
viv_sid viv_zab_learner_sid(const struct viv_zab *zab, uint32_t link);

/* For operators (srvr, mntr). */
struct viv_zab_stats {
    enum viv_server_state state;
    enum viv_zab_phase phase;
    viv_sid leader;
    uint32_t accepted_epoch, current_epoch;
    size_t learners, synced_followers, synced_observers, outstanding;
    uint64_t proposals, commits, elections, repairs;
    uint64_t wanted_zxid; /* of a damaged transaction without which this server does not go on; 0: none */
};
void viv_zab_stats(const struct viv_zab *zab, struct viv_zab_stats *stats);

/* A leader's voters in BROADCAST, without itself; returns how many. `sids` has room for VIV_MEMBERS_MAX. */
size_t viv_zab_synced_voters(const struct viv_zab *zab, viv_sid *sids);
/* The active configuration. */
struct viv_bytes viv_zab_members_text(const struct viv_zab *zab);
uint64_t viv_zab_members_version(const struct viv_zab *zab);
/* A reconfiguration is proposed and not committed. */
bool viv_zab_is_reconfiguring(const struct viv_zab *zab);
/* Leader in BROADCAST: do the servers that follow it hold a quorum of these members? */
bool viv_zab_has_synced_quorum(const struct viv_zab *zab, const struct viv_zab_member *members, size_t count);
/* Would these and the active members together be no more than VIV_MEMBERS_MAX? Else they cannot be proposed. */
bool viv_zab_has_room(const struct viv_zab *zab, const struct viv_zab_member *members, size_t count);
/* Whether these servers together may decide; strangers and observers do not count. */
bool viv_zab_may_decide(const struct viv_zab *zab, const viv_sid *sids, size_t count);

#endif /* VIV_ZAB_ZAB_H */
