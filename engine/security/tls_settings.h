#ifndef VIV_SECURITY_TLS_SETTINGS_H
#define VIV_SECURITY_TLS_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

/* ZooKeeper's ssl.* and ssl.quorum.* keys as values (admin.md §1), and what each may be. Text only: files are opened
 * by key_store.h and the library is asked by tls_context.h. All-zero is what stands when no key is given. */

enum { VIV_TLS_PATH_BYTES = 1024, VIV_TLS_SECRET_BYTES = 256, VIV_TLS_CIPHERS_BYTES = 2048 };

enum viv_tls_store_type { VIV_TLS_STORE_BY_SUFFIX, VIV_TLS_STORE_PEM, VIV_TLS_STORE_PKCS12, VIV_TLS_STORE_JKS };

/* A file with a key and its certificates, or with certificates to trust. */
struct viv_tls_store_settings {
    char path[VIV_TLS_PATH_BYTES]; /* "" = not given */
    enum viv_tls_store_type type;
    char password[VIV_TLS_SECRET_BYTES];
    char password_path[VIV_TLS_PATH_BYTES]; /* a file whose first line is the password; wins over `password` */
};

/* Whether who connects must show a certificate. Need is ZooKeeper's default. */
enum viv_tls_client_auth { VIV_TLS_CLIENT_NEED, VIV_TLS_CLIENT_WANT, VIV_TLS_CLIENT_NONE };

/* A set of protocol versions, and the widest one: 1.2 and later. */
enum { VIV_TLS_1_2 = 1, VIV_TLS_1_3 = 2, VIV_TLS_ANY = VIV_TLS_1_2 | VIV_TLS_1_3 };

struct viv_tls_settings {
    struct viv_tls_store_settings key, trust;
    uint32_t protocols;                  /* VIV_TLS_1_2, VIV_TLS_1_3; 0: any */
    char ciphers[VIV_TLS_CIPHERS_BYTES]; /* a comma list of IANA names, as Java has them; "": the built-in list */
    enum viv_tls_client_auth client_auth;
    bool trust_any_host; /* the name in the other side's certificate is not compared */
    bool crl;            /* revocation lists, which stand in the trust store (PEM), are heeded */
};

/* Each reads the text of one key. False: not a value it may have. */
bool viv_tls_store_type_parse(const char *text, enum viv_tls_store_type *type);
bool viv_tls_client_auth_parse(const char *text, enum viv_tls_client_auth *auth);
/* One version or a comma list of them; "TLS" is any. */
bool viv_tls_protocols_parse(const char *text, uint32_t *protocols);

#endif /* VIV_SECURITY_TLS_SETTINGS_H */
