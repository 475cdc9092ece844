#ifndef VIV_ZAB_ZAB_INTERNAL_H
#define VIV_ZAB_ZAB_INTERNAL_H

#include "base/rng.h"
#include "base/sid_set.h"
#include "base/stage.h"
#include "zab/durable.h"
#include "zab/election.h"
#include "zab/history.h"
#include "zab/leader.h"
#include "zab/learner.h"
#include "zab/ranking.h"
#include "zab/membership.h"
#include "zab/repair.h"
#include "zab/watch.h"

/* What the modules of this room share: the whole state machine, and how it speaks. No other room includes this. */

struct viv_zab {
    /* the configuration */
    viv_gid gid;
    viv_sid sid;
    bool standalone;
    bool reconfigurable;
    uint32_t snap_syncs_max, diff_syncs_max;
    struct viv_membership membership;
    bool cannot_read_members; /* a configuration in the history */
    uint64_t tick_ms, init_limit_ms, sync_limit_ms;
    bool adaptive;
    uint32_t counter_max; /* of an epoch's zxids */
    struct viv_ranking ranking;
    struct viv_rng rng;

    /* where it stands */
    uint64_t now_ms;
    enum viv_server_state state;
    enum viv_zab_phase phase;
    viv_sid leader_sid; /* 0: none */
    struct viv_durable durable;
    struct viv_history history;
    uint64_t trim_zxid; /* delivered long enough ago for nobody to borrow its body */
    struct viv_election election;
    struct viv_sid_set natives; /* whose votes were one of ours */
    struct viv_leader leader;
    struct viv_learner learner;
    struct viv_repair repair;
    uint64_t proposals, commits, elections;
    bool has_served; /* since the start: there was an ensemble of its own kind */

    struct viv_zab_outputs *out; /* of the input being processed */
};

#define VIV_ZAB_ROOM "zab" /* in log lines */
/* Of the quorum port; older dialects have no discovery and are refused. */
#define VIV_ZAB_PROTOCOL_VERSION 0x10000
/* Both or none: cumulative acknowledgements need the envelope to be told from Apache's. */
#define VIV_ZAB_NATIVE (VIV_PEER_ENVELOPE | VIV_PEER_CUMULATIVE)
/* What we say of ourselves. */
#define VIV_ZAB_CAPABILITIES (VIV_ZAB_NATIVE | VIV_PEER_ROLLOVER | VIV_PEER_REPAIR | VIV_PEER_BEATS)
/* The last counter of an epoch that names a transaction, as in ZooKeeper. */
#define VIV_ZAB_COUNTER_MAX (UINT32_MAX - 1)
/* Epochs travel as signed 32-bit integers. */
#define VIV_ZAB_EPOCH_MAX 0x7ffffffeU

/* ---- zab_output.c ---- */
struct viv_zab_output *viv_zab_emit(struct viv_zab *zab, enum viv_zab_output_kind kind);
/* A packet without data. */
void viv_zab_send(struct viv_zab *zab, uint32_t link, enum viv_packet_type type, uint64_t zxid);
void viv_zab_send_data(struct viv_zab *zab, uint32_t link, enum viv_packet_type type, uint64_t zxid,
                       struct viv_bytes data);
/* A packet of the node's. */
void viv_zab_pass(struct viv_zab *zab, uint32_t link, const struct viv_packet *packet);
/* A packet for the node. */
void viv_zab_passed(struct viv_zab *zab, uint32_t link, viv_sid sid, const struct viv_packet *packet);
void viv_zab_close(struct viv_zab *zab, uint32_t link);
void viv_zab_trace(struct viv_zab *zab, enum viv_trace_code code, uint64_t a, uint64_t b);
void viv_zab_fatal(struct viv_zab *zab, const char *text);
/* The process stops too, but only the configuration is wrong. */
void viv_zab_refuse(struct viv_zab *zab, const char *text);
/* Bytes that live as long as the outputs. */
struct viv_bytes viv_zab_keep(struct viv_zab *zab, struct viv_bytes bytes);

/* ---- zab.c ---- */
/* Changes role or phase (the move must be in the table) and tells. */
void viv_zab_move(struct viv_zab *zab, enum viv_server_state state, enum viv_zab_phase phase, viv_sid leader);
/* The election was decided. */
void viv_zab_elected(struct viv_zab *zab, viv_sid leader);
/* Gives up the role, whatever it is, and looks for a leader. `reason` is for the log. */
void viv_zab_leave(struct viv_zab *zab, const char *reason);
/* The same, and follows `leader`, whom a reconfiguration has designated, or leads, without an election; 0: elects. */
void viv_zab_leave_to(struct viv_zab *zab, viv_sid leader, const char *reason);
/* Says who decides now. */
void viv_zab_tell_members(struct viv_zab *zab);
/* An entry has joined the history: does it propose a configuration? False: one that cannot be read. */
bool viv_zab_note_entry(struct viv_zab *zab, const struct viv_entry *entry);
/* The history is committed up to zxid. True when a configuration became the active one by it. */
bool viv_zab_commit(struct viv_zab *zab, uint64_t zxid);
/* Heard of a committed configuration. True when it is the active one now. */
bool viv_zab_adopt_members(struct viv_zab *zab, struct viv_bytes text);
/* The history was cut off behind zxid. */
void viv_zab_forget_members(struct viv_zab *zab, uint64_t zxid);
/* Delivers what is committed and durable. */
void viv_zab_deliver(struct viv_zab *zab);

#endif /* VIV_ZAB_ZAB_INTERNAL_H */
