#include "experiments/lab/selftest.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>

#include "experiments/lab/load.h"
#include "experiments/lab/null_server.h"

/* The null server freezes for the last fifth of every second. Requests come due at an even pace, so four fifths of
 * them are answered at once and the rest waits for the end of its freeze, evenly spread between nothing and the whole
 * freeze: the percentiles follow from the lengths of the freezes. */

enum { RATE_PER_S = 2000, SESSIONS = 4, FREEZES_MAX = 64 };
#define PERIOD_NS  UINT64_C(1000000000)
#define FREEZE_NS  UINT64_C(200000000)
#define MEASURE_NS UINT64_C(4000000000)
/* A tenth of the freeze: what scheduling on a busy machine may add. */
#define TOLERANCE_US 20000.0

struct freezes {
    uint64_t lengths_ns[FREEZES_MAX];
    size_t count;
};

/* Share of the requests that wait longer than latency_ns. */
static double share_above(const struct freezes *freezes, double latency_ns)
{
    double waiting_ns = 0;
    for (size_t i = 0; i < freezes->count; i++) {
        double more_ns = (double)freezes->lengths_ns[i] - latency_ns;
        waiting_ns += more_ns > 0 ? more_ns : 0;
    }
    return waiting_ns / ((double)PERIOD_NS * (double)freezes->count);
}

static double expected_us(const struct freezes *freezes, double quantile)
{
    double low_ns = 0;
    double high_ns = (double)PERIOD_NS;
    if (share_above(freezes, 0) <= 1 - quantile) {
        return 0;
    }
    for (int i = 0; i < 50; i++) {
        double middle_ns = (low_ns + high_ns) / 2;
        if (share_above(freezes, middle_ns) > 1 - quantile) {
            low_ns = middle_ns;
        } else {
            high_ns = middle_ns;
        }
    }
    return low_ns / 1e3;
}

static bool measure(bool omit_coordinated, struct viv_histogram *latencies, struct viv_load_result *result,
                    struct freezes *freezes)
{
    struct viv_null_server *server;
    struct viv_load *load;
    struct viv_keyset keyset;
    if (viv_null_server_start(PERIOD_NS, FREEZE_NS, &server) != VIV_OK) {
        return false;
    }
    struct viv_client_address address = viv_null_server_address(server);
    struct viv_load_spec spec = {.dialect = &viv_dialect_zookeeper,
                                 .op = VIV_LOAD_SET,
                                 .clients = SESSIONS,
                                 .pipeline = 1000,
                                 .rate_per_s = RATE_PER_S,
                                 .measure_ns = MEASURE_NS,
                                 .attach = -1,
                                 .session_timeout_ms = 10000,
                                 .seed = 1,
                                 .omit_coordinated = omit_coordinated};
    viv_keyset_init(&keyset, 100, 100, 1);
    bool ok = viv_load_start(&spec, &address, 1, &keyset, &load) == VIV_OK;
    if (ok) {
        viv_load_finish(load, result);
        viv_load_merge_latencies(result, latencies);
        size_t count = viv_null_server_freezes(server, freezes->lengths_ns, FREEZES_MAX);
        freezes->count = count < FREEZES_MAX ? count : FREEZES_MAX;
    }
    viv_keyset_fini(&keyset);
    viv_null_server_stop(server);
    return ok;
}

static bool percentiles_agree(const struct viv_histogram *latencies, const struct freezes *freezes, FILE *out)
{
    static const double quantiles[] = {0.5, 0.75, 0.85, 0.9, 0.95, 0.99};
    bool agree = freezes->count > 0;
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++) {
        double wanted_us = expected_us(freezes, quantiles[i]);
        uint64_t found_us = viv_histogram_quantile(latencies, quantiles[i]);
        bool fine = fabs((double)found_us - wanted_us) <= TOLERANCE_US;
        fprintf(out, "#   p%-5g expected %6.0f us, measured %6" PRIu64 " us%s\n", quantiles[i] * 100, wanted_us,
                found_us, fine ? "" : ", too far away");
        agree = agree && fine;
    }
    return agree;
}

static bool report(FILE *out, int number, bool ok, const char *name)
{
    fprintf(out, "%sok %d - %s\n", ok ? "" : "not ", number, name);
    fflush(out);
    return ok;
}

/* Freezes that ended late, or a median that should be nothing and is not, are the machine's doing. */
static bool too_busy(const struct freezes *freezes, const struct viv_histogram *latencies)
{
    bool late = freezes->count == 0;
    for (size_t i = 0; i < freezes->count; i++) {
        late = late || (double)freezes->lengths_ns[i] > (double)FREEZE_NS + TOLERANCE_US * 1e3;
    }
    return late || (double)viv_histogram_quantile(latencies, 0.5) > TOLERANCE_US / 4;
}

enum viv_selftest_verdict viv_selftest(FILE *out)
{
    struct viv_histogram latencies;
    struct viv_load_result result = {0};
    struct freezes freezes = {0};
    uint64_t due = RATE_PER_S * MEASURE_NS / UINT64_C(1000000000);
    viv_histogram_init(&latencies);
    fprintf(out, "1..3\n");
    bool measured = measure(false, &latencies, &result, &freezes);
    bool busy = too_busy(&freezes, &latencies);
    bool all = report(out, 1, measured && result.offered >= due - 2 && latencies.total == result.offered,
                      "every request that came due was sent and its latency counted");
    all = report(out, 2, percentiles_agree(&latencies, &freezes, out),
                 "percentiles under known freezes are those expected") &&
          all;
    viv_load_result_fini(&result);
    viv_histogram_clear(&latencies);
    measured = measure(true, &latencies, &result, &freezes);
    all = report(out, 3, measured && !percentiles_agree(&latencies, &freezes, out),
                 "a generator that omits what came due in a freeze is caught") &&
          all;
    viv_load_result_fini(&result);
    viv_histogram_fini(&latencies);
    if (!all && busy) {
        fprintf(out, "# this machine is too busy to tell: the null server could not keep its schedule\n");
    }
    return all ? VIV_SELFTEST_OK : busy ? VIV_SELFTEST_BUSY : VIV_SELFTEST_FAILED;
}
