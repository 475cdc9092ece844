#include "tests/support/viv_test.h"
#include "tests/unit/sim/book.h"
#include "wire/op.h"

/* Histories without the log of what was committed. */

static void forget_log(struct viv_book *book)
{
    book->history.header.has_log = false;
    for (size_t i = book->count; i-- > 0;) {
        if (book->records[i].kind == VIV_SIM_COMMIT) {
            viv_book_remove(book, i);
        }
    }
}

/* The client's last write that was done is not answered, and the client not heard of again. */
static void cut_off(struct viv_book *book, int32_t client)
{
    size_t last = 0;
    for (size_t i = 0; i < book->count; i++) {
        const struct viv_sim_record *record = &book->records[i];
        int32_t op = record->kind == VIV_SIM_REPLY ? book->records[viv_book_request_of(book, i)].type : 0;
        bool is_write = op == VIV_OP_DELETE || op == VIV_OP_SET_DATA || op == VIV_OP_MULTI || op == VIV_OP_CREATE;
        last = record->client == client && is_write && record->code == 0 ? viv_book_request_of(book, i) : last;
    }
    for (size_t i = book->count; --i > last;) {
        if (book->records[i].client == client) {
            viv_book_remove(book, i);
        }
    }
}

VIV_TEST(sim_guess, what_was_not_answered_is_placed_where_others_saw_it)
{
    struct viv_book book;
    struct viv_check_report report = {0};
    viv_book_open(&book, "three_servers.jsonl");
    forget_log(&book);
    cut_off(&book, 1);
    cut_off(&book, 2);
    viv_book_check(&book, &report);
    cr_assert_eq(report.failure_count, 0, "%.*s", (int)report.failures[0].text.size,
                 (const char *)report.failures[0].text.data);
    cr_assert_eq(report.guess_count, 2, "two requests explain what was seen, not %zu", report.guess_count);
    viv_check_report_fini(&report);
    viv_book_close(&book);
}

static void data_is_another(struct viv_book *book)
{
    forget_log(book);
    enum { DATA_AT = 4 };
    viv_book_bytes(book, viv_book_reply(book, VIV_OP_GET_DATA, 0, 4 + 1 + 68, 0))[DATA_AT] ^= 1;
}

static void version_is_higher(struct viv_book *book)
{
    forget_log(book);
    cut_off(book, 1);
    enum { VERSION_LAST_BYTE = 35 };
    viv_book_bytes(book, viv_book_reply(book, VIV_OP_SET_DATA, 0, 68, 0))[VERSION_LAST_BYTE]++;
}

static void two_have_one_zxid(struct viv_book *book)
{
    forget_log(book);
    size_t one = viv_book_reply(book, VIV_OP_SET_DATA, 0, 68, 0);
    book->records[viv_book_reply(book, VIV_OP_SET_DATA, 0, 68, one + 1)].zxid = book->records[one].zxid;
}

VIV_TEST(sim_guess, lies_are_found_without_a_log_too)
{
    static const struct viv_lie lies[] = {
        {"data is another", "data", VIV_CHECKER_reads, data_is_another},
        {"a version is too high", "version", VIV_CHECKER_writes, version_is_higher},
        {"two writes have one zxid", "a zxid of its own", VIV_CHECKER_agreement, two_have_one_zxid},
    };
    viv_lies_expect_found(lies, sizeof(lies) / sizeof(*lies));
}
