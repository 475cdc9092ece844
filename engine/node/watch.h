#ifndef VIV_NODE_WATCH_H
#define VIV_NODE_WATCH_H

#include "node/event.h"
#include "tree/apply.h"

/* Who waits for what on this server: two tables in one, keyed by path and connection (client-protocol.md §13). A
 * connection holds a set of modes on a path; modes coexist. Watches are local to a server, never replicated.
 *
 * It does not know the tree, ACLs, sessions or outboxes: whoever registers has looked first, and whoever delivers may
 * still drop an event (a connection without READ: the event carries the list); a one-shot watch is consumed either way.
 *
 * Events come in the order in which the watches were set, those of the path itself before those of its ancestors.
 * Cost: nothing is looked up while nothing is watched; a trigger is one lookup (one for every ancestor more while
 * there are recursive watches); adding and removing one watch is O(1), dropping a connection O(its watches). */

struct viv_watches;

enum viv_watch_mode {
    VIV_WATCH_DATA = 1,       /* one-shot, set by exists and getData */
    VIV_WATCH_CHILD = 2,      /* one-shot, set by getChildren and getChildren2 */
    VIV_WATCH_PERSISTENT = 4, /* both tables, never consumed */
    VIV_WATCH_RECURSIVE = 8,  /* data events of the path and all below, never consumed */
    VIV_WATCH_ANY = 15,
};

struct viv_watches *viv_watches_new(void);
void viv_watches_free(struct viv_watches *watches);

/* Adds one mode; setting it twice is a no-op. The path is kept as it is given. */
void viv_watches_add(struct viv_watches *watches, viv_conn conn, struct viv_bytes path, enum viv_watch_mode mode);
/* Whether another one may be added where so many (path, connection) pairs are allowed in all and of one connection; a
 * further mode on a path that the connection waits for already always may. */
enum viv_watch_room { VIV_WATCH_ROOM, VIV_WATCH_NO_ROOM, VIV_WATCH_NO_ROOM_OF_CONNECTION };
enum viv_watch_room viv_watches_room(const struct viv_watches *watches, viv_conn conn, struct viv_bytes path,
                                     uint64_t count_max, uint64_t per_connection_max);
/* The modes, out of the set `modes`, that the connection holds on the path; 0 for none. */
int viv_watches_held(const struct viv_watches *watches, viv_conn conn, struct viv_bytes path, int modes);
/* Removes those modes, without an event. False when none of them was held. */
bool viv_watches_remove(struct viv_watches *watches, viv_conn conn, struct viv_bytes path, int modes);
/* The connection is gone. */
void viv_watches_drop(struct viv_watches *watches, viv_conn conn);

/* One event for one connection. Borrowed for the call; path and frame are the same memory for all connections that
 * are told of the same event. */
struct viv_watch_event {
    viv_conn conn;
    enum viv_event_type type;
    struct viv_bytes path;  /* of the event: the parent for NodeChildrenChanged */
    struct viv_bytes frame; /* the whole notification with its length */
    struct viv_bytes acl;   /* who may read that path, and so hear of it; empty: everybody */
};
/* Must not change the watches. */
typedef void viv_watch_event_fn(void *ctx, const struct viv_watch_event *event);

/* Calls back for every connection that is to be told of the change, at most once for each trigger, and consumes the
 * one-shot watches. zxid: of the transaction, stands in the notification's header. */
void viv_watches_fire(struct viv_watches *watches, const struct viv_change *change, uint64_t zxid,
                      viv_watch_event_fn *deliver, void *ctx);

/* Appends a notification frame with its length. zxid -1: not caused by a transaction (setWatches). */
void viv_watch_event_encode(struct viv_buffer *out, enum viv_event_type type, int64_t zxid, struct viv_bytes path);

/* For operators: the watches of the data table (ZooKeeper's lists do not show those on children), grouped by path or
 * by connection, a few at a time. An all-zero cursor begins. What comes or goes between two calls may be missed. */
enum viv_watch_order { VIV_WATCHES_BY_PATH, VIV_WATCHES_BY_CONNECTION };
struct viv_watch_cursor {
    uint32_t owner, watch; /* the path or connection that is being listed is number owner - 1 */
    bool is_inside, is_named;
};
struct viv_watch_item {
    struct viv_bytes path; /* borrowed until the watches change */
    viv_conn conn;
    bool is_first; /* of its path, or of its connection */
};
/* False: there are no more, or *looks, which every place looked at makes one less, came to 0. */
bool viv_watches_next(const struct viv_watches *watches, enum viv_watch_order order, struct viv_watch_cursor *cursor,
                      struct viv_watch_item *item, size_t *looks);

struct viv_watch_counts {
    uint64_t watches; /* (path, connection, table) triples, as ZooKeeper's total_watches and watch_count count them */
    uint64_t paths, connections;
    uint64_t data_watches, data_paths, data_connections; /* of the data table only, as `wchs` counts them */
};
void viv_watches_counts(const struct viv_watches *watches, struct viv_watch_counts *counts);

#endif /* VIV_NODE_WATCH_H */
