#include "experiments/lab/estimate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/assert.h"
#include "experiments/lab/files.h"
#include "experiments/lab/initial.h"

/* Round numbers of a two-core machine, per system. */
struct system_costs {
    double start_s;            /* of the ensemble */
    double znodes_per_s;       /* while the initial state is loaded */
    double recovery_s;         /* of one fault step, beside its load */
    uint64_t log_bytes_per_s;  /* of a saturated write step and server, as far as it is kept */
    uint64_t log_bytes_max;    /* ours are recycled, ZooKeeper's stay unless purged */
    uint64_t base_disk_bytes;  /* of an empty server: preallocated logs */
    uint64_t disk_znode_bytes; /* logs and images that exist at the same time */
    uint64_t base_memory_bytes;
    uint64_t memory_znode_bytes;
};

static const struct system_costs costs[] = {
    [VIV_SYSTEM_VIVARIUM] = {0.5, 100000, 1.5, 60 << 20, 512 << 20, 192 << 20, 600, 80 << 20, 400},
    [VIV_SYSTEM_PARTITION] = {0, INFINITY, 0, 0, 0, 0, 0, 100 << 20, 0},
    [VIV_SYSTEM_ETCD] = {1.5, 8000, 3, 20 << 20, UINT64_MAX, 130 << 20, 2000, 120 << 20, 2500},
    [VIV_SYSTEM_ZOOKEEPER] = {3, 15000, 4, 20 << 20, UINT64_MAX, 192 << 20, 2000, 700 << 20, 1900},
};

static bool writes(const struct viv_step *step)
{
    return step->kind == VIV_STEP_LOAD && step->load.op != VIV_LOAD_GET;
}

static double step_s(const struct viv_cell *cell, const struct viv_step *step)
{
    const struct system_costs *cost = &costs[cell->system];
    double load_s = (double)(step->load.warmup_ns + step->load.measure_ns) / 1e9;
    switch (step->kind) {
    case VIV_STEP_LOAD:
        return load_s + 0.1 + (step->load.op == VIV_LOAD_CREATE ? load_s / 2 : 0);
    case VIV_STEP_STOP: {
        double silence_s = (double)cell->tick_ms * cell->sync_limit_ticks / 1000;
        return load_s + (double)(step->before_ns + step->after_ns) / 1e9 + silence_s + cost->recovery_s;
    }
    case VIV_STEP_KILL:
    case VIV_STEP_RESTART:
    case VIV_STEP_TERM:
    case VIV_STEP_FREEZE:
        return load_s + (double)(step->before_ns + step->after_ns) / 1e9 + cost->recovery_s;
    case VIV_STEP_COLD_START:
        return cost->start_s + cost->recovery_s;
    case VIV_STEP_PLACE:
        return load_s + (double)cell->keys * cell->scheme.bins * 1e-7;
    }
    VIV_ASSERT(false);
    return 0;
}

/* Reading a snapshot file through takes a while; cells usually share one. */
static uint64_t count_znodes(const struct viv_plan *plan, const struct viv_cell *cell)
{
    uint64_t znodes = cell->system == VIV_SYSTEM_PARTITION ? 0 : cell->keys + 2;
    uint64_t bytes;
    if (cell->shape != NULL) {
        return znodes + cell->shape_znodes;
    }
    if (cell->snapshot != NULL && viv_initial_measure(cell, plan->seed, &znodes, &bytes) != VIV_OK) {
        return cell->keys + 2;
    }
    return znodes;
}

void viv_estimate_cell(const struct viv_plan *plan, const struct viv_cell *cell, struct viv_estimate *estimate)
{
    const struct system_costs *cost = &costs[cell->system];
    uint64_t znodes = count_znodes(plan, cell);
    *estimate = (struct viv_estimate){.znodes = znodes};
    estimate->trial_s = cost->start_s + (double)znodes / cost->znodes_per_s;
    uint64_t log_bytes = 0;
    for (uint32_t i = 0; i < plan->step_count; i++) {
        const struct viv_step *step = &plan->steps[i];
        estimate->trial_s += step_s(cell, step);
        if (writes(step) && cell->system != VIV_SYSTEM_PARTITION) {
            double seconds = (double)(step->load.warmup_ns + step->load.measure_ns) / 1e9;
            log_bytes += (uint64_t)(seconds * (double)cost->log_bytes_per_s);
        }
    }
    log_bytes = log_bytes < cost->log_bytes_max ? log_bytes : cost->log_bytes_max;
    uint64_t value_bytes = cell->system == VIV_SYSTEM_PARTITION ? 0 : cell->keys * cell->value_bytes;
    estimate->disk_bytes =
        cell->servers * (cost->base_disk_bytes + znodes * cost->disk_znode_bytes + log_bytes + 7 * value_bytes);
    uint64_t memory = cost->base_memory_bytes + znodes * cost->memory_znode_bytes + 2 * value_bytes;
    if (cell->system == VIV_SYSTEM_ZOOKEEPER && memory > cell->heap_bytes + (UINT64_C(300) << 20)) {
        memory = cell->heap_bytes + (UINT64_C(300) << 20);
    }
    estimate->memory_bytes = cell->servers * memory;
}

static uint64_t available_memory_bytes(void)
{
    struct viv_buffer text = {0};
    uint64_t bytes = 0;
    if (viv_file_read("/proc/meminfo", 16384, &text)) {
        viv_buffer_append(&text, "", 1);
        const char *found = strstr((const char *)text.data, "MemAvailable:");
        bytes = found != NULL ? strtoull(found + strlen("MemAvailable:"), NULL, 10) * 1024 : 0;
    }
    viv_buffer_fini(&text);
    return bytes;
}

/* Of the folder, or of the nearest one above it that is there already. */
static uint64_t free_disk_bytes(const char *dir)
{
    struct statvfs info;
    char *path = viv_text("%s", dir);
    int failed = statvfs(path, &info);
    for (char *slash = strrchr(path, '/'); failed != 0 && slash != NULL && slash > path; slash = strrchr(path, '/')) {
        *slash = '\0';
        failed = statvfs(path, &info);
    }
    if (failed != 0) {
        failed = statvfs(path[0] == '/' ? "/" : ".", &info);
    }
    free(path);
    return failed == 0 ? (uint64_t)info.f_bavail * info.f_frsize : 0;
}

bool viv_estimate_print(const struct viv_plan *plan, const char *dir, struct viv_buffer *out)
{
    uint64_t disk_free = free_disk_bytes(dir);
    uint64_t memory_free = available_memory_bytes();
    double total_s = 0;
    bool fits = true;
    viv_buffer_printf(out, "%-40s %7s %10s %12s %10s %10s\n", "cell", "trials", "minutes", "znodes", "disk MB",
                      "memory MB");
    for (uint32_t i = 0; i < plan->cell_count; i++) {
        const struct viv_cell *cell = &plan->cells[i];
        struct viv_estimate estimate;
        viv_estimate_cell(plan, cell, &estimate);
        double cell_s = estimate.trial_s * plan->trials;
        total_s += cell_s;
        viv_buffer_printf(out, "%-40s %7u %10.1f %12llu %10.0f %10.0f\n", cell->name, plan->trials, cell_s / 60,
                          (unsigned long long)estimate.znodes, (double)estimate.disk_bytes / 1e6,
                          (double)estimate.memory_bytes / 1e6);
        if (estimate.disk_bytes > disk_free / 10 * 9) {
            viv_buffer_printf(out, "  does not fit: %.1f GB of disk are free\n", (double)disk_free / 1e9);
            fits = false;
        }
        if (estimate.memory_bytes > memory_free / 10 * 9) {
            viv_buffer_printf(out, "  does not fit: %.1f GB of memory are available\n", (double)memory_free / 1e9);
            fits = false;
        }
    }
    viv_buffer_printf(out, "%u trials, about %.1f minutes; one ensemble lives at a time\n",
                      plan->cell_count * plan->trials, total_s / 60);
    return fits;
}
