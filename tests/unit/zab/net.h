#ifndef VIV_TESTS_UNIT_ZAB_NET_H
#define VIV_TESTS_UNIT_ZAB_NET_H

#include "base/arena.h"
#include "base/rng.h"
#include "zab/zab.h"

/* A small world for ZAB instances: links that are FIFO until they break, disks that answer late and forget what they
 * did not answer, servers that die and come back. Everything is drawn from one seed. After every step the promises of
 * ZAB are checked; the first that is broken is kept in `failure`. */

enum { NET_SERVERS_MAX = 7 };

/* What a server's tree is here: the entries it was given, in order. */
struct net_record {
    uint64_t zxid;
    uint32_t crc;
};
struct net_records {
    struct net_record *items;
    size_t count, capacity;
};

struct net_entry {
    uint64_t zxid;
    uint32_t crc;
    struct viv_buffer body;
};

struct net_disk {
    struct net_entry *entries; /* durable */
    size_t count, capacity;
    uint64_t base_zxid;
    uint64_t hint_zxid;
    uint32_t accepted_epoch, current_epoch;
    struct net_records image;
    struct viv_buffer members; /* of the image: text of a configuration, or empty */
};

struct net_write; /* one operation on its way to the disk */

struct net_server {
    viv_sid sid;
    bool voter;
    struct viv_zab *zab; /* NULL: it is down */
    uint32_t life;       /* grows with every start */
    bool listens, drains;
    enum viv_server_state state;
    enum viv_zab_phase phase;
    struct viv_zab_outputs out;
    struct viv_arena arena;
    struct net_disk disk;
    struct net_write *writes; /* FIFO */
    struct net_write **writes_end;
    bool writing;
    struct net_records tree;
    struct viv_buffer members; /* of the tree, likewise */
    uint32_t receiving_link;
    uint64_t receiving_zxid;
    uint64_t synced_zxid;    /* newest it received on this link */
    uint64_t newleader_zxid; /* the same when NEWLEADER came */
};

struct net_link;
struct net_event;

struct net_config {
    uint64_t seed;
    size_t voters, observers;
    size_t spares;              /* servers that are no members at first; then the ensemble may change */
    bool has_groups;            /* three of them, in turn; the fifth server has no weight */
    bool disks_lie;             /* they answer before anything is durable */
    bool rules_unchecked;       /* leave D1-D8 to the consequences */
    uint32_t disk_ms_max;       /* an operation takes up to this */
    uint32_t packet_ms_max;     /* so does a packet */
    uint32_t vote_ms_max;       /* and a vote */
    uint32_t votes_lost;        /* of a hundred */
    uint32_t epoch_entries_max; /* 0: more than there will be */
    const char *policy;         /* NULL: fle */
    uint64_t slack;
    bool winner_imposes; /* the mutant: whoever is elected does not hear that others know more */
};

struct net {
    struct net_config config;
    struct viv_rng rng;
    uint64_t now_ms, sequence;
    struct net_server servers[NET_SERVERS_MAX];
    struct viv_zab_member members[NET_SERVERS_MAX];
    size_t count;
    struct net_event *heap;
    size_t heap_count, heap_capacity;
    struct net_link *links;
    uint32_t link_last;
    bool cut[NET_SERVERS_MAX][NET_SERVERS_MAX];
    uint64_t vote_due[NET_SERVERS_MAX][NET_SERVERS_MAX];

    struct net_records truth;   /* what was delivered anywhere */
    viv_sid leader_of[1 << 12]; /* by epoch */
    uint64_t sync_kinds[32];    /* by packet type */
    uint64_t rollovers, pulls;
    uint64_t digest; /* of everything that happened */
    uint64_t proposals, steps, reconfigurations;
    char failure[200];
};

void net_init(struct net *net, const struct net_config *config);
void net_fini(struct net *net);
void net_start(struct net *net, size_t index);
void net_crash(struct net *net, size_t index);
/* Its disk is replaced by an empty one. A server that is down, and no voter: a voter's promises may not be lost. */
void net_wipe(struct net *net, size_t index);
/* Cuts or heals both directions. A cut link breaks at once or, half-open, when it is healed. */
void net_cut(struct net *net, size_t a, size_t b, bool cut);
/* The tree becomes a durable image; with trim the log forgets what the image holds. */
void net_checkpoint(struct net *net, size_t index, bool trim);
/* The established leader proposes one entry. False: there is none. */
bool net_propose(struct net *net);
/* The established leader proposes that these be the members, by index; successor: who shall lead then, or 0. False:
 * there is no leader, or it may not: another change is under way, or no quorum of those follows it. */
struct net_change {
    unsigned voters, observers; /* masks */
    viv_sid successor;
};
bool net_reconfigure(struct net *net, const struct net_change *change);
/* The text that every server begins with. */
void net_first_members(const struct net *net, struct viv_buffer *text);
/* Lets so many things happen. */
void net_run_events(struct net *net, size_t count);
/* Lets time pass. */
void net_run(struct net *net, uint64_t ms);
/* Until every running server serves and has delivered all; false when it takes longer. */
bool net_settle(struct net *net, uint64_t ms_max);
/* Index of the established leader, or -1. */
int net_leader(const struct net *net);

#endif /* VIV_TESTS_UNIT_ZAB_NET_H */
