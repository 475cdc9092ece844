#ifndef VIV_SERVER_CONFIG_INTERNAL_H
#define VIV_SERVER_CONFIG_INTERNAL_H

#include "server/config.h"

/* Shared by config.c (lines and keys), config_values.c (one value at a time) and config_check.c (all together). */

enum { VIV_CONFIG_KEYS_MAX = 256 };
#define VIV_CONFIG_LINE_DYNAMIC 0x80000000U

/* One reading of a file. */
struct viv_config_parse {
    struct viv_config *config;
    const struct viv_config_backends *backends;
    struct viv_config_report *report;
    const char *file;
    bool is_dynamic;                           /* the lines are those of the file that dynamicConfigFile names */
    unsigned line;                             /* with VIV_CONFIG_LINE_DYNAMIC when they are */
    unsigned line_of_key[VIV_CONFIG_KEYS_MAX]; /* where each key was given last; 0 = not given */
};

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
    VIV_CONFIG_KIND_DETECTOR,
    VIV_CONFIG_KIND_READS,
    VIV_CONFIG_KIND_POLICY,
    VIV_CONFIG_KIND_VERSION,
    VIV_CONFIG_KIND_GROUP,
    VIV_CONFIG_KIND_WEIGHT,
    VIV_CONFIG_KIND_DIGEST,
    VIV_CONFIG_KIND_AUTH_PROVIDER,
    VIV_CONFIG_KIND_QUOTA,
    VIV_CONFIG_KIND_SECRET,
    VIV_CONFIG_KIND_STORE_TYPE,
    VIV_CONFIG_KIND_CLIENT_AUTH,
    VIV_CONFIG_KIND_PROTOCOLS,
    VIV_CONFIG_KIND_CIPHERS,
    VIV_CONFIG_KIND_ONLY, /* from here on nothing is stored */
    VIV_CONFIG_KIND_NAMES,
    VIV_CONFIG_KIND_IGNORED,
    VIV_CONFIG_KIND_REFUSED,
};

struct viv_config_key {
    const char *name; /* ends with '.' when a server id follows */
    enum viv_config_kind kind;
    size_t offset; /* of the member in struct viv_config */
    int64_t least, greatest, fallback;
    const char *legal;
    const char *only; /* of VIV_CONFIG_KIND_ONLY: the value that is served */
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

/* One message of the report. line 0: about the file as a whole. */
void viv_config_complain(struct viv_config_parse *parse, unsigned line, bool is_error, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Where the key was given last; 0: it was not. */
unsigned viv_config_line_of(const struct viv_config_parse *parse, const char *name);
/* After all lines were read. `myid`: content of dataDir's myid file, NULL when there is none. */
void viv_config_check(struct viv_config_parse *parse, const char *myid);

#endif /* VIV_SERVER_CONFIG_INTERNAL_H */
