#include "wire/members.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/endian.h"
#include "wire/records.h"

enum {
    LINE_BYTES_MAX = 2 * VIV_MEMBER_HOST_BYTES + VIV_MEMBER_OTHERS_BYTES + 128,
    TYPE_OFFSET = VIV_TXN_HEADER_BYTES - 4,
    GROUP_MAX = 255,
};
_Static_assert(VIV_MEMBERS_MAX *LINE_BYTES_MAX < VIV_MEMBERS_TEXT_BYTES_MAX, "a full configuration can be told");

static bool fail(const char **why, const char *text)
{
    *why = text;
    return false;
}

/* Decimal digits and nothing else, up to most. */
static bool parse_number(const char *text, int64_t most, int64_t *number)
{
    int64_t value = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9' && value <= most; at++) {
        value = 10 * value + (*at - '0');
    }
    *number = value;
    return at > text && *at == '\0' && value <= most;
}

/* ---- one server ---- */

static bool is_host(const char *text)
{
    return text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:%")] == '\0';
}

/* Cuts "a:b" at the separator; a host may be an IPv6 address in brackets. Returns what follows, or NULL. */
static char *cut_host(char *text, char **host)
{
    char *end = text + strcspn(text, ":");
    *host = text;
    if (text[0] == '[') {
        end = strchr(text, ']');
        if (end == NULL) {
            return NULL;
        }
        *end++ = '\0';
        *host = text + 1;
    }
    if (*end != ':') {
        return NULL;
    }
    *end = '\0';
    return end + 1;
}

static bool copy_host(char *to, const char *host)
{
    size_t size = strlen(host);
    if (size >= VIV_MEMBER_HOST_BYTES || !is_host(host)) {
        return false;
    }
    memcpy(to, host, size + 1);
    return true;
}

static bool parse_port(const char *text, int *port)
{
    int64_t number;
    bool is_port = parse_number(text, UINT16_MAX, &number) && number > 0;
    *port = is_port ? (int)number : 0;
    return is_port;
}

/* "[address:]port" */
static bool parse_client_part(struct viv_member *member, char *text, const char **why)
{
    char *host;
    const char *port = text;
    if (strchr(text, ':') != NULL) {
        port = cut_host(text, &host);
        if (port == NULL || !copy_host(member->client_host, host)) {
            return fail(why, "the client address is malformed");
        }
    }
    return parse_port(port, &member->client_port) || fail(why, "the client port is not a port");
}

/* Cuts at the next ':' or the end; NULL when nothing is left. */
static char *next_part(char **rest)
{
    char *part = *rest;
    if (part != NULL) {
        char *end = strchr(part, ':');
        *rest = end != NULL ? end + 1 : NULL;
        if (end != NULL) {
            *end = '\0';
        }
    }
    return part;
}

/* "host:peer:election[:role]"; *role stays when none is there. */
static bool parse_address(char *text, struct viv_member_address *address, const char **role, const char **why)
{
    char *host;
    char *rest = cut_host(text, &host);
    if (rest == NULL || *host == '\0' || !copy_host(address->host, host)) {
        return fail(why, "the host is missing or malformed");
    }
    const char *peer = next_part(&rest);
    const char *election = next_part(&rest);
    const char *said = next_part(&rest);
    if (election == NULL || !parse_port(peer, &address->peer_port) || !parse_port(election, &address->election_port) ||
        rest != NULL) {
        return fail(why, "needs two ports, from 1 to 65535, after the host");
    }
    if (said != NULL && *role != NULL && strcmp(said, *role) != 0) {
        return fail(why, "its addresses have different roles");
    }
    *role = said != NULL ? said : *role;
    return true;
}

static int print_address(const struct viv_member_address *address, char *out, size_t size)
{
    return snprintf(out, size, strchr(address->host, ':') != NULL ? "|[%s]:%d:%d" : "|%s:%d:%d", address->host,
                    address->peer_port, address->election_port);
}

/* One address or several with '|' between, and the role behind any of them. */
static bool parse_peer_part(struct viv_member *member, char *text, const char **why)
{
    const char *role = NULL;
    size_t used = 0;
    for (char *next; text != NULL; text = next) {
        struct viv_member_address address;
        next = strchr(text, '|');
        if (next != NULL) {
            *next++ = '\0';
        }
        if (!parse_address(text, &address, &role, why)) {
            return false;
        }
        if (member->host[0] == '\0') {
            memcpy(member->host, address.host, sizeof member->host);
            member->peer_port = address.peer_port;
            member->election_port = address.election_port;
            continue;
        }
        used += (size_t)print_address(&address, member->others + used, sizeof member->others - used);
        if (used >= sizeof member->others) {
            return fail(why, "too many addresses");
        }
    }
    member->voter = role == NULL || strcmp(role, "participant") == 0;
    return member->voter || strcmp(role, "observer") == 0 || fail(why, "the role is neither participant nor observer");
}

bool viv_member_parse(const char *text, struct viv_member *member, const char **why)
{
    char copy[LINE_BYTES_MAX];
    size_t size = strlen(text);
    *member = (struct viv_member){.sid = member->sid, .weight = 1, .client_port = -1};
    if (size >= sizeof copy) {
        return fail(why, "too long");
    }
    memcpy(copy, text, size + 1);
    char *client = strchr(copy, ';');
    if (client != NULL) {
        *client++ = '\0';
    }
    return parse_peer_part(member, copy, why) && (client == NULL || parse_client_part(member, client, why));
}

size_t viv_member_address_count(const struct viv_member *member)
{
    size_t count = 1;
    for (const char *at = member->others; (at = strchr(at, '|')) != NULL; at++) {
        count++;
    }
    return count;
}

void viv_member_address(const struct viv_member *member, size_t index, struct viv_member_address *address)
{
    char copy[VIV_MEMBER_OTHERS_BYTES];
    const char *role = NULL, *why;
    *address = (struct viv_member_address){.peer_port = member->peer_port, .election_port = member->election_port};
    memcpy(address->host, member->host, sizeof address->host);
    memcpy(copy, member->others, sizeof copy);
    char *at = copy;
    for (index %= viv_member_address_count(member); index > 0; index--) {
        at = strchr(at, '|') + 1;
    }
    if (at > copy) {
        at[strcspn(at, "|")] = '\0';
        VIV_ASSERT(parse_address(at, address, &role, &why)); /* it was printed here */
    }
}

/* ---- all of them ---- */

bool viv_members_insert(struct viv_members *members, const struct viv_member *member)
{
    size_t at = 0;
    while (at < members->count && members->items[at].sid < member->sid) {
        at++;
    }
    if (members->count == VIV_MEMBERS_MAX || (at < members->count && members->items[at].sid == member->sid)) {
        return false;
    }
    memmove(&members->items[at + 1], &members->items[at], (members->count - at) * sizeof *member);
    members->items[at] = *member;
    members->count++;
    return true;
}

bool viv_members_remove(struct viv_members *members, viv_sid sid)
{
    for (size_t at = 0; at < members->count; at++) {
        if (members->items[at].sid == sid) {
            memmove(&members->items[at], &members->items[at + 1], (members->count - at - 1) * sizeof members->items[0]);
            members->count--;
            return true;
        }
    }
    return false;
}

const struct viv_member *viv_members_find(const struct viv_members *members, viv_sid sid)
{
    for (size_t i = 0; i < members->count; i++) {
        if (members->items[i].sid == sid) {
            return &members->items[i];
        }
    }
    return NULL;
}

size_t viv_members_voters(const struct viv_members *members)
{
    size_t voters = 0;
    for (size_t i = 0; i < members->count; i++) {
        voters += members->items[i].voter;
    }
    return voters;
}

/* What lines about servers say that may stand before these. */
struct reading {
    struct viv_members *members;
    int64_t groups[VIV_SID_MAX + 1], weights[VIV_SID_MAX + 1]; /* by sid; 0 and -1: not given */
    bool has_version, is_group_seen[GROUP_MAX + 1];
};

static bool take_server(struct reading *reading, int64_t sid, const char *value)
{
    const char *why;
    struct viv_member member = {.sid = sid};
    return viv_member_parse(value, &member, &why) && viv_members_insert(reading->members, &member);
}

/* "1:2:3" */
static bool take_group(struct reading *reading, int64_t number, char *value)
{
    if (reading->is_group_seen[number]) {
        return false;
    }
    reading->is_group_seen[number] = reading->members->has_groups = true;
    for (char *rest = value; rest != NULL;) {
        int64_t sid;
        if (!parse_number(next_part(&rest), VIV_SID_MAX, &sid) || sid < 1 || reading->groups[sid] != 0) {
            return false;
        }
        reading->groups[sid] = number;
    }
    return true;
}

static bool take_weight(struct reading *reading, int64_t sid, const char *value)
{
    return reading->weights[sid] < 0 && parse_number(value, VIV_WEIGHT_MAX, &reading->weights[sid]);
}

static bool take_version(struct reading *reading, const char *value)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t version = 0;
    size_t count = 0;
    for (; value[count] != '\0' && count < 16; count++) {
        const char *digit = strchr(digits, value[count] | 0x20);
        if (digit == NULL) {
            return false;
        }
        version = version << 4 | (uint64_t)(digit - digits);
    }
    bool is_first = !reading->has_version;
    reading->has_version = true;
    reading->members->version = version;
    return is_first && count > 0 && value[count] == '\0';
}

/* One line, without its end. */
static bool take_line(struct reading *reading, char *line)
{
    char *value = strchr(line, '=');
    if (value == NULL) {
        return false;
    }
    *value++ = '\0';
    if (strcmp(line, "version") == 0) {
        return take_version(reading, value);
    }
    char *dot = strchr(line, '.');
    int64_t number;
    if (dot == NULL || !parse_number(dot + 1, VIV_SID_MAX, &number) || number < 1) {
        return false;
    }
    *dot = '\0';
    if (strcmp(line, "server") == 0) {
        return take_server(reading, number, value);
    }
    return strcmp(line, "group") == 0    ? take_group(reading, number, value)
           : strcmp(line, "weight") == 0 ? take_weight(reading, number, value)
                                         : false;
}

/* A group names servers of the configuration, and every voter is in one that weighs something together. */
static bool assign_groups(const struct reading *reading)
{
    struct viv_members *members = reading->members;
    int64_t weight = 0;
    for (viv_sid sid = 1; sid <= VIV_SID_MAX; sid++) {
        bool is_named = reading->groups[sid] != 0 || reading->weights[sid] >= 0;
        if (is_named && (!members->has_groups || viv_members_find(members, sid) == NULL)) {
            return false;
        }
    }
    for (size_t i = 0; i < members->count; i++) {
        struct viv_member *member = &members->items[i];
        member->group = reading->groups[member->sid];
        member->weight = reading->weights[member->sid] < 0 ? 1 : reading->weights[member->sid];
        weight += member->voter ? member->weight : 0;
        if (members->has_groups && member->voter && member->group == 0) {
            return false;
        }
    }
    return weight > 0;
}

viv_status viv_members_parse(struct viv_bytes text, struct viv_members *members)
{
    struct reading reading = {.members = members};
    memset(reading.weights, 0xff, sizeof reading.weights);
    *members = (struct viv_members){0};
    if (text.size > VIV_MEMBERS_TEXT_BYTES_MAX) {
        return VIV_ERR_MALFORMED;
    }
    while (text.size > 0) {
        const uint8_t *end = memchr(text.data, '\n', text.size);
        size_t size = end != NULL ? (size_t)(end - text.data) : text.size;
        char line[LINE_BYTES_MAX];
        if (size >= sizeof line || memchr(text.data, '\0', size) != NULL) {
            return VIV_ERR_MALFORMED;
        }
        memcpy(line, text.data, size);
        line[size] = '\0';
        if (size > 0 && !take_line(&reading, line)) {
            return VIV_ERR_MALFORMED;
        }
        size += end != NULL;
        text = viv_bytes_of(text.data + size, text.size - size);
    }
    return viv_members_voters(members) > 0 && assign_groups(&reading) ? VIV_OK : VIV_ERR_MALFORMED;
}

static void print_host(const char *host, struct viv_buffer *out)
{
    viv_buffer_printf(out, strchr(host, ':') != NULL ? "[%s]" : "%s", host);
}

static void print_groups(const struct viv_members *members, struct viv_buffer *out)
{
    for (int64_t group = 1; group <= GROUP_MAX; group++) {
        const char *between = "";
        for (size_t i = 0; i < members->count; i++) {
            if (members->items[i].group == group) {
                if (between[0] == '\0') {
                    viv_buffer_printf(out, "group.%lld=", (long long)group);
                }
                viv_buffer_printf(out, "%s%lld", between, (long long)members->items[i].sid);
                between = ":";
            }
        }
        if (between[0] != '\0') {
            viv_buffer_printf(out, "\n");
        }
    }
    for (size_t i = 0; i < members->count; i++) {
        if (members->items[i].voter) {
            viv_buffer_printf(out, "weight.%lld=%lld\n", (long long)members->items[i].sid,
                              (long long)members->items[i].weight);
        }
    }
}

void viv_members_print(const struct viv_members *members, struct viv_buffer *out)
{
    for (size_t i = 0; i < members->count; i++) {
        const struct viv_member *member = &members->items[i];
        viv_buffer_printf(out, "server.%lld=", (long long)member->sid);
        print_host(member->host, out);
        viv_buffer_printf(out, ":%d:%d%s:%s", member->peer_port, member->election_port, member->others,
                          member->voter ? "participant" : "observer");
        if (member->client_port >= 0) {
            viv_buffer_printf(out, ";");
            print_host(member->client_host[0] != '\0' ? member->client_host : "0.0.0.0", out);
            viv_buffer_printf(out, ":%d", member->client_port);
        }
        viv_buffer_printf(out, "\n");
    }
    if (members->has_groups) {
        print_groups(members, out);
    }
    viv_buffer_printf(out, "version=%llx", (unsigned long long)members->version);
}

/* ---- in a transaction ---- */

bool viv_reconfig_txn_text(struct viv_bytes body, struct viv_bytes *text)
{
    if (body.size <= VIV_TXN_HEADER_BYTES || viv_load_be32(body.data + TYPE_OFFSET) != VIV_OP_RECONFIG) {
        return false;
    }
    struct viv_jute_reader reader =
        viv_jute_reader_of(viv_bytes_of(body.data + VIV_TXN_HEADER_BYTES, body.size - VIV_TXN_HEADER_BYTES));
    struct viv_set_data_txn txn;
    viv_set_data_txn_decode(&reader, &txn);
    *text = txn.data.bytes;
    return !reader.bad;
}
