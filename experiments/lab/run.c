#include "experiments/lab/run.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/assert.h"
#include "experiments/lab/estimate.h"
#include "experiments/lab/files.h"
#include "experiments/lab/machine.h"
#include "experiments/lab/plan_json.h"
#include "experiments/lab/progress.h"
#include "experiments/lab/report.h"
#include "experiments/lab/trial.h"

struct run {
    const struct viv_plan *plan;
    const struct viv_run_options *options;
    struct viv_interrupt interrupt;
    struct viv_progress progress;
    char *dir;  /* of this run, absolute */
    char *work; /* the servers' directories */
    uint32_t done_count;
    uint32_t bad_count;
};

static char *plan_dir(const struct viv_plan *plan)
{
    const char *slash = strrchr(plan->path, '/');
    return slash == NULL ? viv_text(".") : viv_text("%.*s", (int)(slash - plan->path), plan->path);
}

/* <root>/<plan>/<utc>-<rev>-<id>; the id is that of the resolved plan. */
static char *new_dir(const struct viv_plan *plan, const struct viv_run_options *options, struct viv_bytes resolved)
{
    char utc[32];
    time_t now = time(NULL);
    struct tm parts;
    gmtime_r(&now, &parts);
    strftime(utc, sizeof utc, "%Y%m%dT%H%M%SZ", &parts);
    char *source = plan_dir(plan);
    char *revision = viv_machine_revision(source);
    char *root = options->results_dir != NULL ? viv_text("%s", options->results_dir) : viv_text("%s/results", source);
    char *dir = viv_text("%s/%s/%s-%s-%08x", root, plan->name, utc, revision,
                         (unsigned)(XXH64(resolved.data, resolved.size, 0) >> 32));
    free(source);
    free(revision);
    free(root);
    return dir;
}

static viv_status write_json(const char *dir, const char *name, json_t *json)
{
    struct viv_buffer text = {0};
    char *path = viv_text("%s/%s", dir, name);
    viv_json_append(&text, json, true);
    viv_status status = viv_file_write_whole(path, viv_buffer_bytes(&text));
    json_decref(json);
    viv_buffer_fini(&text);
    free(path);
    return status;
}

static viv_status write_head(struct run *run)
{
    json_t *calibration;
    char *source = plan_dir(run->plan);
    char *path = viv_text("%s/plan.yaml", run->dir);
    viv_status status = viv_file_write_whole(path, viv_buffer_bytes(&run->plan->text));
    if (status == VIV_OK) {
        status = write_json(run->dir, "resolved.json", viv_plan_json(run->plan));
    }
    if (status == VIV_OK) {
        status =
            write_json(run->dir, "provenance.json", viv_machine_provenance(run->dir, source, &run->options->places));
    }
    if (status == VIV_OK) {
        status = viv_machine_calibrate(run->dir, &calibration);
    }
    if (status == VIV_OK) {
        status = write_json(run->dir, "calibration.json", calibration);
    }
    free(path);
    free(source);
    return status;
}

/* The folder of a run may only be gone on with by the very plan it was begun with. */
static bool same_plan(const struct run *run)
{
    struct viv_buffer text = {0};
    char *path = viv_text("%s/plan.yaml", run->dir);
    bool same = viv_file_read(path, 1 << 20, &text) &&
                viv_bytes_equal(viv_buffer_bytes(&text), viv_buffer_bytes(&run->plan->text));
    if (!same) {
        fprintf(stderr, "vivarium-lab: %s was not begun with this plan\n", run->options->resume_dir);
    }
    viv_buffer_fini(&text);
    free(path);
    return same;
}

static bool make_absolute(char **path)
{
    char *absolute = realpath(*path, NULL);
    if (absolute == NULL) {
        fprintf(stderr, "vivarium-lab: %s is not there\n", *path);
        return false;
    }
    free(*path);
    *path = absolute;
    return true;
}

static bool open_dir(struct run *run)
{
    bool fresh = run->options->resume_dir == NULL;
    if (fresh) {
        struct viv_buffer resolved = {0};
        json_t *json = viv_plan_json(run->plan);
        viv_json_append(&resolved, json, false);
        run->dir = new_dir(run->plan, run->options, viv_buffer_bytes(&resolved));
        json_decref(json);
        viv_buffer_fini(&resolved);
        char *trials = viv_text("%s/trials", run->dir);
        viv_status status = viv_dir_make(trials);
        free(trials);
        if (status != VIV_OK) {
            return false;
        }
    } else {
        run->dir = viv_text("%s", run->options->resume_dir);
    }
    if (!make_absolute(&run->dir)) {
        return false;
    }
    run->work = viv_text("%s/work", run->dir);
    viv_dir_remove(run->work);
    return (fresh ? write_head(run) == VIV_OK : same_plan(run)) && viv_dir_make(run->work) == VIV_OK;
}

static void on_progress(void *ctx, const char *doing)
{
    viv_progress_at(ctx, doing);
}

static viv_status run_slot(struct run *run, const struct viv_plan_slot *slot)
{
    static const char *const words[] = {"ok", "invalid", "ACKNOWLEDGED WRITES WERE LOST", "failed", "n/a"};
    char *path = viv_text("%s/trials/%s-%u.jsonl", run->dir, run->plan->cells[slot->cell].name, slot->trial);
    viv_status status = VIV_OK;
    if (viv_path_exists(path)) {
        viv_progress_skip(&run->progress, slot);
    } else {
        struct viv_buffer out = {0};
        enum viv_trial_outcome outcome;
        struct viv_trial_options options = {.plan = run->plan,
                                            .slot = *slot,
                                            .places = &run->options->places,
                                            .interrupt = &run->interrupt,
                                            .work_dir = run->work,
                                            .progress = on_progress,
                                            .ctx = &run->progress};
        viv_progress_begin(&run->progress, slot);
        status = viv_trial_run(&options, &out, &outcome);
        if (status == VIV_OK) {
            status = viv_file_write_whole(path, viv_buffer_bytes(&out));
        }
        if (status == VIV_OK) {
            viv_progress_end(&run->progress, outcome == VIV_TRIAL_VALID ? NULL : words[outcome]);
            run->bad_count += outcome != VIV_TRIAL_VALID && outcome != VIV_TRIAL_UNAVAILABLE;
        }
        viv_buffer_fini(&out);
    }
    run->done_count += status == VIV_OK;
    free(path);
    return status;
}

static viv_status run_all(struct run *run)
{
    uint32_t count = run->plan->cell_count * run->plan->trials;
    struct viv_plan_slot *slots = viv_alloc(count * sizeof *slots);
    viv_plan_order(run->plan, slots);
    viv_progress_init(&run->progress, run->plan);
    viv_status status = VIV_OK;
    for (uint32_t i = 0; i < count && status == VIV_OK; i++) {
        status = run_slot(run, &slots[i]);
    }
    viv_progress_fini(&run->progress);
    free(slots);
    return status;
}

static int finish(struct run *run, viv_status status)
{
    viv_dir_remove(run->work);
    if (status == VIV_ERR_INTERRUPTED && run->done_count == 0 && run->options->resume_dir == NULL) {
        viv_dir_remove(run->dir);
        return VIV_EXIT_INTERRUPTED;
    }
    if (status == VIV_ERR_INTERRUPTED) {
        fprintf(stderr, "interrupted; go on with: vivarium-lab run %s --resume %s\n", run->plan->path, run->dir);
        return VIV_EXIT_INTERRUPTED;
    }
    if (status != VIV_OK) {
        return VIV_EXIT_TROUBLE;
    }
    if (viv_report(run->dir) != 0) {
        return VIV_EXIT_TROUBLE;
    }
    printf("%s\n", run->dir);
    if (run->bad_count > 0) {
        fprintf(stderr, "%u of %u trials failed or are invalid; the report says why\n", run->bad_count,
                run->done_count);
    }
    return run->bad_count > 0 ? VIV_EXIT_FAILED : VIV_EXIT_OK;
}

int viv_run(const struct viv_plan *plan, const struct viv_run_options *options)
{
    struct run run = {.plan = plan, .options = options};
    int code = VIV_EXIT_TROUBLE;
    if (viv_interrupt_open(&run.interrupt) != VIV_OK) {
        return code;
    }
    if (open_dir(&run)) {
        code = finish(&run, run_all(&run));
    } else if (run.work != NULL) {
        viv_dir_remove(run.work);
    }
    viv_interrupt_close(&run.interrupt);
    free(run.dir);
    free(run.work);
    return code;
}

void viv_run_dry(const struct viv_plan *plan, const struct viv_run_options *options, struct viv_buffer *out)
{
    enum { EXAMPLE_PORT = 20000 };
    json_t *json = viv_plan_json(plan);
    viv_json_append(out, json, true);
    json_decref(json);
    viv_buffer_printf(out, "\n# Ports and folders below are examples; a run picks free ports and a fresh folder.\n");
    for (uint32_t c = 0; c < plan->cell_count; c++) {
        const struct viv_cell *cell = &plan->cells[c];
        if (cell->system == VIV_SYSTEM_PARTITION) {
            continue;
        }
        struct viv_system_ports ports[13];
        for (uint32_t i = 0; i < cell->servers; i++) {
            ports[i] = (struct viv_system_ports){(uint16_t)(EXAMPLE_PORT + 3 * i), (uint16_t)(EXAMPLE_PORT + 3 * i + 1),
                                                 (uint16_t)(EXAMPLE_PORT + 3 * i + 2)};
        }
        for (uint32_t sid = 1; sid <= cell->servers; sid++) {
            char *home = viv_text("/work-dir/%s/server-%u", cell->name, sid);
            char *config = viv_text("%s/zoo.cfg", home);
            char *control = viv_plan_freezes_syncs(plan) ? viv_text("%s/sync", home) : NULL;
            char **argv = viv_system_argv(cell, &options->places, config, control);
            viv_buffer_printf(out, "\n# cell %s, server %u\n$", cell->name, sid);
            for (size_t i = 0; argv[i] != NULL; i++) {
                viv_buffer_printf(out, " %s", argv[i]);
            }
            viv_buffer_printf(out, "\n# %s\n", config);
            viv_system_config(cell, ports, sid, home, out);
            viv_system_argv_free(argv);
            free(control);
            free(config);
            free(home);
        }
    }
}
