#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/hex.h"
#include "tests/support/viv_test.h"
#include "tests/support/world.h"
#include "wire/reply_code.h"

/* requests.txt holds requests beside the transactions that a ZooKeeper server logged for them. */

enum { LINE_BYTES_MAX = 16384, TRANSACTIONS_MIN = 400, ALL = 1000 };

struct transcript {
    FILE *file;
    char line[LINE_BYTES_MAX];
    char who[32];
    int32_t op;
    struct viv_buffer record, body;
    struct viv_txn_header header;
};

static void transcript_open(struct transcript *transcript)
{
    char path[1024];
    const char *top = getenv("VIV_SOURCE_DIR");
    *transcript = (struct transcript){0};
    snprintf(path, sizeof path, "%s/tests/unit/prepare/requests.txt", top == NULL ? "." : top);
    transcript->file = fopen(path, "r");
    cr_assert_not_null(transcript->file, "cannot read %s", path);
}

static void transcript_close(struct transcript *transcript)
{
    fclose(transcript->file);
    viv_buffer_fini(&transcript->record);
    viv_buffer_fini(&transcript->body);
}

static bool transcript_next(struct transcript *transcript)
{
    static char record[LINE_BYTES_MAX], body[LINE_BYTES_MAX];

    do {
        if (fgets(transcript->line, sizeof transcript->line, transcript->file) == NULL) {
            return false;
        }
    } while (transcript->line[0] == '#');
    cr_assert_eq(sscanf(transcript->line, "%31s %d %16383s %16383s", transcript->who, &transcript->op, record, body),
                 4);
    viv_buffer_clear(&transcript->record);
    viv_buffer_clear(&transcript->body);
    if (strcmp(record, "-") != 0) {
        viv_hex_append(&transcript->record, record);
    }
    viv_hex_append(&transcript->body, body);
    struct viv_jute_reader reader = viv_jute_reader_of(viv_buffer_bytes(&transcript->body));
    viv_txn_header_decode(&reader, &transcript->header);
    return true;
}

static void identities_of(const char *who, struct viv_buffer *authinfo)
{
    bool is_alice = strcmp(who, "alice") == 0;
    viv_buffer_clear(authinfo);
    viv_jute_write_int(authinfo, is_alice ? 2 : 1);
    viv_jute_write_text(authinfo, "ip");
    viv_jute_write_text(authinfo, "127.0.0.1");
    if (is_alice) {
        viv_jute_write_text(authinfo, "digest");
        viv_jute_write_text(authinfo, "alice:aYXlLOpEooaV1cRAvUL1fp9Qt7E=");
    }
}

/* Prepares the whole transcript while `lag` transactions are always proposed and not yet applied. */
static void replay(size_t lag)
{
    struct transcript transcript;
    struct viv_tree *tree = viv_tree_new();
    struct viv_preparer *preparer = viv_preparer_new(tree);
    struct viv_buffer authinfo = {0};
    struct viv_buffer *bodies = viv_alloc_zeroed(ALL, sizeof *bodies);
    struct viv_arena arena = {0};
    size_t made = 0, applied = 0;

    transcript_open(&transcript);
    while (transcript_next(&transcript)) {
        cr_assert_lt(made, ALL);
        identities_of(transcript.who, &authinfo);
        struct viv_request request = {transcript.header.session_id, transcript.header.cxid, transcript.op,
                                      viv_buffer_bytes(&transcript.record), viv_buffer_bytes(&authinfo)};
        viv_prepare(preparer, &request, transcript.header.zxid, transcript.header.time_ms, &bodies[made]);
        cr_assert(viv_bytes_equal(viv_buffer_bytes(&bodies[made]), viv_buffer_bytes(&transcript.body)),
                  "lag %zu, another transaction than ZooKeeper's for: %s", lag, transcript.line);
        made++;
        while (made - applied > lag) {
            struct viv_applied result;
            viv_arena_reset(&arena);
            viv_tree_apply(tree, viv_buffer_bytes(&bodies[applied++]), VIV_APPLY_LIVE, &arena, &result);
            cr_assert_not(result.malformed);
            viv_preparer_applied(preparer, result.header.zxid);
        }
    }
    cr_assert_gt(made, TRANSACTIONS_MIN);
    transcript_close(&transcript);
    viv_preparer_free(preparer);
    viv_tree_free(tree);
    viv_buffer_fini(&authinfo);
    for (size_t i = 0; i < made; i++) {
        viv_buffer_fini(&bodies[i]);
    }
    free(bodies);
    viv_arena_fini(&arena);
}

VIV_TEST(prepare_transcript, every_transaction_is_zookeepers_byte_for_byte)
{
    replay(0);
}

VIV_TEST(prepare_transcript, what_is_pending_is_seen_as_if_it_were_applied)
{
    replay(1);
    replay(7);
    replay(60);
    replay(ALL);
}

/* Negative control: the comparison does notice a state that is one transaction off. */
VIV_TEST(prepare_transcript, a_forgotten_transaction_makes_a_difference)
{
    struct transcript transcript;
    struct viv_world world;
    bool differed = false;

    viv_world_init(&world);
    transcript_open(&transcript);
    for (int i = 0; i < 40 && transcript_next(&transcript); i++) {
        viv_buffer_append_bytes(&world.record, viv_buffer_bytes(&transcript.record));
        int32_t code = viv_world_prepare(&world, transcript.op);
        differed = differed || (code != VIV_REPLY_OK && transcript.header.type != VIV_OP_ERROR);
        viv_preparer_reset(world.preparer, world.tree);
    }
    cr_assert(differed);
    transcript_close(&transcript);
    viv_world_fini(&world);
}
