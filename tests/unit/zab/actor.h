#ifndef VIV_TESTS_UNIT_ZAB_ACTOR_H
#define VIV_TESTS_UNIT_ZAB_ACTOR_H

#include "base/arena.h"
#include "zab/zab.h"

/* One ZAB instance whose partners are played by the test, word by word. Voters 1, 2, 3; observer 4. */

struct actor {
    struct viv_zab *zab;
    struct viv_arena arena;
    struct viv_zab_outputs out; /* of the last input */
    uint64_t now_ms;
};

struct actor_config {
    viv_sid sid;
    bool standalone, adaptive, reconfigurable;
    uint32_t diff_syncs_max;
    const char *policy; /* NULL: fle */
    uint64_t slack;
    uint32_t tick_ms; /* 0: 100 */
    uint32_t accepted_epoch, current_epoch;
    const uint64_t *zxids; /* of the log, 0 at its end; may be NULL */
    struct viv_bytes body; /* of each of them; empty: a short one */
    uint64_t committed_zxid;
    uint64_t damaged_zxid; /* of the log; only its identifier is known */
    bool baseless;         /* nothing of the log is in memory */
};

void actor_init(struct actor *actor, const struct actor_config *config);
void actor_fini(struct actor *actor);
/* Forgets the last outputs and gives an input. */
void actor_give(struct actor *actor, struct viv_zab_input input);
void actor_tick(struct actor *actor, uint64_t ms);
void actor_packet(struct actor *actor, uint32_t link, enum viv_packet_type type, uint64_t zxid, struct viv_bytes data);
void actor_vote(struct actor *actor, viv_sid from, enum viv_server_state state, viv_sid leader, uint64_t zxid,
                uint64_t round, int64_t epoch);
/* A learner connects, from where its server is, and introduces itself. */
void actor_introduce(struct actor *actor, uint32_t link, viv_sid sid, uint32_t accepted, bool native);
/* The same of one of ours with these capabilities. */
void actor_introduce_able(struct actor *actor, uint32_t link, viv_sid sid, uint32_t accepted, uint32_t capabilities);
/* The same with link, barred and proved as given. */
void actor_introduce_as(struct actor *actor, struct viv_zab_input up, viv_sid sid, uint32_t accepted, bool native);
void actor_ackepoch(struct actor *actor, uint32_t link, uint64_t zxid, int32_t epoch);
/* The first output of the kind, or NULL. */
const struct viv_zab_output *actor_said(const struct actor *actor, enum viv_zab_output_kind kind);
size_t actor_count(const struct actor *actor, enum viv_zab_output_kind kind);
/* The first packet of the type sent on the link, or NULL. */
const struct viv_packet *actor_sent(const struct actor *actor, uint32_t link, enum viv_packet_type type);
size_t actor_sent_count(const struct actor *actor, uint32_t link, enum viv_packet_type type);
enum viv_server_state actor_state(const struct actor *actor);

/* Sid 3 leads epoch current + 1: elected, its epoch promised and adopted, with native follower 1 on link 1
 * synchronised and serving when `follower` is set. */
void actor_elect(struct actor *actor);
void actor_lead(struct actor *actor, bool native_follower, uint64_t follower_zxid);
/* Sid 1 follows 3 on link 1 up to ACKEPOCH for that epoch. */
void actor_follow(struct actor *actor, uint32_t epoch, bool native_leader);

#endif /* VIV_TESTS_UNIT_ZAB_ACTOR_H */
