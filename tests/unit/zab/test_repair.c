#include <stdio.h>

#include "base/endian.h"
#include "tests/support/viv_test.h"
#include "tests/unit/zab/actor.h"
#include "zab/repair.h"

/* What may be given up, over every state of an entry on every server, and every set of servers that answer. */

enum state { INTACT, ROTTEN, TORN, MISSING, STATE_COUNT };

static struct viv_membership ensemble(size_t count)
{
    struct viv_zab_member members[VIV_MEMBERS_MAX] = {0};
    struct viv_membership membership;
    for (size_t i = 0; i < count; i++) {
        members[i] = (struct viv_zab_member){.sid = (viv_sid)i + 1, .voter = true};
    }
    viv_membership_init(&membership, members, count, (struct viv_bytes){0}, 0);
    return membership;
}

VIV_TEST(repair, an_entry_is_given_up_only_when_no_quorum_can_have_stored_it)
{
    unsigned long looked = 0, dropped = 0, lost = 0;
    for (size_t count = 3; count <= 6; count++) {
        struct viv_membership membership = ensemble(count);
        unsigned long states = 1UL << (2 * count);
        for (unsigned long s = 0; s < states; s++) {
            for (uint64_t reachable = 1; reachable < UINT64_C(1) << count; reachable += 2) {
                struct viv_repair_answers answers = {0};
                uint64_t stored = 0; /* by whom it may ever have been acknowledged */
                bool has_copy = false;
                enum state own = (enum state)(s & 3);
                if (own != ROTTEN && own != TORN) {
                    continue;
                }
                for (size_t i = 0; i < count; i++) {
                    enum state state = (enum state)(s >> (2 * i) & 3);
                    uint64_t bit = UINT64_C(1) << i;
                    stored |= state == INTACT || state == ROTTEN ? bit : 0;
                    if (i > 0 && (reachable & bit)) {
                        answers.absent |= state == MISSING ? bit : 0;
                        answers.uncertain |= state == TORN ? bit : 0;
                        answers.unknown |= state == ROTTEN ? bit : 0;
                        has_copy = has_copy || state == INTACT;
                    }
                }
                enum viv_repair_verdict verdict = viv_repair_judge(&membership, 1, &answers, own == TORN);
                looked++;
                dropped += verdict == VIV_REPAIR_DROP;
                lost += verdict == VIV_REPAIR_LOST;
                cr_assert(verdict != VIV_REPAIR_DROP || !viv_membership_has(&membership, stored),
                          "%zu servers, states %lx, reachable %llx", count, s, (unsigned long long)reachable);
                cr_assert(verdict != VIV_REPAIR_LOST || (!has_copy && reachable == (UINT64_C(1) << count) - 1));
            }
        }
        viv_membership_fini(&membership);
    }
    cr_assert(looked > 10000 && dropped > 100 && lost > 10, "%lu %lu %lu", looked, dropped, lost);
}

static struct viv_bytes print_config(char text[128], uint64_t version, int last)
{
    snprintf(text, 128,
             "server.1=h:1:2:participant\nserver.2=h:2:2:participant\nserver.%d=h:%d:2:participant\n"
             "version=%llx",
             last, last, (unsigned long long)version);
    return viv_bytes_text(text);
}

/* Of two reconfigurations in a log the first was damaged. */
VIV_TEST(repair, a_configuration_that_is_whole_again_does_not_end_the_one_after_it)
{
    struct viv_membership membership = ensemble(3);
    char text[128];
    cr_assert(viv_membership_propose(&membership, print_config(text, VIV_ZXID(1, 9), 5), VIV_ZXID(1, 9)));
    cr_assert(viv_membership_propose(&membership, print_config(text, VIV_ZXID(1, 4), 4), VIV_ZXID(1, 4)));
    cr_assert(membership.has_proposed);
    cr_assert_eq(membership.proposed.version, VIV_ZXID(1, 9));
    cr_assert_eq(membership.active.version, VIV_ZXID(1, 4));
    cr_assert_lt(viv_membership_index(&membership, 3), 0);
    viv_membership_activate(&membership);
    cr_assert_eq(membership.active.version, VIV_ZXID(1, 9));
    viv_membership_fini(&membership);
}

/* Asked for an entry by its leader, in epoch 2. */
static void ask_for(struct actor *actor, uint64_t zxid)
{
    struct viv_buffer info = {0}, ask = {0};
    for (viv_sid from = 2; from <= 3; from++) {
        actor_vote(actor, from, from == 3 ? VIV_LEADING : VIV_FOLLOWING, 3, VIV_ZXID(1, 2), 7, 2);
    }
    actor_give(actor, (struct viv_zab_input){.kind = VIV_ZAB_LINK_UP, .link = 1, .sid = 3});
    viv_store_be32(viv_buffer_extend(&info, 4), 0x10000);
    viv_peer_trailer_append(&info, VIV_PEER_ENVELOPE | VIV_PEER_CUMULATIVE | VIV_PEER_REPAIR);
    actor_packet(actor, 1, VIV_PACKET_LEADERINFO, VIV_ZXID(2, 0), viv_buffer_bytes(&info));
    actor_give(actor, (struct viv_zab_input){.kind = VIV_ZAB_EPOCHS_STORED});
    viv_repair_ask_encode(&ask, &(struct viv_repair_ask){.bytes = 4, .body_crc = 1});
    actor_packet(actor, 1, VIV_PACKET_REPAIR_ASK, zxid, viv_buffer_bytes(&ask));
    viv_buffer_fini(&info);
    viv_buffer_fini(&ask);
}

static uint8_t answered(const struct actor *actor)
{
    const struct viv_packet *said = actor_sent(actor, 1, VIV_PACKET_REPAIR_ANSWER);
    cr_assert_not_null(said);
    return said->data.data[0];
}

/* Else a committed entry could be given up because its acknowledger was wiped. */
VIV_TEST(repair, a_server_without_a_past_does_not_say_that_an_entry_never_was)
{
    static const uint64_t log[] = {VIV_ZXID(1, 1), 0};
    for (uint32_t epoch = 0; epoch <= 1; epoch++) {
        struct actor actor;
        actor_init(&actor,
                   &(struct actor_config){
                       .sid = 1, .accepted_epoch = epoch, .current_epoch = epoch, .zxids = epoch > 0 ? log : NULL});
        ask_for(&actor, VIV_ZXID(1, 2));
        cr_assert_eq(answered(&actor), epoch > 0 ? VIV_REPAIR_ABSENT : VIV_REPAIR_UNKNOWN);
        actor_fini(&actor);
    }
}

/* A prospective leader (3) whose last entry is damaged, once 1 has promised its epoch. 2 is there and has not. */
static void damaged_leader(struct actor *actor)
{
    static const uint64_t log[] = {VIV_ZXID(2, 1), VIV_ZXID(2, 2), 0};
    actor_init(actor, &(struct actor_config){.sid = 3,
                                             .accepted_epoch = 2,
                                             .current_epoch = 2,
                                             .zxids = log,
                                             .committed_zxid = log[0],
                                             .damaged_zxid = log[1]});
    actor_elect(actor);
    for (viv_sid from = 1; from <= 2; from++) {
        actor_introduce_able(actor, (uint32_t)from, from, 2, VIV_PEER_ENVELOPE | VIV_PEER_CUMULATIVE | VIV_PEER_REPAIR);
    }
    actor_give(actor, (struct viv_zab_input){.kind = VIV_ZAB_EPOCHS_STORED});
    actor_ackepoch(actor, 1, log[0], 2);
    cr_assert_not_null(actor_sent(actor, 1, VIV_PACKET_REPAIR_ASK));
    cr_assert_null(actor_sent(actor, 2, VIV_PACKET_REPAIR_ASK));
}

static void answer(struct actor *actor, uint32_t link, enum viv_repair_reply reply, const char *body)
{
    struct viv_buffer data = {0};
    viv_repair_answer_encode(&data, &(struct viv_repair_answer){.reply = reply, .body = viv_bytes_text(body)});
    actor_packet(actor, link, VIV_PACKET_REPAIR_ANSWER, VIV_ZXID(2, 2), viv_buffer_bytes(&data));
    viv_buffer_fini(&data);
}

VIV_TEST(repair, only_who_promised_and_never_had_it_helps_to_give_an_entry_up)
{
    struct actor actor;
    damaged_leader(&actor);
    answer(&actor, 1, VIV_REPAIR_ABSENT, "");
    cr_assert_null(actor_said(&actor, VIV_ZAB_TRUNCATE), "2 may have acknowledged it");
    actor_ackepoch(&actor, 2, VIV_ZXID(2, 2), 2);
    cr_assert_not_null(actor_sent(&actor, 2, VIV_PACKET_REPAIR_ASK));
    answer(&actor, 2, VIV_REPAIR_UNKNOWN, "");
    cr_assert_null(actor_said(&actor, VIV_ZAB_TRUNCATE), "a damaged copy was one");
    answer(&actor, 2, VIV_REPAIR_ABSENT, "");
    cr_assert_eq(actor_said(&actor, VIV_ZAB_TRUNCATE)->zxid, VIV_ZXID(2, 1));
    actor_fini(&actor);
}

VIV_TEST(repair, a_copy_is_taken_when_it_is_what_the_identifier_says)
{
    struct actor actor;
    damaged_leader(&actor);
    answer(&actor, 1, VIV_REPAIR_HAVE, "bodY");
    cr_assert_null(actor_said(&actor, VIV_ZAB_REPAIR));
    answer(&actor, 1, VIV_REPAIR_HAVE, "body");
    cr_assert_eq(actor_said(&actor, VIV_ZAB_REPAIR)->entry.zxid, VIV_ZXID(2, 2));
    actor_fini(&actor);
}

/* What stands in its log is a copy; what does not says nothing, since log and image may not belong together. */
VIV_TEST(repair, a_server_without_a_state_looks_into_its_log_for_others)
{
    static const uint64_t log[] = {VIV_ZXID(1, 1), VIV_ZXID(1, 2), 0};
    struct actor actor;
    actor_init(&actor, &(struct actor_config){
                           .sid = 1, .accepted_epoch = 1, .current_epoch = 1, .zxids = log, .baseless = true});
    ask_for(&actor, VIV_ZXID(1, 2));
    cr_assert_null(actor_sent(&actor, 1, VIV_PACKET_REPAIR_ANSWER));
    const struct viv_zab_output *read = actor_said(&actor, VIV_ZAB_READ);
    cr_assert_not_null(read);
    cr_assert_eq(read->zxid, VIV_ZXID(1, 2));
    struct viv_entry found = {.zxid = VIV_ZXID(1, 2), .body = VIV_BYTES_LITERAL("body")};
    struct viv_zab_input data = {.kind = VIV_ZAB_LOG_DATA,
                                 .link = 1,
                                 .zxid = found.zxid,
                                 .entries = &found,
                                 .entry_count = 1,
                                 .last = true,
                                 .for_repair = true};
    actor_give(&actor, data);
    cr_assert_eq(answered(&actor), VIV_REPAIR_HAVE);
    data.entry_count = 0;
    for (int is_gone = 0; is_gone <= 1; is_gone++) {
        data.is_gone = is_gone;
        actor_give(&actor, data);
        cr_assert_eq(answered(&actor), VIV_REPAIR_UNKNOWN);
    }
    actor_fini(&actor);
}

static size_t bytes_sent(const struct actor *actor, uint32_t link, enum viv_packet_type type)
{
    struct viv_buffer packet = {0};
    viv_packet_encode(&packet, actor_sent(actor, link, type));
    size_t bytes = packet.size;
    viv_buffer_fini(&packet);
    return bytes;
}

VIV_TEST(repair, a_copy_moves_the_bytes_of_its_entry_and_less_than_a_hundred_besides)
{
    enum { ENTRY_BYTES = 65400, BESIDES = 100 };
    static const uint64_t log[] = {VIV_ZXID(1, 1), VIV_ZXID(1, 2), 0};
    static uint8_t body[ENTRY_BYTES];
    struct actor asker, asked;
    damaged_leader(&asker);
    actor_ackepoch(&asker, 2, VIV_ZXID(2, 2), 2);
    size_t ask_bytes = bytes_sent(&asker, 2, VIV_PACKET_REPAIR_ASK);
    actor_fini(&asker);
    actor_init(&asked, &(struct actor_config){
                           .sid = 1, .accepted_epoch = 1, .current_epoch = 1, .zxids = log, .baseless = true});
    ask_for(&asked, VIV_ZXID(1, 2));
    struct viv_entry found = {.zxid = VIV_ZXID(1, 2), .body = {body, sizeof body}};
    actor_give(&asked, (struct viv_zab_input){.kind = VIV_ZAB_LOG_DATA,
                                              .link = 1,
                                              .zxid = found.zxid,
                                              .entries = &found,
                                              .entry_count = 1,
                                              .last = true,
                                              .for_repair = true});
    size_t answer_bytes = bytes_sent(&asked, 1, VIV_PACKET_REPAIR_ANSWER);
    cr_assert_gt(answer_bytes, ENTRY_BYTES);
    cr_assert_leq(ask_bytes + answer_bytes, ENTRY_BYTES + BESIDES, "%zu and %zu", ask_bytes, answer_bytes);
    cr_assert_leq(ask_bytes + answer_bytes, 64 << 10);
    actor_fini(&asked);
}
