#include <stdio.h>
#include <string.h>

#include "server/config_internal.h"
#include "tree/acl.h"

/* What the keys mean together: defaults that follow from others, and combinations that make no sense. */

static void check_storage(struct viv_config_parse *parse)
{
    struct viv_config *config = parse->config;
    if (config->data_dir[0] == '\0') {
        viv_config_complain(parse, 0, true, "dataDir is missing; legal: a directory");
    }
    if (config->data_log_dir[0] == '\0') {
        memcpy(config->data_log_dir, config->data_dir, sizeof config->data_dir);
    }
    for (size_t i = 0; i < parse->backends->count; i++) {
        const struct viv_config_backend *backend = &parse->backends->items[i];
        if (strcmp(backend->name, config->backend) == 0 && backend->is_volatile && config->durable) {
            viv_config_complain(
                parse, viv_config_line_of(parse, "backend"), true,
                "backend=%s forgets everything when the process ends; it needs durability=none to say so",
                config->backend);
        }
    }
}

static void check_sessions(struct viv_config_parse *parse)
{
    struct viv_config *config = parse->config;
    if (config->session_timeout_min_ms < 0) {
        config->session_timeout_min_ms = 2 * config->tick_ms;
    }
    if (config->session_timeout_max_ms < 0) {
        config->session_timeout_max_ms = 20 * config->tick_ms;
    }
    if (config->session_timeout_min_ms > config->session_timeout_max_ms) {
        unsigned line = viv_config_line_of(parse, "minSessionTimeout");
        viv_config_complain(parse, line > 0 ? line : viv_config_line_of(parse, "maxSessionTimeout"), true,
                            "minSessionTimeout=%lld: above maxSessionTimeout; legal: up to %lld (milliseconds)",
                            (long long)config->session_timeout_min_ms, (long long)config->session_timeout_max_ms);
    }
}

static void check_handshakes(struct viv_config *config)
{
    config->handshakes_max = config->handshakes_max > 0 ? config->handshakes_max : INT64_MAX;
}

/* As ZooKeeper: what is required must be something that this server can see proved. */
static void check_authentication(struct viv_config_parse *parse)
{
    struct viv_config_clients *clients = &parse->config->clients;
    if (clients->requires_sasl) {
        snprintf(clients->schemes_required, sizeof clients->schemes_required, "sasl");
    } else if (!clients->enforces_auth) {
        clients->schemes_required[0] = '\0';
    } else if (clients->schemes_required[0] == '\0') {
        viv_config_complain(
            parse, viv_config_line_of(parse, "enforce.auth.enabled"), true,
            "enforce.auth.enabled=true: enforce.auth.schemes is missing; legal: a comma list of schemes");
    }
    static const char *const known[] = {"sasl", "x509", "digest", "ip"};
    for (const char *at = clients->schemes_required; *at != '\0';) {
        size_t size = strcspn(at, ",");
        bool is_known = false;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
            is_known = is_known || (strlen(known[i]) == size && memcmp(at, known[i], size) == 0);
        }
        if (!is_known) {
            viv_config_complain(parse, viv_config_line_of(parse, "enforce.auth.schemes"), true,
                                "enforce.auth.schemes: %.*s is no scheme of this server; legal: sasl, x509, digest, ip",
                                (int)size, at);
        } else if (size == 4 && memcmp(at, "sasl", size) == 0 && clients->jaas_file[0] == '\0') {
            unsigned line = viv_config_line_of(parse, "enforce.auth.schemes");
            viv_config_complain(parse, line > 0 ? line : viv_config_line_of(parse, "sessionRequireClientSASLAuth"),
                                true,
                                "clients must prove who they are by SASL, but java.security.auth.login.config is "
                                "missing; legal: a JAAS file with their names");
        }
        at += size + (at[size] != '\0');
    }
}

static void check_local_sessions(struct viv_config_parse *parse)
{
    const struct viv_config_clients *clients = &parse->config->clients;
    if (clients->local_session_upgrade && !clients->local_sessions) {
        viv_config_complain(parse, viv_config_line_of(parse, "localSessionsUpgradingEnabled"), false,
                            "localSessionsUpgradingEnabled has no effect without localSessionsEnabled");
    }
}

static void check_members(struct viv_config_parse *parse)
{
    struct viv_config *config = parse->config;
    config->standalone = config->members.count < 2;
    size_t voters = 0;
    for (size_t i = 0; i < config->members.count; i++) {
        voters += config->members.items[i].voter;
    }
    if (config->members.count > 0 && voters == 0) {
        viv_config_complain(parse, viv_config_line_of(parse, "server."), true,
                            "every server is an observer; at least one must vote");
    }
    if (!config->standalone && config->init_limit_ticks < 0) {
        viv_config_complain(parse, 0, true, "initLimit is missing; an ensemble needs it; legal: 1 to 100000 (ticks)");
    }
    if (!config->standalone && config->sync_limit_ticks < 0) {
        viv_config_complain(parse, 0, true, "syncLimit is missing; an ensemble needs it; legal: 1 to 100000 (ticks)");
    }
    config->init_limit_ticks = config->init_limit_ticks < 0 ? 10 : config->init_limit_ticks;
    config->sync_limit_ticks = config->sync_limit_ticks < 0 ? 5 : config->sync_limit_ticks;
}

static struct viv_member *find_member(struct viv_config *config, viv_sid sid)
{
    for (size_t i = 0; i < config->members.count; i++) {
        if (config->members.items[i].sid == sid) {
            return &config->members.items[i];
        }
    }
    return NULL;
}

static void assign_group(struct viv_config_parse *parse, const struct viv_config_group *group)
{
    struct viv_config *config = parse->config;
    for (viv_sid sid = 1; sid <= VIV_SID_MAX; sid++) {
        if ((group->sids[sid / 64] >> sid % 64 & 1) == 0) {
            continue;
        }
        struct viv_member *member = find_member(config, sid);
        if (member == NULL) {
            viv_config_complain(parse, viv_config_line_of(parse, "group."), true,
                                "group.%lld names server %lld, which has no server line", (long long)group->number,
                                (long long)sid);
        } else if (member->group != 0) {
            viv_config_complain(parse, viv_config_line_of(parse, "group."), true,
                                "server %lld is in two groups, %lld and %lld; legal: one", (long long)sid,
                                (long long)member->group, (long long)group->number);
        } else {
            member->group = group->number;
        }
    }
}

/* Hierarchical quorums: every voter in one group, and somebody whose word counts. */
static void check_groups(struct viv_config_parse *parse)
{
    struct viv_config *config = parse->config;
    config->members.has_groups = config->group_count > 0;
    if (config->group_count == 0 && config->weight_count > 0) {
        viv_config_complain(parse, viv_config_line_of(parse, "weight."), true,
                            "a weight counts within a group only; legal: group lines that name every voter");
    }
    for (size_t i = 0; i < config->group_count; i++) {
        assign_group(parse, &config->groups[i]);
    }
    for (size_t i = 0; i < config->members.count; i++) {
        config->members.items[i].weight = 1;
    }
    for (size_t i = 0; i < config->weight_count; i++) {
        struct viv_member *member = find_member(config, config->weights[i].sid);
        if (member != NULL) {
            member->weight = config->weights[i].weight;
        } else {
            viv_config_complain(parse, viv_config_line_of(parse, "weight."), true,
                                "weight.%lld has no server line of that number", (long long)config->weights[i].sid);
        }
    }
    int64_t weight = 0;
    for (size_t i = 0; i < config->members.count && config->group_count > 0; i++) {
        const struct viv_member *member = &config->members.items[i];
        weight += member->voter ? member->weight : 0;
        if (member->voter && member->group == 0) {
            viv_config_complain(parse, viv_config_line_of(parse, "group."), true,
                                "server %lld is in no group; legal: every voter in one", (long long)member->sid);
        }
    }
    if (config->group_count > 0 && weight == 0) {
        viv_config_complain(parse, viv_config_line_of(parse, "weight."), true,
                            "every voter has weight 0; at least one must count");
    }
}

static void check_addresses(struct viv_config_parse *parse)
{
    const struct viv_config *config = parse->config;
    for (size_t i = 0; i < config->members.count && !config->multi_address; i++) {
        if (viv_member_address_count(&config->members.items[i]) > 1) {
            viv_config_complain(parse, viv_config_line_of(parse, "server."), true,
                                "server.%lld has several addresses; legal: one, or multiAddress.enabled=true",
                                (long long)config->members.items[i].sid);
        }
    }
}

static void check_myid(struct viv_config_parse *parse, const char *myid)
{
    struct viv_config *config = parse->config;
    if (myid == NULL) {
        config->sid = config->members.count == 1 ? config->members.items[0].sid : 1;
        if (!config->standalone && config->data_dir[0] != '\0') {
            viv_config_complain(parse, 0, true,
                                "%s/myid is missing; an ensemble needs it; legal: the number of this server",
                                config->data_dir);
        }
        return;
    }
    if (!viv_config_number(myid, &config->sid) || config->sid < 1 || config->sid > VIV_SID_MAX) {
        viv_config_complain(parse, 0, true, "%s/myid holds '%s'; legal: a number from 1 to 254", config->data_dir,
                            myid);
    } else if (config->members.count > 0 && viv_config_self(config) == NULL) {
        viv_config_complain(parse, viv_config_line_of(parse, "server."), true,
                            "there is no server.%lld line, but %s/myid says %lld", (long long)config->sid,
                            config->data_dir, (long long)config->sid);
    }
}

/* The client port of the own server line counts as clientPort, as in ZooKeeper. */
static void check_client_port(struct viv_config_parse *parse)
{
    struct viv_config *config = parse->config;
    const struct viv_member *self = viv_config_self(config);
    if (self != NULL && self->client_port >= 0) {
        if (config->client_port >= 0 && config->client_port != self->client_port) {
            viv_config_complain(parse, viv_config_line_of(parse, "clientPort"), true,
                                "clientPort=%lld: server.%lld says %d; legal: the same", (long long)config->client_port,
                                (long long)self->sid, self->client_port);
        }
        config->client_port = self->client_port;
        if (self->client_host[0] != '\0') {
            memcpy(config->client_address, self->client_host, sizeof config->client_address);
        }
    }
    if (config->client_port < 0 && config->secure_client_port < 0) {
        viv_config_complain(parse, 0, true, "clientPort is missing; legal: 0 to 65535 (0 takes a free one)");
    }
}

static void check_access(struct viv_config_parse *parse)
{
    struct viv_config *config = parse->config;
    config->auth_schemes |= VIV_ACL_IP | VIV_ACL_DIGEST;
    if (!config->digest_auth) {
        config->auth_schemes &= ~(uint32_t)VIV_ACL_DIGEST;
    }
    /* Who can prove to be somebody can be named. */
    config->auth_schemes |= config->secure_client_port >= 0 ? VIV_ACL_X509 : 0;
    config->auth_schemes |= config->clients.jaas_file[0] != '\0' ? VIV_ACL_SASL : 0;
    if (config->skip_acl) {
        viv_config_complain(parse, viv_config_line_of(parse, "skipACL"), false,
                            "skipACL is on: everybody may do everything");
    }
    if (config->emulate_353_ttl && !config->extended_types) {
        viv_config_complain(parse, viv_config_line_of(parse, "emulate353TTLNodes"), false,
                            "emulate353TTLNodes has no effect without extendedTypesEnabled=true");
    }
}

/* Loopback only, unless somebody decided otherwise. */
static void check_admin(struct viv_config_parse *parse)
{
    struct viv_config *config = parse->config;
    if (config->admin.address[0] == '\0') {
        memcpy(config->admin.address, "127.0.0.1", sizeof "127.0.0.1");
    }
    if (config->admin.command_url[0] == '\0') {
        memcpy(config->admin.command_url, "/commands", sizeof "/commands");
    }
    size_t size = strlen(config->admin.command_url);
    if (config->admin.command_url[0] != '/' || size < 2 || config->admin.command_url[size - 1] == '/') {
        viv_config_complain(
            parse, viv_config_line_of(parse, "admin.commandURL"), true,
            "admin.commandURL=%s: not usable; legal: a path that begins with / and goes on, without a / at its end",
            config->admin.command_url);
    }
    if (config->admin.need_client_auth && !config->admin.force_https) {
        viv_config_complain(parse, viv_config_line_of(parse, "admin.needClientAuth"), false,
                            "admin.needClientAuth=true: who comes without TLS is answered without a certificate; set "
                            "admin.forceHttps=true");
    }
    const char *provider = config->metrics.provider;
    if (provider[0] != '\0' && strcmp(provider, VIV_CONFIG_PROMETHEUS_PROVIDER) != 0 &&
        strcmp(provider, "org.apache.zookeeper.metrics.impl.DefaultMetricsProvider") != 0) {
        viv_config_complain(parse, viv_config_line_of(parse, "metricsProvider.className"), false,
                            "metricsProvider.className=%s has no effect: only Prometheus has a port of its own (%s)",
                            provider, VIV_CONFIG_PROMETHEUS_PROVIDER);
    }
    if (config->audit_file[0] == '\0') {
        int needed = snprintf(config->audit_file, sizeof config->audit_file, "%s/audit.log", config->data_dir);
        if (needed < 0 || (size_t)needed >= sizeof config->audit_file) {
            viv_config_complain(parse, viv_config_line_of(parse, "dataDir"), true,
                                "dataDir is too long for the audit log; set audit.file");
        }
    }
}

static void check_peer_auth(struct viv_config_parse *parse)
{
    if (parse->config->peer_tls.settings.client_auth != VIV_TLS_CLIENT_NEED) {
        viv_config_complain(parse, viv_config_line_of(parse, "ssl.quorum.clientAuth"), false,
                            "ssl.quorum.clientAuth has no effect: servers always show each other certificates");
    }
}

static void check_election(struct viv_config_parse *parse)
{
    struct viv_config *config = parse->config;
    if (strcmp(config->election_policy, "fle") == 0 && config->election_slack != 0) {
        viv_config_complain(parse, viv_config_line_of(parse, "election.slack"), true,
                            "with election.policy=fle a leader never lags; legal: 0");
    }
    if (strcmp(config->election_policy, "priority") != 0 && config->election_priority != 0) {
        viv_config_complain(parse, viv_config_line_of(parse, "election.priority"), false,
                            "election.priority has no effect without election.policy=priority");
    }
}

/* What the keys of one prefix mean together. The stores themselves are looked at when the server starts. */
static void settle_tls(struct viv_config_tls *tls)
{
    struct viv_tls_settings *settings = &tls->settings;
    settings->protocols = settings->protocols != 0 ? settings->protocols : tls->protocol;
    settings->trust_any_host = !tls->verify_host;
}

void viv_config_check(struct viv_config_parse *parse, const char *myid)
{
    check_storage(parse);
    check_authentication(parse);
    check_local_sessions(parse);
    check_sessions(parse);
    check_handshakes(parse->config);
    check_members(parse);
    check_groups(parse);
    check_myid(parse, myid);
    check_addresses(parse);
    check_client_port(parse);
    check_admin(parse);
    check_access(parse);
    check_peer_auth(parse);
    check_election(parse);
    settle_tls(&parse->config->client_tls);
    settle_tls(&parse->config->peer_tls);
}
