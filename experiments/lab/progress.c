#include "experiments/lab/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"
#include "client/client.h"
#include "experiments/lab/estimate.h"

static void print_left(char *to, size_t size, double left_s)
{
    if (left_s >= 90) {
        snprintf(to, size, "about %.0f min left", left_s / 60);
    } else {
        snprintf(to, size, "about %.0f s left", left_s);
    }
}

void viv_progress_init(struct viv_progress *progress, const struct viv_plan *plan)
{
    uint32_t cells = plan->cell_count;
    *progress = (struct viv_progress){.plan = plan, .terminal = isatty(STDERR_FILENO) == 1};
    progress->estimate_s = viv_alloc_zeroed(cells, sizeof(double));
    progress->spent_s = viv_alloc_zeroed(cells, sizeof(double));
    progress->runs = viv_alloc_zeroed(cells, sizeof(uint32_t));
    progress->left = viv_alloc_zeroed(cells, sizeof(uint32_t));
    progress->total = cells * plan->trials;
    for (uint32_t i = 0; i < cells; i++) {
        struct viv_estimate estimate;
        viv_estimate_cell(plan, &plan->cells[i], &estimate);
        progress->estimate_s[i] = estimate.trial_s;
        progress->left[i] = plan->trials;
    }
}

void viv_progress_fini(struct viv_progress *progress)
{
    if (progress->terminal) {
        fprintf(stderr, "\r\033[K");
    }
    free(progress->estimate_s);
    free(progress->spent_s);
    free(progress->runs);
    free(progress->left);
}

double viv_progress_left_s(const struct viv_progress *progress)
{
    double left_s = 0;
    for (uint32_t i = 0; i < progress->plan->cell_count; i++) {
        double one_s = progress->runs[i] > 0 ? progress->spent_s[i] / progress->runs[i] : progress->estimate_s[i];
        left_s += one_s * progress->left[i];
    }
    double spent_s = progress->trial_start_ns == 0 ? 0 : (double)(viv_client_now_ns() - progress->trial_start_ns) / 1e9;
    return left_s > spent_s ? left_s - spent_s : 0;
}

void viv_progress_skip(struct viv_progress *progress, const struct viv_plan_slot *slot)
{
    VIV_ASSERT(progress->left[slot->cell] > 0);
    progress->left[slot->cell]--;
    progress->done++;
}

void viv_progress_begin(struct viv_progress *progress, const struct viv_plan_slot *slot)
{
    char left[48];
    progress->cell = slot->cell;
    progress->trial = slot->trial;
    progress->trial_start_ns = viv_client_now_ns();
    print_left(left, sizeof left, viv_progress_left_s(progress));
    if (!progress->terminal) {
        fprintf(stderr, "[%u/%u] %s, trial %u: %s\n", progress->done + 1, progress->total,
                progress->plan->cells[slot->cell].name, slot->trial, left);
    }
}

void viv_progress_at(struct viv_progress *progress, const char *doing)
{
    if (progress->terminal) {
        char left[48];
        print_left(left, sizeof left, viv_progress_left_s(progress));
        fprintf(stderr, "\r\033[K[%u/%u] %s, trial %u: %s (%s)", progress->done + 1, progress->total,
                progress->plan->cells[progress->cell].name, progress->trial, doing, left);
    }
}

void viv_progress_end(struct viv_progress *progress, const char *outcome)
{
    uint32_t cell = progress->cell;
    progress->spent_s[cell] += (double)(viv_client_now_ns() - progress->trial_start_ns) / 1e9;
    progress->runs[cell]++;
    progress->left[cell]--;
    progress->done++;
    progress->trial_start_ns = 0;
    if (outcome != NULL) {
        fprintf(stderr, "%s%s, trial %u: %s\n", progress->terminal ? "\r\033[K" : "", progress->plan->cells[cell].name,
                progress->trial, outcome);
    }
}
