#ifndef VIV_TESTS_UNIT_SECURITY_SUPPORT_H
#define VIV_TESTS_UNIT_SECURITY_SUPPORT_H

#include "security/tls_settings.h"

/* "…/stores/NAME" in the source folder. */
void store_path(char path[VIV_TLS_PATH_BYTES], const char *name);
/* Settings of a pair of stores with their password, type by suffix; NULL: none. */
struct viv_tls_settings stores_of(const char *key, const char *trust);

#endif /* VIV_TESTS_UNIT_SECURITY_SUPPORT_H */
