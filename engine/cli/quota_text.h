#ifndef VIV_CLI_QUOTA_TEXT_H
#define VIV_CLI_QUOTA_TEXT_H

#include "base/bytes.h"

/* The text of a quota's limits and usage: count=N,bytes=M=;byteHardLimit=B;countHardLimit=C, -1 for none
 * (client-protocol.md §12; the odd "=" keeps old parsers quiet). */

enum {
    VIV_CLI_QUOTA_COUNT,
    VIV_CLI_QUOTA_BYTES,
    VIV_CLI_QUOTA_COUNT_HARD,
    VIV_CLI_QUOTA_BYTES_HARD,
    VIV_CLI_QUOTA_LIMITS
};

struct viv_cli_quota {
    int64_t limits[VIV_CLI_QUOTA_LIMITS];
};

/* zkCli's options for them: -n -b -N -B. */
extern const char *const viv_cli_quota_options[VIV_CLI_QUOTA_LIMITS];

/* What is missing or no number is -1. */
void viv_cli_quota_read(struct viv_bytes text, struct viv_cli_quota *quota);
void viv_cli_quota_write(const struct viv_cli_quota *quota, struct viv_buffer *out);

#endif /* VIV_CLI_QUOTA_TEXT_H */
