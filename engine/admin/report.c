#include "admin/report.h"

#include <stdlib.h>

#include "base/assert.h"

struct viv_report *viv_report_new(struct viv_server *server, viv_report_step_fn *const *steps)
{
    struct viv_report *report = viv_alloc_zeroed(1, sizeof *report);
    report->server = server;
    for (size_t i = 0; steps[i] != NULL; i++) {
        VIV_ASSERT(i < VIV_REPORT_STEPS_MAX);
        report->steps[i] = steps[i];
    }
    return report;
}

void viv_report_free(struct viv_report *report)
{
    if (report != NULL) {
        if (report->end_detail != NULL) {
            report->end_detail(report->detail);
        }
        viv_dues_fini(&report->dues);
        viv_buffer_fini(&report->question);
        free(report);
    }
}

bool viv_report_next(struct viv_report *report, struct viv_buffer *out)
{
    if (report->steps[report->step] != NULL && report->steps[report->step](report, out)) {
        report->place = (struct viv_report_place){0};
        report->step++;
    }
    return report->steps[report->step] != NULL;
}
