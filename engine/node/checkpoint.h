#ifndef VIV_NODE_CHECKPOINT_H
#define VIV_NODE_CHECKPOINT_H

#include "node/turn.h"
#include "tree/tree.h"

/* One image of a tree on its way to the state store: walked in slices while transactions go on, handed over in blocks,
 * committed when the walk is done. Memory holds committed transactions that are durable in the local log only, so an
 * image may be committed as soon as its walk ends.
 *
 * Decides how and when to walk; does not know why an image is wanted (policy, or an installation). */

enum viv_checkpoint_state { VIV_CHECKPOINT_IDLE, VIV_CHECKPOINT_WALKING, VIV_CHECKPOINT_COMMITTING };

struct viv_checkpoint {
    enum viv_checkpoint_state state;
    viv_gid gid;
    struct viv_tree *tree; /* borrowed while not idle */
    enum viv_checkpoint_kind kind;
    uint64_t ticket; /* of the current one; counts up */
    uint64_t zxid_start;
    size_t unanswered; /* blocks that the store has not consumed */
    uint64_t bytes;    /* handed over so far */
    bool omits_digest; /* rows younger than zxid_start are in the tree, and will not be in the image */
    struct viv_buffer block;
};

void viv_checkpoint_fini(struct viv_checkpoint *checkpoint);
/* Idle only. */
void viv_checkpoint_begin(struct viv_checkpoint *checkpoint, struct viv_tree *tree, enum viv_checkpoint_kind kind,
                          const struct viv_turn *turn);
/* Walks on, if it is walking and the store keeps up: a whole block when there is nothing else to do, else a part. */
void viv_checkpoint_slice(struct viv_checkpoint *checkpoint, bool is_busy, const struct viv_turn *turn);
/* The tree is about to go: lets go of it, whatever the state. */
void viv_checkpoint_abort(struct viv_checkpoint *checkpoint, const struct viv_turn *turn);
/* CHECKPOINT_ROOM. */
void viv_checkpoint_room(struct viv_checkpoint *checkpoint);
/* CHECKPOINT_DONE: false when it answers one that was aborted. Otherwise idle again; the event's status says how the
 * checkpoint ended. */
bool viv_checkpoint_done(struct viv_checkpoint *checkpoint, const struct viv_event *event);

#endif /* VIV_NODE_CHECKPOINT_H */
