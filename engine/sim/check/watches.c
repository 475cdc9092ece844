#include <stdlib.h>

#include "base/assert.h"
#include "sim/check/check_internal.h"
#include "wire/op.h"
#include "wire/reply_code.h"

/* One connection after the other: what it waits for is known from its requests, what happened from the transactions, so
 * the events that it is owed are known one by one. A reply shows how far its server had come: all that was owed until
 * then must have been there before it, and nothing else. client-protocol.md §13. */

enum { STATE_CONNECTED = 3 };
enum { DATA = 1, CHILD = 2, PERSISTENT = 4, RECURSIVE = 8, ALL_MODES = 15 };
enum { DATA_TABLE = DATA | PERSISTENT | RECURSIVE, CHILD_TABLE = CHILD | PERSISTENT };

struct watch {
    struct viv_bytes path;
    int modes;
};

struct owed {
    int type;
    struct viv_bytes path;
    int64_t zxid; /* in the notification's header */
};

struct waiting {
    struct viv_check *check;
    const struct viv_check_connection *connection;
    struct viv_ref_identities who;
    struct watch *watches;
    size_t watch_count, watch_capacity;
    struct owed *owed; /* of the transaction at hand */
    size_t owed_count, owed_capacity;
    size_t *heard; /* records of events that no transaction explains yet */
    size_t heard_first, heard_count, heard_capacity;
    size_t next;     /* transaction: those before have been told */
    bool has_failed; /* from there on nothing is known */
};

static const struct viv_sim_record *record_at(const struct waiting *waiting, size_t record)
{
    return &waiting->check->history->records[record];
}

static void fail(struct waiting *waiting, size_t record, const struct owed *owed, const char *what)
{
    const struct viv_sim_record *seen = record_at(waiting, record);
    bool is_event = seen->kind == VIV_SIM_EVENT;
    waiting->has_failed = true;
    viv_check_fail(
        waiting->check, VIV_CHECKER_watches, record, VIV_CHECK_NONE,
        "client %d session 0x%llx server %d zxid 0x%llx: %s: expected event %d %.*s (zxid 0x%llx), saw %s %d "
        "%.*s",
        waiting->connection->client, (unsigned long long)waiting->connection->session_id, waiting->connection->server,
        (unsigned long long)seen->zxid, what, owed == NULL ? 0 : owed->type, owed == NULL ? 4 : (int)owed->path.size,
        owed == NULL ? "none" : (const char *)owed->path.data, owed == NULL ? 0ULL : (unsigned long long)owed->zxid,
        is_event ? "event" : "reply to xid", is_event ? seen->type : seen->xid, is_event ? (int)seen->bytes.size : 0,
        is_event ? (const char *)seen->bytes.data : "");
}

/* ---- what it waits for ---- */

static struct watch *watch_on(struct waiting *waiting, struct viv_bytes path)
{
    for (size_t i = 0; i < waiting->watch_count; i++) {
        if (viv_bytes_equal(waiting->watches[i].path, path)) {
            return &waiting->watches[i];
        }
    }
    return NULL;
}

static void add_watch(struct waiting *waiting, struct viv_bytes path, int mode)
{
    struct watch *watch = watch_on(waiting, path);
    if (watch == NULL) {
        if (waiting->watch_count == waiting->watch_capacity) {
            waiting->watch_capacity = waiting->watch_capacity == 0 ? 16 : 2 * waiting->watch_capacity;
            waiting->watches = viv_realloc(waiting->watches, waiting->watch_capacity * sizeof(*waiting->watches));
        }
        watch = &waiting->watches[waiting->watch_count++];
        *watch = (struct watch){path, 0};
    }
    watch->modes |= mode;
}

static bool take_modes(struct waiting *waiting, struct viv_bytes path, int modes)
{
    struct watch *watch = watch_on(waiting, path);
    bool had = watch != NULL && (watch->modes & modes) != 0;
    if (had) {
        watch->modes &= ~modes;
        if (watch->modes == 0) {
            *watch = waiting->watches[--waiting->watch_count];
        }
    }
    return had;
}

/* ---- what it is owed ---- */

static void owe(struct waiting *waiting, int type, struct viv_bytes path, struct viv_bytes acl, int64_t zxid)
{
    const struct viv_sim_header *header = &waiting->check->history->header;
    if (!viv_ref_may(acl, VIV_PERM_READ, &waiting->who)) {
        return;
    }
    if (waiting->owed_count == waiting->owed_capacity) {
        waiting->owed_capacity = waiting->owed_capacity == 0 ? 16 : 2 * waiting->owed_capacity;
        waiting->owed = viv_realloc(waiting->owed, waiting->owed_capacity * sizeof(*waiting->owed));
    }
    waiting->owed[waiting->owed_count++] = (struct owed){type, path, header->is_zookeeper ? -1 : zxid};
}

/* Of the path itself, or as a recursive one of anything above it. */
static bool waits_for_data(const struct waiting *waiting, struct viv_bytes path)
{
    for (size_t i = 0; i < waiting->watch_count; i++) {
        const struct watch *watch = &waiting->watches[i];
        bool is_root = watch->path.size == 1;
        bool is_above = viv_bytes_starts_with(path, watch->path) &&
                        (is_root || path.size == watch->path.size || path.data[watch->path.size] == '/');
        if ((viv_bytes_equal(watch->path, path) && (watch->modes & DATA_TABLE) != 0) ||
            (is_above && (watch->modes & RECURSIVE) != 0)) {
            return true;
        }
    }
    return false;
}

static bool waits_for_children(struct waiting *waiting, struct viv_bytes path)
{
    const struct watch *watch = watch_on(waiting, path);
    return watch != NULL && (watch->modes & CHILD_TABLE) != 0;
}

static void owe_for_change(struct waiting *waiting, const struct viv_ref_change *change, int64_t zxid)
{
    static const int types[] = {
        [VIV_REF_CREATED] = VIV_EVENT_NODE_CREATED,
        [VIV_REF_DELETED] = VIV_EVENT_NODE_DELETED,
        [VIV_REF_DATA] = VIV_EVENT_NODE_DATA_CHANGED,
    };
    struct viv_bytes path = viv_buffer_bytes(&change->path), parent = viv_ref_parent(path);
    parent = parent.size == 0 ? VIV_BYTES_LITERAL("/") : parent;
    bool is_told = waits_for_data(waiting, path);
    if (is_told) {
        owe(waiting, types[change->kind], path, viv_buffer_bytes(&change->acl), zxid);
        take_modes(waiting, path, DATA);
    }
    if (change->kind == VIV_REF_DELETED && waits_for_children(waiting, path)) {
        if (!is_told) {
            owe(waiting, VIV_EVENT_NODE_DELETED, path, viv_buffer_bytes(&change->acl), zxid);
        }
        take_modes(waiting, path, CHILD);
    }
    if (change->kind != VIV_REF_DATA && waits_for_children(waiting, parent)) {
        owe(waiting, VIV_EVENT_NODE_CHILDREN_CHANGED, parent, viv_buffer_bytes(&change->parent_acl), zxid);
        take_modes(waiting, parent, CHILD);
    }
}

static bool is_same(const struct waiting *waiting, const struct owed *owed, size_t record)
{
    const struct viv_sim_record *seen = record_at(waiting, record);
    return seen->type == owed->type && seen->code == STATE_CONNECTED && viv_bytes_equal(seen->bytes, owed->path) &&
           (int64_t)seen->zxid == owed->zxid;
}

/* The next event heard must be this one; `place`: what shows that it was owed. When one session's ephemerals go
 * together their order is nobody's promise: then it may be any of those owed. */
static void settle(struct waiting *waiting, size_t place, bool any_order)
{
    for (size_t i = 0; i < waiting->owed_count && !waiting->has_failed; i++) {
        if (waiting->heard_first == waiting->heard_count) {
            fail(waiting, place, &waiting->owed[i], "lost, or later than what reveals it");
            return;
        }
        size_t record = waiting->heard[waiting->heard_first++], match = i;
        while (match < waiting->owed_count && !is_same(waiting, &waiting->owed[match], record)) {
            match = any_order ? match + 1 : waiting->owed_count;
        }
        waiting->check->report->checked[VIV_CHECKER_watches]++;
        if (match == waiting->owed_count) {
            fail(waiting, record, &waiting->owed[i], "another event than was owed");
            return;
        }
        struct owed found = waiting->owed[match];
        waiting->owed[match] = waiting->owed[i];
        waiting->owed[i] = found;
    }
    waiting->owed_count = 0;
}

static const struct viv_check_transaction *owe_for_next(struct waiting *waiting)
{
    const struct viv_check_transaction *transaction = &waiting->check->transactions[waiting->next++];
    for (size_t i = 0; i < transaction->outcome.change_count && waiting->watch_count > 0; i++) {
        owe_for_change(waiting, &transaction->outcome.changes[i], (int64_t)transaction->zxid);
    }
    return transaction;
}

/* ---- what it hears ---- */

/* Its server had applied everything up to zxid when it answered. */
static void come_to(struct waiting *waiting, uint64_t zxid, size_t place)
{
    const struct viv_check *check = waiting->check;
    if (waiting->watch_count == 0) {
        size_t at = viv_check_transaction_at(check, zxid);
        size_t next = at == VIV_CHECK_NONE ? 0 : at + 1;
        waiting->next = next > waiting->next ? next : waiting->next;
    }
    while (!waiting->has_failed && waiting->next < check->transaction_count &&
           check->transactions[waiting->next].zxid <= zxid) {
        bool is_close = owe_for_next(waiting)->is_close;
        settle(waiting, place, is_close);
    }
}

static void set_again(struct waiting *waiting, const struct viv_sim_record *request, size_t operation, size_t place)
{
    static const int mode_of_list[] = {DATA, DATA, CHILD, PERSISTENT, RECURSIVE};
    const struct viv_check_operation *of = &waiting->check->operations[operation];
    struct viv_jute_reader reader = viv_jute_reader_of(request->bytes);
    int lists = request->type == VIV_OP_SET_WATCHES ? 3 : 5;
    size_t index = 0;
    viv_jute_read_long(&reader);
    for (int list = 0; list < lists; list++) {
        int32_t count = viv_jute_read_count(&reader, 4);
        for (int32_t i = 0; i < count && index < of->missed_count; i++, index++) {
            struct viv_bytes path = viv_jute_read_buffer(&reader).bytes;
            if (of->missed[index] == 0) {
                add_watch(waiting, path, mode_of_list[list]);
            } else {
                owe(waiting, of->missed[index], path, (struct viv_bytes){0}, -1);
            }
        }
    }
    settle(waiting, place, false);
}

static void look_for(struct waiting *waiting, const struct viv_sim_record *request, const struct viv_sim_record *reply,
                     size_t operation)
{
    static const int modes_of_type[] = {0, CHILD, DATA, ALL_MODES, PERSISTENT, RECURSIVE};
    struct viv_jute_reader reader = viv_jute_reader_of(request->bytes);
    struct viv_bytes path = viv_jute_read_buffer(&reader).bytes;
    int32_t type = viv_jute_read_int(&reader);
    if (reader.bad || type < 1 || type > 5 || waiting->check->history->header.is_zookeeper) {
        return;
    }
    struct watch *watch = watch_on(waiting, path);
    bool held = watch != NULL && (watch->modes & modes_of_type[type]) != 0;
    int32_t expected = held ? VIV_REPLY_OK : VIV_REPLY_NO_WATCHER;
    if (request->type == VIV_OP_REMOVE_WATCHES) {
        take_modes(waiting, path, modes_of_type[type]);
    }
    if (reply->code != expected) {
        viv_check_fail(waiting->check, VIV_CHECKER_watches, waiting->check->operations[operation].reply, operation,
                       "error: expected %d, saw %d", expected, reply->code);
    }
}

/* A watch is set by the reply. */
static void take_watch(struct waiting *waiting, size_t operation, size_t place)
{
    const struct viv_sim_record *request = viv_check_request(waiting->check, operation);
    const struct viv_sim_record *reply = viv_check_reply(waiting->check, operation);
    struct viv_jute_reader reader = viv_jute_reader_of(request->bytes);
    struct viv_path_watch_request read;
    bool is_good = reply->code == VIV_REPLY_OK;
    switch (request->type) {
    case VIV_OP_EXISTS:
    case VIV_OP_GET_DATA:
    case VIV_OP_GET_CHILDREN:
    case VIV_OP_GET_CHILDREN2:
        viv_path_watch_request_decode(&reader, &read);
        is_good = is_good || (request->type == VIV_OP_EXISTS && reply->code == VIV_REPLY_NO_NODE);
        if (is_good && !reader.bad && read.watch) {
            bool is_data = request->type == VIV_OP_EXISTS || request->type == VIV_OP_GET_DATA;
            add_watch(waiting, read.path.bytes, is_data ? DATA : CHILD);
        }
        break;
    case VIV_OP_ADD_WATCH:
        read.path = viv_jute_read_buffer(&reader);
        if (is_good) {
            add_watch(waiting, read.path.bytes, viv_jute_read_int(&reader) == 0 ? PERSISTENT : RECURSIVE);
        }
        break;
    case VIV_OP_SET_WATCHES:
    case VIV_OP_SET_WATCHES2:
        if (is_good) {
            set_again(waiting, request, operation, place);
        }
        break;
    case VIV_OP_CHECK_WATCHES:
    case VIV_OP_REMOVE_WATCHES:
        look_for(waiting, request, reply, operation);
        break;
    default:
        break;
    }
}

static void hear_event(struct waiting *waiting, size_t record)
{
    if (waiting->heard_count == waiting->heard_capacity) {
        waiting->heard_capacity = waiting->heard_capacity == 0 ? 16 : 2 * waiting->heard_capacity;
        waiting->heard = viv_realloc(waiting->heard, waiting->heard_capacity * sizeof(*waiting->heard));
    }
    waiting->heard[waiting->heard_count++] = record;
}

static void hear_reply(struct waiting *waiting, size_t record, size_t operation)
{
    const struct viv_sim_record *reply = record_at(waiting, record);
    if ((int64_t)reply->zxid < 0 || reply->xid == VIV_XID_AUTH) {
        return;
    }
    waiting->who = viv_check_identities(waiting->check, operation);
    come_to(waiting, reply->zxid, record);
    if (!waiting->has_failed) {
        take_watch(waiting, operation, record);
    }
    if (!waiting->has_failed && waiting->heard_first < waiting->heard_count) {
        fail(waiting, waiting->heard[waiting->heard_first], NULL, "an event that nobody was owed, or a second time");
    }
}

/* A setWatches was answered behind what it had missed, and the answer was lost with the connection. */
static void hear_missed(struct waiting *waiting)
{
    const struct viv_check *check = waiting->check;
    size_t connection = (size_t)(waiting->connection - check->connections), operation = 0;
    if (waiting->heard_first == waiting->heard_count) {
        return;
    }
    while (operation < check->operation_count &&
           (check->operations[operation].connection != connection || viv_check_reply(check, operation) != NULL ||
            check->operations[operation].missed == NULL)) {
        operation++;
    }
    if (operation == check->operation_count) {
        return;
    }
    size_t kept = waiting->heard_first;
    for (size_t i = kept; i < waiting->heard_count; i++) {
        bool is_missed = viv_check_next_missed(check, operation, waiting->heard[i]) == waiting->heard[i];
        waiting->check->report->checked[VIV_CHECKER_watches] += is_missed;
        waiting->heard[kept] = waiting->heard[i];
        kept += !is_missed;
    }
    waiting->heard_count = kept;
}

/* Events after the last reply: of transactions that no reply has shown. What is owed at the very end may still have
 * been on its way. */
static void hear_rest(struct waiting *waiting)
{
    hear_missed(waiting);
    while (!waiting->has_failed && waiting->heard_first < waiting->heard_count) {
        if (waiting->next == waiting->check->transaction_count) {
            fail(waiting, waiting->heard[waiting->heard_first], NULL,
                 "an event that nobody was owed, or a second time");
            return;
        }
        const struct viv_check_transaction *transaction = owe_for_next(waiting);
        size_t left = waiting->heard_count - waiting->heard_first;
        if (waiting->owed_count > left && transaction->is_close) {
            return; /* in no order that could be compared */
        }
        waiting->owed_count = waiting->owed_count > left ? left : waiting->owed_count;
        settle(waiting, waiting->heard[waiting->heard_first], transaction->is_close);
    }
}

static void check_connection(struct viv_check *check, const struct viv_check_connection *connection)
{
    struct waiting waiting = {.check = check, .connection = connection, .who = connection->identities};
    waiting.who.count = connection->identities.count > 0;
    for (size_t i = 0; i < connection->item_count && !waiting.has_failed; i++) {
        const struct viv_check_item *item = &connection->items[i];
        if (item->operation == VIV_CHECK_NONE) {
            hear_event(&waiting, item->record);
        } else {
            hear_reply(&waiting, item->record, item->operation);
        }
    }
    hear_rest(&waiting);
    free(waiting.watches);
    free(waiting.owed);
    free(waiting.heard);
}

void viv_check_watches(struct viv_check *check)
{
    for (size_t i = 0; i < check->connection_count; i++) {
        check_connection(check, &check->connections[i]);
    }
}
