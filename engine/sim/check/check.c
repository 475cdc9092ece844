#include "sim/check/check.h"

#include <stdarg.h>
#include <stdio.h>

#include "sim/check/check_internal.h"
#include "wire/op.h"

static const char *const names[] = {
#define X(name) #name,
    VIV_CHECKERS(X)
#undef X
};

const char *viv_checker_text(enum viv_checker checker)
{
    return names[checker];
}

/* The path is the first thing in most requests. */
static void put_operation(const struct viv_check *check, size_t operation, struct viv_buffer *text)
{
    const struct viv_sim_record *request = viv_check_request(check, operation),
                                *reply = viv_check_reply(check, operation);
    const struct viv_check_connection *connection = &check->connections[check->operations[operation].connection];
    size_t transaction = check->operations[operation].transaction;
    struct viv_jute_reader reader = viv_jute_reader_of(request->bytes);
    struct viv_bytes path = viv_jute_read_buffer(&reader).bytes;
    bool is_path = !reader.bad && path.size > 0 && path.data[0] == '/';
    uint64_t zxid = reply != NULL                   ? reply->zxid
                    : transaction != VIV_CHECK_NONE ? check->transactions[transaction].zxid
                                                    : 0;
    viv_buffer_printf(
        text, "client %d session 0x%llx server %d operation %d %.*s xid %d zxid 0x%llx: ", connection->client,
        (unsigned long long)connection->session_id, connection->server, request->type, is_path ? (int)path.size : 0,
        is_path ? (const char *)path.data : "", request->xid, (unsigned long long)zxid);
}

void viv_check_fail(struct viv_check *check, enum viv_checker checker, size_t record, size_t operation,
                    const char *format, ...)
{
    enum { TEXT_BYTES = 512 };
    struct viv_check_report *report = check->report;
    char text[TEXT_BYTES];
    va_list arguments;
    check->has_failed = true;
    if (check->is_trial) {
        return;
    }
    report->failure_count++;
    if (report->failures_of[checker]++ >= VIV_CHECK_KEPT_EACH) {
        return;
    }
    struct viv_check_failure *failure = &report->failures[report->kept_count++];
    *failure = (struct viv_check_failure){.checker = checker, .record = record};
    viv_buffer_printf(&failure->text, "%s: record %zu: ", names[checker], record);
    if (operation != VIV_CHECK_NONE) {
        put_operation(check, operation, &failure->text);
    }
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    viv_buffer_printf(&failure->text, "%s", text);
}

void viv_check_history(const struct viv_sim_history *history, struct viv_check_report *report)
{
    struct viv_check check = {.history = history, .report = report};
    viv_check_index(&check);
    if (!history->header.has_log) {
        viv_check_guess(&check);
    }
    viv_check_replay(&check);
    viv_check_order(&check);
    viv_check_watches(&check);
    viv_check_sessions(&check);
    viv_check_servers(&check);
    viv_check_index_fini(&check);
}

void viv_check_report_fini(struct viv_check_report *report)
{
    for (size_t i = 0; i < report->kept_count; i++) {
        viv_buffer_fini(&report->failures[i].text);
    }
    *report = (struct viv_check_report){0};
}
