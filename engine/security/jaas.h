#ifndef VIV_SECURITY_JAAS_H
#define VIV_SECURITY_JAAS_H

#include "base/bytes.h"

/* The users in a JAAS file, as ZooKeeper's servers read them for DIGEST-MD5:
 *
 *     Server {
 *         org.apache.zookeeper.server.auth.DigestLoginModule required
 *         user_super="..."
 *         user_bob="...";
 *     };
 *
 * The syntax is that of Java's own reader: comments of C and C++, words, quoted values with Java's escapes, any number
 * of sections with any number of modules and options. Only the options user_NAME of the section asked for are kept; of
 * one given twice the last counts. What Java would replace in a value (${...}) is refused, since nothing here knows
 * Java's properties. Knows no files. */

enum {
    VIV_JAAS_FILE_BYTES_MAX = 1 << 20, /* room for ten thousand users */
    VIV_JAAS_NAME_BYTES_MAX = 255,
    VIV_JAAS_PASSWORD_BYTES_MAX = 255,
};

struct viv_jaas_user {
    char name[VIV_JAAS_NAME_BYTES_MAX + 1], password[VIV_JAAS_PASSWORD_BYTES_MAX + 1];
};

/* All-zero is empty. */
struct viv_jaas {
    struct viv_jaas_user *users;
    size_t count, capacity;
};

/* False: *line and *why say what is wrong; nothing is kept. */
bool viv_jaas_parse(struct viv_jaas *jaas, struct viv_bytes text, const char *section, unsigned *line,
                    const char **why);
/* Adds a user, or gives one another password. False: a text is empty or too long. */
bool viv_jaas_put(struct viv_jaas *jaas, struct viv_bytes name, struct viv_bytes password);
const struct viv_jaas_user *viv_jaas_find(const struct viv_jaas *jaas, struct viv_bytes name);
/* Wipes the passwords. */
void viv_jaas_fini(struct viv_jaas *jaas);

#endif /* VIV_SECURITY_JAAS_H */
