#ifndef VIV_EXPERIMENTS_LAB_SELFTEST_H
#define VIV_EXPERIMENTS_LAB_SELFTEST_H

#include <stdio.h>

enum viv_selftest_verdict {
    VIV_SELFTEST_OK,
    VIV_SELFTEST_FAILED,
    VIV_SELFTEST_BUSY, /* the machine did not let the null server keep its schedule: nothing can be told */
};

/* Measures the measuring instrument. Writes TAP lines to `out`. OK when every check held, the negative control
 * (coordinated omission must be caught) included. */
enum viv_selftest_verdict viv_selftest(FILE *out);

#endif /* VIV_EXPERIMENTS_LAB_SELFTEST_H */
