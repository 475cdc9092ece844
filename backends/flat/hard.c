#include "backends/flat/hard.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/checksum.h"
#include "base/endian.h"
#include "base/log.h"

#define SLOT_MAGIC 0x3130445248564956ULL /* "VIVHRD01" */

enum {
    FORMAT_VERSION = 1,
    SLOT_BYTES = VIV_FLAT_BLOCK_BYTES,
    SLOT_COUNT = 2,
    GROUP_BYTES = 24,
    AT_MAGIC = 0,
    AT_CRC = 8,
    AT_VERSION = 12,
    AT_SEQ = 16,
    AT_CLUSTER = 24,
    AT_SERVER = 40,
    AT_GROUPS = 48,
    AT_TABLE = 64,
};

_Static_assert(AT_TABLE + VIV_FLAT_HARD_GROUPS_MAX * GROUP_BYTES <= SLOT_BYTES, "the groups fit into a slot");

static uint32_t slot_crc(const uint8_t *slot)
{
    uint32_t crc = viv_crc32c(0, slot, AT_CRC);
    return viv_crc32c(crc, slot + AT_VERSION, SLOT_BYTES - AT_VERSION);
}

static void encode(const struct viv_flat_hard *hard, uint8_t *slot)
{
    memset(slot, 0, SLOT_BYTES);
    viv_store_le64(slot + AT_MAGIC, SLOT_MAGIC);
    viv_store_le32(slot + AT_VERSION, FORMAT_VERSION);
    viv_store_le64(slot + AT_SEQ, hard->seq);
    viv_store_le64(slot + AT_CLUSTER, hard->owner.cluster[0]);
    viv_store_le64(slot + AT_CLUSTER + 8, hard->owner.cluster[1]);
    viv_store_le64(slot + AT_SERVER, (uint64_t)hard->owner.server_id);
    viv_store_le32(slot + AT_GROUPS, (uint32_t)hard->group_count);
    for (size_t i = 0; i < hard->group_count; i++) {
        uint8_t *group = slot + AT_TABLE + i * GROUP_BYTES;
        viv_store_le16(group, hard->groups[i].gid);
        viv_store_le32(group + 4, hard->groups[i].state.accepted_epoch);
        viv_store_le32(group + 8, hard->groups[i].state.current_epoch);
        viv_store_le64(group + 16, hard->groups[i].state.install_zxid);
    }
    viv_store_le32(slot + AT_CRC, slot_crc(slot));
}

static viv_status decode(const uint8_t *slot, struct viv_flat_hard *hard)
{
    if (viv_load_le64(slot + AT_MAGIC) != SLOT_MAGIC || viv_load_le32(slot + AT_CRC) != slot_crc(slot)) {
        return VIV_ERR_CORRUPT;
    }
    if (viv_load_le32(slot + AT_VERSION) != FORMAT_VERSION) {
        return VIV_ERR_VERSION;
    }
    size_t group_count = viv_load_le32(slot + AT_GROUPS);
    if (group_count > VIV_FLAT_HARD_GROUPS_MAX) {
        return VIV_ERR_CORRUPT;
    }
    hard->seq = viv_load_le64(slot + AT_SEQ);
    hard->owner = (struct viv_flat_owner){{viv_load_le64(slot + AT_CLUSTER), viv_load_le64(slot + AT_CLUSTER + 8)},
                                          (int64_t)viv_load_le64(slot + AT_SERVER)};
    hard->group_count = group_count;
    for (size_t i = 0; i < group_count; i++) {
        const uint8_t *group = slot + AT_TABLE + i * GROUP_BYTES;
        hard->groups[i].gid = viv_load_le16(group);
        hard->groups[i].state = (struct viv_hard_state){
            .accepted_epoch = viv_load_le32(group + 4),
            .current_epoch = viv_load_le32(group + 8),
            .install_zxid = viv_load_le64(group + 16),
        };
        if (hard->groups[i].state.current_epoch > hard->groups[i].state.accepted_epoch) {
            return VIV_ERR_CORRUPT;
        }
    }
    return VIV_OK;
}

static viv_status write_slots(const struct viv_flat_hard *hard, const struct viv_disk *disk)
{
    uint8_t slot[SLOT_BYTES];
    encode(hard, slot);
    for (int i = 0; i < SLOT_COUNT; i++) {
        VIV_TRY(viv_file_write(disk, &hard->file, slot, sizeof slot, (uint64_t)i * SLOT_BYTES));
        if (hard->is_durable) {
            VIV_TRY(viv_file_sync(disk, &hard->file));
        }
    }
    return VIV_OK;
}

/* The newest good slot; *newest is its number. */
static viv_status read_slots(struct viv_flat_hard *hard, const struct viv_disk *disk, int *newest)
{
    uint8_t slot[SLOT_BYTES];
    viv_status worst = VIV_ERR_CORRUPT;
    struct viv_file file = hard->file;
    *newest = -1;
    for (int i = 0; i < SLOT_COUNT; i++) {
        size_t got = 0;
        viv_status status = viv_file_read(disk, &file, slot, sizeof slot, (uint64_t)i * SLOT_BYTES, &got);
        if (status != VIV_ERR_IO) {
            VIV_TRY(status);
        }
        /* A slot that cannot be read is a damaged one: the other says the same. */
        struct viv_flat_hard found = {0};
        status = status == VIV_OK && got == sizeof slot ? decode(slot, &found) : VIV_ERR_CORRUPT;
        if (status == VIV_OK && (*newest < 0 || found.seq > hard->seq)) {
            found.file = file;
            found.is_durable = hard->is_durable;
            *hard = found;
            *newest = i;
        } else if (status == VIV_ERR_VERSION) {
            worst = status;
        }
    }
    return *newest >= 0 ? VIV_OK : worst;
}

static void say_forgotten(const char *path)
{
    viv_log(VIV_LOG_WARN, "flat",
            "the promises of this server are lost: until a leader has synchronised it, it counts for nothing",
            "file=%s", path);
}

static viv_status create(struct viv_flat_hard *hard, const struct viv_disk *disk, const char *dir, const char *path)
{
    char *temporary = viv_file_path(dir, "hard.tmp");
    struct viv_file file;
    viv_status status = viv_file_open(disk, temporary, VIV_FILE_WRITE | VIV_FILE_CREATE, &file);
    if (status == VIV_OK) {
        hard->file = file;
        hard->seq = 1;
        status = write_slots(hard, disk);
        viv_file_close(disk, &hard->file);
    }
    if (status == VIV_OK) {
        status = viv_file_rename(disk, temporary, path);
    }
    if (status == VIV_OK && hard->is_durable) {
        status = viv_file_sync_dir(disk, dir);
    }
    free(temporary);
    return status == VIV_OK ? viv_file_open(disk, path, VIV_FILE_WRITE, &hard->file) : status;
}

/* Writes what was read once more: a slot may be in the page cache only, and the other one may be torn. The stale slot
 * goes first, since a write to the good one may tear it. */
static viv_status restore_slots(const struct viv_flat_hard *hard, const struct viv_disk *disk, int newest)
{
    uint8_t slot[SLOT_BYTES];
    encode(hard, slot);
    for (int i = 0; i < SLOT_COUNT; i++) {
        uint64_t offset = (uint64_t)((newest + 1 + i) % SLOT_COUNT) * SLOT_BYTES;
        VIV_TRY(viv_file_write(disk, &hard->file, slot, sizeof slot, offset));
        VIV_TRY(viv_file_sync(disk, &hard->file));
    }
    return VIV_OK;
}

static viv_status adopt(struct viv_flat_hard *hard, const struct viv_disk *disk, struct viv_flat_owner *owner)
{
    int newest;
    viv_status status = read_slots(hard, disk, &newest);
    if (status == VIV_ERR_CORRUPT || status == VIV_ERR_VERSION) {
        viv_log(VIV_LOG_ERROR, "flat", "neither copy of the hard state can be read", "file=%s offset=0 reason=\"%s\"",
                hard->file.path, viv_status_text(status));
    }
    VIV_TRY(status);
    if (viv_flat_owner_check(owner, &hard->owner) != VIV_OK) {
        viv_log(VIV_LOG_ERROR, "flat", "the log directory belongs to another server", "file=%s server_id=%lld",
                hard->file.path, (long long)hard->owner.server_id);
        return VIV_ERR_FOREIGN;
    }
    if (owner->cluster[0] == 0 && owner->cluster[1] == 0) {
        *owner = hard->owner;
    }
    hard->owner = *owner;
    return hard->is_durable ? restore_slots(hard, disk, newest) : VIV_OK;
}

viv_status viv_flat_hard_open(struct viv_flat_hard *hard, const struct viv_disk *disk, const char *dir,
                              struct viv_flat_owner *owner, bool is_durable, bool may_create, bool may_forget)
{
    *hard = (struct viv_flat_hard){.file = {.handle = -1}, .owner = *owner, .is_durable = is_durable};
    char *path = viv_file_path(dir, "hard");
    viv_status status = viv_file_open(disk, path, VIV_FILE_WRITE, &hard->file);
    if (status == VIV_OK) {
        status = adopt(hard, disk, owner);
        if (status == VIV_ERR_CORRUPT && may_forget) {
            say_forgotten(path);
            viv_file_close(disk, &hard->file);
            *hard = (struct viv_flat_hard){.file = {.handle = -1}, .owner = *owner, .is_durable = is_durable};
            status = create(hard, disk, dir, path);
        }
    } else if (status == VIV_ERR_NOT_FOUND && (may_create || may_forget)) {
        if (!may_create) {
            say_forgotten(path);
        }
        status = create(hard, disk, dir, path);
    } else if (status == VIV_ERR_NOT_FOUND) {
        viv_log(VIV_LOG_ERROR, "flat", "the hard state is missing although there is a log", "file=%s", path);
        status = VIV_ERR_CORRUPT;
    }
    if (status != VIV_OK) {
        viv_file_close(disk, &hard->file);
    }
    free(path);
    return status;
}

void viv_flat_hard_close(struct viv_flat_hard *hard, const struct viv_disk *disk)
{
    viv_file_close(disk, &hard->file);
}

static struct viv_flat_hard_group *find(struct viv_flat_hard *hard, viv_gid gid)
{
    for (size_t i = 0; i < hard->group_count; i++) {
        if (hard->groups[i].gid == gid) {
            return &hard->groups[i];
        }
    }
    return NULL;
}

void viv_flat_hard_get(const struct viv_flat_hard *hard, viv_gid gid, struct viv_hard_state *state)
{
    const struct viv_flat_hard_group *group = find((struct viv_flat_hard *)hard, gid);
    *state = group != NULL ? group->state : (struct viv_hard_state){0};
}

viv_status viv_flat_hard_put(struct viv_flat_hard *hard, const struct viv_disk *disk, viv_gid gid,
                             const struct viv_hard_state *state)
{
    struct viv_flat_hard next = *hard;
    struct viv_flat_hard_group *group = find(&next, gid);
    if (group == NULL) {
        if (next.group_count == VIV_FLAT_HARD_GROUPS_MAX) {
            return VIV_ERR_LIMIT;
        }
        group = &next.groups[next.group_count++];
        group->gid = gid;
    }
    group->state = *state;
    next.seq++;
    VIV_TRY(write_slots(&next, disk));
    *hard = next;
    return VIV_OK;
}
