#ifndef VIV_ADMIN_KEEPER_H
#define VIV_ADMIN_KEEPER_H

#include "admin/http.h"
#include "metrics/metrics.h"

/* A report goes into a file instead of to whoever asked, a piece in each round of the loop; the answer comes when the
 * file is on the disk. It has its name when it is whole. Of the files of its kind in the folder the newest few stay.
 * Does not know what the report says. */

enum { VIV_KEEPER_FILES = 3 };

/* Takes the report. The file is `<folder>/<kind>.<number in hex>`; a higher number is newer. `size_header`: tells the
 * file's size in the answer. `fault` counts what could not be kept. */
struct viv_http_work *viv_keeper_new(uv_loop_t *loop, const char *folder, const char *kind, uint64_t number,
                                     struct viv_report *report, const char *size_header, enum viv_metric_id fault);

#endif /* VIV_ADMIN_KEEPER_H */
