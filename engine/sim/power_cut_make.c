#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/assert.h"
#include "sim/power_cut_internal.h"

/* ---- the files of a state ---- */

static struct made_file *add_file(struct viv_sim_power_cut *cut, const char *path, int node)
{
    if (cut->file_count == cut->file_capacity) {
        size_t capacity = cut->file_capacity > 0 ? cut->file_capacity * 2 : 16;
        cut->files = viv_realloc(cut->files, capacity * sizeof *cut->files);
        memset(cut->files + cut->file_capacity, 0, (capacity - cut->file_capacity) * sizeof *cut->files);
        cut->file_capacity = capacity;
    }
    struct made_file *file = &cut->files[cut->file_count++];
    VIV_ASSERT(snprintf(file->path, sizeof file->path, "%s", path) < PATH_BYTES);
    file->node = node;
    file->is_folder = cut->nodes[node].is_folder;
    file->is_changed = false;
    viv_buffer_clear(&file->bytes);
    return file;
}

static void make_bytes(struct viv_sim_power_cut *cut, struct made_file *file)
{
    for (size_t i = 0; i < cut->change_count; i++) {
        const struct change *change = &cut->changes[i];
        if (change->node == file->node && !change->is_name && cut->choices[i].manner != NOTHING) {
            if (!file->is_changed) {
                viv_buffer_append_bytes(&file->bytes, viv_buffer_bytes(&cut->nodes[file->node].durable));
            }
            file->is_changed = true;
            viv_sim_power_cut_apply_bytes(&file->bytes, change, &cut->choices[i]);
        }
    }
}

static void walk(struct viv_sim_power_cut *cut, int folder, const char *path)
{
    struct entries entries = {0};
    for (size_t i = 0; i < cut->nodes[folder].kept.count; i++) {
        viv_sim_power_cut_set_entry(&entries, cut->nodes[folder].kept.items[i].name,
                                    cut->nodes[folder].kept.items[i].node);
    }
    for (size_t i = 0; i < cut->change_count; i++) {
        if (cut->changes[i].is_name && cut->changes[i].node == folder && cut->choices[i].manner != NOTHING) {
            viv_sim_power_cut_apply_name(&entries, &cut->changes[i]);
        }
    }
    for (size_t i = 0; i < entries.count; i++) {
        int node = entries.items[i].node;
        char inner[PATH_BYTES];
        if (node == NOBODY) {
            continue;
        }
        VIV_ASSERT(snprintf(inner, sizeof inner, "%s%s%s", path, *path != '\0' ? "/" : "", entries.items[i].name) <
                   PATH_BYTES);
        struct made_file *file = add_file(cut, inner, node);
        if (cut->nodes[node].is_folder) {
            walk(cut, node, inner);
        } else {
            make_bytes(cut, file);
        }
    }
    viv_sim_power_cut_free_entries(&entries);
}

/* RocksDB names old logs of its own by the clock: they make no two states different. */
static bool is_named_by_the_clock(const char *path)
{
    const char *name = strrchr(path, '/');
    return strncmp(name != NULL ? name + 1 : path, "LOG.old.", 8) == 0;
}

static uint64_t file_hash(struct viv_sim_power_cut *cut, const struct made_file *file)
{
    struct node *node = &cut->nodes[file->node];
    if (is_named_by_the_clock(file->path)) {
        return 0;
    }
    uint64_t name = XXH3_64bits(file->path, strlen(file->path));
    if (file->is_folder) {
        return name;
    }
    if (file->is_changed) {
        return XXH3_64bits_withSeed(file->bytes.data, file->bytes.size, name);
    }
    if (!node->has_hash) {
        node->hash = XXH3_64bits(node->durable.data, node->durable.size);
        node->has_hash = true;
    }
    return XXH3_64bits_withSeed(&node->hash, sizeof node->hash, name ^ 1);
}

uint64_t viv_sim_power_cut_list(struct viv_sim_power_cut *cut)
{
    cut->file_count = 0;
    walk(cut, 0, "");
    uint64_t sum = 0;
    for (size_t i = 0; i < cut->file_count; i++) {
        sum += file_hash(cut, &cut->files[i]);
    }
    return sum;
}

/* ---- folders ---- */

static void make_file(const struct viv_sim_power_cut *cut, const struct made_file *file, const char *path)
{
    static const uint8_t zeros[BLOCK_BYTES];
    const struct viv_buffer *bytes = file->is_changed ? &file->bytes : &cut->nodes[file->node].durable;
    FILE *to = fopen(path, "we");
    VIV_ASSERT(to != NULL);
    int fd = fileno(to);
    VIV_ASSERT(ftruncate(fd, (off_t)bytes->size) == 0);
    for (size_t at = 0; at < bytes->size;) {
        size_t size = bytes->size - at < BLOCK_BYTES ? bytes->size - at : BLOCK_BYTES;
        bool is_empty = memcmp(bytes->data + at, zeros, size) == 0;
        if (!is_empty) {
            VIV_ASSERT(pwrite(fd, bytes->data + at, size, (off_t)at) == (ssize_t)size);
        }
        at += size;
    }
    fclose(to);
}

void viv_sim_power_cut_make(struct viv_sim_power_cut *cut, const char *folder)
{
    VIV_ASSERT(mkdir(folder, 0700) == 0);
    for (size_t i = 0; i < cut->file_count; i++) {
        char path[2 * PATH_BYTES];
        snprintf(path, sizeof path, "%s/%s", folder, cut->files[i].path);
        if (cut->files[i].is_folder) {
            VIV_ASSERT(mkdir(path, 0700) == 0);
        } else {
            make_file(cut, &cut->files[i], path);
        }
    }
}

static int remove_one(const char *path, const struct stat *found, int type, struct FTW *where)
{
    (void)found, (void)type, (void)where;
    return remove(path);
}

void viv_sim_power_cut_remove(const char *folder)
{
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void read_file(const char *path, struct viv_buffer *bytes)
{
    FILE *from = fopen(path, "re");
    VIV_ASSERT(from != NULL);
    char part[1 << 16];
    for (size_t got; (got = fread(part, 1, sizeof part, from)) > 0;) {
        viv_buffer_append(bytes, part, got);
    }
    fclose(from);
}

/* Takes what is there as durable. */
static void load(struct viv_sim_power_cut *cut, const char *path, int folder)
{
    DIR *directory = opendir(path);
    VIV_ASSERT(directory != NULL);
    for (struct dirent *found; (found = readdir(directory)) != NULL;) {
        char inner[2 * PATH_BYTES];
        if (strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0) {
            continue;
        }
        snprintf(inner, sizeof inner, "%s/%s", path, found->d_name);
        struct stat status;
        VIV_ASSERT(lstat(inner, &status) == 0);
        int node = viv_sim_power_cut_add_node(cut, S_ISDIR(status.st_mode));
        viv_sim_power_cut_set_entry(&cut->nodes[folder].now, found->d_name, node);
        viv_sim_power_cut_set_entry(&cut->nodes[folder].kept, found->d_name, node);
        if (S_ISDIR(status.st_mode)) {
            load(cut, inner, node);
        } else {
            read_file(inner, &cut->nodes[node].durable);
        }
    }
    closedir(directory);
}

struct viv_sim_power_cut *viv_sim_power_cut_new(const char *folder)
{
    struct viv_sim_power_cut *cut = viv_alloc_zeroed(1, sizeof *cut);
    viv_sim_power_cut_add_node(cut, true);
    if (folder != NULL) {
        load(cut, folder, 0);
    }
    return cut;
}

void viv_sim_power_cut_free(struct viv_sim_power_cut *cut)
{
    for (size_t i = 0; i < cut->change_count; i++) {
        free(cut->changes[i].name);
        free(cut->changes[i].to);
    }
    for (size_t i = 0; i < cut->node_count; i++) {
        viv_buffer_fini(&cut->nodes[i].durable);
        viv_sim_power_cut_free_entries(&cut->nodes[i].now);
        viv_sim_power_cut_free_entries(&cut->nodes[i].kept);
    }
    for (size_t i = 0; i < cut->file_capacity; i++) {
        viv_buffer_fini(&cut->files[i].bytes);
    }
    free(cut->nodes);
    free(cut->inodes);
    free(cut->changes);
    free(cut->choices);
    free(cut->files);
    free(cut);
}

bool viv_sim_power_cut_is_whole(struct viv_sim_power_cut *cut, const char *folder)
{
    struct viv_sim_power_cut *real = viv_sim_power_cut_new(folder);
    (void)viv_sim_power_cut_choose(cut, 0, 0, 3);
    (void)viv_sim_power_cut_choose(real, 0, 0, 3);
    size_t equal = 0;
    for (size_t i = 0; i < real->file_count; i++) {
        uint64_t hash = 0;
        for (size_t j = 0; j < cut->file_count; j++) {
            const struct made_file *file = &cut->files[j];
            const struct viv_buffer *bytes = file->is_changed ? &file->bytes : &cut->nodes[file->node].durable;
            if (strcmp(file->path, real->files[i].path) == 0) {
                hash = viv_bytes_equal(viv_buffer_bytes(bytes),
                                       viv_buffer_bytes(&real->nodes[real->files[i].node].durable));
            }
        }
        if (hash == 0) {
            fprintf(stderr, "the record does not know all of %s/%s\n", folder, real->files[i].path);
        }
        equal += hash;
    }
    bool is_whole = equal == real->file_count && equal == cut->file_count;
    if (equal == real->file_count && !is_whole) {
        fprintf(stderr, "the record knows of %zu files and folders, there are %zu\n", cut->file_count, equal);
    }
    viv_sim_power_cut_free(real);
    return is_whole;
}
