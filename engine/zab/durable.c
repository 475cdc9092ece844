#include "zab/durable.h"

#include "base/arena.h"
#include "base/assert.h"
#include "zab/zab_internal.h"

/* A disk that works may stall for some hundred milliseconds, behind an image that is being written for instance. A
 * second after it froze somebody else should serve. */
enum { STALL_MS_LEAST = 600 };

void viv_durable_start(struct viv_zab *zab, const struct viv_zab_start *start)
{
    struct viv_durable *durable = &zab->durable;
    durable->accepted_epoch = start->accepted_epoch;
    durable->current_epoch = start->current_epoch;
    durable->last_zxid = durable->issued_zxid = start->last_zxid;
    const struct viv_detector_limits limits = {
        .least_ms = zab->adaptive ? STALL_MS_LEAST : zab->sync_limit_ms,
        .most_ms = zab->sync_limit_ms,
        .unknown_ms = zab->sync_limit_ms, /* it is asked rarely, by habit */
    };
    viv_detector_begin(&durable->disk, &limits, start->now_ms);
}

/* The silence begins with the question. */
static void await(struct viv_zab *zab)
{
    if (viv_durable_is_idle(&zab->durable)) {
        viv_detector_rest(&zab->durable.disk, zab->now_ms);
    }
}

bool viv_durable_is_stuck(struct viv_zab *zab)
{
    struct viv_durable *durable = &zab->durable;
    if (viv_durable_is_idle(durable) || durable->installing) { /* the latter is for the network to answer */
        viv_detector_rest(&durable->disk, zab->now_ms);
        return false;
    }
    return viv_detector_suspects(&durable->disk, zab->now_ms);
}

void viv_durable_append(struct viv_zab *zab)
{
    struct viv_durable *durable = &zab->durable;
    size_t index = viv_history_above(&zab->history, durable->issued_zxid);
    size_t count = zab->history.count - index;
    if (count == 0) {
        return;
    }
    VIV_ASSERT(!durable->installing); /* the installation would wipe them out of the log */
    await(zab);
    struct viv_entry *entries = viv_arena_alloc(zab->out->arena, count * sizeof *entries);
    for (size_t i = 0; i < count; i++) {
        entries[i] = *viv_history_at(&zab->history, index + i);
    }
    struct viv_zab_output *output = viv_zab_emit(zab, VIV_ZAB_APPEND);
    output->entries = entries;
    output->entry_count = count;
    output->zxid = zab->history.committed_zxid;
    durable->issued_zxid = zab->history.last_zxid;
}

void viv_durable_epochs(struct viv_zab *zab, uint32_t accepted, uint32_t current, enum viv_durable_next next)
{
    struct viv_durable *durable = &zab->durable;
    VIV_ASSERT(!durable->epochs_pending);
    VIV_ASSERT(accepted >= durable->accepted_epoch && current >= durable->current_epoch);
    VIV_ASSERT(current <= accepted);
    await(zab);
    durable->epochs_pending = true;
    durable->accepted_asked = accepted;
    durable->current_asked = current;
    durable->next = next;
    struct viv_zab_output *output = viv_zab_emit(zab, VIV_ZAB_EPOCHS);
    output->accepted_epoch = accepted;
    output->current_epoch = current;
}

void viv_durable_truncate(struct viv_zab *zab, uint64_t zxid)
{
    struct viv_durable *durable = &zab->durable;
    VIV_ASSERT(viv_durable_is_idle(durable));
    VIV_ASSERT(viv_history_contains(&zab->history, zxid));
    await(zab);
    viv_history_truncate(&zab->history, zxid);
    viv_zab_forget_members(zab, zxid);
    durable->last_zxid = durable->issued_zxid = zxid;
    durable->truncating = true;
    viv_zab_emit(zab, VIV_ZAB_TRUNCATE)->zxid = zxid;
}

bool viv_durable_is_idle(const struct viv_durable *durable)
{
    return durable->last_zxid == durable->issued_zxid && !durable->epochs_pending && !durable->truncating &&
           !durable->installing && !durable->repairing;
}

void viv_durable_stored(struct viv_zab *zab, uint64_t zxid)
{
    struct viv_durable *durable = &zab->durable;
    VIV_ASSERT(zxid <= durable->issued_zxid);
    VIV_ASSERT(zxid >= durable->last_zxid);
    durable->last_zxid = zxid;
    viv_detector_heard(&durable->disk, zab->now_ms);
}

enum viv_durable_next viv_durable_epochs_stored(struct viv_zab *zab)
{
    struct viv_durable *durable = &zab->durable;
    VIV_ASSERT(durable->epochs_pending);
    viv_detector_heard(&durable->disk, zab->now_ms);
    enum viv_durable_next next = durable->next;
    durable->accepted_epoch = durable->accepted_asked;
    durable->current_epoch = durable->current_asked;
    durable->epochs_pending = false;
    durable->next = VIV_DURABLE_NOBODY;
    return next;
}

void viv_durable_truncated(struct viv_zab *zab)
{
    VIV_ASSERT(zab->durable.truncating);
    viv_detector_heard(&zab->durable.disk, zab->now_ms);
    zab->durable.truncating = false;
}

void viv_durable_installed(struct viv_zab *zab, uint64_t zxid)
{
    struct viv_durable *durable = &zab->durable;
    VIV_ASSERT(durable->installing && durable->last_zxid == durable->issued_zxid);
    durable->installing = false;
    durable->current_epoch = zxid < durable->last_zxid ? 0 : durable->current_epoch;
    durable->last_zxid = durable->issued_zxid = zxid;
}

void viv_durable_repair(struct viv_zab *zab, const struct viv_entry *entry)
{
    VIV_ASSERT(!zab->durable.repairing && !zab->durable.installing);
    await(zab);
    zab->durable.repairing = true;
    viv_zab_emit(zab, VIV_ZAB_REPAIR)->entry = *entry;
}

void viv_durable_repaired(struct viv_zab *zab)
{
    VIV_ASSERT(zab->durable.repairing);
    viv_detector_heard(&zab->durable.disk, zab->now_ms);
    zab->durable.repairing = false;
}
