#include "sim/library.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/registry.h"
#include "base/assert.h"
#include "sim/power_cut.h"
#include "sim/world.h"

/* SUBSETS: states by lot at each moment, beside those that are always tried. */
enum { PATH_BYTES = 128, RECORDING_BYTES = 1 << 30, SUBSETS = 4, ALL_OF_IT = 3 };

struct viv_sim_library {
    struct viv_sim_recording *recording; /* the world's */
    const char *top;
    size_t server;
    unsigned *lives;                 /* the world's: no two folders have the same name */
    char folder[PATH_BYTES];         /* of this life */
    struct viv_sim_power_cut *cut;   /* the folder, moved on by what happened */
    const struct viv_sim_call *seen; /* the last call that did; NULL: none */
    bool *inodes;                    /* by the recorder's number: of this folder */
    size_t inode_capacity;
    bool is_halted, is_lying;
    int64_t since_ns, until_ns; /* of the calls that may not have happened yet */
    struct viv_rng rng;
};

static void name_top(char top[PATH_BYTES], int process)
{
    snprintf(top, PATH_BYTES, "/dev/shm/vivarium-sim-%d", process);
}

const struct viv_configuration *viv_sim_library_configuration(const struct viv_sim_world *world, size_t server)
{
    static const char *const names[] = {"flat", "lmdb-wal", "rocksdb-wal"};
    enum { KINDS = sizeof names / sizeof names[0] };
    size_t stores = (size_t)VIV_SIM_GET(world, stores);
    const struct viv_configuration *found =
        viv_configuration_find(names[stores < VIV_SIM_STORES_MIXED ? stores : (server + stores) % KINDS]);
    found = found != NULL ? found : viv_configuration_find(names[0]); /* left out of this build */
    VIV_ASSERT(found != NULL);
    return found;
}

void viv_sim_libraries_begin(struct viv_sim_world *world)
{
    if (VIV_SIM_GET(world, stores) != VIV_SIM_STORES_FLAT) {
        char top[PATH_BYTES];
        name_top(top, getpid());
        VIV_ASSERT(mkdir(top, 0700) == 0);
        world->recording = viv_sim_recording_new(RECORDING_BYTES);
        viv_sim_recorder_start(world->recording, top);
    }
}

void viv_sim_libraries_end(struct viv_sim_world *world)
{
    if (world->recording != NULL) {
        viv_sim_recorder_stop();
        viv_sim_recording_free(world->recording);
        viv_sim_libraries_clean(getpid());
    }
}

void viv_sim_libraries_clean(int process)
{
    char top[PATH_BYTES];
    name_top(top, process);
    viv_sim_power_cut_remove(top);
}

static void name_folder(struct viv_sim_library *library)
{
    name_top(library->folder, getpid());
    size_t size = strlen(library->folder);
    snprintf(library->folder + size, sizeof library->folder - size, "/%zu-%u", library->server, ++*library->lives);
}

/* ---- which calls are this server's ---- */

/* What is left of a path below the top; NULL: it is in another folder. */
static const char *below(const struct viv_sim_library *library, const char *path)
{
    const char *name = strrchr(library->folder, '/') + 1;
    size_t size = strlen(name);
    if (strncmp(path, name, size) != 0 || (path[size] != '/' && path[size] != '\0')) {
        return NULL;
    }
    return path + size + (path[size] == '/');
}

static void own(struct viv_sim_library *library, uint32_t inode)
{
    if (inode >= library->inode_capacity) {
        size_t capacity = (size_t)inode * 2 + 64;
        library->inodes = viv_realloc(library->inodes, capacity);
        memset(library->inodes + library->inode_capacity, 0, capacity - library->inode_capacity);
        library->inode_capacity = capacity;
    }
    library->inodes[inode] = true;
}

/* False: it is about another folder. Else `call` with its paths as this folder has them. */
static bool take(struct viv_sim_library *library, const struct viv_sim_call *recorded, struct viv_sim_call *call)
{
    *call = *recorded;
    if (recorded->kind == VIV_SIM_CALL_NOTE) {
        return false;
    }
    if (recorded->path == NULL) {
        return recorded->inode < library->inode_capacity && library->inodes[recorded->inode];
    }
    call->path = below(library, recorded->path);
    call->to = recorded->to != NULL ? below(library, recorded->to) : NULL;
    bool is_own_folder = call->path != NULL && call->path[0] == '\0' && recorded->kind != VIV_SIM_CALL_SYNC_DIR;
    if (call->path != NULL && recorded->kind == VIV_SIM_CALL_OPEN) {
        own(library, recorded->inode);
    }
    return call->path != NULL && !is_own_folder;
}

static const struct viv_sim_call *next_call(const struct viv_sim_library *library, const struct viv_sim_call *after)
{
    return viv_sim_recording_next(library->recording, after);
}

/* The next `count` calls have happened. */
static void move_on(struct viv_sim_library *library, size_t count)
{
    const struct viv_sim_call *recorded;
    while (count > 0 && (recorded = next_call(library, library->seen)) != NULL) {
        struct viv_sim_call call;
        if (take(library, recorded, &call)) {
            viv_sim_power_cut_step(library->cut, &call, library->is_lying);
            count--;
        }
        library->seen = recorded;
    }
}

static size_t count_new(struct viv_sim_library *library)
{
    size_t count = 0;
    for (const struct viv_sim_call *at = library->seen; (at = next_call(library, at)) != NULL;) {
        struct viv_sim_call call;
        count += take(library, at, &call);
    }
    return count;
}

/* What was called so far does not count. */
static void skip(struct viv_sim_library *library)
{
    for (const struct viv_sim_call *at = library->seen; (at = next_call(library, at)) != NULL;) {
        library->seen = at;
    }
}

/* ---- life ---- */

struct viv_sim_library *viv_sim_library_new(struct viv_sim_world *world, size_t server)
{
    const struct viv_configuration *configuration = viv_sim_library_configuration(world, server);
    if (strcmp(configuration->name, "flat") == 0) {
        return NULL;
    }
    struct viv_sim_library *library = viv_alloc_zeroed(1, sizeof *library);
    library->recording = world->recording;
    library->server = server;
    library->lives = &world->library_lives;
    library->is_lying = world->options->breaks == VIV_SIM_BREAK_LYING_LIBRARY;
    viv_sim_stream(&library->rng, world->plan->seed, VIV_SIM_DISK, VIV_SIM_MACHINES_MAX + *library->lives);
    name_folder(library);
    library->cut = viv_sim_power_cut_new(NULL);
    VIV_ASSERT(mkdir(library->folder, 0700) == 0);
    skip(library);
    return library;
}

void viv_sim_library_free(struct viv_sim_library *library)
{
    if (library != NULL) {
        viv_sim_power_cut_free(library->cut);
        viv_sim_power_cut_remove(library->folder);
        free(library->inodes);
        free(library);
    }
}

const char *viv_sim_library_folder(const struct viv_sim_library *library)
{
    return library->folder;
}

/* ---- time ---- */

void viv_sim_library_task(struct viv_sim_library *library, int64_t now_ns)
{
    if (library != NULL) {
        move_on(library, SIZE_MAX);
        library->since_ns = library->until_ns = now_ns;
    }
}

void viv_sim_library_task_until(struct viv_sim_library *library, int64_t until_ns)
{
    if (library != NULL) {
        library->until_ns = until_ns;
    }
}

void viv_sim_library_halt(struct viv_sim_library *library, int64_t now_ns)
{
    if (library == NULL || library->is_halted) {
        return;
    }
    size_t lasts_us = (size_t)((library->until_ns - library->since_ns) / 1000);
    size_t passed_us = (size_t)((now_ns - library->since_ns) / 1000);
    move_on(library, passed_us >= lasts_us ? SIZE_MAX : count_new(library) * passed_us / lasts_us);
    library->is_halted = true;
}

void viv_sim_library_renew(struct viv_sim_library *library, bool lost_power)
{
    if (library == NULL) {
        return;
    }
    size_t states = viv_sim_power_cut_count(library->cut, SUBSETS);
    size_t state = lost_power ? (size_t)viv_rng_below(&library->rng, states) : ALL_OF_IT;
    (void)viv_sim_power_cut_choose(library->cut, SUBSETS, viv_rng_next(&library->rng), state);
    viv_sim_power_cut_remove(library->folder);
    name_folder(library);
    viv_sim_power_cut_make(library->cut, library->folder);
    if (lost_power) {
        viv_sim_power_cut_free(library->cut);
        library->cut = viv_sim_power_cut_new(library->folder);
    }
    skip(library);
    library->is_halted = false;
}
