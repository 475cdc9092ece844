#include "sim/agenda.h"

#include <stdlib.h>

#include "base/bytes.h"

void viv_sim_agenda_fini(struct viv_sim_agenda *agenda)
{
    free(agenda->heap);
    *agenda = (struct viv_sim_agenda){0};
}

static bool is_before(const struct viv_sim_due *a, const struct viv_sim_due *b)
{
    if (a->at_ns != b->at_ns) {
        return a->at_ns < b->at_ns;
    }
    return a->tie != b->tie ? a->tie < b->tie : a->sequence < b->sequence;
}

void viv_sim_agenda_add(struct viv_sim_agenda *agenda, int64_t at_ns, int kind, uint64_t a, uint64_t b)
{
    if (agenda->count == agenda->capacity) {
        agenda->capacity = agenda->capacity == 0 ? 256 : agenda->capacity * 2;
        agenda->heap = viv_realloc(agenda->heap, agenda->capacity * sizeof *agenda->heap);
    }
    struct viv_sim_due due = {at_ns, viv_rng_next(&agenda->ties), ++agenda->sequence, kind, a, b};
    size_t index = agenda->count++;
    for (; index > 0 && is_before(&due, &agenda->heap[(index - 1) / 2]); index = (index - 1) / 2) {
        agenda->heap[index] = agenda->heap[(index - 1) / 2];
    }
    agenda->heap[index] = due;
}

bool viv_sim_agenda_take(struct viv_sim_agenda *agenda, struct viv_sim_due *due)
{
    if (agenda->count == 0) {
        return false;
    }
    *due = agenda->heap[0];
    struct viv_sim_due last = agenda->heap[--agenda->count];
    size_t index = 0;
    for (size_t child = 1; child < agenda->count; child = 2 * index + 1) {
        child += child + 1 < agenda->count && is_before(&agenda->heap[child + 1], &agenda->heap[child]);
        if (!is_before(&agenda->heap[child], &last)) {
            break;
        }
        agenda->heap[index] = agenda->heap[child];
        index = child;
    }
    if (agenda->count > 0) {
        agenda->heap[index] = last;
    }
    return true;
}
