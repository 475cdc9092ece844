#ifndef VIV_TESTS_CRASH_STORE_WORKLOAD_H
#define VIV_TESTS_CRASH_STORE_WORKLOAD_H

#include "backends/registry.h"
#include "tests/crash/store_model.h"

/* Performs the model's operations on the stores of one configuration, and reads back what is there. */

enum { WORKLOAD_STEPS = 60 };

struct workload {
    const struct viv_configuration *configuration;
    struct viv_store_config config;
    struct viv_log *log;
    struct viv_state *state;
    struct model model;
};

void workload_init(struct workload *workload, const struct viv_configuration *configuration, const char *dir);
/* Both stores, or none. */
viv_status workload_open(struct workload *workload) VIV_MUST_USE;
void workload_close(struct workload *workload);
/* Durable when it returns VIV_OK. Does not tell the model. */
viv_status workload_perform(struct workload *workload, struct model_op *op) VIV_MUST_USE;
/* After a terminal failure of the log: whether it refuses everything else, too. */
bool workload_is_sticky(struct workload *workload);
/* Reads everything; zeroes *found first. */
void workload_find(struct workload *workload, struct model_found *found);

#endif /* VIV_TESTS_CRASH_STORE_WORKLOAD_H */
