#include "zab/membership.h"

#include <string.h>

#include "base/assert.h"
#include "wire/members.h"

static bool names(const struct viv_configuration *configuration, viv_sid sid)
{
    return sid != 0 && viv_quorum_index(&configuration->quorum, sid) >= 0;
}

/* Slots of servers that nobody names any more are free again. */
static void free_slots(struct viv_membership *membership)
{
    for (size_t i = 0; i < VIV_MEMBERS_MAX; i++) {
        viv_sid sid = membership->slots[i];
        bool is_named = names(&membership->active, sid) ||
                        (membership->has_proposed && names(&membership->proposed, sid)) ||
                        (membership->has_hinted && names(&membership->hinted, sid));
        membership->slots[i] = is_named ? sid : 0;
    }
}

static int find_slot(const struct viv_membership *membership, viv_sid sid)
{
    int found = -1;
    for (size_t i = 0; i < VIV_MEMBERS_MAX; i++) {
        if (membership->slots[i] == sid) {
            return (int)i;
        }
        found = found < 0 && membership->slots[i] == 0 ? (int)i : found;
    }
    return found;
}

/* False: there are more servers than slots; nothing has changed but slots of servers that nobody names. */
static bool fill(struct viv_membership *membership, struct viv_configuration *configuration,
                 const struct viv_zab_member *members, size_t count)
{
    struct viv_zab_member placed[VIV_MEMBERS_MAX] = {0};
    size_t end = 0;
    for (size_t i = 0; i < count; i++) {
        int slot = find_slot(membership, members[i].sid);
        if (slot < 0) {
            return false;
        }
        membership->slots[slot] = members[i].sid;
        placed[slot] = members[i];
        end = (size_t)slot + 1 > end ? (size_t)slot + 1 : end;
    }
    memcpy(configuration->members, placed, sizeof placed);
    viv_quorum_init(&configuration->quorum, configuration->members, end);
    return true;
}

static void set_text(struct viv_configuration *configuration, struct viv_bytes text, uint64_t version, uint64_t zxid)
{
    struct viv_buffer copy = {0};
    viv_buffer_append_bytes(&copy, text); /* it may be the old one */
    viv_buffer_fini(&configuration->text);
    configuration->text = copy;
    configuration->version = version;
    configuration->zxid = zxid;
}

void viv_membership_init(struct viv_membership *membership, const struct viv_zab_member *members, size_t count,
                         struct viv_bytes text, uint64_t version)
{
    *membership = (struct viv_membership){0};
    bool has_room = fill(membership, &membership->active, members, count);
    VIV_ASSERT(has_room);
    set_text(&membership->active, text, version, 0);
}

void viv_membership_fini(struct viv_membership *membership)
{
    viv_buffer_fini(&membership->active.text);
    viv_buffer_fini(&membership->proposed.text);
    viv_buffer_fini(&membership->hinted.text);
}

static void forget_proposed(struct viv_membership *membership)
{
    membership->has_proposed = false;
    free_slots(membership);
}

void viv_membership_activate(struct viv_membership *membership)
{
    struct viv_configuration *active = &membership->active, *proposed = &membership->proposed;
    VIV_ASSERT(membership->has_proposed);
    memcpy(active->members, proposed->members, sizeof active->members);
    viv_quorum_init(&active->quorum, active->members, proposed->quorum.count);
    set_text(active, viv_buffer_bytes(&proposed->text), proposed->version, proposed->zxid);
    forget_proposed(membership);
}

/* The members that a text names. False: it cannot be read. */
static bool read_members(struct viv_bytes text, struct viv_zab_member members[VIV_MEMBERS_MAX], size_t *count,
                         uint64_t *version)
{
    struct viv_members read;
    if (viv_members_parse(text, &read) != VIV_OK) {
        return false;
    }
    for (size_t i = 0; i < read.count; i++) {
        const struct viv_member *member = &read.items[i];
        members[i] =
            (struct viv_zab_member){member->sid, member->voter, (uint32_t)member->group, (uint64_t)member->weight};
    }
    *count = read.count;
    *version = read.version;
    return true;
}

/* Its entry was damaged and is whole again, behind one that proposes another: it was committed before that. */
static bool activate_late(struct viv_membership *membership, const struct viv_zab_member *members, size_t count,
                          struct viv_bytes text, uint64_t version, uint64_t zxid)
{
    bool has_room = fill(membership, &membership->active, members, count);
    if (has_room) {
        set_text(&membership->active, text, version, zxid);
    }
    free_slots(membership);
    return has_room;
}

bool viv_membership_propose(struct viv_membership *membership, struct viv_bytes text, uint64_t zxid)
{
    struct viv_zab_member members[VIV_MEMBERS_MAX];
    size_t count;
    uint64_t version;
    if (!read_members(text, members, &count, &version)) {
        return false;
    }
    if (version <= membership->active.version) {
        return true;
    }
    viv_membership_forget_hint(membership);
    if (membership->has_proposed && zxid < membership->proposed.zxid) {
        return activate_late(membership, members, count, text, version, zxid);
    }
    if (membership->has_proposed) {
        viv_membership_activate(membership);
    }
    if (!fill(membership, &membership->proposed, members, count)) {
        free_slots(membership);
        return false;
    }
    set_text(&membership->proposed, text, version, zxid);
    membership->has_proposed = true;
    return true;
}

void viv_membership_rebase(struct viv_membership *membership)
{
    membership->active.zxid = 0;
    forget_proposed(membership);
}

bool viv_membership_truncate(struct viv_membership *membership, uint64_t zxid)
{
    if (!membership->has_proposed || membership->proposed.zxid <= zxid) {
        return false;
    }
    forget_proposed(membership);
    return true;
}

bool viv_membership_adopt(struct viv_membership *membership, struct viv_bytes text)
{
    struct viv_zab_member members[VIV_MEMBERS_MAX];
    size_t count;
    uint64_t version;
    if (!read_members(text, members, &count, &version) || version <= membership->active.version) {
        return false;
    }
    if (membership->has_proposed && membership->proposed.version == version) {
        viv_membership_activate(membership);
        return true;
    }
    if (membership->has_proposed && membership->proposed.version < version) {
        membership->has_proposed = false; /* what came after it proves nothing else than that it is past */
    }
    viv_membership_forget_hint(membership);
    if (!fill(membership, &membership->active, members, count)) {
        free_slots(membership);
        return false;
    }
    set_text(&membership->active, text, version, 0);
    free_slots(membership);
    return true;
}

bool viv_membership_hint(struct viv_membership *membership, struct viv_bytes text)
{
    struct viv_zab_member members[VIV_MEMBERS_MAX];
    size_t count;
    uint64_t version;
    if (membership->has_hinted && viv_bytes_equal(text, viv_buffer_bytes(&membership->hinted.text))) {
        return false;
    }
    if (!read_members(text, members, &count, &version) || version <= membership->active.version ||
        (membership->has_hinted && version <= membership->hinted.version)) {
        return false; /* two voters with different ones must not take turns */
    }
    if (!fill(membership, &membership->hinted, members, count)) {
        free_slots(membership);
        return false;
    }
    set_text(&membership->hinted, text, version, 0);
    membership->has_hinted = true;
    free_slots(membership);
    return true;
}

void viv_membership_forget_hint(struct viv_membership *membership)
{
    membership->has_hinted = false;
    free_slots(membership);
}

void viv_membership_stamped(const struct viv_membership *membership, uint64_t version, struct viv_buffer *out)
{
    struct viv_members members;
    if (viv_members_parse(viv_buffer_bytes(&membership->active.text), &members) == VIV_OK) {
        members.version = version;
        viv_members_print(&members, out);
    }
}

/* ---- questions ---- */

int viv_membership_index(const struct viv_membership *membership, viv_sid sid)
{
    for (size_t i = 0; i < VIV_MEMBERS_MAX && sid != 0; i++) {
        if (membership->slots[i] == sid) {
            return (int)i;
        }
    }
    return -1;
}

uint64_t viv_membership_voters(const struct viv_membership *membership)
{
    return membership->active.quorum.voters | (membership->has_proposed ? membership->proposed.quorum.voters : 0) |
           (membership->has_hinted ? membership->hinted.quorum.voters : 0);
}

uint64_t viv_membership_deciding(const struct viv_membership *membership)
{
    return membership->active.quorum.deciding | (membership->has_proposed ? membership->proposed.quorum.deciding : 0) |
           (membership->has_hinted ? membership->hinted.quorum.deciding : 0);
}

uint64_t viv_membership_voter(const struct viv_membership *membership, viv_sid sid)
{
    int index = viv_membership_index(membership, sid);
    return index < 0 ? 0 : viv_membership_voters(membership) & (UINT64_C(1) << index);
}

bool viv_membership_has_room(const struct viv_membership *membership, const struct viv_zab_member *members,
                             size_t count)
{
    size_t together = count;
    for (size_t i = 0; i < VIV_MEMBERS_MAX; i++) {
        viv_sid sid = membership->active.members[i].sid;
        bool is_in_both = sid == 0;
        for (size_t k = 0; k < count; k++) {
            is_in_both = is_in_both || members[k].sid == sid;
        }
        together += !is_in_both;
    }
    return together <= VIV_MEMBERS_MAX;
}

bool viv_membership_may_lead(const struct viv_membership *membership, viv_sid sid)
{
    return viv_quorum_may_lead(&membership->active.quorum, sid) ||
           (membership->has_proposed && viv_quorum_may_lead(&membership->proposed.quorum, sid));
}

bool viv_membership_may_follow(const struct viv_membership *membership, viv_sid sid)
{
    return (viv_membership_voter(membership, sid) & viv_membership_deciding(membership)) != 0;
}

bool viv_membership_is_observer(const struct viv_membership *membership, viv_sid sid)
{
    const struct viv_quorum *quorum = &membership->active.quorum;
    return viv_quorum_index(quorum, sid) >= 0 && viv_quorum_voter(quorum, sid) == 0;
}

bool viv_membership_has(const struct viv_membership *membership, uint64_t set)
{
    return viv_quorum_has(&membership->active.quorum, set) &&
           (!membership->has_proposed || viv_quorum_has(&membership->proposed.quorum, set));
}

bool viv_membership_has_active(const struct viv_membership *membership, uint64_t set)
{
    return viv_quorum_has(&membership->active.quorum, set);
}

uint64_t viv_membership_zxid(const struct viv_membership *membership, const uint64_t zxids[VIV_MEMBERS_MAX])
{
    uint64_t zxid = viv_quorum_zxid(&membership->active.quorum, zxids);
    if (!membership->has_proposed || zxid < membership->proposed.zxid) {
        return zxid;
    }
    uint64_t other = viv_quorum_zxid(&membership->proposed.quorum, zxids);
    uint64_t both = zxid < other ? zxid : other;
    return both >= membership->proposed.zxid ? both : membership->proposed.zxid - 1;
}

bool viv_membership_moves(const struct viv_membership *membership, viv_sid sid)
{
    struct viv_members from, to;
    if (viv_members_parse(viv_buffer_bytes(&membership->active.text), &from) != VIV_OK ||
        viv_members_parse(viv_buffer_bytes(&membership->proposed.text), &to) != VIV_OK) {
        return false;
    }
    const struct viv_member *before = viv_members_find(&from, sid), *after = viv_members_find(&to, sid);
    return before != NULL && after != NULL &&
           (strcmp(before->host, after->host) != 0 || before->peer_port != after->peer_port);
}
