#include <stdlib.h>
#include <string.h>

#include "sim/world.h"
#include "wire/reply_code.h"

/* What a client makes of replies and notifications. */

static void copy_path(char *to, struct viv_bytes path)
{
    size_t size = path.size < VIV_SIM_PATH_BYTES_MAX - 1 ? path.size : VIV_SIM_PATH_BYTES_MAX - 1;
    memcpy(to, path.data, size);
    to[size] = '\0';
}

/* ---- watches ---- */

static void add_watch(struct viv_sim_client *me, enum viv_sim_watch_kind kind, const char *path)
{
    for (size_t i = 0; i < me->watch_count; i++) {
        if (me->watches[i].kind == kind && strcmp(me->watches[i].path, path) == 0) {
            return;
        }
    }
    if (me->watch_count == me->watch_capacity) {
        me->watch_capacity = me->watch_capacity == 0 ? 16 : me->watch_capacity * 2;
        me->watches = viv_realloc(me->watches, me->watch_capacity * sizeof *me->watches);
    }
    struct viv_sim_watch *watch = &me->watches[me->watch_count++];
    watch->kind = kind;
    copy_path(watch->path, viv_bytes_text(path));
}

/* `kinds`: bits. */
static void drop_watches(struct viv_sim_client *me, unsigned kinds, const char *path)
{
    size_t kept = 0;
    for (size_t i = 0; i < me->watch_count; i++) {
        bool goes = (kinds >> me->watches[i].kind & 1) != 0 && strcmp(me->watches[i].path, path) == 0;
        if (!goes) {
            me->watches[kept++] = me->watches[i];
        }
    }
    me->watch_count = kept;
}

/* A watch of one shot is used up; the others stay. */
static void watch_fired(struct viv_sim_client *me, const struct viv_watcher_event *event)
{
    char path[VIV_SIM_PATH_BYTES_MAX];
    copy_path(path, event->path);
    if (event->type != VIV_EVENT_NODE_CHILDREN_CHANGED) {
        drop_watches(me, 1U << VIV_SIM_WATCH_DATA | 1U << VIV_SIM_WATCH_EXIST, path);
    }
    if (event->type == VIV_EVENT_NODE_CHILDREN_CHANGED || event->type == VIV_EVENT_NODE_DELETED) {
        drop_watches(me, 1U << VIV_SIM_WATCH_CHILD, path);
    }
}

static void watch_answered(struct viv_sim_client *me, const struct viv_sim_asked *asked, int32_t err)
{
    if (asked->type == VIV_OP_REMOVE_WATCHES && err == VIV_REPLY_OK) {
        drop_watches(me, ~0U, asked->path);
    } else if (asked->wants_watch && err == VIV_REPLY_OK) {
        add_watch(me, asked->watch.kind, asked->watch.path);
    } else if (asked->wants_watch && err == VIV_REPLY_NO_NODE && asked->type == VIV_OP_EXISTS) {
        add_watch(me, VIV_SIM_WATCH_EXIST, asked->watch.path);
    }
}

/* ---- what is learnt ---- */

static void learn_version(struct viv_sim_client *me, const char *path, int32_t version)
{
    size_t count = me->known_count < VIV_SIM_KNOWN_MAX ? me->known_count : VIV_SIM_KNOWN_MAX;
    size_t place = 0;
    while (place < count && strcmp(me->known[place].path, path) != 0) {
        place++;
    }
    if (place == count) {
        place = me->known_count++ % VIV_SIM_KNOWN_MAX;
        copy_path(me->known[place].path, viv_bytes_text(path));
    }
    me->known[place].version = version;
}

static void learn(struct viv_sim_client *me, const struct viv_sim_asked *asked, struct viv_jute_reader reader)
{
    struct viv_stat stat = {0};
    switch (asked->type) {
    case VIV_OP_GET_DATA:
        (void)viv_jute_read_buffer(&reader);
        viv_stat_decode(&reader, &stat);
        break;
    case VIV_OP_SET_DATA:
    case VIV_OP_EXISTS:
        viv_stat_decode(&reader, &stat);
        break;
    case VIV_OP_CREATE:
    case VIV_OP_CREATE2: {
        struct viv_bytes path = viv_jute_read_buffer(&reader).bytes;
        if (!reader.bad && path.size > strlen(asked->path) && path.size < VIV_SIM_PATH_BYTES_MAX) {
            copy_path(me->made[me->made_count++ % VIV_SIM_MADE_MAX], path);
        }
        return;
    }
    default:
        return;
    }
    if (!reader.bad) {
        learn_version(me, asked->path, stat.version);
    }
}

/* ---- frames ---- */

static void take_event(struct viv_sim_world *world, size_t client, const struct viv_reply_header *header,
                       struct viv_jute_reader *reader)
{
    struct viv_watcher_event event;
    viv_watcher_event_decode(reader, &event);
    if (reader->bad) {
        viv_sim_fail(world, "client %zu: a malformed notification", client);
        return;
    }
    viv_sim_history_add(&world->history, &(struct viv_sim_record){.kind = VIV_SIM_EVENT,
                                                                  .time_ns = world->now_ns,
                                                                  .client = (int32_t)client,
                                                                  .type = event.type,
                                                                  .code = event.state,
                                                                  .zxid = (uint64_t)header->zxid,
                                                                  .bytes = event.path});
    watch_fired(&world->clients[client], &event);
}

static void note_reply(struct viv_sim_world *world, size_t client, const struct viv_reply_header *header,
                       struct viv_bytes record)
{
    viv_sim_history_add(&world->history, &(struct viv_sim_record){.kind = VIV_SIM_REPLY,
                                                                  .time_ns = world->now_ns,
                                                                  .client = (int32_t)client,
                                                                  .xid = header->xid,
                                                                  .zxid = (uint64_t)header->zxid,
                                                                  .code = header->err,
                                                                  .bytes = record});
}

static bool is_write(int32_t type)
{
    switch (type) {
    case VIV_OP_CREATE:
    case VIV_OP_CREATE2:
    case VIV_OP_CREATE_CONTAINER:
    case VIV_OP_CREATE_TTL:
    case VIV_OP_DELETE:
    case VIV_OP_SET_DATA:
    case VIV_OP_SET_ACL:
    case VIV_OP_MULTI:
    case VIV_OP_CLOSE_SESSION:
    case VIV_OP_RECONFIG:
        return true;
    default:
        return false;
    }
}

static void end_session(struct viv_sim_world *world, size_t client)
{
    struct viv_sim_client *me = &world->clients[client];
    me->session_id = 0;
    me->timeout_ms = 0;
    me->watch_count = me->known_count = me->made_count = 0;
    me->is_closing = false;
    memset(me->password, 0, sizeof me->password);
    viv_sim_client_leave(world, client);
}

/* The reply to the oldest request. */
static void take_reply(struct viv_sim_world *world, size_t client, const struct viv_reply_header *header,
                       struct viv_jute_reader reader)
{
    struct viv_sim_client *me = &world->clients[client];
    if (me->asked_count == 0 || me->asked[0].xid != header->xid) {
        viv_sim_fail(world, "client %zu: a reply to xid %d, where %d is the oldest that waits", client, header->xid,
                     me->asked_count > 0 ? me->asked[0].xid : 0);
        return;
    }
    struct viv_sim_asked asked = me->asked[0];
    memmove(me->asked, me->asked + 1, --me->asked_count * sizeof asked);
    me->answered++;
    world->result->answered++;
    note_reply(world, client, header, reader.rest);
    if (is_write(asked.type) && header->err == VIV_REPLY_OK && header->zxid > 0) {
        viv_sim_truth_client_told(world, (uint64_t)header->zxid);
    }
    watch_answered(me, &asked, header->err);
    if (header->err == VIV_REPLY_OK) {
        learn(me, &asked, reader);
    }
    if (asked.type == VIV_OP_CLOSE_SESSION) {
        end_session(world, client);
    } else {
        viv_sim_client_wake_at(world, client, me->next_ns);
    }
}

void viv_sim_client_take_frame(struct viv_sim_world *world, size_t client, struct viv_bytes frame)
{
    struct viv_sim_client *me = &world->clients[client];
    struct viv_reply_header header;
    struct viv_jute_reader reader = viv_jute_reader_of(frame);
    viv_reply_header_decode(&reader, &header);
    if (reader.bad) {
        viv_sim_fail(world, "client %zu: a malformed reply", client);
        return;
    }
    if (header.zxid > 0 && header.zxid < me->last_zxid && header.xid != VIV_XID_NOTIFICATION) {
        viv_sim_fail(world, "client %zu: time goes back from 0x%llx to 0x%llx", client,
                     (unsigned long long)me->last_zxid, (unsigned long long)header.zxid);
    }
    if (header.xid == VIV_XID_NOTIFICATION) {
        take_event(world, client, &header, &reader);
        return;
    }
    me->last_zxid = header.zxid > me->last_zxid ? header.zxid : me->last_zxid;
    if (header.xid == VIV_XID_AUTH) {
        note_reply(world, client, &header, reader.rest);
    } else if (header.xid != VIV_XID_PING) {
        take_reply(world, client, &header, reader);
    }
}
