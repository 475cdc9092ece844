#include "node/marks.h"

#include <stddef.h>

static uint64_t oldest(const struct viv_marks *marks)
{
    return marks->laid > VIV_MARKS_MAX ? marks->laid - VIV_MARKS_MAX : 0;
}

void viv_marks_lay(struct viv_marks *marks, const struct viv_mark *mark)
{
    marks->ring[marks->laid++ % VIV_MARKS_MAX] = *mark;
    marks->stored = marks->stored < oldest(marks) ? oldest(marks) : marks->stored;
    marks->passed = marks->passed < oldest(marks) ? oldest(marks) : marks->passed;
}

void viv_marks_store(struct viv_marks *marks, uint64_t zxid, uint64_t now_ns)
{
    while (marks->stored < marks->laid && marks->ring[marks->stored % VIV_MARKS_MAX].zxid <= zxid) {
        marks->ring[marks->stored++ % VIV_MARKS_MAX].stored_ns = now_ns;
    }
}

static const struct viv_mark *speaks_for(const struct viv_mark *mark, uint64_t zxid)
{
    return mark->zxid_first <= zxid && zxid <= mark->zxid ? mark : NULL;
}

const struct viv_mark *viv_marks_pass(struct viv_marks *marks, uint64_t zxid)
{
    while (marks->passed < marks->laid && marks->ring[marks->passed % VIV_MARKS_MAX].zxid < zxid) {
        marks->passed++;
    }
    return marks->passed < marks->laid ? speaks_for(&marks->ring[marks->passed % VIV_MARKS_MAX], zxid) : NULL;
}

const struct viv_mark *viv_marks_find(const struct viv_marks *marks, uint64_t zxid)
{
    for (uint64_t i = marks->laid; i-- > oldest(marks);) {
        const struct viv_mark *mark = &marks->ring[i % VIV_MARKS_MAX];
        if (mark->zxid_first <= zxid) {
            return speaks_for(mark, zxid);
        }
    }
    return NULL;
}

void viv_marks_clear(struct viv_marks *marks)
{
    marks->stored = marks->passed = marks->laid;
}
