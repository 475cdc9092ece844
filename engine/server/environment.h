#ifndef VIV_SERVER_ENVIRONMENT_H
#define VIV_SERVER_ENVIRONMENT_H

/* What `envi` tells: on what this server runs. The names are ZooKeeper's; those that begin with java. are left out,
 * because nothing true can be said. Memory is that of the machine. */

#include <stddef.h>

typedef void viv_environment_fn(void *ctx, const char *name, const char *value);
/* The name of the user that this process runs as; its number when it has none. */
void viv_environment_user(char *name, size_t name_bytes);
void viv_environment_visit(viv_environment_fn *visit, void *ctx);

#endif /* VIV_SERVER_ENVIRONMENT_H */
