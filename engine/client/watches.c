#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/endian.h"
#include "client/client_internal.h"

/* A request with all watches of a session may be longer than a server takes in one frame. */
enum { TELL_BYTES_MAX = 128 << 10 };

static struct viv_bytes copy_of(struct viv_bytes bytes)
{
    uint8_t *data = viv_alloc(bytes.size + 1);
    memcpy(data, bytes.data, bytes.size);
    return viv_bytes_of(data, bytes.size);
}

static void release(struct viv_bytes bytes)
{
    free((void *)bytes.data);
}

/* Where `path` is or would be. */
static size_t place_of(const struct watch_list *list, struct viv_bytes path, bool *found)
{
    size_t low = 0;
    size_t high = list->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (viv_bytes_compare(list->paths[middle], path) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *found = low < list->count && viv_bytes_equal(list->paths[low], path);
    return low;
}

static void add(struct watch_list *list, struct viv_bytes path)
{
    bool found;
    size_t place = place_of(list, path, &found);
    if (found) {
        return;
    }
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? 8 : list->capacity * 2;
        list->paths = viv_realloc(list->paths, list->capacity * sizeof *list->paths);
    }
    memmove(list->paths + place + 1, list->paths + place, (list->count - place) * sizeof *list->paths);
    list->paths[place] = copy_of(path);
    list->count++;
}

static bool take_out(struct watch_list *list, struct viv_bytes path)
{
    bool found;
    size_t place = place_of(list, path, &found);
    if (found) {
        release(list->paths[place]);
        list->count--;
        memmove(list->paths + place, list->paths + place + 1, (list->count - place) * sizeof *list->paths);
    }
    return found;
}

void watches_forget_all(struct watches *watches)
{
    for (size_t kind = 0; kind < VIV_CLIENT_WATCH_KINDS; kind++) {
        struct watch_list *list = &watches->lists[kind];
        for (size_t i = 0; i < list->count; i++) {
            release(list->paths[i]);
        }
        list->count = 0;
    }
}

void watches_fini(struct watches *watches)
{
    watches_forget_all(watches);
    for (size_t kind = 0; kind < VIV_CLIENT_WATCH_KINDS; kind++) {
        free(watches->lists[kind].paths);
    }
    for (size_t i = 0; i < watches->wish_count; i++) {
        release(watches->wishes[i].path);
    }
    free(watches->wishes);
}

void watches_wish(struct watches *watches, int32_t xid, enum viv_client_watch kind, struct viv_bytes path)
{
    VIV_ASSERT(kind < VIV_CLIENT_WATCH_KINDS);
    if (watches->wish_count == watches->wish_capacity) {
        watches->wish_capacity = watches->wish_capacity == 0 ? 8 : watches->wish_capacity * 2;
        watches->wishes = viv_realloc(watches->wishes, watches->wish_capacity * sizeof *watches->wishes);
    }
    watches->wishes[watches->wish_count++] = (struct watch_wish){.xid = xid, .kind = kind, .path = copy_of(path)};
}

void watches_answered(struct watches *watches, int32_t xid, enum viv_op op, int32_t err)
{
    if (watches->wish_count == 0 || watches->wishes[0].xid != xid) {
        return;
    }
    struct watch_wish wish = watches->wishes[0];
    watches->wish_count--;
    memmove(watches->wishes, watches->wishes + 1, watches->wish_count * sizeof *watches->wishes);
    if (err == VIV_REPLY_OK) {
        add(&watches->lists[wish.kind], wish.path);
    } else if (err == VIV_REPLY_NO_NODE && op == VIV_OP_EXISTS) {
        add(&watches->lists[VIV_CLIENT_WATCH_EXIST], wish.path);
    }
    release(wish.path);
}

/* A watch of one shot is used up; the others stay. */
void watches_fired(struct watches *watches, const struct viv_watcher_event *event)
{
    if (event->type != VIV_EVENT_NODE_CHILDREN_CHANGED) {
        (void)take_out(&watches->lists[VIV_CLIENT_WATCH_DATA], event->path);
        (void)take_out(&watches->lists[VIV_CLIENT_WATCH_EXIST], event->path);
    }
    if (event->type == VIV_EVENT_NODE_CHILDREN_CHANGED || event->type == VIV_EVENT_NODE_DELETED) {
        (void)take_out(&watches->lists[VIV_CLIENT_WATCH_CHILD], event->path);
    }
}

bool viv_client_forget_watch(struct viv_client *client, enum viv_client_watch kind, struct viv_bytes path)
{
    VIV_ASSERT(kind < VIV_CLIENT_WATCH_KINDS);
    return take_out(&client->watches.lists[kind], path);
}

/* From (kind, at) on, as many as one frame holds: the five lists of a setWatches2, of which at most the last ones are
 * not empty. Moves both on. */
static void encode_some(const struct watches *watches, size_t *kind, size_t *at, int64_t last_zxid,
                        struct viv_buffer *out)
{
    viv_jute_write_long(out, last_zxid);
    size_t first_kind = *kind;
    for (size_t list_kind = 0; list_kind < VIV_CLIENT_WATCH_KINDS; list_kind++) {
        const struct watch_list *list = &watches->lists[list_kind];
        size_t count_at = out->size;
        int32_t count = 0;
        viv_jute_write_int(out, 0);
        bool due = list_kind >= first_kind && list_kind == *kind;
        while (due && *at < list->count && out->size < TELL_BYTES_MAX) {
            viv_jute_write_bytes(out, list->paths[(*at)++]);
            count++;
        }
        if (due && *at == list->count) {
            *kind += 1;
            *at = 0;
        }
        viv_store_be32(out->data + count_at, (uint32_t)count);
    }
}

void watches_tell(struct viv_client *client)
{
    size_t total = 0;
    for (size_t kind = 0; kind < VIV_CLIENT_WATCH_KINDS; kind++) {
        total += client->watches.lists[kind].count;
    }
    struct viv_buffer record = {0};
    for (size_t kind = 0, at = 0; total > 0 && kind < VIV_CLIENT_WATCH_KINDS;) {
        viv_buffer_clear(&record);
        encode_some(&client->watches, &kind, &at, client->last_zxid, &record);
        request_own(client, VIV_OP_SET_WATCHES2, VIV_XID_SET_WATCHES, viv_buffer_bytes(&record));
    }
    viv_buffer_fini(&record);
}
