#include "server/config_internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/assert.h"
#include "node/identity.h"
#include "tree/acl.h"
#include "tree/prepare.h"
#include "zab/election_policy.h"

_Static_assert((int)VIV_TLS_PATH_BYTES == (int)VIV_CONFIG_PATH_BYTES, "one parser fits both");

typedef bool value_fn(struct viv_config *config, const struct viv_config_value *value, void *member, const char **why);

bool viv_config_number(const char *text, int64_t *number)
{
    char *end;
    errno = 0;
    long long parsed = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || isspace((unsigned char)text[0])) {
        return false;
    }
    *number = parsed;
    return true;
}

static bool parse_int(struct viv_config *config, const struct viv_config_value *value, void *member, const char **why)
{
    (void)config;
    int64_t number;
    if (!viv_config_number(value->text, &number)) {
        *why = "not a whole number";
        return false;
    }
    if (number < value->key->least || number > value->key->greatest) {
        *why = "out of range";
        return false;
    }
    *(int64_t *)member = number;
    return true;
}

static bool parse_bool(struct viv_config *config, const struct viv_config_value *value, void *member, const char **why)
{
    (void)config;
    *why = "neither of the two";
    *(bool *)member = strcasecmp(value->text, "true") == 0 || strcasecmp(value->text, "yes") == 0;
    return *(bool *)member || strcasecmp(value->text, "false") == 0 || strcasecmp(value->text, "no") == 0;
}

static bool copy_text(char *to, size_t capacity, const char *text, const char **why)
{
    size_t size = strlen(text);
    if (size == 0 || size >= capacity) {
        *why = size == 0 ? "empty" : "too long";
        return false;
    }
    memcpy(to, text, size + 1);
    return true;
}

static bool parse_path(struct viv_config *config, const struct viv_config_value *value, void *member, const char **why)
{
    (void)config;
    return copy_text(member, VIV_CONFIG_PATH_BYTES, value->text, why);
}

static bool is_host(const char *text)
{
    return text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:%")] == '\0';
}

static bool parse_host(struct viv_config *config, const struct viv_config_value *value, void *member, const char **why)
{
    (void)config;
    if (!is_host(value->text)) {
        *why = "not a host name or address";
        return false;
    }
    return copy_text(member, VIV_CONFIG_HOST_BYTES, value->text, why);
}

/* A word that another program made up: kept, and compared by whoever uses it. */
static bool parse_name(struct viv_config *config, const struct viv_config_value *value, void *member, const char **why)
{
    (void)config;
    return copy_text(member, VIV_CONFIG_HOST_BYTES, value->text, why);
}

/* May be empty. */
static bool parse_secret(struct viv_config *config, const struct viv_config_value *value, void *member,
                         const char **why)
{
    (void)config;
    if (value->text[0] == '\0') {
        *(char *)member = '\0';
        return true;
    }
    return copy_text(member, VIV_TLS_SECRET_BYTES, value->text, why);
}

static bool parse_ciphers(struct viv_config *config, const struct viv_config_value *value, void *member,
                          const char **why)
{
    (void)config;
    return copy_text(member, VIV_TLS_CIPHERS_BYTES, value->text, why);
}

static bool parse_store_type(struct viv_config *config, const struct viv_config_value *value, void *member,
                             const char **why)
{
    (void)config;
    *why = "not a type of store that is served";
    return viv_tls_store_type_parse(value->text, member);
}

static bool parse_client_auth(struct viv_config *config, const struct viv_config_value *value, void *member,
                              const char **why)
{
    (void)config;
    *why = "none of the three";
    return viv_tls_client_auth_parse(value->text, member);
}

static bool parse_protocols(struct viv_config *config, const struct viv_config_value *value, void *member,
                            const char **why)
{
    (void)config;
    *why = "names a version that is not served; older ones than 1.2 are not safe";
    return viv_tls_protocols_parse(value->text, member);
}

/* Adds to a comma list: a key that may be given more than once, or one with a list as its value. */
static bool parse_names(struct viv_config *config, const struct viv_config_value *value, void *member, const char **why)
{
    (void)config;
    char *list = member;
    size_t size = strlen(list);
    for (const char *at = value->text; *at != '\0';) {
        size_t name_bytes = strcspn(at, ", \t");
        if (size + name_bytes + 2 > VIV_CONFIG_PATH_BYTES) {
            *why = "too long";
            return false;
        }
        if (name_bytes > 0) {
            list[size] = ',';
            memcpy(list + size + (size > 0), at, name_bytes);
            size += name_bytes + (size > 0);
            list[size] = '\0';
        }
        at += name_bytes + (at[name_bytes] != '\0');
    }
    *why = "empty";
    return size > 0;
}

static bool parse_words(struct viv_config *config, const struct viv_config_value *value, void *member, const char **why)
{
    (void)config;
    if (strcmp(value->text, "*") == 0) {
        *(uint32_t *)member = UINT32_MAX;
        return true;
    }
    uint32_t words = 0;
    const char *rest = value->text;
    while (*rest != '\0') {
        size_t size = strcspn(rest, ", \t");
        enum viv_four_letter word = size == 4 ? viv_four_letter_find((const uint8_t *)rest) : VIV_FOUR_LETTER_NONE;
        if (size > 0 && word == VIV_FOUR_LETTER_NONE) {
            *why = "names a word that is not a four-letter word of ZooKeeper's";
            return false;
        }
        words |= size > 0 ? viv_four_letter_bit(word) : 0;
        rest += size + (rest[size] != '\0');
    }
    *(uint32_t *)member = words;
    return true;
}

static bool parse_backend(struct viv_config *config, const struct viv_config_value *value, void *member,
                          const char **why)
{
    (void)config;
    for (size_t i = 0; i < value->backends->count; i++) {
        if (strcmp(value->backends->items[i].name, value->text) == 0) {
            return copy_text(member, VIV_CONFIG_HOST_BYTES, value->text, why);
        }
    }
    *why = "not in this build";
    return false;
}

static bool parse_durability(struct viv_config *config, const struct viv_config_value *value, void *member,
                             const char **why)
{
    (void)config;
    *why = "neither of the two";
    *(bool *)member = strcmp(value->text, "none") != 0;
    return strcmp(value->text, "none") == 0 || strcmp(value->text, "sync") == 0;
}

static bool parse_version(struct viv_config *config, const struct viv_config_value *value, void *member,
                          const char **why)
{
    (void)config;
    *why = "not a hexadecimal number of up to 16 digits";
    size_t digits = strspn(value->text, "0123456789abcdefABCDEF");
    *(uint64_t *)member = strtoull(value->text, NULL, 16);
    return digits > 0 && digits <= 16 && value->text[digits] == '\0';
}

static bool parse_detector(struct viv_config *config, const struct viv_config_value *value, void *member,
                           const char **why)
{
    (void)config;
    *why = "neither of the two";
    *(bool *)member = strcmp(value->text, "fixed") != 0;
    return strcmp(value->text, "fixed") == 0 || strcmp(value->text, "adaptive") == 0;
}

static bool parse_reads(struct viv_config *config, const struct viv_config_value *value, void *member, const char **why)
{
    (void)config;
    *why = "neither of the two";
    *(bool *)member = strcmp(value->text, "linearizable") == 0;
    return *(bool *)member || strcmp(value->text, "local") == 0;
}

static bool parse_policy(struct viv_config *config, const struct viv_config_value *value, void *member,
                         const char **why)
{
    (void)config;
    *why = "not a policy of electing";
    snprintf(member, VIV_CONFIG_HOST_BYTES, "%s", value->text);
    return viv_election_policy_find(value->text) != NULL;
}

static bool parse_snapshot(struct viv_config *config, const struct viv_config_value *value, void *member,
                           const char **why)
{
    (void)config;
    *why = "not a way of taking snapshots";
    *(bool *)member = true;
    return strcmp(value->text, "fuzzy") == 0;
}

static bool parse_cluster(struct viv_config *config, const struct viv_config_value *value, void *member,
                          const char **why)
{
    (void)config;
    *why = "not 32 hexadecimal digits";
    if (strlen(value->text) != 32 || strspn(value->text, "0123456789abcdefABCDEF") != 32) {
        return false;
    }
    uint64_t *cluster = member;
    char half[17] = {0};
    memcpy(half, value->text, 16);
    cluster[0] = strtoull(half, NULL, 16);
    cluster[1] = strtoull(value->text + 16, NULL, 16);
    *why = "all zero";
    return (cluster[0] | cluster[1]) != 0;
}

static bool parse_digest(struct viv_config *config, const struct viv_config_value *value, void *member,
                         const char **why)
{
    (void)config;
    *why = "not a hash of this server";
    return viv_identity_hash_find(value->text, member);
}

static bool parse_quota(struct viv_config *config, const struct viv_config_value *value, void *member, const char **why)
{
    static const char *const names[] = {[VIV_QUOTA_AUTO] = "auto", [VIV_QUOTA_ON] = "true", [VIV_QUOTA_OFF] = "false"};
    (void)config;
    *why = "none of the three";
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcasecmp(value->text, names[i]) == 0) {
            *(int64_t *)member = (int64_t)i;
            return true;
        }
    }
    return false;
}

/* authProvider.N=class, as in ZooKeeper: the scheme may be named in ACL lists. */
static bool parse_auth_provider(struct viv_config *config, const struct viv_config_value *value, void *member,
                                const char **why)
{
    static const struct {
        const char *name;
        enum viv_acl_scheme scheme;
    } providers[] = {
        {"X509AuthenticationProvider", VIV_ACL_X509},
        {"SASLAuthenticationProvider", VIV_ACL_SASL},
        {"DigestAuthenticationProvider", VIV_ACL_DIGEST},
        {"IPAuthenticationProvider", VIV_ACL_IP},
    };
    (void)config;
    const char *dot = strrchr(value->text, '.');
    for (size_t i = 0; i < sizeof providers / sizeof providers[0]; i++) {
        if (strcmp(dot == NULL ? value->text : dot + 1, providers[i].name) == 0) {
            *(uint32_t *)member |= providers[i].scheme;
            return true;
        }
    }
    *why = "a provider that this server has not";
    return false;
}

/* The number behind the dot of "group.3" or "weight.3", from 1 to most. */
static bool key_number(const struct viv_config_value *value, int64_t most, int64_t *number)
{
    return viv_config_number(value->key_text + strlen(value->key->name), number) && *number >= 1 && *number <= most;
}

static bool parse_group(struct viv_config *config, const struct viv_config_value *value, void *member, const char **why)
{
    (void)member;
    struct viv_config_group group = {0};
    char text[VIV_CONFIG_PATH_BYTES];
    char *saved = NULL;
    *why = "the number of the group is not one from 1 to 255";
    if (!key_number(value, UINT8_MAX, &group.number)) {
        return false;
    }
    *why = "given twice, or one group too many";
    for (size_t i = 0; i < config->group_count; i++) {
        if (config->groups[i].number == group.number) {
            return false;
        }
    }
    if (config->group_count == VIV_MEMBERS_MAX || !copy_text(text, sizeof text, value->text, why)) {
        return false;
    }
    *why = "not numbers of servers with colons between";
    for (char *part = strtok_r(text, ":", &saved); part != NULL; part = strtok_r(NULL, ":", &saved)) {
        int64_t sid;
        if (!viv_config_number(part, &sid) || sid < 1 || sid > VIV_SID_MAX) {
            return false;
        }
        group.sids[sid / 64] |= UINT64_C(1) << sid % 64;
    }
    size_t at = config->group_count++;
    for (; at > 0 && config->groups[at - 1].number > group.number; at--) {
        config->groups[at] = config->groups[at - 1];
    }
    config->groups[at] = group;
    return true;
}

static bool parse_weight(struct viv_config *config, const struct viv_config_value *value, void *member,
                         const char **why)
{
    (void)member;
    struct viv_config_weight weight;
    *why = "not the number of a server";
    if (!key_number(value, VIV_SID_MAX, &weight.sid)) {
        return false;
    }
    *why = "not a weight";
    if (!viv_config_number(value->text, &weight.weight) || weight.weight < 0 || weight.weight > VIV_WEIGHT_MAX) {
        return false;
    }
    *why = "given twice, or one weight too many";
    for (size_t i = 0; i < config->weight_count; i++) {
        if (config->weights[i].sid == weight.sid) {
            return false;
        }
    }
    if (config->weight_count == VIV_MEMBERS_MAX) {
        return false;
    }
    config->weights[config->weight_count++] = weight;
    return true;
}

static bool parse_server(struct viv_config *config, const struct viv_config_value *value, void *member,
                         const char **why)
{
    (void)member;
    struct viv_member server;
    if (!viv_config_number(value->key_text + strlen(value->key->name), &server.sid) || server.sid < 1 ||
        server.sid > VIV_SID_MAX) {
        *why = "the server id is not a number from 1 to 254";
        return false;
    }
    if (!viv_member_parse(value->text, &server, why)) {
        return false;
    }
    *why = viv_members_find(&config->members, server.sid) != NULL ? "this server has a line already"
                                                                  : "too many servers, 64 is the most";
    return viv_members_insert(&config->members, &server);
}

bool viv_config_value_parse(struct viv_config *config, const struct viv_config_value *value, const char **why)
{
    static value_fn *const parsers[] = {
        [VIV_CONFIG_KIND_INT] = parse_int,
        [VIV_CONFIG_KIND_BOOL] = parse_bool,
        [VIV_CONFIG_KIND_NAME] = parse_name,
        [VIV_CONFIG_KIND_PATH] = parse_path,
        [VIV_CONFIG_KIND_HOST] = parse_host,
        [VIV_CONFIG_KIND_WORDS] = parse_words,
        [VIV_CONFIG_KIND_SERVER] = parse_server,
        [VIV_CONFIG_KIND_BACKEND] = parse_backend,
        [VIV_CONFIG_KIND_DURABILITY] = parse_durability,
        [VIV_CONFIG_KIND_SNAPSHOT] = parse_snapshot,
        [VIV_CONFIG_KIND_DETECTOR] = parse_detector,
        [VIV_CONFIG_KIND_READS] = parse_reads,
        [VIV_CONFIG_KIND_POLICY] = parse_policy,
        [VIV_CONFIG_KIND_VERSION] = parse_version,
        [VIV_CONFIG_KIND_GROUP] = parse_group,
        [VIV_CONFIG_KIND_WEIGHT] = parse_weight,
        [VIV_CONFIG_KIND_CLUSTER] = parse_cluster,
        [VIV_CONFIG_KIND_DIGEST] = parse_digest,
        [VIV_CONFIG_KIND_AUTH_PROVIDER] = parse_auth_provider,
        [VIV_CONFIG_KIND_QUOTA] = parse_quota,
        [VIV_CONFIG_KIND_SECRET] = parse_secret,
        [VIV_CONFIG_KIND_STORE_TYPE] = parse_store_type,
        [VIV_CONFIG_KIND_CLIENT_AUTH] = parse_client_auth,
        [VIV_CONFIG_KIND_PROTOCOLS] = parse_protocols,
        [VIV_CONFIG_KIND_CIPHERS] = parse_ciphers,
        [VIV_CONFIG_KIND_NAMES] = parse_names,
    };
    VIV_ASSERT(value->key->kind < sizeof parsers / sizeof parsers[0]);
    VIV_ASSERT(parsers[value->key->kind] != NULL);
    return parsers[value->key->kind](config, value, (char *)config + value->key->offset, why);
}
