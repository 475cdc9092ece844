#ifndef VIV_WIRE_PEER_H
#define VIV_WIRE_PEER_H

#include "base/entry.h"
#include "base/status.h"

/* What servers say to one another, as values, and their codecs: Apache ZooKeeper's own election and quorum protocol,
 * byte for byte (zab.md §3, zab-interop.md). Knows bytes; does not know roles, sockets or when to say what. */

/* ---- election port: frames of int length + body ---- */

enum viv_server_state { VIV_LOOKING = 0, VIV_FOLLOWING = 1, VIV_LEADING = 2, VIV_OBSERVING = 3 };

/* What our own voters append to a vote when they elect by another policy than ZooKeeper's. */
struct viv_vote_rank {
    bool present;
    uint32_t policy;
    uint64_t slack, rank;
    uint32_t stamp, echo; /* the sender's time, to be given back; a stamp given back. 0: none */
};

struct viv_vote {
    enum viv_server_state state; /* the sender's */
    viv_sid leader;
    uint64_t zxid; /* signed on the wire; observers send INT64_MIN in leader, zxid and peer_epoch */
    uint64_t round;
    int64_t peer_epoch;
    struct viv_bytes config; /* config text of the sender's committed configuration; borrowed */
    /* Ours: text of a configuration that the sender's history proposes, or empty. Behind what ZooKeeper reads. */
    struct viv_bytes proposed;
    bool native; /* the sender is one of our own servers; so is whoever sends one of the two others */
    struct viv_vote_rank rank;
};

/* Appends the body (format version 2), without the length. Behind the configuration, where ZooKeeper's servers do not
 * look, go {'V','I','V','A', buffer proposed} when it is native or has such a text, and {'R','A','N','K', u32 policy,
 * u64 slack, u64 rank, u32 stamp, u32 echo} when that is present. */
void viv_vote_encode(struct viv_buffer *out, const struct viv_vote *vote);
/* VIV_ERR_MALFORMED below 28 bytes or on bad lengths. Legacy bodies of 28 and 40 bytes are accepted (peer_epoch is
 * then zxid >> 32). vote->config borrows from body. */
viv_status viv_vote_decode(struct viv_bytes body, struct viv_vote *vote) VIV_MUST_USE;

/* Initial message of the one who opens an election connection. */
void viv_election_hello_encode(struct viv_buffer *out, viv_sid sid, struct viv_bytes address);
/* *size = bytes used, 0 when more are needed. Accepts protocol versions -65536 and -65535 and the legacy bare sid. */
viv_status viv_election_hello_decode(struct viv_bytes in, viv_sid *sid, struct viv_bytes *address,
                                     size_t *size) VIV_MUST_USE;

/* ---- quorum port: QuorumPacket, back to back, no outer length ---- */

enum viv_packet_type {
    VIV_PACKET_REQUEST = 1,
    VIV_PACKET_PROPOSAL = 2,
    VIV_PACKET_ACK = 3,
    VIV_PACKET_COMMIT = 4,
    VIV_PACKET_PING = 5,
    VIV_PACKET_REVALIDATE = 6,
    VIV_PACKET_SYNC = 7,
    VIV_PACKET_INFORM = 8,
    VIV_PACKET_COMMITANDACTIVATE = 9,
    VIV_PACKET_NEWLEADER = 10,
    VIV_PACKET_FOLLOWERINFO = 11,
    VIV_PACKET_UPTODATE = 12,
    VIV_PACKET_DIFF = 13,
    VIV_PACKET_TRUNC = 14,
    VIV_PACKET_SNAP = 15,
    VIV_PACKET_OBSERVERINFO = 16,
    VIV_PACKET_LEADERINFO = 17,
    VIV_PACKET_ACKEPOCH = 18,
    VIV_PACKET_INFORMANDACTIVATE = 19,
    /* Only between servers of ours that have said VIV_PEER_REPAIR; zxid names the entry. */
    VIV_PACKET_REPAIR_ASK = 100,    /* data: struct viv_repair_ask */
    VIV_PACKET_REPAIR_ANSWER = 101, /* data: struct viv_repair_answer */
};

struct viv_packet {
    int32_t type;
    uint64_t zxid;
    bool has_data; /* false = null, distinct from length 0 */
    struct viv_bytes data;
    bool has_authinfo;         /* REQUEST only; otherwise null */
    struct viv_bytes authinfo; /* the encoded vector<Id> after its count is included: the raw jute bytes, count first */
};

void viv_packet_encode(struct viv_buffer *out, const struct viv_packet *packet);
/* Takes one packet off the front of `in` (packet borrows from it). *size = bytes used, 0 when more are needed.
 * VIV_ERR_MALFORMED: impossible lengths; the connection is closed. data_bytes_max bounds data. */
viv_status viv_packet_decode(struct viv_bytes in, size_t data_bytes_max, struct viv_packet *packet,
                             size_t *size) VIV_MUST_USE;

/* LearnerInfo, the data of FOLLOWERINFO and OBSERVERINFO. Our own servers append {'V','I','V','A', u32 capabilities},
 * and append the same to the 4 bytes of LEADERINFO; Apache ignores both. */
enum viv_peer_capability {
    VIV_PEER_ENVELOPE = 1,   /* packets travel inside {u16 group, u32 length} from the next packet on */
    VIV_PEER_CUMULATIVE = 2, /* ACK(z) and COMMIT(z) mean everything up to z */
    VIV_PEER_ROLLOVER = 4,   /* LEADERINFO and NEWLEADER of a later epoch may come while it serves */
    VIV_PEER_REPAIR = 8,     /* REPAIR_ASK and REPAIR_ANSWER, and the flags behind ACKEPOCH's epoch, are understood */
    VIV_PEER_BEATS = 16,     /* PING with empty data may come at any time; from LEADERINFO on it is given back */
};
struct viv_learner_info {
    viv_sid sid;
    uint32_t protocol_version; /* 0x10000 */
    uint64_t config_version;
    bool native; /* the trailer was there */
    uint32_t capabilities;
};
void viv_learner_info_encode(struct viv_buffer *out, const struct viv_learner_info *info);
viv_status viv_learner_info_decode(struct viv_bytes data, struct viv_learner_info *info) VIV_MUST_USE;

/* An entry that is damaged here and known by its identifier: size and checksum of its body. */
struct viv_repair_ask {
    uint32_t bytes, body_crc;
};
enum viv_repair_reply {
    VIV_REPAIR_HAVE = 1,      /* body: that entry's */
    VIV_REPAIR_ABSENT = 2,    /* the log, whose identifiers are intact, has no entry of that zxid */
    VIV_REPAIR_UNKNOWN = 3,   /* nothing can be said: this copy is damaged too */
    VIV_REPAIR_UNCERTAIN = 4, /* likewise, and nothing shows that it was durable here before */
    VIV_REPAIR_GONE = 5,      /* it is committed and part of the image; the log does not reach back to it */
};
struct viv_repair_answer {
    enum viv_repair_reply reply;
    struct viv_bytes body; /* HAVE; borrowed */
};
void viv_repair_ask_encode(struct viv_buffer *out, const struct viv_repair_ask *ask);
viv_status viv_repair_ask_decode(struct viv_bytes data, struct viv_repair_ask *ask) VIV_MUST_USE;
void viv_repair_answer_encode(struct viv_buffer *out, const struct viv_repair_answer *answer);
viv_status viv_repair_answer_decode(struct viv_bytes data, struct viv_repair_answer *answer) VIV_MUST_USE;

/* The trailer alone, for LEADERINFO: append it, or find it at the front of what follows the 4 bytes. */
void viv_peer_trailer_append(struct viv_buffer *out, uint32_t capabilities);
bool viv_peer_trailer_find(struct viv_bytes tail, uint32_t *capabilities);

#endif /* VIV_WIRE_PEER_H */
