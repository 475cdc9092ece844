#include "node/marks.h"

void viv_marks_lay(struct viv_marks *marks, const struct viv_mark *mark)
{
    if (marks->count == VIV_MARKS_MAX) {
        marks->ring[(marks->first + VIV_MARKS_MAX - 1) % VIV_MARKS_MAX].zxid = mark->zxid;
        return;
    }
    marks->ring[(marks->first + marks->count++) % VIV_MARKS_MAX] = *mark;
}

const struct viv_mark *viv_marks_pass(struct viv_marks *marks, uint64_t zxid)
{
    while (marks->count > 0 && marks->ring[marks->first].zxid < zxid) {
        marks->first = (marks->first + 1) % VIV_MARKS_MAX;
        marks->count--;
    }
    return marks->count > 0 ? &marks->ring[marks->first] : 0;
}

void viv_marks_clear(struct viv_marks *marks)
{
    marks->first = marks->count = 0;
}
