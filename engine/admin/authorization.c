#include "admin/authorization.h"

#include <string.h>

bool viv_authorization_parse(const char *text, struct viv_bytes *scheme, struct viv_bytes *auth)
{
    size_t size = strnlen(text, VIV_AUTHORIZATION_BYTES_MAX + 1);
    size_t scheme_bytes = strcspn(text, " ");
    if (size > VIV_AUTHORIZATION_BYTES_MAX || scheme_bytes == 0) {
        return false;
    }
    const char *rest = text + scheme_bytes + (text[scheme_bytes] == ' ');
    if (strchr(rest, ' ') != NULL || (text[scheme_bytes] == ' ' && *rest == '\0')) {
        return false;
    }
    *scheme = viv_bytes_of(text, scheme_bytes);
    *auth = viv_bytes_text(rest);
    return true;
}
