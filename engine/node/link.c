#include "node/link.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/endian.h"
#include "base/limits.h"

enum {
    ENVELOPE_BYTES = 6,
    PACKET_ZXID_OFFSET = 4,
    /* A packet is its data, its identities and some integers. */
    /* FOLLOWERINFO carries some 30 bytes. Who has not said who it is makes us hold no more than this. */
    STRANGER_BYTES_MAX = 4096,
    ENVELOPED_BYTES_MAX = VIV_ENTRY_BYTES_MAX + VIV_FRAME_BYTES_MAX_DEFAULT,
};

static void link_free(struct viv_link *link)
{
    viv_buffer_fini(&link->in);
    viv_buffer_fini(&link->out);
    free(link);
}

void viv_links_fini(struct viv_links *links)
{
    for (size_t i = 0; i < links->count; i++) {
        link_free(links->items[i]);
    }
    free(links->items);
    *links = (struct viv_links){0};
}

struct viv_link *viv_links_add(struct viv_links *links, uint32_t id, bool accepted)
{
    VIV_ASSERT(viv_links_find(links, id) == NULL);
    if (links->count == links->capacity) {
        links->capacity = links->capacity == 0 ? 8 : links->capacity * 2;
        links->items = viv_realloc(links->items, links->capacity * sizeof(struct viv_link *));
    }
    struct viv_link *link = viv_alloc_zeroed(1, sizeof *link);
    link->id = id;
    link->accepted = accepted;
    link->last_cumulative = SIZE_MAX;
    links->items[links->count++] = link;
    return link;
}

struct viv_link *viv_links_find(const struct viv_links *links, uint32_t id)
{
    for (size_t i = 0; i < links->count; i++) {
        if (links->items[i]->id == id && !links->items[i]->gone) {
            return links->items[i];
        }
    }
    return NULL;
}

static void flush(struct viv_link *link, struct viv_actions *out)
{
    if (link->out.size > 0) {
        struct viv_action *action = viv_actions_add(out, VIV_ACTION_LINK_SEND);
        action->link = link->id;
        action->bytes = viv_buffer_bytes(&link->out);
        action->flag = link->ask_drained;
    }
}

void viv_links_close(struct viv_links *links, uint32_t id, struct viv_actions *out)
{
    struct viv_link *link = viv_links_find(links, id);
    if (link != NULL) {
        flush(link, out);
        viv_actions_add(out, VIV_ACTION_LINK_CLOSE)->link = id;
        link->gone = true;
    }
}

void viv_links_drop(struct viv_links *links, uint32_t id)
{
    struct viv_link *link = viv_links_find(links, id);
    if (link != NULL) {
        link->gone = true;
    }
}

void viv_links_drop_accepted(struct viv_links *links, struct viv_actions *out)
{
    for (size_t i = 0; i < links->count; i++) {
        struct viv_link *link = links->items[i];
        if (link->accepted && !link->gone) {
            flush(link, out);
            link->gone = true;
        }
    }
}

void viv_links_flush(struct viv_links *links, struct viv_actions *out)
{
    for (size_t i = 0; i < links->count; i++) {
        if (!links->items[i]->gone) {
            flush(links->items[i], out);
        }
    }
}

void viv_links_turn_begin(struct viv_links *links)
{
    size_t kept = 0;
    for (size_t i = 0; i < links->count; i++) {
        struct viv_link *link = links->items[i];
        if (link->gone) {
            link_free(link);
            continue;
        }
        viv_buffer_clear(&link->out);
        link->ask_drained = false;
        link->last_cumulative = SIZE_MAX;
        links->items[kept++] = link;
    }
    links->count = kept;
}

static void open_envelope(struct viv_link *link, viv_gid gid)
{
    if (link->enveloped) {
        viv_store_be16(viv_buffer_extend(&link->out, 2), gid);
        viv_store_be32(viv_buffer_extend(&link->out, 4), 0);
    }
}

static void close_envelope(struct viv_link *link, size_t start)
{
    if (link->enveloped) {
        size_t size = link->out.size - start - ENVELOPE_BYTES;
        VIV_ASSERT(size <= ENVELOPED_BYTES_MAX);
        viv_store_be32(link->out.data + start + 2, (uint32_t)size);
    }
}

/* Between our own servers ACK(z) and COMMIT(z) speak for everything up to z. Those with counter 0 close a phase and
 * are counted one by one. */
static bool is_cumulative(const struct viv_link *link, const struct viv_packet *packet)
{
    return link->enveloped && (packet->type == VIV_PACKET_ACK || packet->type == VIV_PACKET_COMMIT) &&
           VIV_ZXID_COUNTER(packet->zxid) != 0 && !packet->has_data;
}

/* Replaces the packet said last when the new one says more of the same. */
static bool merge(struct viv_link *link, viv_gid gid, const struct viv_packet *packet)
{
    if (link->last_cumulative == SIZE_MAX) {
        return false;
    }
    uint8_t *last = link->out.data + link->last_cumulative;
    uint8_t *body = last + ENVELOPE_BYTES;
    uint64_t zxid = viv_load_be64(body + PACKET_ZXID_OFFSET);
    if (viv_load_be16(last) != gid || viv_load_be32(body) != (uint32_t)packet->type ||
        VIV_ZXID_EPOCH(zxid) != VIV_ZXID_EPOCH(packet->zxid) || zxid > packet->zxid) {
        return false;
    }
    viv_store_be64(body + PACKET_ZXID_OFFSET, packet->zxid);
    return true;
}

void viv_link_put_packet(struct viv_link *link, viv_gid gid, const struct viv_packet *packet)
{
    VIV_ASSERT(!link->gone);
    link->has_spoken = true;
    bool cumulative = is_cumulative(link, packet);
    if (cumulative && merge(link, gid, packet)) {
        return;
    }
    size_t start = link->out.size;
    open_envelope(link, gid);
    viv_packet_encode(&link->out, packet);
    close_envelope(link, start);
    link->last_cumulative = cumulative ? start : SIZE_MAX;
}

void viv_link_put_snapshot(struct viv_link *link, viv_gid gid, struct viv_bytes bytes)
{
    VIV_ASSERT(!link->gone);
    size_t start = link->out.size;
    open_envelope(link, gid);
    viv_buffer_append_bytes(&link->out, bytes);
    close_envelope(link, start);
    link->last_cumulative = SIZE_MAX;
}

void viv_link_feed(struct viv_link *link, struct viv_bytes bytes)
{
    viv_buffer_append_bytes(&link->in, bytes);
}

/* One envelope off the front: false when it is not whole yet, or malformed (item->kind says which). */
static bool take_envelope(struct viv_link *link, struct viv_bytes rest, struct viv_link_item *item)
{
    if (rest.size < ENVELOPE_BYTES) {
        return false;
    }
    uint32_t size = viv_load_be32(rest.data + 2);
    if (size == 0 || size > ENVELOPED_BYTES_MAX) {
        item->kind = VIV_LINK_MALFORMED;
        return false;
    }
    if (rest.size - ENVELOPE_BYTES < size) {
        return false;
    }
    item->gid = viv_load_be16(rest.data);
    item->bytes = viv_bytes_of(rest.data + ENVELOPE_BYTES, size);
    link->in_used += ENVELOPE_BYTES + size;
    return true;
}

static void take_enveloped(struct viv_link *link, struct viv_bytes rest, struct viv_link_item *item)
{
    if (!take_envelope(link, rest, item)) {
        return;
    }
    if (link->snapshot) {
        item->kind = VIV_LINK_SNAPSHOT;
        return;
    }
    size_t used = 0;
    viv_status status = viv_packet_decode(item->bytes, VIV_ENTRY_BYTES_MAX, &item->packet, &used);
    item->kind = status == VIV_OK && used == item->bytes.size ? VIV_LINK_PACKET : VIV_LINK_MALFORMED;
}

static void take_bare(struct viv_link *link, struct viv_bytes rest, struct viv_link_item *item)
{
    if (link->snapshot) {
        item->kind = rest.size > 0 ? VIV_LINK_SNAPSHOT : VIV_LINK_NOTHING;
        item->bytes = rest;
        link->in_used += rest.size;
        return;
    }
    size_t used = 0;
    bool is_stranger = link->accepted && !link->has_spoken;
    size_t most = is_stranger ? STRANGER_BYTES_MAX : VIV_ENTRY_BYTES_MAX;
    viv_status status = viv_packet_decode(rest, most, &item->packet, &used);
    if (status != VIV_OK) {
        item->kind = VIV_LINK_MALFORMED;
    } else if (used > 0) {
        item->kind = VIV_LINK_PACKET;
        link->in_used += used;
    }
}

void viv_link_take(struct viv_link *link, struct viv_link_item *item)
{
    *item = (struct viv_link_item){.kind = VIV_LINK_NOTHING};
    struct viv_bytes rest = viv_bytes_of(link->in.data + link->in_used, link->in.size - link->in_used);
    if (link->enveloped) {
        take_enveloped(link, rest, item);
    } else {
        take_bare(link, rest, item);
    }
    VIV_ASSERT(link->in_used <= link->in.size);
}

bool viv_link_put_back(struct viv_link *link, size_t size)
{
    if (size > 0 && link->enveloped) {
        return false;
    }
    VIV_ASSERT(size <= link->in_used);
    link->in_used -= size;
    return true;
}

void viv_link_taken(struct viv_link *link)
{
    viv_buffer_consume(&link->in, link->in_used);
    link->in_used = 0;
}
