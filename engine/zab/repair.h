#ifndef VIV_ZAB_REPAIR_H
#define VIV_ZAB_REPAIR_H

#include "zab/membership.h"

/* Entries of the own log that are known by their identifiers while their bodies are damaged (zab-pitfalls.md, D.3).
 * They count: this server votes with them and may win. But nothing is delivered beyond the first of them, it
 * acknowledges no NEWLEADER and sends none, until each is whole again or gone.
 *
 * A body with the identifier's checksum is right whoever has it. So a follower asks its leader; a leader, only after a
 * quorum has promised its epoch, asks everybody. Whether an entry was ever committed is decided by nobody's silence: it
 * is given up, with all behind it, only when servers without whom there is no quorum have said that it is not in their
 * logs. What cannot be decided is waited for, and named.
 *
 * What moves is the entry and less than a hundred bytes besides, from each who is asked and has it: the leader alone,
 * or, while a leader repairs itself, every server that has promised. Nothing around the entry is sent, neither its
 * batch nor its segment; an entry is not cut into parts, however large it is (VIV_ENTRY_BYTES_MAX).
 *
 * Entries that are delivered already (found by the slow look, or below the image) are asked for while serving. */

struct viv_leader_peer;

enum { VIV_REPAIR_KNOWN_MAX = 64 }; /* delivered damaged entries kept in mind at a time; the log knows all */

/* What servers said about one entry; masks over slots. */
struct viv_repair_answers {
    uint64_t absent;    /* it is not in their logs */
    uint64_t uncertain; /* theirs is damaged, and nothing shows that it was ever durable */
    uint64_t unknown;   /* theirs is damaged, or they do not know the question */
};

enum viv_repair_verdict {
    VIV_REPAIR_WAIT,
    VIV_REPAIR_DROP, /* it was never committed */
    VIV_REPAIR_LOST, /* everybody has answered, and nobody has it */
};

/* Pure. `own_uncertain`: nothing shows that our own copy was ever durable. */
enum viv_repair_verdict viv_repair_judge(const struct viv_membership *membership, viv_sid self,
                                         const struct viv_repair_answers *answers, bool own_uncertain);

struct viv_repair {
    uint64_t zxid; /* what is asked for now; 0: nothing */
    struct viv_repair_ask wanted;
    struct viv_repair_answers answers;
    uint64_t asked; /* slots */
    uint64_t ask_at_ms, say_at_ms;
    struct viv_entry known[VIV_REPAIR_KNOWN_MAX]; /* delivered ones, without bytes, in order */
    size_t known_count;
    uint64_t uncertain_from_zxid; /* from this one on nothing shows that entries were durable; 0: no such */
    bool is_baseless;             /* no state to apply the log to */
    bool yields;                  /* another server's image has gone beyond what is damaged here */
    uint64_t repairs;
};

/* Is an undelivered entry damaged, or on its way to be whole? */
bool viv_repair_is_due(const struct viv_zab *zab);
/* It cannot lead, however much it knows. */
bool viv_repair_must_yield(const struct viv_zab *zab);
/* Is an entry damaged between `after` and what is in memory? */
bool viv_repair_stands_between(const struct viv_zab *zab, uint64_t after);
/* Asks for the next damaged entry, in whatever role; or goes on when none is left. */
void viv_repair_go_on(struct viv_zab *zab);
/* A learner has promised while the leader asks. */
void viv_repair_ask(struct viv_zab *zab, const struct viv_leader_peer *peer);
/* False: that packet is another module's. */
bool viv_repair_heard(struct viv_zab *zab, uint32_t link, const struct viv_packet *packet);
void viv_repair_tick(struct viv_zab *zab);

/* Inputs. */
void viv_repair_fault(struct viv_zab *zab, const struct viv_zab_input *input);
void viv_repair_stored(struct viv_zab *zab, const struct viv_zab_input *input);
void viv_repair_log_data(struct viv_zab *zab, const struct viv_zab_input *input);
/* A snapshot has replaced the log. */
void viv_repair_installed(struct viv_zab *zab);

#endif /* VIV_ZAB_REPAIR_H */
