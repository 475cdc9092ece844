#include "cli/tls.h"

#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static bool put_path(char to[VIV_TLS_PATH_BYTES], const char *path)
{
    int size = path != NULL ? snprintf(to, VIV_TLS_PATH_BYTES, "%s", path) : 0;
    return size >= 0 && size < VIV_TLS_PATH_BYTES;
}

int viv_cli_tls_read(const struct viv_cli_args *args, struct viv_tls_context **out)
{
    const char *trust = viv_cli_value(args, "--tls-trust"), *key = viv_cli_value(args, "--tls-key");
    const char *password = viv_cli_value(args, "--tls-password-file");
    *out = NULL;
    if (trust == NULL) {
        return key == NULL ? VIV_CLI_OK
                           : viv_cli_usage_error("--tls-key needs --tls-trust FILE: whom the servers are signed by");
    }
    struct viv_tls_settings settings = {.trust_any_host = viv_cli_has(args, "--tls-any-host")};
    struct viv_tls_fault fault = {0};
    if (!put_path(settings.trust.path, trust) || !put_path(settings.key.path, key) ||
        !put_path(settings.trust.password_path, password) || !put_path(settings.key.password_path, password)) {
        return viv_cli_usage_error("a path of the TLS options is too long");
    }
    if (viv_tls_context_new(&settings, "--tls: ", VIV_TLS_IS_CLIENT, out, &fault) != VIV_OK) {
        viv_cli_error("%s (%s)", fault.text, fault.facts);
        return VIV_CLI_USAGE;
    }
    return VIV_CLI_OK;
}
