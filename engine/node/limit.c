#include "node/limit.h"

#include "base/log.h"

static const struct {
    const char *text, *key;
} descriptions[] = {
    [VIV_LIMIT_WATCHES_OF_CONNECTION] = {"refused: a connection holds as many watches as it may",
                                         "limit.watchesPerConnection"},
    [VIV_LIMIT_WATCHES] = {"refused: this server holds as many watches as it may", "limit.watches"},
    [VIV_LIMIT_SESSIONS] = {"refused: there are as many sessions as there may be", "limit.sessions"},
    [VIV_LIMIT_NEW_SESSIONS] = {"refused: new sessions come faster than they may", "connection_throttle_tokens"},
    [VIV_LIMIT_OVERLOAD] = {"refused: no new sessions while the outstanding requests are beyond their limit",
                            "globalOutstandingLimit"},
    [VIV_LIMIT_REPLY_BYTES] = {"refused: the answer would be longer than an answer may be; children can be read in "
                               "pages",
                               "limit.replyBytes"},
    [VIV_LIMIT_TREE_BYTES] = {"refused: the tree takes as much memory as it may; delete nodes, or raise the limit",
                              "limit.treeMiB"},
};

const char *viv_limit_key(enum viv_limit limit)
{
    return descriptions[limit].key;
}

void viv_limit_hit(struct viv_limits *limits, enum viv_limit limit, uint64_t whose, uint64_t now_ms)
{
    uint64_t swallowed;
    limits->hits[limit]++;
    if (viv_log_gate_open(&limits->gates[limit], now_ms, &swallowed)) {
        viv_log(VIV_LOG_WARN, "node", descriptions[limit].text, "limit=%s who=0x%llx swallowed=%llu",
                descriptions[limit].key, (unsigned long long)whose, (unsigned long long)swallowed);
    }
}
