#include "node/checkpoint.h"

#include "base/assert.h"
#include "base/stage.h"
#include "tree/image.h"

enum {
    BLOCK_BYTES = 1 << 20,  /* what the store compresses and checks as one */
    SLICE_BYTES = 64 << 10, /* what a busy turn may spend on it: well under a millisecond of walking */
    UNANSWERED_MAX = 16,
};

void viv_checkpoint_fini(struct viv_checkpoint *checkpoint)
{
    viv_buffer_fini(&checkpoint->block);
}

static struct viv_action *act(const struct viv_checkpoint *checkpoint, enum viv_action_kind kind,
                              const struct viv_turn *turn)
{
    struct viv_action *action = viv_actions_add(turn->out, kind);
    action->gid = checkpoint->gid;
    action->ticket = checkpoint->ticket;
    return action;
}

void viv_checkpoint_begin(struct viv_checkpoint *checkpoint, struct viv_tree *tree, enum viv_checkpoint_kind kind,
                          const struct viv_turn *turn)
{
    VIV_ASSERT(checkpoint->state == VIV_CHECKPOINT_IDLE);
    checkpoint->state = VIV_CHECKPOINT_WALKING;
    checkpoint->tree = tree;
    checkpoint->kind = kind;
    checkpoint->ticket++;
    checkpoint->zxid_start = viv_tree_zxid(tree);
    checkpoint->bytes = 0;
    checkpoint->omits_digest = false;
    viv_buffer_clear(&checkpoint->block);
    viv_tree_walk_begin(tree, kind == VIV_CHECKPOINT_DELTA ? VIV_WALK_DELTA : VIV_WALK_FULL);
    struct viv_action *action = act(checkpoint, VIV_ACTION_CHECKPOINT_BEGIN, turn);
    action->checkpoint = kind;
    action->zxid = checkpoint->zxid_start;
    struct viv_action *trace = act(checkpoint, VIV_ACTION_TRACE, turn);
    trace->trace = VIV_TRACE_CHECKPOINT_BEGIN;
    trace->a = checkpoint->zxid_start;
    trace->b = kind != VIV_CHECKPOINT_DELTA;
}

static void hand_over(struct viv_checkpoint *checkpoint, const struct viv_turn *turn)
{
    if (checkpoint->block.size == 0) {
        return;
    }
    struct viv_action *action = act(checkpoint, VIV_ACTION_CHECKPOINT_ROWS, turn);
    action->rows = checkpoint->block;
    checkpoint->block = (struct viv_buffer){0};
    checkpoint->bytes += action->rows.size;
    checkpoint->unanswered++;
}

static void commit(struct viv_checkpoint *checkpoint, const struct viv_turn *turn)
{
    struct viv_action *action = act(checkpoint, VIV_ACTION_CHECKPOINT_COMMIT, turn);
    action->mark.zxid_start = checkpoint->zxid_start;
    action->mark.zxid_end = viv_tree_zxid(checkpoint->tree);
    action->mark.digest = checkpoint->omits_digest ? 0 : viv_tree_digest(checkpoint->tree);
    VIV_ASSERT(action->mark.zxid_end >= action->mark.zxid_start);
    checkpoint->state = VIV_CHECKPOINT_COMMITTING;
}

void viv_checkpoint_slice(struct viv_checkpoint *checkpoint, bool is_busy, const struct viv_turn *turn)
{
    if (checkpoint->state != VIV_CHECKPOINT_WALKING || checkpoint->unanswered >= UNANSWERED_MAX) {
        return;
    }
    size_t wanted = is_busy ? SLICE_BYTES : BLOCK_BYTES;
    bool more = viv_tree_walk_step(checkpoint->tree, wanted, &checkpoint->block);
    if (checkpoint->block.size >= BLOCK_BYTES || !more) {
        hand_over(checkpoint, turn);
    }
    if (!more) {
        commit(checkpoint, turn);
    }
}

void viv_checkpoint_abort(struct viv_checkpoint *checkpoint, const struct viv_turn *turn)
{
    if (checkpoint->state == VIV_CHECKPOINT_IDLE) {
        return;
    }
    if (checkpoint->state == VIV_CHECKPOINT_WALKING) {
        act(checkpoint, VIV_ACTION_CHECKPOINT_ABORT, turn);
    }
    viv_tree_walk_end(checkpoint->tree, false);
    checkpoint->tree = NULL;
    checkpoint->state = VIV_CHECKPOINT_IDLE;
}

void viv_checkpoint_room(struct viv_checkpoint *checkpoint)
{
    VIV_ASSERT(checkpoint->unanswered > 0);
    checkpoint->unanswered--;
}

bool viv_checkpoint_done(struct viv_checkpoint *checkpoint, const struct viv_event *event)
{
    if (checkpoint->state == VIV_CHECKPOINT_IDLE || event->ticket != checkpoint->ticket) {
        return false;
    }
    VIV_ASSERT(event->status != VIV_OK || checkpoint->state == VIV_CHECKPOINT_COMMITTING);
    viv_tree_walk_end(checkpoint->tree, event->status == VIV_OK);
    checkpoint->tree = NULL;
    checkpoint->state = VIV_CHECKPOINT_IDLE;
    return true;
}
