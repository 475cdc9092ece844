#include "metrics/stages.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/bytes.h"

enum { STAGE_CELLS = VIV_STAGE_COUNT + 1, WINDOWS = 2 };

/* Of one kind of request in one view; the last cell is the whole way. */
struct cell {
    struct viv_tally windows[WINDOWS];
    uint64_t count_all, sum_all_ns;
};

struct viv_stages {
    struct cell cells[VIV_STAGE_VIEW_COUNT][VIV_METRICS_OP_COUNT][STAGE_CELLS];
    uint64_t begin_ns; /* of the current window; 0: no time was told yet */
    unsigned current;
    bool has_whole; /* the other window is complete */
};

static const char *const stage_names[STAGE_CELLS] = {
    "received", "routed", "prepared", "proposed", "stored", "committed", "applied", "replied", "whole",
};

const char *viv_stage_name(enum viv_stage stage)
{
    VIV_ASSERT((unsigned)stage < VIV_STAGE_COUNT);
    return stage_names[stage];
}

/* ---- kinds of request ---- */

enum { OP_LEAST = -11, OP_LARGEST = 107 };
/* Ours, far outside ZooKeeper's numbers. */
enum { OP_GET_CHILDREN_PAGE = 0x56495601, INDEX_GET_CHILDREN_PAGE = 33 };

/* index, opcode (client-protocol.md §5), name */
#define OPS(X)                                                                                                         \
    X(1, 1, "create")                                                                                                  \
    X(2, 2, "delete")                                                                                                  \
    X(3, 3, "exists")                                                                                                  \
    X(4, 4, "getData")                                                                                                 \
    X(5, 5, "setData")                                                                                                 \
    X(6, 6, "getACL")                                                                                                  \
    X(7, 7, "setACL")                                                                                                  \
    X(8, 8, "getChildren")                                                                                             \
    X(9, 9, "sync")                                                                                                    \
    X(10, 11, "ping")                                                                                                  \
    X(11, 12, "getChildren2")                                                                                          \
    X(12, 13, "check")                                                                                                 \
    X(13, 14, "multi")                                                                                                 \
    X(14, 15, "create2")                                                                                               \
    X(15, 16, "reconfig")                                                                                              \
    X(16, 17, "checkWatches")                                                                                          \
    X(17, 18, "removeWatches")                                                                                         \
    X(18, 19, "createContainer")                                                                                       \
    X(19, 20, "deleteContainer")                                                                                       \
    X(20, 21, "createTTL")                                                                                             \
    X(21, 22, "multiRead")                                                                                             \
    X(22, 100, "auth")                                                                                                 \
    X(23, 101, "setWatches")                                                                                           \
    X(24, 102, "sasl")                                                                                                 \
    X(25, 103, "getEphemerals")                                                                                        \
    X(26, 104, "getAllChildrenNumber")                                                                                 \
    X(27, 105, "setWatches2")                                                                                          \
    X(28, 106, "addWatch")                                                                                             \
    X(29, 107, "whoAmI")                                                                                               \
    X(30, -10, "createSession")                                                                                        \
    X(31, -11, "closeSession")                                                                                         \
    X(32, -1, "error")

static const uint8_t op_indexes[OP_LARGEST - OP_LEAST + 1] = {
#define OP_INDEX(index, op, name) [(op)-OP_LEAST] = (index),
    OPS(OP_INDEX)
#undef OP_INDEX
};

static const char *const op_names[VIV_METRICS_OP_COUNT] = {
#define OP_NAME(index, op, name) [index] = (name),
    OPS(OP_NAME)
#undef OP_NAME
        [0] = "other",
    [INDEX_GET_CHILDREN_PAGE] = "getChildrenPage",
};

unsigned viv_metrics_op_index(int32_t op)
{
    if (op >= OP_LEAST && op <= OP_LARGEST) {
        return op_indexes[op - OP_LEAST];
    }
    return op == OP_GET_CHILDREN_PAGE ? INDEX_GET_CHILDREN_PAGE : 0;
}

const char *viv_metrics_op_name(unsigned index)
{
    VIV_ASSERT(index < VIV_METRICS_OP_COUNT);
    return op_names[index];
}

/* ---- windows ---- */

struct viv_stages *viv_stages_new(void)
{
    return viv_alloc_zeroed(1, sizeof(struct viv_stages));
}

void viv_stages_free(struct viv_stages *stages)
{
    free(stages);
}

static void begin_window(struct viv_stages *stages, uint64_t now_ns, bool has_whole)
{
    stages->begin_ns = now_ns;
    stages->current = 1 - stages->current;
    stages->has_whole = has_whole;
    struct cell *cells = &stages->cells[0][0][0];
    for (size_t i = 0; i < sizeof stages->cells / sizeof *cells; i++) {
        viv_tally_clear(&cells[i].windows[stages->current]);
        if (!has_whole) {
            viv_tally_clear(&cells[i].windows[1 - stages->current]);
        }
    }
}

/* After a pause of more than a window nothing is known of the one before the present. */
void viv_stages_tick(struct viv_stages *stages, uint64_t now_ns)
{
    if (stages->begin_ns == 0) {
        stages->begin_ns = now_ns;
    } else if (now_ns - stages->begin_ns >= VIV_STAGES_WINDOW_NS) {
        begin_window(stages, now_ns, now_ns - stages->begin_ns < 2 * VIV_STAGES_WINDOW_NS);
    }
}

static void count(struct viv_stages *stages, struct cell *cell, uint64_t took_ns, uint64_t weight)
{
    viv_tally_add_many(&cell->windows[stages->current], took_ns, weight);
    cell->count_all += weight;
    cell->sum_all_ns += took_ns * weight;
}

void viv_stages_record(struct viv_stages *stages, enum viv_stage_view view, int32_t op,
                       const struct viv_stage_times *times, uint64_t weight)
{
    struct cell *cells = stages->cells[view][viv_metrics_op_index(op)];
    uint64_t before_ns = times->at_ns[VIV_STAGE_RECEIVED];
    for (unsigned i = 0; i < VIV_STAGE_COUNT; i++) {
        uint64_t at_ns = times->at_ns[i];
        if (at_ns == 0) {
            continue;
        }
        count(stages, &cells[i], at_ns > before_ns ? at_ns - before_ns : 0, weight);
        before_ns = at_ns > before_ns ? at_ns : before_ns;
    }
    count(stages, &cells[VIV_STAGE_COUNT], before_ns - times->at_ns[VIV_STAGE_RECEIVED], weight);
}

void viv_stages_visit(const struct viv_stages *stages, viv_stage_sample_fn *visit, void *ctx)
{
    unsigned window = stages->has_whole ? 1 - stages->current : stages->current;
    for (unsigned view = 0; view < VIV_STAGE_VIEW_COUNT; view++) {
        for (unsigned op = 0; op < VIV_METRICS_OP_COUNT; op++) {
            for (unsigned stage = 0; stage < STAGE_CELLS; stage++) {
                const struct cell *cell = &stages->cells[view][op][stage];
                if (cell->count_all == 0) {
                    continue;
                }
                struct viv_stage_sample sample = {(enum viv_stage_view)view, op_names[op],    stage_names[stage],
                                                  &cell->windows[window],    cell->count_all, cell->sum_all_ns};
                visit(ctx, &sample);
            }
        }
    }
}
