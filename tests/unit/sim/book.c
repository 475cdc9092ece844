#include "tests/unit/sim/book.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/viv_test.h"

void viv_book_open(struct viv_book *book, const char *name)
{
    char path[4096];
    const char *top = getenv("VIV_SOURCE_DIR");
    *book = (struct viv_book){0};
    snprintf(path, sizeof(path), "%s/tests/unit/sim/%s", top == NULL ? ".." : top, name);
    FILE *file = fopen(path, "r");
    cr_assert(file != NULL, "%s is there", path);
    cr_assert_eq(viv_sim_history_read(&book->history, file), VIV_OK, "%s can be read", path);
    fclose(file);
    book->count = book->history.count;
    book->capacity = 2 * book->count + 2000;
    book->records = viv_alloc(book->capacity * sizeof(*book->records));
    memcpy(book->records, book->history.records, book->count * sizeof(*book->records));
}

void viv_book_close(struct viv_book *book)
{
    for (size_t i = 0; i < book->changed_count; i++) {
        free(book->changed[i]);
    }
    free(book->records);
    viv_sim_history_fini(&book->history);
}

void viv_book_remove(struct viv_book *book, size_t at)
{
    book->count--;
    memmove(book->records + at, book->records + at + 1, (book->count - at) * sizeof(*book->records));
}

void viv_book_insert(struct viv_book *book, size_t at, struct viv_sim_record record)
{
    cr_assert(book->count < book->capacity);
    memmove(book->records + at + 1, book->records + at, (book->count - at) * sizeof(*book->records));
    book->records[at] = record;
    book->count++;
}

void viv_book_append(struct viv_book *book, struct viv_sim_record record)
{
    viv_book_insert(book, book->count, record);
}

void viv_book_move(struct viv_book *book, size_t from, size_t to)
{
    struct viv_sim_record record = book->records[from];
    viv_book_remove(book, from);
    viv_book_insert(book, to, record);
}

uint8_t *viv_book_bytes(struct viv_book *book, size_t at)
{
    struct viv_bytes *bytes = &book->records[at].bytes;
    cr_assert(book->changed_count < sizeof(book->changed) / sizeof(*book->changed));
    uint8_t *copy = viv_alloc(bytes->size + 1);
    memcpy(copy, bytes->data, bytes->size);
    book->changed[book->changed_count++] = copy;
    bytes->data = copy;
    return copy;
}

size_t viv_book_find(const struct viv_book *book, enum viv_sim_record_kind kind, size_t from)
{
    for (; from < book->count; from++) {
        if (book->records[from].kind == kind) {
            return from;
        }
    }
    cr_fatal("there is no such record");
    return 0;
}

size_t viv_book_request_of(const struct viv_book *book, size_t reply)
{
    const struct viv_sim_record *wanted = &book->records[reply];
    for (size_t i = reply; i-- > 0;) {
        const struct viv_sim_record *record = &book->records[i];
        if (record->kind == VIV_SIM_REQUEST && record->client == wanted->client && record->xid == wanted->xid) {
            return i;
        }
    }
    cr_fatal("a reply has its request");
    return 0;
}

size_t viv_book_reply(const struct viv_book *book, int32_t op, int32_t code, size_t bytes_min, size_t from)
{
    for (; from < book->count; from++) {
        const struct viv_sim_record *record = &book->records[from];
        if (record->kind == VIV_SIM_REPLY && record->code == code && record->bytes.size >= bytes_min &&
            book->records[viv_book_request_of(book, from)].type == op) {
            return from;
        }
    }
    cr_fatal("there is no such reply");
    return 0;
}

void viv_book_check(const struct viv_book *book, struct viv_check_report *report)
{
    struct viv_sim_history history = {.header = book->history.header};
    int64_t time_ns = 0;
    for (size_t i = 0; i < book->count; i++) {
        struct viv_sim_record record = book->records[i];
        time_ns = record.time_ns > time_ns ? record.time_ns : time_ns;
        record.time_ns = time_ns;
        viv_sim_history_add(&history, &record);
    }
    viv_check_history(&history, report);
    viv_sim_history_fini(&history);
}

void viv_book_expect_accepted(const struct viv_book *book, size_t checked_min)
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

static void expect_found(const struct viv_lie *lie)
{
    struct viv_book book;
    struct viv_check_report report = {0};
    bool is_said = false;
    viv_book_open(&book, "three_servers.jsonl");
    lie->tell(&book);
    viv_book_check(&book, &report);
    for (size_t i = 0; i < report.kept_count; i++) {
        struct viv_bytes text = viv_buffer_bytes(&report.failures[i].text);
        is_said = is_said || (report.failures[i].checker == lie->checker &&
                              memmem(text.data, text.size, lie->says, strlen(lie->says)) != NULL);
    }
    cr_assert(report.failures_of[lie->checker] > 0, "%s: not found", lie->name);
    cr_assert(is_said, "%s: found, but nothing says \"%s\": %.*s", lie->name, lie->says,
              (int)report.failures[0].text.size, (const char *)report.failures[0].text.data);
    viv_check_report_fini(&report);
    viv_book_close(&book);
}

void viv_lies_expect_found(const struct viv_lie *lies, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        expect_found(&lies[i]);
    }
}
