#include <string.h>

#include "base/endian.h"
#include "tests/support/viv_test.h"
#include "tests/unit/sim/book.h"
#include "wire/op.h"
#include "wire/records.h"

/* A recorded history is accepted as it is, and each falsification of it is found by the checker that is there for it.
 */

static void expect_accepted(struct viv_book *book, size_t checked_min)
{
    struct viv_check_report report = {0};
    viv_book_check(book, &report);
    cr_assert_eq(report.failure_count, 0, "%.*s", (int)report.failures[0].text.size,
                 (const char *)report.failures[0].text.data);
    for (int i = 0; i < VIV_CHECKER_COUNT; i++) {
        cr_assert(report.checked[i] >= checked_min, "%s looked at %zu", viv_checker_text(i), report.checked[i]);
    }
    viv_check_report_fini(&report);
}

VIV_TEST(sim_check, what_three_servers_did_is_accepted)
{
    struct viv_book book;
    viv_book_open(&book, "three_servers.jsonl");
    expect_accepted(&book, 20);
    viv_book_close(&book);
}

VIV_TEST(sim_check, what_apache_zookeeper_did_is_accepted)
{
    struct viv_book book;
    viv_book_open(&book, "zookeeper.jsonl");
    expect_accepted(&book, 5);
    viv_book_close(&book);
}

static size_t record_of(const struct viv_book *book, enum viv_sim_record_kind kind, int32_t client)
{
    size_t at = viv_book_find(book, kind, 0);
    while (book->records[at].client != client) {
        at = viv_book_find(book, kind, at + 1);
    }
    return at;
}

/* As kazoo does: what was asked first, and never answered, has the xid of an acknowledged write of a later connection.
 */
VIV_TEST(sim_check, a_client_may_count_anew_on_each_connection_of_a_session)
{
    struct viv_book book;
    viv_book_open(&book, "three_servers.jsonl");
    size_t request = viv_book_request_of(&book, viv_book_reply(&book, VIV_OP_SET_DATA, 0, 68, 0));
    struct viv_sim_record asked = book.records[request], lost = {.kind = VIV_SIM_LOST, .client = asked.client};
    size_t at = record_of(&book, VIV_SIM_GRANT, asked.client);
    struct viv_sim_record granted = book.records[at],
                          again = book.records[record_of(&book, VIV_SIM_OPEN, asked.client)];
    again.session_id = granted.session_id;
    const struct viv_sim_record first[] = {asked, lost, again, granted};
    for (size_t i = 0; i < sizeof(first) / sizeof(*first); i++) {
        viv_book_insert(&book, at + 1 + i, first[i]);
    }
    expect_accepted(&book, 20);
    viv_book_close(&book);
}

/* ---- writes ---- */

static void version_is_higher(struct viv_book *book)
{
    enum { VERSION_LAST_BYTE = 35 };
    viv_book_bytes(book, viv_book_reply(book, VIV_OP_SET_DATA, 0, 68, 0))[VERSION_LAST_BYTE]++;
}

static void refusal_is_told_for_success(struct viv_book *book)
{
    book->records[viv_book_reply(book, VIV_OP_DELETE, 0, 0, 0)].code = -101;
}

static void success_is_told_for_refusal(struct viv_book *book)
{
    book->records[viv_book_reply(book, VIV_OP_DELETE, -101, 0, 0)].code = 0;
}

static void path_is_another(struct viv_book *book)
{
    size_t at = viv_book_reply(book, VIV_OP_CREATE, 0, 8, 20);
    viv_book_bytes(book, at)[book->records[at].bytes.size - 1] ^= 1;
}

/* Its request and reply stand behind an acknowledged write of a later zxid. */
static void old_write_is_late(struct viv_book *book)
{
    size_t early = viv_book_reply(book, VIV_OP_SET_DATA, 0, 68, 0), request = viv_book_request_of(book, early);
    size_t late = early;
    do {
        late = viv_book_reply(book, VIV_OP_SET_DATA, 0, 68, late + 1);
    } while (book->records[late].client == book->records[early].client);
    viv_book_move(book, early, late);
    viv_book_move(book, request, late - 1);
}

static void write_is_done_twice(struct viv_book *book)
{
    enum { ZXID_AT = 12 };
    size_t request = viv_book_request_of(book, viv_book_reply(book, VIV_OP_SET_DATA, 0, 68, 0));
    size_t at = viv_book_find(book, VIV_SIM_COMMIT, 0), last = book->count - 1;
    while (viv_load_be32(book->records[at].bytes.data + 8) != (uint32_t)book->records[request].xid) {
        at = viv_book_find(book, VIV_SIM_COMMIT, at + 1);
    }
    struct viv_sim_record twice = book->records[at];
    twice.zxid = book->records[last].zxid + 1;
    viv_book_append(book, twice);
    viv_store_be64(viv_book_bytes(book, book->count - 1) + ZXID_AT, twice.zxid);
}

static void result_of_multi_is_another(struct viv_book *book)
{
    enum { FIRST_ERROR_LAST_BYTE = 8 };
    viv_book_bytes(book, viv_book_reply(book, VIV_OP_MULTI, 0, 20, 0))[FIRST_ERROR_LAST_BYTE] ^= 1;
}

static void entry_says_otherwise(struct viv_book *book)
{
    enum { PATH_AT = 40 };
    size_t at = viv_book_find(book, VIV_SIM_COMMIT, 0);
    while (viv_load_be32(book->records[at].bytes.data + 28) != VIV_OP_CREATE) {
        at = viv_book_find(book, VIV_SIM_COMMIT, at + 1);
    }
    viv_book_bytes(book, at)[PATH_AT - 3] ^= 1;
}

VIV_TEST(sim_check, lies_about_writes_are_found)
{
    static const struct viv_lie lies[] = {
        {"a version is too high", "version", VIV_CHECKER_writes, version_is_higher},
        {"a delete that was done is refused", "error", VIV_CHECKER_writes, refusal_is_told_for_success},
        {"a delete that was refused is done", "error", VIV_CHECKER_writes, success_is_told_for_refusal},
        {"a path is another", "path", VIV_CHECKER_writes, path_is_another},
        {"a write takes effect before it was sent", "real time", VIV_CHECKER_writes, old_write_is_late},
        {"a write is done twice", "nobody asked for", VIV_CHECKER_writes, write_is_done_twice},
        {"one result of a multi is another", "result", VIV_CHECKER_writes, result_of_multi_is_another},
        {"the entry has another path", "the entry", VIV_CHECKER_writes, entry_says_otherwise},
    };
    for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
        viv_lie_expect_found(&lies[i]);
    }
}

/* ---- reads ---- */

static void data_is_another(struct viv_book *book)
{
    enum { DATA_AT = 4 };
    size_t at = viv_book_reply(book, VIV_OP_GET_DATA, 0, 4 + 1 + 68, 0);
    viv_book_bytes(book, at)[DATA_AT] ^= 1;
}

static void child_is_another(struct viv_book *book)
{
    size_t at = viv_book_reply(book, VIV_OP_GET_CHILDREN, 0, 9, 0);
    viv_book_bytes(book, at)[book->records[at].bytes.size - 1] ^= 1;
}

static void node_is_older(struct viv_book *book)
{
    enum { MZXID_LAST_BYTE = 15 };
    viv_book_bytes(book, viv_book_reply(book, VIV_OP_EXISTS, 0, 68, 0))[MZXID_LAST_BYTE]--;
}

static void reply_goes_back(struct viv_book *book)
{
    book->records[viv_book_reply(book, VIV_OP_GET_DATA, 0, 0, book->count / 3)].zxid = 0x100000002;
}

static void read_is_of_nothing_committed(struct viv_book *book)
{
    size_t at = viv_book_reply(book, VIV_OP_GET_CHILDREN2, 0, 0, book->count / 2);
    book->records[at].zxid = book->records[book->count - 1].zxid + 100;
}

static void sync_is_stale(struct viv_book *book)
{
    book->history.header.strict_sync = true;
    book->records[viv_book_reply(book, VIV_OP_SYNC, 0, 0, book->count / 3)].zxid = 0x100000002;
}

static void any_read_is_stale(struct viv_book *book)
{
    book->history.header.strict_reads = true;
    book->records[viv_book_reply(book, VIV_OP_EXISTS, 0, 0, book->count / 3)].zxid = 0x100000002;
}

static void replies_change_places(struct viv_book *book)
{
    size_t at = viv_book_reply(book, VIV_OP_GET_DATA, 0, 0, 0), next = at + 1;
    while (book->records[next].kind != VIV_SIM_REPLY || book->records[next].client != book->records[at].client) {
        next++;
    }
    int32_t xid = book->records[at].xid;
    book->records[at].xid = book->records[next].xid;
    book->records[next].xid = xid;
}

VIV_TEST(sim_check, lies_about_reads_are_found)
{
    static const struct viv_lie lies[] = {
        {"data is another", "data", VIV_CHECKER_reads, data_is_another},
        {"a child is another", "children", VIV_CHECKER_reads, child_is_another},
        {"a node is older", "mzxid", VIV_CHECKER_reads, node_is_older},
        {"a reply goes back in time", "back in time", VIV_CHECKER_reads, reply_goes_back},
        {"what was never committed is read", "never committed", VIV_CHECKER_reads, read_is_of_nothing_committed},
        {"a sync is stale", "sync", VIV_CHECKER_reads, sync_is_stale},
        {"a linearizable read is stale", "sync", VIV_CHECKER_reads, any_read_is_stale},
        {"replies come out of order", "oldest request", VIV_CHECKER_reads, replies_change_places},
    };
    for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
        viv_lie_expect_found(&lies[i]);
    }
}

/* ---- watches ---- */

static void event_is_lost(struct viv_book *book)
{
    viv_book_remove(book, viv_book_find(book, VIV_SIM_EVENT, 0));
}

static void event_comes_twice(struct viv_book *book)
{
    size_t at = viv_book_find(book, VIV_SIM_EVENT, 0);
    viv_book_insert(book, at, book->records[at]);
}

static void event_is_late(struct viv_book *book)
{
    size_t at = viv_book_find(book, VIV_SIM_EVENT, 0), last = at;
    for (size_t i = at; i < book->count; i++) {
        bool is_reply = book->records[i].kind == VIV_SIM_REPLY;
        last = is_reply && book->records[i].client == book->records[at].client ? i : last;
    }
    viv_book_move(book, at, last);
}

static void event_is_of_another_kind(struct viv_book *book)
{
    size_t at = viv_book_find(book, VIV_SIM_EVENT, 0);
    book->records[at].type = book->records[at].type % 4 + 1;
}

static void events_change_places(struct viv_book *book)
{
    for (size_t at = viv_book_find(book, VIV_SIM_EVENT, 0);; at = viv_book_find(book, VIV_SIM_EVENT, at + 1)) {
        const struct viv_sim_record *one = &book->records[at];
        size_t next = at + 1;
        while (next < book->count && book->records[next].client != one->client) {
            next++;
        }
        if (book->records[next].kind == VIV_SIM_EVENT && !viv_bytes_equal(book->records[next].bytes, one->bytes)) {
            struct viv_sim_record swapped = *one;
            book->records[at] = book->records[next];
            book->records[next] = swapped;
            return;
        }
    }
}

static void event_of_nobody(struct viv_book *book)
{
    size_t at = viv_book_find(book, VIV_SIM_EVENT, 0), reply = at;
    do {
        reply = viv_book_find(book, VIV_SIM_REPLY, reply + 1);
    } while (book->records[reply].client == book->records[at].client);
    struct viv_sim_record event = book->records[at];
    event.client = book->records[reply].client;
    viv_book_insert(book, reply, event);
}

VIV_TEST(sim_check, lies_about_watches_are_found)
{
    static const struct viv_lie lies[] = {
        {"an event is lost", "", VIV_CHECKER_watches, event_is_lost},
        {"an event comes twice", "", VIV_CHECKER_watches, event_comes_twice},
        {"an event comes after what reveals it", "", VIV_CHECKER_watches, event_is_late},
        {"an event is of another kind", "another event", VIV_CHECKER_watches, event_is_of_another_kind},
        {"two events change places", "another event", VIV_CHECKER_watches, events_change_places},
        {"someone hears what he does not wait for", "", VIV_CHECKER_watches, event_of_nobody},
    };
    for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
        viv_lie_expect_found(&lies[i]);
    }
}

/* ---- sessions ---- */

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
        {"a session is told to be over", "nobody ended", VIV_CHECKER_sessions, session_is_told_to_be_over},
        {"a session is given to two", "another's", VIV_CHECKER_sessions, session_is_given_to_two},
        {"a closed session is granted", "granted again", VIV_CHECKER_sessions, closed_session_is_granted},
        {"numbers go back", "sequence number", VIV_CHECKER_sessions, number_is_used_again},
    };
    for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
        viv_lie_expect_found(&lies[i]);
    }
}

VIV_TEST(sim_check, a_server_that_stayed_behind_may_grant_what_it_does_not_know_to_be_over)
{
    struct viv_book book;
    viv_book_open(&book, "three_servers.jsonl");
    closed_session_comes_again(&book);
    book.records[book.count - 2].server = 9;
    expect_accepted(&book, 20);
    viv_book_close(&book);
}

VIV_TEST(sim_check, a_session_may_end_in_its_time)
{
    struct viv_book book;
    viv_book_open(&book, "three_servers.jsonl");
    end_session(&book, true, 6001);
    expect_accepted(&book, 20);
    viv_book_close(&book);
}

/* ---- agreement ---- */

/* Three servers apply the log; the last of them begins from an image in the middle. */
static void add_servers(struct viv_book *book)
{
    size_t first = viv_book_find(book, VIV_SIM_COMMIT, 0), end = book->count, middle = (first + end) / 2;
    viv_book_append(book, (struct viv_sim_record){.kind = VIV_SIM_LEADS, .server = 1, .zxid = 0x100000000});
    for (int32_t server = 1; server <= 3; server++) {
        viv_book_append(book, (struct viv_sim_record){.kind = VIV_SIM_STANDS, .server = server, .digest = 1});
        for (size_t i = first; i < end; i++) {
            bool is_image = server == 3 && i == middle;
            if (server < 3 || i < 20 + first || i >= middle) {
                viv_book_append(book, (struct viv_sim_record){.kind = is_image ? VIV_SIM_STANDS : VIV_SIM_APPLY,
                                                              .server = server,
                                                              .zxid = book->records[i].zxid,
                                                              .digest = book->records[i].zxid * 31});
            }
        }
    }
}

VIV_TEST(sim_check, servers_that_agree_are_accepted)
{
    struct viv_book book;
    viv_book_open(&book, "three_servers.jsonl");
    add_servers(&book);
    expect_accepted(&book, 20);
    viv_book_close(&book);
}

static void entry_is_left_out(struct viv_book *book)
{
    add_servers(book);
    viv_book_remove(book, book->count - 5);
}

static void tree_is_another(struct viv_book *book)
{
    add_servers(book);
    book->records[book->count - 5].digest++;
}

static void entry_is_of_nobody(struct viv_book *book)
{
    add_servers(book);
    viv_book_append(book, (struct viv_sim_record){.kind = VIV_SIM_APPLY, .server = 2, .zxid = 0x100000fff});
}

static void two_lead(struct viv_book *book)
{
    add_servers(book);
    viv_book_append(book, (struct viv_sim_record){.kind = VIV_SIM_LEADS, .server = 2, .zxid = 0x100000000});
}

static void log_goes_back(struct viv_book *book)
{
    struct viv_sim_record last = book->records[book->count - 1];
    book->records[book->count - 1] = book->records[book->count - 2];
    book->records[book->count - 2] = last;
}

VIV_TEST(sim_check, lies_about_servers_are_found)
{
    static const struct viv_lie lies[] = {
        {"a server leaves an entry out", "committed order", VIV_CHECKER_agreement, entry_is_left_out},
        {"a server's tree is another", "digest", VIV_CHECKER_agreement, tree_is_another},
        {"a server applies what was not committed", "committed order", VIV_CHECKER_agreement, entry_is_of_nobody},
        {"an epoch has two leaders", "only leader", VIV_CHECKER_agreement, two_lead},
        {"the log goes back", "committed before", VIV_CHECKER_agreement, log_goes_back},
    };
    for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
        viv_lie_expect_found(&lies[i]);
    }
}

/* ---- durability ---- */

static size_t commit_of_type(const struct viv_book *book, int32_t type)
{
    size_t at = viv_book_find(book, VIV_SIM_COMMIT, 0);
    while ((int32_t)viv_load_be32(book->records[at].bytes.data + 28) != type) {
        at = viv_book_find(book, VIV_SIM_COMMIT, at + 1);
    }
    return at;
}

static void write_is_lost(struct viv_book *book)
{
    viv_book_remove(book, commit_of_type(book, VIV_OP_SET_DATA));
}

static void entry_is_of_another(struct viv_book *book)
{
    enum { CXID_LAST_BYTE = 11 };
    viv_book_bytes(book, commit_of_type(book, VIV_OP_SET_DATA))[CXID_LAST_BYTE] ^= 0x80;
}

static void session_is_lost(struct viv_book *book)
{
    viv_book_remove(book, commit_of_type(book, VIV_OP_CREATE_SESSION));
}

VIV_TEST(sim_check, lies_about_durability_are_found)
{
    static const struct viv_lie lies[] = {
        {"an acknowledged write is lost", "acknowledged", VIV_CHECKER_durability, write_is_lost},
        {"the entry is another's", "acknowledged", VIV_CHECKER_durability, entry_is_of_another},
        {"a session that was granted is lost", "createSession", VIV_CHECKER_durability, session_is_lost},
    };
    for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
        viv_lie_expect_found(&lies[i]);
    }
}
