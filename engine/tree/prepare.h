#ifndef VIV_TREE_PREPARE_H
#define VIV_TREE_PREPARE_H

#include "tree/tree.h"

/* Request -> transaction or refusal, seen through the transactions that are proposed but not yet applied. Leader (and
 * standalone) only. Order of checks and error codes: client-protocol.md §5.1. A refusal is a transaction too (type
 * -1, it consumes its zxid). Results are final: sequence names resolved, versions and parent counters absolute, ACLs
 * fixed up; nothing in the record depends on flags. */

struct viv_preparer;

struct viv_request {
    int64_t session_id;
    int32_t cxid;
    int32_t op;                /* enum viv_op, as the client sent it */
    struct viv_bytes record;   /* the request record after its header */
    struct viv_bytes authinfo; /* raw vector<Id>, count first; empty = none */
    bool is_local;             /* of a session that only its server knows: it lives, and may own nothing */
};

/* Whether going over a hard limit is refused (-125) or, like going over a soft one, only said in the log. ZooKeeper's
 * default is to refuse nothing; here whoever writes a hard limit gets one, since a limit that does not hold is worse
 * than none, and soft limits, which is what tools set unless told otherwise, refuse nothing either way. A limits text
 * that cannot be read fails writes (-5) under AUTO only if it speaks of a hard limit. */
enum viv_quota_enforcement {
    VIV_QUOTA_AUTO, /* hard limits hold */
    VIV_QUOTA_ON, /* as ZooKeeper with enforceQuota=true: the same, and unreadable limits fail every write below them */
    VIV_QUOTA_OFF, /* as ZooKeeper's default */
};

/* The text of the ensemble after the change, with zxid as its version; 0, or the code of a refusal. */
typedef int32_t viv_reconfigure_fn(void *ctx, const struct viv_reconfig_request *request, uint64_t zxid,
                                   struct viv_buffer *text);

/* What the operator has switched on. The leader's count; records do not depend on them. */
struct viv_prepare_rules {
    bool extended_types; /* createTTL is served */
    enum viv_quota_enforcement quotas;
    /* Nothing that cannot be replayed is ever proposed: a request whose entry, or whose reply when it is a multi, would
     * be longer is refused with VIV_REPLY_MARSHALLING_ERROR. 0: VIV_ENTRY_BYTES_MAX, and no bound. */
    size_t entry_bytes_max, reply_bytes_max;
    viv_reconfigure_fn *reconfigure; /* NULL: the ensemble cannot be changed by clients */
    void *reconfigure_ctx;
    bool several_addresses; /* ... and may give a server more than one */
    unsigned acl_schemes;   /* of enum viv_acl_scheme: what a stored list may name */
    bool skips_acl;         /* lists are kept and not asked, also for what other servers forward */
};

/* Borrows the tree, which must outlive it. */
struct viv_preparer *viv_preparer_new(const struct viv_tree *tree, const struct viv_prepare_rules *rules);
void viv_preparer_free(struct viv_preparer *preparer);
/* From viv_prepare for closeSession: the session has more ephemerals than its entry can name. The body takes some of
 * them away (a multi of deletes, session 0); propose it, and prepare the same request again with the next zxid. */
enum { VIV_PREPARE_AGAIN = 1 };
/* Appends the entry body (TxnHeader + record) of the transaction that the request comes to. createSession (record:
 * int timeout) and closeSession too. Always succeeds. Returns the reply code that the transaction carries (0, or the
 * error; a failed multi returns the code of its failing operation). */
int32_t viv_prepare(struct viv_preparer *preparer, const struct viv_request *request, uint64_t zxid, int64_t time_ms,
                    struct viv_buffer *body);
/* Transactions up to zxid are in the tree now: what the overlay knew of them is forgotten. */
void viv_preparer_applied(struct viv_preparer *preparer, uint64_t zxid);
/* Leadership ended, or the tree was replaced. */
void viv_preparer_reset(struct viv_preparer *preparer, const struct viv_tree *tree);
/* True when clients may send this operation and it must be prepared and proposed rather than served locally.
 * createSession and deleteContainer are prepared too, but only when the servers themselves ask (the latter with session
 * 0); a client's is unimplemented, as is check outside of a multi. */
bool viv_prepare_is_write(int32_t op);

#endif /* VIV_TREE_PREPARE_H */
