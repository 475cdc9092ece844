#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/rng.h"
#include "sim/power_cut_internal.h"

/* ---- the tree ---- */

int viv_sim_power_cut_add_node(struct viv_sim_power_cut *cut, bool is_folder)
{
    if (cut->node_count == cut->node_capacity) {
        cut->node_capacity = cut->node_capacity > 0 ? cut->node_capacity * 2 : 32;
        cut->nodes = viv_realloc(cut->nodes, cut->node_capacity * sizeof *cut->nodes);
    }
    cut->nodes[cut->node_count] = (struct node){.is_folder = is_folder};
    return (int)cut->node_count++;
}

static int lookup(const struct entries *entries, const char *name, size_t size)
{
    for (size_t i = 0; i < entries->count; i++) {
        if (strncmp(entries->items[i].name, name, size) == 0 && entries->items[i].name[size] == '\0') {
            return entries->items[i].node;
        }
    }
    return NOBODY;
}

void viv_sim_power_cut_set_entry(struct entries *entries, const char *name, int node)
{
    for (size_t i = 0; i < entries->count; i++) {
        if (strcmp(entries->items[i].name, name) == 0) {
            entries->items[i].node = node;
            return;
        }
    }
    entries->items = viv_realloc(entries->items, (entries->count + 1) * sizeof *entries->items);
    entries->items[entries->count++] = (struct entry){strdup(name), node};
}

void viv_sim_power_cut_free_entries(struct entries *entries)
{
    for (size_t i = 0; i < entries->count; i++) {
        free(entries->items[i].name);
    }
    free(entries->items);
    *entries = (struct entries){0};
}

/* The folder that a path lies in, as names stand now; *name is its last part ("" for the root itself). */
static int folder_of(const struct viv_sim_power_cut *cut, const char *path, const char **name)
{
    int folder = 0;
    for (const char *slash; (slash = strchr(path, '/')) != NULL; path = slash + 1) {
        folder = lookup(&cut->nodes[folder].now, path, (size_t)(slash - path));
        VIV_ASSERT(folder != NOBODY);
    }
    *name = path;
    return folder;
}

static int resolve(const struct viv_sim_power_cut *cut, const char *path)
{
    const char *name;
    int folder = folder_of(cut, path, &name);
    return *name == '\0' ? folder : lookup(&cut->nodes[folder].now, name, strlen(name));
}

/* ---- bytes ---- */

static void resize(struct viv_buffer *bytes, size_t size)
{
    if (size > bytes->size) {
        size_t more = size - bytes->size;
        memset(viv_buffer_extend(bytes, more), 0, more);
    }
    bytes->size = size;
}

static void write_into(struct viv_buffer *bytes, uint64_t offset, const uint8_t *from, size_t size)
{
    if (bytes->size < offset + size) {
        resize(bytes, (size_t)offset + size);
    }
    memcpy(bytes->data + offset, from, size);
}

static void write_sectors(struct viv_buffer *bytes, const struct change *change, uint64_t seed)
{
    struct viv_rng rng;
    viv_rng_init(&rng, seed);
    for (size_t at = 0; at < change->size;) {
        size_t size = SECTOR_BYTES - (size_t)((change->offset + at) % SECTOR_BYTES);
        size = size < change->size - at ? size : change->size - at;
        if (viv_rng_below(&rng, 2) == 0) {
            write_into(bytes, change->offset + at, change->bytes + at, size);
        }
        at += size;
    }
}

void viv_sim_power_cut_apply_bytes(struct viv_buffer *bytes, const struct change *change, const struct choice *choice)
{
    if (choice->manner == NOTHING) {
        return;
    }
    switch (change->kind) {
    case VIV_SIM_CALL_RESIZE:
        resize(bytes, (size_t)change->offset);
        return;
    case VIV_SIM_CALL_EXTEND:
        resize(bytes, change->offset > bytes->size ? (size_t)change->offset : bytes->size);
        return;
    default:
        break;
    }
    if (choice->manner == SECTORS_BY_LOT) {
        write_sectors(bytes, change, choice->seed);
    } else {
        write_into(bytes, change->offset, change->bytes, choice->manner == ALL ? change->size : choice->bytes);
    }
}

void viv_sim_power_cut_apply_name(struct entries *entries, const struct change *change)
{
    if (change->to != NULL) {
        viv_sim_power_cut_set_entry(entries, change->to, change->target);
        viv_sim_power_cut_set_entry(entries, change->name, NOBODY);
    } else {
        viv_sim_power_cut_set_entry(entries, change->name, change->target);
    }
}

/* ---- records ---- */

static struct change *add_change(struct viv_sim_power_cut *cut, enum viv_sim_call_kind kind, int node)
{
    if (cut->change_count == cut->change_capacity) {
        cut->change_capacity = cut->change_capacity > 0 ? cut->change_capacity * 2 : 64;
        cut->changes = viv_realloc(cut->changes, cut->change_capacity * sizeof *cut->changes);
    }
    struct change *change = &cut->changes[cut->change_count++];
    *change = (struct change){.kind = kind, .node = node, .target = NOBODY};
    return change;
}

static void change_name(struct viv_sim_power_cut *cut, const char *path, const char *to, int target)
{
    const char *name, *to_name = NULL;
    int folder = folder_of(cut, path, &name);
    VIV_ASSERT(to == NULL || folder_of(cut, to, &to_name) == folder);
    struct change *change = add_change(cut, VIV_SIM_CALL_RENAME, folder);
    change->is_name = true;
    change->name = strdup(name);
    change->to = to_name != NULL ? strdup(to_name) : NULL;
    change->target = target;
    viv_sim_power_cut_apply_name(&cut->nodes[folder].now, change);
}

static void bind(struct viv_sim_power_cut *cut, uint32_t inode, int node)
{
    while (inode >= cut->inode_capacity) {
        cut->inode_capacity = cut->inode_capacity > 0 ? cut->inode_capacity * 2 : 64;
        cut->inodes = viv_realloc(cut->inodes, cut->inode_capacity * sizeof *cut->inodes);
    }
    cut->inodes[inode] = node;
}

static void open_file(struct viv_sim_power_cut *cut, const struct viv_sim_call *record)
{
    int node = resolve(cut, record->path);
    if (node == NOBODY) {
        VIV_ASSERT(record->flag);
        node = viv_sim_power_cut_add_node(cut, false);
        change_name(cut, record->path, NULL, node);
    } else if (record->flag) {
        add_change(cut, VIV_SIM_CALL_RESIZE, node);
    }
    bind(cut, record->inode, node);
}

/* Makes durable what was done to the node. */
static void settle(struct viv_sim_power_cut *cut, int node)
{
    static const struct choice all = {.manner = ALL};
    size_t kept = 0;
    for (size_t i = 0; i < cut->change_count; i++) {
        struct change *change = &cut->changes[i];
        struct node *owner = &cut->nodes[change->node];
        if (change->node != node) {
            cut->changes[kept++] = *change;
        } else if (change->is_name) {
            viv_sim_power_cut_apply_name(&owner->kept, change);
            free(change->name);
            free(change->to);
        } else {
            viv_sim_power_cut_apply_bytes(&owner->durable, change, &all);
            owner->has_hash = false;
        }
    }
    cut->change_count = kept;
}

static void write_file(struct viv_sim_power_cut *cut, const struct viv_sim_call *record, bool is_lone)
{
    struct change *change = add_change(cut, record->kind, cut->inodes[record->inode]);
    change->offset = record->offset;
    change->bytes = record->bytes;
    change->size = record->size;
    change->is_lone = is_lone;
}

void viv_sim_power_cut_step(struct viv_sim_power_cut *cut, const struct viv_sim_call *record, bool forget_syncs)
{
    for (size_t i = 0; i < cut->change_count; i++) {
        cut->changes[i].is_durable = cut->changes[i].is_lone;
    }
    switch (record->kind) {
    case VIV_SIM_CALL_OPEN:
        open_file(cut, record);
        break;
    case VIV_SIM_CALL_WRITE:
    case VIV_SIM_CALL_RESIZE:
    case VIV_SIM_CALL_EXTEND:
        write_file(cut, record, record->flag && !forget_syncs);
        break;
    case VIV_SIM_CALL_SYNC:
        if (!forget_syncs) {
            settle(cut, cut->inodes[record->inode]);
        }
        break;
    case VIV_SIM_CALL_SYNC_DIR:
        if (!forget_syncs) {
            settle(cut, resolve(cut, record->path));
        }
        break;
    case VIV_SIM_CALL_RENAME:
        change_name(cut, record->path, record->to, resolve(cut, record->path));
        break;
    case VIV_SIM_CALL_UNLINK:
        change_name(cut, record->path, NULL, NOBODY);
        break;
    case VIV_SIM_CALL_MKDIR:
        change_name(cut, record->path, NULL, viv_sim_power_cut_add_node(cut, true));
        break;
    case VIV_SIM_CALL_NOTE:
        break;
    }
}
