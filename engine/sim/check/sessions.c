#include <stdlib.h>

#include "base/assert.h"
#include "sim/check/check_internal.h"
#include "wire/op.h"
#include "wire/reply_code.h"

/* A session ends when its client closes it, or when its time is over: never before the timeout that was granted has
 * passed since a sign of life reached the ensemble, by a clock that may run as fast as the header says. */

enum { NS_PER_MS = 1000000 };
#define NEVER INT64_MAX

struct life {
    int64_t session_id;
    int64_t timeout_ms; /* the smallest that was granted */
    int64_t alive_ns;   /* sent at, of the last thing that the leader is known to have taken from it */
    int64_t heard_ns;   /* the last HEARD; -1: none */
    int64_t before_ns;  /* the last HEARD of another time */
    size_t grant;       /* the record that made it */
    bool was_decided;   /* EXPIRE */
    bool was_left;      /* its client asked for its end */
    bool was_opened;    /* createSession is in the log */
    size_t end;         /* the transaction that ended it, VIV_CHECK_NONE */
};

struct lives {
    struct viv_check *check;
    struct life *items;
    size_t count, capacity;
    bool has_decisions; /* the history tells them */
    int64_t *shown_ns;  /* per transaction: when it was first seen to have happened */
};

static struct life *life_of(struct lives *lives, int64_t session_id)
{
    for (size_t i = 0; i < lives->count; i++) {
        if (lives->items[i].session_id == session_id) {
            return &lives->items[i];
        }
    }
    return NULL;
}

static struct life *life_new(struct lives *lives, int64_t session_id, size_t grant)
{
    if (lives->count == lives->capacity) {
        lives->capacity = lives->capacity == 0 ? 16 : 2 * lives->capacity;
        lives->items = viv_realloc(lives->items, lives->capacity * sizeof(*lives->items));
    }
    struct life *life = &lives->items[lives->count++];
    *life = (struct life){.session_id = session_id,
                          .timeout_ms = NEVER,
                          .heard_ns = -1,
                          .before_ns = -1,
                          .grant = grant,
                          .end = VIV_CHECK_NONE};
    return life;
}

static void session_fail(struct lives *lives, size_t record, int64_t session_id, const char *expected, const char *seen)
{
    const struct viv_sim_record *at = &lives->check->history->records[record];
    viv_check_fail(lives->check, VIV_CHECKER_sessions, record, VIV_CHECK_NONE,
                   "client %d session 0x%llx server %d zxid 0x%llx: expected %s, saw %s", at->client,
                   (unsigned long long)session_id, at->server, (unsigned long long)at->zxid, expected, seen);
}

/* ---- when things were first seen ---- */

static void find_shown(struct lives *lives)
{
    const struct viv_check *check = lives->check;
    size_t next = 0;
    lives->shown_ns = viv_alloc((check->transaction_count + 1) * sizeof(*lives->shown_ns));
    for (size_t i = 0; i < check->history->count; i++) {
        const struct viv_sim_record *record = &check->history->records[i];
        bool shows = (record->kind == VIV_SIM_REPLY || record->kind == VIV_SIM_EVENT) && (int64_t)record->zxid > 0;
        while (shows && next < check->transaction_count && check->transactions[next].zxid <= record->zxid) {
            lives->shown_ns[next++] = record->time_ns;
        }
    }
    while (next < check->transaction_count) {
        lives->shown_ns[next++] = NEVER;
    }
}

/* ---- grants ---- */

static void take_grant(struct lives *lives, const struct viv_check_connection *connection)
{
    const struct viv_sim_record *records = lives->check->history->records;
    const struct viv_sim_record *open = &records[connection->open], *grant = &records[connection->grant];
    struct life *life = life_of(lives, grant->session_id);
    bool is_new = open->session_id == 0;
    lives->check->report->checked[VIV_CHECKER_sessions]++;
    if (is_new ? life != NULL : life == NULL || grant->session_id != open->session_id) {
        session_fail(lives, connection->grant, grant->session_id,
                     is_new ? "a session id of its own" : "the session that it asked for", "another's");
        return;
    }
    if (is_new) {
        life = life_new(lives, grant->session_id, connection->grant);
        life->alive_ns = open->time_ns;
    }
    life->timeout_ms = grant->timeout_ms < life->timeout_ms ? grant->timeout_ms : life->timeout_ms;
}

static void take_grants(struct lives *lives)
{
    for (size_t i = 0; i < lives->check->connection_count; i++) {
        const struct viv_check_connection *connection = &lives->check->connections[i];
        if (connection->grant != VIV_CHECK_NONE && lives->check->history->records[connection->grant].timeout_ms > 0) {
            take_grant(lives, connection);
        }
    }
}

/* ---- ends ---- */

static int64_t earliest_ns(const struct lives *lives, const struct life *life, int64_t alive_ns)
{
    const struct viv_sim_header *header = &lives->check->history->header;
    int64_t percent = header->clock_percent_max == 0 ? 100 : header->clock_percent_max;
    return alive_ns + (life->timeout_ms * 100 / percent - header->expiry_slack_ms) * NS_PER_MS;
}

static void too_early(struct lives *lives, size_t record, const struct life *life, int64_t alive_ns, int64_t end_ns)
{
    viv_check_fail(lives->check, VIV_CHECKER_sessions, record, VIV_CHECK_NONE,
                   "session 0x%llx: expected an end no earlier than %lld ms (alive at %lld ms, timeout %lld ms), saw "
                   "it over at %lld ms",
                   (unsigned long long)life->session_id, (long long)(earliest_ns(lives, life, alive_ns) / NS_PER_MS),
                   (long long)(alive_ns / NS_PER_MS), (long long)life->timeout_ms, (long long)(end_ns / NS_PER_MS));
}

/* HEARD and EXPIRE, where the history has them, in their order; that of one turn, which has one time, is not known:
 * what was decided in it may have been decided before all that was heard in it. */
static void take_decisions(struct lives *lives)
{
    for (size_t i = 0; i < lives->check->history->count; i++) {
        const struct viv_sim_record *record = &lives->check->history->records[i];
        if (record->kind != VIV_SIM_HEARD && record->kind != VIV_SIM_EXPIRE) {
            continue;
        }
        lives->has_decisions = true;
        struct life *life = life_of(lives, record->session_id);
        if (life == NULL) {
            continue; /* its client never heard of it */
        }
        if (record->kind == VIV_SIM_HEARD) {
            life->before_ns = life->heard_ns == record->time_ns ? life->before_ns : life->heard_ns;
            life->heard_ns = record->time_ns;
            continue;
        }
        int64_t heard_ns = life->heard_ns == record->time_ns ? life->before_ns : life->heard_ns;
        life->was_decided = true;
        lives->check->report->checked[VIV_CHECKER_sessions]++;
        if (heard_ns >= 0 && record->time_ns < earliest_ns(lives, life, heard_ns)) {
            too_early(lives, i, life, heard_ns, record->time_ns);
        }
    }
}

/* Whoever asked for the end is told of it from then on, also when the transaction never came to be. */
static void take_wishes(struct lives *lives)
{
    for (size_t i = 0; i < lives->check->operation_count; i++) {
        size_t connection = lives->check->operations[i].connection;
        if (viv_check_request(lives->check, i)->type == VIV_OP_CLOSE_SESSION) {
            struct life *life = life_of(lives, lives->check->connections[connection].session_id);
            if (life != NULL) {
                life->was_left = true;
            }
        }
    }
}

static void end_life(struct lives *lives, struct life *life, size_t index)
{
    const struct viv_check_transaction *transaction = &lives->check->transactions[index];
    lives->check->report->checked[VIV_CHECKER_sessions]++;
    life->end = life->end == VIV_CHECK_NONE ? index : life->end;
    if (transaction->operation != VIV_CHECK_NONE) {
        return; /* its client closed it */
    }
    if (lives->has_decisions && !life->was_decided) {
        session_fail(lives, transaction->record, life->session_id, "a close, or an expiry", "an end without either");
    } else if (lives->shown_ns[index] != NEVER && lives->shown_ns[index] < earliest_ns(lives, life, life->alive_ns)) {
        too_early(lives, transaction->record, life, life->alive_ns, lives->shown_ns[index]);
    }
}

static void take_transactions(struct lives *lives)
{
    struct viv_check *check = lives->check;
    for (size_t i = 0; i < check->transaction_count; i++) {
        const struct viv_check_transaction *transaction = &check->transactions[i];
        struct life *life = life_of(lives, transaction->header.session_id);
        if (life == NULL) {
            continue;
        }
        if (transaction->header.type == VIV_OP_CREATE_SESSION) {
            life->was_opened = true;
        } else if (transaction->is_close) {
            end_life(lives, life, i);
        } else if (transaction->operation != VIV_CHECK_NONE) {
            life->alive_ns = viv_check_request(check, transaction->operation)->time_ns;
        }
    }
}

/* ---- what clients were told ---- */

/* True when the server that was asked had to know of a transaction: it, or the client, had seen so much by then. A
 * leader that was replaced does not know yet, and serves the sessions that it knew for as long as it may. */
static bool is_known_there(const struct viv_check *check, const struct viv_check_connection *connection, uint64_t zxid)
{
    const struct viv_sim_record *open = &check->history->records[connection->open];
    bool is_known = open->zxid >= zxid;
    for (size_t i = 0; i < check->operation_count && !is_known; i++) {
        const struct viv_sim_record *reply = viv_check_reply(check, i);
        is_known = reply != NULL && check->connections[check->operations[i].connection].server == connection->server &&
                   reply->time_ns < open->time_ns && (int64_t)reply->zxid > 0 && reply->zxid >= zxid;
    }
    return is_known;
}

/* May its client be told that it is over? Our servers do not say so before its end is committed. Of others we know no
 * more than that it ends, or that somebody wanted it to. */
static bool may_be_over(const struct lives *lives, const struct life *life, size_t told)
{
    const struct viv_check *check = lives->check;
    if (lives->has_decisions) {
        return life->end != VIV_CHECK_NONE && check->transactions[life->end].record < told;
    }
    return life->end != VIV_CHECK_NONE || life->was_left || !check->history->header.has_log;
}

static void check_told(struct lives *lives, const struct viv_check_connection *connection)
{
    const struct viv_check *check = lives->check;
    const struct viv_sim_record *open = &check->history->records[connection->open];
    struct life *life = life_of(lives, open->session_id);
    if (life == NULL || connection->grant == VIV_CHECK_NONE) {
        return;
    }
    bool is_over = life->end != VIV_CHECK_NONE;
    lives->check->report->checked[VIV_CHECKER_sessions]++;
    if (check->history->records[connection->grant].timeout_ms == 0) {
        if (!may_be_over(lives, life, connection->grant)) {
            session_fail(lives, connection->grant, open->session_id, "its session, which nobody ended",
                         "that it is told to be over");
        }
    } else if (is_over && lives->shown_ns[life->end] < open->time_ns &&
               is_known_there(check, connection, check->transactions[life->end].zxid)) {
        session_fail(lives, connection->grant, open->session_id, "that the session is over", "it granted again");
    }
}

/* ---- sequence numbers ---- */

struct parent {
    struct viv_buffer path;
    int64_t last;
};

static struct parent *parent_at(struct parent *parents, size_t count, struct viv_bytes path)
{
    for (size_t i = 0; i < count; i++) {
        if (viv_bytes_equal(viv_buffer_bytes(&parents[i].path), path)) {
            return &parents[i];
        }
    }
    return NULL;
}

/* The ten digits at the end of what a sequential create was answered; -1: it was none. */
static int64_t number_of(const struct viv_check *check, const struct viv_check_transaction *transaction,
                         struct viv_bytes *path)
{
    enum { DIGITS = 10, SEQUENTIAL = 2, TTL_SEQUENTIAL = 6 };
    size_t operation = transaction->operation;
    const struct viv_sim_record *reply = operation == VIV_CHECK_NONE ? NULL : viv_check_reply(check, operation);
    if (reply == NULL || reply->code != VIV_REPLY_OK) {
        return -1;
    }
    const struct viv_sim_record *request = viv_check_request(check, operation);
    struct viv_jute_reader reader = viv_jute_reader_of(request->bytes), answer = viv_jute_reader_of(reply->bytes);
    struct viv_create_request create;
    if (request->type != VIV_OP_CREATE && request->type != VIV_OP_CREATE2 && request->type != VIV_OP_CREATE_TTL) {
        return -1;
    }
    viv_create_request_decode(&reader, &create, (enum viv_op)request->type);
    *path = viv_jute_read_buffer(&answer).bytes;
    if ((create.flags != TTL_SEQUENTIAL && (create.flags > 3 || (create.flags & SEQUENTIAL) == 0)) ||
        path->size < DIGITS) {
        return -1;
    }
    int64_t number = 0;
    for (size_t i = path->size - DIGITS; i < path->size; i++) {
        number = number * 10 + (path->data[i] - '0');
    }
    return number;
}

static void check_sequences(struct viv_check *check)
{
    struct parent *parents = NULL;
    size_t count = 0;
    for (size_t i = 0; i < check->transaction_count; i++) {
        const struct viv_check_transaction *transaction = &check->transactions[i];
        struct viv_bytes path;
        for (size_t k = 0; k < transaction->outcome.change_count; k++) { /* a parent that goes begins again */
            const struct viv_ref_change *change = &transaction->outcome.changes[k];
            struct parent *gone = parent_at(parents, count, viv_buffer_bytes(&change->path));
            if (gone != NULL) {
                gone->last = change->kind == VIV_REF_DELETED ? -1 : gone->last;
            }
        }
        int64_t number = number_of(check, transaction, &path);
        if (number < 0) {
            continue;
        }
        struct parent *parent = parent_at(parents, count, viv_ref_parent(path));
        if (parent == NULL) {
            parents = viv_realloc(parents, (count + 1) * sizeof(*parents));
            parent = &parents[count++];
            *parent = (struct parent){.last = -1};
            viv_buffer_append_bytes(&parent->path, viv_ref_parent(path));
        }
        check->report->checked[VIV_CHECKER_sessions]++;
        if (number <= parent->last) {
            viv_check_fail(check, VIV_CHECKER_sessions, transaction->record, transaction->operation,
                           "sequence number: expected more than %lld, saw %lld", (long long)parent->last,
                           (long long)number);
        }
        parent->last = number > parent->last ? number : parent->last;
    }
    for (size_t i = 0; i < count; i++) {
        viv_buffer_fini(&parents[i].path);
    }
    free(parents);
}

void viv_check_sessions(struct viv_check *check)
{
    struct lives lives = {.check = check};
    find_shown(&lives);
    take_grants(&lives);
    take_decisions(&lives);
    take_wishes(&lives);
    take_transactions(&lives);
    for (size_t i = 0; i < check->connection_count; i++) {
        check_told(&lives, &check->connections[i]);
    }
    for (size_t i = 0; i < lives.count && check->history->header.has_log; i++) {
        if (!lives.items[i].was_opened) {
            viv_check_fail(check, VIV_CHECKER_durability, lives.items[i].grant, VIV_CHECK_NONE,
                           "session 0x%llx was granted: expected its createSession in the log, saw none",
                           (unsigned long long)lives.items[i].session_id);
        }
    }
    check_sequences(check);
    free(lives.items);
    free(lives.shown_ns);
}
