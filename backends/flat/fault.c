#include "backends/flat/fault.h"

#include <stdlib.h>
#include <string.h>

void viv_flat_faults_fini(struct viv_flat_faults *faults)
{
    free(faults->items);
    *faults = (struct viv_flat_faults){0};
}

static bool is_above(const struct viv_flat_fault *fault, viv_gid gid, uint64_t zxid)
{
    return fault->gid > gid || (fault->gid == gid && fault->entry.zxid > zxid);
}

size_t viv_flat_faults_above(const struct viv_flat_faults *faults, viv_gid gid, uint64_t zxid)
{
    size_t low = 0;
    size_t high = faults->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (is_above(&faults->items[middle], gid, zxid)) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

const struct viv_flat_fault *viv_flat_faults_find(const struct viv_flat_faults *faults, viv_gid gid, uint64_t zxid)
{
    size_t above = viv_flat_faults_above(faults, gid, zxid);
    const struct viv_flat_fault *found = above > 0 ? &faults->items[above - 1] : NULL;
    return found != NULL && found->gid == gid && found->entry.zxid == zxid ? found : NULL;
}

uint64_t viv_flat_faults_uncertain(const struct viv_flat_faults *faults, viv_gid gid)
{
    for (size_t i = viv_flat_faults_above(faults, gid, 0); i < faults->count && faults->items[i].gid == gid; i++) {
        if (faults->items[i].entry.is_uncertain) {
            return faults->items[i].entry.zxid;
        }
    }
    return 0;
}

bool viv_flat_faults_add(struct viv_flat_faults *faults, const struct viv_flat_fault *fault)
{
    if (viv_flat_faults_find(faults, fault->gid, fault->entry.zxid) != NULL) {
        return false;
    }
    if (faults->count == faults->capacity) {
        faults->capacity = faults->capacity > 0 ? faults->capacity * 2 : 8;
        faults->items = viv_realloc(faults->items, faults->capacity * sizeof *faults->items);
    }
    size_t at = viv_flat_faults_above(faults, fault->gid, fault->entry.zxid);
    memmove(&faults->items[at + 1], &faults->items[at], (faults->count - at) * sizeof *faults->items);
    faults->items[at] = *fault;
    faults->count++;
    return true;
}

void viv_flat_faults_forget(struct viv_flat_faults *faults, viv_gid gid, uint64_t after, uint64_t upto)
{
    size_t first = viv_flat_faults_above(faults, gid, after);
    size_t end = viv_flat_faults_above(faults, gid, upto);
    if (end == first) {
        return; /* also without memory: memmove takes no NULL */
    }
    memmove(&faults->items[first], &faults->items[end], (faults->count - end) * sizeof *faults->items);
    faults->count -= end - first;
}

void viv_flat_faults_release(struct viv_flat_faults *faults, uint64_t seq)
{
    size_t kept = 0;
    for (size_t i = 0; i < faults->count; i++) {
        if (faults->items[i].seq > seq) {
            faults->items[kept++] = faults->items[i];
        }
    }
    faults->count = kept;
}
