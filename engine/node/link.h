#ifndef VIV_NODE_LINK_H
#define VIV_NODE_LINK_H

#include "node/action.h"
#include "node/event.h"
#include "wire/peer.h"

/* Connections of the quorum port as both sides see them: a stream of QuorumPackets, and in one stretch after SNAP raw
 * bytes of a snapshot. Between our own servers every piece travels in an envelope {u16 group, u32 length}. What is
 * said in a turn is gathered and leaves at its end as one LINK_SEND per link.
 *
 * Knows framing; does not know what packets mean or when to say them. */

struct viv_link {
    uint32_t id;
    bool accepted; /* a learner connected to us, rather than we to a leader */
    bool enveloped;
    bool has_spoken; /* something was said on it: who connected has said who it is by then */
    bool snapshot;   /* the bytes that come belong to a snapshot stream */
    bool gone;       /* closed in this turn; lives until the next one because its bytes are borrowed */
    bool ask_drained;
    struct viv_buffer in, out;
    size_t in_used;         /* of `in`, taken already */
    size_t last_cumulative; /* offset in `out` of a last packet that a later one of its kind replaces, or SIZE_MAX */
};

struct viv_links {
    struct viv_link **items;
    size_t count, capacity;
};

void viv_links_fini(struct viv_links *links);
struct viv_link *viv_links_add(struct viv_links *links, uint32_t id, bool accepted);
struct viv_link *viv_links_find(const struct viv_links *links, uint32_t id); /* NULL when unknown or gone */
/* Says what is unsent, then closes. The record stays readable until the next turn. */
void viv_links_close(struct viv_links *links, uint32_t id, struct viv_actions *out);
/* The other end is gone already. */
void viv_links_drop(struct viv_links *links, uint32_t id);
void viv_links_drop_accepted(struct viv_links *links, struct viv_actions *out);
/* End of a turn: one LINK_SEND per link with something to say. */
void viv_links_flush(struct viv_links *links, struct viv_actions *out);
/* Start of a turn: what the last one sent is done with. */
void viv_links_turn_begin(struct viv_links *links);

void viv_link_put_packet(struct viv_link *link, viv_gid gid, const struct viv_packet *packet);
/* A piece of a snapshot stream. */
void viv_link_put_snapshot(struct viv_link *link, viv_gid gid, struct viv_bytes bytes);

enum viv_link_item_kind { VIV_LINK_NOTHING, VIV_LINK_PACKET, VIV_LINK_SNAPSHOT, VIV_LINK_MALFORMED };
struct viv_link_item {
    enum viv_link_item_kind kind;
    viv_gid gid;
    struct viv_packet packet;
    struct viv_bytes bytes; /* SNAPSHOT: at least one byte of the stream */
};
void viv_link_feed(struct viv_link *link, struct viv_bytes bytes);
/* The next whole item; borrows from the link until viv_link_taken. */
void viv_link_take(struct viv_link *link, struct viv_link_item *item);
/* The last `size` bytes of a SNAPSHOT item belong to what follows the stream; false when an envelope forbids that. */
bool viv_link_put_back(struct viv_link *link, size_t size);
/* Every whole item was taken: makes room. */
void viv_link_taken(struct viv_link *link);

#endif /* VIV_NODE_LINK_H */
