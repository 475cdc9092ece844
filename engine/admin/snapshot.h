#ifndef VIV_ADMIN_SNAPSHOT_H
#define VIV_ADMIN_SNAPSHOT_H

#include "admin/http.h"

/* The command `snapshot` of ZooKeeper 3.9: the tree as a snapshot file, streamed to whoever holds every permission on
 * "/", or kept in a file (streaming=false). It is fuzzy as ZooKeeper's are: writes go on meanwhile. One at a time, and
 * one in each interval of the rate limiter, because a walk over the tree keeps what is deleted meanwhile in memory. */

struct viv_snapshots;

struct viv_snapshots *viv_snapshots_new(struct viv_server *server, uv_loop_t *loop);
void viv_snapshots_free(struct viv_snapshots *snapshots);
/* Answers the request, with a stream or with what keeps it from one. */
void viv_snapshots_answer(struct viv_snapshots *snapshots, const struct viv_http_request *request,
                          struct viv_http_answer *answer);
/* After each turn: a stream whose tree may soon be replaced is broken off. */
void viv_snapshots_turn(struct viv_snapshots *snapshots);

#endif /* VIV_ADMIN_SNAPSHOT_H */
