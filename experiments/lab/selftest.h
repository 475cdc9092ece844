#ifndef VIV_EXPERIMENTS_LAB_SELFTEST_H
#define VIV_EXPERIMENTS_LAB_SELFTEST_H

#include <stdbool.h>
#include <stdio.h>

/* Measures the measuring instrument. Writes TAP lines to `out`; true when every check held, the negative control
 * (coordinated omission must be caught) included. */
bool viv_selftest(FILE *out);

#endif /* VIV_EXPERIMENTS_LAB_SELFTEST_H */
