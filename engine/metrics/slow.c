#include "metrics/slow.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

enum { WINDOWS = 6 };
#define WINDOW_NS UINT64_C(10000000000)

struct kept {
    struct viv_slow_request request;
    uint8_t path[VIV_SLOW_PATH_BYTES_MAX];
};

/* The slowest of ten seconds, in no order; `least` is the quickest of them. */
struct window {
    struct kept kept[VIV_SLOW_COUNT];
    unsigned count, least;
};

struct viv_slow {
    struct window windows[WINDOWS];
    unsigned current;
    uint64_t begin_ns;
};

struct viv_slow *viv_slow_new(void)
{
    return viv_alloc_zeroed(1, sizeof(struct viv_slow));
}

void viv_slow_free(struct viv_slow *slow)
{
    free(slow);
}

void viv_slow_tick(struct viv_slow *slow, uint64_t now_ns)
{
    if (slow->begin_ns == 0) {
        slow->begin_ns = now_ns;
        return;
    }
    for (unsigned i = 0; now_ns - slow->begin_ns >= WINDOW_NS && i < WINDOWS; i++) {
        slow->current = (slow->current + 1) % WINDOWS;
        slow->windows[slow->current].count = 0;
        slow->begin_ns += WINDOW_NS;
    }
    if (now_ns - slow->begin_ns >= WINDOW_NS) {
        slow->begin_ns = now_ns; /* nothing was told for more than a minute */
    }
}

uint64_t viv_slow_from_ns(const struct viv_slow *slow)
{
    const struct window *window = &slow->windows[slow->current];
    return window->count < VIV_SLOW_COUNT ? 0 : window->kept[window->least].request.whole_ns + 1;
}

static void find_least(struct window *window)
{
    window->least = 0;
    for (unsigned i = 1; i < window->count; i++) {
        if (window->kept[i].request.whole_ns < window->kept[window->least].request.whole_ns) {
            window->least = i;
        }
    }
}

void viv_slow_record(struct viv_slow *slow, const struct viv_slow_request *request)
{
    VIV_ASSERT(request->whole_ns >= viv_slow_from_ns(slow));
    struct window *window = &slow->windows[slow->current];
    struct kept *kept = &window->kept[window->count < VIV_SLOW_COUNT ? window->count++ : window->least];
    kept->request = *request;
    size_t size = request->path.size < VIV_SLOW_PATH_BYTES_MAX ? request->path.size : VIV_SLOW_PATH_BYTES_MAX;
    if (size > 0) {
        memcpy(kept->path, request->path.data, size);
    }
    kept->request.path = viv_bytes_of(kept->path, size);
    if (window->count == VIV_SLOW_COUNT) {
        find_least(window);
    }
}

/* The slower first; of equals the one that came later. */
static int compare(const void *left, const void *right)
{
    const struct viv_slow_request *a = *(const struct viv_slow_request *const *)left;
    const struct viv_slow_request *b = *(const struct viv_slow_request *const *)right;
    if (a->whole_ns != b->whole_ns) {
        return a->whole_ns > b->whole_ns ? -1 : 1;
    }
    return a->wall_ms > b->wall_ms ? -1 : a->wall_ms < b->wall_ms;
}

void viv_slow_visit(const struct viv_slow *slow, viv_slow_request_fn *visit, void *ctx)
{
    const struct viv_slow_request *found[WINDOWS * VIV_SLOW_COUNT];
    size_t count = 0;
    for (unsigned w = 0; w < WINDOWS; w++) {
        for (unsigned i = 0; i < slow->windows[w].count; i++) {
            found[count++] = &slow->windows[w].kept[i].request;
        }
    }
    qsort(found, count, sizeof found[0], compare);
    for (size_t i = 0; i < count && i < VIV_SLOW_COUNT; i++) {
        visit(ctx, found[i]);
    }
}
