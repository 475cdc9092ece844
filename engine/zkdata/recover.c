#include "zkdata/recover.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/log.h"
#include "tree/apply.h"
#include "zkdata/log.h"
#include "zkdata/quota.h"
#include "zkdata/snapshot.h"
#include "zkdata/txn.h"
#include "zkdata/zkdata_internal.h"

/* ZooKeeper looks at no more than this many. */
enum { SNAPSHOT_CANDIDATES_MAX = 100 };

/* exact_zxid when it is not known: the first digest that agrees tells. */
#define EXACT_UNKNOWN UINT64_MAX

struct replay {
    const struct viv_zk_directory *directory;
    uint64_t upto_zxid;
    bool has_newer;      /* than upto_zxid */
    uint64_t exact_zxid; /* from here on the tree is what it was: digests must agree */
    struct viv_zk_snapshot_info info;
    struct viv_arena arena;
    struct viv_zk_recovered *out;
};

/* ---- the snapshot ---- */

/* Fuzzy: what is in the file is some mixture up to the zxid of its digest section. */
static uint64_t exact_from(uint64_t name_zxid, const struct viv_zk_snapshot_info *info)
{
    if (!info->has_digest) {
        return EXACT_UNKNOWN;
    }
    return info->digest_zxid > name_zxid ? info->digest_zxid : name_zxid;
}

static viv_status try_snapshot(struct replay *replay, const struct viv_zk_file *file)
{
    struct viv_zk_recovered *out = replay->out;
    if (!viv_zk_snapshot_looks_whole(file->path)) {
        viv_log(VIV_LOG_WARN, "zkdata", "a snapshot was not finished and is passed over", "file=%s", file->path);
        return VIV_ERR_CORRUPT;
    }
    struct viv_tree *tree;
    VIV_TRY(viv_zk_snapshot_load(file->path, file->zxid, &tree, &replay->info));
    if (exact_from(file->zxid, &replay->info) > replay->upto_zxid && replay->info.has_digest) {
        viv_tree_free(tree);
        return VIV_ERR_TRIMMED;
    }
    out->tree = tree;
    out->zxid = out->snapshot_zxid = file->zxid;
    snprintf(out->snapshot_name, sizeof out->snapshot_name, "%s", file->name);
    viv_log(VIV_LOG_INFO, "zkdata", "a snapshot of ZooKeeper was loaded",
            "file=%s znodes=%llu sessions=%llu zxid=0x%llx", file->path, (unsigned long long)replay->info.nodes,
            (unsigned long long)replay->info.sessions, (unsigned long long)file->zxid);
    return VIV_OK;
}

static viv_status without_snapshot(struct replay *replay, bool trust_empty)
{
    const struct viv_zk_directory *directory = replay->directory;
    if (directory->snapshots.count > 0) {
        viv_log(VIV_LOG_ERROR, "zkdata",
                "no snapshot of ZooKeeper is sound; restore one from a backup, or in an ensemble start this server "
                "empty: it takes the state from the others",
                "path=%s snapshots=%zu", directory->snapshot_dir, directory->snapshots.count);
        return VIV_ERR_CORRUPT;
    }
    if (!trust_empty) {
        viv_log(VIV_LOG_ERROR, "zkdata",
                "there are transaction logs of ZooKeeper but no snapshot, so the state they begin with is unknown; "
                "restore the snapshot; if the log reaches back to the first transaction, import it with "
                "vivarium-cli import --trust-empty",
                "path=%s logs=%zu", directory->log_dir, directory->logs.count);
        return VIV_ERR_CORRUPT;
    }
    replay->out->tree = viv_tree_new();
    replay->exact_zxid = 0;
    return VIV_OK;
}

static viv_status load_newest(struct replay *replay, bool trust_empty)
{
    const struct viv_zk_files *snapshots = &replay->directory->snapshots;
    bool is_too_new = false;
    for (size_t i = 0; i < snapshots->count && i < SNAPSHOT_CANDIDATES_MAX; i++) {
        viv_status status =
            snapshots->items[i].zxid > replay->upto_zxid ? VIV_ERR_TRIMMED : try_snapshot(replay, &snapshots->items[i]);
        if (status == VIV_OK) {
            replay->exact_zxid = exact_from(replay->out->snapshot_zxid, &replay->info);
            return VIV_OK;
        }
        if (status == VIV_ERR_TRIMMED) {
            is_too_new = true;
            continue;
        }
        if (status != VIV_ERR_CORRUPT && status != VIV_ERR_LIMIT) {
            return status;
        }
        replay->out->snapshots_rejected++;
    }
    if (is_too_new) {
        viv_log(VIV_LOG_ERROR, "zkdata", "every snapshot is newer than what is asked for", "path=%s upto=0x%llx",
                replay->directory->snapshot_dir, (unsigned long long)replay->upto_zxid);
        return VIV_ERR_TRIMMED;
    }
    return without_snapshot(replay, trust_empty);
}

/* ---- the logs ---- */

static void compare(struct replay *replay, uint64_t zxid, uint64_t recorded)
{
    struct viv_zk_recovered *out = replay->out;
    bool agrees = viv_tree_digest(out->tree) == recorded;
    if (replay->exact_zxid == EXACT_UNKNOWN && agrees) {
        replay->exact_zxid = zxid;
    }
    if (zxid < replay->exact_zxid) {
        return;
    }
    out->digests_compared++;
    if (!agrees && out->digest_mismatches++ == 0) {
        out->first_mismatch_zxid = zxid;
        viv_log(VIV_LOG_WARN, "zkdata", "the state is not the one that ZooKeeper recorded",
                "zxid=0x%llx digest=0x%llx recorded=0x%llx", (unsigned long long)zxid,
                (unsigned long long)viv_tree_digest(out->tree), (unsigned long long)recorded);
    }
}

/* The digest that a snapshot carries belongs to the moment when its writing ended. */
static void compare_snapshot(struct replay *replay, uint64_t zxid)
{
    if (replay->info.has_digest && replay->info.digest_zxid == zxid && zxid >= replay->out->snapshot_zxid &&
        replay->info.digest_zxid > 0) {
        compare(replay, zxid, replay->info.digest);
    }
}

static viv_status apply(struct replay *replay, const char *path, uint64_t offset, struct viv_bytes entry)
{
    struct viv_zk_recovered *out = replay->out;
    struct viv_zk_txn txn;
    struct viv_applied applied;
    viv_arena_reset(&replay->arena);
    bool is_sound = viv_zk_txn_read(entry, &replay->arena, &txn);
    if (is_sound && txn.header.zxid <= out->snapshot_zxid) {
        return VIV_OK;
    }
    if (is_sound && txn.header.zxid > replay->upto_zxid) {
        replay->has_newer = true;
        return VIV_OK;
    }
    if (is_sound) {
        viv_tree_apply(out->tree, txn.bytes, VIV_APPLY_REPLAY, &replay->arena, &applied);
    }
    if (!is_sound || applied.malformed) {
        viv_log(VIV_LOG_ERROR, "zkdata", "a transaction of ZooKeeper's log cannot be understood",
                "file=%s offset=%llu zxid=0x%llx type=%d", path, (unsigned long long)offset,
                (unsigned long long)txn.header.zxid, txn.header.type);
        return VIV_ERR_CORRUPT;
    }
    out->records++;
    out->zxid = txn.header.zxid > out->zxid ? txn.header.zxid : out->zxid;
    if (txn.has_digest) {
        compare(replay, txn.header.zxid, txn.digest);
    }
    compare_snapshot(replay, txn.header.zxid);
    return VIV_OK;
}

static viv_status replay_open_log(struct replay *replay, const struct viv_zk_file *file, struct viv_zk_log *log)
{
    for (;;) {
        struct viv_bytes entry;
        enum viv_zk_log_found found;
        VIV_TRY(viv_zk_log_next(log, &entry, &found));
        if (found == VIV_ZK_LOG_TORN) {
            replay->out->torn_files++;
            viv_log(VIV_LOG_WARN, "zkdata",
                    "a transaction log ends inside a record, as after a crash; it is read to there",
                    "file=%s offset=%llu", file->path, (unsigned long long)viv_zk_log_offset(log));
        }
        if (found != VIV_ZK_LOG_ENTRY) {
            return VIV_OK;
        }
        VIV_TRY(apply(replay, file->path, viv_zk_log_offset(log), entry));
    }
}

static viv_status replay_log(struct replay *replay, const struct viv_zk_file *file, bool is_last)
{
    if (file->bytes == 0 && is_last) {
        viv_log(VIV_LOG_WARN, "zkdata", "the last transaction log is empty, as after a crash; it is passed over",
                "file=%s", file->path);
        return VIV_OK;
    }
    struct viv_zk_log *log;
    VIV_TRY(viv_zk_log_open(file->path, &log));
    uint64_t before = replay->out->records;
    viv_status status = replay_open_log(replay, file, log);
    viv_zk_log_close(log);
    if (status == VIV_OK) {
        viv_log(VIV_LOG_INFO, "zkdata", "a transaction log of ZooKeeper was replayed",
                "file=%s records=%llu zxid=0x%llx", file->path, (unsigned long long)(replay->out->records - before),
                (unsigned long long)replay->out->zxid);
    }
    return status;
}

/* All logs that begin behind the snapshot, and the one before them, which may hold what follows the snapshot. */
static viv_status replay_logs(struct replay *replay)
{
    const struct viv_zk_files *logs = &replay->directory->logs;
    size_t first = 0;
    for (size_t i = 0; i < logs->count && logs->items[i].zxid <= replay->out->snapshot_zxid; i++) {
        first = i;
    }
    for (size_t i = first; i < logs->count; i++) {
        VIV_TRY(replay_log(replay, &logs->items[i], i + 1 == logs->count));
    }
    return VIV_OK;
}

/* ---- what a started server does first ---- */

struct orphans {
    const struct viv_tree *tree;
    struct viv_buffer owners; /* int64_t each */
};

static viv_status find_orphan(void *ctx, const struct viv_zk_node *node)
{
    struct orphans *orphans = ctx;
    int64_t owner = node->znode.owner;
    int32_t timeout_ms;
    if (viv_owner_is_session(owner) && !viv_tree_session(orphans->tree, owner, &timeout_ms)) {
        viv_buffer_append(&orphans->owners, &owner, sizeof owner);
    }
    return VIV_OK;
}

static void close_session(struct replay *replay, int64_t session_id)
{
    struct viv_buffer body = {0};
    struct viv_applied applied;
    struct viv_txn_header header = {.session_id = session_id, .zxid = replay->out->zxid, .type = VIV_OP_CLOSE_SESSION};
    viv_txn_header_encode(&body, &header);
    viv_arena_reset(&replay->arena);
    viv_tree_apply(replay->out->tree, viv_buffer_bytes(&body), VIV_APPLY_REPLAY, &replay->arena, &applied);
    VIV_ASSERT(!applied.malformed);
    viv_buffer_fini(&body);
}

static void drop_orphans(struct replay *replay)
{
    struct viv_tree_counts counts;
    viv_tree_counts(replay->out->tree, &counts);
    if (counts.ephemerals == 0) {
        return;
    }
    struct orphans orphans = {.tree = replay->out->tree};
    viv_status status = viv_zk_visit(replay->out->tree, VIV_BYTES_LITERAL("/"), find_orphan, &orphans);
    VIV_ASSERT(status == VIV_OK);
    for (size_t at = 0; at < orphans.owners.size; at += sizeof(int64_t)) {
        int64_t owner;
        memcpy(&owner, orphans.owners.data + at, sizeof owner);
        close_session(replay, owner);
        replay->out->ephemerals_dropped++;
    }
    viv_buffer_fini(&orphans.owners);
}

/* ---- epochs ---- */

static viv_status settle_epochs(const struct viv_zk_directory *directory, struct viv_zk_recovered *out)
{
    int64_t of_zxid = VIV_ZXID_EPOCH(out->zxid);
    int64_t current = directory->has_current_epoch ? directory->current_epoch : of_zxid;
    if (of_zxid > current && directory->has_current_epoch_draft && directory->current_epoch_draft >= of_zxid) {
        current = directory->current_epoch_draft; /* killed between the two steps of writing it */
    }
    int64_t accepted = directory->has_accepted_epoch ? directory->accepted_epoch : current;
    if (of_zxid > current || accepted < current || current < 0 || accepted > UINT32_MAX) {
        viv_log(VIV_LOG_ERROR, "zkdata",
                "the epochs in ZooKeeper's files contradict its transactions; ZooKeeper does not start from them "
                "either: restore a backup, or in an ensemble start this server empty",
                "path=%s current_epoch=%lld accepted_epoch=%lld zxid=0x%llx", directory->snapshot_dir,
                (long long)current, (long long)accepted, (unsigned long long)out->zxid);
        return VIV_ERR_CORRUPT;
    }
    out->current_epoch = (uint32_t)current;
    out->accepted_epoch = (uint32_t)accepted;
    return VIV_OK;
}

static viv_status recover(struct replay *replay, bool trust_empty)
{
    VIV_TRY(load_newest(replay, trust_empty));
    compare_snapshot(replay, replay->out->snapshot_zxid);
    VIV_TRY(replay_logs(replay));
    if (replay->upto_zxid == UINT64_MAX) {
        drop_orphans(replay);
        viv_zk_quota_recount(replay->out->tree);
        return settle_epochs(replay->directory, replay->out);
    }
    if (!replay->has_newer && replay->out->zxid < replay->upto_zxid) {
        viv_log(VIV_LOG_ERROR, "zkdata", "the newest transaction on disk is older than what is asked for",
                "path=%s newest=0x%llx upto=0x%llx", replay->directory->log_dir, (unsigned long long)replay->out->zxid,
                (unsigned long long)replay->upto_zxid);
        return VIV_ERR_TRIMMED;
    }
    viv_zk_quota_recount(replay->out->tree);
    replay->out->current_epoch = replay->out->accepted_epoch = VIV_ZXID_EPOCH(replay->out->zxid);
    return VIV_OK;
}

viv_status viv_zk_recover(const struct viv_zk_directory *directory, const struct viv_zk_recovery_options *options,
                          struct viv_zk_recovered *out)
{
    *out = (struct viv_zk_recovered){0};
    if (!viv_zk_directory_has_data(directory)) {
        viv_log(VIV_LOG_ERROR, "zkdata", "there is no data of ZooKeeper here", "path=%s", directory->snapshot_dir);
        return VIV_ERR_NOT_FOUND;
    }
    struct replay replay = {
        .directory = directory,
        .upto_zxid = options->upto_zxid == 0 ? UINT64_MAX : options->upto_zxid,
        .out = out,
    };
    viv_status status = recover(&replay, options->trust_empty);
    viv_arena_fini(&replay.arena);
    if (status != VIV_OK && out->tree != NULL) {
        viv_tree_free(out->tree);
        out->tree = NULL;
    }
    return status;
}
