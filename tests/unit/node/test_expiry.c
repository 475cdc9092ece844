#include "node/expiry.h"
#include "tests/support/viv_test.h"

enum { TICK_MS = 100 };

static bool is_due(struct viv_expiry *expiry, uint64_t now_ms, int64_t wanted)
{
    int64_t session_id = 0;
    return viv_expiry_next_due(expiry, now_ms, &session_id) && session_id == wanted;
}

VIV_TEST(node_expiry, a_session_dies_at_the_tick_after_its_timeout)
{
    struct viv_expiry expiry;
    int64_t session_id;
    viv_expiry_init(&expiry, TICK_MS);
    viv_expiry_track(&expiry, 5, 300, 1, 1050);
    cr_assert_not(viv_expiry_next_due(&expiry, 1399, &session_id));
    cr_assert(is_due(&expiry, 1400, 5));
    cr_assert_not(viv_expiry_is_alive(&expiry, 5), "it is closing now");
    cr_assert_not(viv_expiry_next_due(&expiry, 5000, &session_id), "it is told once");
    viv_expiry_fini(&expiry);
}

VIV_TEST(node_expiry, no_session_ages_while_the_server_does_not_run)
{
    struct viv_expiry expiry;
    int64_t session_id;
    viv_expiry_init(&expiry, TICK_MS);
    viv_expiry_awake(&expiry, 1000);
    viv_expiry_track(&expiry, 5, 300, 1, 1050);
    viv_expiry_awake(&expiry, 1100);
    viv_expiry_awake(&expiry, 9100); /* stopped for eight seconds */
    cr_assert_not(viv_expiry_next_due(&expiry, 9100, &session_id));
    viv_expiry_awake(&expiry, 9200);
    cr_assert_not(viv_expiry_next_due(&expiry, 9399, &session_id));
    cr_assert(is_due(&expiry, 9400, 5));
    viv_expiry_fini(&expiry);
}

VIV_TEST(node_expiry, a_touch_gives_the_full_timeout_again)
{
    struct viv_expiry expiry;
    int64_t session_id;
    viv_expiry_init(&expiry, TICK_MS);
    viv_expiry_track(&expiry, 5, 300, 1, 1000);
    for (uint64_t now_ms = 1000; now_ms < 5000; now_ms += 250) {
        viv_expiry_touch(&expiry, 5, 0, now_ms);
        cr_assert_not(viv_expiry_next_due(&expiry, now_ms, &session_id));
    }
    cr_assert(is_due(&expiry, 5200, 5));
    viv_expiry_fini(&expiry);
}

VIV_TEST(node_expiry, a_touch_tells_the_timeout_that_was_negotiated_last)
{
    struct viv_expiry expiry;
    int64_t session_id;
    viv_expiry_init(&expiry, TICK_MS);
    viv_expiry_track(&expiry, 5, 300, 1, 1000);
    viv_expiry_touch(&expiry, 5, 900, 1000);
    cr_assert_not(viv_expiry_next_due(&expiry, 1999, &session_id));
    cr_assert(is_due(&expiry, 2000, 5));
    viv_expiry_fini(&expiry);
}

VIV_TEST(node_expiry, timeouts_longer_than_the_ring_are_kept)
{
    struct viv_expiry expiry;
    int64_t session_id;
    viv_expiry_init(&expiry, TICK_MS);
    viv_expiry_track(&expiry, 1, 1000 * TICK_MS, 1, 0);
    viv_expiry_track(&expiry, 2, 2 * TICK_MS, 1, 0);
    cr_assert(is_due(&expiry, 10 * TICK_MS, 2));
    cr_assert_not(viv_expiry_next_due(&expiry, 1000 * TICK_MS, &session_id));
    cr_assert(is_due(&expiry, 1001 * TICK_MS, 1));
    viv_expiry_fini(&expiry);
}

VIV_TEST(node_expiry, a_session_belongs_to_the_server_it_was_attached_to_last)
{
    struct viv_expiry expiry;
    viv_expiry_init(&expiry, TICK_MS);
    viv_expiry_track(&expiry, 5, 300, 0, 1000);
    cr_assert(viv_expiry_claim(&expiry, 5, 2), "whoever writes first owns it");
    cr_assert_not(viv_expiry_claim(&expiry, 5, 3));
    viv_expiry_track(&expiry, 5, 300, 3, 1000);
    cr_assert(viv_expiry_claim(&expiry, 5, 3));
    cr_assert_not(viv_expiry_claim(&expiry, 5, 2));
    cr_assert(viv_expiry_claim(&expiry, 77, 2), "the tree knows best about sessions that are not tracked");
    viv_expiry_fini(&expiry);
}

VIV_TEST(node_expiry, removed_and_cleared_sessions_are_forgotten)
{
    struct viv_expiry expiry;
    int64_t session_id;
    viv_expiry_init(&expiry, TICK_MS);
    for (int64_t id = 1; id <= 20; id++) {
        viv_expiry_track(&expiry, id, 300, 1, 1000);
    }
    viv_expiry_remove(&expiry, 7);
    cr_assert_not(viv_expiry_is_alive(&expiry, 7));
    viv_expiry_mark_closing(&expiry, 8);
    viv_expiry_touch(&expiry, 8, 0, 1000);
    cr_assert_not(viv_expiry_is_alive(&expiry, 8));
    viv_expiry_clear(&expiry);
    cr_assert_not(viv_expiry_next_due(&expiry, 100000, &session_id));
    viv_expiry_fini(&expiry);
}
