#include "zab/zab.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/log.h"
#include "wire/members.h"
#include "zab/zab_internal.h"

/* A role is a state with its phase. */
enum role {
    LOOKS,
    LEADS_DISCOVERY,
    LEADS_SYNC,
    LEADS,
    LEARNS_DISCOVERY,
    LEARNS_SYNC,
    LEARNS,
    ROLE_COUNT,
};

static const uint8_t moves[ROLE_COUNT] = {
    [LOOKS] = 1 << LOOKS | 1 << LEADS_DISCOVERY | 1 << LEARNS_DISCOVERY | 1 << LEADS,
    [LEADS_DISCOVERY] = 1 << LEADS_SYNC | 1 << LOOKS,
    [LEADS_SYNC] = 1 << LEADS | 1 << LOOKS,
    [LEADS] = 1 << LOOKS,
    [LEARNS_DISCOVERY] = 1 << LEARNS_SYNC | 1 << LOOKS,
    [LEARNS_SYNC] = 1 << LEARNS | 1 << LEARNS_DISCOVERY | 1 << LOOKS,
    [LEARNS] = 1 << LOOKS,
};

static enum role role_of(enum viv_server_state state, enum viv_zab_phase phase)
{
    if (state == VIV_LOOKING) {
        VIV_ASSERT(phase == VIV_ZAB_ELECTION);
        return LOOKS;
    }
    VIV_ASSERT(phase != VIV_ZAB_ELECTION);
    enum role first = state == VIV_LEADING ? LEADS_DISCOVERY : LEARNS_DISCOVERY;
    return (enum role)(first + (phase - VIV_ZAB_DISCOVERY));
}

void viv_zab_move(struct viv_zab *zab, enum viv_server_state state, enum viv_zab_phase phase, viv_sid leader)
{
    VIV_ASSERT(moves[role_of(zab->state, zab->phase)] & (1 << role_of(state, phase)));
    zab->state = state;
    zab->phase = phase;
    zab->leader_sid = leader;
    struct viv_zab_output *output = viv_zab_emit(zab, VIV_ZAB_ROLE);
    output->state = state;
    output->sid = leader;
    output->epoch = zab->durable.current_epoch;
    output->phase = phase;
    output->flag = phase == VIV_ZAB_BROADCAST;
    zab->has_served = zab->has_served || output->flag;
}

void viv_zab_elected(struct viv_zab *zab, viv_sid leader)
{
    VIV_ASSERT(zab->state == VIV_LOOKING);
    viv_log(VIV_LOG_INFO, VIV_ZAB_ROOM, "a leader is elected", "gid=%u leader=%lld round=%llu zxid=0x%llx", zab->gid,
            (long long)leader, (unsigned long long)zab->election.round, (unsigned long long)zab->durable.last_zxid);
    if (leader == zab->sid) {
        viv_zab_trace(zab, VIV_TRACE_LEADING, 0, 0);
        viv_zab_emit(zab, VIV_ZAB_LISTEN)->flag = true; /* before anybody can know whom to dial */
        viv_zab_move(zab, VIV_LEADING, VIV_ZAB_DISCOVERY, leader);
        viv_election_announce(zab);
        viv_leader_begin(zab);
        return;
    }
    viv_zab_trace(zab, VIV_TRACE_FOLLOWING, (uint64_t)leader, 0);
    viv_zab_move(zab, viv_membership_is_observer(&zab->membership, zab->sid) ? VIV_OBSERVING : VIV_FOLLOWING,
                 VIV_ZAB_DISCOVERY, leader);
    viv_learner_begin(zab, leader);
}

void viv_zab_leave_to(struct viv_zab *zab, viv_sid designated, const char *reason)
{
    viv_sid lost = 0;
    VIV_ASSERT(zab->state != VIV_LOOKING);
    viv_log(VIV_LOG_WARN, VIV_ZAB_ROOM, "looking for a leader", "gid=%u was=%d phase=%d leader=%lld reason=\"%s\"",
            zab->gid, (int)zab->state, (int)zab->phase, (long long)zab->leader_sid, reason);
    if (zab->state == VIV_LEADING) {
        viv_leader_end(zab);
        viv_zab_emit(zab, VIV_ZAB_LISTEN)->flag = false;
    } else {
        lost = zab->leader_sid;
        viv_learner_end(zab);
        viv_zab_trace(zab, VIV_TRACE_FOLLOW_LOST, (uint64_t)lost, 0);
    }
    VIV_ASSERT(zab->history.last_zxid == zab->durable.issued_zxid);
    zab->durable.next = VIV_DURABLE_NOBODY;
    viv_zab_move(zab, VIV_LOOKING, VIV_ZAB_ELECTION, 0);
    viv_election_begin(zab, lost, designated);
}

void viv_zab_leave(struct viv_zab *zab, const char *reason)
{
    viv_zab_leave_to(zab, 0, reason);
}

/* ---- who decides ---- */

/* Slots may have changed hands. */
void viv_zab_tell_members(struct viv_zab *zab)
{
    struct viv_peers *peers = &zab->leader.peers;
    for (size_t i = 0; i < peers->count; i++) {
        peers->items[i].index = viv_membership_index(&zab->membership, peers->items[i].sid);
    }
    const struct viv_membership *membership = &zab->membership;
    struct viv_zab_output *output = viv_zab_emit(zab, VIV_ZAB_MEMBERS);
    output->members = viv_zab_keep(zab, viv_buffer_bytes(&membership->active.text));
    output->flag = membership->active.zxid == 0;
    if (membership->has_proposed) {
        output->members_next = viv_zab_keep(zab, viv_buffer_bytes(&membership->proposed.text));
    } else if (membership->has_hinted) {
        output->members_next = viv_zab_keep(zab, viv_buffer_bytes(&membership->hinted.text));
    }
}

bool viv_zab_note_entry(struct viv_zab *zab, const struct viv_entry *entry)
{
    struct viv_bytes text;
    if (!viv_reconfig_txn_text(entry->body, &text)) {
        return true;
    }
    if (!viv_membership_propose(&zab->membership, text, entry->zxid)) {
        zab->cannot_read_members = true;
        return false;
    }
    if (zab->out != NULL) {
        viv_zab_tell_members(zab);
    }
    return true;
}

static bool activate(struct viv_zab *zab)
{
    const struct viv_membership *membership = &zab->membership;
    if (!membership->has_proposed || membership->proposed.zxid > zab->history.committed_zxid) {
        return false;
    }
    viv_membership_activate(&zab->membership);
    viv_log(VIV_LOG_INFO, VIV_ZAB_ROOM, "the ensemble is reconfigured", "gid=%u version=%llx voters=%d", zab->gid,
            (unsigned long long)membership->active.version, __builtin_popcountll(membership->active.quorum.voters));
    return true;
}

bool viv_zab_commit(struct viv_zab *zab, uint64_t zxid)
{
    viv_history_commit(&zab->history, zxid);
    if (!activate(zab)) {
        return false;
    }
    viv_zab_tell_members(zab);
    return true;
}

bool viv_zab_adopt_members(struct viv_zab *zab, struct viv_bytes text)
{
    if (text.size == 0 || !viv_membership_adopt(&zab->membership, text)) {
        return false;
    }
    viv_log(VIV_LOG_INFO, VIV_ZAB_ROOM, "heard of a newer configuration of the ensemble", "gid=%u version=%llx",
            zab->gid, (unsigned long long)zab->membership.active.version);
    viv_zab_tell_members(zab);
    return true;
}

void viv_zab_forget_members(struct viv_zab *zab, uint64_t zxid)
{
    if (viv_membership_truncate(&zab->membership, zxid)) {
        viv_zab_tell_members(zab);
    }
}

void viv_zab_deliver(struct viv_zab *zab)
{
    const struct viv_entry *entry;
    if (zab->durable.repairing && zab->repair.zxid > zab->history.delivered_zxid) {
        return; /* whole in memory, not on the disk yet */
    }
    while ((entry = viv_history_deliver(&zab->history, zab->durable.last_zxid)) != NULL) {
        viv_zab_emit(zab, VIV_ZAB_DELIVER)->entry = *entry;
    }
}

/* ---- making and recovering ---- */

struct viv_zab *viv_zab_new(const struct viv_zab_config *config)
{
    struct viv_zab *zab = viv_alloc_zeroed(1, sizeof *zab);
    const struct viv_zab_member alone = {.sid = config->sid, .voter = true};
    VIV_ASSERT((config->standalone || config->member_count > 0) && config->tick_ms > 0);
    viv_membership_init(&zab->membership, config->standalone ? &alone : config->members,
                        config->standalone ? 1 : config->member_count, config->config_text, config->config_version);
    zab->reconfigurable = config->reconfigurable && !config->standalone;
    zab->snap_syncs_max = config->snap_syncs_max;
    zab->diff_syncs_max = config->diff_syncs_max;
    zab->gid = config->gid;
    zab->sid = config->sid;
    zab->standalone = config->standalone;
    zab->tick_ms = config->tick_ms;
    zab->init_limit_ms = (uint64_t)config->init_limit_ticks * config->tick_ms;
    zab->adaptive = config->adaptive;
    zab->counter_max = config->epoch_entries_max == 0 ? VIV_ZAB_COUNTER_MAX : config->epoch_entries_max;
    VIV_ASSERT(zab->counter_max <= VIV_ZAB_COUNTER_MAX);
    zab->sync_limit_ms = (uint64_t)config->sync_limit_ticks * config->tick_ms;
    viv_ranking_init(zab, config);
    viv_rng_init(&zab->rng, config->seed);
    return zab;
}

void viv_zab_free(struct viv_zab *zab)
{
    if (zab != NULL) {
        viv_history_fini(&zab->history);
        viv_learner_fini(&zab->learner);
        viv_leader_fini(&zab->leader);
        viv_membership_fini(&zab->membership);
        free(zab);
    }
}

void viv_zab_recover(struct viv_zab *zab, const struct viv_entry *entry, bool committed)
{
    struct viv_history *history = &zab->history;
    VIV_ASSERT(zab->durable.issued_zxid == 0); /* not started */
    VIV_ASSERT(!committed || history->committed_zxid == history->last_zxid || history->count == 0);
    if (history->count == 0) {
        viv_history_reset(history, entry->zxid - 1);
    }
    viv_history_append(history, entry);
    if (!viv_entry_is_damaged(entry)) {
        (void)viv_zab_note_entry(zab, entry); /* start tells */
    }
    if (committed) {
        history->committed_zxid = entry->zxid;
        history->delivered_zxid = history->damaged_count == 0 ? entry->zxid : history->delivered_zxid;
        (void)activate(zab);
    }
    viv_history_trim(history, history->delivered_zxid, VIV_HISTORY_BYTES_MAX);
}

void viv_zab_recover_members(struct viv_zab *zab, struct viv_bytes text)
{
    VIV_ASSERT(zab->history.count == 0);
    (void)viv_membership_adopt(&zab->membership, text);
}

void viv_zab_start(struct viv_zab *zab, const struct viv_zab_start *start, struct viv_zab_outputs *out)
{
    struct viv_history *history = &zab->history;
    VIV_ASSERT(start->current_epoch <= start->accepted_epoch);
    VIV_ASSERT(start->base_zxid <= start->applied_zxid && start->applied_zxid <= start->last_zxid);
    if (history->count == 0 || history->delivered_zxid == history->floor_zxid) {
        /* Nothing delivered is in memory: what is not there ends exactly with what was applied. */
        VIV_ASSERT(start->applied_zxid <= history->floor_zxid || history->count == 0);
        bool has_committed = history->committed_zxid != history->floor_zxid; /* behind a damaged one */
        history->committed_zxid = has_committed ? history->committed_zxid : start->applied_zxid;
        history->floor_zxid = history->delivered_zxid = start->applied_zxid;
        history->last_zxid = history->count == 0 ? start->applied_zxid : history->last_zxid;
    }
    VIV_ASSERT(history->delivered_zxid == start->applied_zxid);
    VIV_ASSERT(history->last_zxid == start->last_zxid);
    zab->trim_zxid = start->applied_zxid;
    zab->now_ms = start->now_ms;
    viv_durable_start(zab, start);
    zab->repair.is_baseless = start->baseless;
    zab->repair.uncertain_from_zxid = start->uncertain_from_zxid;
    zab->out = out;
    if (zab->cannot_read_members) {
        viv_zab_fatal(zab, "a configuration of the ensemble in the log cannot be read");
        zab->out = NULL;
        return;
    }
    viv_zab_tell_members(zab);
    viv_zab_move(zab, VIV_LOOKING, VIV_ZAB_ELECTION, 0);
    if (zab->standalone) {
        viv_leader_begin_alone(zab);
    } else {
        viv_election_begin(zab, 0, 0);
    }
    zab->out = NULL;
}

/* ---- inputs ---- */

static void on_tick(struct viv_zab *zab, const struct viv_zab_input *input)
{
    (void)input;
    viv_history_trim(&zab->history, zab->trim_zxid, VIV_HISTORY_BYTES_MAX);
    zab->trim_zxid = zab->history.delivered_zxid;
    if (zab->standalone) {
        return;
    }
    bool is_stuck = viv_durable_is_stuck(zab);
    viv_election_measure(zab);
    if (zab->state == VIV_LOOKING) {
        viv_election_tick(zab);
    } else if (zab->state == VIV_LEADING && is_stuck) {
        viv_zab_leave(zab, "its own disk does not answer");
    } else if (zab->state == VIV_LEADING) {
        viv_leader_tick(zab);
    } else {
        viv_learner_tick(zab);
    }
}

static void on_vote(struct viv_zab *zab, const struct viv_zab_input *input)
{
    viv_election_vote(zab, input->sid, &input->vote);
}

static void on_link_up(struct viv_zab *zab, const struct viv_zab_input *input)
{
    VIV_ASSERT(input->link != 0);
    if (input->sid == 0) {
        viv_leader_link_up(zab, input);
    } else {
        viv_learner_link_up(zab, input->link, input->sid);
    }
}

static void on_link_down(struct viv_zab *zab, const struct viv_zab_input *input)
{
    if (zab->state == VIV_LEADING) {
        viv_leader_link_down(zab, input->link);
    } else {
        viv_learner_link_down(zab, input->link, input->sid);
    }
}

static void on_packet(struct viv_zab *zab, const struct viv_zab_input *input)
{
    if (zab->state == VIV_LEADING) {
        viv_leader_packet(zab, input->link, &input->packet);
    } else {
        viv_learner_packet(zab, input->link, &input->packet);
    }
}

static void on_stored(struct viv_zab *zab, const struct viv_zab_input *input)
{
    viv_durable_stored(zab, input->zxid);
    if (zab->state == VIV_LEADING) {
        viv_leader_stored(zab);
    } else if (zab->state != VIV_LOOKING) {
        viv_learner_stored(zab);
    }
    viv_zab_deliver(zab);
}

static void on_epochs_stored(struct viv_zab *zab, const struct viv_zab_input *input)
{
    (void)input;
    static void (*const next[])(struct viv_zab * zab) = {
        [VIV_DURABLE_NOBODY] = NULL,
        [VIV_DURABLE_LEADER_PROMISED] = viv_leader_promised,
        [VIV_DURABLE_LEADER_ADOPTED] = viv_leader_adopted,
        [VIV_DURABLE_LEARNER_PROMISED] = viv_learner_promised,
        [VIV_DURABLE_LEARNER_ADOPTED] = viv_learner_adopted,
        [VIV_DURABLE_ROLLOVER_PROMISED] = viv_rollover_promised,
        [VIV_DURABLE_ROLLOVER_ADOPTED] = viv_rollover_adopted,
        [VIV_DURABLE_ROLLOVER_LEARNER_PROMISED] = viv_rollover_learner_promised,
        [VIV_DURABLE_ROLLOVER_LEARNER_ADOPTED] = viv_rollover_learner_adopted,
    };
    enum viv_durable_next goes_on = viv_durable_epochs_stored(zab);
    if (next[goes_on] != NULL) {
        next[goes_on](zab);
    }
}

static void on_truncated(struct viv_zab *zab, const struct viv_zab_input *input)
{
    (void)input;
    viv_durable_truncated(zab);
    if (zab->state == VIV_LEADING) {
        viv_pull_stored(zab);
        viv_repair_go_on(zab);
    } else if (zab->state != VIV_LOOKING) {
        viv_learner_truncated(zab);
    }
}

static void on_snap_sent(struct viv_zab *zab, const struct viv_zab_input *input)
{
    viv_leader_snapshot_sent(zab, input->link);
}

static void on_snap_installed(struct viv_zab *zab, const struct viv_zab_input *input)
{
    viv_learner_installed(zab, input->zxid, input->data);
}

static void on_snap_aborted(struct viv_zab *zab, const struct viv_zab_input *input)
{
    (void)input;
    viv_learner_install_aborted(zab);
}

static void on_snap_progress(struct viv_zab *zab, const struct viv_zab_input *input)
{
    viv_leader_progress(zab, input->link);
    viv_learner_progress(zab, input->link);
}

static void on_propose(struct viv_zab *zab, const struct viv_zab_input *input)
{
    viv_leader_propose(zab, input->zxid, input->data, input->sid);
}

static void on_log_data(struct viv_zab *zab, const struct viv_zab_input *input)
{
    if (input->for_repair) {
        viv_repair_log_data(zab, input);
    } else {
        viv_leader_log_data(zab, input);
    }
}

static void on_ping_reply(struct viv_zab *zab, const struct viv_zab_input *input)
{
    viv_learner_ping_reply(zab, input->link, input->data);
}

static void on_confirm(struct viv_zab *zab, const struct viv_zab_input *input)
{
    if (viv_zab_is_broadcasting_leader(zab)) {
        viv_confirm_ask(zab, input->zxid);
    }
}

static void on_pass(struct viv_zab *zab, const struct viv_zab_input *input)
{
    viv_leader_pass(zab, input->link, &input->packet);
    viv_learner_pass(zab, input->link, &input->packet);
}

typedef void input_fn(struct viv_zab *zab, const struct viv_zab_input *input);
static input_fn *const handlers[] = {
    [VIV_ZAB_TICK] = on_tick,
    [VIV_ZAB_VOTE] = on_vote,
    [VIV_ZAB_LINK_UP] = on_link_up,
    [VIV_ZAB_LINK_DOWN] = on_link_down,
    [VIV_ZAB_PACKET] = on_packet,
    [VIV_ZAB_STORED] = on_stored,
    [VIV_ZAB_EPOCHS_STORED] = on_epochs_stored,
    [VIV_ZAB_TRUNCATED] = on_truncated,
    [VIV_ZAB_SNAP_SENT] = on_snap_sent,
    [VIV_ZAB_SNAP_INSTALLED] = on_snap_installed,
    [VIV_ZAB_SNAP_ABORTED] = on_snap_aborted,
    [VIV_ZAB_SNAP_PROGRESS] = on_snap_progress,
    [VIV_ZAB_PROPOSE] = on_propose,
    [VIV_ZAB_LOG_DATA] = on_log_data,
    [VIV_ZAB_FAULT] = viv_repair_fault,
    [VIV_ZAB_REPAIRED] = viv_repair_stored,
    [VIV_ZAB_PING_REPLY] = on_ping_reply,
    [VIV_ZAB_PASS] = on_pass,
    [VIV_ZAB_CONFIRM] = on_confirm,
};

/* What holds between any two inputs. */
static void check(const struct viv_zab *zab)
{
    const struct viv_durable *durable = &zab->durable;
    const struct viv_history *history = &zab->history;
    VIV_ASSERT(durable->current_epoch <= durable->accepted_epoch);
    VIV_ASSERT(durable->last_zxid <= durable->issued_zxid && durable->issued_zxid == history->last_zxid);
    VIV_ASSERT(history->floor_zxid <= history->delivered_zxid && history->delivered_zxid <= durable->last_zxid);
    VIV_ASSERT(history->delivered_zxid <= history->committed_zxid && history->committed_zxid <= history->last_zxid);
    VIV_ASSERT((zab->state == VIV_LEADING) == (zab->leader.stage != VIV_LEADER_IDLE));
    VIV_ASSERT((zab->state == VIV_FOLLOWING || zab->state == VIV_OBSERVING) ==
               (zab->learner.stage != VIV_LEARNER_IDLE));
    VIV_ASSERT(zab->state == VIV_LOOKING || !zab->election.is_open);
}

void viv_zab_step(struct viv_zab *zab, const struct viv_zab_input *input, struct viv_zab_outputs *out)
{
    VIV_ASSERT((size_t)input->kind < sizeof handlers / sizeof handlers[0]);
    VIV_ASSERT(input->now_ms >= zab->now_ms);
    zab->now_ms = input->now_ms;
    zab->out = out;
    handlers[input->kind](zab, input);
    viv_election_open(zab); /* an election waits for the disk to have answered everything */
    check(zab);
    zab->out = NULL;
}

/* ---- questions ---- */

uint64_t viv_zab_next_zxid(const struct viv_zab *zab)
{
    VIV_ASSERT(viv_zab_is_broadcasting_leader(zab));
    return viv_leader_last_proposed(zab) + 1;
}

bool viv_zab_is_broadcasting_leader(const struct viv_zab *zab)
{
    return zab->leader.stage == VIV_LEADER_BROADCASTING;
}

uint32_t viv_zab_leader_link(const struct viv_zab *zab)
{
    return zab->learner.stage == VIV_LEARNER_SERVES ? zab->learner.link : 0;
}

uint64_t viv_zab_last_proposed(const struct viv_zab *zab)
{
    return zab->history.last_zxid;
}

uint64_t viv_zab_last_committed(const struct viv_zab *zab)
{
    return zab->history.committed_zxid;
}

void viv_zab_stats(const struct viv_zab *zab, struct viv_zab_stats *stats)
{
    *stats = (struct viv_zab_stats){
        .state = zab->state,
        .phase = zab->phase,
        .leader = zab->leader_sid,
        .accepted_epoch = zab->durable.accepted_epoch,
        .current_epoch = zab->durable.current_epoch,
        .outstanding = zab->history.count - viv_history_above(&zab->history, zab->history.committed_zxid),
        .proposals = zab->proposals,
        .commits = zab->commits,
        .elections = zab->elections,
        .repairs = zab->repair.repairs,
        .wanted_zxid = viv_repair_is_due(zab) ? zab->repair.zxid : 0,
    };
    for (size_t i = 0; i < zab->leader.peers.count; i++) {
        const struct viv_leader_peer *peer = &zab->leader.peers.items[i];
        stats->learners += peer->stage > VIV_PEER_STRANGER;
        stats->synced_followers += peer->stage == VIV_PEER_SERVES && peer->is_follower;
        stats->synced_observers += peer->stage == VIV_PEER_SERVES && !peer->is_follower;
    }
}

viv_sid viv_zab_learner_sid(const struct viv_zab *zab, uint32_t link)
{
    for (size_t i = 0; i < zab->leader.peers.count; i++) {
        const struct viv_leader_peer *peer = &zab->leader.peers.items[i];
        if (peer->link == link) {
            return peer->stage == VIV_PEER_SERVES ? peer->sid : 0;
        }
    }
    return 0;
}
