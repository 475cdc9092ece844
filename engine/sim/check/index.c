#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "sim/check/check_internal.h"
#include "wire/op.h"
#include "wire/reply_code.h"

/* Where each client stands while the records are walked. */
struct walk {
    struct viv_check *check;
    size_t *current; /* per client its connection, VIV_CHECK_NONE */
    size_t client_count;
    uint64_t acknowledged_zxid;
};

/* Room for one element more. */
static void *grown(void *items, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity) {
        return items;
    }
    *capacity = *capacity == 0 ? 32 : 2 * *capacity;
    return viv_realloc(items, *capacity * size);
}

const struct viv_sim_record *viv_check_request(const struct viv_check *check, size_t operation)
{
    return &check->history->records[check->operations[operation].request];
}

const struct viv_sim_record *viv_check_reply(const struct viv_check *check, size_t operation)
{
    size_t reply = check->operations[operation].reply;
    return reply == VIV_CHECK_NONE ? NULL : &check->history->records[reply];
}

struct viv_ref_identities viv_check_identities(const struct viv_check *check, size_t operation)
{
    const struct viv_check_operation *of = &check->operations[operation];
    struct viv_ref_identities who = check->connections[of->connection].identities;
    who.count = of->identity_count;
    return who;
}

/* Refused before it became anything: by a server that reads only, or has no room, or does not know it. */
static bool is_refused_outright(const struct viv_sim_record *reply)
{
    switch (reply->code) {
    case VIV_REPLY_SYSTEM_ERROR:
    case VIV_REPLY_NOT_READ_ONLY:
    case VIV_REPLY_THROTTLED:
    case VIV_REPLY_SESSION_CLOSED_REQUIRE_AUTH:
        return true;
    default:
        return (int64_t)reply->zxid <= 0;
    }
}

bool viv_check_is_acknowledged_write(const struct viv_check *check, size_t operation)
{
    const struct viv_sim_record *reply = viv_check_reply(check, operation);
    return reply != NULL && viv_ref_is_write(viv_check_request(check, operation)->type) && !is_refused_outright(reply);
}

size_t viv_check_transaction_at(const struct viv_check *check, uint64_t zxid)
{
    size_t low = 0, high = check->transaction_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (check->transactions[middle].zxid <= zxid) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low == 0 ? VIV_CHECK_NONE : low - 1;
}

/* ---- connections and operations ---- */

static struct viv_check_connection *connection_of(struct walk *walk, size_t record)
{
    size_t client = (size_t)walk->check->history->records[record].client;
    if (client >= walk->client_count || walk->current[client] == VIV_CHECK_NONE) {
        viv_check_fail(walk->check, VIV_CHECKER_reads, record, VIV_CHECK_NONE,
                       "client %zu: heard or said something without a connection", client);
        return NULL;
    }
    return &walk->check->connections[walk->current[client]];
}

static void add_identity(struct viv_check_connection *connection, struct viv_bytes scheme, struct viv_bytes id)
{
    struct viv_ref_identities *identities = &connection->identities;
    if (identities->count < VIV_REF_IDENTITIES_MAX) {
        identities->items[identities->count++] = (struct viv_ref_identity){scheme, id};
    }
}

static void open_connection(struct walk *walk, size_t record)
{
    struct viv_check *check = walk->check;
    const struct viv_sim_record *open = &check->history->records[record];
    while ((size_t)open->client >= walk->client_count) {
        walk->current = viv_realloc(walk->current, (walk->client_count + 1) * sizeof(*walk->current));
        walk->current[walk->client_count++] = VIV_CHECK_NONE;
    }
    check->connections =
        grown(check->connections, check->connection_count, &check->connection_capacity, sizeof(*check->connections));
    struct viv_check_connection *connection = &check->connections[check->connection_count];
    *connection = (struct viv_check_connection){
        .client = open->client,
        .server = open->server,
        .open = record,
        .grant = VIV_CHECK_NONE,
        .lost = VIV_CHECK_NONE,
        .session_id = open->session_id,
        .first = VIV_CHECK_NONE,
        .last = VIV_CHECK_NONE,
    };
    if (open->bytes.size > 0) {
        add_identity(connection, VIV_BYTES_LITERAL("ip"), open->bytes);
    }
    walk->current[open->client] = check->connection_count++;
}

/* An auth packet counts for what is sent behind it. */
static void take_auth(struct viv_check_connection *connection, struct viv_bytes record)
{
    struct viv_jute_reader reader = viv_jute_reader_of(record);
    viv_jute_read_int(&reader);
    struct viv_bytes scheme = viv_jute_read_buffer(&reader).bytes, proof = viv_jute_read_buffer(&reader).bytes;
    size_t index = connection->identities.count;
    if (reader.bad || index == VIV_REF_IDENTITIES_MAX || !viv_bytes_equal(scheme, VIV_BYTES_LITERAL("digest"))) {
        return;
    }
    viv_ref_digest_of(proof, &connection->proofs[index]);
    struct viv_bytes id = viv_buffer_bytes(&connection->proofs[index]);
    for (size_t i = 0; i < index; i++) {
        if (viv_bytes_equal(connection->identities.items[i].id, id)) {
            viv_buffer_fini(&connection->proofs[index]);
            return;
        }
    }
    add_identity(connection, scheme, id);
}

static void send_request(struct walk *walk, size_t record)
{
    struct viv_check *check = walk->check;
    struct viv_check_connection *connection = connection_of(walk, record);
    const struct viv_sim_record *request = &check->history->records[record];
    if (connection == NULL) {
        return;
    }
    check->operations =
        grown(check->operations, check->operation_count, &check->operation_capacity, sizeof(*check->operations));
    check->operations[check->operation_count++] = (struct viv_check_operation){
        .connection = walk->current[request->client],
        .request = record,
        .reply = VIV_CHECK_NONE,
        .identity_count = connection->identities.count,
        .floor_zxid = walk->acknowledged_zxid,
        .transaction = VIV_CHECK_NONE,
        .next = VIV_CHECK_NONE,
    };
    size_t added = check->operation_count - 1;
    *(connection->last == VIV_CHECK_NONE ? &connection->first : &check->operations[connection->last].next) = added;
    connection->last = added;
    if (request->type == VIV_OP_AUTH) {
        take_auth(connection, request->bytes);
    }
}

static void hear(struct viv_check_connection *connection, size_t record, size_t operation)
{
    connection->items =
        grown(connection->items, connection->item_count, &connection->item_capacity, sizeof(*connection->items));
    connection->items[connection->item_count++] = (struct viv_check_item){record, operation};
}

/* The oldest request of this connection that has no reply yet; auth packets have an order of their own. */
static size_t oldest_open(const struct viv_check *check, struct viv_check_connection *connection, bool is_auth)
{
    while (connection->first != VIV_CHECK_NONE && check->operations[connection->first].reply != VIV_CHECK_NONE) {
        connection->first = check->operations[connection->first].next;
    }
    size_t at = connection->first;
    while (at != VIV_CHECK_NONE && (check->operations[at].reply != VIV_CHECK_NONE ||
                                    (viv_check_request(check, at)->xid == VIV_XID_AUTH) != is_auth)) {
        at = check->operations[at].next;
    }
    return at;
}

static void take_reply(struct walk *walk, size_t record)
{
    struct viv_check *check = walk->check;
    struct viv_check_connection *connection = connection_of(walk, record);
    const struct viv_sim_record *reply = &check->history->records[record];
    if (connection == NULL) {
        return;
    }
    size_t operation = oldest_open(check, connection, reply->xid == VIV_XID_AUTH);
    if (operation == VIV_CHECK_NONE || viv_check_request(check, operation)->xid != reply->xid) {
        viv_check_fail(check, VIV_CHECKER_reads, record, operation,
                       "expected the reply to the oldest request, saw xid %d", reply->xid);
        return;
    }
    check->operations[operation].reply = record;
    hear(connection, record, operation);
    if (viv_check_is_acknowledged_write(check, operation) && reply->zxid > walk->acknowledged_zxid) {
        walk->acknowledged_zxid = reply->zxid;
    }
}

static void walk_records(struct walk *walk)
{
    struct viv_check *check = walk->check;
    struct viv_check_connection *connection;
    for (size_t i = 0; i < check->history->count; i++) {
        const struct viv_sim_record *record = &check->history->records[i];
        switch (record->kind) {
        case VIV_SIM_OPEN:
            open_connection(walk, i);
            break;
        case VIV_SIM_REQUEST:
            send_request(walk, i);
            break;
        case VIV_SIM_REPLY:
            take_reply(walk, i);
            break;
        case VIV_SIM_GRANT:
        case VIV_SIM_EVENT:
        case VIV_SIM_LOST:
            connection = connection_of(walk, i);
            if (connection == NULL) {
                break;
            }
            if (record->kind == VIV_SIM_GRANT) {
                connection->grant = i;
                connection->session_id = record->timeout_ms > 0 ? record->session_id : 0;
            } else if (record->kind == VIV_SIM_EVENT) {
                hear(connection, i, VIV_CHECK_NONE);
            } else {
                connection->lost = i;
                walk->current[record->client] = VIV_CHECK_NONE;
            }
            break;
        default:
            break;
        }
    }
}

/* ---- transactions ---- */

void viv_check_add_transaction(struct viv_check *check, size_t at, const struct viv_check_transaction *transaction)
{
    check->transactions = grown(check->transactions, check->transaction_count, &check->transaction_capacity,
                                sizeof(*check->transactions));
    memmove(check->transactions + at + 1, check->transactions + at,
            (check->transaction_count - at) * sizeof(*check->transactions));
    check->transactions[at] = *transaction;
    check->transaction_count++;
}

/* The committed order, as it was written down. */
static void take_log(struct viv_check *check)
{
    for (size_t i = 0; i < check->history->count; i++) {
        const struct viv_sim_record *record = &check->history->records[i];
        if (record->kind != VIV_SIM_COMMIT) {
            continue;
        }
        struct viv_check_transaction transaction = {.zxid = record->zxid, .record = i, .operation = VIV_CHECK_NONE};
        struct viv_jute_reader reader = viv_jute_reader_of(record->bytes);
        viv_txn_header_decode(&reader, &transaction.header);
        transaction.body = reader.rest;
        transaction.is_close = transaction.header.type == VIV_OP_CLOSE_SESSION;
        size_t last = check->transaction_count - 1;
        if (reader.bad || transaction.header.zxid != record->zxid) {
            viv_check_fail(check, VIV_CHECKER_agreement, i, VIV_CHECK_NONE, "zxid 0x%llx: the entry cannot be read",
                           (unsigned long long)record->zxid);
        } else if (check->transaction_count > 0 && check->transactions[last].zxid >= record->zxid) {
            viv_check_fail(check, VIV_CHECKER_agreement, i, VIV_CHECK_NONE,
                           "zxid 0x%llx: expected more than 0x%llx, which was committed before",
                           (unsigned long long)record->zxid, (unsigned long long)check->transactions[last].zxid);
        } else {
            check->report->checked[VIV_CHECKER_agreement]++;
            viv_check_add_transaction(check, check->transaction_count, &transaction);
        }
    }
}

/* By session and xid. Some clients (kazoo) count anew on each connection of a session: then it is the one that was
 * answered with this zxid, else of those without an answer that were sent before this zxid was passed the last that
 * asks for what the transaction does, or the last. */
struct call {
    int64_t session_id;
    int32_t xid;
    size_t operation;
};

static int call_compare(const void *left, const void *right)
{
    const struct call *a = left, *b = right;
    if (a->session_id != b->session_id) {
        return a->session_id < b->session_id ? -1 : 1;
    }
    if (a->xid != b->xid) {
        return a->xid < b->xid ? -1 : 1;
    }
    return a->operation < b->operation ? -1 : a->operation > b->operation;
}

static bool call_equal(const struct call *a, const struct call *b)
{
    return a->session_id == b->session_id && a->xid == b->xid;
}

static struct call *calls_of(const struct viv_check *check, size_t *count)
{
    struct call *calls = viv_alloc((check->operation_count + 1) * sizeof(*calls));
    *count = 0;
    for (size_t i = 0; i < check->operation_count; i++) {
        const struct viv_sim_record *request = viv_check_request(check, i);
        if (viv_ref_is_write(request->type) || request->type == VIV_OP_RECONFIG) {
            calls[(*count)++] =
                (struct call){check->connections[check->operations[i].connection].session_id, request->xid, i};
        }
    }
    qsort(calls, *count, sizeof(*calls), call_compare);
    return calls;
}

/* Whether a request asks for what a transaction does, as far as path and data tell: a create may get a number. What
 * else it should have done is judged later. */
static bool asks_for(const struct viv_sim_record *request, const struct viv_check_transaction *transaction)
{
    struct viv_jute_reader asked = viv_jute_reader_of(request->bytes), done = viv_jute_reader_of(transaction->body);
    if (request->type == VIV_OP_MULTI || transaction->header.type == VIV_OP_MULTI) {
        return request->type == transaction->header.type;
    }
    struct viv_bytes path = viv_jute_read_buffer(&asked).bytes, changed = viv_jute_read_buffer(&done).bytes;
    if (asked.bad || done.bad || !viv_bytes_starts_with(changed, path)) {
        return false;
    }
    if (request->type == VIV_OP_DELETE || request->type == VIV_OP_SET_ACL) {
        return request->type == transaction->header.type;
    }
    bool is_set = request->type == VIV_OP_SET_DATA;
    return is_set == (transaction->header.type == VIV_OP_SET_DATA) &&
           viv_bytes_equal(viv_jute_read_buffer(&asked).bytes, viv_jute_read_buffer(&done).bytes);
}

/* The operation among equal calls that a transaction is of, or VIV_CHECK_NONE. */
static size_t choose_call(const struct viv_check *check, const struct call *calls, size_t count,
                          const struct viv_check_transaction *transaction)
{
    size_t unanswered = VIV_CHECK_NONE, fitting = VIV_CHECK_NONE;
    uint64_t zxid = transaction->zxid;
    for (size_t i = 0; i < count && call_equal(&calls[i], &calls[0]); i++) {
        size_t operation = calls[i].operation;
        const struct viv_sim_record *reply = viv_check_reply(check, operation);
        if (check->operations[operation].transaction != VIV_CHECK_NONE) {
            continue;
        }
        if (reply != NULL && reply->zxid == zxid) {
            return operation;
        }
        bool was_sent = check->operations[operation].floor_zxid < zxid;
        if ((was_sent || unanswered == VIV_CHECK_NONE) && !viv_check_is_acknowledged_write(check, operation)) {
            unanswered = operation;
            fitting = was_sent && asks_for(viv_check_request(check, operation), transaction) ? operation : fitting;
        }
    }
    return fitting != VIV_CHECK_NONE ? fitting : unanswered;
}

static void match_log(struct viv_check *check)
{
    size_t count;
    struct call *calls = calls_of(check, &count);
    for (size_t i = 0; i < check->transaction_count; i++) {
        struct viv_check_transaction *transaction = &check->transactions[i];
        struct call wanted = {transaction->header.session_id, transaction->header.cxid, 0};
        size_t low = 0, high = count;
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            if (call_compare(&calls[middle], &wanted) < 0) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        if (low < count && call_equal(&calls[low], &wanted)) {
            size_t operation = choose_call(check, &calls[low], count - low, transaction);
            if (operation != VIV_CHECK_NONE) {
                check->operations[operation].transaction = i;
                transaction->operation = operation;
            }
        }
    }
    free(calls);
}

static int transaction_compare(const void *left, const void *right)
{
    const struct viv_check_transaction *a = left, *b = right;
    return a->zxid < b->zxid ? -1 : a->zxid > b->zxid;
}

/* Without a log the replies tell the order. */
static void take_replies(struct viv_check *check)
{
    for (size_t i = 0; i < check->operation_count; i++) {
        if (viv_check_is_acknowledged_write(check, i)) {
            const struct viv_sim_record *request = viv_check_request(check, i), *reply = viv_check_reply(check, i);
            int64_t session_id = check->connections[check->operations[i].connection].session_id;
            struct viv_txn_header header = {session_id, request->xid, reply->zxid, VIV_REF_TIME_UNKNOWN,
                                            reply->code == 0 ? request->type : VIV_OP_ERROR};
            viv_check_add_transaction(check, check->transaction_count,
                                      &(struct viv_check_transaction){
                                          .zxid = reply->zxid,
                                          .record = check->operations[i].reply,
                                          .operation = i,
                                          .header = header,
                                          .is_close = request->type == VIV_OP_CLOSE_SESSION,
                                      });
        }
    }
    qsort(check->transactions, check->transaction_count, sizeof(*check->transactions), transaction_compare);
    for (size_t i = 0; i < check->transaction_count; i++) {
        struct viv_check_transaction *transaction = &check->transactions[i];
        check->operations[transaction->operation].transaction = i;
        if (i > 0 && check->transactions[i - 1].zxid == transaction->zxid) {
            viv_check_fail(check, VIV_CHECKER_agreement, transaction->record, transaction->operation,
                           "expected a zxid of its own, saw that of another write");
        }
    }
}

void viv_check_index(struct viv_check *check)
{
    struct walk walk = {.check = check};
    walk_records(&walk);
    free(walk.current);
    if (check->history->header.has_log) {
        take_log(check);
        match_log(check);
    } else {
        take_replies(check);
    }
}

void viv_check_index_fini(struct viv_check *check)
{
    for (size_t i = 0; i < check->connection_count; i++) {
        for (size_t k = 0; k < VIV_REF_IDENTITIES_MAX; k++) {
            viv_buffer_fini(&check->connections[i].proofs[k]);
        }
        free(check->connections[i].items);
    }
    for (size_t i = 0; i < check->operation_count; i++) {
        free(check->operations[i].missed);
    }
    for (size_t i = 0; i < check->transaction_count; i++) {
        viv_ref_outcome_fini(&check->transactions[i].outcome);
    }
    free(check->connections);
    free(check->operations);
    free(check->transactions);
}
