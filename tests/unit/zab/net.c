#include "tests/unit/zab/net.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/checksum.h"
#include "base/endian.h"
#include "base/stage.h"

enum { TICK_MS = 100, INIT_LIMIT = 10, SYNC_LIMIT = 5, TICK_EVERY_MS = 10 };

enum event_kind { EV_TICK, EV_MESSAGE, EV_VOTE, EV_DISK, EV_LIE, EV_DIAL, EV_STREAM };

struct net_event {
    uint64_t at_ms, sequence;
    enum event_kind kind;
    size_t server; /* whom it happens to */
    uint32_t life;
    size_t from;
    uint32_t link;
    uint64_t zxid;
    struct viv_vote vote;
};

enum message_kind { MSG_UP, MSG_PACKET, MSG_SNAPSHOT, MSG_DOWN };

struct message {
    struct message *next;
    enum message_kind kind;
    uint64_t due_ms;
    bool enveloped;
    struct viv_packet packet;
    struct viv_buffer data;
    struct net_records snapshot;
};

struct link_end {
    size_t server;
    uint32_t life;
    bool open, enveloped;
    struct message *in, **in_end;
    uint64_t due_ms; /* of the last message */
};

struct net_link {
    struct net_link *next;
    uint32_t id;
    bool half_open;
    struct link_end ends[2]; /* 0 dialled, 1 listened */
};

enum write_kind { W_APPEND, W_EPOCHS, W_TRUNCATE, W_INSTALL };

struct net_write {
    struct net_write *next;
    enum write_kind kind;
    uint64_t zxid;      /* APPEND: the commit hint */
    uint64_t zxid_last; /* APPEND: of the last entry */
    struct net_entry *entries;
    size_t count;
    uint32_t accepted, current;
    struct net_records image;
    bool is_answered; /* by a disk that lies */
};

static void fail(struct net *net, const char *format, ...)
{
    if (net->failure[0] == '\0') {
        va_list args;
        va_start(args, format);
        vsnprintf(net->failure, sizeof net->failure, format, args);
        va_end(args);
    }
}

static void note(struct net *net, uint64_t what)
{
    net->digest = viv_mix64(net->digest ^ what) + 0x9e3779b97f4a7c15U;
}

/* ---- records and entries ---- */

static void records_add(struct net_records *records, struct net_record record)
{
    if (records->count == records->capacity) {
        records->capacity = records->capacity == 0 ? 64 : records->capacity * 2;
        records->items = viv_realloc(records->items, records->capacity * sizeof *records->items);
    }
    records->items[records->count++] = record;
}

static void records_copy(struct net_records *to, const struct net_records *from, uint64_t upto)
{
    to->count = 0;
    for (size_t i = 0; i < from->count && from->items[i].zxid <= upto; i++) {
        records_add(to, from->items[i]);
    }
}

static uint64_t records_last(const struct net_records *records)
{
    return records->count > 0 ? records->items[records->count - 1].zxid : 0;
}

static uint64_t disk_last(const struct net_disk *disk)
{
    return disk->count > 0 ? disk->entries[disk->count - 1].zxid : disk->base_zxid;
}

static void disk_truncate(struct net_disk *disk, uint64_t zxid)
{
    while (disk->count > 0 && disk->entries[disk->count - 1].zxid > zxid) {
        viv_buffer_fini(&disk->entries[--disk->count].body);
    }
}

static void disk_add(struct net_disk *disk, struct net_entry *takes)
{
    if (disk->count == disk->capacity) {
        disk->capacity = disk->capacity == 0 ? 64 : disk->capacity * 2;
        disk->entries = viv_realloc(disk->entries, disk->capacity * sizeof *disk->entries);
    }
    disk->entries[disk->count++] = *takes;
    *takes = (struct net_entry){0};
}

/* ---- events, in order of time and then of making ---- */

static bool earlier(const struct net_event *a, const struct net_event *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->sequence < b->sequence;
}

static void push(struct net *net, struct net_event event)
{
    event.sequence = ++net->sequence;
    if (net->heap_count == net->heap_capacity) {
        net->heap_capacity = net->heap_capacity == 0 ? 256 : net->heap_capacity * 2;
        net->heap = viv_realloc(net->heap, net->heap_capacity * sizeof *net->heap);
    }
    size_t i = net->heap_count++;
    for (; i > 0 && earlier(&event, &net->heap[(i - 1) / 2]); i = (i - 1) / 2) {
        net->heap[i] = net->heap[(i - 1) / 2];
    }
    net->heap[i] = event;
}

static struct net_event pop(struct net *net)
{
    struct net_event top = net->heap[0];
    struct net_event last = net->heap[--net->heap_count];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= net->heap_count) {
            break;
        }
        if (child + 1 < net->heap_count && earlier(&net->heap[child + 1], &net->heap[child])) {
            child++;
        }
        if (!earlier(&net->heap[child], &last)) {
            break;
        }
        net->heap[i] = net->heap[child];
        i = child;
    }
    net->heap[i] = last;
    return top;
}

static uint64_t packet_delay(struct net *net)
{
    return viv_rng_below(&net->rng, net->config.packet_ms_max + 1);
}

/* ---- links ---- */

static struct net_link *link_find(struct net *net, uint32_t id)
{
    for (struct net_link *link = net->links; link != NULL; link = link->next) {
        if (link->id == id) {
            return link;
        }
    }
    return NULL;
}

static struct link_end *end_of(struct net_link *link, size_t server)
{
    return link->ends[0].server == server ? &link->ends[0] : &link->ends[1];
}

static struct link_end *other_end(struct net_link *link, size_t server)
{
    return link->ends[0].server == server ? &link->ends[1] : &link->ends[0];
}

static void message_free(struct message *message)
{
    viv_buffer_fini(&message->data);
    free(message->snapshot.items);
    free(message);
}

static void end_clear(struct link_end *end)
{
    while (end->in != NULL) {
        struct message *next = end->in->next;
        message_free(end->in);
        end->in = next;
    }
    end->in_end = &end->in;
}

static void message_put(struct net *net, struct net_link *link, struct link_end *to, struct message *message)
{
    uint64_t due = net->now_ms + packet_delay(net);
    to->due_ms = due > to->due_ms ? due : to->due_ms;
    message->due_ms = to->due_ms;
    message->next = NULL;
    *to->in_end = message;
    to->in_end = &message->next;
    push(net, (struct net_event){
                  .at_ms = to->due_ms, .kind = EV_MESSAGE, .server = to->server, .life = to->life, .link = link->id});
}

/* The end hears of it after what is on its way, or instead of that. */
static void end_break(struct net *net, struct net_link *link, struct link_end *end)
{
    if (!end->open) {
        return;
    }
    if (viv_rng_below(&net->rng, 2) == 0) {
        end_clear(end);
    }
    struct message *message = viv_alloc_zeroed(1, sizeof *message);
    message->kind = MSG_DOWN;
    message_put(net, link, end, message);
}

static void link_send(struct net *net, size_t server, uint32_t id, struct message *message)
{
    struct net_link *link = link_find(net, id);
    if (link == NULL || !end_of(link, server)->open || !other_end(link, server)->open || link->half_open) {
        message_free(message);
        return;
    }
    message->enveloped = end_of(link, server)->enveloped;
    message_put(net, link, other_end(link, server), message);
}

static void link_close(struct net *net, size_t server, struct net_link *link)
{
    struct link_end *end = end_of(link, server);
    if (end->open) {
        end->open = false;
        end_clear(end);
        if (!link->half_open) {
            end_break(net, link, other_end(link, server));
        }
    }
}

/* ---- inputs and outputs ---- */

static void perform(struct net *net, size_t index);

static void step(struct net *net, size_t index, struct viv_zab_input *input)
{
    struct net_server *server = &net->servers[index];
    input->now_ms = net->now_ms;
    net->steps++;
    note(net, (uint64_t)input->kind * 7 + index);
    viv_zab_step(server->zab, input, &server->out);
    perform(net, index);
}

static void write_put(struct net *net, size_t index, struct net_write *write)
{
    struct net_server *server = &net->servers[index];
    write->next = NULL;
    *server->writes_end = write;
    server->writes_end = &write->next;
    if (!server->writing) {
        server->writing = true;
        push(net, (struct net_event){.at_ms = net->now_ms + 1 + viv_rng_below(&net->rng, net->config.disk_ms_max),
                                     .kind = EV_DISK,
                                     .server = index,
                                     .life = server->life});
    }
    if (net->config.disks_lie && write->kind == W_APPEND) {
        write->is_answered = true;
        push(
            net,
            (struct net_event){
                .at_ms = net->now_ms, .kind = EV_LIE, .server = index, .life = server->life, .zxid = write->zxid_last});
    }
}

static void write_free(struct net_write *write)
{
    for (size_t i = 0; i < write->count; i++) {
        viv_buffer_fini(&write->entries[i].body);
    }
    free(write->entries);
    free(write->image.items);
    free(write);
}

static void check_epochs(struct net *net, const struct net_server *server, const struct net_write *write)
{
    if (write->accepted < server->disk.accepted_epoch || write->current < server->disk.current_epoch ||
        write->current > write->accepted) {
        fail(net, "server %d: epochs go back", (int)server->sid);
    }
    bool adopts = write->current > server->disk.current_epoch;
    if (adopts && disk_last(&server->disk) < server->newleader_zxid && !net->config.rules_unchecked) {
        fail(net, "server %d: an epoch is durable before its history", (int)server->sid);
    }
}

static void write_make_durable(struct net *net, struct net_server *server, struct net_write *write)
{
    struct net_disk *disk = &server->disk;
    switch (write->kind) {
    case W_APPEND:
        for (size_t i = 0; i < write->count; i++) {
            if (write->entries[i].zxid <= disk_last(disk)) {
                fail(net, "server %d: the log goes back", (int)server->sid);
            }
            disk_add(disk, &write->entries[i]);
        }
        disk->hint_zxid = write->zxid > disk->hint_zxid ? write->zxid : disk->hint_zxid;
        break;
    case W_EPOCHS:
        check_epochs(net, server, write);
        disk->accepted_epoch = write->accepted;
        disk->current_epoch = write->current;
        break;
    case W_TRUNCATE:
        if (write->zxid < records_last(&disk->image)) {
            fail(net, "server %d: an image holds what is truncated", (int)server->sid);
        }
        disk_truncate(disk, write->zxid);
        break;
    case W_INSTALL:
        disk_truncate(disk, 0);
        disk->base_zxid = disk->hint_zxid = write->zxid;
        records_copy(&disk->image, &write->image, write->zxid);
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
    write_put(net, index, write);
}

/* D1-D8: what is said must be on the disk, whatever the disk has answered. */
static void check_packet(struct net *net, const struct net_server *server, const struct viv_packet *packet)
{
    const struct net_disk *disk = &server->disk;
    uint32_t epoch = VIV_ZXID_EPOCH(packet->zxid);
    bool good = true;
    if (packet->type == VIV_PACKET_ACK) {
        uint64_t needed = VIV_ZXID_COUNTER(packet->zxid) == 0 ? server->newleader_zxid : packet->zxid;
        good = disk->current_epoch >= epoch && disk_last(disk) >= needed;
    } else if (packet->type == VIV_PACKET_ACKEPOCH) {
        good = disk_last(disk) == packet->zxid || packet->zxid == 0;
    } else if (packet->type == VIV_PACKET_LEADERINFO) {
        good = disk->accepted_epoch >= epoch;
    } else if (packet->type == VIV_PACKET_NEWLEADER) {
        good = disk->current_epoch == epoch;
    }
    if (!good && !net->config.rules_unchecked) {
        fail(net, "server %d: packet %d of 0x%llx before it is durable", (int)server->sid, (int)packet->type,
             (unsigned long long)packet->zxid);
    }
}

static void send_packet(struct net *net, size_t index, const struct viv_zab_output *output)
{
    check_packet(net, &net->servers[index], &output->packet);
    struct message *message = viv_alloc_zeroed(1, sizeof *message);
    message->kind = MSG_PACKET;
    message->packet = output->packet;
    viv_buffer_append_bytes(&message->data, output->packet.data);
    note(net, output->packet.zxid * 31 + (uint64_t)output->packet.type);
    link_send(net, index, output->link, message);
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
    if (own && output->vote.zxid != disk_last(&server->disk) && !net->config.rules_unchecked) {
        fail(net, "server %d: votes with what is not durable", (int)server->sid);
    }
    if (net->cut[index][to] || viv_rng_below(&net->rng, 100) < net->config.votes_lost) {
        return;
    }
    uint64_t due = net->now_ms + viv_rng_below(&net->rng, net->config.vote_ms_max + 1);
    uint64_t *last = &net->vote_due[index][to];
    *last = due > *last ? due : *last;
    push(net, (struct net_event){.at_ms = *last,
                                 .kind = EV_VOTE,
                                 .server = to,
                                 .life = net->servers[to].life,
                                 .from = index,
                                 .vote = output->vote});
}

/* The server's tree shows it next: the same everywhere, at the same place. */
static void show(struct net *net, struct net_server *server, struct net_record record)
{
    size_t position = server->tree.count;
    VIV_ASSERT(position <= net->truth.count);
    records_add(&server->tree, record);
    if (position == net->truth.count) {
        records_add(&net->truth, record);
    } else if (net->truth.items[position].zxid != record.zxid || net->truth.items[position].crc != record.crc) {
        fail(net, "server %d: shows 0x%llx where 0x%llx was shown", (int)server->sid, (unsigned long long)record.zxid,
             (unsigned long long)net->truth.items[position].zxid);
    }
}

static void deliver(struct net *net, size_t index, const struct viv_zab_output *output)
{
    struct net_server *server = &net->servers[index];
    struct net_record record = {output->entry.zxid, output->entry.body_crc};
    if (viv_crc32c(0, output->entry.body.data, output->entry.body.size) != record.crc) {
        fail(net, "server %d: a body has changed", (int)server->sid);
    }
    if (record.zxid <= records_last(&server->tree)) {
        fail(net, "server %d: delivers 0x%llx again", (int)server->sid, (unsigned long long)record.zxid);
    }
    if (!net->config.rules_unchecked && disk_last(&server->disk) < record.zxid) {
        fail(net, "server %d: memory is ahead of its disk", (int)server->sid);
    }
    show(net, server, record);
    note(net, record.zxid ^ record.crc);
}

static void change_role(struct net *net, size_t index, const struct viv_zab_output *output)
{
    struct net_server *server = &net->servers[index];
    server->state = output->state;
    server->phase = output->phase;
    if (output->state != VIV_LEADING || output->phase != VIV_ZAB_BROADCAST) {
        return;
    }
    viv_sid *leader = &net->leader_of[output->epoch % (sizeof net->leader_of / sizeof net->leader_of[0])];
    if (*leader != 0 && *leader != server->sid) {
        fail(net, "epoch %u has two leaders", output->epoch);
    }
    *leader = server->sid;
    if (server->tree.count < net->truth.count) {
        fail(net, "server %d leads without 0x%llx", (int)server->sid,
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
            step(net, index,
                 &(struct viv_zab_input){
                     .kind = VIV_ZAB_LOG_DATA, .link = output->link, .entries = chunk, .entry_count = 8});
            count = 0;
        }
    }
    step(net, index,
         &(struct viv_zab_input){
             .kind = VIV_ZAB_LOG_DATA, .link = output->link, .entries = chunk, .entry_count = count, .last = true});
}

static void dial(struct net *net, size_t index, const struct viv_zab_output *output)
{
    push(net, (struct net_event){.at_ms = net->now_ms + packet_delay(net),
                                 .kind = EV_DIAL,
                                 .server = index,
                                 .life = net->servers[index].life,
                                 .from = (size_t)output->sid});
}

static void drop_learners(struct net *net, size_t index)
{
    for (struct net_link *link = net->links; link != NULL; link = link->next) {
        if (link->ends[1].server == index) {
            link_close(net, index, link);
        }
    }
}

static void receive_snapshot(struct net *net, size_t index, const struct viv_zab_output *output)
{
    struct net_link *link = link_find(net, output->link);
    net->servers[index].receiving_link = output->link;
    net->servers[index].receiving_zxid = output->zxid;
    if (link == NULL || !end_of(link, index)->open) {
        net->servers[index].receiving_link = 0;
        step(net, index, &(struct viv_zab_input){.kind = VIV_ZAB_SNAP_ABORTED});
    }
}

/* As the node does: a stream that cannot become whole is answered when its link goes. */
static void abort_snapshot(struct net *net, size_t index, uint32_t link)
{
    if (net->servers[index].receiving_link == link) {
        net->servers[index].receiving_link = 0;
        step(net, index, &(struct viv_zab_input){.kind = VIV_ZAB_SNAP_ABORTED});
    }
}

static void perform_one(struct net *net, size_t index, const struct viv_zab_output *output)
{
    struct net_server *server = &net->servers[index];
    struct net_link *link = output->link != 0 ? link_find(net, output->link) : NULL;
    struct net_write *write = NULL;
    switch (output->kind) {
    case VIV_ZAB_VOTE_SEND:
        send_vote(net, index, output);
        break;
    case VIV_ZAB_LISTEN:
        server->listens = output->flag;
        if (!output->flag) {
            drop_learners(net, index);
        }
        break;
    case VIV_ZAB_LINK_DIAL:
        dial(net, index, output);
        break;
    case VIV_ZAB_LINK_CLOSE:
        if (link != NULL) {
            link_close(net, index, link);
        }
        abort_snapshot(net, index, output->link);
        break;
    case VIV_ZAB_SEND:
        send_packet(net, index, output);
        break;
    case VIV_ZAB_ENVELOPE:
        if (link != NULL) {
            end_of(link, index)->enveloped = true;
        }
        break;
    case VIV_ZAB_APPEND:
        append(net, index, output);
        break;
    case VIV_ZAB_EPOCHS:
        write = viv_alloc_zeroed(1, sizeof *write);
        write->kind = W_EPOCHS;
        write->accepted = output->accepted_epoch;
        write->current = output->current_epoch;
        write_put(net, index, write);
        break;
    case VIV_ZAB_TRUNCATE:
        write = viv_alloc_zeroed(1, sizeof *write);
        write->kind = W_TRUNCATE;
        write->zxid = output->zxid;
        write_put(net, index, write);
        break;
    case VIV_ZAB_READ:
        read_log(net, index, output);
        break;
    case VIV_ZAB_SNAP_SEND:
        push(net, (struct net_event){.at_ms = net->now_ms + 5 * packet_delay(net),
                                     .kind = EV_STREAM,
                                     .server = index,
                                     .life = server->life,
                                     .link = output->link});
        break;
    case VIV_ZAB_SNAP_RECEIVE:
        receive_snapshot(net, index, output);
        break;
    case VIV_ZAB_DELIVER:
        deliver(net, index, output);
        break;
    case VIV_ZAB_ROLE:
        change_role(net, index, output);
        break;
    case VIV_ZAB_PING_ASK:
        step(net, index, &(struct viv_zab_input){.kind = VIV_ZAB_PING_REPLY, .link = output->link});
        break;
    case VIV_ZAB_PASSED:
        break;
    case VIV_ZAB_TRACE:
        if (output->trace == VIV_TRACE_SYNC_KIND) {
            net->sync_kinds[output->b]++;
        }
        break;
    case VIV_ZAB_FATAL:
        fail(net, "server %d: %s", (int)server->sid, output->text);
        break;
    }
}

static void perform(struct net *net, size_t index)
{
    struct net_server *server = &net->servers[index];
    if (server->drains) {
        return;
    }
    server->drains = true;
    for (size_t i = 0; i < server->out.count; i++) {
        struct viv_zab_output output = server->out.items[i];
        note(net, (uint64_t)output.kind);
        perform_one(net, index, &output);
    }
    server->drains = false;
    server->out.count = 0;
    viv_arena_reset(&server->arena);
}

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
        records_copy(&net->servers[index].tree, &write->image, write->zxid);
    }
    uint64_t zxid = write->kind == W_APPEND ? write->zxid_last : write->zxid;
    step(net, index, &(struct viv_zab_input){.kind = kinds[write->kind], .zxid = zxid});
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
    write_make_durable(net, server, write);
    if (server->writes != NULL) {
        server->writing = true;
        push(net, (struct net_event){.at_ms = net->now_ms + 1 + viv_rng_below(&net->rng, net->config.disk_ms_max),
                                     .kind = EV_DISK,
                                     .server = index,
                                     .life = server->life});
    }
    if (!write->is_answered) {
        answer_write(net, index, write);
    }
    write_free(write);
}

static void on_dial(struct net *net, const struct net_event *event)
{
    size_t to = 0;
    while (net->servers[to].sid != (viv_sid)event->from) {
        to++;
    }
    struct net_server *listener = &net->servers[to];
    if (listener->zab == NULL || !listener->listens || net->cut[event->server][to]) {
        step(net, event->server, &(struct viv_zab_input){.kind = VIV_ZAB_LINK_DOWN, .sid = listener->sid});
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
    message_put(net, link, &link->ends[1], up);
    step(net, event->server, &(struct viv_zab_input){.kind = VIV_ZAB_LINK_UP, .link = link->id, .sid = listener->sid});
}

static void on_snapshot(struct net *net, size_t index, const struct message *message, uint32_t link)
{
    struct net_server *server = &net->servers[index];
    if (server->receiving_link != link) {
        fail(net, "server %d: a snapshot nobody waits for", (int)server->sid);
        return;
    }
    server->receiving_link = 0;
    struct net_write *write = viv_alloc_zeroed(1, sizeof *write);
    write->kind = W_INSTALL;
    write->zxid = server->receiving_zxid;
    records_copy(&write->image, &message->snapshot, UINT64_MAX);
    write_put(net, index, write);
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
    struct net_link *link = link_find(net, event->link);
    struct link_end *end = link != NULL ? end_of(link, event->server) : NULL;
    if (end == NULL || !end->open || end->in == NULL || end->in->due_ms > net->now_ms) {
        return;
    }
    struct message *message = end->in;
    end->in = message->next;
    end->in_end = end->in == NULL ? &end->in : end->in_end;
    if (message->kind == MSG_PACKET && message->enveloped != end->enveloped) {
        fail(net, "link %u: the ends disagree about the envelope", link->id);
    }
    switch (message->kind) {
    case MSG_UP:
        step(net, event->server, &(struct viv_zab_input){.kind = VIV_ZAB_LINK_UP, .link = link->id});
        break;
    case MSG_PACKET:
        note_received(&net->servers[event->server], &message->packet);
        message->packet.data = viv_buffer_bytes(&message->data);
        step(net, event->server,
             &(struct viv_zab_input){.kind = VIV_ZAB_PACKET, .link = link->id, .packet = message->packet});
        break;
    case MSG_SNAPSHOT:
        on_snapshot(net, event->server, message, link->id);
        break;
    case MSG_DOWN:
        link_close(net, event->server, link);
        abort_snapshot(net, event->server, link->id);
        step(net, event->server, &(struct viv_zab_input){.kind = VIV_ZAB_LINK_DOWN, .link = link->id});
        break;
    }
    message_free(message);
}

static void on_stream(struct net *net, const struct net_event *event)
{
    struct net_link *link = link_find(net, event->link);
    if (link == NULL || !end_of(link, event->server)->open) {
        return;
    }
    struct message *message = viv_alloc_zeroed(1, sizeof *message);
    message->kind = MSG_SNAPSHOT;
    records_copy(&message->snapshot, &net->servers[event->server].tree, UINT64_MAX);
    link_send(net, event->server, event->link, message);
    step(net, event->server, &(struct viv_zab_input){.kind = VIV_ZAB_SNAP_SENT, .link = event->link});
}

static void happen(struct net *net, const struct net_event *event)
{
    struct net_server *server = &net->servers[event->server];
    if (server->zab == NULL || server->life != event->life) {
        return;
    }
    switch (event->kind) {
    case EV_TICK:
        push(net,
             (struct net_event){
                 .at_ms = net->now_ms + TICK_EVERY_MS, .kind = EV_TICK, .server = event->server, .life = server->life});
        step(net, event->server, &(struct viv_zab_input){.kind = VIV_ZAB_TICK});
        break;
    case EV_MESSAGE:
        on_message(net, event);
        break;
    case EV_VOTE:
        if (!net->cut[event->from][event->server]) {
            step(net, event->server,
                 &(struct viv_zab_input){
                     .kind = VIV_ZAB_VOTE, .sid = net->servers[event->from].sid, .vote = event->vote});
        }
        break;
    case EV_DISK:
        on_disk(net, event->server);
        break;
    case EV_LIE:
        step(net, event->server, &(struct viv_zab_input){.kind = VIV_ZAB_STORED, .zxid = event->zxid});
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
    net->count = config->voters + config->observers;
    VIV_ASSERT(net->count <= NET_SERVERS_MAX);
    viv_rng_init(&net->rng, config->seed);
    for (size_t i = 0; i < net->count; i++) {
        struct net_server *server = &net->servers[i];
        server->sid = (viv_sid)i + 1;
        server->voter = i < config->voters;
        server->writes_end = &server->writes;
        server->out.arena = &server->arena;
        net->members[i] = (struct viv_zab_member){server->sid, server->voter};
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
        disk_truncate(&server->disk, 0);
        free(server->disk.entries);
        records_fini(&server->disk.image);
        records_fini(&server->tree);
        free(server->out.items);
        viv_arena_fini(&server->arena);
    }
    while (net->links != NULL) {
        struct net_link *next = net->links->next;
        end_clear(&net->links->ends[0]);
        end_clear(&net->links->ends[1]);
        free(net->links);
        net->links = next;
    }
    records_fini(&net->truth);
    free(net->heap);
}

void net_start(struct net *net, size_t index)
{
    struct net_server *server = &net->servers[index];
    struct net_disk *disk = &server->disk;
    VIV_ASSERT(server->zab == NULL);
    server->life++;
    server->zab = viv_zab_new(&(struct viv_zab_config){
        .sid = server->sid,
        .members = net->members,
        .member_count = net->count,
        .config_text = VIV_BYTES_LITERAL("version=0"),
        .tick_ms = TICK_MS,
        .init_limit_ticks = INIT_LIMIT,
        .sync_limit_ticks = SYNC_LIMIT,
        .seed = viv_rng_next(&net->rng),
        .election_policy = "fle",
    });
    records_copy(&server->tree, &disk->image, UINT64_MAX);
    uint64_t image = records_last(&disk->image);
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
            show(net, server, (struct net_record){entry.zxid, entry.body_crc});
            applied = entry.zxid;
        }
    }
    struct viv_zab_start start = {
        .now_ms = net->now_ms,
        .accepted_epoch = disk->accepted_epoch,
        .current_epoch = disk->current_epoch,
        .base_zxid = disk->base_zxid,
        .applied_zxid = applied,
        .last_zxid = disk_last(disk) > applied ? disk_last(disk) : applied,
    };
    server->state = VIV_LOOKING;
    server->phase = VIV_ZAB_ELECTION;
    viv_zab_start(server->zab, &start, &server->out);
    perform(net, index);
    push(net, (struct net_event){.at_ms = net->now_ms + viv_rng_below(&net->rng, TICK_EVERY_MS),
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
            write_make_durable(net, server, write);
        }
        write_free(write);
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
            link_close(net, index, link);
        }
    }
}

void net_wipe(struct net *net, size_t index)
{
    struct net_server *server = &net->servers[index];
    VIV_ASSERT(server->zab == NULL && !server->voter);
    disk_truncate(&server->disk, 0);
    server->disk.image.count = 0;
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
        if (end_of(link, a)->server != a || other_end(link, a)->server != b) {
            continue;
        }
        if (cut && half_open) {
            link->half_open = true;
        } else if (cut || link->half_open) {
            end_break(net, link, &link->ends[0]);
            end_break(net, link, &link->ends[1]);
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
    records_copy(&disk->image, &server->tree, UINT64_MAX);
    size_t gone = 0;
    while (trim && gone < disk->count && disk->entries[gone].zxid <= records_last(&disk->image)) {
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
    net->proposals++;
    step(net, (size_t)leader,
         &(struct viv_zab_input){.kind = VIV_ZAB_PROPOSE,
                                 .zxid = viv_zab_next_zxid(net->servers[leader].zab),
                                 .data = viv_bytes_of(body, size)});
    return true;
}

static void sweep_links(struct net *net)
{
    struct net_link **at = &net->links;
    while (*at != NULL) {
        struct net_link *link = *at;
        bool dead = !link->ends[0].open && !link->ends[1].open;
        if (dead) {
            *at = link->next;
            end_clear(&link->ends[0]);
            end_clear(&link->ends[1]);
            free(link);
        } else {
            at = &link->next;
        }
    }
}

void net_run(struct net *net, uint64_t ms)
{
    uint64_t end = net->now_ms + ms;
    while (net->heap_count > 0 && net->heap[0].at_ms <= end && net->failure[0] == '\0') {
        struct net_event event = pop(net);
        net->now_ms = event.at_ms;
        happen(net, &event);
    }
    net->now_ms = end;
    sweep_links(net);
}

static bool is_settled(const struct net *net)
{
    int leader = net_leader(net);
    if (leader < 0 || viv_zab_last_proposed(net->servers[leader].zab) != records_last(&net->truth)) {
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
