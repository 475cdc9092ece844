#include <stdlib.h>

#include "base/assert.h"
#include "sim/check/check_internal.h"

/* What the replicas did with the committed order: each applies all of it, one after the other, and comes to the same
 * trees; each epoch has one leader. */

struct servers {
    struct viv_check *check;
    uint64_t *digests;                /* per transaction, 0: nobody has said */
    uint64_t first_digest;            /* of the empty tree */
    size_t next[VIV_SIM_SERVERS_MAX]; /* per server: the transaction that it is to apply next */
    bool stands[VIV_SIM_SERVERS_MAX];
};

static void server_fail(struct servers *servers, size_t record, const char *what, uint64_t expected)
{
    const struct viv_sim_record *at = &servers->check->history->records[record];
    viv_check_fail(servers->check, VIV_CHECKER_agreement, record, VIV_CHECK_NONE,
                   "server %d zxid 0x%llx: %s: expected 0x%llx, saw %s 0x%llx", at->server,
                   (unsigned long long)at->zxid, what, (unsigned long long)expected, viv_sim_record_kind_text(at->kind),
                   (unsigned long long)at->zxid);
}

static void compare_digest(struct servers *servers, size_t record, size_t transaction)
{
    const struct viv_sim_record *at = &servers->check->history->records[record];
    uint64_t *known = transaction == VIV_CHECK_NONE ? &servers->first_digest : &servers->digests[transaction];
    *known = *known == 0 ? at->digest : *known;
    servers->check->report->checked[VIV_CHECKER_agreement]++;
    if (at->digest != 0 && at->digest != *known) {
        viv_check_fail(servers->check, VIV_CHECKER_agreement, record, VIV_CHECK_NONE,
                       "server %d zxid 0x%llx: the tree: expected digest 0x%llx as on another server, saw 0x%llx",
                       at->server, (unsigned long long)at->zxid, (unsigned long long)*known,
                       (unsigned long long)at->digest);
    }
}

/* It begins from its disk, or from an image of another's: anything that is committed. */
static void take_stand(struct servers *servers, size_t record)
{
    struct viv_check *check = servers->check;
    const struct viv_sim_record *stands = &check->history->records[record];
    size_t at = viv_check_transaction_at(check, stands->zxid);
    uint64_t zxid = at == VIV_CHECK_NONE ? 0 : check->transactions[at].zxid;
    if (stands->zxid != zxid && VIV_ZXID_COUNTER(stands->zxid) != 0) {
        server_fail(servers, record, "stands where nothing was committed", zxid);
    }
    servers->next[stands->server] = at == VIV_CHECK_NONE ? 0 : at + 1;
    servers->stands[stands->server] = true;
    compare_digest(servers, record, at);
}

static void take_apply(struct servers *servers, size_t record)
{
    struct viv_check *check = servers->check;
    const struct viv_sim_record *apply = &check->history->records[record];
    size_t next = servers->next[apply->server];
    uint64_t expected = next < check->transaction_count ? check->transactions[next].zxid : 0;
    if (!servers->stands[apply->server] || expected != apply->zxid) {
        server_fail(servers, record, "applied out of the committed order", expected);
        size_t at = viv_check_transaction_at(check, apply->zxid);
        servers->next[apply->server] = at == VIV_CHECK_NONE ? 0 : at + 1;
        servers->stands[apply->server] = true;
        return;
    }
    servers->next[apply->server]++;
    compare_digest(servers, record, next);
}

static void take_lead(struct viv_check *check, size_t record)
{
    const struct viv_sim_record *leads = &check->history->records[record];
    for (size_t i = 0; i < record; i++) {
        const struct viv_sim_record *other = &check->history->records[i];
        if (other->kind == VIV_SIM_LEADS && other->zxid == leads->zxid && other->server != leads->server) {
            viv_check_fail(check, VIV_CHECKER_agreement, record, VIV_CHECK_NONE,
                           "server %d: epoch 0x%x: expected its only leader to be server %d, saw this one lead too",
                           leads->server, VIV_ZXID_EPOCH(leads->zxid), other->server);
            return;
        }
    }
    check->report->checked[VIV_CHECKER_agreement]++;
}

void viv_check_servers(struct viv_check *check)
{
    struct servers servers = {.check = check};
    servers.digests = viv_alloc_zeroed(check->transaction_count + 1, sizeof(*servers.digests));
    for (size_t i = 0; i < check->history->count; i++) {
        const struct viv_sim_record *record = &check->history->records[i];
        bool has_log = check->history->header.has_log;
        if (record->kind == VIV_SIM_LEADS) {
            take_lead(check, i);
        } else if (record->kind == VIV_SIM_STANDS && has_log) {
            take_stand(&servers, i);
        } else if (record->kind == VIV_SIM_APPLY && has_log) {
            take_apply(&servers, i);
        }
    }
    free(servers.digests);
}
