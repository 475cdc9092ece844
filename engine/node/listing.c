#include "node/listing.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/endian.h"
#include "base/limits.h"
#include "tree/acl.h"
#include "wire/reply_code.h"

enum { IDLE_MS = 10000, COUNT_BYTES = 4 };

static void unlink_listing(struct viv_listings *listings, struct viv_listing *listing)
{
    *(listing->newer != NULL ? &listing->newer->older : &listings->newest) = listing->older;
    *(listing->older != NULL ? &listing->older->newer : &listings->oldest) = listing->newer;
}

static void make_newest(struct viv_listings *listings, struct viv_listing *listing)
{
    listing->newer = NULL;
    listing->older = listings->newest;
    *(listing->older != NULL ? &listing->older->newer : &listings->oldest) = listing;
    listings->newest = listing;
}

static void end(struct viv_listings *listings, struct viv_listing *listing)
{
    unlink_listing(listings, listing);
    viv_table_remove(&listings->by_cursor, (uint64_t)listing->cursor);
    viv_bookmark_remove(&listing->place);
    free(listing);
}

void viv_listings_fini(struct viv_listings *listings)
{
    VIV_ASSERT(listings->newest == NULL);
    viv_table_fini(&listings->by_cursor);
}

void viv_listings_drop(struct viv_listings *listings, viv_conn conn)
{
    struct viv_listing *listing = listings->newest;
    while (listing != NULL) {
        struct viv_listing *older = listing->older;
        if (listing->conn == conn) {
            end(listings, listing);
        }
        listing = older;
    }
}

/* ---- room ---- */

static void make_room_for(struct viv_listings *listings, viv_conn conn)
{
    struct viv_listing *oldest = NULL;
    size_t count = 0;
    for (struct viv_listing *listing = listings->newest; listing != NULL; listing = listing->older) {
        if (listing->conn == conn) {
            oldest = listing;
            count++;
        }
    }
    if (count >= VIV_LISTINGS_PER_CONNECTION_MAX) {
        end(listings, oldest);
    }
}

static struct viv_listing *begin(struct viv_listings *listings, viv_conn conn, uint64_t now_ms)
{
    make_room_for(listings, conn);
    if (listings->by_cursor.count >= VIV_LISTINGS_MAX) {
        if (now_ms - listings->oldest->used_ms < IDLE_MS) {
            return NULL;
        }
        end(listings, listings->oldest);
    }
    struct viv_listing *listing = viv_alloc_zeroed(1, sizeof *listing);
    listing->conn = conn;
    listing->cursor = ++listings->last_cursor;
    viv_table_add(&listings->by_cursor, (uint64_t)listing->cursor, listing);
    make_newest(listings, listing);
    return listing;
}

/* The list that the client goes on with; NULL when it is gone, or never was this one. */
static struct viv_listing *resume(struct viv_listings *listings, viv_conn conn, int64_t cursor,
                                  const struct viv_znode *parent)
{
    struct viv_listing *listing = viv_table_get(&listings->by_cursor, (uint64_t)cursor);
    if (listing == NULL || listing->conn != conn || listing->place.parent != parent->id ||
        listing->place.parent_czxid != parent->czxid) {
        return NULL;
    }
    unlink_listing(listings, listing);
    make_newest(listings, listing);
    return listing;
}

/* ---- pages ---- */

static void append_page(struct viv_listings *listings, const struct viv_tree *tree, struct viv_listing *listing,
                        int32_t names_max, struct viv_buffer *record)
{
    size_t start = record->size;
    struct viv_children_page page = {.cursor = listing->cursor};
    if (names_max <= 0 || names_max > VIV_LISTING_PAGE_NAMES_MAX) {
        names_max = VIV_LISTING_PAGE_NAMES_MAX;
    }
    viv_children_page_encode(record, &page);
    size_t names_at = record->size;
    while (page.name_count < names_max && record->size - start < VIV_LISTING_PAGE_BYTES_MAX) {
        viv_node_id child = viv_bookmark_step(tree, &listing->place);
        if (child == VIV_NODE_NONE) {
            break;
        }
        viv_jute_write_bytes(record, viv_tree_name(tree, child));
        page.name_count++;
    }
    if (listing->place.child == VIV_NODE_NONE) {
        end(listings, listing);
        viv_store_be64(record->data + start, 0);
    }
    viv_store_be32(record->data + names_at - COUNT_BYTES, (uint32_t)page.name_count);
}

int32_t viv_listings_serve(struct viv_listings *listings, struct viv_tree *tree, const struct viv_read *read,
                           uint64_t now_ms, struct viv_buffer *record)
{
    struct viv_children_page_request request;
    struct viv_jute_reader reader = viv_jute_reader_of(read->record);
    viv_children_page_request_decode(&reader, &request);
    if (reader.bad || request.path.null) {
        return VIV_REPLY_MARSHALLING_ERROR;
    }
    struct viv_znode node;
    if (!viv_tree_find(tree, request.path.bytes, &node)) {
        return VIV_REPLY_NO_NODE;
    }
    if (!viv_read_may(tree, &node, VIV_PERM_READ, read)) {
        return VIV_REPLY_NO_AUTH;
    }
    struct viv_listing *listing;
    if (request.cursor == 0) {
        listing = begin(listings, read->conn, now_ms);
        if (listing == NULL) {
            return VIV_REPLY_THROTTLED;
        }
        viv_bookmark_set(tree, &listing->place, &node);
    } else {
        listing = resume(listings, read->conn, request.cursor, &node);
        if (listing == NULL) {
            return VIV_REPLY_BAD_ARGUMENTS;
        }
    }
    listing->used_ms = now_ms;
    append_page(listings, tree, listing, request.names_max, record);
    return VIV_REPLY_OK;
}
