#include "security/sasl.h"

#include <errno.h>
#include <fcntl.h>
#include <sasl/sasl.h>
#include <sasl/saslplug.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "wire/jute.h"

static const char mechanism[] = "DIGEST-MD5", service[] = "zookeeper", server_name[] = "zk-sasl-md5";

struct viv_sasl {
    struct viv_jaas jaas;
    char *super_users;
};

struct viv_sasl_exchange {
    const struct viv_sasl *sasl;
    sasl_conn_t *conn;
    bool is_begun;
};

/* Cyrus asks for passwords through a plugin, which has one context for the process. */
static struct viv_sasl *opened;

/* ---- what Cyrus asks ---- */

/* A name may come with its realm, which is always ours. */
static struct viv_bytes without_realm(const char *user, unsigned size)
{
    struct viv_bytes name = viv_bytes_of(user, size);
    const uint8_t *at = memrchr(name.data, '@', name.size);
    if (at != NULL &&
        viv_bytes_equal(viv_bytes_of(at + 1, (size_t)(name.data + name.size - at - 1)), viv_bytes_text(server_name))) {
        name.size = (size_t)(at - name.data);
    }
    return name;
}

static int look_up(void *ctx, sasl_server_params_t *params, unsigned flags, const char *user, unsigned size)
{
    (void)ctx;
    static const char *const names[] = {"*" SASL_AUX_PASSWORD_PROP, SASL_AUX_PASSWORD_PROP};
    if (user == NULL || params == NULL || (flags & SASL_AUXPROP_AUTHZID) != 0) {
        return SASL_OK;
    }
    const struct viv_jaas_user *found = viv_jaas_find(&opened->jaas, without_realm(user, size));
    if (found == NULL) {
        return SASL_NOUSER;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)params->utils->prop_set(params->propctx, names[i], found->password, (int)strlen(found->password));
    }
    return SASL_OK;
}

static int init_plugin(const sasl_utils_t *utils, int version_max, int *version, sasl_auxprop_plug_t **out,
                       const char *name)
{
    static char plugin_name[] = "vivarium";
    static sasl_auxprop_plug_t plugin = {.auxprop_lookup = look_up, .name = plugin_name};
    (void)utils;
    (void)name;
    if (version_max < SASL_AUXPROP_PLUG_VERSION) {
        return SASL_BADVERS;
    }
    *version = SASL_AUXPROP_PLUG_VERSION;
    *out = &plugin;
    return SASL_OK;
}

static int get_option(void *ctx, const char *plugin, const char *option, const char **value, unsigned *size)
{
    static const struct {
        const char *option, *value;
    } options[] = {
        {"auxprop_plugin", "vivarium"},
        {"mech_list", mechanism},
        {"reauth_timeout", "0"}, /* no answers without a challenge of this connection */
    };
    (void)ctx;
    (void)plugin;
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (strcmp(option, options[i].option) == 0) {
            *value = options[i].value;
            if (size != NULL) {
                *size = (unsigned)strlen(*value);
            }
            return SASL_OK;
        }
    }
    return SASL_FAIL;
}

/* Failures are told by the node, once, without what the client sent. */
static int be_silent(void *ctx, int level, const char *message)
{
    (void)ctx;
    (void)level;
    (void)message;
    return SASL_OK;
}

/* Whom a client wants to act for is not asked, as by ZooKeeper: it is who it proved to be. */
static int allow_any(sasl_conn_t *conn, void *ctx, const char *wanted, unsigned wanted_size, const char *identity,
                     unsigned identity_size, const char *realm, unsigned realm_size, struct propctx *properties)
{
    (void)conn, (void)ctx, (void)wanted, (void)wanted_size, (void)identity, (void)identity_size, (void)realm;
    (void)realm_size, (void)properties;
    return SASL_OK;
}

/* Cyrus tells the types apart by the number beside them. */
#define CALLBACK(function) ((int (*)(void))(void (*)(void))(function))
static const sasl_callback_t callbacks[] = {
    {SASL_CB_GETOPT, CALLBACK(get_option), NULL},
    {SASL_CB_LOG, CALLBACK(be_silent), NULL},
    {SASL_CB_PROXY_POLICY, CALLBACK(allow_any), NULL},
    {SASL_CB_LIST_END, NULL, NULL},
};

/* ---- opening ---- */

static viv_status complain(struct viv_buffer *why, const char *file, const char *text)
{
    viv_buffer_printf(why, "%s: %s", file, text);
    return VIV_ERR_INVALID;
}

static viv_status read_file(const char *path, struct viv_buffer *text, struct viv_buffer *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        viv_buffer_printf(why, "%s: cannot be read: %s", path, fd < 0 ? strerror(errno) : "not a file");
        if (fd >= 0) {
            close(fd);
        }
        return VIV_ERR_INVALID;
    }
    if ((info.st_mode & (S_IROTH | S_IWOTH)) != 0) {
        viv_log(VIV_LOG_WARN, "security", "everybody on this machine can read the passwords; chmod o-rwx", "file=%s",
                path);
    }
    ssize_t got = 1;
    while (got > 0 && text->size <= VIV_JAAS_FILE_BYTES_MAX) {
        got = read(fd, viv_buffer_reserve(text, 4096), 4096);
        text->size += got > 0 ? (size_t)got : 0;
    }
    close(fd);
    if (got < 0 || text->size > VIV_JAAS_FILE_BYTES_MAX) {
        return complain(why, path, got < 0 ? "cannot be read" : "longer than 1 MiB");
    }
    return VIV_OK;
}

static viv_status read_users(const struct viv_sasl_settings *settings, struct viv_jaas *jaas, struct viv_buffer *why)
{
    struct viv_buffer text = {0};
    const char *section = settings->section != NULL ? settings->section : "Server";
    const char *fault;
    unsigned line;
    viv_status status = read_file(settings->jaas_file, &text, why);
    if (status == VIV_OK && !viv_jaas_parse(jaas, viv_buffer_bytes(&text), section, &line, &fault)) {
        viv_buffer_printf(why, "%s:%u: %s (section %s)", settings->jaas_file, line, fault, section);
        status = VIV_ERR_INVALID;
    }
    if (text.data != NULL) {
        memset(text.data, 0, text.size);
    }
    viv_buffer_fini(&text);
    if (status == VIV_OK && settings->super_password != NULL &&
        !viv_jaas_put(jaas, VIV_BYTES_LITERAL("super"), viv_bytes_text(settings->super_password))) {
        status = complain(why, "SASLAuthenticationProvider.superPassword", "empty, or longer than 255 bytes");
    }
    return status;
}

static bool has_mechanism(void)
{
    const char **names = sasl_global_listmech();
    for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
        if (strcmp(names[i], mechanism) == 0) {
            return true;
        }
    }
    return false;
}

static viv_status start_library(struct viv_buffer *why)
{
    if (sasl_auxprop_add_plugin("vivarium", init_plugin) != SASL_OK ||
        sasl_server_init(callbacks, "vivarium") != SASL_OK) {
        return complain(why, "SASL", "the library does not start");
    }
    if (!has_mechanism()) {
        sasl_server_done();
        return complain(why, "SASL", "there is no DIGEST-MD5 on this machine; install the package libsasl2-modules");
    }
    return VIV_OK;
}

viv_status viv_sasl_open(const struct viv_sasl_settings *settings, struct viv_sasl **out, struct viv_buffer *why)
{
    VIV_ASSERT(opened == NULL);
    struct viv_jaas jaas = {0};
    viv_status status = read_users(settings, &jaas, why);
    if (status == VIV_OK) {
        status = start_library(why);
    }
    if (status != VIV_OK) {
        viv_jaas_fini(&jaas);
        return status;
    }
    struct viv_sasl *sasl = viv_alloc_zeroed(1, sizeof *sasl);
    sasl->jaas = jaas;
    if (settings->super_users != NULL) {
        size_t bytes = strlen(settings->super_users) + 1;
        sasl->super_users = viv_alloc(bytes);
        memcpy(sasl->super_users, settings->super_users, bytes);
    }
    *out = opened = sasl;
    return VIV_OK;
}

void viv_sasl_close(struct viv_sasl *sasl)
{
    if (sasl != NULL) {
        VIV_ASSERT(opened == sasl);
        sasl_server_done();
        viv_jaas_fini(&sasl->jaas);
        free(sasl->super_users);
        free(sasl);
        opened = NULL;
    }
}

/* ---- exchanges ---- */

/* "auth" only: nothing behind the handshake is wrapped. */
static void want_authentication_only(sasl_conn_t *conn)
{
    sasl_security_properties_t properties = {.maxbufsize = 0, .security_flags = SASL_SEC_NOANONYMOUS};
    (void)sasl_setprop(conn, SASL_SEC_PROPS, &properties);
}

struct viv_sasl_exchange *viv_sasl_begin(struct viv_sasl *sasl)
{
    struct viv_sasl_exchange *exchange = viv_alloc_zeroed(1, sizeof *exchange);
    exchange->sasl = sasl;
    if (sasl_server_new(service, server_name, NULL, NULL, NULL, callbacks, SASL_SUCCESS_DATA, &exchange->conn) ==
        SASL_OK) {
        want_authentication_only(exchange->conn);
    } else {
        exchange->conn = NULL; /* every step fails */
    }
    return exchange;
}

static bool is_listed(const char *list, struct viv_bytes name)
{
    while (list != NULL && *list != '\0') {
        size_t size = strcspn(list, ",");
        if (viv_bytes_equal(viv_bytes_of(list, size), name)) {
            return true;
        }
        list += size + (list[size] == ',');
    }
    return false;
}

static bool append_identities(const struct viv_sasl_exchange *exchange, struct viv_buffer *identities)
{
    const void *property = NULL;
    if (sasl_getprop(exchange->conn, SASL_AUTHUSER, &property) != SASL_OK || property == NULL) {
        return false;
    }
    struct viv_bytes name = without_realm(property, (unsigned)strlen(property));
    bool is_super = is_listed(exchange->sasl->super_users, name);
    viv_jute_write_int(identities, is_super ? 2 : 1);
    viv_jute_write_text(identities, "sasl");
    viv_jute_write_bytes(identities, name);
    if (is_super) {
        viv_jute_write_text(identities, "super");
        viv_jute_write_text(identities, "");
    }
    return true;
}

enum viv_sasl_outcome viv_sasl_step(struct viv_sasl_exchange *exchange, struct viv_bytes token,
                                    struct viv_buffer *answer, struct viv_buffer *identities)
{
    const char *out = NULL;
    unsigned out_size = 0;
    if (exchange->conn == NULL || token.size > UINT16_MAX) {
        return VIV_SASL_FAILED;
    }
    int code;
    if (!exchange->is_begun) {
        if (token.size > 0) {
            return VIV_SASL_FAILED; /* an answer before the challenge; Cyrus would take it for a second visit */
        }
        exchange->is_begun = true;
        code = sasl_server_start(exchange->conn, mechanism, NULL, 0, &out, &out_size);
    } else {
        code = sasl_server_step(exchange->conn, (const char *)token.data, (unsigned)token.size, &out, &out_size);
    }
    if (code != SASL_OK && code != SASL_CONTINUE) {
        return VIV_SASL_FAILED;
    }
    if (code == SASL_OK && !append_identities(exchange, identities)) {
        return VIV_SASL_FAILED;
    }
    if (out_size > 0) {
        viv_buffer_append(answer, out, out_size);
    }
    return code == SASL_OK ? VIV_SASL_COMPLETE : VIV_SASL_CONTINUE;
}

void viv_sasl_end(struct viv_sasl_exchange *exchange)
{
    if (exchange->conn != NULL) {
        sasl_dispose(&exchange->conn);
    }
    free(exchange);
}
