#ifndef VIV_EXPERIMENTS_LAB_TRIAL_INTERNAL_H
#define VIV_EXPERIMENTS_LAB_TRIAL_INTERNAL_H

#include <jansson.h>

#include "experiments/lab/fleet.h"
#include "experiments/lab/keyset.h"
#include "experiments/lab/recovery.h"
#include "experiments/lab/trial.h"

/* What trial.c, steps.c, faults.c and record.c share. */

struct viv_trial {
    const struct viv_trial_options *options;
    const struct viv_cell *cell;
    uint64_t seed;
    uint64_t clock0_ns; /* times in records count from here */
    struct viv_buffer *out;
    struct viv_fleet fleet;
    struct viv_keyset keyset;
    uint64_t lost_acked, violations, checked;
    json_t *invalid_why; /* array of strings */
    char why[256];       /* of a failure */
};

/* Servers' CPU time and memory at one moment. */
struct step_sample {
    uint64_t at_ns;
    struct viv_fleet_usage usage;
};

struct step_samples {
    struct step_sample *items; /* about one a second; the first at the start of the measurement */
    size_t count, capacity;
};

/* ---- steps.c ---- */
/* Runs one step and writes its records. VIV_ERR_INTERRUPTED, or another status with trial->why. */
viv_status trial_step(struct viv_trial *trial, const struct viv_step *step);
viv_status trial_fail(struct viv_trial *trial, viv_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void trial_sample(struct viv_trial *trial, struct step_samples *samples);
/* Starts the step's load and waits for its measurement to begin. */
viv_status trial_start_load(struct viv_trial *trial, const struct viv_step *step, struct viv_load **load);
/* Samples once a second until `until_ns` or until `ready` says so; *reached is what it said last. */
typedef bool trial_ready_fn(void *ctx);
viv_status trial_watch(struct viv_trial *trial, uint64_t until_ns, struct step_samples *samples, trial_ready_fn *ready,
                       void *ctx, bool *reached);
uint32_t trial_session_timeout_ms(const struct viv_trial *trial);
viv_status trial_verify(struct viv_trial *trial, const struct viv_step *step);

/* ---- faults.c ---- */
viv_status trial_fault(struct viv_trial *trial, const struct viv_step *step);
viv_status trial_cold_start(struct viv_trial *trial, const struct viv_step *step);

/* ---- placement.c ---- */
viv_status trial_place(struct viv_trial *trial, const struct viv_step *step);

/* ---- record.c ---- */
void record_line(struct viv_trial *trial, json_t *json); /* takes */
void record_header(struct viv_trial *trial);
void record_load(struct viv_trial *trial, const struct viv_step *step, const struct viv_load_result *result,
                 const struct step_samples *samples);
void record_step_without_load(struct viv_trial *trial, const struct viv_step *step, uint64_t start_ns);
void record_event(struct viv_trial *trial, const struct viv_step *step, uint64_t at_ns, const char *code, json_t *arg);
/* The servers' milestones from from_ns on. */
void record_trace(struct viv_trial *trial, const struct viv_step *step, const struct viv_trace *trace,
                  uint64_t from_ns);
/* `after` names the time that follows the whole until all is as before, such as ramp; negative: not reached, or not
 * measured here. */
void record_recovery(struct viv_trial *trial, const struct viv_step *step, const struct viv_recovery *recovery,
                     uint32_t index, const char *after, double after_ms);
void record_summary(struct viv_trial *trial, const char *state, uint64_t steal_percent_tenths);
void trial_invalid(struct viv_trial *trial, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif /* VIV_EXPERIMENTS_LAB_TRIAL_INTERNAL_H */
