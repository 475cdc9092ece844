#ifndef VIV_SIM_MARKS_H
#define VIV_SIM_MARKS_H

#include <stdint.h>

/* Which rare branches a run has taken. The engine says what it does where that is rare, for its operators; the
 * catalogue (marks.def) names those lines, so that the centre bears no counters for it. */

enum {
#define VIV_SIM_MARK(name, words) +1
    VIV_SIM_MARKS = 0
#include "sim/marks.def"
#undef VIV_SIM_MARK
};

const char *viv_sim_mark_name(unsigned mark);
/* Counts every mark whose words are in the line. */
void viv_sim_marks_hear(uint64_t marks[VIV_SIM_MARKS], const char *line);

#endif /* VIV_SIM_MARKS_H */
