#ifndef VIV_SERVER_FOUR_LETTER_INTERNAL_H
#define VIV_SERVER_FOUR_LETTER_INTERNAL_H

#include "admin/report.h"
#include "server/four_letter.h"
#include "server/view.h"

/* Shared by four_letter_answer.c (who may ask; short answers) and four_letter_list.c (answers that are lists). */

/* The steps of a word whose answer is a list. */
viv_report_step_fn *const *viv_four_letter_list(enum viv_four_letter word);
/* The line of the version, and that of read-only mode when that is on. */
void viv_four_letter_put_version(const struct viv_server_view *view, struct viv_buffer *out);
/* From "Latency" to the end, as srvr and stat end. */
void viv_four_letter_put_summary(struct viv_server *server, struct viv_buffer *out);

#endif /* VIV_SERVER_FOUR_LETTER_INTERNAL_H */
