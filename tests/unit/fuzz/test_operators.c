#include <stdlib.h>
#include <string.h>

#include "admin/authorization.h"
#include "admin/command.h"
#include "admin/health.h"
#include "node/audit.h"
#include "node/identity.h"
#include "server/four_letter.h"
#include "tests/support/viv_test.h"
#include "tests/unit/fuzz/fuzz.h"

/* What strangers may send to those who answer operators, and what clients may make the audit log say. */

enum { ROUNDS = 4000 };

VIV_TEST(fuzz_operators, headers_names_and_words_are_only_read)
{
    static const char *const seeds[] = {"digest root:secret",
                                        "ip",
                                        "configuration",
                                        "safe-to-stop",
                                        "/ready",
                                        "stmk\x00\x00\x00\x00\x00\x00\x01\x32",
                                        "wchp",
                                        "set_trace_mask"};
    struct viv_rng rng;
    viv_rng_init(&rng, 23);
    for (unsigned round = 0; round < fuzz_rounds(ROUNDS); round++) {
        struct viv_buffer bytes = {0};
        const char *seed = seeds[round % (sizeof seeds / sizeof seeds[0])];
        viv_buffer_append(&bytes, seed, strlen(seed) + 1);
        fuzz_mutate(&rng, &bytes);
        viv_buffer_append(&bytes, "\0\0\0\0", 4);
        struct viv_bytes exact = fuzz_exact(viv_buffer_bytes(&bytes));
        const char *text = (const char *)exact.data;
        struct viv_bytes scheme, auth;
        if (viv_authorization_parse(text, &scheme, &auth)) {
            cr_assert(scheme.size > 0 && scheme.size + auth.size <= strlen(text));
        }
        cr_assert(viv_command_find(text) <= VIV_COMMAND_COUNT);
        cr_assert(viv_health_find(text) <= VIV_HEALTH_COUNT);
        cr_assert(viv_four_letter_find(exact.data) <= VIV_FOUR_LETTER_NONE);
        free((void *)exact.data);
        viv_buffer_fini(&bytes);
    }
}

/* ---- the audit log ---- */

static void encode_requests(struct viv_buffer *records, int32_t *ops)
{
    struct viv_bytes acl = VIV_BYTES_LITERAL("\0\0\0\1\0\0\0\x1f\0\0\0\5world\0\0\0\6anyone");
    struct viv_jute_slice path = {.bytes = VIV_BYTES_LITERAL("/a/b\tc\n")};
    struct viv_create_request create = {.path = path, .acl = acl, .flags = 2, .ttl_ms = -1};
    struct viv_path_version_request erase = {.path = path, .version = -1};
    struct viv_set_data_request set = {.path = path, .version = -1};
    struct viv_set_acl_request set_acl = {.path = path, .acl = acl, .version = -1};
    ops[0] = VIV_OP_CREATE;
    viv_create_request_encode(&records[0], &create, VIV_OP_CREATE);
    ops[1] = VIV_OP_DELETE;
    viv_path_version_request_encode(&records[1], &erase);
    ops[2] = VIV_OP_SET_DATA;
    viv_set_data_request_encode(&records[2], &set);
    ops[3] = VIV_OP_SET_ACL;
    viv_set_acl_request_encode(&records[3], &set_acl);
    ops[4] = VIV_OP_MULTI;
    viv_multi_header_encode(&records[4], &(struct viv_multi_header){.type = VIV_OP_CREATE, .err = -1});
    viv_create_request_encode(&records[4], &create, VIV_OP_CREATE);
    viv_multi_header_encode(&records[4], &(struct viv_multi_header){.type = VIV_OP_DELETE, .err = -1});
    viv_path_version_request_encode(&records[4], &erase);
    viv_multi_header_encode(&records[4], &(struct viv_multi_header){.type = -1, .done = true, .err = -1});
}

/* Each line has its fields and nothing that could be taken for another line. */
static void expect_lines(struct viv_bytes lines)
{
    cr_assert_gt(lines.size, 0);
    cr_assert_eq(lines.data[lines.size - 1], '\n');
    while (lines.size > 0) {
        const uint8_t *end = memchr(lines.data, '\n', lines.size);
        struct viv_bytes line = viv_bytes_of(lines.data, (size_t)(end - lines.data));
        cr_assert(
            viv_bytes_starts_with(line, VIV_BYTES_LITERAL("session=0x7b\tuser=10.0.0.1\tip=10.0.0.1\toperation=")));
        cr_assert(memmem(line.data, line.size, "\tresult=", 8) != NULL);
        for (size_t i = 0; i < line.size; i++) {
            cr_assert(line.data[i] >= ' ' || line.data[i] == '\t');
        }
        lines = viv_bytes_of(end + 1, lines.size - line.size - 1);
    }
}

static void audit_one(int32_t op, struct viv_bytes record, bool is_refused)
{
    struct viv_node *node = viv_alloc_zeroed(1, sizeof *node);
    struct viv_connection connection = {.session_id = 123};
    struct viv_actions actions = {0};
    struct viv_apply_result results[2] = {{.type = op, .path = VIV_BYTES_LITERAL("/a/b0000000001")}, {.type = op}};
    struct viv_applied applied = {
        .results = results, .result_count = op == VIV_OP_MULTI ? 2 : 1, .is_multi = op == VIV_OP_MULTI};
    struct viv_pending request = {.op = op};
    viv_buffer_append_bytes(&request.record, record);
    viv_identity_init(&connection.authinfo, VIV_BYTES_LITERAL("10.0.0.1"));
    node->turn.out = &actions;
    viv_audit_answered(node, &connection, &request, is_refused ? NULL : &applied);
    for (size_t i = 0; i < actions.count; i++) {
        cr_assert_eq(actions.items[i].kind, VIV_ACTION_AUDIT);
        expect_lines(actions.items[i].bytes);
    }
    viv_actions_fini(&actions);
    viv_buffer_fini(&request.record);
    viv_buffer_fini(&connection.authinfo);
    free(node);
}

VIV_TEST(fuzz_operators, no_request_makes_the_audit_log_say_what_it_does_not_mean)
{
    struct viv_buffer records[5] = {{0}};
    int32_t ops[5];
    struct viv_rng rng;
    encode_requests(records, ops);
    viv_rng_init(&rng, 29);
    for (unsigned round = 0; round < fuzz_rounds(ROUNDS); round++) {
        size_t which = round % 5;
        struct viv_buffer bytes = {0};
        viv_buffer_append_bytes(&bytes, viv_buffer_bytes(&records[which]));
        if (round >= 10) {
            fuzz_mutate(&rng, &bytes);
        }
        struct viv_bytes exact = fuzz_exact(viv_buffer_bytes(&bytes));
        audit_one(ops[which], exact, round % 3 == 0);
        free((void *)exact.data);
        viv_buffer_fini(&bytes);
    }
    for (size_t i = 0; i < 5; i++) {
        viv_buffer_fini(&records[i]);
    }
}
