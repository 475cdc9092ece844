#include "tests/unit/zab/net_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void net_fail(struct net *net, const char *format, ...)
{
    if (net->failure[0] == '\0') {
        va_list args;
        va_start(args, format);
        vsnprintf(net->failure, sizeof net->failure, format, args);
        va_end(args);
    }
}

void net_note(struct net *net, uint64_t what)
{
    net->digest = viv_mix64(net->digest ^ what) + 0x9e3779b97f4a7c15U;
}

/* ---- records and entries ---- */

void net_records_add(struct net_records *records, struct net_record record)
{
    if (records->count == records->capacity) {
        records->capacity = records->capacity == 0 ? 64 : records->capacity * 2;
        records->items = viv_realloc(records->items, records->capacity * sizeof *records->items);
    }
    records->items[records->count++] = record;
}

void net_records_copy(struct net_records *to, const struct net_records *from, uint64_t upto)
{
    to->count = 0;
    for (size_t i = 0; i < from->count && from->items[i].zxid <= upto; i++) {
        net_records_add(to, from->items[i]);
    }
}

uint64_t net_records_last(const struct net_records *records)
{
    return records->count > 0 ? records->items[records->count - 1].zxid : 0;
}

uint64_t net_disk_last(const struct net_disk *disk)
{
    return disk->count > 0 ? disk->entries[disk->count - 1].zxid : disk->base_zxid;
}

void net_disk_truncate(struct net_disk *disk, uint64_t zxid)
{
    while (disk->count > 0 && disk->entries[disk->count - 1].zxid > zxid) {
        viv_buffer_fini(&disk->entries[--disk->count].body);
    }
}

void net_disk_add(struct net_disk *disk, struct net_entry *takes)
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

void net_push(struct net *net, struct net_event event)
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

struct net_event net_pop(struct net *net)
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

uint64_t net_packet_delay(struct net *net)
{
    return viv_rng_below(&net->rng, net->config.packet_ms_max + 1);
}

/* ---- links ---- */

struct net_link *net_link_find(struct net *net, uint32_t id)
{
    for (struct net_link *link = net->links; link != NULL; link = link->next) {
        if (link->id == id) {
            return link;
        }
    }
    return NULL;
}

struct link_end *net_end_of(struct net_link *link, size_t server)
{
    return link->ends[0].server == server ? &link->ends[0] : &link->ends[1];
}

struct link_end *net_other_end(struct net_link *link, size_t server)
{
    return link->ends[0].server == server ? &link->ends[1] : &link->ends[0];
}

void net_message_free(struct message *message)
{
    viv_buffer_fini(&message->data);
    free(message->snapshot.items);
    viv_buffer_fini(&message->members);
    free(message);
}

void net_end_clear(struct link_end *end)
{
    while (end->in != NULL) {
        struct message *next = end->in->next;
        net_message_free(end->in);
        end->in = next;
    }
    end->in_end = &end->in;
}

void net_message_put(struct net *net, struct net_link *link, struct link_end *to, struct message *message)
{
    uint64_t due = net->now_ms + net_packet_delay(net);
    to->due_ms = due > to->due_ms ? due : to->due_ms;
    message->due_ms = to->due_ms;
    message->next = NULL;
    *to->in_end = message;
    to->in_end = &message->next;
    net_push(net,
             (struct net_event){
                 .at_ms = to->due_ms, .kind = EV_MESSAGE, .server = to->server, .life = to->life, .link = link->id});
}

/* The end hears of it after what is on its way, or instead of that. */
void net_end_break(struct net *net, struct net_link *link, struct link_end *end)
{
    if (!end->open) {
        return;
    }
    if (viv_rng_below(&net->rng, 2) == 0) {
        net_end_clear(end);
    }
    struct message *message = viv_alloc_zeroed(1, sizeof *message);
    message->kind = MSG_DOWN;
    net_message_put(net, link, end, message);
}

void net_link_send(struct net *net, size_t server, uint32_t id, struct message *message)
{
    struct net_link *link = net_link_find(net, id);
    if (link == NULL || !net_end_of(link, server)->open || !net_other_end(link, server)->open || link->half_open) {
        net_message_free(message);
        return;
    }
    message->enveloped = net_end_of(link, server)->enveloped;
    net_message_put(net, link, net_other_end(link, server), message);
}

void net_link_close(struct net *net, size_t server, struct net_link *link)
{
    struct link_end *end = net_end_of(link, server);
    if (end->open) {
        end->open = false;
        net_end_clear(end);
        if (!link->half_open) {
            net_end_break(net, link, net_other_end(link, server));
        }
    }
}
