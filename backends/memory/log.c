#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/log.h"
#include "store/log_store.h"

/* A log that lives in this process only: the ceiling every other is compared with, and the template of a new one. */

/* An entry with its own bytes behind it. */
struct kept_entry {
    uint64_t zxid;
    uint32_t body_bytes, body_crc;
    uint8_t body[];
};

struct group {
    viv_gid gid;
    struct viv_log_bounds bounds;
    struct viv_hard_state hard;
    struct kept_entry **entries; /* ascending */
    size_t entry_count, entry_capacity;
};

struct viv_log {
    const struct viv_log_ops *ops;
    pthread_mutex_t mutex; /* readers run on another thread */
    struct group *groups;
    size_t group_count;
    struct viv_store_measure measure;
};

struct viv_log_iter {
    struct viv_log *log;
    viv_gid gid;
    uint64_t after, upto;
    struct viv_buffer bodies; /* of the entries handed out last */
};

extern const struct viv_log_ops viv_memory_log;

static viv_status memory_open(const struct viv_store_config *config, struct viv_log **log,
                              struct viv_store_report *report)
{
    (void)report;
    if (config->durable) {
        viv_log(VIV_LOG_ERROR, "memory", "the memory backend keeps nothing: it starts only with durability=none", "%s",
                "");
        return VIV_ERR_UNSUPPORTED;
    }
    *log = viv_alloc_zeroed(1, sizeof **log);
    (*log)->ops = &viv_memory_log;
    pthread_mutex_init(&(*log)->mutex, NULL);
    return VIV_OK;
}

static void memory_close(struct viv_log *log)
{
    for (size_t i = 0; i < log->group_count; i++) {
        for (size_t j = 0; j < log->groups[i].entry_count; j++) {
            free(log->groups[i].entries[j]);
        }
        free(log->groups[i].entries);
    }
    free(log->groups);
    pthread_mutex_destroy(&log->mutex);
    free(log);
}

static struct group *find(struct viv_log *log, viv_gid gid)
{
    for (size_t i = 0; i < log->group_count; i++) {
        if (log->groups[i].gid == gid) {
            return &log->groups[i];
        }
    }
    return NULL;
}

static struct group *find_or_add(struct viv_log *log, viv_gid gid)
{
    struct group *group = find(log, gid);
    if (group == NULL) {
        log->groups = viv_realloc(log->groups, (log->group_count + 1) * sizeof *log->groups);
        group = &log->groups[log->group_count++];
        *group = (struct group){.gid = gid};
    }
    return group;
}

/* The first entry above zxid. */
static size_t position_above(const struct group *group, uint64_t zxid)
{
    size_t low = 0;
    size_t high = group->entry_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (group->entries[middle]->zxid <= zxid) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void keep_entry(struct group *group, const struct viv_entry *entry)
{
    if (group->entry_count == group->entry_capacity) {
        group->entry_capacity = group->entry_capacity > 0 ? group->entry_capacity * 2 : 64;
        group->entries = viv_realloc(group->entries, group->entry_capacity * sizeof *group->entries);
    }
    struct kept_entry *kept = viv_alloc(sizeof *kept + entry->body.size);
    kept->zxid = entry->zxid;
    kept->body_bytes = (uint32_t)entry->body.size;
    kept->body_crc = entry->body_crc;
    if (entry->body.size > 0) {
        memcpy(kept->body, entry->body.data, entry->body.size);
    }
    group->entries[group->entry_count++] = kept;
    group->bounds.last_zxid = entry->zxid;
}

static viv_status memory_append(struct viv_log *log, const struct viv_log_run *runs, size_t run_count)
{
    pthread_mutex_lock(&log->mutex);
    for (size_t i = 0; i < run_count; i++) {
        struct group *group = find_or_add(log, runs[i].gid);
        for (size_t j = 0; j < runs[i].entry_count; j++) {
            keep_entry(group, &runs[i].entries[j]);
            log->measure.bytes_written += runs[i].entries[j].body.size;
        }
        if (runs[i].commit_zxid > group->bounds.commit_zxid) {
            group->bounds.commit_zxid = runs[i].commit_zxid;
        }
        log->measure.entries += runs[i].entry_count;
    }
    log->measure.appends++;
    pthread_mutex_unlock(&log->mutex);
    return VIV_OK;
}

static viv_status memory_sync(struct viv_log *log)
{
    (void)log;
    return VIV_OK;
}

/* Drops entries from position `from` on. */
static void drop_from(struct group *group, size_t from)
{
    for (size_t i = from; i < group->entry_count; i++) {
        free(group->entries[i]);
    }
    group->entry_count = from;
}

static viv_status memory_truncate(struct viv_log *log, viv_gid gid, uint64_t keep_zxid)
{
    pthread_mutex_lock(&log->mutex);
    struct group *group = find_or_add(log, gid);
    size_t above = position_above(group, keep_zxid);
    bool is_there = keep_zxid == group->bounds.base_zxid || keep_zxid == group->bounds.last_zxid ||
                    (above > 0 && group->entries[above - 1]->zxid == keep_zxid);
    if (is_there) {
        drop_from(group, above);
        group->bounds.last_zxid = keep_zxid;
        if (group->bounds.commit_zxid > keep_zxid) {
            group->bounds.commit_zxid = keep_zxid;
        }
    }
    pthread_mutex_unlock(&log->mutex);
    return is_there ? VIV_OK : VIV_ERR_INVALID;
}

static viv_status memory_reset(struct viv_log *log, viv_gid gid, uint64_t base_zxid)
{
    pthread_mutex_lock(&log->mutex);
    struct group *group = find_or_add(log, gid);
    drop_from(group, 0);
    group->bounds = (struct viv_log_bounds){base_zxid, base_zxid, base_zxid, 0};
    pthread_mutex_unlock(&log->mutex);
    return VIV_OK;
}

static viv_status memory_trim(struct viv_log *log, viv_gid gid, uint64_t zxid)
{
    pthread_mutex_lock(&log->mutex);
    struct group *group = find_or_add(log, gid);
    size_t above = position_above(group, zxid);
    if (above > 0) {
        group->bounds.base_zxid = group->entries[above - 1]->zxid;
        for (size_t i = 0; i < above; i++) {
            free(group->entries[i]);
        }
        group->entry_count -= above;
        memmove(group->entries, group->entries + above, group->entry_count * sizeof(struct kept_entry *));
    }
    pthread_mutex_unlock(&log->mutex);
    return VIV_OK;
}

static void memory_bounds(struct viv_log *log, viv_gid gid, struct viv_log_bounds *bounds)
{
    pthread_mutex_lock(&log->mutex);
    const struct group *group = find(log, gid);
    *bounds = group != NULL ? group->bounds : (struct viv_log_bounds){0};
    if (bounds->commit_zxid > bounds->last_zxid) {
        bounds->commit_zxid = bounds->last_zxid;
    }
    pthread_mutex_unlock(&log->mutex);
}

static viv_status memory_iter_open(struct viv_log *log, viv_gid gid, uint64_t after, uint64_t upto,
                                   struct viv_log_iter **iter)
{
    struct viv_log_bounds bounds;
    memory_bounds(log, gid, &bounds);
    if (after < bounds.base_zxid) {
        return VIV_ERR_TRIMMED;
    }
    *iter = viv_alloc_zeroed(1, sizeof **iter);
    **iter = (struct viv_log_iter){.log = log, .gid = gid, .after = after, .upto = upto};
    return VIV_OK;
}

/* Copies what it hands out: the log may forget an entry while the reader looks at it. */
static viv_status memory_iter_next(struct viv_log_iter *iter, struct viv_entry *entries, size_t capacity,
                                   size_t bytes_max, size_t *count)
{
    viv_buffer_clear(&iter->bodies);
    *count = 0;
    pthread_mutex_lock(&iter->log->mutex);
    const struct group *group = find(iter->log, iter->gid);
    bool is_trimmed = group != NULL && iter->after < group->bounds.base_zxid;
    for (size_t i = group != NULL ? position_above(group, iter->after) : 0;
         !is_trimmed && group != NULL && i < group->entry_count && *count < capacity; i++) {
        const struct kept_entry *kept = group->entries[i];
        if (kept->zxid > iter->upto || (*count > 0 && iter->bodies.size + kept->body_bytes > bytes_max)) {
            break;
        }
        viv_buffer_append(&iter->bodies, kept->body, kept->body_bytes);
        entries[(*count)++] = (struct viv_entry){kept->zxid, {NULL, kept->body_bytes}, kept->body_crc};
        iter->after = kept->zxid;
    }
    pthread_mutex_unlock(&iter->log->mutex);
    const uint8_t *body = iter->bodies.data;
    for (size_t i = 0; i < *count; i++) {
        entries[i].body.data = body;
        body += entries[i].body.size;
    }
    return is_trimmed ? VIV_ERR_TRIMMED : VIV_OK;
}

static void memory_iter_close(struct viv_log_iter *iter)
{
    viv_buffer_fini(&iter->bodies);
    free(iter);
}

static void memory_hard_get(struct viv_log *log, viv_gid gid, struct viv_hard_state *hard)
{
    pthread_mutex_lock(&log->mutex);
    const struct group *group = find(log, gid);
    *hard = group != NULL ? group->hard : (struct viv_hard_state){0};
    pthread_mutex_unlock(&log->mutex);
}

static viv_status memory_hard_put(struct viv_log *log, viv_gid gid, const struct viv_hard_state *hard)
{
    pthread_mutex_lock(&log->mutex);
    find_or_add(log, gid)->hard = *hard;
    pthread_mutex_unlock(&log->mutex);
    return VIV_OK;
}

static viv_status memory_prepare(struct viv_log *log)
{
    (void)log;
    return VIV_OK;
}

static void memory_measure(struct viv_log *log, struct viv_store_measure *measure)
{
    pthread_mutex_lock(&log->mutex);
    *measure = log->measure;
    pthread_mutex_unlock(&log->mutex);
}

const struct viv_log_ops viv_memory_log = {
    .name = "memory",
    .traits = VIV_STORE_VOLATILE,
    .open = memory_open,
    .close = memory_close,
    .append = memory_append,
    .sync = memory_sync,
    .truncate = memory_truncate,
    .reset = memory_reset,
    .trim = memory_trim,
    .bounds = memory_bounds,
    .iter_open = memory_iter_open,
    .iter_next = memory_iter_next,
    .iter_close = memory_iter_close,
    .hard_get = memory_hard_get,
    .hard_put = memory_hard_put,
    .prepare = memory_prepare,
    .measure = memory_measure,
};
