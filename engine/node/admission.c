#include "node/admission.h"

enum { TOKEN_MILLI = 1000 };

void viv_admission_init(struct viv_admission *admission, uint64_t burst_count, uint64_t per_second)
{
    *admission = (struct viv_admission){
        .burst_count = burst_count, .per_second = per_second, .tokens_milli = burst_count * TOKEN_MILLI};
}

/* per_second tokens a second are as many thousandths a millisecond. */
static void fill(struct viv_admission *admission, uint64_t now_ms)
{
    uint64_t most = admission->burst_count * TOKEN_MILLI;
    uint64_t passed_ms = now_ms - admission->filled_ms;
    uint64_t missing = most - admission->tokens_milli;
    bool is_full = admission->per_second > 0 && passed_ms > missing / admission->per_second;
    admission->tokens_milli = is_full ? most : admission->tokens_milli + passed_ms * admission->per_second;
    admission->filled_ms = now_ms;
}

bool viv_admission_new_session(struct viv_admission *admission, uint64_t now_ms)
{
    if (admission->burst_count == 0) {
        return true;
    }
    fill(admission, now_ms);
    if (admission->tokens_milli < TOKEN_MILLI) {
        return false;
    }
    admission->tokens_milli -= TOKEN_MILLI;
    return true;
}

void viv_admission_renewal(struct viv_admission *admission, uint64_t now_ms)
{
    (void)viv_admission_new_session(admission, now_ms);
}
