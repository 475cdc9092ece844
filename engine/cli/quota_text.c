#include "cli/quota_text.h"

#include <stdlib.h>
#include <string.h>

const char *const viv_cli_quota_options[VIV_CLI_QUOTA_LIMITS] = {"-n", "-b", "-N", "-B"};

static const char *const keys[VIV_CLI_QUOTA_LIMITS] = {"count=", "bytes=", "countHardLimit=", "byteHardLimit="};

void viv_cli_quota_read(struct viv_bytes bytes, struct viv_cli_quota *quota)
{
    char *text = bytes.size > 0 ? strndup((const char *)bytes.data, bytes.size) : strdup("");
    char *rest = text;
    for (size_t i = 0; i < VIV_CLI_QUOTA_LIMITS; i++) {
        quota->limits[i] = -1;
    }
    for (char *pair = strsep(&rest, ",;"); pair != NULL; pair = strsep(&rest, ",;")) {
        for (size_t i = 0; i < VIV_CLI_QUOTA_LIMITS; i++) {
            char *end;
            if (strncmp(pair, keys[i], strlen(keys[i])) == 0) {
                long long value = strtoll(pair + strlen(keys[i]), &end, 10);
                quota->limits[i] = end > pair + strlen(keys[i]) ? value : -1;
            }
        }
    }
    free(text);
}

void viv_cli_quota_write(const struct viv_cli_quota *quota, struct viv_buffer *out)
{
    viv_buffer_printf(out, "count=%lld,bytes=%lld=;byteHardLimit=%lld;countHardLimit=%lld",
                      (long long)quota->limits[VIV_CLI_QUOTA_COUNT], (long long)quota->limits[VIV_CLI_QUOTA_BYTES],
                      (long long)quota->limits[VIV_CLI_QUOTA_BYTES_HARD],
                      (long long)quota->limits[VIV_CLI_QUOTA_COUNT_HARD]);
}
