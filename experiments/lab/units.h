#ifndef VIV_EXPERIMENTS_LAB_UNITS_H
#define VIV_EXPERIMENTS_LAB_UNITS_H

#include <stdbool.h>
#include <stdint.h>

/* Values as people write them in plans. A duration or a size without a unit is refused: "20" has been seconds to one
 * and milliseconds to another. */

/* "250us", "1.5s", "2min"; units ns us ms s min h. */
bool viv_units_duration(const char *text, uint64_t *ns);
/* "100B", "1KiB", "1.5GiB", "2kB", "4MB"; bytes. */
bool viv_units_size(const char *text, uint64_t *bytes);
/* "12", "1000000", "20k", "1M" (thousands and millions). */
bool viv_units_count(const char *text, uint64_t *count);
/* "90%" */
bool viv_units_percent(const char *text, uint32_t *percent);
/* "1000/s" */
bool viv_units_rate(const char *text, double *per_s);

#endif /* VIV_EXPERIMENTS_LAB_UNITS_H */
