#ifndef VIV_NODE_GROUP_MEASURE_H
#define VIV_NODE_GROUP_MEASURE_H

#include "metrics/metrics.h"
#include "metrics/sampler.h"
#include "node/marks.h"
#include "node/turn.h"
#include "tree/apply.h"
#include "tree/prepare.h"
#include "zab/zab.h"

/* What the group side counts and times: proposals, entries on their way through the log, transactions applied, roles.
 * It watches and decides nothing: without it the group would do the same. */

struct viv_group_measure {
    struct viv_metrics *metrics; /* the node's */
    const struct viv_zab *zab;   /* the group's */
    struct viv_marks marks;
    struct viv_sampler sampler, batches, acks; /* of transactions applied, the log's answers, learners' answers */
    uint64_t appended, learnt, applied, applied_as_learner;
    uint64_t proposal_bytes_last, proposal_bytes_min, proposal_bytes_max; /* 0: none yet */

    /* transactions applied in a row that were proposed at the same time */
    uint64_t run_count, run_zxid_max; /* no later one belongs to it */
    int64_t run_time_ms;
    struct viv_mark mark; /* of the run; zxid 0: there is none */

    /* roles; 0: not now */
    enum viv_server_state state;
    bool serving;
    uint64_t looking_ns, found_ns, lost_ns, led_ns;
    uint64_t checkpoint_ns; /* the one that runs began */
};

/* Borrows both for good. */
void viv_group_measure_init(struct viv_group_measure *measure, struct viv_metrics *metrics, const struct viv_zab *zab);
/* Sizes begin anew, as after srst. */
void viv_group_measure_reset(struct viv_group_measure *measure);

/* This server leads and proposes a transaction of so many bytes. */
static inline void viv_group_measure_proposed(struct viv_group_measure *measure, uint64_t bytes)
{
    measure->proposal_bytes_last = bytes;
    viv_note_extremes(bytes, &measure->proposal_bytes_min, &measure->proposal_bytes_max);
}

/* A write was refused because of a quota. */
void viv_group_measure_over_quota(struct viv_group_measure *measure, const struct viv_request *request);
/* The entries of one turn go to the log; they came from a leader, or are our own proposals. */
void viv_group_measure_appended(struct viv_group_measure *measure, const struct viv_entry *entries, size_t count,
                                const struct viv_turn *turn);
/* A learner has acknowledged everything up to zxid. */
void viv_group_measure_acked(struct viv_group_measure *measure, uint32_t link, uint64_t zxid,
                             const struct viv_turn *turn);
/* They are durable, up to zxid. */
void viv_group_measure_stored(struct viv_group_measure *measure, uint64_t zxid, size_t count, uint64_t proposed_ns,
                              const struct viv_turn *turn);
/* Ends the run that is being counted, and begins one with this transaction. */
void viv_group_measure_begin_run(struct viv_group_measure *measure, const struct viv_applied *applied,
                                 const struct viv_turn *turn);
void viv_group_measure_end_run(struct viv_group_measure *measure, const struct viv_turn *turn);
void viv_group_measure_sample(struct viv_group_measure *measure, const struct viv_applied *applied,
                              const struct viv_turn *turn);

/* A transaction is in the tree. Returns when it passed the stages before, or NULL; valid until the next call. */
static inline const struct viv_mark *viv_group_measure_applied(struct viv_group_measure *measure,
                                                               const struct viv_applied *applied,
                                                               const struct viv_turn *turn)
{
    if (applied->header.zxid > measure->run_zxid_max || applied->header.time_ms != measure->run_time_ms) {
        viv_group_measure_begin_run(measure, applied, turn);
    }
    measure->run_count++;
    if (viv_sampler_takes(&measure->sampler)) {
        viv_group_measure_sample(measure, applied, turn);
    }
    return measure->mark.zxid != 0 ? &measure->mark : NULL;
}

/* Nothing more is applied for now. */
static inline void viv_group_measure_pause(struct viv_group_measure *measure, const struct viv_turn *turn)
{
    if (measure->run_count > 0) {
        viv_group_measure_end_run(measure, turn);
    }
}

void viv_group_measure_role(struct viv_group_measure *measure, const struct viv_zab_output *role,
                            const struct viv_turn *turn);
/* The leader has chosen how a learner is brought up to date. */
void viv_group_measure_sync(struct viv_group_measure *measure, uint64_t packet_type, size_t streams);
void viv_group_measure_checkpoint(struct viv_group_measure *measure, const struct viv_turn *turn);
void viv_group_measure_checkpoint_done(struct viv_group_measure *measure, bool ok, uint64_t bytes,
                                       const struct viv_turn *turn);
/* How long this server has led by now; 0: it does not. */
uint64_t viv_group_measure_leader_ms(const struct viv_group_measure *measure, const struct viv_turn *turn);
void viv_group_measure_tick(struct viv_group_measure *measure, const struct viv_turn *turn);

#endif /* VIV_NODE_GROUP_MEASURE_H */
