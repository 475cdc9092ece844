#include <string.h>

#include "base/endian.h"
#include "tests/support/viv_test.h"
#include "tests/unit/sim/book.h"
#include "wire/op.h"
#include "wire/records.h"

/* A recorded history is accepted as it is, and each falsification of it is found by the checker that is there for it.
 */

VIV_TEST(sim_check, what_three_servers_did_is_accepted)
{
    struct viv_book book;
    viv_book_open(&book, "three_servers.jsonl");
    viv_book_expect_accepted(&book, 20);
    viv_book_close(&book);
}

VIV_TEST(sim_check, what_apache_zookeeper_did_is_accepted)
{
    struct viv_book book;
    viv_book_open(&book, "zookeeper.jsonl");
    viv_book_expect_accepted(&book, 5);
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
    viv_book_expect_accepted(&book, 20);
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
    viv_lies_expect_found(lies, sizeof(lies) / sizeof(*lies));
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
    viv_lies_expect_found(lies, sizeof(lies) / sizeof(*lies));
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
    viv_lies_expect_found(lies, sizeof(lies) / sizeof(*lies));
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
    viv_book_expect_accepted(&book, 20);
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
    viv_lies_expect_found(lies, sizeof(lies) / sizeof(*lies));
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
    viv_lies_expect_found(lies, sizeof(lies) / sizeof(*lies));
}
