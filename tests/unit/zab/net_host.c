#include "tests/unit/zab/net_internal.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/checksum.h"
#include "base/endian.h"
#include "base/stage.h"

/* ---- inputs and outputs ---- */

void net_step(struct net *net, size_t index, struct viv_zab_input *input)
{
    struct net_server *server = &net->servers[index];
    input->now_ms = net->now_ms;
    net->steps++;
    net_note(net, (uint64_t)input->kind * 7 + index);
    viv_zab_step(server->zab, input, &server->out);
    net_perform(net, index);
}

void net_write_put(struct net *net, size_t index, struct net_write *write)
{
    struct net_server *server = &net->servers[index];
    write->next = NULL;
    *server->writes_end = write;
    server->writes_end = &write->next;
    if (!server->writing) {
        server->writing = true;
        net_push(net, (struct net_event){.at_ms = net->now_ms + 1 + viv_rng_below(&net->rng, net->config.disk_ms_max),
                                         .kind = EV_DISK,
                                         .server = index,
                                         .life = server->life});
    }
    if (net->config.disks_lie && write->kind == W_APPEND) {
        write->is_answered = true;
        net_push(
            net,
            (struct net_event){
                .at_ms = net->now_ms, .kind = EV_LIE, .server = index, .life = server->life, .zxid = write->zxid_last});
    }
}

void net_write_free(struct net_write *write)
{
    for (size_t i = 0; i < write->count; i++) {
        viv_buffer_fini(&write->entries[i].body);
    }
    free(write->entries);
    free(write->image.items);
    viv_buffer_fini(&write->members);
    free(write);
}

static void check_epochs(struct net *net, const struct net_server *server, const struct net_write *write)
{
    if (write->accepted < server->disk.accepted_epoch || write->current < server->disk.current_epoch ||
        write->current > write->accepted) {
        net_fail(net, "server %d: epochs go back", (int)server->sid);
    }
    bool adopts = write->current > server->disk.current_epoch;
    if (adopts && net_disk_last(&server->disk) < server->newleader_zxid && !net->config.rules_unchecked) {
        net_fail(net, "server %d: an epoch is durable before its history", (int)server->sid);
    }
}

void net_write_make_durable(struct net *net, struct net_server *server, struct net_write *write)
{
    struct net_disk *disk = &server->disk;
    switch (write->kind) {
    case W_APPEND:
        for (size_t i = 0; i < write->count; i++) {
            if (write->entries[i].zxid <= net_disk_last(disk)) {
                net_fail(net, "server %d: the log goes back", (int)server->sid);
            }
            net_disk_add(disk, &write->entries[i]);
        }
        disk->hint_zxid = write->zxid > disk->hint_zxid ? write->zxid : disk->hint_zxid;
        break;
    case W_EPOCHS:
        check_epochs(net, server, write);
        disk->accepted_epoch = write->accepted;
        disk->current_epoch = write->current;
        break;
    case W_TRUNCATE:
        if (write->zxid < net_records_last(&disk->image)) {
            net_fail(net, "server %d: an image holds what is truncated", (int)server->sid);
        }
        net_disk_truncate(disk, write->zxid);
        break;
    case W_INSTALL:
        net_disk_truncate(disk, 0);
        disk->base_zxid = disk->hint_zxid = write->zxid;
        net_records_copy(&disk->image, &write->image, write->zxid);
        net_copy_text(&disk->members, &write->members);
        break;
    }
}

static void append(struct net *net, size_t index, const struct viv_zab_output *output)
{
    struct net_write *write = viv_alloc_zeroed(1, sizeof *write);
    write->kind = W_APPEND;
    write->zxid = output->zxid;
    write->count = output->entry_count;
    write->zxid_last = output->entries[output->entry_count - 1].zxid;
    write->entries = viv_alloc_zeroed(write->count, sizeof *write->entries);
    for (size_t i = 0; i < write->count; i++) {
        write->entries[i].zxid = output->entries[i].zxid;
        write->entries[i].crc = output->entries[i].body_crc;
        viv_buffer_append_bytes(&write->entries[i].body, output->entries[i].body);
    }
    net_write_put(net, index, write);
}

/* D1-D8: what is said must be on the disk, whatever the disk has answered. */
static void check_packet(struct net *net, const struct net_server *server, const struct viv_packet *packet)
{
    const struct net_disk *disk = &server->disk;
    uint32_t epoch = VIV_ZXID_EPOCH(packet->zxid);
    bool good = true;
    if (packet->type == VIV_PACKET_ACK) {
        uint64_t needed = VIV_ZXID_COUNTER(packet->zxid) == 0 ? server->newleader_zxid : packet->zxid;
        good = disk->current_epoch >= epoch && net_disk_last(disk) >= needed;
    } else if (packet->type == VIV_PACKET_ACKEPOCH) {
        struct viv_zab_stats stats;
        viv_zab_stats(server->zab, &stats);
        good = (net_disk_last(disk) == packet->zxid || packet->zxid == 0 || stats.phase == VIV_ZAB_BROADCAST) &&
               stats.accepted_epoch == disk->accepted_epoch;
    } else if (packet->type == VIV_PACKET_LEADERINFO) {
        good = disk->accepted_epoch >= epoch;
    } else if (packet->type == VIV_PACKET_NEWLEADER) {
        good = disk->current_epoch >= epoch; /* a second rollover may come before an observer hears of the first */
    }
    if (!good && !net->config.rules_unchecked) {
        net_fail(net, "server %d: packet %d of 0x%llx before it is durable", (int)server->sid, (int)packet->type,
                 (unsigned long long)packet->zxid);
    }
}

/* An epoch belongs to one leader. */
static void claim_epoch(struct net *net, const struct net_server *server, uint32_t epoch)
{
    viv_sid *leader = &net->leader_of[epoch % (sizeof net->leader_of / sizeof net->leader_of[0])];
    if (*leader != 0 && *leader != server->sid) {
        net_fail(net, "epoch %u has two leaders", epoch);
    }
    *leader = server->sid;
}

/* zab.md §17.1: what a follower knows beyond the winner's own history does not count. */
static void hide_history(struct net *net, size_t index, uint32_t id, struct message *message)
{
    struct net_link *link = net_link_find(net, id);
    if (!net->config.winner_imposes || link == NULL || net->servers[index].state == VIV_LEADING) {
        return;
    }
    const struct net_disk *winner = &net->servers[net_other_end(link, index)->server].disk;
    uint32_t epoch = viv_load_be32(message->data.data);
    if (epoch != UINT32_MAX && epoch > winner->current_epoch) {
        viv_store_be32(message->data.data, winner->current_epoch);
    }
    if (message->packet.zxid > net_disk_last(winner)) {
        message->packet.zxid = net_disk_last(winner);
    }
}

static void send_packet(struct net *net, size_t index, const struct viv_zab_output *output)
{
    const struct net_server *server = &net->servers[index];
    bool serves = server->state == VIV_LEADING && server->phase == VIV_ZAB_BROADCAST;
    if (serves && output->packet.type == VIV_PACKET_NEWLEADER) {
        claim_epoch(net, server, VIV_ZXID_EPOCH(output->packet.zxid));
    }
    check_packet(net, &net->servers[index], &output->packet);
    struct message *message = viv_alloc_zeroed(1, sizeof *message);
    message->kind = MSG_PACKET;
    message->packet = output->packet;
    viv_buffer_append_bytes(&message->data, output->packet.data);
    if (output->packet.type == VIV_PACKET_ACKEPOCH) {
        net->pulls += server->state == VIV_LEADING;
        hide_history(net, index, output->link, message);
    }
    net_note(net, output->packet.zxid * 31 + (uint64_t)output->packet.type);
    net_link_send(net, index, output->link, message);
}

static void send_vote(struct net *net, size_t index, const struct viv_zab_output *output)
{
    const struct net_server *server = &net->servers[index];
    size_t to = 0;
    while (to < net->count && net->servers[to].sid != output->sid) {
        to++;
    }
    VIV_ASSERT(to < net->count);
    bool own = output->vote.state == VIV_LOOKING && output->vote.leader == server->sid;
    /* By rank a server may take up what another still says of it, from before it was restarted: less, never more. */
    bool may_be_less = net->config.slack > 0;
    uint64_t durable = net_disk_last(&server->disk);
    bool is_durable = output->vote.zxid == durable || (may_be_less && output->vote.zxid < durable);
    if (own && !is_durable && !net->config.rules_unchecked) {
        net_fail(net, "server %d: votes with what is not durable", (int)server->sid);
    }
    if (net->cut[index][to] || viv_rng_below(&net->rng, 100) < net->config.votes_lost) {
        return;
    }
    struct viv_buffer text = {0};
    viv_buffer_append_bytes(&text, output->vote.config);
    viv_buffer_append_bytes(&text, output->vote.proposed);
    uint64_t due = net->now_ms + viv_rng_below(&net->rng, net->config.vote_ms_max + 1);
    uint64_t *last = &net->vote_due[index][to];
    *last = due > *last ? due : *last;
    net_push(net, (struct net_event){.at_ms = *last,
                                     .kind = EV_VOTE,
                                     .server = to,
                                     .life = net->servers[to].life,
                                     .from = index,
                                     .vote = output->vote,
                                     .text = text});
}

/* The server's tree shows it next: the same everywhere, at the same place. */
void net_show(struct net *net, struct net_server *server, struct net_record record)
{
    size_t position = server->tree.count;
    VIV_ASSERT(position <= net->truth.count);
    net_records_add(&server->tree, record);
    if (position == net->truth.count) {
        net_records_add(&net->truth, record);
    } else if (net->truth.items[position].zxid != record.zxid || net->truth.items[position].crc != record.crc) {
        net_fail(net, "server %d: shows 0x%llx where 0x%llx was shown", (int)server->sid,
                 (unsigned long long)record.zxid, (unsigned long long)net->truth.items[position].zxid);
    }
}

static void deliver(struct net *net, size_t index, const struct viv_zab_output *output)
{
    struct net_server *server = &net->servers[index];
    struct net_record record = {output->entry.zxid, output->entry.body_crc};
    if (viv_crc32c(0, output->entry.body.data, output->entry.body.size) != record.crc) {
        net_fail(net, "server %d: a body has changed", (int)server->sid);
    }
    if (record.zxid <= net_records_last(&server->tree)) {
        net_fail(net, "server %d: delivers 0x%llx again", (int)server->sid, (unsigned long long)record.zxid);
    }
    if (!net->config.rules_unchecked && net_disk_last(&server->disk) < record.zxid) {
        net_fail(net, "server %d: memory is ahead of its disk", (int)server->sid);
    }
    net_show(net, server, record);
    net_show_members(server, output->entry.body);
    net_note(net, record.zxid ^ record.crc);
}

static void change_role(struct net *net, size_t index, const struct viv_zab_output *output)
{
    struct net_server *server = &net->servers[index];
    server->state = output->state;
    server->phase = output->phase;
    if (output->state != VIV_LEADING || output->phase != VIV_ZAB_BROADCAST) {
        return;
    }
    claim_epoch(net, server, output->epoch);
    if (server->tree.count < net->truth.count) {
        net_fail(net, "server %d leads without 0x%llx", (int)server->sid,
                 (unsigned long long)net->truth.items[server->tree.count].zxid);
    }
}

static void read_log(struct net *net, size_t index, const struct viv_zab_output *output)
{
    struct net_server *server = &net->servers[index];
    struct net_disk *disk = &server->disk;
    struct viv_entry chunk[8];
    size_t count = 0;
    bool trimmed = output->zxid_from < disk->base_zxid;
    for (size_t i = 0; i < disk->count && !trimmed; i++) {
        const struct net_entry *entry = &disk->entries[i];
        if (entry->zxid <= output->zxid_from || entry->zxid > output->zxid) {
            continue;
        }
        chunk[count++] = (struct viv_entry){entry->zxid, viv_buffer_bytes(&entry->body), entry->crc};
        if (count == 8) {
            net_step(net, index,
                     &(struct viv_zab_input){
                         .kind = VIV_ZAB_LOG_DATA, .link = output->link, .entries = chunk, .entry_count = 8});
            count = 0;
        }
    }
    net_step(net, index,
             &(struct viv_zab_input){
                 .kind = VIV_ZAB_LOG_DATA, .link = output->link, .entries = chunk, .entry_count = count, .last = true});
}

static void dial(struct net *net, size_t index, const struct viv_zab_output *output)
{
    net_push(net, (struct net_event){.at_ms = net->now_ms + net_packet_delay(net),
                                     .kind = EV_DIAL,
                                     .server = index,
                                     .life = net->servers[index].life,
                                     .from = (size_t)output->sid});
}

static void drop_learners(struct net *net, size_t index)
{
    for (struct net_link *link = net->links; link != NULL; link = link->next) {
        if (link->ends[1].server == index) {
            net_link_close(net, index, link);
        }
    }
}

static void receive_snapshot(struct net *net, size_t index, const struct viv_zab_output *output)
{
    struct net_link *link = net_link_find(net, output->link);
    net->servers[index].receiving_link = output->link;
    net->servers[index].receiving_zxid = output->zxid;
    if (link == NULL || !net_end_of(link, index)->open) {
        net->servers[index].receiving_link = 0;
        net_step(net, index, &(struct viv_zab_input){.kind = VIV_ZAB_SNAP_ABORTED});
    }
}

/* As the node does: a stream that cannot become whole is answered when its link goes. */
void net_abort_snapshot(struct net *net, size_t index, uint32_t link)
{
    if (net->servers[index].receiving_link == link) {
        net->servers[index].receiving_link = 0;
        net_step(net, index, &(struct viv_zab_input){.kind = VIV_ZAB_SNAP_ABORTED});
    }
}

static void listen(struct net *net, size_t index, const struct viv_zab_output *output)
{
    net->servers[index].listens = output->flag;
    if (!output->flag) {
        drop_learners(net, index);
    }
}

static void hang_up(struct net *net, size_t index, const struct viv_zab_output *output)
{
    struct net_link *link = net_link_find(net, output->link);
    if (link != NULL) {
        net_link_close(net, index, link);
    }
    net_abort_snapshot(net, index, output->link);
}

static void open_envelope(struct net *net, size_t index, const struct viv_zab_output *output)
{
    struct net_link *link = net_link_find(net, output->link);
    if (link != NULL) {
        net_end_of(link, index)->enveloped = true;
    }
}

static void store_epochs(struct net *net, size_t index, const struct viv_zab_output *output)
{
    struct net_write *write = viv_alloc_zeroed(1, sizeof *write);
    const struct net_server *server = &net->servers[index];
    bool serves = server->state == VIV_LEADING && server->phase == VIV_ZAB_BROADCAST;
    net->rollovers += serves && output->current_epoch == output->accepted_epoch;
    write->kind = W_EPOCHS;
    write->accepted = output->accepted_epoch;
    write->current = output->current_epoch;
    net_write_put(net, index, write);
}

static void truncate_log(struct net *net, size_t index, const struct viv_zab_output *output)
{
    struct net_write *write = viv_alloc_zeroed(1, sizeof *write);
    write->kind = W_TRUNCATE;
    write->zxid = output->zxid;
    net_write_put(net, index, write);
}

static void stream_snapshot(struct net *net, size_t index, const struct viv_zab_output *output)
{
    net_push(net, (struct net_event){.at_ms = net->now_ms + 5 * net_packet_delay(net),
                                     .kind = EV_STREAM,
                                     .server = index,
                                     .life = net->servers[index].life,
                                     .link = output->link});
}

static void answer_ping(struct net *net, size_t index, const struct viv_zab_output *output)
{
    net_step(net, index, &(struct viv_zab_input){.kind = VIV_ZAB_PING_REPLY, .link = output->link});
}

static void heed_trace(struct net *net, size_t index, const struct viv_zab_output *output)
{
    (void)index;
    if (output->trace == VIV_TRACE_SYNC_KIND) {
        net->sync_kinds[output->b]++;
    }
}

static void stop(struct net *net, size_t index, const struct viv_zab_output *output)
{
    net_fail(net, "server %d: %s", (int)net->servers[index].sid, output->text);
}

typedef void output_fn(struct net *net, size_t index, const struct viv_zab_output *output);
static output_fn *const handlers[] = {
    [VIV_ZAB_VOTE_SEND] = send_vote,
    [VIV_ZAB_LISTEN] = listen,
    [VIV_ZAB_LINK_DIAL] = dial,
    [VIV_ZAB_LINK_CLOSE] = hang_up,
    [VIV_ZAB_SEND] = send_packet,
    [VIV_ZAB_ENVELOPE] = open_envelope,
    [VIV_ZAB_APPEND] = append,
    [VIV_ZAB_EPOCHS] = store_epochs,
    [VIV_ZAB_TRUNCATE] = truncate_log,
    [VIV_ZAB_READ] = read_log,
    [VIV_ZAB_SNAP_SEND] = stream_snapshot,
    [VIV_ZAB_SNAP_RECEIVE] = receive_snapshot,
    [VIV_ZAB_DELIVER] = deliver,
    [VIV_ZAB_ROLE] = change_role,
    [VIV_ZAB_PING_ASK] = answer_ping,
    [VIV_ZAB_MEMBERS] = NULL,
    [VIV_ZAB_PASSED] = NULL,
    [VIV_ZAB_TRACE] = heed_trace,
    [VIV_ZAB_FATAL] = stop,
};

void net_perform(struct net *net, size_t index)
{
    struct net_server *server = &net->servers[index];
    if (server->drains) {
        return;
    }
    server->drains = true;
    for (size_t i = 0; i < server->out.count; i++) {
        struct viv_zab_output output = server->out.items[i];
        net_note(net, (uint64_t)output.kind);
        if (handlers[output.kind] != NULL) {
            handlers[output.kind](net, index, &output);
        }
    }
    server->drains = false;
    server->out.count = 0;
    viv_arena_reset(&server->arena);
}
