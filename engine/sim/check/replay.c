#include <stdlib.h>

#include "base/assert.h"
#include "sim/check/check_internal.h"
#include "wire/op.h"
#include "wire/reply_code.h"

struct replay {
    struct viv_check *check;
    struct viv_ref_tree tree;
    struct viv_buffer difference;
    size_t *reads; /* operations that were answered and are no transactions, by the zxid of the reply */
    size_t read_count, next_read;
    struct viv_check_unexplained unexplained;
    size_t compared;
};

static void count(struct replay *replay, enum viv_checker checker)
{
    replay->compared++;
    replay->check->report->checked[checker] += !replay->check->is_trial;
}

static bool is_over(const struct replay *replay)
{
    return replay->check->is_trial && replay->check->has_failed;
}

/* ---- what is read at a zxid ---- */

struct read_order {
    uint64_t zxid;
    size_t operation;
};

static int read_order_compare(const void *left, const void *right)
{
    const struct read_order *a = left, *b = right;
    if (a->zxid != b->zxid) {
        return a->zxid < b->zxid ? -1 : 1;
    }
    return a->operation < b->operation ? -1 : a->operation > b->operation;
}

static void sort_reads(struct replay *replay)
{
    struct viv_check *check = replay->check;
    struct read_order *order = viv_alloc((check->operation_count + 1) * sizeof(*order));
    for (size_t i = 0; i < check->operation_count; i++) {
        const struct viv_sim_record *reply = viv_check_reply(check, i);
        int32_t op = viv_check_request(check, i)->type;
        if (reply != NULL && (int64_t)reply->zxid >= 0 && (viv_check_is_read(op) || viv_check_is_set_watches(op))) {
            order[replay->read_count++] = (struct read_order){reply->zxid, i};
        }
    }
    qsort(order, replay->read_count, sizeof(*order), read_order_compare);
    replay->reads = viv_alloc((replay->read_count + 1) * sizeof(*replay->reads));
    for (size_t i = 0; i < replay->read_count; i++) {
        replay->reads[i] = order[i].operation;
    }
    free(order);
}

static void compare_read(struct replay *replay, size_t operation)
{
    struct viv_check *check = replay->check;
    const struct viv_sim_record *request = viv_check_request(check, operation);
    struct viv_ref_identities who = viv_check_identities(check, operation);
    int64_t session_id = check->connections[check->operations[operation].connection].session_id;
    if (viv_check_is_set_watches(request->type)) {
        viv_check_note_missed(check, &replay->tree, operation);
        return;
    }
    const struct viv_sim_record *reply = viv_check_reply(check, operation);
    if (reply->code == VIV_REPLY_THROTTLED || reply->code == VIV_REPLY_NOT_READ_ONLY) {
        return;
    }
    viv_buffer_clear(&replay->difference);
    count(replay, VIV_CHECKER_reads);
    if (!viv_check_same_read(&replay->tree, request, session_id, &who, reply, &replay->difference)) {
        viv_check_fail(check, VIV_CHECKER_reads, check->operations[operation].reply, operation, "%.*s",
                       (int)replay->difference.size, (const char *)replay->difference.data);
    }
}

static void compare_reads_before(struct replay *replay, uint64_t zxid)
{
    while (replay->next_read < replay->read_count && !is_over(replay) &&
           viv_check_reply(replay->check, replay->reads[replay->next_read])->zxid < zxid) {
        compare_read(replay, replay->reads[replay->next_read++]);
    }
}

/* ---- transactions ---- */

static bool session_ends_later(const struct viv_check *check, size_t transaction, int64_t session_id)
{
    for (size_t i = transaction + 1; i < check->transaction_count; i++) {
        if (check->transactions[i].is_close && check->transactions[i].header.session_id == session_id) {
            return true;
        }
    }
    return false;
}

static int32_t logged_error(const struct viv_check_transaction *transaction)
{
    struct viv_jute_reader reader = viv_jute_reader_of(transaction->body);
    return transaction->header.type == VIV_OP_ERROR ? viv_jute_read_int(&reader) : VIV_REPLY_OK;
}

/* Refused for what the tree does not know: the session went elsewhere, or is about to end. */
static bool is_refused_for_session(const struct viv_check *check, size_t index)
{
    const struct viv_check_transaction *transaction = &check->transactions[index];
    int32_t err = check->history->header.has_log ? logged_error(transaction) : VIV_REPLY_OK;
    return err == VIV_REPLY_SESSION_MOVED ||
           (err == VIV_REPLY_SESSION_EXPIRED && session_ends_later(check, index, transaction->header.session_id));
}

/* The entry must say what the reference says. */
static void compare_entry(struct replay *replay, const struct viv_check_transaction *transaction)
{
    struct viv_check *check = replay->check;
    const struct viv_ref_outcome *outcome = &transaction->outcome;
    int32_t type = viv_check_request(check, transaction->operation)->type;
    int32_t expected = outcome->err != VIV_REPLY_OK ? VIV_OP_ERROR : type;
    if (transaction->header.type != expected) {
        viv_check_fail(check, VIV_CHECKER_writes, transaction->record, transaction->operation,
                       "the entry: expected type %d, saw type %d (error expected %d, saw %d)", expected,
                       transaction->header.type, outcome->err, logged_error(transaction));
    } else if (logged_error(transaction) != outcome->err) {
        viv_check_fail(check, VIV_CHECKER_writes, transaction->record, transaction->operation,
                       "the entry: expected error %d, saw %d", outcome->err, logged_error(transaction));
    } else if (outcome->result_count == 1 && !outcome->is_multi && outcome->results[0].path.size > 0) {
        struct viv_jute_reader reader = viv_jute_reader_of(transaction->body);
        struct viv_bytes path = viv_jute_read_buffer(&reader).bytes;
        if (!viv_bytes_equal(path, viv_buffer_bytes(&outcome->results[0].path))) {
            viv_check_fail(check, VIV_CHECKER_writes, transaction->record, transaction->operation,
                           "the entry: expected path %.*s, saw %.*s", (int)outcome->results[0].path.size,
                           (const char *)outcome->results[0].path.data, (int)path.size, (const char *)path.data);
        }
    }
}

/* The wall clock of the server that made the entry, beside the observer's. */
static void compare_time(struct replay *replay, const struct viv_check_transaction *transaction)
{
    enum { NS_PER_MS = 1000000 };
    const struct viv_sim_header *header = &replay->check->history->header;
    const struct viv_sim_record *reply = viv_check_reply(replay->check, transaction->operation);
    int64_t sent_ms = viv_check_request(replay->check, transaction->operation)->time_ns / NS_PER_MS + header->wall_ms;
    int64_t time_ms = transaction->header.time_ms;
    if (header->wall_ms == 0 || time_ms == VIV_REF_TIME_UNKNOWN || reply == NULL) {
        return;
    }
    int64_t got_ms = reply->time_ns / NS_PER_MS + header->wall_ms;
    if (time_ms < sent_ms - header->wall_slack_ms || time_ms > got_ms + header->wall_slack_ms) {
        viv_check_fail(replay->check, VIV_CHECKER_writes, transaction->record, transaction->operation,
                       "time: expected %lld to %lld, saw %lld", (long long)sent_ms, (long long)got_ms,
                       (long long)time_ms);
    }
}

static void compare_reply(struct replay *replay, const struct viv_check_transaction *transaction)
{
    struct viv_check *check = replay->check;
    const struct viv_sim_record *reply = viv_check_reply(check, transaction->operation);
    if (reply == NULL) {
        return;
    }
    size_t at = check->operations[transaction->operation].reply;
    viv_buffer_clear(&replay->difference);
    count(replay, VIV_CHECKER_writes);
    if (!viv_check_is_acknowledged_write(check, transaction->operation)) {
        viv_check_fail(check, VIV_CHECKER_writes, at, transaction->operation,
                       "refused with %d, expected no effect, saw a transaction", reply->code);
    } else if (reply->zxid != transaction->zxid) {
        viv_check_fail(check, VIV_CHECKER_writes, at, transaction->operation, "zxid: expected 0x%llx, saw 0x%llx",
                       (unsigned long long)transaction->zxid, (unsigned long long)reply->zxid);
    } else if (!viv_check_same_write(&replay->tree, viv_check_request(check, transaction->operation),
                                     &transaction->outcome, reply, &replay->difference)) {
        viv_check_fail(check, VIV_CHECKER_writes, at, transaction->operation, "%.*s", (int)replay->difference.size,
                       (const char *)replay->difference.data);
    }
}

/* Several deletes by nobody: of a session that had more ephemerals than one entry can name. */
static bool replay_deletes(struct replay *replay, struct viv_check_transaction *transaction)
{
    struct viv_jute_reader reader = viv_jute_reader_of(transaction->body);
    int32_t count = viv_jute_read_count(&reader, 8);
    for (int32_t i = 0; i < count; i++) {
        int32_t type = viv_jute_read_int(&reader);
        struct viv_jute_reader record = viv_jute_reader_of(viv_jute_read_buffer(&reader).bytes);
        struct viv_bytes path = viv_jute_read_buffer(&record).bytes;
        if (reader.bad || record.bad || type != VIV_OP_DELETE ||
            viv_ref_reap(&replay->tree, path, transaction->zxid, &transaction->outcome) != VIV_REPLY_OK) {
            return false;
        }
    }
    return count > 0;
}

static bool replay_own(struct replay *replay, struct viv_check_transaction *transaction)
{
    struct viv_jute_reader reader = viv_jute_reader_of(transaction->body);
    switch (transaction->header.type) {
    case VIV_OP_CREATE_SESSION:
        viv_ref_open_session(&replay->tree, transaction->header.session_id);
        return true;
    case VIV_OP_CLOSE_SESSION:
        viv_ref_close_session(&replay->tree, transaction->header.session_id, transaction->zxid, &transaction->outcome);
        return true;
    case VIV_OP_DELETE_CONTAINER:
        return viv_ref_reap(&replay->tree, viv_jute_read_buffer(&reader).bytes, transaction->zxid,
                            &transaction->outcome) == VIV_REPLY_OK;
    case VIV_OP_MULTI:
        return transaction->header.session_id == 0 && replay_deletes(replay, transaction);
    case VIV_OP_RECONFIG:
        viv_ref_reconfigure(&replay->tree, transaction->zxid, &transaction->outcome);
        return true;
    case VIV_OP_ERROR: /* a reaping that came too late, a session that was closed twice */
        return transaction->header.cxid == 0;
    default:
        return false;
    }
}

static void replay_request(struct replay *replay, size_t index)
{
    struct viv_check *check = replay->check;
    struct viv_check_transaction *transaction = &check->transactions[index];
    const struct viv_sim_record *request = viv_check_request(check, transaction->operation);
    struct viv_ref_identities who = viv_check_identities(check, transaction->operation);
    if (!viv_ref_is_write(request->type)) { /* reconfig: what it asks for is not modelled */
        (void)replay_own(replay, transaction);
        return;
    }
    if (is_refused_for_session(check, index)) {
        transaction->outcome.err = logged_error(transaction);
    } else {
        viv_ref_write(&replay->tree,
                      &(struct viv_ref_request){transaction->header.session_id, request->type, request->bytes, &who,
                                                transaction->zxid, transaction->header.time_ms},
                      &transaction->outcome);
    }
    if (check->history->header.has_log) {
        compare_entry(replay, transaction);
        compare_time(replay, transaction);
    }
    compare_reply(replay, transaction);
}

static void replay_transaction(struct replay *replay, size_t index)
{
    struct viv_check_transaction *transaction = &replay->check->transactions[index];
    if (transaction->operation != VIV_CHECK_NONE) {
        replay_request(replay, index);
    } else if (!replay_own(replay, transaction)) {
        viv_check_fail(replay->check, VIV_CHECKER_writes, transaction->record, VIV_CHECK_NONE,
                       "session 0x%llx xid %d zxid 0x%llx: expected nothing, saw a transaction of type %d that nobody "
                       "asked for, or a second time",
                       (unsigned long long)transaction->header.session_id, transaction->header.cxid,
                       (unsigned long long)transaction->zxid, transaction->header.type);
    }
}

/* What an earlier trial left. */
static void forget_outcomes(struct viv_check *check)
{
    for (size_t i = 0; i < check->transaction_count; i++) {
        viv_ref_outcome_fini(&check->transactions[i].outcome);
    }
    for (size_t i = 0; i < check->operation_count; i++) {
        viv_check_forget_missed(&check->operations[i]);
    }
}

size_t viv_check_replay(struct viv_check *check)
{
    struct replay replay = {.check = check};
    check->has_failed = false;
    forget_outcomes(check);
    viv_ref_tree_init(&replay.tree);
    replay.tree.is_zookeeper = check->history->header.is_zookeeper;
    replay.tree.extended_types = check->history->header.extended_types;
    replay.tree.sessions_are_unknown = !check->history->header.has_log;
    sort_reads(&replay);
    viv_check_find_unexplained(check, &replay.unexplained);
    for (size_t i = 0; i < check->transaction_count && !is_over(&replay); i++) {
        compare_reads_before(&replay, check->transactions[i].zxid);
        viv_check_explain_missed(check, &replay.tree, &replay.unexplained, check->transactions[i].zxid);
        if (!is_over(&replay)) {
            replay_transaction(&replay, i);
        }
    }
    compare_reads_before(&replay, UINT64_MAX);
    viv_check_explain_missed(check, &replay.tree, &replay.unexplained, UINT64_MAX);
    free(replay.reads);
    free(replay.unexplained.operations);
    viv_buffer_fini(&replay.difference);
    viv_ref_tree_fini(&replay.tree);
    return replay.compared;
}
