#include <string.h>

#include "tests/support/viv_test.h"
#include "tests/unit/sim/book.h"
#include "wire/op.h"
#include "wire/records.h"

/* Sessions that come and go, and watches that come again with them. */

/* One that its client has not closed. */
static size_t grant_of_lost(const struct viv_book *book)
{
    size_t lost = viv_book_find(book, VIV_SIM_LOST, 0), grant = 0;
    while (true) {
        grant = viv_book_find(book, VIV_SIM_GRANT, 0);
        while (book->records[grant].client != book->records[lost].client) {
            grant = viv_book_find(book, VIV_SIM_GRANT, grant + 1);
        }
        bool is_closed = false;
        for (size_t i = 0; i < book->count; i++) {
            const struct viv_sim_record *record = &book->records[i];
            is_closed = is_closed || (record->kind == VIV_SIM_REQUEST && record->type == VIV_OP_CLOSE_SESSION &&
                                      record->client == book->records[lost].client);
        }
        if (!is_closed) {
            return grant;
        }
        lost = viv_book_find(book, VIV_SIM_LOST, lost + 1);
    }
}

/* closeSession by nobody at the end of the log. */
static struct viv_sim_record end_session(struct viv_book *book, bool is_decided, int64_t after_ms)
{
    struct viv_sim_record grant = book->records[grant_of_lost(book)];
    struct viv_sim_record record = book->records[book->count - 1];
    record = (struct viv_sim_record){.kind = VIV_SIM_HEARD,
                                     .session_id = grant.session_id,
                                     .server = 1,
                                     .time_ns = record.time_ns,
                                     .zxid = record.zxid};
    uint64_t zxid = record.zxid + 1;
    record.zxid = 0;
    viv_book_append(book, record);
    record.time_ns += after_ms * 1000000;
    record.kind = VIV_SIM_EXPIRE;
    if (is_decided) {
        viv_book_append(book, record);
    }
    struct viv_buffer body = {0};
    viv_txn_header_encode(&body, &(struct viv_txn_header){grant.session_id, 0, zxid, 0, VIV_OP_CLOSE_SESSION});
    struct viv_sim_record commit = {
        .kind = VIV_SIM_COMMIT, .zxid = zxid, .time_ns = record.time_ns, .bytes = viv_buffer_bytes(&body)};
    viv_book_append(book, commit);
    viv_book_bytes(book, book->count - 1);
    viv_buffer_fini(&body);
    return grant;
}

/* Another sign of life, in the very turn of the decision. */
static void hear_in_the_same_turn(struct viv_book *book)
{
    size_t expire = viv_book_find(book, VIV_SIM_EXPIRE, 0);
    struct viv_sim_record heard = book->records[expire];
    heard.kind = VIV_SIM_HEARD;
    viv_book_insert(book, expire, heard);
}

static void session_ends_by_itself(struct viv_book *book)
{
    end_session(book, false, 0);
}

static void session_ends_early(struct viv_book *book)
{
    end_session(book, true, 5000);
}

static void come_again(struct viv_book *book, int64_t asked, int64_t granted, int32_t timeout_ms)
{
    viv_book_append(book,
                    (struct viv_sim_record){
                        .kind = VIV_SIM_OPEN, .client = 99, .server = 2, .session_id = asked, .timeout_ms = 6000});
    viv_book_append(book, (struct viv_sim_record){
                              .kind = VIV_SIM_GRANT, .client = 99, .session_id = granted, .timeout_ms = timeout_ms});
}

static void session_is_told_to_be_over(struct viv_book *book)
{
    come_again(book, book->records[grant_of_lost(book)].session_id, 0, 0);
}

/* The log of who decided it was replaced. */
static void session_is_told_to_be_over_too_soon(struct viv_book *book)
{
    int64_t id = end_session(book, true, 6001).session_id;
    viv_book_remove(book, book->count - 1);
    come_again(book, id, 0, 0);
}

static void session_ends_early_and_is_heard(struct viv_book *book)
{
    end_session(book, true, 5000);
    hear_in_the_same_turn(book);
}

static void session_is_given_to_two(struct viv_book *book)
{
    come_again(book, 0, book->records[grant_of_lost(book)].session_id, 6000);
}

static void closed_session_comes_again(struct viv_book *book)
{
    size_t at = viv_book_find(book, VIV_SIM_REQUEST, 0);
    while (book->records[at].type != VIV_OP_CLOSE_SESSION) {
        at = viv_book_find(book, VIV_SIM_REQUEST, at + 1);
    }
    size_t grant = viv_book_find(book, VIV_SIM_GRANT, 0);
    while (book->records[grant].client != book->records[at].client) {
        grant = viv_book_find(book, VIV_SIM_GRANT, grant + 1);
    }
    int64_t id = book->records[grant].session_id;
    come_again(book, id, id, 6000);
}

/* By a server that must know better: the client has seen all that was answered. */
static void closed_session_is_granted(struct viv_book *book)
{
    uint64_t newest = 0;
    for (size_t i = 0; i < book->count; i++) {
        const struct viv_sim_record *record = &book->records[i];
        newest = record->kind == VIV_SIM_REPLY && (int64_t)record->zxid > (int64_t)newest ? record->zxid : newest;
    }
    closed_session_comes_again(book);
    book->records[book->count - 2].zxid = newest;
}

static bool is_sequential(const struct viv_book *book, size_t reply)
{
    struct viv_create_request create;
    const struct viv_sim_record *request = &book->records[viv_book_request_of(book, reply)];
    struct viv_jute_reader reader = viv_jute_reader_of(request->bytes);
    viv_create_request_decode(&reader, &create, VIV_OP_CREATE);
    return create.flags == 2 || create.flags == 3;
}

static void number_is_used_again(struct viv_book *book)
{
    size_t at = 0;
    do {
        at = viv_book_reply(book, VIV_OP_CREATE, 0, 0, at + 1);
    } while (!is_sequential(book, at));
    size_t size = book->records[at].bytes.size;
    memcpy(viv_book_bytes(book, at) + size - 10, "0000999999", 10);
    do {
        at = viv_book_reply(book, VIV_OP_CREATE, 0, 0, at + 1);
    } while (!is_sequential(book, at));
}

VIV_TEST(sim_check, lies_about_sessions_are_found)
{
    static const struct viv_lie lies[] = {
        {"a session ends by itself", "without either", VIV_CHECKER_sessions, session_ends_by_itself},
        {"a session ends before its time", "no earlier than", VIV_CHECKER_sessions, session_ends_early},
        {"a session ends before its time and is heard of", "no earlier than", VIV_CHECKER_sessions,
         session_ends_early_and_is_heard},
        {"a session is told to be over", "nobody ended", VIV_CHECKER_sessions, session_is_told_to_be_over},
        {"a session is told to be over before that is committed", "nobody ended", VIV_CHECKER_sessions,
         session_is_told_to_be_over_too_soon},
        {"a session is given to two", "another's", VIV_CHECKER_sessions, session_is_given_to_two},
        {"a closed session is granted", "granted again", VIV_CHECKER_sessions, closed_session_is_granted},
        {"numbers go back", "sequence number", VIV_CHECKER_sessions, number_is_used_again},
    };
    viv_lies_expect_found(lies, sizeof(lies) / sizeof(*lies));
}

VIV_TEST(sim_check, a_server_that_stayed_behind_may_grant_what_it_does_not_know_to_be_over)
{
    struct viv_book book;
    viv_book_open(&book, "three_servers.jsonl");
    closed_session_comes_again(&book);
    book.records[book.count - 2].server = 9;
    viv_book_expect_accepted(&book, 20);
    viv_book_close(&book);
}

VIV_TEST(sim_check, a_session_may_end_in_its_time)
{
    struct viv_book book;
    viv_book_open(&book, "three_servers.jsonl");
    end_session(&book, true, 6001);
    viv_book_expect_accepted(&book, 20);
    viv_book_close(&book);
}

VIV_TEST(sim_check, who_is_heard_in_the_turn_in_which_its_session_ends_may_have_come_too_late)
{
    struct viv_book book;
    viv_book_open(&book, "three_servers.jsonl");
    end_session(&book, true, 6001);
    hear_in_the_same_turn(&book);
    viv_book_expect_accepted(&book, 20);
    viv_book_close(&book);
}

/* ---- watches that are set again ---- */

static void append_event(struct viv_book *book, int32_t type, struct viv_bytes path)
{
    enum { CONNECTED = 3 };
    viv_book_append(
        book,
        (struct viv_sim_record){
            .kind = VIV_SIM_EVENT, .client = 99, .type = type, .code = CONNECTED, .zxid = UINT64_MAX, .bytes = path});
}

/* Data and children of a node are watched since the beginning; what was missed is told, but not the answer. */
static void set_again(struct viv_book *book, int32_t first_type, int32_t second_type)
{
    const struct viv_sim_record *created = &book->records[viv_book_reply(book, VIV_OP_CREATE, 0, 4 + 2, 0)];
    struct viv_bytes path = viv_bytes_of(created->bytes.data + 4, created->bytes.size - 4);
    int64_t id = book->records[grant_of_lost(book)].session_id;
    struct viv_buffer body = {0};
    viv_jute_write_long(&body, 0);
    for (int list = 0; list < 3; list++) {
        bool is_exists = list == 1;
        viv_jute_write_int(&body, is_exists ? 0 : 1);
        if (!is_exists) {
            viv_jute_write_bytes(&body, path);
        }
    }
    come_again(book, id, id, 6000);
    viv_book_append(book, (struct viv_sim_record){.kind = VIV_SIM_REQUEST,
                                                  .client = 99,
                                                  .xid = -8,
                                                  .type = VIV_OP_SET_WATCHES,
                                                  .bytes = viv_buffer_bytes(&body)});
    viv_book_bytes(book, book->count - 1);
    viv_buffer_fini(&body);
    append_event(book, first_type, path);
    append_event(book, second_type, path);
    viv_book_append(book, (struct viv_sim_record){.kind = VIV_SIM_LOST, .client = 99});
}

VIV_TEST(sim_check, what_was_missed_may_be_told_and_its_answer_lost)
{
    struct viv_book book;
    viv_book_open(&book, "three_servers.jsonl");
    set_again(&book, VIV_EVENT_NODE_DATA_CHANGED, VIV_EVENT_NODE_CHILDREN_CHANGED);
    viv_book_expect_accepted(&book, 20);
    viv_book_close(&book);
}

static void missed_event_is_of_another_kind(struct viv_book *book)
{
    set_again(book, VIV_EVENT_NODE_CREATED, VIV_EVENT_NODE_CHILDREN_CHANGED);
}

/* No tree has the node for one and does not have it for the other. */
static void missed_events_contradict_each_other(struct viv_book *book)
{
    set_again(book, VIV_EVENT_NODE_DATA_CHANGED, VIV_EVENT_NODE_DELETED);
}

static void missed_events_change_places(struct viv_book *book)
{
    set_again(book, VIV_EVENT_NODE_CHILDREN_CHANGED, VIV_EVENT_NODE_DATA_CHANGED);
}

VIV_TEST(sim_check, lies_about_what_was_missed_are_found)
{
    static const struct viv_lie lies[] = {
        {"another kind is missed", "nobody was owed", VIV_CHECKER_watches, missed_event_is_of_another_kind},
        {"what was missed is of two trees", "nobody was owed", VIV_CHECKER_watches,
         missed_events_contradict_each_other},
        {"what was missed changes places", "nobody was owed", VIV_CHECKER_watches, missed_events_change_places},
    };
    viv_lies_expect_found(lies, sizeof(lies) / sizeof(*lies));
}
