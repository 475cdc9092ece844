#ifndef VIV_WIRE_MEMBERS_H
#define VIV_WIRE_MEMBERS_H

#include "base/entry.h"
#include "base/limits.h"
#include "base/status.h"

/* Who an ensemble consists of, and the text that says it: in configuration files, in votes and NEWLEADER, and at
 * /zookeeper/config (zab.md §3.2). Knows the text; does not know which configuration counts, or who can be reached. */

enum { VIV_MEMBER_HOST_BYTES = 256, VIV_MEMBER_OTHERS_BYTES = 512 };

struct viv_member {
    viv_sid sid;
    char host[VIV_MEMBER_HOST_BYTES];
    int peer_port, election_port;
    char others[VIV_MEMBER_OTHERS_BYTES]; /* its further addresses, "|host:peer:election" each; "" for most */
    bool voter;
    int64_t group, weight;                   /* group 0: majorities decide */
    char client_host[VIV_MEMBER_HOST_BYTES]; /* "" unless given */
    int client_port;                         /* -1 unless given */
};

struct viv_members {
    struct viv_member items[VIV_MEMBERS_MAX]; /* by ascending sid */
    size_t count;
    bool has_groups;
    uint64_t version; /* of the transaction that made it so; 0: nobody decided it yet */
};

/* The value of a server line: "host:peer:election[|host:peer:election]...[:role][;[host:]port]". The sid is the
 * caller's. False: *why says what is wrong with it. */
bool viv_member_parse(const char *text, struct viv_member *member, const char **why) VIV_MUST_USE;

struct viv_member_address {
    char host[VIV_MEMBER_HOST_BYTES];
    int peer_port, election_port;
};
size_t viv_member_address_count(const struct viv_member *member);
/* The one of that index, and the first again behind the last: who dials a member counts on. */
void viv_member_address(const struct viv_member *member, size_t index, struct viv_member_address *address);

/* Keeps the order. False: there is one of that sid, or no room. */
bool viv_members_insert(struct viv_members *members, const struct viv_member *member);
bool viv_members_remove(struct viv_members *members, viv_sid sid);
const struct viv_member *viv_members_find(const struct viv_members *members, viv_sid sid); /* NULL: none */
size_t viv_members_voters(const struct viv_members *members);

/* server, group, weight and version lines, in any order. VIV_ERR_MALFORMED: another line, a bad or repeated one, no
 * voter, groups that leave a voter out or weigh nothing, or more than VIV_MEMBERS_TEXT_BYTES_MAX. */
viv_status viv_members_parse(struct viv_bytes text, struct viv_members *members) VIV_MUST_USE;
/* As ZooKeeper writes it, without an end behind the last line, which is the version. */
void viv_members_print(const struct viv_members *members, struct viv_buffer *out);

/* The data of a transaction that changes the ensemble. False: the transaction is another one. */
bool viv_reconfig_txn_text(struct viv_bytes body, struct viv_bytes *text);

#endif /* VIV_WIRE_MEMBERS_H */
