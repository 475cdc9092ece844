#ifndef VIV_NODE_LISTING_H
#define VIV_NODE_LISTING_H

#include "node/read_path.h"
#include "node/table.h"
#include "tree/bookmark.h"

/* Lists of children that clients read page by page (wire/records.h, struct viv_children_page): which connection stands
 * where. A page costs what it holds, however long the list is, and a list keeps nothing but its place. Permission is
 * checked for every page. Bounded: a connection's oldest list makes room for its next one; when the server's are used
 * up, one that nobody has asked for in a while makes room for a new one, else the new one is refused. */

struct viv_listing {
    viv_conn conn;
    int64_t cursor;
    uint64_t used_ms;
    struct viv_bookmark place;
    struct viv_listing *newer, *older;
};

struct viv_listings {
    struct viv_table by_cursor;
    struct viv_listing *newest, *oldest; /* by use */
    int64_t last_cursor;
};

void viv_listings_fini(struct viv_listings *listings);
/* The connection is gone. */
void viv_listings_drop(struct viv_listings *listings, viv_conn conn);
/* Serves VIV_OP_GET_CHILDREN_PAGE: the reply code; appends the record when it is VIV_REPLY_OK, else nothing. */
int32_t viv_listings_serve(struct viv_listings *listings, struct viv_tree *tree, const struct viv_read *read,
                           uint64_t now_ms, struct viv_buffer *record);

#endif /* VIV_NODE_LISTING_H */
