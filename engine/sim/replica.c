#include "sim/replica.h"

#include <stdlib.h>
#include <string.h>

#include "node/inspect.h"
#include "sim/world.h"
#include "wire/members.h"

/* ---- the lists ---- */

static const struct viv_sim_entry *entry_of(const struct viv_sim_truth *truth, uint32_t number)
{
    return &truth->pool.entries[number];
}

/* The first place in a log whose zxid is above. */
static size_t place_after(const struct viv_sim_truth *truth, const struct viv_sim_numbers *log, uint64_t zxid)
{
    size_t low = 0, high = log->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (entry_of(truth, log->items[middle])->zxid > zxid) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

static size_t order_place_after(const struct viv_sim_truth *truth, uint64_t zxid)
{
    size_t low = 0, high = truth->order_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (entry_of(truth, truth->order[middle].number)->zxid > zxid) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

void viv_sim_truth_init(struct viv_sim_world *world, uint64_t first_zxid)
{
    struct viv_sim_truth *truth = &world->truth;
    uint32_t epoch = (uint32_t)(first_zxid >> 32);
    truth->first_zxid = first_zxid;
    for (size_t i = 0; i < world->server_count; i++) {
        truth->mirrors[i].hard = (struct viv_hard_state){.accepted_epoch = epoch, .current_epoch = epoch};
        truth->mirrors[i].hard_found = truth->mirrors[i].hard;
    }
}

void viv_sim_truth_fini(struct viv_sim_world *world)
{
    struct viv_sim_truth *truth = &world->truth;
    for (size_t i = 0; i < VIV_SIM_MACHINES_MAX; i++) {
        free(truth->mirrors[i].log.items);
        free(truth->mirrors[i].recovered.items);
        free(truth->mirrors[i].tickets);
    }
    viv_sim_pool_fini(&truth->pool);
    free(truth->order);
    free(truth->leaders);
    *truth = (struct viv_sim_truth){0};
}

/* ---- what nodes ask of their logs ---- */

static void cut(struct viv_sim_truth *truth, struct viv_sim_mirror *mirror, uint64_t keep_zxid)
{
    size_t kept = place_after(truth, &mirror->log, keep_zxid);
    mirror->cut_zxid = kept < mirror->log.count ? entry_of(truth, mirror->log.items[kept])->zxid : 0;
    mirror->log.count = kept;
    mirror->durable_count = mirror->durable_count < kept ? mirror->durable_count : kept;
}

/* Whoever is first told to store an entry has proposed it; in the same turn he may have ceased to lead. Those of a
 * leader that was replaced do not count, as what it hears does not. */
static void note_expiry(struct viv_sim_world *world, size_t server, const struct viv_entry *entry)
{
    struct viv_txn_header header;
    struct viv_jute_reader reader = viv_jute_reader_of(entry->body);
    viv_txn_header_decode(&reader, &header);
    if (!reader.bad && header.type == VIV_OP_CLOSE_SESSION && header.cxid == 0 &&
        !viv_sim_truth_is_replaced(world, VIV_ZXID_EPOCH(entry->zxid))) {
        viv_sim_history_add(&world->history, &(struct viv_sim_record){.kind = VIV_SIM_EXPIRE,
                                                                      .time_ns = world->now_ns,
                                                                      .session_id = header.session_id,
                                                                      .server = (int32_t)server + 1});
    }
}

static void take_entries(struct viv_sim_world *world, size_t server, const struct viv_action *action)
{
    struct viv_sim_truth *truth = &world->truth;
    struct viv_sim_mirror *mirror = &truth->mirrors[server];
    for (size_t i = 0; i < action->entry_count; i++) {
        uint64_t last =
            mirror->log.count > 0 ? entry_of(truth, mirror->log.items[mirror->log.count - 1])->zxid : mirror->base_zxid;
        if (action->entries[i].zxid <= last) {
            viv_sim_fail(world, "server %zu: its log goes back from 0x%llx to 0x%llx", server + 1,
                         (unsigned long long)last, (unsigned long long)action->entries[i].zxid);
        }
        size_t known_count = truth->pool.count;
        viv_sim_numbers_add(&mirror->log, viv_sim_pool_number(&truth->pool, &action->entries[i]));
        if (truth->pool.count > known_count) {
            note_expiry(world, server, &action->entries[i]);
        }
    }
}

void viv_sim_truth_told(struct viv_sim_world *world, size_t server, const struct viv_action *action)
{
    struct viv_sim_mirror *mirror = &world->truth.mirrors[server];
    switch (action->kind) {
    case VIV_ACTION_LOG_APPEND:
        take_entries(world, server, action);
        break;
    case VIV_ACTION_LOG_TRUNCATE:
        cut(&world->truth, mirror, action->zxid);
        if (action->zxid < mirror->applied_zxid) {
            viv_sim_fail(world, "server %zu cuts its log at 0x%llx and has applied 0x%llx", server + 1,
                         (unsigned long long)action->zxid, (unsigned long long)mirror->applied_zxid);
        }
        break;
    case VIV_ACTION_LOG_RESET:
        mirror->log.count = mirror->durable_count = 0;
        mirror->base_zxid = action->zxid;
        break;
    case VIV_ACTION_LOG_HARD:
    case VIV_ACTION_LOG_REPAIR:
        break;
    default:
        return;
    }
    if (mirror->ticket_count == mirror->ticket_capacity) {
        mirror->ticket_capacity = mirror->ticket_capacity == 0 ? 16 : mirror->ticket_capacity * 2;
        mirror->tickets = viv_realloc(mirror->tickets, mirror->ticket_capacity * sizeof *mirror->tickets);
    }
    mirror->tickets[mirror->ticket_count++] =
        (struct viv_sim_ticket){action->ticket, action->kind, mirror->log.count, action->hard};
}

void viv_sim_truth_answered(struct viv_sim_world *world, size_t server, const struct viv_event *event)
{
    struct viv_sim_mirror *mirror = &world->truth.mirrors[server];
    if (event->kind != VIV_EVENT_LOG_DONE) {
        return;
    }
    if (mirror->ticket_count == 0 || mirror->tickets[0].ticket != event->ticket) {
        viv_sim_fail(world, "server %zu: the log's answers are out of order", server + 1);
        return;
    }
    const struct viv_sim_ticket *ticket = &mirror->tickets[0];
    if (ticket->kind == VIV_ACTION_LOG_APPEND) {
        mirror->durable_count = ticket->count < mirror->log.count ? ticket->count : mirror->log.count;
    } else if (ticket->kind == VIV_ACTION_LOG_HARD) {
        mirror->hard = ticket->hard;
    }
    mirror->ticket_count--;
    memmove(mirror->tickets, mirror->tickets + 1, mirror->ticket_count * sizeof *mirror->tickets);
}

bool viv_sim_truth_is_early(const struct viv_sim_world *world, size_t server, const struct viv_event *event)
{
    const struct viv_sim_mirror *mirror = &world->truth.mirrors[server];
    return world->options->breaks == VIV_SIM_BREAK_EARLY_ACK && event->kind == VIV_EVENT_LOG_DONE &&
           mirror->ticket_count > 0 && mirror->tickets[0].kind == VIV_ACTION_LOG_APPEND;
}

uint64_t viv_sim_truth_cut(const struct viv_sim_world *world, size_t server, uint64_t keep_zxid)
{
    uint64_t next_zxid = world->truth.mirrors[server].cut_zxid;
    return world->options->breaks == VIV_SIM_BREAK_TRUNCATE_LESS && next_zxid > 0 ? next_zxid : keep_zxid;
}

/* ---- what disks give back ---- */

void viv_sim_truth_recovers(struct viv_sim_world *world, size_t server, const struct viv_log_bounds *bounds,
                            const struct viv_state_mark *mark)
{
    struct viv_sim_mirror *mirror = &world->truth.mirrors[server];
    mirror->recovered.count = 0;
    mirror->is_fuzzy = mirror->stream_zxid != 0 && mark->zxid_start == mirror->stream_zxid;
    mirror->recovered_base_zxid = mark->zxid_start > bounds->base_zxid ? mark->zxid_start : bounds->base_zxid;
}

void viv_sim_truth_recovers_entry(struct viv_sim_world *world, size_t server, const struct viv_entry *entry)
{
    viv_sim_numbers_add(&world->truth.mirrors[server].recovered, viv_sim_pool_number(&world->truth.pool, entry));
}

static bool is_same_hard(const struct viv_hard_state *a, const struct viv_hard_state *b)
{
    return a->accepted_epoch == b->accepted_epoch && a->current_epoch == b->current_epoch &&
           a->install_zxid == b->install_zxid;
}

void viv_sim_truth_recovers_hard(struct viv_sim_world *world, size_t server, const struct viv_hard_state *hard)
{
    struct viv_sim_mirror *mirror = &world->truth.mirrors[server];
    bool is_known = is_same_hard(hard, &mirror->hard) || is_same_hard(hard, &mirror->hard_found);
    for (size_t i = 0; i < mirror->ticket_count; i++) {
        is_known = is_known ||
                   (mirror->tickets[i].kind == VIV_ACTION_LOG_HARD && is_same_hard(hard, &mirror->tickets[i].hard));
    }
    if (!is_known && !mirror->may_lose) {
        viv_sim_fail(world, "server %zu: its disk gives back epochs %u/%u, it had called %u/%u durable", server + 1,
                     hard->accepted_epoch, hard->current_epoch, mirror->hard.accepted_epoch,
                     mirror->hard.current_epoch);
    }
    mirror->hard_found = *hard;
}

/* What was durable above the base must be there, in order; how many they are. */
static size_t compare_logs(struct viv_sim_world *world, size_t server)
{
    const struct viv_sim_truth *truth = &world->truth;
    const struct viv_sim_mirror *mirror = &truth->mirrors[server];
    const struct viv_sim_numbers *old = &mirror->log, *found = &mirror->recovered;
    size_t from = place_after(truth, old, mirror->recovered_base_zxid);
    size_t durable = mirror->had_tickets ? mirror->durable_count : old->count;
    if (mirror->may_lose) {
        return 0;
    }
    for (size_t i = from; i < durable; i++) {
        if (i - from >= found->count || found->items[i - from] != old->items[i]) {
            viv_sim_fail(world, "server %zu: its disk had called 0x%llx durable and does not have it", server + 1,
                         (unsigned long long)entry_of(truth, old->items[i])->zxid);
            return 0;
        }
    }
    if (!mirror->had_tickets && durable > from && found->count > durable - from) {
        viv_sim_fail(world, "server %zu: its disk has 0x%llx, which was cut away", server + 1,
                     (unsigned long long)entry_of(truth, found->items[durable - from])->zxid);
    }
    return durable > from ? durable - from : 0;
}

static void look(struct viv_sim_world *world, size_t server, bool begins);

void viv_sim_truth_began(struct viv_sim_world *world, size_t server)
{
    struct viv_sim_mirror *mirror = &world->truth.mirrors[server];
    size_t durable_count = compare_logs(world, server);
    struct viv_sim_numbers log = mirror->log;
    mirror->log = mirror->recovered;
    mirror->recovered = log;
    mirror->durable_count = durable_count;
    mirror->had_tickets = true; /* until the start is over */
    mirror->base_zxid = mirror->recovered_base_zxid;
    mirror->has_index = false;
}

void viv_sim_truth_ready(struct viv_sim_world *world, size_t server)
{
    struct viv_sim_mirror *mirror = &world->truth.mirrors[server];
    mirror->durable_count = mirror->log.count;
    mirror->hard = mirror->hard_found;
    mirror->had_tickets = false;
    mirror->may_lose = viv_sim_rot_is_on(world, UINT64_C(1) << server, world->server_count == 1);
    mirror->ticket_count = 0;
    look(world, server, true);
    viv_sim_say(world, "server %zu begins at 0x%llx, log 0x%llx + %zu entries, epochs %u/%u", server + 1,
                (unsigned long long)mirror->applied_zxid, (unsigned long long)mirror->base_zxid, mirror->log.count,
                mirror->hard.accepted_epoch, mirror->hard.current_epoch);
}

void viv_sim_truth_ended(struct viv_sim_world *world, size_t server)
{
    struct viv_sim_mirror *mirror = &world->truth.mirrors[server];
    mirror->had_tickets = mirror->had_tickets || mirror->ticket_count > 0;
}

void viv_sim_truth_wiped(struct viv_sim_world *world, size_t server)
{
    struct viv_sim_mirror *mirror = &world->truth.mirrors[server];
    mirror->log.count = mirror->durable_count = mirror->ticket_count = 0;
    mirror->base_zxid = mirror->applied_zxid = 0;
    mirror->hard = mirror->hard_found = (struct viv_hard_state){0};
    mirror->had_tickets = mirror->may_lose = mirror->is_fuzzy = false;
    mirror->stream_zxid = 0;
    viv_sim_rot_forget(world, server);
}

/* ---- the one order ---- */

static void extend(struct viv_sim_world *world, uint32_t number)
{
    struct viv_sim_truth *truth = &world->truth;
    const struct viv_sim_entry *entry = entry_of(truth, number);
    if (truth->order_count == truth->order_capacity) {
        truth->order_capacity = truth->order_capacity == 0 ? 256 : truth->order_capacity * 2;
        truth->order = viv_realloc(truth->order, truth->order_capacity * sizeof *truth->order);
    }
    truth->order[truth->order_count++] = (struct viv_sim_agreed){.number = number};
    world->result->commits++;
    world->result->reconfigurations += viv_reconfig_txn_text(entry->body, &(struct viv_bytes){0});
    viv_sim_history_add(&world->history, &(struct viv_sim_record){.kind = VIV_SIM_COMMIT,
                                                                  .time_ns = world->now_ns,
                                                                  .zxid = entry->zxid,
                                                                  .bytes = entry->body});
}

/* digest 0: not known, as more was applied in the same step. What was there before the first transaction is the
 * beginning for the history; it is not the same for a server that lost its disk. */
static void note_applied(struct viv_sim_world *world, enum viv_sim_record_kind kind, size_t server, uint64_t zxid,
                         uint64_t digest)
{
    bool is_beginning = zxid <= world->truth.first_zxid;
    zxid = is_beginning ? 0 : zxid;
    digest = is_beginning && world->truth.first_zxid > 0 ? 0 : digest;
    viv_sim_history_add(
        &world->history,
        &(struct viv_sim_record){
            .kind = kind, .time_ns = world->now_ns, .server = (int32_t)server + 1, .zxid = zxid, .digest = digest});
}

/* As in node/group: what was installed is exact from the time when it is broadcast to. */
static bool is_exact(struct viv_sim_world *world, size_t server)
{
    struct viv_sim_mirror *mirror = &world->truth.mirrors[server];
    if (mirror->is_fuzzy) {
        struct viv_node_stats stats;
        viv_node_stats(world->servers[server].node, &stats);
        mirror->is_fuzzy = stats.zab.phase != VIV_ZAB_BROADCAST;
    }
    return !mirror->is_fuzzy;
}

static void note_place(struct viv_sim_world *world, size_t server, uint64_t zxid, bool begins)
{
    struct viv_sim_truth *truth = &world->truth;
    struct viv_sim_mirror *mirror = &truth->mirrors[server];
    bool compares = is_exact(world, server);
    const struct viv_tree *tree = viv_node_tree(world->servers[server].node);
    uint64_t digest = viv_tree_digest(tree), extra = viv_tree_digest_extra(tree);
    mirror->applied_zxid = zxid;
    note_applied(world, begins ? VIV_SIM_STANDS : VIV_SIM_APPLY, server, zxid, compares ? digest : 0);
    if (!compares || !mirror->has_index || mirror->applied_index == 0) {
        return;
    }
    struct viv_sim_agreed *agreed = &truth->order[mirror->applied_index - 1];
    if (agreed->has_digest && (agreed->digest != digest || agreed->digest_extra != extra)) {
        viv_sim_fail(world, "server %zu: at 0x%llx its tree is 0x%llx/0x%llx, another's was 0x%llx/0x%llx", server + 1,
                     (unsigned long long)zxid, (unsigned long long)digest, (unsigned long long)extra,
                     (unsigned long long)agreed->digest, (unsigned long long)agreed->digest_extra);
    }
    *agreed = (struct viv_sim_agreed){agreed->number, true, digest, extra};
}

/* Alone, a disk is the quorum: what it gives back is committed, also what nobody was told of. */
static void extend_alone(struct viv_sim_world *world, const struct viv_sim_mirror *mirror)
{
    const struct viv_sim_truth *truth = &world->truth;
    uint64_t last =
        truth->order_count > 0 ? entry_of(truth, truth->order[truth->order_count - 1].number)->zxid : truth->first_zxid;
    for (size_t i = place_after(truth, &mirror->log, last); i < mirror->log.count; i++) {
        extend(world, mirror->log.items[i]);
    }
}

/* The tree stands at zxid without having come there entry by entry. */
static void jump(struct viv_sim_world *world, size_t server, uint64_t zxid)
{
    struct viv_sim_truth *truth = &world->truth;
    struct viv_sim_mirror *mirror = &truth->mirrors[server];
    if (world->server_count == 1) {
        extend_alone(world, mirror);
    }
    size_t place = order_place_after(truth, zxid);
    bool is_there = place > 0 && entry_of(truth, truth->order[place - 1].number)->zxid == zxid;
    mirror->has_index = is_there || zxid <= truth->first_zxid;
    mirror->applied_index = place;
    if (!mirror->has_index) {
        viv_sim_fail(world, "server %zu stands at 0x%llx, which nobody has applied", server + 1,
                     (unsigned long long)zxid);
    }
}

static void advance(struct viv_sim_world *world, size_t server, uint64_t zxid)
{
    struct viv_sim_truth *truth = &world->truth;
    struct viv_sim_mirror *mirror = &truth->mirrors[server];
    for (size_t i = place_after(truth, &mirror->log, mirror->applied_zxid); i < mirror->log.count; i++) {
        uint32_t number = mirror->log.items[i];
        const struct viv_sim_entry *entry = entry_of(truth, number);
        if (entry->zxid > zxid) {
            return;
        }
        if (mirror->applied_index == truth->order_count) {
            extend(world, number);
        } else if (truth->order[mirror->applied_index].number != number) {
            viv_sim_fail(world, "server %zu applies 0x%llx (crc %08x) where another applied 0x%llx (crc %08x)",
                         server + 1, (unsigned long long)entry->zxid, entry->crc,
                         (unsigned long long)entry_of(truth, truth->order[mirror->applied_index].number)->zxid,
                         entry_of(truth, truth->order[mirror->applied_index].number)->crc);
        }
        if (i >= mirror->durable_count) {
            viv_sim_fail(world, "server %zu applies 0x%llx before its own disk has it", server + 1,
                         (unsigned long long)entry->zxid);
        }
        if (entry->zxid < zxid) {
            note_applied(world, VIV_SIM_APPLY, server, entry->zxid, 0);
        }
        mirror->applied_index++;
    }
}

static void look(struct viv_sim_world *world, size_t server, bool begins)
{
    struct viv_sim_truth *truth = &world->truth;
    struct viv_sim_mirror *mirror = &truth->mirrors[server];
    uint64_t zxid = viv_tree_zxid(viv_node_tree(world->servers[server].node));
    if (zxid == mirror->applied_zxid && !begins) {
        return;
    }
    size_t place = place_after(truth, &mirror->log, zxid);
    bool is_logged = place > 0 && entry_of(truth, mirror->log.items[place - 1])->zxid == zxid;
    if (begins || zxid < mirror->applied_zxid || !is_logged) {
        if (!begins || (mirror->hard.install_zxid != 0 && mirror->hard.install_zxid == zxid)) {
            mirror->is_fuzzy = true;
            mirror->stream_zxid = zxid;
        }
        jump(world, server, zxid);
        begins = true;
    } else {
        advance(world, server, zxid);
    }
    note_place(world, server, zxid, begins);
}

bool viv_sim_truth_has(const struct viv_sim_world *world, size_t server, uint64_t zxid)
{
    const struct viv_sim_mirror *mirror = &world->truth.mirrors[server];
    size_t place = place_after(&world->truth, &mirror->log, zxid);
    bool is_logged = place > 0 && place <= mirror->durable_count &&
                     entry_of(&world->truth, mirror->log.items[place - 1])->zxid == zxid;
    return is_logged || zxid <= mirror->base_zxid;
}

void viv_sim_truth_look(struct viv_sim_world *world, size_t server)
{
    look(world, server, false);
}

void viv_sim_truth_client_told(struct viv_sim_world *world, uint64_t zxid)
{
    struct viv_sim_truth *truth = &world->truth;
    size_t place = order_place_after(truth, zxid);
    bool is_there = place > 0 && entry_of(truth, truth->order[place - 1].number)->zxid == zxid;
    if (!is_there) {
        viv_sim_fail(world, "a client is told of 0x%llx, which nobody has applied", (unsigned long long)zxid);
    }
    truth->told_zxid = zxid > truth->told_zxid ? zxid : truth->told_zxid;
}
