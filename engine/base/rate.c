#include "base/rate.h"

enum { TOKEN = 1000, GATE_MS = 1000 };

void viv_rate_init(struct viv_rate *rate, uint32_t per_second, uint32_t burst, uint64_t now_ms)
{
    *rate = (struct viv_rate){per_second, burst, (uint64_t)burst * TOKEN, now_ms};
}

bool viv_rate_take(struct viv_rate *rate, uint64_t now_ms)
{
    uint64_t passed_ms = now_ms - rate->filled_ms;
    rate->filled_ms = now_ms;
    uint64_t most = (uint64_t)rate->burst * TOKEN;
    uint64_t room = most - rate->thousandths;
    rate->thousandths += passed_ms < room / rate->per_second + 1 ? passed_ms * rate->per_second : room;
    rate->thousandths = rate->thousandths < most ? rate->thousandths : most;
    if (rate->thousandths < TOKEN) {
        return false;
    }
    rate->thousandths -= TOKEN;
    return true;
}

bool viv_log_gate_open(struct viv_log_gate *gate, uint64_t now_ms, uint64_t *swallowed)
{
    if (gate->was_told && now_ms - gate->told_ms < GATE_MS) {
        gate->swallowed++;
        return false;
    }
    *swallowed = gate->swallowed;
    *gate = (struct viv_log_gate){.told_ms = now_ms, .was_told = true};
    return true;
}
