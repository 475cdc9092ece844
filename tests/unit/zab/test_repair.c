#include "tests/support/viv_test.h"
#include "zab/repair.h"

/* What may be given up, over every state of an entry on every server, and every set of servers that answer. */

enum state { INTACT, ROTTEN, TORN, MISSING, STATE_COUNT };

static struct viv_membership ensemble(size_t count)
{
    struct viv_zab_member members[VIV_MEMBERS_MAX] = {0};
    struct viv_membership membership;
    for (size_t i = 0; i < count; i++) {
        members[i] = (struct viv_zab_member){.sid = (viv_sid)i + 1, .voter = true};
    }
    viv_membership_init(&membership, members, count, (struct viv_bytes){0}, 0);
    return membership;
}

VIV_TEST(repair, an_entry_is_given_up_only_when_no_quorum_can_have_stored_it)
{
    unsigned long looked = 0, dropped = 0, lost = 0;
    for (size_t count = 3; count <= 6; count++) {
        struct viv_membership membership = ensemble(count);
        unsigned long states = 1UL << (2 * count);
        for (unsigned long s = 0; s < states; s++) {
            for (uint64_t reachable = 1; reachable < UINT64_C(1) << count; reachable += 2) {
                struct viv_repair_answers answers = {0};
                uint64_t stored = 0; /* by whom it may ever have been acknowledged */
                bool has_copy = false;
                enum state own = (enum state)(s & 3);
                if (own != ROTTEN && own != TORN) {
                    continue;
                }
                for (size_t i = 0; i < count; i++) {
                    enum state state = (enum state)(s >> (2 * i) & 3);
                    uint64_t bit = UINT64_C(1) << i;
                    stored |= state == INTACT || state == ROTTEN ? bit : 0;
                    if (i > 0 && (reachable & bit)) {
                        answers.absent |= state == MISSING ? bit : 0;
                        answers.uncertain |= state == TORN ? bit : 0;
                        answers.unknown |= state == ROTTEN ? bit : 0;
                        has_copy = has_copy || state == INTACT;
                    }
                }
                enum viv_repair_verdict verdict = viv_repair_judge(&membership, 1, &answers, own == TORN);
                looked++;
                dropped += verdict == VIV_REPAIR_DROP;
                lost += verdict == VIV_REPAIR_LOST;
                cr_assert(verdict != VIV_REPAIR_DROP || !viv_membership_has(&membership, stored),
                          "%zu servers, states %lx, reachable %llx", count, s, (unsigned long long)reachable);
                cr_assert(verdict != VIV_REPAIR_LOST || (!has_copy && reachable == (UINT64_C(1) << count) - 1));
            }
        }
        viv_membership_fini(&membership);
    }
    cr_assert(looked > 10000 && dropped > 100 && lost > 10, "%lu %lu %lu", looked, dropped, lost);
}
