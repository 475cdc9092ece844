#ifndef VIV_EXPERIMENTS_LAB_RESULTS_H
#define VIV_EXPERIMENTS_LAB_RESULTS_H

#include <jansson.h>

#include "base/bytes.h"
#include "base/status.h"

/* A results folder as it lies on disk, read whole (experiments/README.md lists the records). Interprets nothing. */

struct viv_result_trial {
    json_t *header, *summary, *setup;                     /* one each; setup may be missing */
    json_t *steps, *recoveries, *events, *tenths, *hists; /* arrays, in the file's order */
    const char *cell;                                     /* of the header */
    int number;
    bool valid;
};

struct viv_results {
    char *dir;
    json_t *plan, *provenance, *calibration; /* resolved.json and its neighbours; an empty object when missing */
    struct viv_result_trial *trials;         /* by cell in the plan's order, then by number */
    size_t trial_count;
};

/* VIV_ERR_NOT_FOUND: no such run; VIV_ERR_CORRUPT: a file that is not what a run writes. Logged. */
viv_status viv_results_load(const char *dir, struct viv_results *results) VIV_MUST_USE;
void viv_results_fini(struct viv_results *results);

/* Member of an object as text, number or ""/0 when it is not there. */
const char *viv_result_text(const json_t *object, const char *key);
double viv_result_number(const json_t *object, const char *key);
/* Element of an array of records whose `key` is `value`, or NULL. */
json_t *viv_result_find(const json_t *records, const char *key, const char *value);

#endif /* VIV_EXPERIMENTS_LAB_RESULTS_H */
