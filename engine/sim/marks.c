#include "sim/marks.h"

#include <string.h>

static const struct {
    const char *name, *words;
} catalogue[] = {
#define VIV_SIM_MARK(name, words) {name, words},
#include "sim/marks.def"
#undef VIV_SIM_MARK
};

const char *viv_sim_mark_name(unsigned mark)
{
    return catalogue[mark].name;
}

void viv_sim_marks_hear(uint64_t marks[VIV_SIM_MARKS], const char *line)
{
    for (unsigned i = 0; i < VIV_SIM_MARKS; i++) {
        marks[i] += strstr(line, catalogue[i].words) != NULL;
    }
}
