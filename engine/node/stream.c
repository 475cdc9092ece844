#include "node/stream.h"

#include "base/assert.h"

/* One slice fills a network for a while and stops the loop thread for well under a millisecond. */
enum { SLICE_BYTES = 256 << 10 };

struct snapshot_stream {
    uint32_t link;
    struct viv_tree_stream *stream;
    bool is_waiting; /* for the link to drain */
};

void viv_streams_init(struct viv_fifo *streams)
{
    viv_fifo_init(streams, sizeof(struct snapshot_stream));
}

void viv_streams_fini(struct viv_fifo *streams)
{
    for (size_t i = 0; i < streams->count; i++) {
        viv_tree_stream_end(((struct snapshot_stream *)viv_fifo_at(streams, i))->stream);
    }
    viv_fifo_fini(streams);
}

void viv_stream_begin(struct viv_group *group, const struct viv_zab_output *output)
{
    struct snapshot_stream *entry = viv_fifo_push(&group->streams);
    *entry = (struct snapshot_stream){.link = output->link, .stream = viv_tree_stream_begin(group->tree)};
}

void viv_stream_drained(struct viv_group *group, uint32_t link)
{
    for (size_t i = 0; i < group->streams.count; i++) {
        struct snapshot_stream *entry = viv_fifo_at(&group->streams, i);
        if (entry->link == link) {
            entry->is_waiting = false;
        }
    }
}

enum slice_result { SLICE_OVER, SLICE_WAITING, SLICE_MOVED };

/* OVER: sent whole, or its link is gone. */
static enum slice_result slice(struct viv_group *group, struct snapshot_stream *entry)
{
    struct viv_link *link = viv_links_find(group->links, entry->link);
    if (link == NULL) {
        return SLICE_OVER;
    }
    if (entry->is_waiting) {
        return SLICE_WAITING;
    }
    viv_buffer_clear(&group->scratch);
    bool more = viv_tree_stream_step(entry->stream, SLICE_BYTES, &group->scratch);
    if (group->scratch.size > 0) {
        viv_link_put_snapshot(link, group->gid, viv_buffer_bytes(&group->scratch));
    }
    link->ask_drained = link->ask_drained || more;
    entry->is_waiting = more;
    return more ? SLICE_MOVED : SLICE_OVER;
}

static void tell_zab(struct viv_group *group, enum viv_zab_input_kind kind, uint32_t link)
{
    if (viv_links_find(group->links, link) != NULL) {
        struct viv_zab_input input = {.kind = kind, .link = link};
        viv_group_input(group, &input);
    }
}

/* Each stream once; those that go on move behind the others. */
void viv_streams_slice(struct viv_group *group)
{
    for (size_t left = group->streams.count; left > 0; left--) {
        struct snapshot_stream entry = *(struct snapshot_stream *)viv_fifo_front(&group->streams);
        viv_fifo_pop(&group->streams);
        enum slice_result result = slice(group, &entry);
        if (result == SLICE_OVER) {
            viv_tree_stream_end(entry.stream);
            tell_zab(group, VIV_ZAB_SNAP_SENT, entry.link);
            continue;
        }
        *(struct snapshot_stream *)viv_fifo_push(&group->streams) = entry;
        if (result == SLICE_MOVED) {
            tell_zab(group, VIV_ZAB_SNAP_PROGRESS, entry.link);
        }
    }
}
