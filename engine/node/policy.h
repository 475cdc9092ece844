#ifndef VIV_NODE_POLICY_H
#define VIV_NODE_POLICY_H

#include "base/bytes.h"
#include "base/limits.h"

/* What an operator decides about clients: how much they may ask for, what they must prove, and which kinds of sessions
 * there are. Texts are borrowed for viv_node_new and kept there. Every number has its default and its reason in
 * base/limits.h; in an all-zero record 0 stands for that default, except where 0 is said to switch something off. */

struct viv_node_policy {
    /* requests: beyond these, reading pauses; nothing is refused */
    uint64_t outstanding_count, outstanding_bytes;
    uint64_t outstanding_per_connection_count;
    /* watches: beyond these, the request that would set one is refused with VIV_REPLY_SYSTEM_ERROR and no effect; a
     * setWatches closes its connection, since its client would not notice a refusal */
    uint64_t watches_count, watches_per_connection_count;
    /* sessions: beyond these, who asks for a new one is closed without a word, as by a server that is away */
    uint64_t sessions_count;
    uint64_t handshake_ms;             /* who has no session by then is closed */
    uint64_t new_sessions_burst_count; /* 0 switches this one off */
    uint64_t new_sessions_per_second;
    /* a longer answer is VIV_REPLY_MARSHALLING_ERROR; never less than a node's data may take */
    uint64_t reply_bytes;
    /* the leader refuses what would make the tree grow beyond, with VIV_REPLY_SYSTEM_ERROR; 0 switches it off */
    uint64_t tree_bytes;

    bool local_sessions, local_session_upgrade; /* not when standalone, as with ZooKeeper */
    bool read_only_mode;                        /* without a quorum reads are served to those who ask for it */
    bool sync_is_quick;     /* the leader answers a sync without asking whether it is one, as ZooKeeper's do */
    bool reads_are_current; /* a read shows all that was acknowledged before it was asked, as a sync and a read do */

    struct viv_bytes schemes_required; /* "sasl,x509": one of them, before anything else is served; "": none */
    bool keep_failed_sasl;             /* whose SASL exchange failed may stay */
    struct viv_bytes super_digest;     /* "super:<base64>" is the super user; "": nobody is */
    struct viv_bytes ensemble_names;   /* "a,b": what the `ensemble` scheme may name; "": anything */
    bool serves_sasl;                  /* the skin answers CLIENT_SASL */
};

/* Puts the defaults where 0 stands for them. */
void viv_node_policy_complete(struct viv_node_policy *policy);
/* Moves the texts into an empty buffer. */
void viv_node_policy_keep_texts(struct viv_node_policy *policy, struct viv_buffer *texts);
/* True when the comma list, without blanks, has that name. */
bool viv_node_policy_lists(struct viv_bytes list, struct viv_bytes name);

#endif /* VIV_NODE_POLICY_H */
