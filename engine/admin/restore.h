#ifndef VIV_ADMIN_RESTORE_H
#define VIV_ADMIN_RESTORE_H

#include "admin/http.h"

/* The command `restore` of ZooKeeper 3.9: a snapshot is sent, and the server goes on from it. For a server that is
 * alone: in an ensemble the others would keep what they have, and this one would differ from them.
 *
 * The snapshot is written to a file as it comes, looked through beside the loop, and promised (datadir/restore.h). From
 * then on no client is listened to; when the answer is sent the server begins again in its process, with the state of
 * the snapshot in a new epoch. */

struct viv_restores;

struct viv_restores *viv_restores_new(struct viv_server *server, uv_loop_t *loop);
void viv_restores_free(struct viv_restores *restores);
/* Answers a POST. */
void viv_restores_answer(struct viv_restores *restores, const struct viv_http_request *request,
                         struct viv_http_answer *answer);
/* After each turn: nobody can keep the server from beginning again by not taking the answer. */
void viv_restores_turn(struct viv_restores *restores);

#endif /* VIV_ADMIN_RESTORE_H */
