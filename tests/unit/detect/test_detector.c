#include "detect/detector.h"
#include "tests/support/viv_test.h"

enum { MOST_MS = 10000, BEAT_MS = 50, TICK_MS = 20 };

static const struct viv_detector_limits limits = {
    .least_ms = VIV_DETECTOR_LEAST_MS, .most_ms = MOST_MS, .unknown_ms = MOST_MS};

/* Beats every beat_ms for so long; returns the time after it, right after a beat. */
static uint64_t beat(struct viv_detector *detector, uint64_t now_ms, uint64_t for_ms, uint64_t beat_ms)
{
    for (uint64_t end_ms = now_ms + for_ms; now_ms < end_ms;) {
        for (uint64_t i = 0; i < beat_ms / 10; i++) {
            now_ms += 10;
            cr_assert_not(viv_detector_suspects(detector, now_ms), "suspected at %llu", (unsigned long long)now_ms);
        }
        viv_detector_heard(detector, now_ms);
    }
    return now_ms;
}

/* How long a silence that begins now is borne, told the time every TICK_MS. */
static uint64_t borne_ms(struct viv_detector *detector, uint64_t now_ms)
{
    uint64_t silence_ms = 0;
    while (!viv_detector_suspects(detector, now_ms + silence_ms)) {
        silence_ms += TICK_MS;
        cr_assert_leq(silence_ms, 2 * MOST_MS);
    }
    return silence_ms;
}

VIV_TEST(detect_detector, a_peer_that_spoke_regularly_is_suspected_soon_after_it_fell_silent)
{
    struct viv_detector detector;
    viv_detector_begin(&detector, &limits, 7);
    uint64_t now_ms = beat(&detector, 7, 2000, BEAT_MS);
    cr_assert_eq(borne_ms(&detector, now_ms), VIV_DETECTOR_LEAST_MS + TICK_MS);
}

VIV_TEST(detect_detector, of_an_unknown_peer_only_the_upper_bound_is_held)
{
    struct viv_detector detector;
    viv_detector_begin(&detector, &limits, 0);
    viv_detector_heard(&detector, 30);
    cr_assert_eq(borne_ms(&detector, 30), MOST_MS + TICK_MS);
}

VIV_TEST(detect_detector, whose_habits_are_known_beforehand_is_borne_for_less_from_the_first_word_on)
{
    struct viv_detector detector;
    struct viv_detector_limits known = limits;
    known.unknown_ms = 2000;
    viv_detector_begin(&detector, &known, 0);
    cr_assert_eq(borne_ms(&detector, 0), 2000 + TICK_MS);
    viv_detector_begin(&detector, &known, 0);
    viv_detector_heard(&detector, 30);
    cr_assert_eq(borne_ms(&detector, 30), 2000 + TICK_MS);
    known.most_ms = 500;
    viv_detector_begin(&detector, &known, 0);
    cr_assert_eq(borne_ms(&detector, 0), 500 + TICK_MS, "the upper bound holds");
}

VIV_TEST(detect_detector, a_peer_that_speaks_rarely_is_given_time)
{
    struct viv_detector detector;
    viv_detector_begin(&detector, &limits, 0);
    uint64_t now_ms = beat(&detector, 0, 20000, 1000);
    cr_assert_eq(viv_detector_limit_ms(&detector), 4000);
    now_ms = beat(&detector, now_ms, 25000, 3000);
    cr_assert_eq(viv_detector_limit_ms(&detector), MOST_MS, "the upper bound holds");
    (void)now_ms;
}

VIV_TEST(detect_detector, a_stall_earns_patience_and_the_patience_ends)
{
    struct viv_detector detector;
    viv_detector_begin(&detector, &limits, 0);
    uint64_t now_ms = beat(&detector, 0, 2000, BEAT_MS);
    now_ms = beat(&detector, now_ms, 300, 300);
    cr_assert_eq(viv_detector_limit_ms(&detector), 1200);
    now_ms = beat(&detector, now_ms, 9000, BEAT_MS);
    cr_assert_eq(viv_detector_limit_ms(&detector), 1200, "it is remembered for a while");
    beat(&detector, now_ms, 21000, BEAT_MS);
    cr_assert_eq(viv_detector_limit_ms(&detector), VIV_DETECTOR_LEAST_MS, "and not for ever");
}

VIV_TEST(detect_detector, a_process_that_did_not_run_blames_nobody)
{
    struct viv_detector detector;
    viv_detector_begin(&detector, &limits, 0);
    uint64_t now_ms = beat(&detector, 0, 2000, BEAT_MS);
    now_ms += 60000; /* stopped, and continued */
    cr_assert_not(viv_detector_suspects(&detector, now_ms));
    cr_assert_eq(borne_ms(&detector, now_ms), VIV_DETECTOR_LEAST_MS - VIV_DETECTOR_STEP_MS + 10,
                 "what it hears from now on counts as before");
}

VIV_TEST(detect_detector, many_messages_at_once_do_not_shorten_its_memory)
{
    struct viv_detector detector;
    viv_detector_begin(&detector, &limits, 0);
    uint64_t now_ms = beat(&detector, 0, 2000, BEAT_MS);
    now_ms = beat(&detector, now_ms, 200, 200);
    for (int i = 0; i < 100000; i++) {
        viv_detector_heard(&detector, now_ms);
    }
    cr_assert_eq(viv_detector_limit_ms(&detector), 800);
}

VIV_TEST(detect_detector, time_in_which_nothing_was_due_is_no_silence)
{
    struct viv_detector detector;
    uint64_t now_ms = 0;
    struct viv_detector_limits disk = limits;
    disk.least_ms = 600;
    viv_detector_begin(&detector, &disk, 0);
    for (int i = 0; i < 100; i++) { /* asked every second, answers within 10 ms */
        for (int j = 0; j < 50; j++) {
            now_ms += TICK_MS;
            viv_detector_rest(&detector, now_ms);
        }
        now_ms += 10;
        viv_detector_heard(&detector, now_ms);
    }
    cr_assert_eq(borne_ms(&detector, now_ms), 600 + TICK_MS);
}
