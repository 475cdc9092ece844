#include "node/watch.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/endian.h"
#include "base/lookup.h"
#include "base/pool.h"
#include "wire/path.h"

enum { MODE_COUNT = 4, STATE_SYNC_CONNECTED = 3, FRAME_LENGTH_BYTES = 4 };
enum { DATA_TABLE = VIV_WATCH_DATA | VIV_WATCH_PERSISTENT | VIV_WATCH_RECURSIVE };
enum { CHILD_TABLE = VIV_WATCH_CHILD | VIV_WATCH_PERSISTENT };

struct watched_path {
    uint32_t oldest, newest; /* its watches */
    uint32_t recursive_count, data_count;
    uint32_t hash;
    struct viv_bytes text; /* owned */
};

struct watcher {
    uint32_t newest; /* its watches */
    uint32_t data_count;
    viv_conn conn;
    uint64_t told;       /* the last trigger that it was told of */
    uint32_t pair_count; /* paths that it waits for */
};

struct watch {
    uint32_t path, watcher;
    uint32_t path_older, path_newer;
    uint32_t watcher_older, watcher_newer;
    int modes;
};

struct viv_watches {
    struct viv_pool paths, watchers, watches;
    struct viv_lookup by_text, by_conn, by_pair;
    uint64_t mode_counts[MODE_COUNT];
    uint64_t table_count; /* what operators call the number of watches */
    uint64_t data_count, data_paths, data_watchers;
    uint64_t trigger;
    bool is_firing;
    struct viv_buffer frame;
    uint64_t pair_count; /* of (path, connection) */
};

/* ---- items ---- */

static struct watched_path *path_at(const struct viv_watches *watches, uint32_t index)
{
    return viv_pool_at(&watches->paths, index);
}

static struct watcher *watcher_at(const struct viv_watches *watches, uint32_t index)
{
    return viv_pool_at(&watches->watchers, index);
}

static struct watch *watch_at(const struct viv_watches *watches, uint32_t index)
{
    return viv_pool_at(&watches->watches, index);
}

struct viv_watches *viv_watches_new(void)
{
    struct viv_watches *watches = viv_alloc_zeroed(1, sizeof *watches);
    viv_pool_init(&watches->paths, sizeof(struct watched_path));
    viv_pool_init(&watches->watchers, sizeof(struct watcher));
    viv_pool_init(&watches->watches, sizeof(struct watch));
    return watches;
}

void viv_watches_free(struct viv_watches *watches)
{
    for (uint32_t i = 0; i < watches->paths.used; i++) {
        free((void *)path_at(watches, i)->text.data);
    }
    viv_pool_fini(&watches->paths);
    viv_pool_fini(&watches->watchers);
    viv_pool_fini(&watches->watches);
    viv_lookup_fini(&watches->by_text);
    viv_lookup_fini(&watches->by_conn);
    viv_lookup_fini(&watches->by_pair);
    viv_buffer_fini(&watches->frame);
    free(watches);
}

/* ---- finding ---- */

static uint32_t hash_of_conn(viv_conn conn)
{
    return viv_lookup_hash(viv_bytes_of(&conn, sizeof conn));
}

static uint32_t hash_of_pair(uint32_t path, uint32_t watcher)
{
    uint64_t pair = (uint64_t)path << 32 | watcher;
    return viv_lookup_hash(viv_bytes_of(&pair, sizeof pair));
}

static uint32_t find_path(const struct viv_watches *watches, struct viv_bytes text)
{
    uint32_t cursor = 0, at;
    uint32_t hash = viv_lookup_hash(text);

    while ((at = viv_lookup_next(&watches->by_text, hash, &cursor)) != VIV_LOOKUP_NONE) {
        if (viv_bytes_equal(path_at(watches, at)->text, text)) {
            return at;
        }
    }
    return VIV_POOL_NONE;
}

static uint32_t find_watcher(const struct viv_watches *watches, viv_conn conn)
{
    uint32_t cursor = 0, at;
    uint32_t hash = hash_of_conn(conn);

    while ((at = viv_lookup_next(&watches->by_conn, hash, &cursor)) != VIV_LOOKUP_NONE) {
        if (watcher_at(watches, at)->conn == conn) {
            return at;
        }
    }
    return VIV_POOL_NONE;
}

static uint32_t find_watch(const struct viv_watches *watches, uint32_t path, uint32_t watcher)
{
    uint32_t cursor = 0, at;

    if (path == VIV_POOL_NONE || watcher == VIV_POOL_NONE) {
        return VIV_POOL_NONE;
    }
    uint32_t hash = hash_of_pair(path, watcher);
    while ((at = viv_lookup_next(&watches->by_pair, hash, &cursor)) != VIV_LOOKUP_NONE) {
        const struct watch *watch = watch_at(watches, at);
        if (watch->path == path && watch->watcher == watcher) {
            return at;
        }
    }
    return VIV_POOL_NONE;
}

/* ---- adding ---- */

static uint32_t need_path(struct viv_watches *watches, struct viv_bytes text)
{
    uint32_t at = find_path(watches, text);
    if (at != VIV_POOL_NONE) {
        return at;
    }
    at = viv_pool_take(&watches->paths);
    uint8_t *copy = viv_alloc(text.size == 0 ? 1 : text.size);
    if (text.size > 0) {
        memcpy(copy, text.data, text.size);
    }
    *path_at(watches, at) = (struct watched_path){.oldest = VIV_POOL_NONE,
                                                  .newest = VIV_POOL_NONE,
                                                  .hash = viv_lookup_hash(text),
                                                  .text = viv_bytes_of(copy, text.size)};
    viv_lookup_add(&watches->by_text, path_at(watches, at)->hash, at);
    return at;
}

static uint32_t need_watcher(struct viv_watches *watches, viv_conn conn)
{
    uint32_t at = find_watcher(watches, conn);
    if (at == VIV_POOL_NONE) {
        at = viv_pool_take(&watches->watchers);
        *watcher_at(watches, at) = (struct watcher){.newest = VIV_POOL_NONE, .conn = conn};
        viv_lookup_add(&watches->by_conn, hash_of_conn(conn), at);
    }
    return at;
}

static uint32_t link_watch(struct viv_watches *watches, uint32_t path_index, uint32_t watcher_index)
{
    uint32_t at = viv_pool_take(&watches->watches);
    struct watched_path *path = path_at(watches, path_index);
    struct watcher *watcher = watcher_at(watches, watcher_index);

    *watch_at(watches, at) = (struct watch){
        .path = path_index,
        .watcher = watcher_index,
        .path_older = path->newest,
        .path_newer = VIV_POOL_NONE,
        .watcher_older = watcher->newest,
        .watcher_newer = VIV_POOL_NONE,
    };
    if (path->newest == VIV_POOL_NONE) {
        path->oldest = at;
    } else {
        watch_at(watches, path->newest)->path_newer = at;
    }
    if (watcher->newest != VIV_POOL_NONE) {
        watch_at(watches, watcher->newest)->watcher_newer = at;
    }
    path->newest = at;
    watcher->newest = at;
    watcher->pair_count++;
    watches->pair_count++;
    viv_lookup_add(&watches->by_pair, hash_of_pair(path_index, watcher_index), at);
    return at;
}

static unsigned tables_of(int modes)
{
    return ((modes & DATA_TABLE) != 0) + ((modes & CHILD_TABLE) != 0);
}

/* `count` of something changes by `delta`; *holders is how many have one at all. */
static void count_held(uint32_t *count, uint32_t delta, uint64_t *holders)
{
    *holders -= *count > 0;
    *count += delta;
    *holders += *count > 0;
}

static void count_data_table(struct viv_watches *watches, const struct watch *watch, int modes)
{
    uint32_t delta = (uint32_t)((modes & DATA_TABLE) != 0) - (uint32_t)((watch->modes & DATA_TABLE) != 0);
    if (delta != 0) {
        watches->data_count += (uint64_t)(int64_t)(int32_t)delta;
        count_held(&path_at(watches, watch->path)->data_count, delta, &watches->data_paths);
        count_held(&watcher_at(watches, watch->watcher)->data_count, delta, &watches->data_watchers);
    }
}

/* Every change of a watch's modes goes through here: the counts follow. */
static void set_modes(struct viv_watches *watches, struct watch *watch, int modes)
{
    struct watched_path *path = path_at(watches, watch->path);
    for (int i = 0; i < MODE_COUNT; i++) {
        int mode = 1 << i;
        watches->mode_counts[i] += (uint64_t)((modes & mode) != 0) - (uint64_t)((watch->modes & mode) != 0);
    }
    path->recursive_count +=
        (uint32_t)((modes & VIV_WATCH_RECURSIVE) != 0) - (uint32_t)((watch->modes & VIV_WATCH_RECURSIVE) != 0);
    watches->table_count += (uint64_t)tables_of(modes) - tables_of(watch->modes);
    count_data_table(watches, watch, modes);
    watch->modes = modes;
}

void viv_watches_add(struct viv_watches *watches, viv_conn conn, struct viv_bytes path, enum viv_watch_mode mode)
{
    VIV_ASSERT(!watches->is_firing);
    VIV_ASSERT(conn != 0);
    uint32_t path_index = need_path(watches, path);
    uint32_t watcher_index = need_watcher(watches, conn);
    uint32_t at = find_watch(watches, path_index, watcher_index);
    if (at == VIV_POOL_NONE) {
        at = link_watch(watches, path_index, watcher_index);
    }
    struct watch *watch = watch_at(watches, at);
    set_modes(watches, watch, watch->modes | mode);
}

enum viv_watch_room viv_watches_room(const struct viv_watches *watches, viv_conn conn, struct viv_bytes path,
                                     uint64_t count_max, uint64_t per_connection_max)
{
    if (watches->pair_count < count_max && watches->pair_count < per_connection_max) {
        return VIV_WATCH_ROOM; /* by far the most frequent */
    }
    uint32_t at = find_watcher(watches, conn);
    if (find_watch(watches, find_path(watches, path), at) != VIV_POOL_NONE) {
        return VIV_WATCH_ROOM;
    }
    if (at != VIV_POOL_NONE && watcher_at(watches, at)->pair_count >= per_connection_max) {
        return VIV_WATCH_NO_ROOM_OF_CONNECTION;
    }
    return watches->pair_count < count_max ? VIV_WATCH_ROOM : VIV_WATCH_NO_ROOM;
}

/* ---- removing ---- */

static void unlink_from_path(struct viv_watches *watches, const struct watch *watch)
{
    struct watched_path *path = path_at(watches, watch->path);
    if (watch->path_older == VIV_POOL_NONE) {
        path->oldest = watch->path_newer;
    } else {
        watch_at(watches, watch->path_older)->path_newer = watch->path_newer;
    }
    if (watch->path_newer == VIV_POOL_NONE) {
        path->newest = watch->path_older;
    } else {
        watch_at(watches, watch->path_newer)->path_older = watch->path_older;
    }
    if (path->oldest == VIV_POOL_NONE) {
        VIV_ASSERT(path->recursive_count == 0);
        viv_lookup_remove(&watches->by_text, path->hash, watch->path);
        free((void *)path->text.data);
        path->text = (struct viv_bytes){0};
        viv_pool_give(&watches->paths, watch->path);
    }
}

static void unlink_from_watcher(struct viv_watches *watches, const struct watch *watch)
{
    struct watcher *watcher = watcher_at(watches, watch->watcher);
    VIV_ASSERT(watcher->pair_count > 0 && watches->pair_count > 0);
    watcher->pair_count--;
    watches->pair_count--;
    if (watch->watcher_older != VIV_POOL_NONE) {
        watch_at(watches, watch->watcher_older)->watcher_newer = watch->watcher_newer;
    }
    if (watch->watcher_newer == VIV_POOL_NONE) {
        watcher->newest = watch->watcher_older;
    } else {
        watch_at(watches, watch->watcher_newer)->watcher_older = watch->watcher_older;
    }
    if (watcher->newest == VIV_POOL_NONE) {
        viv_lookup_remove(&watches->by_conn, hash_of_conn(watcher->conn), watch->watcher);
        watcher->conn = 0;
        viv_pool_give(&watches->watchers, watch->watcher);
    }
}

/* Takes modes away; the watch goes with its last one. */
static void clear_modes(struct viv_watches *watches, uint32_t at, int modes)
{
    struct watch *watch = watch_at(watches, at);
    set_modes(watches, watch, watch->modes & ~modes);
    if (watch->modes == 0) {
        viv_lookup_remove(&watches->by_pair, hash_of_pair(watch->path, watch->watcher), at);
        unlink_from_path(watches, watch);
        unlink_from_watcher(watches, watch);
        viv_pool_give(&watches->watches, at);
    }
}

int viv_watches_held(const struct viv_watches *watches, viv_conn conn, struct viv_bytes path, int modes)
{
    uint32_t at = find_watch(watches, find_path(watches, path), find_watcher(watches, conn));
    return at == VIV_POOL_NONE ? 0 : watch_at(watches, at)->modes & modes;
}

bool viv_watches_remove(struct viv_watches *watches, viv_conn conn, struct viv_bytes path, int modes)
{
    VIV_ASSERT(!watches->is_firing);
    uint32_t at = find_watch(watches, find_path(watches, path), find_watcher(watches, conn));
    if (at == VIV_POOL_NONE || (watch_at(watches, at)->modes & modes) == 0) {
        return false;
    }
    clear_modes(watches, at, modes);
    return true;
}

void viv_watches_drop(struct viv_watches *watches, viv_conn conn)
{
    VIV_ASSERT(!watches->is_firing);
    uint32_t watcher = find_watcher(watches, conn);
    uint32_t at = watcher == VIV_POOL_NONE ? VIV_POOL_NONE : watcher_at(watches, watcher)->newest;
    while (at != VIV_POOL_NONE) {
        uint32_t older = watch_at(watches, at)->watcher_older;
        clear_modes(watches, at, VIV_WATCH_ANY);
        at = older;
    }
    VIV_ASSERT(find_watcher(watches, conn) == VIV_POOL_NONE);
}

/* ---- firing ---- */

/* What one change has to tell of one path: the frame is made when the first connection wants it. */
struct news {
    enum viv_event_type type;
    struct viv_bytes path, acl;
    uint64_t zxid;
    bool is_encoded;
    viv_watch_event_fn *deliver;
    void *ctx;
};

static void tell(struct viv_watches *watches, struct news *news, uint32_t watcher_index)
{
    struct watcher *watcher = watcher_at(watches, watcher_index);
    if (watcher->told == watches->trigger) {
        return;
    }
    watcher->told = watches->trigger;
    if (!news->is_encoded) {
        viv_buffer_clear(&watches->frame);
        viv_watch_event_encode(&watches->frame, news->type, (int64_t)news->zxid, news->path);
        news->is_encoded = true;
    }
    struct viv_watch_event event = {watcher->conn, news->type, news->path, viv_buffer_bytes(&watches->frame),
                                    news->acl};
    watches->is_firing = true;
    news->deliver(news->ctx, &event);
    watches->is_firing = false;
}

/* Tells those who hold one of `modes` on exactly this path, and consumes its one-shot watches of that table. */
static void trigger_path(struct viv_watches *watches, struct news *news, struct viv_bytes path, int modes)
{
    uint32_t path_index = find_path(watches, path);
    uint32_t at = path_index == VIV_POOL_NONE ? VIV_POOL_NONE : path_at(watches, path_index)->oldest;
    while (at != VIV_POOL_NONE) {
        const struct watch *watch = watch_at(watches, at);
        uint32_t newer = watch->path_newer;
        if ((watch->modes & modes) != 0) {
            tell(watches, news, watch->watcher);
            clear_modes(watches, at, modes & (VIV_WATCH_DATA | VIV_WATCH_CHILD));
        }
        at = newer;
    }
}

static void trigger_ancestors(struct viv_watches *watches, struct news *news)
{
    struct viv_bytes path = news->path;
    while (path.size > 1) {
        path = viv_path_parent(path);
        struct viv_bytes text = path.size == 0 ? VIV_BYTES_LITERAL("/") : path;
        uint32_t path_index = find_path(watches, text);
        if (path_index != VIV_POOL_NONE && path_at(watches, path_index)->recursive_count > 0) {
            trigger_path(watches, news, text, VIV_WATCH_RECURSIVE);
        }
    }
}

static uint64_t count_modes(const struct viv_watches *watches, int modes)
{
    uint64_t count = 0;
    for (int i = 0; i < MODE_COUNT; i++) {
        count += (modes & 1 << i) != 0 ? watches->mode_counts[i] : 0;
    }
    return count;
}

static void trigger_data(struct viv_watches *watches, struct news *news)
{
    if (count_modes(watches, DATA_TABLE) > 0) {
        trigger_path(watches, news, news->path, DATA_TABLE);
    }
    if (count_modes(watches, VIV_WATCH_RECURSIVE) > 0) {
        trigger_ancestors(watches, news);
    }
}

static void trigger_child(struct viv_watches *watches, struct news *news)
{
    if (count_modes(watches, CHILD_TABLE) > 0) {
        trigger_path(watches, news, news->path, CHILD_TABLE);
    }
}

static void trigger_parent(struct viv_watches *watches, const struct news *of_child, struct viv_bytes parent_acl)
{
    struct viv_bytes parent = viv_path_parent(of_child->path);
    struct news news = *of_child;

    news.type = VIV_EVENT_NODE_CHILDREN_CHANGED;
    news.path = parent.size == 0 ? VIV_BYTES_LITERAL("/") : parent;
    news.acl = parent_acl;
    news.is_encoded = false;
    watches->trigger++;
    trigger_child(watches, &news);
}

void viv_watches_fire(struct viv_watches *watches, const struct viv_change *change, uint64_t zxid,
                      viv_watch_event_fn *deliver, void *ctx)
{
    static const enum viv_event_type types[] = {
        [VIV_CHANGE_CREATED] = VIV_EVENT_NODE_CREATED,
        [VIV_CHANGE_DELETED] = VIV_EVENT_NODE_DELETED,
        [VIV_CHANGE_DATA] = VIV_EVENT_NODE_DATA_CHANGED,
    };

    VIV_ASSERT(!watches->is_firing);
    if (watches->watches.live == 0) {
        return;
    }
    struct news news = {types[change->kind], change->path, change->acl, zxid, false, deliver, ctx};
    watches->trigger++;
    trigger_data(watches, &news);
    if (change->kind == VIV_CHANGE_DELETED) {
        /* The same trigger: whoever was told through the data table is not told again. */
        trigger_child(watches, &news);
    }
    if (change->kind != VIV_CHANGE_DATA) {
        trigger_parent(watches, &news, change->parent_acl);
    }
}

void viv_watch_event_encode(struct viv_buffer *out, enum viv_event_type type, int64_t zxid, struct viv_bytes path)
{
    size_t start = out->size;
    viv_jute_write_int(out, 0);
    viv_reply_header_encode(out, &(struct viv_reply_header){VIV_XID_NOTIFICATION, zxid, 0});
    viv_watcher_event_encode(out, &(struct viv_watcher_event){(int32_t)type, STATE_SYNC_CONNECTED, path});
    viv_store_be32(out->data + start, (uint32_t)(out->size - start - FRAME_LENGTH_BYTES));
}

/* ---- listing ---- */

/* Enters the next path or connection; one whose place is free is passed over. */
static void enter_next(const struct viv_watches *watches, enum viv_watch_order order, struct viv_watch_cursor *cursor)
{
    uint32_t at = cursor->owner++;
    cursor->is_inside = false;
    cursor->is_named = false;
    if (order == VIV_WATCHES_BY_PATH && path_at(watches, at)->text.data != NULL) {
        cursor->is_inside = true;
        cursor->watch = path_at(watches, at)->oldest;
    } else if (order == VIV_WATCHES_BY_CONNECTION && watcher_at(watches, at)->conn != 0) {
        cursor->is_inside = true;
        cursor->watch = watcher_at(watches, at)->newest;
    }
}

bool viv_watches_next(const struct viv_watches *watches, enum viv_watch_order order, struct viv_watch_cursor *cursor,
                      struct viv_watch_item *item, size_t *looks)
{
    bool by_path = order == VIV_WATCHES_BY_PATH;
    const struct viv_pool *owners = by_path ? &watches->paths : &watches->watchers;
    for (; *looks > 0; --*looks) {
        if (!cursor->is_inside || cursor->watch == VIV_POOL_NONE) {
            if (cursor->owner >= owners->used) {
                return false;
            }
            enter_next(watches, order, cursor);
            continue;
        }
        const struct watch *watch = watch_at(watches, cursor->watch);
        if (watch->modes == 0 || (by_path ? watch->path : watch->watcher) != cursor->owner - 1) {
            cursor->is_inside = false; /* it went while nobody looked, and with it the way to the others */
            continue;
        }
        cursor->watch = by_path ? watch->path_newer : watch->watcher_older;
        if ((watch->modes & DATA_TABLE) != 0) {
            *item = (struct viv_watch_item){path_at(watches, watch->path)->text,
                                            watcher_at(watches, watch->watcher)->conn, !cursor->is_named};
            cursor->is_named = true;
            --*looks;
            return true;
        }
    }
    return false;
}

void viv_watches_counts(const struct viv_watches *watches, struct viv_watch_counts *counts)
{
    *counts = (struct viv_watch_counts){
        .watches = watches->table_count,
        .paths = watches->paths.live,
        .connections = watches->watchers.live,
        .data_watches = watches->data_count,
        .data_paths = watches->data_paths,
        .data_connections = watches->data_watchers,
    };
    VIV_ASSERT(counts->watches >= watches->watches.live);
}
