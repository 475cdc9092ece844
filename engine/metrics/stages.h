#ifndef VIV_METRICS_STAGES_H
#define VIV_METRICS_STAGES_H

#include <stdint.h>

#include "metrics/tally.h"

/* How long requests stay in each of the eight stages of their way (engine/README.md), by kind of request, in windows of
 * ten seconds. The clock is read once a turn of the loop, so what happens within one turn takes no time here, and a
 * stage ends with the turn in which it was passed.
 *
 * Two points of view. CLIENT: the server that the client is attached to; on a follower `proposed` is the way to the
 * leader and back as a proposal. LEADER: transactions that this server proposed, whoever asked for them. */

enum viv_stage {
    VIV_STAGE_RECEIVED,
    VIV_STAGE_ROUTED,
    VIV_STAGE_PREPARED,
    VIV_STAGE_PROPOSED,
    VIV_STAGE_STORED,
    VIV_STAGE_COMMITTED,
    VIV_STAGE_APPLIED,
    VIV_STAGE_REPLIED,
    VIV_STAGE_COUNT,
};
const char *viv_stage_name(enum viv_stage stage); /* "received" and so on */

enum viv_stage_view { VIV_STAGE_VIEW_CLIENT, VIV_STAGE_VIEW_LEADER, VIV_STAGE_VIEW_COUNT };

/* Kinds of request by their opcode; unknown ones are one kind together. */
enum { VIV_METRICS_OP_COUNT = 34 };
unsigned viv_metrics_op_index(int32_t op);
const char *viv_metrics_op_name(unsigned index); /* "setData" */

/* When each stage was passed, in ns of the turns' clock; 0: not on this server's way (a read has only the first two
 * and the last). */
struct viv_stage_times {
    uint64_t at_ns[VIV_STAGE_COUNT];
};

#define VIV_STAGES_WINDOW_NS UINT64_C(10000000000)

struct viv_stages;

struct viv_stages *viv_stages_new(void);
void viv_stages_free(struct viv_stages *stages);
/* Time passes: a window ends after ten seconds. At least once a second. */
void viv_stages_tick(struct viv_stages *stages, uint64_t now_ns);
/* Counts one request for `weight` of its like. Each passed stage counts the time since the one passed before it. */
void viv_stages_record(struct viv_stages *stages, enum viv_stage_view view, int32_t op,
                       const struct viv_stage_times *times, uint64_t weight);

struct viv_stage_sample {
    enum viv_stage_view view;
    const char *op, *stage;         /* stage "whole": from received to the last */
    const struct viv_tally *tally;  /* ns; of the last whole window; before there is one, of the current one */
    uint64_t count_all, sum_all_ns; /* since the start */
};
/* Kinds and stages that never had a request are not visited. */
typedef void viv_stage_sample_fn(void *ctx, const struct viv_stage_sample *sample);
void viv_stages_visit(const struct viv_stages *stages, viv_stage_sample_fn *visit, void *ctx);

#endif /* VIV_METRICS_STAGES_H */
