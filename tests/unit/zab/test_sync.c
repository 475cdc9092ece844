#include "tests/support/viv_test.h"
#include "zab/sync.h"

#define Z(epoch, counter) VIV_ZXID(epoch, counter)

/* 7.1 .. 7.3, 8.1 .. 8.3; the floor is 7.0 unless said otherwise. */
static void fill(struct viv_history *history, uint64_t floor)
{
    static const uint64_t zxids[] = {Z(7, 1), Z(7, 2), Z(7, 3), Z(8, 1), Z(8, 2), Z(8, 3)};
    viv_history_reset(history, floor);
    for (size_t i = 0; i < 6; i++) {
        viv_history_append(history, &(struct viv_entry){zxids[i], VIV_BYTES_LITERAL("x"), 0});
    }
    viv_history_commit(history, Z(8, 3));
    while (viv_history_deliver(history, Z(8, 3)) != NULL) {
    }
}

struct question {
    uint64_t claim, target;
    bool native;
    enum viv_sync_kind kind;
    uint64_t zxid;
};

static void ask(uint64_t floor, const struct question *questions, size_t count)
{
    struct viv_history history = {0};
    fill(&history, floor);
    for (size_t i = 0; i < count; i++) {
        const struct question *q = &questions[i];
        struct viv_sync_choice choice = viv_sync_choose(&(struct viv_sync_question){
            .history = &history,
            .learner_zxid = q->claim,
            .target_zxid = q->target != 0 ? q->target : Z(8, 3),
            .adopted_epoch = 8,
            .native = q->native,
            .native_voter = q->native,
        });
        cr_assert_eq(choice.kind, q->kind, "question %zu: kind %d", i, (int)choice.kind);
        cr_assert(choice.kind == VIV_SYNC_SNAP || choice.zxid == q->zxid, "question %zu: zxid", i);
    }
    viv_history_fini(&history);
}

VIV_TEST(zab_sync, a_claim_that_is_a_member_of_the_history_is_continued)
{
    static const struct question questions[] = {
        {Z(8, 3), 0, false, VIV_SYNC_DIFF, Z(8, 3)},
        {Z(8, 1), 0, false, VIV_SYNC_DIFF, Z(8, 1)},
        {Z(7, 3), 0, true, VIV_SYNC_DIFF, Z(7, 3)},
    };
    ask(Z(7, 0), questions, 3);
}

VIV_TEST(zab_sync, a_claim_inside_the_range_but_not_in_the_history_is_cut)
{
    static const struct question questions[] = {
        {Z(7, 4), 0, false, VIV_SYNC_TRUNC, Z(7, 3)}, /* (7,4) lies between 71 and 83 and is not ours */
        {Z(7, 4), 0, true, VIV_SYNC_TRUNC, Z(7, 3)},
        {Z(8, 9), 0, false, VIV_SYNC_TRUNC, Z(8, 3)},
    };
    ask(Z(7, 0), questions, 3);
}

VIV_TEST(zab_sync, a_claim_of_an_epoch_that_is_not_ours_is_cut_only_by_a_learner_that_checks)
{
    static const struct question questions[] = {
        {Z(9, 2), 0, true, VIV_SYNC_TRUNC, Z(8, 3)},
        {Z(9, 2), 0, false, VIV_SYNC_SNAP, 0},
    };
    ask(Z(7, 0), questions, 2);
}

VIV_TEST(zab_sync, an_empty_learner_gets_a_snapshot_not_a_part_of_the_history)
{
    static const struct question questions[] = {{0, 0, true, VIV_SYNC_SNAP, 0}, {0, 0, false, VIV_SYNC_SNAP, 0}};
    ask(Z(7, 0), questions, 2);
}

VIV_TEST(zab_sync, a_claim_older_than_memory_is_looked_up_in_the_log)
{
    static const struct question questions[] = {{Z(6, 40), 0, true, VIV_SYNC_READ, Z(6, 40)},
                                                {Z(6, 40), 0, false, VIV_SYNC_READ, Z(6, 40)}};
    ask(Z(7, 0), questions, 2);
}

VIV_TEST(zab_sync, the_start_of_an_epoch_is_continued_only_where_that_epoch_is_known)
{
    static const struct question questions[] = {
        {Z(8, 0), 0, false, VIV_SYNC_DIFF, Z(8, 0)}, /* 8.1 follows */
        {Z(9, 0), 0, false, VIV_SYNC_SNAP, 0},       /* not the epoch that was adopted */
        {Z(5, 0), 0, false, VIV_SYNC_SNAP, 0},
    };
    ask(Z(7, 0), questions, 3);
}

VIV_TEST(zab_sync, uncommitted_entries_are_kept_by_our_learners_and_cut_from_others)
{
    static const struct question questions[] = {
        {Z(8, 2), Z(8, 1), true, VIV_SYNC_DIFF, Z(8, 2)},
        {Z(8, 2), Z(8, 1), false, VIV_SYNC_TRUNC, Z(8, 1)},
        {Z(8, 3), Z(8, 1), false, VIV_SYNC_TRUNC, Z(8, 1)},
    };
    ask(Z(7, 0), questions, 3);
}

VIV_TEST(zab_sync, two_servers_that_never_had_an_entry_need_none)
{
    struct viv_history history = {0};
    struct viv_sync_choice choice = viv_sync_choose(&(struct viv_sync_question){.history = &history});
    cr_assert_eq(choice.kind, VIV_SYNC_DIFF);
    viv_history_fini(&history);
}
