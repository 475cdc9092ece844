#ifndef VIV_WIRE_SESSION_H
#define VIV_WIRE_SESSION_H

#include <stdint.h>

enum { VIV_PASSWORD_BYTES = 16 };

/* The password that proves a session id to any server of the ensemble (client-protocol.md §3). ZooKeeper derives it
 * from the id alone; the same rule lets sessions survive a move from or to ZooKeeper. It is not a secret. */
void viv_session_password(int64_t session_id, uint8_t password[VIV_PASSWORD_BYTES]);

/* How a SASL exchange stands after a token of the client's (client-protocol.md §11.4). */
enum viv_sasl_outcome {
    VIV_SASL_CONTINUE, /* the client is to answer the token */
    VIV_SASL_COMPLETE, /* it is who it says */
    VIV_SASL_FAILED,   /* it is not, or what it says makes no sense */
};

#endif /* VIV_WIRE_SESSION_H */
