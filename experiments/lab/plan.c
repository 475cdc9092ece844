#include "experiments/lab/plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/assert.h"
#include "base/rng.h"
#include "experiments/lab/files.h"
#include "experiments/lab/plan_internal.h"
#include "experiments/lab/units.h"

enum { PLAN_BYTES_MAX = 1 << 20, TRIALS_MAX = 1000 };

bool viv_plan_scalar(struct viv_source *source, const char *path, const char *key, enum viv_field_kind kind,
                     const char *text, uint64_t *value)
{
    uint32_t percent;
    double rate;
    switch (kind) {
    case VIV_KIND_COUNT:
        if (viv_units_count(text, value)) {
            return true;
        }
        viv_source_error(source, path, "%s: '%s' is not a count such as 3, 20k or 1M", key, text);
        return false;
    case VIV_KIND_DURATION:
        if (viv_units_duration(text, value)) {
            return true;
        }
        viv_source_error(source, path, "%s: '%s' is not a duration with its unit, such as 500ms, 2s or 1min", key,
                         text);
        return false;
    case VIV_KIND_SIZE:
        if (viv_units_size(text, value)) {
            return true;
        }
        viv_source_error(source, path, "%s: '%s' is not a size with its unit, such as 100B, 1KiB or 4GiB", key, text);
        return false;
    case VIV_KIND_PERCENT:
        if (viv_units_percent(text, &percent)) {
            *value = percent;
            return true;
        }
        viv_source_error(source, path, "%s: '%s' is not a share from 0%% to 100%%", key, text);
        return false;
    case VIV_KIND_RATE:
        if (viv_units_rate(text, &rate)) {
            *value = (uint64_t)rate;
            return true;
        }
        viv_source_error(source, path, "%s: '%s' is not a rate such as 1000/s", key, text);
        return false;
    case VIV_KIND_TEXT:
        break;
    }
    VIV_ASSERT(false);
    return false;
}

void viv_plan_range(struct viv_source *source, const char *path, const char *key, uint64_t value, uint64_t least,
                    uint64_t greatest)
{
    if (value < least) {
        viv_source_error(source, path, "%s: too small", key);
    } else if (value > greatest) {
        viv_source_error(source, path, "%s: too large", key);
    }
}

const char *viv_plan_keep(struct viv_plan *plan, const char *text)
{
    return (const char *)viv_arena_copy(&plan->strings, viv_bytes_of(text, strlen(text) + 1)).data;
}

static void read_head(struct viv_plan *plan, struct viv_source *source)
{
    const struct viv_source_plan *from = source->plan;
    uint64_t trials = 3;
    plan->seed = 1;
    if (strcmp(from->schema, "vivarium-plan/1") != 0) {
        viv_source_error(source, "schema", "schema: '%s' is not vivarium-plan/1", from->schema);
    }
    if (from->seed != NULL && viv_plan_scalar(source, "seed", "seed", VIV_KIND_COUNT, from->seed, &plan->seed)) {
        viv_plan_range(source, "seed", "seed", plan->seed, 0, INT64_MAX);
    }
    if (from->trials != NULL && viv_plan_scalar(source, "trials", "trials", VIV_KIND_COUNT, from->trials, &trials)) {
        viv_plan_range(source, "trials", "trials", trials, 1, TRIALS_MAX);
    }
    plan->trials = (uint32_t)trials;
    plan->question = viv_text("%s", from->question);
}

static char *stem_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    size_t size = strlen(name);
    if (size > 5 && strcmp(name + size - 5, ".yaml") == 0) {
        size -= 5;
    }
    return viv_text("%.*s", (int)size, name);
}

viv_status viv_plan_load(const char *path, struct viv_plan *plan, struct viv_buffer *errors)
{
    *plan = (struct viv_plan){.path = viv_text("%s", path), .name = stem_of(path)};
    struct viv_source source = {0};
    if (!viv_file_read(path, PLAN_BYTES_MAX, &plan->text)) {
        viv_buffer_printf(errors, "%s: cannot be read: %s\n", path, strerror(errno));
        viv_plan_fini(plan);
        return VIV_ERR_NOT_FOUND;
    }
    bool ok = viv_source_init(&source, path, viv_buffer_bytes(&plan->text), errors);
    if (ok) {
        read_head(plan, &source);
        viv_plan_make_cells(plan, &source);
        viv_plan_make_steps(plan, &source);
        ok = !source.failed;
    }
    viv_source_fini(&source);
    if (!ok) {
        viv_plan_fini(plan);
    }
    return ok ? VIV_OK : VIV_ERR_INVALID;
}

bool viv_plan_freezes_syncs(const struct viv_plan *plan)
{
    for (uint32_t i = 0; i < plan->step_count; i++) {
        if (plan->steps[i].kind == VIV_STEP_FREEZE) {
            return true;
        }
    }
    return false;
}

void viv_plan_fini(struct viv_plan *plan)
{
    free(plan->name);
    free(plan->path);
    free(plan->question);
    free(plan->cells);
    free(plan->steps);
    viv_buffer_fini(&plan->text);
    viv_arena_fini(&plan->strings);
    *plan = (struct viv_plan){0};
}

void viv_plan_order(const struct viv_plan *plan, struct viv_plan_slot *slots)
{
    struct viv_rng rng;
    uint32_t *order = viv_alloc(plan->cell_count * sizeof *order);
    viv_rng_init(&rng, plan->seed);
    for (uint32_t i = 0; i < plan->cell_count; i++) {
        order[i] = i;
    }
    for (uint32_t i = plan->cell_count; i > 1; i--) {
        uint32_t other = (uint32_t)viv_rng_below(&rng, i);
        uint32_t kept = order[i - 1];
        order[i - 1] = order[other];
        order[other] = kept;
    }
    for (uint32_t trial = 0; trial < plan->trials; trial++) {
        /* A third of the way each time, so that with three rounds every cell was early, in the middle and late. */
        uint32_t shift = (uint32_t)((uint64_t)trial * plan->cell_count / (plan->trials < 3 ? 3 : plan->trials));
        for (uint32_t i = 0; i < plan->cell_count; i++) {
            slots[trial * plan->cell_count + i] =
                (struct viv_plan_slot){.cell = order[(i + shift) % plan->cell_count], .trial = trial + 1};
        }
    }
    free(order);
}

uint64_t viv_plan_seed(const struct viv_plan *plan, const struct viv_plan_slot *slot)
{
    const char *name = plan->cells[slot->cell].name;
    /* 63 bits, so that every reader of JSON gets it back unharmed. */
    return viv_mix64(plan->seed ^ XXH64(name, strlen(name), 0) ^ slot->trial) >> 1;
}
