#ifndef VIV_ZAB_MEMBERSHIP_H
#define VIV_ZAB_MEMBERSHIP_H

#include "base/bytes.h"
#include "zab/quorum.h"

/* Who decides (zab.md §12): the active configuration, and beside it the one that a reconfiguration in the history
 * proposes, until that is committed. While there are two, whatever a quorum decides takes a quorum of each: two sets of
 * servers, never one merged.
 *
 * A configuration is an entry of the history and shares its fate: it is durable with the entry, committed with it, and
 * gone when it is truncated. Only the first one comes from a file. A committed one may also be heard of (in a vote, in
 * NEWLEADER, in a snapshot) before its entry comes.
 *
 * Servers have slots, which the masks of quorums count; a server keeps its slot for as long as one of the two
 * configurations names it. Does not know roles, links or what is being decided. */

struct viv_configuration {
    struct viv_zab_member members[VIV_MEMBERS_MAX]; /* by slot; sid 0: that server is not in it */
    struct viv_quorum quorum;
    struct viv_buffer text;
    uint64_t version;
    uint64_t zxid; /* of its entry in the history; 0: it was heard of */
};

struct viv_membership {
    viv_sid slots[VIV_MEMBERS_MAX]; /* 0: free */
    struct viv_configuration active, proposed;
    struct viv_configuration
        hinted; /* proposed in another server's history; its servers may be elected, none is counted */
    bool has_proposed, has_hinted;
};

/* `text` need not list the members: the first configuration may come from elsewhere. */
void viv_membership_init(struct viv_membership *membership, const struct viv_zab_member *members, size_t count,
                         struct viv_bytes text, uint64_t version);
void viv_membership_fini(struct viv_membership *membership);

/* An entry of the history proposes this text. One that is proposed already was committed, for its leader would not have
 * proposed another before; so was one whose entry lies before the proposed one's, and could not be read until now.
 * Nothing happens when it is not newer than the active one. False: the text cannot be read, or names too many servers.
 */
bool viv_membership_propose(struct viv_membership *membership, struct viv_bytes text, uint64_t zxid) VIV_MUST_USE;
/* The proposed one is committed. */
void viv_membership_activate(struct viv_membership *membership);
/* The history ends at zxid now. True when the proposed one went with what was cut off. */
bool viv_membership_truncate(struct viv_membership *membership, uint64_t zxid);
/* A snapshot is the history now: no configuration is an entry of it. */
void viv_membership_rebase(struct viv_membership *membership);
/* A committed configuration is heard of. True when it is newer and is the active one now. */
bool viv_membership_adopt(struct viv_membership *membership, struct viv_bytes text);
/* Another server's history proposes this one. True when that is news: newer than the active one and than the last
 * hint. An entry of the own history, or a committed configuration, puts an end to it. */
bool viv_membership_hint(struct viv_membership *membership, struct viv_bytes text);
void viv_membership_forget_hint(struct viv_membership *membership);
/* Appends the text of the active members with another version; nothing when the text does not list them. */
void viv_membership_stamped(const struct viv_membership *membership, uint64_t version, struct viv_buffer *out);

/* -1 when no configuration names the server. */
int viv_membership_index(const struct viv_membership *membership, viv_sid sid);
/* Masks over slots, of all configurations together: what is not counted in any does no harm. */
uint64_t viv_membership_voters(const struct viv_membership *membership);
uint64_t viv_membership_deciding(const struct viv_membership *membership); /* voters that have weight */
uint64_t viv_membership_voter(const struct viv_membership *membership, viv_sid sid);
/* Could these be proposed? The servers of both configurations together must have slots. */
bool viv_membership_has_room(const struct viv_membership *membership, const struct viv_zab_member *members,
                             size_t count);
/* May the server lead under the active or the proposed one? */
bool viv_membership_may_lead(const struct viv_membership *membership, viv_sid sid);
/* The same, and the hinted one. */
bool viv_membership_may_follow(const struct viv_membership *membership, viv_sid sid);
/* Is the server an observer by the active one? Who is not named at all follows without a vote. */
bool viv_membership_is_observer(const struct viv_membership *membership, viv_sid sid);
/* Does the set hold a quorum of each? */
bool viv_membership_has(const struct viv_membership *membership, uint64_t set);
/* Does it hold one of the active configuration, which is what somebody who reigns has behind it at least? */
bool viv_membership_has_active(const struct viv_membership *membership, uint64_t set);
/* The highest zxid that is committed when each server has stored up to zxids[its slot]: what is proposed before the
 * reconfiguration takes a quorum of the active configuration, what comes from it on a quorum of each. */
uint64_t viv_membership_zxid(const struct viv_membership *membership, const uint64_t zxids[VIV_MEMBERS_MAX]);
/* Does the server answer learners elsewhere in the proposed configuration? */
bool viv_membership_moves(const struct viv_membership *membership, viv_sid sid);

#endif /* VIV_ZAB_MEMBERSHIP_H */
