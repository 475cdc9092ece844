#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "admin/command_internal.h"

/* What commands tell of the ensemble: from the configured members and from what ZAB says. */

enum { ADDRESS_BYTES = VIV_CONFIG_HOST_BYTES + 16 };

static void put_text(struct viv_command_context *context, const char *key, const char *value)
{
    viv_json_text(context->json, context->out, key, value);
}

static void put_list_of_one(struct viv_command_context *context, const char *key, const char *value)
{
    viv_json_open_list(context->json, context->out, key);
    put_text(context, NULL, value);
    viv_json_close(context->json, context->out);
}

/* Where clients find this member, "" when that is not known here. */
static void client_address(const struct viv_command_context *context, const struct viv_member *member, char *text)
{
    const struct viv_config *config = context->view->config;
    text[0] = '\0';
    if (member->sid == config->sid) {
        snprintf(text, ADDRESS_BYTES, "%s:%d", config->client_address[0] != '\0' ? config->client_address : "0.0.0.0",
                 viv_client_port_number(context->view->clients));
    } else if (member->client_port >= 0) {
        snprintf(text, ADDRESS_BYTES, "%s:%d", member->client_host[0] != '\0' ? member->client_host : "0.0.0.0",
                 member->client_port);
    }
}

const char *viv_command_leader(struct viv_command_context *context)
{
    const struct viv_server_view *view = context->view;
    const struct viv_zab_stats *zab = &view->stats.zab;
    const struct viv_member *leader = viv_members_find(view->members, zab->leader);
    if (view->config->standalone || leader == NULL) {
        return "server is not initialized";
    }
    viv_json_bool(context->json, context->out, "is_leader", zab->state == VIV_LEADING);
    viv_json_integer(context->json, context->out, "leader_id", leader->sid);
    put_text(context, "leader_ip", leader->host);
    return NULL;
}

const char *viv_command_observers(struct viv_command_context *context)
{
    viv_json_integer(context->json, context->out, "synced_observers",
                     (int64_t)context->view->stats.zab.synced_observers);
    viv_json_open_list(context->json, context->out, "observers");
    viv_json_close(context->json, context->out);
    return NULL;
}

/* Nothing is counted for each observer, so there is nothing to reset. */
const char *viv_command_observer_connection_stat_reset(struct viv_command_context *context)
{
    (void)context;
    return NULL;
}

static void put_member(struct viv_command_context *context, const struct viv_member *member)
{
    char key[24], address[ADDRESS_BYTES];
    snprintf(key, sizeof key, "%" PRId64, member->sid);
    viv_json_open(context->json, context->out, key);
    snprintf(address, sizeof address, "%s:%d", member->host, member->peer_port);
    put_list_of_one(context, "server_addresses", address);
    snprintf(address, sizeof address, "%s:%d", member->host, member->election_port);
    put_list_of_one(context, "election_addresses", address);
    client_address(context, member, address);
    put_text(context, "client_address", address);
    put_text(context, "learner_type", member->voter ? "participant" : "observer");
    viv_json_close(context->json, context->out);
}

const char *viv_command_voting_view(struct viv_command_context *context)
{
    const struct viv_members *members = context->view->members;
    viv_json_open(context->json, context->out, "current_config");
    for (size_t i = 0; i < members->count && !context->view->config->standalone; i++) {
        if (members->items[i].voter) {
            put_member(context, &members->items[i]);
        }
    }
    viv_json_close(context->json, context->out);
    return NULL;
}

/* The fields of Java's MultipleAddresses with the one address that there is. Reachability is not probed. */
static void put_addresses(struct viv_command_context *context, const char *key, const char *host, int port)
{
    char address[ADDRESS_BYTES], wildcard[ADDRESS_BYTES];
    snprintf(address, sizeof address, "%s:%d", host, port);
    snprintf(wildcard, sizeof wildcard, "0.0.0.0:%d", port);
    viv_json_open(context->json, context->out, key);
    viv_json_bool(context->json, context->out, "empty", false);
    put_list_of_one(context, "all_addresses", address);
    put_list_of_one(context, "all_reachable_addresses", address);
    put_text(context, "one", address);
    put_text(context, "reachable_address", address);
    put_list_of_one(context, "wildcard_addresses", wildcard);
    viv_json_open_list(context->json, context->out, "all_ports");
    viv_json_integer(context->json, context->out, NULL, port);
    viv_json_close(context->json, context->out);
    put_list_of_one(context, "all_host_strings", host);
    put_list_of_one(context, "all_reachable_addresses_or_all", address);
    put_text(context, "reachable_or_one", address);
    viv_json_close(context->json, context->out);
}

const char *viv_command_zabstate(struct viv_command_context *context)
{
    const struct viv_server_view *view = context->view;
    const struct viv_member *self = view->self;
    if (view->config->standalone || self == NULL) {
        viv_json_bool(context->json, context->out, "voting", false);
        put_text(context, "zabstate", "");
        return NULL;
    }
    char address[ADDRESS_BYTES], zxid[24];
    snprintf(zxid, sizeof zxid, "0x%" PRIx64, view->stats.last_zxid);
    client_address(context, self, address);
    viv_json_integer(context->json, context->out, "myid", self->sid);
    viv_json_bool(context->json, context->out, "is_leader", view->stats.zab.state == VIV_LEADING);
    put_addresses(context, "quorum_address", self->host, self->peer_port);
    put_addresses(context, "election_address", self->host, self->election_port);
    put_text(context, "client_address", address);
    viv_json_bool(context->json, context->out, "voting", self->voter);
    put_text(context, "last_zxid", zxid);
    viv_json_integer(context->json, context->out, "zab_epoch", (int64_t)(view->stats.last_zxid >> 32));
    viv_json_integer(context->json, context->out, "zab_counter", (int64_t)(view->stats.last_zxid & UINT32_MAX));
    put_text(context, "zabstate", viv_view_phase(view));
    return NULL;
}
