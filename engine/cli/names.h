#ifndef VIV_CLI_NAMES_H
#define VIV_CLI_NAMES_H

#include "base/bytes.h"

/* A list of names that owns them in one buffer: millions of them cost little more than their bytes. All-zero is
 * empty. */
struct viv_cli_name_span {
    size_t at;
    size_t size;
};
struct viv_cli_names {
    struct viv_buffer bytes;
    struct viv_cli_name_span *spans;
    size_t count;
    size_t capacity;
};

void viv_cli_names_add(struct viv_cli_names *names, struct viv_bytes name);
/* Borrows until the next addition. */
struct viv_bytes viv_cli_name(const struct viv_cli_names *names, size_t index);
void viv_cli_names_sort(struct viv_cli_names *names);
void viv_cli_names_fini(struct viv_cli_names *names);

#endif /* VIV_CLI_NAMES_H */
