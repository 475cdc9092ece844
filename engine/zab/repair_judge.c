#include "zab/membership.h"
#include "zab/repair.h"

/* Does every quorum need one of the set? */
static bool blocks(const struct viv_quorum *quorum, uint64_t set)
{
    return !viv_quorum_has(quorum, quorum->voters & ~set);
}

/* The reconfiguration itself may be what is damaged: both configurations must agree. */
static bool blocks_all(const struct viv_membership *membership, uint64_t set)
{
    return blocks(&membership->active.quorum, set) &&
           (!membership->has_proposed || blocks(&membership->proposed.quorum, set));
}

enum viv_repair_verdict viv_repair_judge(const struct viv_membership *membership, viv_sid self,
                                         const struct viv_repair_answers *answers, bool own_uncertain)
{
    uint64_t own = viv_membership_voter(membership, self);
    uint64_t absent = answers->absent & ~own;
    uint64_t others = viv_membership_voters(membership) & ~own;
    bool everybody = (others & ~(answers->absent | answers->uncertain | answers->unknown)) == 0;
    if (blocks_all(membership, absent)) {
        return VIV_REPAIR_DROP;
    }
    /* Whoever acknowledges marks the entry as durable right after. With no such mark anywhere, everywhere looked at,
     * the power went while it was being written. */
    if (everybody && own_uncertain && (others & ~(absent | answers->uncertain)) == 0) {
        return VIV_REPAIR_DROP;
    }
    return everybody ? VIV_REPAIR_LOST : VIV_REPAIR_WAIT;
}
