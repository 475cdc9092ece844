#include "metrics/top.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { WINDOWS = 2 };

struct counter {
    uint64_t hash; /* of the whole key; a session's is its id */
    uint64_t count, error;
    uint16_t path_bytes;
    uint8_t path[VIV_TOP_PATH_BYTES_MAX];
};

/* Hashes apart from the rest: looking for one reads eight lines of memory, not all. */
struct table {
    uint64_t hashes[VIV_TOP_COUNTERS];
    struct counter counters[VIV_TOP_COUNTERS];
    unsigned used;
};

struct window {
    struct table paths, sessions;
};

struct viv_top {
    struct window windows[WINDOWS];
    unsigned current;
    bool has_whole;
    uint64_t begin_ns, now_ns;
};

struct viv_top *viv_top_new(void)
{
    return viv_alloc_zeroed(1, sizeof(struct viv_top));
}

void viv_top_free(struct viv_top *top)
{
    free(top);
}

static void clear(struct window *window)
{
    window->paths.used = window->sessions.used = 0;
}

void viv_top_tick(struct viv_top *top, uint64_t now_ns)
{
    uint64_t age_ns = top->begin_ns == 0 ? 0 : now_ns - top->begin_ns;
    top->now_ns = now_ns;
    if (top->begin_ns == 0) {
        top->begin_ns = now_ns;
    } else if (age_ns >= VIV_TOP_WINDOW_NS) {
        top->begin_ns = now_ns;
        top->current = 1 - top->current;
        clear(&top->windows[top->current]);
        /* After a pause of more than a window nothing is known of the one before the present. */
        top->has_whole = age_ns < 2 * VIV_TOP_WINDOW_NS;
    }
}

static unsigned find(const struct table *table, uint64_t hash)
{
    for (unsigned i = 0; i < table->used; i++) {
        if (table->hashes[i] == hash) {
            return i;
        }
    }
    return VIV_TOP_COUNTERS;
}

static unsigned find_least(const struct table *table)
{
    unsigned least = 0;
    for (unsigned i = 1; i < VIV_TOP_COUNTERS; i++) {
        least = table->counters[i].count < table->counters[least].count ? i : least;
    }
    return least;
}

/* Counts the key. Returns its counter when it has just taken it over. */
static struct counter *count(struct table *table, uint64_t hash, uint64_t weight)
{
    unsigned index = find(table, hash);
    if (index < VIV_TOP_COUNTERS) {
        table->counters[index].count += weight;
        return NULL;
    }
    bool is_full = table->used == VIV_TOP_COUNTERS;
    index = is_full ? find_least(table) : table->used++;
    struct counter *counter = &table->counters[index];
    counter->error = is_full ? counter->count : 0;
    counter->count = counter->error + weight;
    counter->hash = table->hashes[index] = hash;
    return counter;
}

void viv_top_write(struct viv_top *top, struct viv_bytes path, uint64_t weight)
{
    struct counter *counter = count(&top->windows[top->current].paths, XXH3_64bits(path.data, path.size), weight);
    if (counter != NULL) {
        counter->path_bytes = (uint16_t)(path.size < VIV_TOP_PATH_BYTES_MAX ? path.size : VIV_TOP_PATH_BYTES_MAX);
        memcpy(counter->path, path.data, counter->path_bytes);
    }
}

void viv_top_request(struct viv_top *top, int64_t session_id, uint64_t weight)
{
    (void)count(&top->windows[top->current].sessions, (uint64_t)session_id, weight);
}

/* ---- showing ---- */

uint64_t viv_top_window_ns(const struct viv_top *top)
{
    return top->has_whole ? VIV_TOP_WINDOW_NS : top->now_ns - top->begin_ns;
}

static int compare(const void *left, const void *right)
{
    const struct counter *a = *(const struct counter *const *)left, *b = *(const struct counter *const *)right;
    if (a->count != b->count) {
        return a->count > b->count ? -1 : 1;
    }
    return a->hash < b->hash ? -1 : a->hash > b->hash;
}

static void visit_table(const struct table *table, viv_top_item_fn *visit, void *ctx)
{
    const struct counter *sorted[VIV_TOP_COUNTERS];
    for (unsigned i = 0; i < table->used; i++) {
        sorted[i] = &table->counters[i];
    }
    qsort(sorted, table->used, sizeof sorted[0], compare);
    for (unsigned i = 0; i < table->used; i++) {
        struct viv_top_item item = {
            .path = viv_bytes_of(sorted[i]->path, sorted[i]->path_bytes),
            .session_id = (int64_t)sorted[i]->hash,
            .count = sorted[i]->count,
            .error = sorted[i]->error,
        };
        visit(ctx, &item);
    }
}

static const struct window *shown(const struct viv_top *top)
{
    return &top->windows[top->has_whole ? 1 - top->current : top->current];
}

void viv_top_visit_paths(const struct viv_top *top, viv_top_item_fn *visit, void *ctx)
{
    visit_table(&shown(top)->paths, visit, ctx);
}

void viv_top_visit_sessions(const struct viv_top *top, viv_top_item_fn *visit, void *ctx)
{
    visit_table(&shown(top)->sessions, visit, ctx);
}
