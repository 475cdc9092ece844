#include "tests/support/node_queue.h"

#include <stdlib.h>

#include "base/assert.h"

void viv_happening_fini(struct viv_happening *item)
{
    viv_buffer_fini(&item->bytes);
    viv_buffer_fini(&item->disk_action.rows);
}

void viv_node_queue_fini(struct viv_node_queue *queue)
{
    for (size_t i = 0; i < queue->count; i++) {
        viv_happening_fini(&queue->heap[i]);
    }
    free(queue->heap);
    *queue = (struct viv_node_queue){0};
}

static bool is_before(const struct viv_happening *a, const struct viv_happening *b)
{
    return a->at_ms < b->at_ms || (a->at_ms == b->at_ms && a->sequence < b->sequence);
}

static void swap(struct viv_happening *a, struct viv_happening *b)
{
    struct viv_happening kept = *a;
    *a = *b;
    *b = kept;
}

void viv_node_queue_push(struct viv_node_queue *queue, const struct viv_happening *item)
{
    if (queue->count == queue->capacity) {
        queue->capacity = queue->capacity == 0 ? 256 : queue->capacity * 2;
        queue->heap = viv_realloc(queue->heap, queue->capacity * sizeof *queue->heap);
    }
    size_t index = queue->count++;
    queue->heap[index] = *item;
    queue->heap[index].sequence = ++queue->sequence;
    while (index > 0 && is_before(&queue->heap[index], &queue->heap[(index - 1) / 2])) {
        swap(&queue->heap[index], &queue->heap[(index - 1) / 2]);
        index = (index - 1) / 2;
    }
}

const struct viv_happening *viv_node_queue_next(const struct viv_node_queue *queue)
{
    return queue->count == 0 ? NULL : &queue->heap[0];
}

struct viv_happening viv_node_queue_pop(struct viv_node_queue *queue)
{
    VIV_ASSERT(queue->count > 0);
    struct viv_happening first = queue->heap[0];
    queue->heap[0] = queue->heap[--queue->count];
    for (size_t index = 0;;) {
        size_t least = index;
        for (size_t child = 2 * index + 1; child <= 2 * index + 2 && child < queue->count; child++) {
            least = is_before(&queue->heap[child], &queue->heap[least]) ? child : least;
        }
        if (least == index) {
            return first;
        }
        swap(&queue->heap[index], &queue->heap[least]);
        index = least;
    }
}
