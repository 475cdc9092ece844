#ifndef VIV_SECURITY_SASL_H
#define VIV_SECURITY_SASL_H

#include "base/status.h"
#include "security/jaas.h"
#include "wire/session.h"

/* SASL for clients (client-protocol.md §11.4): DIGEST-MD5 by Cyrus SASL, as service "zookeeper" of server
 * "zk-sasl-md5", which is what every client library asks for. Passwords come from a JAAS file and stay in memory.
 *
 * Calls from one thread only; a step takes microseconds and waits for nothing. Cyrus SASL is one for a process, and so
 * is this. */

struct viv_sasl;
struct viv_sasl_exchange;

struct viv_sasl_settings {
    const char *jaas_file, *section; /* section NULL: "Server" */
    const char *super_password;      /* of user "super" beside the file's; NULL: none */
    const char *super_users;         /* comma list of those who become the super user; NULL: nobody */
};

/* VIV_ERR_INVALID: `why` has one line with file, line and what to do. */
viv_status viv_sasl_open(const struct viv_sasl_settings *settings, struct viv_sasl **out,
                         struct viv_buffer *why) VIV_MUST_USE;
void viv_sasl_close(struct viv_sasl *sasl); /* after its exchanges; NULL is nothing */

struct viv_sasl_exchange *viv_sasl_begin(struct viv_sasl *sasl);
/* One token of the client's. Appends the answer for it and, when COMPLETE, who it is as a raw vector<Id>. After
 * COMPLETE or FAILED only viv_sasl_end may follow. */
enum viv_sasl_outcome viv_sasl_step(struct viv_sasl_exchange *exchange, struct viv_bytes token,
                                    struct viv_buffer *answer, struct viv_buffer *identities);
void viv_sasl_end(struct viv_sasl_exchange *exchange);

#endif /* VIV_SECURITY_SASL_H */
