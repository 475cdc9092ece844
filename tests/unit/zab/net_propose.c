#include "tests/unit/zab/net_internal.h"
#include "wire/members.h"
#include "wire/records.h"

/* What leaders are asked to propose: bytes of chance, and other members. */

void net_copy_text(struct viv_buffer *to, const struct viv_buffer *from)
{
    viv_buffer_clear(to);
    viv_buffer_append_bytes(to, viv_buffer_bytes(from));
}

void net_show_members(struct net_server *server, struct viv_bytes body)
{
    struct viv_bytes text;
    if (viv_reconfig_txn_text(body, &text)) {
        viv_buffer_clear(&server->members);
        viv_buffer_append_bytes(&server->members, text);
    }
}

static struct viv_member member_of(viv_sid sid, bool voter)
{
    return (struct viv_member){.sid = sid,
                               .host = "h",
                               .peer_port = (int)sid,
                               .election_port = 1,
                               .voter = voter,
                               .weight = 1,
                               .client_port = -1};
}

void net_first_members(const struct net *net, struct viv_buffer *text)
{
    struct viv_members members = {0};
    for (size_t i = 0; i < net->config.voters + net->config.observers; i++) {
        struct viv_member member = member_of(net->servers[i].sid, i < net->config.voters);
        member.group = net->members[i].group;
        member.weight = member.group != 0 ? (int64_t)net->members[i].weight : 1;
        members.has_groups = member.group != 0;
        viv_members_insert(&members, &member);
    }
    viv_members_print(&members, text);
}

static void propose(struct net *net, size_t leader, viv_sid successor, struct viv_bytes body)
{
    net->proposals++;
    net_step(net, leader,
             &(struct viv_zab_input){.kind = VIV_ZAB_PROPOSE,
                                     .sid = successor,
                                     .zxid = viv_zab_next_zxid(net->servers[leader].zab),
                                     .data = body});
}

bool net_propose(struct net *net)
{
    int leader = net_leader(net);
    if (leader < 0) {
        return false;
    }
    uint8_t body[48];
    size_t size = 8 + viv_rng_below(&net->rng, sizeof body - 8);
    for (size_t i = 0; i < size; i++) {
        body[i] = (uint8_t)viv_rng_next(&net->rng);
    }
    propose(net, (size_t)leader, 0, viv_bytes_of(body, size));
    return true;
}

bool net_reconfigure(struct net *net, const struct net_change *change)
{
    int leader = net_leader(net);
    struct viv_members members = {0};
    struct viv_zab_member voters[NET_SERVERS_MAX];
    for (size_t i = 0; i < net->count; i++) {
        if (((change->voters | change->observers) >> i & 1) != 0) {
            struct viv_member member = member_of(net->servers[i].sid, (change->voters >> i & 1) != 0);
            voters[members.count] = (struct viv_zab_member){.sid = member.sid, .voter = member.voter};
            viv_members_insert(&members, &member);
        }
    }
    if (leader < 0 || viv_zab_is_reconfiguring(net->servers[leader].zab) || viv_members_voters(&members) == 0 ||
        !viv_zab_has_synced_quorum(net->servers[leader].zab, voters, members.count)) {
        return false;
    }
    for (size_t i = 0; i < net->count; i++) {
        net->servers[i].voter = net->servers[i].voter || (change->voters >> i & 1) != 0; /* for good: it may promise */
    }
    members.version = viv_zab_next_zxid(net->servers[leader].zab);
    struct viv_buffer text = {0}, body = {0};
    viv_members_print(&members, &text);
    viv_txn_header_encode(&body, &(struct viv_txn_header){.zxid = members.version, .type = VIV_OP_RECONFIG});
    viv_set_data_txn_encode(&body, &(struct viv_set_data_txn){.path = VIV_BYTES_LITERAL("/zookeeper/config"),
                                                              .data.bytes = viv_buffer_bytes(&text),
                                                              .version = -1});
    net->reconfigurations++;
    propose(net, (size_t)leader, change->successor, viv_buffer_bytes(&body));
    viv_buffer_fini(&text);
    viv_buffer_fini(&body);
    return true;
}
