#include "datadir/reader.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/log.h"
#include "tree/apply.h"
#include "tree/image.h"

enum { REPLAY_ENTRIES_MAX = 1024, REPLAY_BYTES_MAX = 4 << 20 };

struct viv_datadir_reader {
    struct viv_datadir copy;
    char *folder;
    struct viv_store_config config;
    const struct viv_datadir_pairing *pairing;
    struct viv_datadir_facts facts;
    struct viv_tree *tree;
    struct viv_log *log;
    uint64_t position; /* last zxid of the log that was applied, or that the image makes needless */
};

/* ---- the image ---- */

static viv_status take_rows(void *ctx, struct viv_bytes rows)
{
    struct viv_datadir_reader *reader = ctx;
    return viv_tree_load_rows(reader->tree, rows);
}

static void start_over(void *ctx)
{
    struct viv_datadir_reader *reader = ctx;
    viv_tree_free(reader->tree);
    reader->tree = viv_tree_new_empty();
}

static viv_status load_rows(struct viv_datadir_reader *reader, const struct viv_datadir_pairing *pairing,
                            struct viv_state_mark *mark, struct viv_store_report *report)
{
    struct viv_state *state;
    reader->tree = viv_tree_new_empty();
    VIV_TRY(viv_state_open(pairing->state, &reader->config, 0, &state, report));
    viv_status status = viv_state_load(state, take_rows, start_over, reader, mark, report);
    viv_state_close(state);
    if (status == VIV_OK) {
        status = viv_tree_load_finish(reader->tree, mark->zxid_start);
    }
    return status;
}

/* One configuration's image. VIV_ERR_NOT_FOUND: it has none here that is old enough. */
static viv_status load_image(struct viv_datadir_reader *reader, const struct viv_datadir_pairing *pairing)
{
    struct viv_store_report report = {0};
    struct viv_state_mark mark = {0};
    struct viv_tree *before = reader->tree;
    viv_status status = load_rows(reader, pairing, &mark, &report);
    uint64_t upto = reader->config.image_upto;
    if (status == VIV_OK && upto != 0 && mark.zxid_end > upto) {
        status = VIV_ERR_NOT_FOUND; /* a store that keeps one image has no older one */
    }
    bool is_better = status == VIV_OK && (before == NULL || mark.zxid_end > reader->facts.mark.zxid_end);
    if (!is_better) {
        viv_tree_free(reader->tree);
        reader->tree = before;
        return status;
    }
    if (before != NULL) {
        viv_tree_free(before);
    }
    reader->pairing = pairing;
    reader->facts.has_image = true;
    reader->facts.mark = mark;
    reader->facts.images_rejected = report.rejected_files;
    reader->facts.image_bytes = report.bytes;
    return VIV_OK;
}

static bool is_candidate(const struct viv_datadir_pairing *pairing, const char *backend)
{
    bool keeps = !((pairing->log->traits | pairing->state->traits) & VIV_STORE_VOLATILE);
    return keeps && (backend == NULL || strcmp(backend, pairing->name) == 0);
}

static viv_status load_newest(struct viv_datadir_reader *reader, const struct viv_datadir_pairing *pairings,
                              const char *backend)
{
    viv_status failed = VIV_OK;
    const struct viv_datadir_pairing *first = NULL;
    for (const struct viv_datadir_pairing *pairing = pairings; pairing->name != NULL; pairing++) {
        if (is_candidate(pairing, backend)) {
            first = first == NULL ? pairing : first;
            viv_status status = load_image(reader, pairing);
            failed = status == VIV_OK || status == VIV_ERR_NOT_FOUND ? failed : status;
        }
    }
    if (first == NULL) {
        viv_log(VIV_LOG_ERROR, "datadir", "this build has no such storage configuration", "backend=%s", backend);
        return VIV_ERR_INVALID;
    }
    if (reader->pairing == NULL) {
        reader->pairing = first;
        VIV_TRY(failed);
    }
    reader->facts.backend = reader->pairing->name;
    return VIV_OK;
}

/* ---- the log ---- */

static viv_status open_log(struct viv_datadir_reader *reader)
{
    struct viv_datadir_facts *facts = &reader->facts;
    struct viv_store_report report = {0};
    VIV_TRY(viv_log_open(reader->pairing->log, &reader->config, &reader->log, &report));
    viv_log_bounds(reader->log, 0, &facts->log);
    viv_log_hard_get(reader->log, 0, &facts->hard);
    facts->torn_bytes = report.torn_bytes;
    facts->log_bytes = report.bytes;
    facts->entries = report.entries;
    return VIV_OK;
}

/* An installed image that was interrupted makes the log before it needless. */
static bool log_is_stale(const struct viv_datadir_facts *facts)
{
    return facts->hard.install_zxid != 0 && facts->hard.install_zxid == facts->mark.zxid_start &&
           facts->mark.zxid_end == facts->mark.zxid_start;
}

static viv_status join(struct viv_datadir_reader *reader)
{
    struct viv_datadir_facts *facts = &reader->facts;
    uint64_t upto = reader->config.image_upto;
    if (!facts->has_image && facts->log.base_zxid > 0) {
        viv_log(VIV_LOG_ERROR, "datadir",
                upto != 0 ? "the past is gone: no image that is kept is that old (flat keeps two, lmdb-wal and "
                            "rocksdb-wal one), and the log begins later"
                          : "there is a log but no image that it goes on from",
                "path=%s upto=0x%llx log=0x%llx..0x%llx", reader->copy.log_path, (unsigned long long)upto,
                (unsigned long long)facts->log.base_zxid, (unsigned long long)facts->log.last_zxid);
        return upto != 0 ? VIV_ERR_TRIMMED : VIV_ERR_CORRUPT;
    }
    if (!facts->has_image) {
        reader->tree = viv_tree_new();
        return VIV_OK;
    }
    if (log_is_stale(facts)) {
        facts->log.base_zxid = facts->log.last_zxid = facts->mark.zxid_start;
    }
    if (facts->log.base_zxid > facts->mark.zxid_start || facts->log.last_zxid < facts->mark.zxid_end) {
        viv_log(VIV_LOG_ERROR, "datadir", "image and log do not join", "image=0x%llx..0x%llx log=0x%llx..0x%llx",
                (unsigned long long)facts->mark.zxid_start, (unsigned long long)facts->mark.zxid_end,
                (unsigned long long)facts->log.base_zxid, (unsigned long long)facts->log.last_zxid);
        return VIV_ERR_CORRUPT;
    }
    reader->position = facts->mark.zxid_start;
    return VIV_OK;
}

static viv_status check_digest(const struct viv_datadir_reader *reader)
{
    const struct viv_state_mark *mark = &reader->facts.mark;
    uint64_t digest = viv_tree_digest(reader->tree);
    if (!reader->facts.has_image || viv_tree_zxid(reader->tree) != mark->zxid_end || mark->digest == 0 ||
        mark->digest == digest) {
        return VIV_OK;
    }
    viv_log(VIV_LOG_ERROR, "datadir", "image and log do not give the state that was recorded",
            "zxid=0x%llx digest=0x%llx recorded=0x%llx", (unsigned long long)mark->zxid_end, (unsigned long long)digest,
            (unsigned long long)mark->digest);
    return VIV_ERR_CORRUPT;
}

static viv_status apply(struct viv_datadir_reader *reader, const struct viv_entry *entry, struct viv_arena *arena)
{
    struct viv_applied applied;
    if (viv_entry_is_damaged(entry)) {
        viv_log(VIV_LOG_ERROR, "datadir", "an entry of the log is damaged; start the server: it asks the others for it",
                "zxid=0x%llx bytes=%zu", (unsigned long long)entry->zxid, entry->body.size);
        return VIV_ERR_CORRUPT;
    }
    viv_arena_reset(arena);
    viv_tree_apply(reader->tree, entry->body, VIV_APPLY_REPLAY, arena, &applied);
    if (applied.malformed) {
        viv_log(VIV_LOG_ERROR, "datadir", "a transaction in the log cannot be decoded", "zxid=0x%llx",
                (unsigned long long)entry->zxid);
        return VIV_ERR_CORRUPT;
    }
    reader->position = entry->zxid;
    return check_digest(reader);
}

static viv_status replay(struct viv_datadir_reader *reader, struct viv_log_iter *iter, viv_datadir_entry_fn *visit,
                         void *ctx)
{
    struct viv_entry *entries = viv_alloc(REPLAY_ENTRIES_MAX * sizeof *entries);
    struct viv_arena arena = {0};
    size_t count = 0;
    viv_status status;
    do {
        status = viv_log_iter_next(reader->log, iter, entries, REPLAY_ENTRIES_MAX, REPLAY_BYTES_MAX, &count);
        for (size_t i = 0; i < count && status == VIV_OK; i++) {
            status = apply(reader, &entries[i], &arena);
            if (status == VIV_OK && visit != NULL) {
                status = visit(ctx, reader->tree, &entries[i]);
            }
        }
    } while (status == VIV_OK && count > 0);
    viv_arena_fini(&arena);
    free(entries);
    return status;
}

viv_status viv_datadir_reader_replay(struct viv_datadir_reader *reader, uint64_t upto_zxid, viv_datadir_entry_fn *visit,
                                     void *ctx)
{
    uint64_t last = reader->facts.log.last_zxid;
    uint64_t upto = upto_zxid == 0 || upto_zxid > last ? last : upto_zxid;
    if (upto_zxid > last) {
        viv_log(VIV_LOG_ERROR, "datadir", "the newest transaction is older than what is asked for",
                "newest=0x%llx upto=0x%llx", (unsigned long long)last, (unsigned long long)upto_zxid);
        return VIV_ERR_TRIMMED;
    }
    VIV_TRY(check_digest(reader));
    if (upto <= reader->position) {
        return VIV_OK;
    }
    struct viv_log_iter *iter;
    VIV_TRY(viv_log_iter_open(reader->log, 0, reader->position, upto, &iter));
    viv_status status = replay(reader, iter, visit, ctx);
    viv_log_iter_close(reader->log, iter);
    return status;
}

/* ---- the whole ---- */

static viv_status open_copy(struct viv_datadir_reader *reader, const struct viv_datadir_pairing *pairings,
                            const char *backend)
{
    VIV_TRY(load_newest(reader, pairings, backend));
    VIV_TRY(open_log(reader));
    return join(reader);
}

viv_status viv_datadir_reader_open(const struct viv_datadir *datadir, const struct viv_datadir_pairing *pairings,
                                   const char *backend, uint64_t upto_zxid, struct viv_datadir_reader **out)
{
    struct viv_datadir_reader *reader = viv_alloc_zeroed(1, sizeof *reader);
    viv_status status = viv_datadir_copy(datadir, &reader->copy, &reader->folder);
    if (status != VIV_OK) {
        free(reader);
        return status;
    }
    reader->config = (struct viv_store_config){
        .log_dir = reader->copy.log_path,
        .state_dir = reader->copy.state_path,
        .server_id = reader->copy.server_id,
        .image_upto = upto_zxid,
    };
    status = open_copy(reader, pairings, backend);
    if (status != VIV_OK) {
        viv_datadir_reader_close(reader);
        return status;
    }
    *out = reader;
    return VIV_OK;
}

void viv_datadir_reader_close(struct viv_datadir_reader *reader)
{
    if (reader->log != NULL) {
        viv_log_close(reader->log);
    }
    if (reader->tree != NULL) {
        viv_tree_free(reader->tree);
    }
    viv_datadir_copy_free(&reader->copy, reader->folder);
    free(reader);
}

const struct viv_datadir_facts *viv_datadir_reader_facts(const struct viv_datadir_reader *reader)
{
    return &reader->facts;
}

struct viv_tree *viv_datadir_reader_tree(struct viv_datadir_reader *reader)
{
    return reader->tree;
}
