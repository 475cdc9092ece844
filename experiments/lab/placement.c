#include <stdlib.h>

#include "base/rng.h"
#include "experiments/lab/trial_internal.h"
#include "partition/measure.h"

/* Partition schemes without servers: how even they are, how much moves when the bins change, and what a lookup costs in
 * time and memory. The keys are random from the trial's seed. */

enum { BATCH = 4096 };

/* Mean time of a lookup. The sum of what is found is used, so that no compiler can leave the lookups out. */
static double lookup_ns(const struct viv_partition_ops *ops, const struct viv_placement *placement, uint64_t seed,
                        uint64_t measure_ns, uint64_t *sum)
{
    struct viv_rng rng;
    uint64_t lookups = 0;
    viv_rng_init(&rng, seed);
    uint64_t start_ns = viv_client_now_ns();
    uint64_t spent_ns = 0;
    while (spent_ns < measure_ns) {
        for (int i = 0; i < BATCH; i++) {
            *sum += ops->lookup(placement, viv_rng_next(&rng));
        }
        lookups += BATCH;
        spent_ns = viv_client_now_ns() - start_ns;
    }
    return (double)spent_ns / (double)lookups;
}

viv_status trial_place(struct viv_trial *trial, const struct viv_step *step)
{
    const struct viv_cell_scheme *scheme = &trial->cell->scheme;
    const struct viv_partition_ops *ops = viv_partition_find(scheme->name);
    struct viv_partition_options options = {
        .vnodes = scheme->vnodes, .epsilon = scheme->epsilon, .slots = scheme->slots, .table_size = scheme->table_size};
    struct viv_bin *bins = viv_alloc(scheme->bins * sizeof *bins);
    for (uint32_t i = 0; i < scheme->bins; i++) {
        bins[i] = (struct viv_bin){.id = i + 1, .weight = 1};
    }
    struct viv_partition_measure measured;
    struct viv_placement *placement = NULL;
    viv_status status =
        viv_partition_measure(ops, bins, scheme->bins, &options, trial->cell->keys, trial->seed, &measured);
    uint64_t build_start_ns = viv_client_now_ns();
    if (status == VIV_OK) {
        status = ops->build(bins, scheme->bins, &options, &placement);
    }
    uint64_t build_ns = viv_client_now_ns() - build_start_ns;
    free(bins);
    if (status != VIV_OK) {
        return trial_fail(trial, status, "scheme %s refuses its options", scheme->name);
    }
    uint64_t sum = 0;
    double one_ns = lookup_ns(ops, placement, trial->seed, step->load.measure_ns, &sum);
    ops->free(placement);
    double n = scheme->bins;
    record_line(trial,
                json_pack("{s:s,s:s,s:s,s:i,s:i,s:f,s:f,s:f,s:f,s:f,s:f,s:f,s:f,s:I,s:b}", "t", "placement", "step",
                          step->name, "scheme", scheme->name, "bins", (int)scheme->bins, "keys", (int)trial->cell->keys,
                          "load_max", measured.load_max, "moved_join", measured.moved_join, "moved_leave",
                          measured.moved_leave, "moved_return", measured.moved_return, "ideal_join", 1 / (n + 1),
                          "ideal_leave", 1 / n, "build_us", (double)build_ns / 1e3, "lookup_ns", one_ns, "memory_bytes",
                          (json_int_t)measured.memory_bytes, "found", sum > 0));
    return viv_interrupt_wait(trial->options->interrupt, 0);
}
