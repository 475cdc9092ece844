#include "node/reconfigure.h"

#include <stdlib.h>
#include <string.h>

#include "node/group.h"
#include "wire/members.h"
#include "wire/path.h"
#include "wire/reply_code.h"

enum { VOTERS_MIN = 2, JOINER_BYTES_MAX = 2 * VIV_MEMBER_HOST_BYTES + 128 };

/* ---- one by one ---- */

/* The next piece up to the separator, NUL-terminated; false when there is none, or it is too long: *fits says which. */
static bool next_piece(struct viv_bytes *rest, char piece[JOINER_BYTES_MAX], bool *fits)
{
    *fits = true;
    if (rest->size == 0) {
        return false;
    }
    const uint8_t *end = memchr(rest->data, ',', rest->size);
    size_t size = end != NULL ? (size_t)(end - rest->data) : rest->size;
    *fits = size < JOINER_BYTES_MAX && memchr(rest->data, '\0', size) == NULL;
    if (!*fits) {
        return false;
    }
    memcpy(piece, rest->data, size);
    piece[size] = '\0';
    size += end != NULL;
    *rest = viv_bytes_of(rest->data + size, rest->size - size);
    return true;
}

/* As ZooKeeper: what is no number at all is no request (its parser fails), a number of nobody changes nothing. */
static int32_t parse_sid(const char *text, viv_sid *sid)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 18 || text[digits] != '\0') {
        return VIV_REPLY_MARSHALLING_ERROR;
    }
    *sid = (viv_sid)strtoull(text, NULL, 10);
    return VIV_REPLY_OK;
}

static int32_t leave(struct viv_members *members, struct viv_bytes leaving)
{
    char piece[JOINER_BYTES_MAX];
    bool fits;
    while (next_piece(&leaving, piece, &fits)) {
        viv_sid sid;
        int32_t code = parse_sid(piece, &sid);
        if (code != VIV_REPLY_OK) {
            return code;
        }
        (void)viv_members_remove(members, sid);
    }
    return fits ? VIV_REPLY_OK : VIV_REPLY_BAD_ARGUMENTS;
}

static bool is_same_endpoint(const char *a_host, int a_port, const char *b_host, int b_port)
{
    bool is_wildcard = a_host[0] == '\0' || strcmp(a_host, "0.0.0.0") == 0 || strcmp(a_host, "::") == 0;
    return !is_wildcard && a_port == b_port && strcmp(a_host, b_host) == 0;
}

/* Two servers cannot answer at one address. */
static bool collide(const struct viv_member *a, const struct viv_member *b)
{
    const struct {
        const char *host;
        int port;
    } mine[] = {{a->host, a->peer_port}, {a->host, a->election_port}, {a->client_host, a->client_port}},
      others[] = {{b->host, b->peer_port}, {b->host, b->election_port}, {b->client_host, b->client_port}};
    for (size_t i = 0; i < sizeof mine / sizeof mine[0]; i++) {
        for (size_t k = 0; k < sizeof others / sizeof others[0]; k++) {
            if (is_same_endpoint(mine[i].host, mine[i].port, others[k].host, others[k].port)) {
                return true;
            }
        }
    }
    return false;
}

/* "server.5=host:peer:election:role;client" */
static int32_t join_one(struct viv_members *members, char *piece)
{
    struct viv_member member;
    const char *why;
    viv_sid sid;
    char *value = strchr(piece, '=');
    if (value == NULL || strchr(value + 1, '=') != NULL) {
        return VIV_REPLY_BAD_ARGUMENTS;
    }
    *value++ = '\0';
    const char *dot = strrchr(piece, '.');
    int32_t code = parse_sid(dot != NULL ? dot + 1 : piece, &sid);
    if (code != VIV_REPLY_OK) {
        return code;
    }
    if (!viv_sid_is_valid(sid) || !viv_member_parse(value, &member, &why) || member.client_port < 0) {
        return VIV_REPLY_BAD_ARGUMENTS;
    }
    member.sid = sid;
    (void)viv_members_remove(members, sid);
    for (size_t i = 0; i < members->count; i++) {
        if (collide(&member, &members->items[i])) {
            return VIV_REPLY_BAD_ARGUMENTS;
        }
    }
    return viv_members_insert(members, &member) ? VIV_REPLY_OK : VIV_REPLY_BAD_ARGUMENTS;
}

static int32_t join(struct viv_members *members, struct viv_bytes joining)
{
    char piece[JOINER_BYTES_MAX];
    bool fits;
    while (next_piece(&joining, piece, &fits)) {
        int32_t code = join_one(members, piece);
        if (code != VIV_REPLY_OK) {
            return code;
        }
    }
    return fits ? VIV_REPLY_OK : VIV_REPLY_BAD_ARGUMENTS;
}

/* ---- all at once ---- */

static int32_t replace(struct viv_members *members, struct viv_bytes text)
{
    struct viv_buffer lines = {0};
    viv_buffer_append_bytes(&lines, text);
    for (size_t i = 0; i < lines.size; i++) {
        lines.data[i] = lines.data[i] == ',' ? '\n' : lines.data[i];
    }
    viv_status status = viv_members_parse(viv_buffer_bytes(&lines), members);
    viv_buffer_fini(&lines);
    return status == VIV_OK ? VIV_REPLY_OK : VIV_REPLY_BAD_ARGUMENTS;
}

/* ---- the request ---- */

/* Another leader for the same members: it must follow now. */
static int32_t hand_over(struct viv_group *group, struct viv_bytes text)
{
    char piece[JOINER_BYTES_MAX];
    bool fits;
    viv_sid others[VIV_MEMBERS_MAX], sid = 0;
    size_t prefix = sizeof VIV_RECONFIG_LEADER - 1;
    if (!next_piece(&text, piece, &fits) || text.size > 0 || parse_sid(piece + prefix, &sid) != VIV_REPLY_OK) {
        return VIV_REPLY_BAD_ARGUMENTS;
    }
    size_t count = viv_zab_synced_voters(group->zab, others);
    for (size_t i = 0; i < count; i++) {
        group->successor = others[i] == sid ? sid : group->successor;
    }
    return sid != 0 && (group->successor == sid || sid == group->sid) ? VIV_REPLY_OK : VIV_REPLY_NEW_CONFIG_NO_QUORUM;
}

static int32_t change(struct viv_group *group, const struct viv_reconfig_request *request, struct viv_members *members)
{
    if (!request->members.null) {
        return replace(members, request->members.bytes);
    }
    bool is_readable = viv_members_parse(viv_zab_members_text(group->zab), members) == VIV_OK;
    if (viv_bytes_starts_with(request->joining.bytes, VIV_BYTES_LITERAL(VIV_RECONFIG_LEADER))) {
        return is_readable ? hand_over(group, request->joining.bytes) : VIV_REPLY_BAD_ARGUMENTS;
    }
    if (!is_readable || members->has_groups) { /* groups are given anew, all of them */
        return VIV_REPLY_BAD_ARGUMENTS;
    }
    int32_t code = leave(members, request->leaving.bytes);
    return code == VIV_REPLY_OK ? join(members, request->joining.bytes) : code;
}

/* May they be proposed, and will what follows be committed? */
static int32_t check_voters(const struct viv_group *group, const struct viv_members *members)
{
    struct viv_zab_member voters[VIV_MEMBERS_MAX];
    for (size_t i = 0; i < members->count; i++) {
        const struct viv_member *member = &members->items[i];
        voters[i] =
            (struct viv_zab_member){member->sid, member->voter, (uint32_t)member->group, (uint64_t)member->weight};
    }
    if (!viv_zab_has_room(group->zab, voters, members->count)) {
        return VIV_REPLY_BAD_ARGUMENTS; /* most of so many are to be exchanged in two steps */
    }
    bool is_quorum = viv_zab_has_synced_quorum(group->zab, voters, members->count);
    return is_quorum ? VIV_REPLY_OK : VIV_REPLY_NEW_CONFIG_NO_QUORUM;
}

static bool has_several(const struct viv_members *members)
{
    for (size_t i = 0; i < members->count; i++) {
        if (viv_member_address_count(&members->items[i]) > 1) {
            return true;
        }
    }
    return false;
}

int32_t viv_reconfigure(void *ctx, const struct viv_reconfig_request *request, uint64_t zxid, struct viv_buffer *text)
{
    struct viv_group *group = ctx;
    struct viv_members members;
    group->successor = 0;
    if (group->standalone) {
        return VIV_REPLY_UNIMPLEMENTED;
    }
    if (viv_zab_is_reconfiguring(group->zab)) {
        return VIV_REPLY_RECONFIG_IN_PROGRESS;
    }
    if (request->version != -1 && (uint64_t)request->version != viv_zab_members_version(group->zab)) {
        return VIV_REPLY_BAD_VERSION;
    }
    int32_t code = change(group, request, &members);
    if (code != VIV_REPLY_OK) {
        return code;
    }
    if (viv_members_voters(&members) < VOTERS_MIN || (!group->rules.several_addresses && has_several(&members))) {
        return VIV_REPLY_BAD_ARGUMENTS;
    }
    code = check_voters(group, &members);
    if (code != VIV_REPLY_OK) {
        return code;
    }
    members.version = zxid;
    viv_members_print(&members, text);
    return VIV_REPLY_OK;
}

/* ---- what is told ---- */

struct viv_bytes viv_group_shown_members(const struct viv_group *group)
{
    struct viv_znode node;
    bool found = viv_tree_find(group->tree, VIV_BYTES_LITERAL(VIV_PATH_CONFIG), &node);
    return found ? node.data.bytes : (struct viv_bytes){0};
}

void viv_group_tell_members(struct viv_group *group, const struct viv_zab_output *output)
{
    struct viv_action *action = viv_actions_add(group->turn->out, VIV_ACTION_MEMBERS);
    struct viv_arena *arena = &group->turn->out->arena;
    action->gid = group->gid;
    action->bytes = viv_arena_copy(arena, output->members);
    action->members_next = viv_arena_copy(arena, output->members_next);
    if (output->flag && !group->standalone && output->members.size > 0 &&
        !viv_bytes_equal(output->members, viv_group_shown_members(group))) {
        viv_tree_show_members(group->tree, output->members, viv_zab_members_version(group->zab), group->turn->wall_ms);
    }
}
