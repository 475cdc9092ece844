#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "backends/flat/format.h"
#include "backends/flat/image.h"
#include "base/assert.h"
#include "tests/crash/rot_case.h"

const char *const rot_structure_names[ROT_STRUCTURES] = {
    [ROT_SEGMENT_HEADER] = "segment header", [ROT_BATCH_HEADER] = "batch header",
    [ROT_BATCH_TABLE] = "batch table",       [ROT_BODY] = "entry",
    [ROT_IDENTIFIER] = "identifier",         [ROT_HARD_SLOT] = "hard state slot",
    [ROT_IMAGE_HEADER] = "image header",     [ROT_IMAGE_FRAME] = "image frame",
    [ROT_IMAGE_FOOTER] = "image footer",     [ROT_LIBRARY_FILE] = "library file",
};

/* ---- reading ---- */

static struct rot_place *add(struct rot_atlas *atlas, enum rot_structure structure, const char *file, uint64_t from,
                             uint64_t to)
{
    if (atlas->count == atlas->capacity) {
        atlas->capacity = atlas->capacity > 0 ? atlas->capacity * 2 : 256;
        atlas->places = viv_realloc(atlas->places, atlas->capacity * sizeof *atlas->places);
    }
    struct rot_place *place = &atlas->places[atlas->count++];
    *place = (struct rot_place){.structure = structure, .from = from, .to = to};
    snprintf(place->file, sizeof place->file, "%s", file);
    return place;
}

static bool read_whole(const char *folder, const char *file, struct viv_buffer *bytes)
{
    char path[512], part[1 << 16];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    FILE *from = fopen(path, "re");
    if (from == NULL) {
        return false;
    }
    viv_buffer_clear(bytes);
    for (size_t got; (got = fread(part, 1, sizeof part, from)) > 0;) {
        viv_buffer_append(bytes, part, got);
    }
    fclose(from);
    return true;
}

/* Adds the entries of a batch, and says from which to which. */
static void add_entries(struct rot_atlas *atlas, const char *file, const struct viv_flat_batch_header *header,
                        const uint8_t *body, uint64_t salt, uint64_t *first, uint64_t *last)
{
    struct viv_flat_batch_cursor cursor;
    struct viv_flat_run run;
    struct viv_entry entry;
    VIV_ASSERT(viv_flat_batch_open(&cursor, header, body, salt));
    while (viv_flat_batch_next_run(&cursor, &run)) {
        while (viv_flat_batch_next_entry(&cursor, &entry)) {
            uint64_t at = header->offset + VIV_FLAT_BATCH_HEADER_BYTES + (uint64_t)(entry.body.data - body);
            struct rot_place *place = add(atlas, ROT_BODY, file, at, at + entry.body.size);
            place->first_zxid = place->last_zxid = entry.zxid;
            *first = *first == 0 ? entry.zxid : *first;
            *last = entry.zxid;
        }
    }
}

/* The batch and, ending at `identifier_to`, its identifier; without that the entries are still whole. */
static void add_batch(struct rot_atlas *atlas, const char *file, const struct viv_flat_batch_header *header,
                      const uint8_t *body, uint64_t salt, uint64_t identifier_to)
{
    size_t before = atlas->count;
    uint64_t first = 0, last = 0;
    uint64_t body_at = header->offset + VIV_FLAT_BATCH_HEADER_BYTES;
    add_entries(atlas, file, header, body, salt, &first, &last);
    struct rot_place *place = add(atlas, ROT_BATCH_HEADER, file, header->offset, body_at);
    place->first_zxid = first;
    place->last_zxid = last;
    place = add(atlas, ROT_BATCH_TABLE, file, body_at, body_at + viv_flat_table_bytes_of(header));
    place->first_zxid = first;
    place->last_zxid = last;
    add(atlas, ROT_IDENTIFIER, file, identifier_to - viv_flat_identifier_bytes_of(header), identifier_to);
    for (size_t i = before; i < atlas->count; i++) {
        atlas->places[i].batch_to = header->offset + viv_flat_batch_bytes_of(header);
    }
}

static void add_segment(struct rot_atlas *atlas, const char *file, const struct viv_buffer *bytes)
{
    struct viv_flat_segment_header segment;
    struct viv_flat_batch_header header;
    if (bytes->size < 2 * VIV_FLAT_BLOCK_BYTES || viv_flat_segment_header_decode(bytes->data, &segment) != VIV_OK) {
        return;
    }
    size_t before = atlas->count;
    uint64_t identifier_to = bytes->size - VIV_FLAT_BLOCK_BYTES;
    add(atlas, ROT_SEGMENT_HEADER, file, 0, 128);
    add(atlas, ROT_SEGMENT_HEADER, file, identifier_to, identifier_to + 128);
    uint64_t first = 0, last = 0;
    for (uint64_t at = VIV_FLAT_BLOCK_BYTES; at + VIV_FLAT_SECTOR_BYTES <= bytes->size &&
                                             viv_flat_batch_header_decode(bytes->data + at, &segment, at, &header);
         at += viv_flat_batch_bytes_of(&header)) {
        add_batch(atlas, file, &header, bytes->data + at + VIV_FLAT_BATCH_HEADER_BYTES, segment.salt, identifier_to);
        identifier_to -= viv_flat_identifier_bytes_of(&header);
    }
    for (size_t i = before; i < atlas->count; i++) {
        const struct rot_place *place = &atlas->places[i];
        first = first == 0 ? place->first_zxid : first;
        last = place->last_zxid > last ? place->last_zxid : last;
    }
    atlas->places[before].first_zxid = atlas->places[before + 1].first_zxid = first;
    atlas->places[before].last_zxid = atlas->places[before + 1].last_zxid = last;
}

static void add_image(struct rot_atlas *atlas, const char *file, const struct viv_buffer *bytes, unsigned image)
{
    add(atlas, ROT_IMAGE_HEADER, file, 0, VIV_FLAT_IMAGE_HEADER_BYTES)->image = image;
    uint64_t footer = bytes->size - VIV_FLAT_IMAGE_FOOTER_BYTES;
    add(atlas, ROT_IMAGE_FRAME, file, VIV_FLAT_IMAGE_HEADER_BYTES, footer)->image = image;
    add(atlas, ROT_IMAGE_FOOTER, file, footer, bytes->size)->image = image;
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static void add_library(struct rot_atlas *atlas, const char *folder, const char *inner)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, inner);
    DIR *directory = opendir(path);
    for (struct dirent *found; directory != NULL && (found = readdir(directory)) != NULL;) {
        struct viv_buffer bytes = {0};
        char file[96];
        /* What RocksDB writes for people, and its empty locks, hold nothing. */
        bool is_idle = begins(found->d_name, "LOG") || begins(found->d_name, "LOCK") || found->d_name[0] == '.';
        if (!is_idle && snprintf(file, sizeof file, "%s/%s", inner, found->d_name) < (int)sizeof file &&
            read_whole(folder, file, &bytes) && bytes.size > 0) {
            add(atlas, ROT_LIBRARY_FILE, file, 0, bytes.size);
        }
        viv_buffer_fini(&bytes);
    }
    if (directory != NULL) {
        closedir(directory);
    }
}

static void add_file(struct rot_atlas *atlas, const char *folder, const char *file, unsigned *image)
{
    struct viv_buffer bytes = {0};
    if (begins(file, "log-") && read_whole(folder, file, &bytes)) {
        add_segment(atlas, file, &bytes);
    } else if (strcmp(file, "hard") == 0) {
        add(atlas, ROT_HARD_SLOT, file, 0, VIV_FLAT_BLOCK_BYTES);
        add(atlas, ROT_HARD_SLOT, file, VIV_FLAT_BLOCK_BYTES, 2 * VIV_FLAT_BLOCK_BYTES);
    } else if (begins(file, "snap-") && read_whole(folder, file, &bytes)) {
        add_image(atlas, file, &bytes, (*image)++);
    } else if ((begins(file, "lmdb-") || begins(file, "rocksdb-")) && strstr(file, ".lock") == NULL) {
        add_library(atlas, folder, file);
    }
    viv_buffer_fini(&bytes);
}

static int by_name_backwards(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*b)->d_name, (*a)->d_name);
}

void rot_atlas_read(struct rot_atlas *atlas, const char *folder)
{
    *atlas = (struct rot_atlas){0};
    struct dirent **names;
    int count = scandir(folder, &names, NULL, by_name_backwards); /* so the newest image comes first */
    VIV_ASSERT(count >= 0);
    unsigned image = 0;
    for (int i = 0; i < count; i++) {
        add_file(atlas, folder, names[i]->d_name, &image);
        free(names[i]);
    }
    free(names);
    atlas->first_zxid = 0;
    for (size_t i = 0; i < atlas->count; i++) {
        const struct rot_place *place = &atlas->places[i];
        if (place->structure == ROT_BODY && (atlas->first_zxid == 0 || place->first_zxid < atlas->first_zxid)) {
            atlas->first_zxid = place->first_zxid;
        }
    }
}

void rot_atlas_fini(struct rot_atlas *atlas)
{
    free(atlas->places);
    *atlas = (struct rot_atlas){0};
}

/* ---- what is left ---- */

struct remains {
    bool knows_promises;
    bool has_image[2];
    uint64_t image_starts[2];
};

static bool is_hit(const struct rot_place *place, size_t server, const struct rot_damage *damages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (damages[i].server == server && strcmp(damages[i].file, place->file) == 0 && damages[i].from < place->to &&
            place->from < damages[i].to) {
            return true;
        }
    }
    return false;
}

static struct remains what_remains(const struct rot_atlas *atlas, const uint64_t *image_starts, size_t server,
                                   const struct rot_damage *damages, size_t count)
{
    struct remains remains = {.has_image = {image_starts[0] != 0, image_starts[1] != 0},
                              .image_starts = {image_starts[0], image_starts[1]}};
    unsigned images = 0, slots = 0;
    for (size_t i = 0; i < atlas->count; i++) {
        const struct rot_place *place = &atlas->places[i];
        bool is_intact = !is_hit(place, server, damages, count);
        bool is_image = place->structure >= ROT_IMAGE_HEADER;
        slots += place->structure == ROT_HARD_SLOT && is_intact;
        images = is_image && place->image >= images ? place->image + 1 : images;
        if (is_image && !is_intact) {
            remains.has_image[place->image] = false;
        }
    }
    for (unsigned i = images; i < 2; i++) {
        remains.has_image[i] = false; /* superseded, and removed */
    }
    remains.knows_promises = slots > 0;
    return remains;
}

/* Marks which entries of `zxids` this server's log still holds. */
static void mark_intact(const struct rot_atlas *atlas, size_t server, const struct rot_damage *damages, size_t count,
                        const uint64_t *zxids, size_t zxid_count, bool *is_intact)
{
    for (size_t i = 0; i < zxid_count; i++) {
        bool is_there = false, is_damaged = false;
        for (size_t j = 0; j < atlas->count; j++) {
            const struct rot_place *place = &atlas->places[j];
            bool is_part = place->first_zxid != 0 && place->first_zxid <= zxids[i] && zxids[i] <= place->last_zxid;
            is_there = is_there || (is_part && place->structure == ROT_BODY);
            is_damaged = is_damaged || (is_part && is_hit(place, server, damages, count));
        }
        is_intact[i] = is_intact[i] || (is_there && !is_damaged);
    }
}

static size_t list_zxids(const struct rot_atlas *atlases, const struct rot_history *history, uint64_t *zxids)
{
    size_t count = 0;
    for (size_t server = 0; server < ROT_SERVERS; server++) {
        for (size_t i = 0; i < atlases[server].count; i++) {
            const struct rot_place *place = &atlases[server].places[i];
            bool is_known = place->structure != ROT_BODY || place->first_zxid > history->last_zxid;
            for (size_t j = 0; j < count && !is_known; j++) {
                is_known = zxids[j] == place->first_zxid;
            }
            if (!is_known) {
                VIV_ASSERT(count < ROT_ENTRIES_MAX);
                zxids[count++] = place->first_zxid;
            }
        }
    }
    return count;
}

bool rot_is_recoverable(const struct rot_atlas *atlases, const struct rot_history *history, const bool *up,
                        const struct rot_damage *damages, size_t damage_count)
{
    uint64_t zxids[ROT_ENTRIES_MAX];
    bool is_intact[ROT_ENTRIES_MAX] = {false};
    size_t zxid_count = list_zxids(atlases, history, zxids);
    size_t knowing = 0;
    uint64_t best_start = 0;
    bool has_start = false;
    for (size_t server = 0; server < ROT_SERVERS; server++) {
        if (!up[server]) {
            continue;
        }
        struct remains remains =
            what_remains(&atlases[server], history->image_starts[server], server, damages, damage_count);
        knowing += remains.knows_promises;
        mark_intact(&atlases[server], server, damages, damage_count, zxids, zxid_count, is_intact);
        for (unsigned i = 0; i < 2; i++) {
            best_start =
                remains.has_image[i] && remains.image_starts[i] > best_start ? remains.image_starts[i] : best_start;
            has_start = has_start || remains.has_image[i];
        }
        has_start = has_start || (history->image_starts[server][0] == 0);
    }
    bool is_whole = has_start && knowing >= ROT_SERVERS / 2 + 1;
    for (size_t i = 0; i < zxid_count && is_whole; i++) {
        is_whole = is_intact[i] || zxids[i] <= best_start;
    }
    return is_whole;
}
