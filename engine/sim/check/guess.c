#include <stdlib.h>

#include "base/assert.h"
#include "sim/check/check_internal.h"
#include "wire/op.h"

/* A history without a log: the replies tell the zxids of what was answered, and what was not answered may have
 * happened, once, at a zxid that nothing else has. At each first failure every such request, and every end of a
 * session, is tried at each such zxid before it; what lets the replay get furthest stays. Paths do not depend on one
 * another but in multis, so that a choice that helps here hardly ever harms elsewhere. */

enum { TRIALS_MAX = 4000, FREE_ZXIDS_MAX = 64 };

struct guess {
    struct viv_check *check;
    struct viv_check_transaction *candidates; /* zxid 0 */
    bool *used;
    size_t count;
    size_t trials;
};

static void add_candidate(struct guess *guess, const struct viv_check_transaction *candidate)
{
    guess->candidates = viv_realloc(guess->candidates, (guess->count + 1) * sizeof(*guess->candidates));
    guess->used = viv_realloc(guess->used, guess->count + 1);
    guess->candidates[guess->count] = *candidate;
    guess->used[guess->count++] = false;
}

static struct viv_check_transaction candidate_of(size_t operation, size_t record, int64_t session_id, int32_t type)
{
    return (struct viv_check_transaction){
        .record = record,
        .operation = operation,
        .header = {.session_id = session_id, .time_ms = VIV_REF_TIME_UNKNOWN, .type = type},
        .is_close = type == VIV_OP_CLOSE_SESSION,
        .is_guess = true,
    };
}

/* Requests that nobody answered. */
static void find_unanswered(struct guess *guess)
{
    const struct viv_check *check = guess->check;
    for (size_t i = 0; i < check->operation_count; i++) {
        const struct viv_sim_record *request = viv_check_request(check, i);
        const struct viv_check_operation *operation = &check->operations[i];
        if (operation->reply == VIV_CHECK_NONE && viv_ref_is_write(request->type)) {
            int64_t session_id = check->connections[operation->connection].session_id;
            struct viv_check_transaction candidate = candidate_of(i, operation->request, session_id, request->type);
            candidate.header.cxid = request->xid;
            add_candidate(guess, &candidate);
        }
    }
}

/* Sessions that their clients did not close; each once. */
static void find_sessions(struct guess *guess)
{
    const struct viv_check *check = guess->check;
    for (size_t i = 0; i < check->connection_count; i++) {
        const struct viv_check_connection *connection = &check->connections[i];
        bool is_known = connection->grant == VIV_CHECK_NONE || connection->session_id == 0;
        for (size_t k = 0; k < i && !is_known; k++) {
            is_known = check->connections[k].session_id == connection->session_id;
        }
        for (size_t k = 0; k < check->transaction_count && !is_known; k++) {
            is_known =
                check->transactions[k].is_close && check->transactions[k].header.session_id == connection->session_id;
        }
        if (!is_known) {
            struct viv_check_transaction candidate =
                candidate_of(VIV_CHECK_NONE, connection->grant, connection->session_id, VIV_OP_CLOSE_SESSION);
            add_candidate(guess, &candidate);
        }
    }
}

/* zxids that no transaction has, newest first, at most so many. */
static size_t free_zxids(const struct viv_check *check, uint64_t upto, uint64_t *zxids)
{
    size_t count = 0;
    for (size_t i = check->transaction_count; i-- > 0 && count < FREE_ZXIDS_MAX;) {
        uint64_t next = i + 1 < check->transaction_count ? check->transactions[i + 1].zxid : upto + 1;
        uint64_t zxid = check->transactions[i].zxid;
        uint64_t first = VIV_ZXID_EPOCH(next) == VIV_ZXID_EPOCH(zxid) ? zxid + 1 : VIV_ZXID(VIV_ZXID_EPOCH(next), 1);
        for (uint64_t at = next - 1; at >= first && at <= upto && count < FREE_ZXIDS_MAX; at--) {
            zxids[count++] = at;
        }
    }
    return count;
}

static size_t place_of(const struct viv_check *check, uint64_t zxid)
{
    size_t at = viv_check_transaction_at(check, zxid);
    return at == VIV_CHECK_NONE ? 0 : at + 1;
}

static void put(struct viv_check *check, const struct viv_check_transaction *candidate, uint64_t zxid)
{
    struct viv_check_transaction placed = *candidate;
    placed.zxid = placed.header.zxid = zxid;
    viv_check_add_transaction(check, place_of(check, zxid), &placed);
}

static void take_back(struct viv_check *check, uint64_t zxid)
{
    size_t at = viv_check_transaction_at(check, zxid);
    VIV_ASSERT(at != VIV_CHECK_NONE && check->transactions[at].zxid == zxid && check->transactions[at].is_guess);
    viv_ref_outcome_fini(&check->transactions[at].outcome);
    check->transaction_count--;
    for (; at < check->transaction_count; at++) {
        check->transactions[at] = check->transactions[at + 1];
    }
}

/* A request is not older than what was acknowledged, nor than what its own client asked for, before it. */
static bool may_be_at(const struct viv_check *check, const struct viv_check_transaction *candidate, uint64_t zxid)
{
    if (candidate->operation == VIV_CHECK_NONE) {
        return true;
    }
    const struct viv_check_operation *operation = &check->operations[candidate->operation];
    for (size_t i = candidate->operation; i-- > 0;) {
        const struct viv_check_operation *before = &check->operations[i];
        const struct viv_sim_record *reply = viv_check_reply(check, i);
        if (before->connection == operation->connection && viv_check_is_acknowledged_write(check, i) &&
            reply->zxid >= zxid) {
            return false;
        }
    }
    return zxid > operation->floor_zxid;
}

static uint64_t last_zxid_seen(const struct viv_check *check)
{
    uint64_t last = 0;
    for (size_t i = 0; i < check->operation_count; i++) {
        const struct viv_sim_record *reply = viv_check_reply(check, i);
        last = reply != NULL && (int64_t)reply->zxid > 0 && reply->zxid > last ? reply->zxid : last;
    }
    return last;
}

struct progress {
    size_t reached; /* comparisons before the first failure */
    bool has_failed;
};

/* One candidate more, at the place that lets the replay get furthest. False: none does. */
static bool improve(struct guess *guess, const uint64_t *zxids, size_t zxid_count, struct progress *progress)
{
    struct viv_check *check = guess->check;
    struct progress furthest = *progress;
    size_t best = 0;
    uint64_t best_zxid = 0;
    for (size_t i = 0; i < guess->count && furthest.has_failed; i++) {
        for (size_t k = 0; k < zxid_count && !guess->used[i] && furthest.has_failed; k++) {
            if (!may_be_at(check, &guess->candidates[i], zxids[k]) || guess->trials++ >= TRIALS_MAX) {
                continue;
            }
            put(check, &guess->candidates[i], zxids[k]);
            size_t compared = viv_check_replay(check);
            if (compared > furthest.reached || !check->has_failed) {
                best = i;
                best_zxid = zxids[k];
                furthest = (struct progress){compared, check->has_failed};
            }
            take_back(check, zxids[k]);
        }
    }
    if (best_zxid != 0) {
        put(check, &guess->candidates[best], best_zxid);
        guess->used[best] = true;
        *progress = furthest;
    }
    return best_zxid != 0;
}

/* Two at once, where one alone explains nothing. */
static bool improve_by_two(struct guess *guess, const uint64_t *zxids, size_t zxid_count, struct progress *progress)
{
    for (size_t i = 0; i < guess->count; i++) {
        for (size_t k = 0; k < zxid_count && !guess->used[i] && guess->trials < TRIALS_MAX; k++) {
            if (!may_be_at(guess->check, &guess->candidates[i], zxids[k])) {
                continue;
            }
            uint64_t left[FREE_ZXIDS_MAX];
            size_t left_count = 0;
            for (size_t j = 0; j < zxid_count; j++) {
                left[left_count] = zxids[j];
                left_count += j != k;
            }
            put(guess->check, &guess->candidates[i], zxids[k]);
            guess->used[i] = true;
            if (improve(guess, left, left_count, progress)) {
                return true;
            }
            guess->used[i] = false;
            take_back(guess->check, zxids[k]);
        }
    }
    return false;
}

void viv_check_guess(struct viv_check *check)
{
    struct guess guess = {.check = check};
    find_unanswered(&guess);
    find_sessions(&guess);
    check->is_trial = true;
    struct progress progress = {viv_check_replay(check), check->has_failed};
    bool is_going_on = true;
    while (progress.has_failed && is_going_on && guess.trials < TRIALS_MAX) {
        uint64_t zxids[FREE_ZXIDS_MAX];
        size_t count = free_zxids(check, last_zxid_seen(check), zxids);
        is_going_on = improve(&guess, zxids, count, &progress) || improve_by_two(&guess, zxids, count, &progress);
    }
    check->is_trial = false;
    free(guess.candidates);
    free(guess.used);
    for (size_t i = 0; i < check->transaction_count; i++) { /* places have moved */
        check->report->guess_count += check->transactions[i].is_guess;
        if (check->transactions[i].operation != VIV_CHECK_NONE) {
            check->operations[check->transactions[i].operation].transaction = i;
        }
    }
}
