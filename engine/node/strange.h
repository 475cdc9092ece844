#ifndef VIV_NODE_STRANGE_H
#define VIV_NODE_STRANGE_H

#include "base/rate.h"

/* Log lines that anybody who connects can provoke: one a second of each kind, with a count of those between. */

enum viv_strange {
    VIV_STRANGE_VOTE,      /* sid, bytes */
    VIV_STRANGE_LINK,      /* link */
    VIV_STRANGE_HANDSHAKE, /* conn, bytes */
    VIV_STRANGE_HEADER,    /* conn, bytes */
    VIV_STRANGE_REQUEST,   /* conn, op */
    VIV_STRANGE_KINDS,
};

struct viv_strangeness {
    struct viv_log_gate gates[VIV_STRANGE_KINDS];
};

void viv_strange_tell(struct viv_strangeness *strangeness, enum viv_strange what, uint64_t now_ms, uint64_t who,
                      int64_t number);

#endif /* VIV_NODE_STRANGE_H */
