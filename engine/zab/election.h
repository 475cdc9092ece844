#ifndef VIV_ZAB_ELECTION_H
#define VIV_ZAB_ELECTION_H

#include "base/limits.h"
#include "zab/election_policy.h"

/* Fast leader election (zab.md §4): every voter spreads the best candidate it knows of until a quorum agrees. Knows
 * votes; does not know links, epochs' promises or history. Nothing here is durable and nothing here makes ZAB safe;
 * it makes a decision likely and quick.
 *
 * Waits: none when every voter that can answer agrees; otherwise FINALIZE_MS after a quorum does, in case a better
 * vote is on its way (Java voters do the same). A leader whose link was lost is not waited for. */

struct viv_ballot {
    bool present;
    enum viv_server_state state; /* of the one who sent it */
    uint64_t round;
    struct viv_candidate candidate;
};

struct viv_election {
    uint64_t round;
    struct viv_candidate proposal;
    struct viv_ballot seen[VIV_MEMBERS_MAX];    /* of this round, by member index */
    struct viv_ballot settled[VIV_MEMBERS_MAX]; /* from servers that follow or lead, whatever their round */
    struct viv_ballot early[VIV_MEMBERS_MAX];   /* came before the election could begin here */
    bool is_open;                               /* votes were sent; before, the disk has not answered everything */
    uint64_t answered;                          /* voters that got a vote of their own since the last resend */
    uint64_t absent;                            /* the leader that was lost */
    uint64_t supporters;                        /* voters that agreed with the decision */
    uint64_t resend_at_ms, resend_wait_ms;
    bool is_agreed; /* by a quorum */
    uint64_t decide_at_ms;
    viv_sid designated;      /* leads by decision of a reconfiguration: no votes are needed */
    struct viv_vote serving; /* told to those who ask once it is decided */
};

/* Looks for a leader as soon as the disk is idle. lost: the leader that went away, or 0; designated: the one that a
 * reconfiguration has named, or 0. */
void viv_election_begin(struct viv_zab *zab, viv_sid lost, viv_sid designated);
/* The disk may be idle now. */
void viv_election_open(struct viv_zab *zab);
void viv_election_vote(struct viv_zab *zab, viv_sid sid, const struct viv_vote *vote);
void viv_election_tick(struct viv_zab *zab);
/* While nobody is looked for: asks the other voters for an echo, when the policy measures. */
void viv_election_measure(struct viv_zab *zab);
/* Tells every voter the vote served under, with the state of now. */
void viv_election_announce(struct viv_zab *zab);
/* The epoch is established: late joiners must see one and the same everywhere. */
void viv_election_established(struct viv_zab *zab, uint32_t epoch);

#endif /* VIV_ZAB_ELECTION_H */
