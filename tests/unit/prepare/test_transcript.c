#include <stdlib.h>

#include "tests/support/transcript.h"
#include "tests/support/viv_test.h"
#include "tests/support/world.h"
#include "wire/reply_code.h"

enum { TRANSACTIONS_MIN = 400, ALL = 1000 };

/* Prepares the whole transcript while `lag` transactions are always proposed and not yet applied. */
static void replay(size_t lag)
{
    struct viv_transcript transcript;
    const struct viv_prepare_rules rules = {.acl_schemes = VIV_ACL_SCHEMES_DEFAULT};
    struct viv_tree *tree = viv_tree_new();
    struct viv_preparer *preparer = viv_preparer_new(tree, &rules);
    struct viv_buffer *bodies = viv_alloc_zeroed(ALL, sizeof *bodies);
    struct viv_arena arena = {0};
    size_t made = 0, applied = 0;

    viv_transcript_open(&transcript, "requests.txt");
    while (viv_transcript_next(&transcript)) {
        cr_assert_lt(made, ALL);
        struct viv_txn_header header = viv_transcript_header(&transcript);
        struct viv_request request = {header.session_id,
                                      header.cxid,
                                      transcript.op,
                                      viv_buffer_bytes(&transcript.record),
                                      viv_buffer_bytes(&transcript.authinfo),
                                      false};
        viv_prepare(preparer, &request, header.zxid, header.time_ms, &bodies[made]);
        cr_assert(viv_bytes_equal(viv_buffer_bytes(&bodies[made]), viv_buffer_bytes(&transcript.answer)),
                  "lag %zu, another transaction than ZooKeeper's of op %d: %#llx", lag, transcript.op,
                  (unsigned long long)header.zxid);
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
    viv_transcript_close(&transcript);
    viv_preparer_free(preparer);
    viv_tree_free(tree);
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
    struct viv_transcript transcript;
    struct viv_world world;
    bool differed = false;

    viv_world_init(&world);
    viv_transcript_open(&transcript, "requests.txt");
    for (int i = 0; i < 40 && viv_transcript_next(&transcript); i++) {
        viv_buffer_append_bytes(&world.record, viv_buffer_bytes(&transcript.record));
        int32_t code = viv_world_prepare(&world, transcript.op);
        differed = differed || (code != VIV_REPLY_OK && viv_transcript_header(&transcript).type != VIV_OP_ERROR);
        viv_preparer_reset(world.preparer, world.tree);
    }
    cr_assert(differed);
    viv_transcript_close(&transcript);
    viv_world_fini(&world);
}
