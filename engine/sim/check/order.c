#include <stdlib.h>

#include "base/assert.h"
#include "sim/check/check_internal.h"
#include "wire/op.h"
#include "wire/reply_code.h"

/* Orders that need no tree: real time, each client's own, and what must be in the log. */

static void check_floor(struct viv_check *check, size_t operation)
{
    const struct viv_check_operation *of = &check->operations[operation];
    const struct viv_sim_record *request = viv_check_request(check, operation),
                                *reply = viv_check_reply(check, operation);
    const struct viv_sim_header *header = &check->history->header;
    if (of->transaction != VIV_CHECK_NONE && check->transactions[of->transaction].zxid <= of->floor_zxid) {
        viv_check_fail(check, VIV_CHECKER_writes, of->request, operation,
                       "real time: expected a zxid after 0x%llx, which was acknowledged before it was sent, saw 0x%llx",
                       (unsigned long long)of->floor_zxid,
                       (unsigned long long)check->transactions[of->transaction].zxid);
    }
    bool is_strict = (header->strict_sync && request->type == VIV_OP_SYNC) ||
                     (header->strict_reads && viv_check_is_read(request->type));
    if (is_strict && reply != NULL && reply->code == 0 && reply->zxid < of->floor_zxid) {
        viv_check_fail(check, VIV_CHECKER_reads, of->reply, operation,
                       "sync: expected at least zxid 0x%llx, which was acknowledged before it was sent, saw 0x%llx",
                       (unsigned long long)of->floor_zxid, (unsigned long long)reply->zxid);
    }
}

/* What a client sends first takes effect first. */
static void check_own_order(struct viv_check *check, size_t connection, size_t *operation_of)
{
    uint64_t last_zxid = 0;
    for (size_t i = operation_of[connection]; i != VIV_CHECK_NONE; i = check->operations[i].next) {
        size_t transaction = check->operations[i].transaction;
        if (transaction == VIV_CHECK_NONE) {
            continue;
        }
        if (check->transactions[transaction].zxid <= last_zxid) {
            viv_check_fail(check, VIV_CHECKER_writes, check->operations[i].request, i,
                           "own order: expected a zxid after 0x%llx of the request before, saw 0x%llx",
                           (unsigned long long)last_zxid, (unsigned long long)check->transactions[transaction].zxid);
        }
        last_zxid = check->transactions[transaction].zxid;
    }
}

/* A client never goes back, on its connection nor when it comes again. */
static void check_never_back(struct viv_check *check, const struct viv_check_connection *connection)
{
    uint64_t last_zxid = check->history->records[connection->open].zxid;
    for (size_t i = 0; i < connection->item_count; i++) {
        const struct viv_check_item *item = &connection->items[i];
        if (item->operation == VIV_CHECK_NONE) {
            continue;
        }
        const struct viv_sim_record *reply = &check->history->records[item->record];
        if ((int64_t)reply->zxid <= 0) {
            continue; /* auth, or refused as unknown */
        }
        check->report->checked[VIV_CHECKER_reads]++;
        if (reply->zxid < last_zxid) {
            viv_check_fail(check, VIV_CHECKER_reads, item->record, item->operation,
                           "back in time: expected at least zxid 0x%llx, saw 0x%llx", (unsigned long long)last_zxid,
                           (unsigned long long)reply->zxid);
        }
        last_zxid = reply->zxid;
    }
}

/* A server answers with what is committed, and with nothing that is not. */
static void check_committed(struct viv_check *check, size_t operation)
{
    const struct viv_sim_record *reply = viv_check_reply(check, operation);
    if (reply == NULL || (int64_t)reply->zxid <= 0 || VIV_ZXID_COUNTER(reply->zxid) == 0) {
        return;
    }
    size_t at = viv_check_transaction_at(check, reply->zxid);
    bool is_write = viv_check_is_acknowledged_write(check, operation);
    enum viv_checker checker = is_write ? VIV_CHECKER_durability : VIV_CHECKER_reads;
    check->report->checked[checker]++;
    if (at == VIV_CHECK_NONE || check->transactions[at].zxid != reply->zxid) {
        viv_check_fail(check, checker, check->operations[operation].reply, operation,
                       is_write ? "acknowledged: expected it in the log, saw no entry with this zxid"
                                : "read at a zxid that was never committed");
    } else if (is_write && check->operations[operation].transaction != at) {
        viv_check_fail(check, checker, check->operations[operation].reply, operation,
                       "acknowledged: expected its entry at this zxid, saw that of session 0x%llx xid %d",
                       (unsigned long long)check->transactions[at].header.session_id,
                       check->transactions[at].header.cxid);
    }
}

void viv_check_order(struct viv_check *check)
{
    size_t *first = viv_alloc((check->connection_count + 1) * sizeof(*first));
    for (size_t i = 0; i < check->connection_count; i++) {
        first[i] = VIV_CHECK_NONE;
        check_never_back(check, &check->connections[i]);
    }
    for (size_t i = check->operation_count; i-- > 0;) {
        first[check->operations[i].connection] = i;
    }
    for (size_t i = 0; i < check->connection_count; i++) {
        check_own_order(check, i, first);
    }
    free(first);
    for (size_t i = 0; i < check->operation_count; i++) {
        check_floor(check, i);
        if (check->history->header.has_log) {
            check_committed(check, i);
        }
    }
}
