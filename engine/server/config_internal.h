#ifndef VIV_SERVER_CONFIG_INTERNAL_H
#define VIV_SERVER_CONFIG_INTERNAL_H

#include "server/config.h"

/* Shared by config.c (lines, keys, checks between keys) and config_values.c (one value at a time). */

enum viv_config_kind {
    VIV_CONFIG_KIND_INT,
    VIV_CONFIG_KIND_BOOL,
    VIV_CONFIG_KIND_NAME,
    VIV_CONFIG_KIND_PATH,
    VIV_CONFIG_KIND_HOST,
    VIV_CONFIG_KIND_WORDS,
    VIV_CONFIG_KIND_SERVER,
    VIV_CONFIG_KIND_BACKEND,
    VIV_CONFIG_KIND_DURABILITY,
    VIV_CONFIG_KIND_SNAPSHOT,
    VIV_CONFIG_KIND_CLUSTER,
    VIV_CONFIG_KIND_IGNORED,
    VIV_CONFIG_KIND_REFUSED,
};

struct viv_config_key {
    const char *name; /* ends with '.' when a server id follows */
    enum viv_config_kind kind;
    size_t offset; /* of the member in struct viv_config */
    int64_t least, greatest, fallback;
    const char *legal;
};

/* One value, with everything its parser may need. */
struct viv_config_value {
    const struct viv_config_key *key;
    const char *key_text; /* as written: "server.3" */
    const char *text;     /* NUL-terminated, trimmed */
    const struct viv_config_backends *backends;
};

/* Stores the value in *config. False: *why says what is wrong with it; config may hold a part of it. */
bool viv_config_value_parse(struct viv_config *config, const struct viv_config_value *value, const char **why);
/* Whole text as a decimal number. */
bool viv_config_number(const char *text, int64_t *number);

#endif /* VIV_SERVER_CONFIG_INTERNAL_H */
