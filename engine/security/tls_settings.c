#include "security/tls_settings.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

struct word {
    const char *text;
    int value;
};

static const struct word store_types[] = {
    {"", VIV_TLS_STORE_BY_SUFFIX}, {"PEM", VIV_TLS_STORE_PEM}, {"PKCS12", VIV_TLS_STORE_PKCS12},
    {"P12", VIV_TLS_STORE_PKCS12}, {"JKS", VIV_TLS_STORE_JKS},
};

static const struct word client_auths[] = {
    {"need", VIV_TLS_CLIENT_NEED},
    {"want", VIV_TLS_CLIENT_WANT},
    {"none", VIV_TLS_CLIENT_NONE},
};

static const struct word versions[] = {
    {"TLS", VIV_TLS_ANY},
    {"TLSv1.2", VIV_TLS_1_2},
    {"TLSv1.3", VIV_TLS_1_3},
};

static const struct word *find(const struct word *words, size_t count, const char *text, size_t size)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(words[i].text) == size && strncasecmp(words[i].text, text, size) == 0) {
            return &words[i];
        }
    }
    return NULL;
}

bool viv_tls_store_type_parse(const char *text, enum viv_tls_store_type *type)
{
    const struct word *word = find(store_types, sizeof store_types / sizeof store_types[0], text, strlen(text));
    *type = word != NULL ? (enum viv_tls_store_type)word->value : VIV_TLS_STORE_BY_SUFFIX;
    return word != NULL;
}

bool viv_tls_client_auth_parse(const char *text, enum viv_tls_client_auth *auth)
{
    const struct word *word = find(client_auths, sizeof client_auths / sizeof client_auths[0], text, strlen(text));
    *auth = word != NULL ? (enum viv_tls_client_auth)word->value : VIV_TLS_CLIENT_NEED;
    return word != NULL;
}

bool viv_tls_protocols_parse(const char *text, uint32_t *protocols)
{
    *protocols = 0;
    while (*text != '\0') {
        size_t size = strcspn(text, ", \t");
        const struct word *word = find(versions, sizeof versions / sizeof versions[0], text, size);
        if (size > 0 && word == NULL) {
            return false;
        }
        *protocols |= word != NULL ? (uint32_t)word->value : 0;
        text += size + (text[size] != '\0');
    }
    return *protocols != 0;
}
