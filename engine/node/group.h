#ifndef VIV_NODE_GROUP_H
#define VIV_NODE_GROUP_H

#include "node/checkpoint.h"
#include "node/digests.h"
#include "node/expiry.h"
#include "node/fifo.h"
#include "node/group_measure.h"
#include "node/link.h"
#include "node/node.h"
#include "node/ration.h"
#include "node/reap.h"
#include "node/turn.h"
#include "tree/apply.h"
#include "tree/image.h"
#include "tree/prepare.h"
#include "zab/zab.h"

/* The group side: one ZAB ensemble's share of this server with its tree, its log's tickets, its images. Turns what ZAB
 * asks for into actions, applies what it delivers, and serves the session side with writes, syncs and re-attachments.
 *
 * The session side is told of what happens through notes, which are values; neither side holds pointers into the
 * other. Not known here: connections, watches, client frames. */

enum viv_group_note_kind {
    VIV_GROUP_LOOKING,  /* flag: there is no leader, and one is looked for; or one was found. Told before the tree
                           changes under it */
    VIV_GROUP_SERVING,  /* flag: clients may be served, or not any more */
    VIV_GROUP_APPLIED,  /* applied: the tree shows it; nothing later is in the tree yet */
    VIV_GROUP_REFUSED,  /* session_id, cxid, err: the leader could not take this write; it will never be applied */
    VIV_GROUP_SYNCED,   /* who: the oldest sync of this one is answered; who 0: the oldest question for a point to
                           read at is */
    VIV_GROUP_ATTACHED, /* session_id, flag: the leader knows the session, and it is ours now; or its end is committed,
                           though perhaps not in the tree yet */
    VIV_GROUP_TOUCHED_ASK, /* touched: append {i64 session, i32 timeout} of all that were active since the last time */
};

struct viv_group_note {
    enum viv_group_note_kind kind;
    bool flag;
    int64_t session_id;
    int32_t cxid, err;
    uint64_t who;
    const struct viv_applied *applied;
    const struct viv_mark *mark; /* APPLIED: when it passed the log, or NULL */
    struct viv_buffer *touched;
};
typedef void viv_group_note_fn(void *ctx, const struct viv_group_note *note);

/* A snapshot stream from the leader on its way to become the state. */
enum viv_install_state {
    VIV_INSTALL_NONE,
    VIV_INSTALL_RECEIVING, /* nothing durable yet: may be given up */
    VIV_INSTALL_MARKING,   /* hard state says that an image is coming */
    VIV_INSTALL_WRITING,   /* the image is being written */
    VIV_INSTALL_RESETTING, /* the log is told to restart behind it */
};

struct viv_install {
    enum viv_install_state state;
    uint32_t link;
    uint64_t zxid;
    bool forgets_epoch; /* the log becomes shorter: until an epoch is adopted again, this server counts for nothing */
    bool is_native;     /* from one of our own servers: nodes younger than zxid are left out of it */
    struct viv_tree *tree; /* the new one; owned */
    struct viv_tree_loader *loader;
};

struct viv_group {
    viv_gid gid;
    viv_sid sid;
    bool standalone;
    struct viv_zab *zab;
    struct viv_tree *tree;
    struct viv_preparer *preparer;
    struct viv_prepare_rules rules;
    viv_sid successor;    /* of the reconfiguration being made: who shall lead, or 0 */
    struct viv_reap reap; /* leader only */
    bool emulate_353_ttl;
    struct viv_expiry expiry; /* leader only; otherwise empty */
    struct viv_links *links;  /* the node's */
    const struct viv_turn *turn;
    struct viv_group_measure measure;
    viv_group_note_fn *notify;
    void *notify_ctx;

    struct viv_zab_outputs outputs;
    struct viv_arena zab_arena, apply_arena;
    bool draining, releasing;  /* outputs; syncs of learners */
    struct viv_buffer scratch; /* the body or record being made */
    enum viv_zab_phase phase;
    bool serving, disk_full, disk_low;
    uint64_t served_zxid; /* start of the epoch in which serving began */
    uint64_t trimmed_to;  /* because the disk runs low */
    struct viv_ration ration;

    /* the log */
    struct viv_hard_state hard;
    uint64_t ticket_last;
    struct viv_fifo tickets;     /* struct log_ticket, in order */
    struct viv_fifo reads;       /* struct log_read, any order of answers */
    struct viv_entry *appending; /* this turn's APPENDs */
    size_t appending_count, appending_capacity;
    uint64_t appending_hint;

    /* syncs: struct viv_group_sync */
    struct viv_fifo syncs;         /* of our own clients */
    struct viv_fifo learner_syncs; /* leader: of learners, who = link; and who asks for a session, 0 = ourselves */
    bool sync_is_quick;            /* as in ZooKeeper: the leader answers without asking a quorum */
    bool confirm_wanted;           /* in this turn */
    uint64_t confirm_mark;         /* of what is asked in this turn */
    uint64_t confirmed_mark;

    /* images */
    struct viv_fifo streams; /* struct viv_snapshot_stream: SNAPs to learners */
    struct viv_install install;
    struct viv_checkpoint checkpoint;
    bool state_takes_deltas, image_exists;
    bool image_is_wanted;    /* soon: a configuration was committed, which a restart shall know to be */
    bool image_is_damaged;   /* a whole one is due, from the tree in memory */
    uint64_t image_retry_ms; /* not before, after one failed */
    uint64_t image_zxid;     /* where the newest image begins */
    int64_t image_wall_ms;
    uint64_t checkpoint_entries, checkpoint_bytes; /* policy; 0 = never */
    uint64_t entries_since_image, bytes_since_image;

    struct viv_digests digests;

    /* recovery */
    struct viv_state_mark mark;
    struct viv_zab_start start;
    uint64_t recovered_zxid; /* newest entry seen */
    bool is_behind_fault;    /* an entry could not be replayed: the rest waits, and so does the look at the digest */
    bool log_is_stale;       /* an installed image replaced what the log holds */
};

/* Somebody waits until the tree shows what was committed when he asked, by a leader that was still one then. A
 * transaction that was proposed after he asked and is committed tells as much as the confirmation does. Who asks for a
 * session that seems to be over waits in the same way (node/lead.h). */
struct viv_group_sync {
    uint64_t who;
    uint64_t zxid;       /* UINT64_MAX: the leader has not answered */
    uint64_t after_zxid; /* leader: proposed last when he asked */
    uint64_t mark;       /* leader: of the confirmation that he waits for; 0: of none */
    bool is_answered;
    int64_t session_id; /* leader: asked for, by a client of `server`; 0: a sync */
    int32_t timeout_ms;
    viv_sid server;
};

void viv_group_init(struct viv_group *group, const struct viv_node_config *config, struct viv_links *links,
                    const struct viv_turn *turn, struct viv_metrics *metrics, viv_group_note_fn *notify,
                    void *notify_ctx);
void viv_group_fini(struct viv_group *group);

/* Recovery, as in node/node.h. */
viv_status viv_group_recover_image_end(struct viv_group *group, const struct viv_state_mark *mark,
                                       const struct viv_hard_state *hard, struct viv_bytes config_text) VIV_MUST_USE;
void viv_group_recover_restart(struct viv_group *group);
viv_status viv_group_recover_entry(struct viv_group *group, const struct viv_entry *entry, bool committed) VIV_MUST_USE;
viv_status viv_group_recover_end(struct viv_group *group, const struct viv_log_bounds *bounds) VIV_MUST_USE;
void viv_group_recover_baseless(struct viv_group *group, const struct viv_log_bounds *bounds,
                                const struct viv_hard_state *hard, struct viv_bytes config_text);
/* The recorded digest, once the entries behind an image are applied. */
viv_status viv_group_check_digest(const struct viv_group *group) VIV_MUST_USE;

/* For the session side. */
/* Prepares and proposes, or forwards. 0, or the reply code of a write that is refused here and now. */
int32_t viv_group_write(struct viv_group *group, const struct viv_request *request);
/* `request` is the client's; what it holds is not kept. Answered by a note, possibly before this returns. */
void viv_group_sync(struct viv_group *group, uint64_t who, const struct viv_request *request);
/* What is committed now, as the quorum's leader knows it: answered by a note with who 0, in order, once the tree shows
 * that. `request` names any client that waits for it. */
void viv_group_read_point(struct viv_group *group, const struct viv_request *request);
/* Does the session live; if so it is ours from now on. Answered by a note, possibly before this returns. */
void viv_group_attach(struct viv_group *group, int64_t session_id, int32_t timeout_ms);
/* What replies carry and clients compare: the last transaction applied, or the start of the epoch served. */
uint64_t viv_group_zxid(const struct viv_group *group);

/* For the node: events of the group. */
void viv_group_start(struct viv_group *group);
void viv_group_tick(struct viv_group *group);
void viv_group_log_done(struct viv_group *group, uint64_t ticket);
void viv_group_log_read(struct viv_group *group, const struct viv_event *event);
/* Images are made more often, and the log is trimmed behind the newest one. */
void viv_group_disk_low(struct viv_group *group, bool is_low, uint64_t needed_after);
void viv_group_disk_full(struct viv_group *group, bool is_full);
void viv_group_image_fault(struct viv_group *group);
void viv_group_checkpoint_done(struct viv_group *group, const struct viv_event *event);
/* End of a turn: one confirmation for all that asked in it; what was gathered for the log; then images. */
void viv_group_confirm(struct viv_group *group);
void viv_group_flush_log(struct viv_group *group);
void viv_group_checkpoint_slice(struct viv_group *group, bool is_busy);

/* For the other modules of the group side. */
/* Gives ZAB an input (now is filled in) and does all that it asks for. */
void viv_group_input(struct viv_group *group, struct viv_zab_input *input);
/* group_log.c: what is asked of the log and what it answers. */
void viv_group_log_init(struct viv_group *group);
void viv_group_log_fini(struct viv_group *group);
void viv_group_append(struct viv_group *group, const struct viv_zab_output *output);   /* ZAB output APPEND */
void viv_group_read_log(struct viv_group *group, const struct viv_zab_output *output); /* ZAB output READ */
void viv_group_repair(struct viv_group *group, const struct viv_zab_output *output);   /* ZAB output REPAIR */
void viv_group_fault(struct viv_group *group, const struct viv_event *event);
enum viv_log_ticket_kind {
    VIV_LOG_TICKET_APPEND,
    VIV_LOG_TICKET_TRUNCATE,
    VIV_LOG_TICKET_EPOCHS,
    VIV_LOG_TICKET_REPAIR,
    VIV_LOG_TICKET_INSTALL_MARK,
    VIV_LOG_TICKET_INSTALL_RESET,
    VIV_LOG_TICKET_INSTALL_CLEAR,
    VIV_LOG_TICKET_RECOVERED, /* what an installation of an earlier life left behind is put right */
};
/* A LOG_* action behind everything appended so far. */
struct viv_action *viv_group_log_action(struct viv_group *group, enum viv_action_kind kind,
                                        enum viv_log_ticket_kind ticket_kind);
/* group_sync.c. Answers our clients' syncs whose point is in the tree. */
void viv_group_release_syncs(struct viv_group *group);
/* The same before the transaction is applied: what was asked before it was proposed is answered without it. */
void viv_group_release_syncs_before(struct viv_group *group, uint64_t zxid);
/* Leader: what a sync of now, or a read, waits for. */
struct viv_group_sync viv_group_sync_point(struct viv_group *group, uint64_t who, bool is_read);
/* Whether its leader was still one. */
bool viv_group_is_confirmed(const struct viv_group *group, const struct viv_group_sync *sync, uint64_t committed_zxid);
/* ZAB output CONFIRMED. */
void viv_group_confirmed(struct viv_group *group, const struct viv_zab_output *output);
void viv_group_forget_syncs(struct viv_group *group);
/* Empty, to be loaded. */
struct viv_tree *viv_group_new_tree(const struct viv_group *group);
void viv_group_replace_tree(struct viv_group *group, struct viv_tree *tree);
void viv_group_fatal(struct viv_group *group, const char *text);

#endif /* VIV_NODE_GROUP_H */
