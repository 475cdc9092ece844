#include "tests/unit/security/support.h"

#include <stdio.h>
#include <stdlib.h>

void store_path(char path[VIV_TLS_PATH_BYTES], const char *name)
{
    const char *sources = getenv("VIV_SOURCE_DIR");
    snprintf(path, VIV_TLS_PATH_BYTES, "%s/tests/unit/security/stores/%s", sources != NULL ? sources : "..", name);
}

struct viv_tls_settings stores_of(const char *key, const char *trust)
{
    struct viv_tls_settings settings = {.key = {.password = "secret"}, .trust = {.password = "secret"}};
    if (key != NULL) {
        store_path(settings.key.path, key);
    }
    if (trust != NULL) {
        store_path(settings.trust.path, trust);
    }
    return settings;
}
