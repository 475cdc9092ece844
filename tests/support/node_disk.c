#include "tests/support/node_disk.h"

#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "tests/support/viv_test.h"

void viv_node_disk_init(struct viv_node_disk *disk)
{
    *disk = (struct viv_node_disk){0};
}

/* Forgets entries above `keep`. */
static void cut(struct viv_node_disk *disk, uint64_t keep)
{
    while (disk->entry_count > 0 && disk->entries[disk->entry_count - 1].zxid > keep) {
        free((void *)disk->entries[--disk->entry_count].body.data);
    }
}

void viv_node_disk_fini(struct viv_node_disk *disk)
{
    cut(disk, 0);
    free(disk->entries);
    viv_buffer_fini(&disk->image);
    viv_buffer_fini(&disk->coming);
}

void viv_node_disk_crash(struct viv_node_disk *disk)
{
    viv_buffer_clear(&disk->coming);
    disk->is_coming = false;
}

viv_status viv_node_disk_recover(const struct viv_node_disk *disk, struct viv_node *node)
{
    struct viv_state_mark mark = {0};
    if (disk->has_image) {
        mark = disk->mark;
        VIV_TRY(viv_node_recover_rows(node, viv_buffer_bytes(&disk->image)));
    }
    VIV_TRY(viv_node_recover_image_end(node, &mark, &disk->hard));
    for (size_t i = 0; i < disk->entry_count; i++) {
        if (disk->entries[i].zxid > mark.zxid_start) {
            VIV_TRY(viv_node_recover_entry(node, &disk->entries[i], disk->entries[i].zxid <= disk->bounds.commit_zxid));
        }
    }
    return viv_node_recover_end(node, &disk->bounds);
}

/* ---- log ---- */

static void append(struct viv_node_disk *disk, const struct viv_action *action)
{
    for (size_t i = 0; i < action->entry_count; i++) {
        const struct viv_entry *entry = &action->entries[i];
        cr_assert(entry->zxid > disk->bounds.last_zxid, "the log goes back");
        cr_assert_eq(entry->body_crc, viv_crc32c(0, entry->body.data, entry->body.size), "an entry's sum is wrong");
        if (disk->entry_count == disk->entry_capacity) {
            disk->entry_capacity = disk->entry_capacity == 0 ? 64 : disk->entry_capacity * 2;
            disk->entries = viv_realloc(disk->entries, disk->entry_capacity * sizeof *disk->entries);
        }
        uint8_t *body = viv_alloc(entry->body.size + 1);
        memcpy(body, entry->body.data, entry->body.size);
        disk->entries[disk->entry_count] = *entry;
        disk->entries[disk->entry_count++].body.data = body;
        disk->bounds.last_zxid = entry->zxid;
    }
    uint64_t hint = action->zxid < disk->bounds.last_zxid ? action->zxid : disk->bounds.last_zxid;
    disk->bounds.commit_zxid = hint > disk->bounds.commit_zxid ? hint : disk->bounds.commit_zxid;
}

static void truncate_log(struct viv_node_disk *disk, uint64_t keep)
{
    cr_assert(keep >= disk->bounds.commit_zxid, "committed entries are cut off");
    cut(disk, keep);
    disk->bounds.last_zxid = disk->entry_count > 0 ? disk->entries[disk->entry_count - 1].zxid : disk->bounds.base_zxid;
}

static void reset(struct viv_node_disk *disk, uint64_t base)
{
    cr_assert(disk->has_image && disk->mark.zxid_start == base, "no image stands for the history that is dropped");
    cut(disk, 0);
    disk->bounds = (struct viv_log_bounds){base, base, base, 0};
}

static void trim(struct viv_node_disk *disk, uint64_t zxid)
{
    size_t gone = 0;
    while (gone < disk->entry_count && disk->entries[gone].zxid <= zxid) {
        disk->bounds.base_zxid = disk->entries[gone].zxid;
        free((void *)disk->entries[gone++].body.data);
    }
    disk->entry_count -= gone;
    memmove(disk->entries, disk->entries + gone, disk->entry_count * sizeof *disk->entries);
}

static void read_log(const struct viv_node_disk *disk, const struct viv_action *action, size_t read_entries,
                     viv_node_disk_event_fn *answer, void *ctx)
{
    struct viv_event event = {.kind = VIV_EVENT_LOG_READ, .ticket = action->ticket, .last = true};
    if (action->zxid_from < disk->bounds.base_zxid) {
        event.status = VIV_ERR_TRIMMED;
        answer(ctx, &event);
        return;
    }
    size_t first = 0, end = disk->entry_count;
    while (first < end && disk->entries[first].zxid <= action->zxid_from) {
        first++;
    }
    while (end > first && disk->entries[end - 1].zxid > action->zxid) {
        end--;
    }
    do {
        size_t part = read_entries == 0 || end - first < read_entries ? end - first : read_entries;
        event.entries = disk->entries + first;
        event.entry_count = part;
        event.last = first + part == end;
        answer(ctx, &event);
        first += part;
    } while (!event.last);
}

/* ---- images ---- */

static void begin(struct viv_node_disk *disk, const struct viv_action *action)
{
    cr_assert_not(disk->is_coming, "two images at once");
    cr_assert_neq(action->checkpoint, VIV_CHECKPOINT_DELTA, "this store takes whole images only");
    disk->is_coming = true;
    disk->coming_kind = action->checkpoint;
    disk->coming_start = action->zxid;
    viv_buffer_clear(&disk->coming);
}

static void commit(struct viv_node_disk *disk, const struct viv_action *action, struct viv_event *done)
{
    cr_assert(disk->is_coming && action->mark.zxid_start == disk->coming_start);
    bool installs = disk->coming_kind == VIV_CHECKPOINT_INSTALL;
    cr_assert(installs || disk->bounds.last_zxid >= action->mark.zxid_end, "the image is ahead of the log");
    bool is_marked = disk->hard.install_zxid == action->mark.zxid_start;
    cr_assert(is_marked || !installs, "an installation is marked before it is there");
    done->zxid = disk->has_image && !installs ? disk->mark.zxid_start : action->mark.zxid_start;
    struct viv_buffer old = disk->image;
    disk->image = disk->coming;
    disk->coming = old;
    disk->mark = action->mark;
    disk->has_image = true;
    disk->is_coming = false;
    disk->image_count++;
    disk->install_count += installs;
}

static bool perform_checkpoint(struct viv_node_disk *disk, const struct viv_action *action, struct viv_event *event)
{
    event->ticket = action->ticket;
    switch (action->kind) {
    case VIV_ACTION_CHECKPOINT_BEGIN:
        begin(disk, action);
        return false;
    case VIV_ACTION_CHECKPOINT_ROWS:
        viv_buffer_append_bytes(&disk->coming, viv_buffer_bytes(&action->rows));
        event->kind = VIV_EVENT_CHECKPOINT_ROOM;
        return true;
    case VIV_ACTION_CHECKPOINT_COMMIT:
        commit(disk, action, event);
        event->kind = VIV_EVENT_CHECKPOINT_DONE;
        return true;
    default:
        viv_node_disk_crash(disk);
        return false;
    }
}

void viv_node_disk_perform(struct viv_node_disk *disk, const struct viv_action *action, size_t read_entries,
                           viv_node_disk_event_fn *answer, void *ctx)
{
    struct viv_event event = {.kind = VIV_EVENT_LOG_DONE, .ticket = action->ticket};
    switch (action->kind) {
    case VIV_ACTION_LOG_APPEND:
        append(disk, action);
        break;
    case VIV_ACTION_LOG_TRUNCATE:
        truncate_log(disk, action->zxid);
        break;
    case VIV_ACTION_LOG_RESET:
        reset(disk, action->zxid);
        break;
    case VIV_ACTION_LOG_HARD:
        disk->hard = action->hard;
        break;
    case VIV_ACTION_LOG_TRIM:
        trim(disk, action->zxid);
        return;
    case VIV_ACTION_LOG_READ:
        read_log(disk, action, read_entries, answer, ctx);
        return;
    default:
        if (!perform_checkpoint(disk, action, &event)) {
            return;
        }
        break;
    }
    answer(ctx, &event);
}
