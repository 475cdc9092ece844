#include "backends/flat/index.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

void viv_flat_index_fini(struct viv_flat_index *index)
{
    for (size_t i = 0; i < index->group_count; i++) {
        free(index->groups[i].spans);
    }
    free(index->groups);
    *index = (struct viv_flat_index){0};
}

/* Position of the first group whose gid is not below. */
static size_t position_of(const struct viv_flat_index *index, viv_gid gid)
{
    size_t low = 0;
    size_t high = index->group_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (index->groups[middle].gid < gid) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct viv_flat_group *viv_flat_index_find(struct viv_flat_index *index, viv_gid gid)
{
    size_t at = position_of(index, gid);
    return at < index->group_count && index->groups[at].gid == gid ? &index->groups[at] : NULL;
}

struct viv_flat_group *viv_flat_index_group(struct viv_flat_index *index, viv_gid gid)
{
    size_t at = position_of(index, gid);
    if (at < index->group_count && index->groups[at].gid == gid) {
        return &index->groups[at];
    }
    index->groups = viv_realloc(index->groups, (index->group_count + 1) * sizeof *index->groups);
    memmove(&index->groups[at + 1], &index->groups[at], (index->group_count - at) * sizeof *index->groups);
    index->group_count++;
    index->groups[at] = (struct viv_flat_group){.gid = gid};
    return &index->groups[at];
}

static void raise_commit(struct viv_flat_group *group, uint64_t commit_zxid)
{
    if (commit_zxid > group->commit_zxid) {
        group->commit_zxid = commit_zxid;
    }
}

static bool add_entries(struct viv_flat_group *group, uint64_t first, uint64_t last, uint64_t seq, uint64_t offset)
{
    if (first <= group->last_zxid || last < first) {
        return false;
    }
    group->last_zxid = last;
    struct viv_flat_span *newest = group->span_count > 0 ? &group->spans[group->span_count - 1] : NULL;
    if (newest != NULL && newest->seq == seq && newest->offset == offset) {
        newest->last_zxid = last;
        return true;
    }
    if (group->span_count == group->span_capacity) {
        group->span_capacity = group->span_capacity > 0 ? group->span_capacity * 2 : 16;
        group->spans = viv_realloc(group->spans, group->span_capacity * sizeof *group->spans);
    }
    group->spans[group->span_count++] = (struct viv_flat_span){first, last, seq, offset};
    return true;
}

static void truncate_group(struct viv_flat_group *group, uint64_t keep_zxid)
{
    while (group->span_count > 0 && group->spans[group->span_count - 1].first_zxid > keep_zxid) {
        group->span_count--;
    }
    if (group->span_count > 0 && group->spans[group->span_count - 1].last_zxid > keep_zxid) {
        group->spans[group->span_count - 1].last_zxid = keep_zxid;
    }
    /* Below the base only while the log is read again after the kept entries were trimmed. */
    if (keep_zxid < group->base_zxid) {
        group->base_zxid = keep_zxid;
    }
    if (keep_zxid < group->commit_zxid) {
        group->commit_zxid = keep_zxid;
    }
    group->last_zxid = keep_zxid;
}

void viv_flat_index_forget(struct viv_flat_index *index)
{
    index->has_forgotten = true;
    for (size_t i = 0; i < index->group_count; i++) {
        index->groups[i].span_count = 0;
        index->groups[i].is_lost = true;
    }
}

bool viv_flat_index_is_lost(struct viv_flat_index *index)
{
    index->has_forgotten = false;
    for (size_t i = 0; i < index->group_count; i++) {
        if (index->groups[i].is_lost) {
            return true;
        }
    }
    return false;
}

/* A group stands where the first run after the missing part says. A run that is only a hint says nothing. */
static void find_again(struct viv_flat_group *group, const struct viv_flat_run *run, uint64_t first)
{
    bool has_entries = run->kind == VIV_FLAT_RUN_ENTRIES && run->entry_count > 0;
    if (has_entries || run->kind == VIV_FLAT_RUN_BOUNDS || run->kind == VIV_FLAT_RUN_TRUNCATE) {
        group->base_zxid = group->last_zxid = has_entries ? first - 1 : run->zxid;
        group->is_lost = false;
    }
}

bool viv_flat_index_apply(struct viv_flat_index *index, const struct viv_flat_run *run, uint64_t first, uint64_t last,
                          uint64_t seq, uint64_t offset)
{
    if (run->kind == VIV_FLAT_RUN_NEXT) {
        return true; /* belongs to no group */
    }
    bool is_new = viv_flat_index_find(index, run->gid) == NULL;
    struct viv_flat_group *group = viv_flat_index_group(index, run->gid);
    group->is_lost = group->is_lost || (is_new && index->has_forgotten);
    if (group->is_lost) {
        find_again(group, run, first);
    }
    switch ((enum viv_flat_run_kind)run->kind) {
    case VIV_FLAT_RUN_ENTRIES:
        raise_commit(group, run->commit_zxid);
        return run->entry_count == 0 || add_entries(group, first, last, seq, offset);
    case VIV_FLAT_RUN_TRUNCATE:
        if (run->zxid > group->last_zxid) {
            return false;
        }
        truncate_group(group, run->zxid);
        return true;
    case VIV_FLAT_RUN_RESET:
        group->span_count = 0;
        group->base_zxid = group->last_zxid = group->commit_zxid = run->zxid;
        group->is_lost = false;
        return true;
    case VIV_FLAT_RUN_BOUNDS:
        if (is_new) {
            group->base_zxid = group->last_zxid = run->zxid;
        }
        raise_commit(group, run->commit_zxid);
        return group->last_zxid == run->zxid;
    case VIV_FLAT_RUN_NEXT:
        break;
    }
    return false;
}

const struct viv_flat_span *viv_flat_group_above(const struct viv_flat_group *group, uint64_t zxid)
{
    size_t low = 0;
    size_t high = group->span_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (group->spans[middle].last_zxid <= zxid) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < group->span_count ? &group->spans[low] : NULL;
}

bool viv_flat_index_holds(struct viv_flat_index *index, viv_gid gid, uint64_t zxid)
{
    const struct viv_flat_group *group = viv_flat_index_find(index, gid);
    const struct viv_flat_span *span = group != NULL && zxid > 0 ? viv_flat_group_above(group, zxid - 1) : NULL;
    return span != NULL && span->first_zxid <= zxid;
}

/* Spans of the oldest segment stand first. */
static size_t spans_in(const struct viv_flat_group *group, uint64_t oldest_seq)
{
    size_t count = 0;
    while (count < group->span_count && group->spans[count].seq <= oldest_seq) {
        VIV_ASSERT(group->spans[count].seq == oldest_seq);
        count++;
    }
    return count;
}

bool viv_flat_index_needs(const struct viv_flat_index *index, uint64_t oldest_seq)
{
    for (size_t i = 0; i < index->group_count; i++) {
        const struct viv_flat_group *group = &index->groups[i];
        size_t count = spans_in(group, oldest_seq);
        if (count > 0 && group->spans[count - 1].last_zxid > group->trim_zxid) {
            return true;
        }
    }
    return false;
}

void viv_flat_index_release(struct viv_flat_index *index, uint64_t oldest_seq)
{
    for (size_t i = 0; i < index->group_count; i++) {
        struct viv_flat_group *group = &index->groups[i];
        size_t count = spans_in(group, oldest_seq);
        if (count > 0) {
            VIV_ASSERT(group->spans[count - 1].last_zxid > group->base_zxid);
            group->base_zxid = group->spans[count - 1].last_zxid;
            group->span_count -= count;
            memmove(group->spans, group->spans + count, group->span_count * sizeof *group->spans);
        }
    }
}
