#include "cli/tls.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

/* Whom this machine trusts anyway. */
static const char usual_trust[] = "/etc/ssl/certs/ca-certificates.crt";

struct wish {
    struct viv_tls_settings settings;
    bool secure;
};

static bool put(char *to, size_t size, const char *value)
{
    if (strlen(value) >= size) {
        viv_cli_error("a value of the TLS settings is too long: %.60s...", value);
        return false;
    }
    strcpy(to, value);
    return true;
}

/* ---- ZooKeeper's client keys ---- */

static bool read_store_key(struct viv_tls_store_settings *store, const char *key, const char *value)
{
    if (strcmp(key, "location") == 0) {
        return put(store->path, sizeof store->path, value);
    }
    if (strcmp(key, "password") == 0) {
        return put(store->password, sizeof store->password, value);
    }
    if (strcmp(key, "passwordPath") == 0) {
        return put(store->password_path, sizeof store->password_path, value);
    }
    return strcmp(key, "type") != 0 || viv_tls_store_type_parse(value, &store->type);
}

static bool read_key(struct wish *wish, const char *key, const char *value)
{
    static const char key_store[] = "zookeeper.ssl.keyStore.";
    static const char trust_store[] = "zookeeper.ssl.trustStore.";
    if (strncmp(key, key_store, sizeof key_store - 1) == 0) {
        return read_store_key(&wish->settings.key, key + sizeof key_store - 1, value);
    }
    if (strncmp(key, trust_store, sizeof trust_store - 1) == 0) {
        return read_store_key(&wish->settings.trust, key + sizeof trust_store - 1, value);
    }
    if (strcmp(key, "zookeeper.client.secure") == 0) {
        wish->secure = strcmp(value, "true") == 0;
    } else if (strcmp(key, "zookeeper.ssl.hostnameVerification") == 0) {
        wish->settings.trust_any_host = strcmp(value, "false") == 0;
    } else if (strcmp(key, "zookeeper.ssl.enabledProtocols") == 0 || strcmp(key, "zookeeper.ssl.protocol") == 0) {
        return viv_tls_protocols_parse(value, &wish->settings.protocols);
    } else if (strcmp(key, "zookeeper.ssl.ciphersuites") == 0) {
        return put(wish->settings.ciphers, sizeof wish->settings.ciphers, value);
    }
    return true; /* Java's other keys have no meaning here */
}

static bool read_file(struct wish *wish, const char *path)
{
    char line[2 * VIV_TLS_CIPHERS_BYTES];
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        viv_cli_error("--client-configuration %s cannot be read: %s", path, strerror(errno));
        return false;
    }
    bool well = true;
    while (well && fgets(line, sizeof line, file) != NULL) {
        char *key = line + strspn(line, " \t");
        char *equals = strchr(key, '=');
        if (*key == '#' || *key == '!' || equals == NULL) {
            continue;
        }
        size_t key_size = (size_t)(equals - key);
        while (key_size > 0 && (key[key_size - 1] == ' ' || key[key_size - 1] == '\t')) {
            key_size--;
        }
        key[key_size] = '\0';
        char *value = equals + 1 + strspn(equals + 1, " \t");
        value[strcspn(value, "\r\n")] = '\0';
        well = read_key(wish, key, value);
        if (!well) {
            viv_cli_error("%s: %s has a value that is not known", path, key);
        }
    }
    fclose(file);
    return well;
}

/* ---- the program's own options ---- */

static bool read_option(const struct viv_cli_args *args, const char *name, char *to, size_t size)
{
    const char *value = viv_cli_value(args, name);
    return value == NULL || put(to, size, value);
}

static bool read_options(struct wish *wish, const struct viv_cli_args *args)
{
    struct viv_tls_settings *settings = &wish->settings;
    wish->secure = wish->secure || viv_cli_has(args, "--tls") || viv_cli_has(args, "--tls-trust");
    settings->trust_any_host = settings->trust_any_host || viv_cli_has(args, "--tls-any-host");
    return read_option(args, "--tls-trust", settings->trust.path, sizeof settings->trust.path) &&
           read_option(args, "--tls-key", settings->key.path, sizeof settings->key.path) &&
           read_option(args, "--tls-password-file", settings->key.password_path, sizeof settings->key.password_path) &&
           read_option(args, "--tls-password-file", settings->trust.password_path,
                       sizeof settings->trust.password_path);
}

int viv_cli_tls_read(const struct viv_cli_args *args, struct viv_tls_context **out)
{
    struct wish wish = {0};
    struct viv_tls_fault fault = {0};
    const char *file = viv_cli_value(args, "--client-configuration");
    *out = NULL;
    if ((file != NULL && !read_file(&wish, file)) || !read_options(&wish, args)) {
        return VIV_CLI_USAGE;
    }
    if (!wish.secure) {
        return wish.settings.key.path[0] == '\0' || file != NULL
                   ? VIV_CLI_OK
                   : viv_cli_usage_error("--tls-key needs --tls, or --tls-trust FILE: whom the servers are signed by");
    }
    if (wish.settings.trust.path[0] == '\0') {
        strcpy(wish.settings.trust.path, usual_trust);
        wish.settings.trust.type = VIV_TLS_STORE_PEM;
        wish.settings.trust.password_path[0] = '\0';
    }
    if (viv_tls_context_new(&wish.settings, "--tls: ", VIV_TLS_IS_CLIENT, out, &fault) != VIV_OK) {
        viv_cli_error("%s (%s)", fault.text, fault.facts);
        return VIV_CLI_FAILED;
    }
    return VIV_CLI_OK;
}
