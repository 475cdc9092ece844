#include "node/strange.h"

#include "base/assert.h"
#include "base/log.h"

static const struct kind {
    enum viv_log_level level;
    const char *text, *who, *number;
} kinds[VIV_STRANGE_KINDS] = {
    [VIV_STRANGE_VOTE] = {VIV_LOG_WARN, "an election message is malformed", "sid", "bytes"},
    [VIV_STRANGE_LINK] = {VIV_LOG_WARN, "a link carries malformed bytes", "link", "bytes"},
    [VIV_STRANGE_HANDSHAKE] = {VIV_LOG_INFO, "a handshake is malformed", "conn", "bytes"},
    [VIV_STRANGE_HEADER] = {VIV_LOG_INFO, "a request without a header", "conn", "bytes"},
    [VIV_STRANGE_REQUEST] = {VIV_LOG_INFO, "a request of a kind that is not served", "conn", "op"},
};

void viv_strange_tell(struct viv_strangeness *strangeness, enum viv_strange what, uint64_t now_ms, uint64_t who,
                      int64_t number)
{
    VIV_ASSERT(what < VIV_STRANGE_KINDS);
    const struct kind *kind = &kinds[what];
    uint64_t swallowed;
    if (viv_log_gate_open(&strangeness->gates[what], now_ms, &swallowed)) {
        viv_log(kind->level, "node", kind->text, "%s=%llu %s=%lld swallowed=%llu", kind->who, (unsigned long long)who,
                kind->number, (long long)number, (unsigned long long)swallowed);
    }
}
