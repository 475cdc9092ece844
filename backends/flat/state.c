#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backends/flat/state_internal.h"
#include "base/assert.h"
#include "base/log.h"

/* The image store of vivarium: whole images in files, the two newest kept. A file takes its name only when its bytes
 * are durable; its place among the others is its number, since an installed image may have a lower zxid. */

enum { IMAGES_KEPT = 2 };

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static void flat_close(struct viv_state *state)
{
    if (state->writer.is_open) {
        viv_flat_image_drop(state); /* crash-equivalent: the leftover is removed at the next open */
    }
    for (size_t i = 0; i < state->image_count; i++) {
        free(state->images[i].path);
    }
    free(state->images);
    viv_file_close(&state->disk, &state->lock);
    free(state->dir);
    free(state);
}

static viv_status unlink_in(struct viv_state *state, const char *name)
{
    char *path = viv_file_path(state->dir, "%s", name);
    viv_status status = viv_file_unlink(&state->disk, path);
    free(path);
    return status;
}

static viv_status sync_dir(struct viv_state *state)
{
    return state->is_durable ? viv_file_sync_dir(&state->disk, state->dir) : VIV_OK;
}

static void add_image(struct viv_state *state, const struct viv_flat_image *image)
{
    state->images = viv_realloc(state->images, (state->image_count + 1) * sizeof *state->images);
    state->images[state->image_count++] = *image;
}

/* Reads the header of an image file into *image, whose path is set. */
static viv_status read_header(struct viv_state *state, struct viv_flat_image *image)
{
    uint8_t bytes[VIV_FLAT_IMAGE_HEADER_BYTES];
    struct viv_file file = {.handle = -1};
    size_t got = 0;
    viv_status status = viv_file_open(&state->disk, image->path, 0, &file);
    if (status == VIV_OK) {
        status = viv_file_read(&state->disk, &file, bytes, sizeof bytes, 0, &got);
    }
    if (status == VIV_OK) {
        status = viv_file_size(&state->disk, &file, &image->bytes);
    }
    viv_file_close(&state->disk, &file);
    if (status == VIV_ERR_IO) {
        return VIV_ERR_CORRUPT; /* what cannot be read is no image */
    }
    VIV_TRY(status);
    return got == sizeof bytes ? viv_flat_image_header_decode(bytes, &image->header) : VIV_ERR_CORRUPT;
}

/* Takes one image file into the list. A damaged header does not stop the server while there is another image. */
static viv_status adopt(struct viv_state *state, const char *name, uint64_t seq, struct viv_store_report *report)
{
    struct viv_flat_image image = {.path = viv_file_path(state->dir, "%s", name)};
    viv_status status = read_header(state, &image);
    if (seq >= state->next_seq) {
        state->next_seq = seq + 1;
    }
    if (status == VIV_OK && (image.header.seq != seq || image.header.gid != state->gid)) {
        status = VIV_ERR_CORRUPT;
    }
    if (status == VIV_OK) {
        status = viv_flat_owner_check(&state->owner, &image.header.owner);
    }
    if (status == VIV_OK) {
        add_image(state, &image);
        return VIV_OK;
    }
    viv_log(VIV_LOG_ERROR, "flat", "an image cannot be used", "file=%s offset=0 reason=\"%s\"", image.path,
            viv_status_text(status));
    free(image.path);
    if (status == VIV_ERR_CORRUPT) {
        state->has_damaged = true;
        report->rejected_files++;
        return VIV_OK;
    }
    return status;
}

/* Number in "snap-GGGG-SSSSSSSSSSSSSSSS-ZZZZZZZZZZZZZZZZ" of this group. */
static bool parse_name(const struct viv_state *state, const char *name, uint64_t *seq)
{
    char prefix[16];
    int prefix_size = snprintf(prefix, sizeof prefix, "snap-%04x-", state->gid);
    if (strncmp(name, prefix, (size_t)prefix_size) != 0 || strlen(name) != (size_t)prefix_size + 33) {
        return false;
    }
    char *end;
    *seq = strtoull(name + prefix_size, &end, 16);
    return end == name + prefix_size + 16 && *end == '-';
}

static bool is_leftover(const struct viv_state *state, const char *name)
{
    char leftover[24];
    snprintf(leftover, sizeof leftover, "snap-%04x.tmp", state->gid);
    return strcmp(name, leftover) == 0;
}

static void forget_oldest(struct viv_state *state)
{
    free(state->images[0].path);
    state->image_count--;
    memmove(state->images, state->images + 1, state->image_count * sizeof *state->images);
}

/* Removes images until `keep` are left, oldest first. */
static viv_status prune(struct viv_state *state, size_t keep)
{
    while (state->image_count > keep) {
        VIV_TRY(viv_file_unlink(&state->disk, state->images[0].path));
        forget_oldest(state);
    }
    return VIV_OK;
}

/* What an installed image made useless before a crash could remove it. */
static viv_status prune_before_install(struct viv_state *state)
{
    for (size_t i = state->image_count; i-- > 1;) {
        if (state->images[i].header.is_install) {
            return prune(state, state->image_count - i);
        }
    }
    return VIV_OK;
}

static viv_status scan_directory(struct viv_state *state, struct viv_store_report *report)
{
    char *path = viv_file_path(state->dir, "state-%04x.lock", state->gid);
    viv_status status =
        viv_file_open(&state->disk, path, VIV_FILE_WRITE | VIV_FILE_CREATE | VIV_FILE_KEEP, &state->lock);
    free(path);
    VIV_TRY(status);
    VIV_TRY(viv_file_lock(&state->disk, &state->lock));
    struct viv_file_names names;
    VIV_TRY(viv_file_list(&state->disk, state->dir, &names));
    for (size_t i = 0; i < names.count && status == VIV_OK; i++) {
        uint64_t seq;
        if (parse_name(state, names.names[i], &seq)) {
            status = adopt(state, names.names[i], seq, report);
        } else if (is_leftover(state, names.names[i])) {
            status = unlink_in(state, names.names[i]);
        }
    }
    viv_file_names_fini(&names);
    VIV_TRY(status);
    VIV_TRY(prune_before_install(state));
    return sync_dir(state);
}

static viv_status flat_open(const struct viv_store_config *config, viv_gid gid, struct viv_state **state,
                            struct viv_store_report *report)
{
    uint64_t start_ns = now_ns();
    struct viv_state *opened = viv_alloc_zeroed(1, sizeof *opened);
    *opened = (struct viv_state){
        .ops = &viv_flat_state,
        .disk = config->disk != NULL ? *config->disk : viv_disk_real,
        .dir = viv_file_path(NULL, "%s", config->state_dir),
        .gid = gid,
        .is_durable = config->durable,
        .load_threads = config->load_threads,
        .image_upto = config->image_upto,
        .owner = {{config->cluster[0], config->cluster[1]}, config->server_id},
        .lock = {.handle = -1},
        .next_seq = 1,
    };
    viv_status status = scan_directory(opened, report);
    if (status != VIV_OK) {
        flat_close(opened);
        return status;
    }
    report->open_ns += now_ns() - start_ns;
    *state = opened;
    return VIV_OK;
}

/* Out of the list, so that it neither counts as one of two nor is ever chosen again; the file goes when the next image
 * is durable. */
static void set_aside(struct viv_state *state, size_t index)
{
    free(state->images[index].path);
    state->image_count--;
    memmove(state->images + index, state->images + index + 1, (state->image_count - index) * sizeof *state->images);
    state->has_damaged = true;
}

static viv_status flat_load(struct viv_state *state, viv_state_rows_fn *rows, viv_state_restart_fn *restart, void *ctx,
                            struct viv_state_mark *mark, struct viv_store_report *report)
{
    bool was_damaged = state->has_damaged;
    while (state->image_count > 0) {
        struct viv_flat_image *newest = &state->images[state->image_count - 1];
        viv_status status = viv_flat_image_load(state, newest, rows, ctx, mark, report);
        if (status == VIV_ERR_TRIMMED) { /* too new for a reader of the past; the file stays */
            free(newest->path);
            state->image_count--;
            continue;
        }
        if (status != VIV_ERR_CORRUPT) {
            return status;
        }
        report->rejected_files++;
        was_damaged = true;
        bool was_install = newest->header.is_install;
        set_aside(state, state->image_count - 1);
        restart(ctx);
        if (was_install) {
            break;
        }
    }
    return was_damaged ? VIV_ERR_CORRUPT : VIV_ERR_NOT_FOUND;
}

static viv_status fail(struct viv_state *state, viv_status status)
{
    VIV_ASSERT(status != VIV_OK);
    if (status != VIV_ERR_NOSPACE) {
        state->failed = status;
    }
    return status;
}

static void flat_abort(struct viv_state *state)
{
    state->writer.ended = VIV_OK;
    if (!state->writer.is_open) {
        return; /* a full disk has ended it already */
    }
    char *path = viv_file_path(NULL, "%s", state->writer.file.path);
    viv_flat_image_drop(state);
    viv_status status = viv_file_unlink(&state->disk, path);
    if (status != VIV_OK) {
        fail(state, status);
    }
    free(path);
}

/* A full disk aborts the checkpoint; anything else is terminal. */
static viv_status end_badly(struct viv_state *state, viv_status status)
{
    if (status == VIV_ERR_NOSPACE) {
        flat_abort(state);
        state->writer.ended = status;
    }
    return fail(state, status);
}

static viv_status flat_begin(struct viv_state *state, enum viv_checkpoint_kind kind, uint64_t zxid_start)
{
    VIV_ASSERT(kind != VIV_CHECKPOINT_DELTA);
    VIV_TRY(state->failed);
    VIV_ASSERT(!state->writer.is_open);
    state->writer.ended = VIV_OK;
    state->writer.header = (struct viv_flat_image_header){
        .owner = state->owner,
        .gid = state->gid,
        .is_install = kind == VIV_CHECKPOINT_INSTALL,
        .seq = state->next_seq,
        .zxid_start = zxid_start,
    };
    char *path = viv_file_path(state->dir, "snap-%04x.tmp", state->gid);
    viv_status status = viv_flat_image_start(state, path);
    free(path);
    return status == VIV_OK ? status : end_badly(state, status);
}

static viv_status flat_write(struct viv_state *state, struct viv_bytes rows)
{
    VIV_TRY(state->failed);
    VIV_TRY(state->writer.ended);
    viv_status status = viv_flat_image_add(state, rows);
    return status == VIV_OK ? status : end_badly(state, status);
}

/* Gives the finished image its name. */
static viv_status publish(struct viv_state *state)
{
    struct viv_flat_image_writer *writer = &state->writer;
    struct viv_flat_image image = {.header = writer->header, .bytes = writer->offset};
    image.path = viv_file_path(state->dir, "snap-%04x-%016" PRIx64 "-%016" PRIx64, state->gid, writer->header.seq,
                               writer->header.zxid_start);
    viv_status status = viv_file_rename(&state->disk, writer->file.path, image.path);
    viv_flat_image_drop(state);
    if (status == VIV_OK) {
        status = sync_dir(state);
    }
    if (status != VIV_OK) {
        free(image.path);
        return fail(state, status == VIV_ERR_NOSPACE ? VIV_ERR_IO : status);
    }
    add_image(state, &image);
    state->next_seq++;
    state->measure.checkpoints++;
    state->measure.bytes_written += image.bytes;
    state->measure.entries += writer->totals.row_count;
    return VIV_OK;
}

/* Files of this group that are in no list: damaged ones, which a good image has replaced. */
static viv_status remove_damaged(struct viv_state *state)
{
    struct viv_file_names names;
    VIV_TRY(viv_file_list(&state->disk, state->dir, &names));
    viv_status status = VIV_OK;
    for (size_t i = 0; i < names.count && status == VIV_OK; i++) {
        uint64_t seq;
        bool is_listed = !parse_name(state, names.names[i], &seq);
        for (size_t j = 0; j < state->image_count && !is_listed; j++) {
            is_listed = state->images[j].header.seq == seq;
        }
        if (!is_listed) {
            status = unlink_in(state, names.names[i]);
        }
    }
    viv_file_names_fini(&names);
    state->has_damaged = state->has_damaged && status != VIV_OK;
    return status;
}

static viv_status flat_commit(struct viv_state *state, const struct viv_state_mark *mark, uint64_t *log_needed_after)
{
    VIV_TRY(state->failed);
    VIV_TRY(state->writer.ended);
    VIV_ASSERT(state->writer.is_open);
    bool is_install = state->writer.header.is_install;
    viv_status status = viv_flat_image_finish(state, mark);
    if (status != VIV_OK) {
        return end_badly(state, status);
    }
    VIV_TRY(publish(state));
    status = prune(state, is_install ? 1 : IMAGES_KEPT);
    if (status == VIV_OK && state->has_damaged) {
        status = remove_damaged(state);
    }
    if (status != VIV_OK) {
        return fail(state, status);
    }
    uint64_t needed = mark->zxid_start;
    for (size_t i = 0; i < state->image_count; i++) {
        needed = state->images[i].header.zxid_start < needed ? state->images[i].header.zxid_start : needed;
    }
    /* The only image of a server that never installed one: the whole log is its fallback. */
    *log_needed_after = state->image_count == 1 && !is_install ? 0 : needed;
    return VIV_OK;
}

static viv_status flat_thin(struct viv_state *state, uint64_t *log_needed_after)
{
    VIV_TRY(state->failed);
    VIV_ASSERT(!state->writer.is_open);
    viv_status status = prune(state, 1);
    if (status == VIV_OK && state->has_damaged && state->image_count > 0) {
        status = remove_damaged(state);
    }
    if (status != VIV_OK) {
        return fail(state, status);
    }
    *log_needed_after = state->image_count > 0 ? state->images[0].header.zxid_start : 0;
    return VIV_OK;
}

/* The image to look at: the one that the look is at, or the oldest behind it, or the first again. */
static size_t image_to_look_at(struct viv_state *state)
{
    size_t index = 0;
    while (index < state->image_count && state->images[index].header.seq < state->look.seq) {
        index++;
    }
    index = index < state->image_count ? index : 0;
    if (state->images[index].header.seq != state->look.seq) {
        state->look = (struct viv_flat_look){.seq = state->images[index].header.seq};
    }
    return index;
}

static viv_status flat_scrub(struct viv_state *state, size_t bytes_max, size_t *bytes)
{
    VIV_TRY(state->failed);
    VIV_ASSERT(!state->writer.is_open);
    if (state->image_count > 0) {
        size_t index = image_to_look_at(state);
        bool is_end;
        viv_status status = viv_flat_image_look(state, &state->images[index], &state->look, bytes_max, bytes, &is_end);
        if (status == VIV_ERR_CORRUPT) {
            set_aside(state, index);
        } else if (status != VIV_OK) {
            return fail(state, status);
        }
        if (is_end) {
            state->look = (struct viv_flat_look){.seq = state->look.seq + 1};
        }
    }
    return state->has_damaged ? VIV_ERR_CORRUPT : VIV_OK;
}

static void flat_measure(struct viv_state *state, struct viv_store_measure *measure)
{
    *measure = state->measure;
    measure->disk_bytes_now = 0;
    for (size_t i = 0; i < state->image_count; i++) {
        measure->disk_bytes_now += state->images[i].bytes;
    }
}

const struct viv_state_ops viv_flat_state = {
    .name = "flat",
    .traits = 0,
    .open = flat_open,
    .close = flat_close,
    .load = flat_load,
    .begin = flat_begin,
    .write = flat_write,
    .commit = flat_commit,
    .abort = flat_abort,
    .thin = flat_thin,
    .measure = flat_measure,
    .scrub = flat_scrub,
};
