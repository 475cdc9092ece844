#include "tests/unit/zab/net_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

/* ---- what happens ---- */

static void answer_write(struct net *net, size_t index, const struct net_write *write)
{
    static const enum viv_zab_input_kind kinds[] = {
        [W_APPEND] = VIV_ZAB_STORED,
        [W_EPOCHS] = VIV_ZAB_EPOCHS_STORED,
        [W_TRUNCATE] = VIV_ZAB_TRUNCATED,
        [W_INSTALL] = VIV_ZAB_SNAP_INSTALLED,
    };
    if (write->kind == W_INSTALL) {
        net_records_copy(&net->servers[index].tree, &write->image, write->zxid);
        net_copy_text(&net->servers[index].members, &write->members);
    }
    uint64_t zxid = write->kind == W_APPEND ? write->zxid_last : write->zxid;
    net_step(
        net, index,
        &(struct viv_zab_input){.kind = kinds[write->kind], .zxid = zxid, .data = viv_buffer_bytes(&write->members)});
}

static void on_disk(struct net *net, size_t index)
{
    struct net_server *server = &net->servers[index];
    struct net_write *write = server->writes;
    server->writing = false;
    if (write == NULL) {
        return;
    }
    server->writes = write->next;
    server->writes_end = server->writes == NULL ? &server->writes : server->writes_end;
    net_write_make_durable(net, server, write);
    if (server->writes != NULL) {
        server->writing = true;
        net_push(net, (struct net_event){.at_ms = net->now_ms + 1 + viv_rng_below(&net->rng, net->config.disk_ms_max),
                                         .kind = EV_DISK,
                                         .server = index,
                                         .life = server->life});
    }
    if (!write->is_answered) {
        answer_write(net, index, write);
    }
    net_write_free(write);
}

static void on_dial(struct net *net, const struct net_event *event)
{
    size_t to = 0;
    while (net->servers[to].sid != (viv_sid)event->from) {
        to++;
    }
    struct net_server *listener = &net->servers[to];
    if (listener->zab == NULL || !listener->listens || net->cut[event->server][to]) {
        net_step(net, event->server, &(struct viv_zab_input){.kind = VIV_ZAB_LINK_DOWN, .sid = listener->sid});
        return;
    }
    struct net_link *link = viv_alloc_zeroed(1, sizeof *link);
    link->id = ++net->link_last;
    link->next = net->links;
    net->links = link;
    size_t servers[2] = {event->server, to};
    for (int i = 0; i < 2; i++) {
        link->ends[i].server = servers[i];
        link->ends[i].life = net->servers[servers[i]].life;
        link->ends[i].open = true;
        link->ends[i].in_end = &link->ends[i].in;
    }
    struct message *up = viv_alloc_zeroed(1, sizeof *up);
    up->kind = MSG_UP;
    net_message_put(net, link, &link->ends[1], up);
    net_step(net, event->server,
             &(struct viv_zab_input){.kind = VIV_ZAB_LINK_UP, .link = link->id, .sid = listener->sid});
}

static void on_snapshot(struct net *net, size_t index, const struct message *message, uint32_t link)
{
    struct net_server *server = &net->servers[index];
    if (server->receiving_link != link) {
        net_fail(net, "server %d: a snapshot nobody waits for", (int)server->sid);
        return;
    }
    server->receiving_link = 0;
    struct net_write *write = viv_alloc_zeroed(1, sizeof *write);
    write->kind = W_INSTALL;
    write->zxid = server->receiving_zxid;
    net_records_copy(&write->image, &message->snapshot, UINT64_MAX);
    net_copy_text(&write->members, &message->members);
    net_write_put(net, index, write);
}

static void note_received(struct net_server *server, const struct viv_packet *packet)
{
    if (packet->type == VIV_PACKET_SNAP || packet->type == VIV_PACKET_TRUNC || packet->type == VIV_PACKET_DIFF) {
        server->synced_zxid = packet->type == VIV_PACKET_DIFF ? 0 : packet->zxid;
        server->newleader_zxid = 0;
    } else if (packet->type == VIV_PACKET_PROPOSAL) {
        server->synced_zxid = packet->zxid;
    } else if (packet->type == VIV_PACKET_NEWLEADER) {
        server->newleader_zxid = server->synced_zxid;
    }
}

static void on_message(struct net *net, const struct net_event *event)
{
    struct net_link *link = net_link_find(net, event->link);
    struct link_end *end = link != NULL ? net_end_of(link, event->server) : NULL;
    if (end == NULL || !end->open || end->in == NULL || end->in->due_ms > net->now_ms) {
        return;
    }
    struct message *message = end->in;
    end->in = message->next;
    end->in_end = end->in == NULL ? &end->in : end->in_end;
    if (message->kind == MSG_PACKET && message->enveloped != end->enveloped) {
        net_fail(net, "link %u: the ends disagree about the envelope", link->id);
    }
    switch (message->kind) {
    case MSG_UP:
        net_step(net, event->server, &(struct viv_zab_input){.kind = VIV_ZAB_LINK_UP, .link = link->id});
        break;
    case MSG_PACKET:
        note_received(&net->servers[event->server], &message->packet);
        message->packet.data = viv_buffer_bytes(&message->data);
        net_step(net, event->server,
                 &(struct viv_zab_input){.kind = VIV_ZAB_PACKET, .link = link->id, .packet = message->packet});
        break;
    case MSG_SNAPSHOT:
        on_snapshot(net, event->server, message, link->id);
        break;
    case MSG_DOWN:
        net_link_close(net, event->server, link);
        net_abort_snapshot(net, event->server, link->id);
        net_step(net, event->server, &(struct viv_zab_input){.kind = VIV_ZAB_LINK_DOWN, .link = link->id});
        break;
    }
    net_message_free(message);
}

static void on_stream(struct net *net, const struct net_event *event)
{
    struct net_link *link = net_link_find(net, event->link);
    if (link == NULL || !net_end_of(link, event->server)->open) {
        return;
    }
    struct message *message = viv_alloc_zeroed(1, sizeof *message);
    message->kind = MSG_SNAPSHOT;
    net_records_copy(&message->snapshot, &net->servers[event->server].tree, UINT64_MAX);
    net_copy_text(&message->members, &net->servers[event->server].members);
    net_link_send(net, event->server, event->link, message);
    net_step(net, event->server, &(struct viv_zab_input){.kind = VIV_ZAB_SNAP_SENT, .link = event->link});
}

void net_happen(struct net *net, const struct net_event *event)
{
    struct net_server *server = &net->servers[event->server];
    if (server->zab == NULL || server->life != event->life) {
        return;
    }
    switch (event->kind) {
    case EV_TICK:
        net_push(net, (struct net_event){.at_ms = net->now_ms + TICK_EVERY_MS,
                                         .kind = EV_TICK,
                                         .server = event->server,
                                         .life = server->life});
        net_step(net, event->server, &(struct viv_zab_input){.kind = VIV_ZAB_TICK});
        break;
    case EV_MESSAGE:
        on_message(net, event);
        break;
    case EV_VOTE:
        if (!net->cut[event->from][event->server]) {
            net_step(net, event->server,
                     &(struct viv_zab_input){
                         .kind = VIV_ZAB_VOTE, .sid = net->servers[event->from].sid, .vote = event->vote});
        }
        break;
    case EV_DISK:
        on_disk(net, event->server);
        break;
    case EV_LIE:
        net_step(net, event->server, &(struct viv_zab_input){.kind = VIV_ZAB_STORED, .zxid = event->zxid});
        break;
    case EV_DIAL:
        on_dial(net, event);
        break;
    case EV_STREAM:
        on_stream(net, event);
        break;
    }
}

/* ---- the world ---- */

void net_init(struct net *net, const struct net_config *config)
{
    memset(net, 0, sizeof *net);
    net->config = *config;
    net->count = config->voters + config->observers + config->spares;
    VIV_ASSERT(net->count <= NET_SERVERS_MAX);
    viv_rng_init(&net->rng, config->seed);
    for (size_t i = 0; i < net->count; i++) {
        struct net_server *server = &net->servers[i];
        server->sid = (viv_sid)i + 1;
        server->voter = i < config->voters;
        server->writes_end = &server->writes;
        server->out.arena = &server->arena;
        net->members[i] = (struct viv_zab_member){.sid = server->sid, .voter = server->voter};
        if (config->has_groups) {
            net->members[i].group = (uint32_t)(i % 3) + 1;
            net->members[i].weight = i == 4 ? 0 : 1; /* it only follows */
        }
    }
}

static void records_fini(struct net_records *records)
{
    free(records->items);
    *records = (struct net_records){0};
}

void net_fini(struct net *net)
{
    for (size_t i = 0; i < net->count; i++) {
        net_crash(net, i);
        struct net_server *server = &net->servers[i];
        net_disk_truncate(&server->disk, 0);
        free(server->disk.entries);
        records_fini(&server->disk.image);
        records_fini(&server->tree);
        viv_buffer_fini(&server->disk.members);
        viv_buffer_fini(&server->members);
        free(server->out.items);
        viv_arena_fini(&server->arena);
    }
    while (net->links != NULL) {
        struct net_link *next = net->links->next;
        net_end_clear(&net->links->ends[0]);
        net_end_clear(&net->links->ends[1]);
        free(net->links);
        net->links = next;
    }
    records_fini(&net->truth);
    for (size_t i = 0; i < net->heap_count; i++) {
        viv_buffer_fini(&net->heap[i].text);
    }
    free(net->heap);
}

void net_start(struct net *net, size_t index)
{
    struct net_server *server = &net->servers[index];
    struct net_disk *disk = &server->disk;
    VIV_ASSERT(server->zab == NULL);
    struct viv_buffer text = {0};
    net_first_members(net, &text);
    server->life++;
    server->zab = viv_zab_new(&(struct viv_zab_config){
        .sid = server->sid,
        .members = net->members,
        .member_count = net->config.voters + net->config.observers,
        .config_text = viv_buffer_bytes(&text),
        .reconfigurable = net->config.spares > 0,
        .tick_ms = TICK_MS,
        .init_limit_ticks = INIT_LIMIT,
        .sync_limit_ticks = SYNC_LIMIT,
        .adaptive = net->config.seed % 2 == 0,
        .epoch_entries_max = net->config.epoch_entries_max,
        .seed = viv_rng_next(&net->rng),
        .election_policy = net->config.policy,
        .election_slack = net->config.slack,
        .election_priority = (uint32_t)(index * 7 % 5),
    });
    viv_buffer_fini(&text);
    net_records_copy(&server->tree, &disk->image, UINT64_MAX);
    net_copy_text(&server->members, &disk->members);
    viv_zab_recover_members(server->zab, viv_buffer_bytes(&disk->members));
    uint64_t image = net_records_last(&disk->image);
    image = image > disk->base_zxid ? image : disk->base_zxid;
    uint64_t applied = image;
    for (size_t i = 0; i < disk->count; i++) {
        struct viv_entry entry = {disk->entries[i].zxid, viv_buffer_bytes(&disk->entries[i].body),
                                  disk->entries[i].crc};
        if (entry.zxid <= image) {
            continue;
        }
        bool committed = entry.zxid <= disk->hint_zxid;
        viv_zab_recover(server->zab, &entry, committed);
        if (committed) {
            net_show(net, server, (struct net_record){entry.zxid, entry.body_crc});
            net_show_members(server, entry.body);
            applied = entry.zxid;
        }
    }
    struct viv_zab_start start = {
        .now_ms = net->now_ms,
        .accepted_epoch = disk->accepted_epoch,
        .current_epoch = disk->current_epoch,
        .base_zxid = disk->base_zxid,
        .applied_zxid = applied,
        .last_zxid = net_disk_last(disk) > applied ? net_disk_last(disk) : applied,
    };
    server->state = VIV_LOOKING;
    server->phase = VIV_ZAB_ELECTION;
    viv_zab_start(server->zab, &start, &server->out);
    net_perform(net, index);
    net_push(net, (struct net_event){.at_ms = net->now_ms + viv_rng_below(&net->rng, TICK_EVERY_MS),
                                     .kind = EV_TICK,
                                     .server = index,
                                     .life = server->life});
}

/* What was on its way to the disk: any first part of it may have arrived. */
static void lose_writes(struct net *net, struct net_server *server)
{
    bool arrives = true;
    while (server->writes != NULL) {
        struct net_write *write = server->writes;
        server->writes = write->next;
        arrives = arrives && !net->config.disks_lie && viv_rng_below(&net->rng, 2) == 0;
        if (arrives) {
            net_write_make_durable(net, server, write);
        }
        net_write_free(write);
    }
    server->writes_end = &server->writes;
    server->writing = false;
}

void net_crash(struct net *net, size_t index)
{
    struct net_server *server = &net->servers[index];
    if (server->zab == NULL) {
        return;
    }
    viv_zab_free(server->zab);
    server->zab = NULL;
    server->listens = false;
    server->receiving_link = 0;
    server->newleader_zxid = 0;
    lose_writes(net, server);
    for (struct net_link *link = net->links; link != NULL; link = link->next) {
        if (link->ends[0].server == index || link->ends[1].server == index) {
            net_link_close(net, index, link);
        }
    }
}

void net_wipe(struct net *net, size_t index)
{
    struct net_server *server = &net->servers[index];
    VIV_ASSERT(server->zab == NULL && !server->voter);
    net_disk_truncate(&server->disk, 0);
    server->disk.image.count = 0;
    viv_buffer_clear(&server->disk.members);
    server->disk.base_zxid = server->disk.hint_zxid = 0;
    server->disk.accepted_epoch = server->disk.current_epoch = 0;
}

void net_cut(struct net *net, size_t a, size_t b, bool cut)
{
    if (a == b || net->cut[a][b] == cut) {
        return;
    }
    net->cut[a][b] = net->cut[b][a] = cut;
    bool half_open = viv_rng_below(&net->rng, 2) == 0;
    for (struct net_link *link = net->links; link != NULL; link = link->next) {
        if (net_end_of(link, a)->server != a || net_other_end(link, a)->server != b) {
            continue;
        }
        if (cut && half_open) {
            link->half_open = true;
        } else if (cut || link->half_open) {
            net_end_break(net, link, &link->ends[0]);
            net_end_break(net, link, &link->ends[1]);
        }
    }
}

void net_checkpoint(struct net *net, size_t index, bool trim)
{
    struct net_server *server = &net->servers[index];
    struct net_disk *disk = &server->disk;
    if (server->zab == NULL || server->receiving_link != 0 || server->writes != NULL) {
        return;
    }
    net_records_copy(&disk->image, &server->tree, UINT64_MAX);
    net_copy_text(&disk->members, &server->members);
    size_t gone = 0;
    while (trim && gone < disk->count && disk->entries[gone].zxid <= net_records_last(&disk->image)) {
        disk->base_zxid = disk->entries[gone].zxid;
        viv_buffer_fini(&disk->entries[gone++].body);
    }
    if (gone > 0) {
        memmove(disk->entries, disk->entries + gone, (disk->count - gone) * sizeof *disk->entries);
    }
    disk->count -= gone;
}

int net_leader(const struct net *net)
{
    int leader = -1;
    for (size_t i = 0; i < net->count; i++) {
        if (net->servers[i].zab != NULL && viv_zab_is_broadcasting_leader(net->servers[i].zab)) {
            leader = (int)i; /* an old one may not know yet that it is none: any will do */
        }
    }
    return leader;
}

static void sweep_links(struct net *net)
{
    struct net_link **at = &net->links;
    while (*at != NULL) {
        struct net_link *link = *at;
        bool dead = !link->ends[0].open && !link->ends[1].open;
        if (dead) {
            *at = link->next;
            net_end_clear(&link->ends[0]);
            net_end_clear(&link->ends[1]);
            free(link);
        } else {
            at = &link->next;
        }
    }
}

void net_run_events(struct net *net, size_t count)
{
    for (; count > 0 && net->heap_count > 0 && net->failure[0] == '\0'; count--) {
        struct net_event event = net_pop(net);
        net->now_ms = event.at_ms;
        event.vote.config.data = event.text.data;
        event.vote.proposed.data = event.text.data + event.vote.config.size;
        net_happen(net, &event);
        viv_buffer_fini(&event.text);
    }
}

void net_run(struct net *net, uint64_t ms)
{
    uint64_t end = net->now_ms + ms;
    while (net->heap_count > 0 && net->heap[0].at_ms <= end && net->failure[0] == '\0') {
        struct net_event event = net_pop(net);
        net->now_ms = event.at_ms;
        event.vote.config.data = event.text.data;
        event.vote.proposed.data = event.text.data + event.vote.config.size;
        net_happen(net, &event);
        viv_buffer_fini(&event.text);
    }
    net->now_ms = end;
    sweep_links(net);
}

static bool is_settled(const struct net *net)
{
    int leader = net_leader(net);
    if (leader < 0 || viv_zab_last_proposed(net->servers[leader].zab) != net_records_last(&net->truth)) {
        return false;
    }
    for (size_t i = 0; i < net->count; i++) {
        const struct net_server *server = &net->servers[i];
        if (server->zab != NULL && (server->phase != VIV_ZAB_BROADCAST || server->tree.count != net->truth.count)) {
            return false;
        }
    }
    return true;
}

bool net_settle(struct net *net, uint64_t ms_max)
{
    uint64_t end = net->now_ms + ms_max;
    while (net->now_ms < end && net->failure[0] == '\0') {
        if (is_settled(net)) {
            return true;
        }
        net_run(net, TICK_EVERY_MS);
    }
    return is_settled(net);
}
