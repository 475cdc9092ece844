#include "detect/detector.h"

#include "base/assert.h"

enum {
    WINDOW_MS = 10000,
    PATIENCE = 4, /* times the longest silence that ended well */
    /* So much shows how often a peer speaks by habit. */
    KNOWN_MS = 1000,
    KNOWN_COUNT = 8,
};

void viv_detector_begin(struct viv_detector *detector, const struct viv_detector_limits *limits, uint64_t now_ms)
{
    VIV_ASSERT(limits->most_ms > 0 && limits->unknown_ms > 0);
    *detector = (struct viv_detector){.limits = *limits, .looked_ms = now_ms};
}

static void pass(struct viv_detector *detector, uint64_t now_ms)
{
    VIV_ASSERT(now_ms >= detector->looked_ms);
    uint64_t passed_ms = now_ms - detector->looked_ms;
    passed_ms = passed_ms < VIV_DETECTOR_STEP_MS ? passed_ms : VIV_DETECTOR_STEP_MS;
    detector->looked_ms = now_ms;
    detector->silence_ms += passed_ms;
    detector->age_ms += passed_ms;
    detector->window_ms += passed_ms;
    if (detector->window_ms >= WINDOW_MS) {
        detector->window_ms = 0;
        detector->longest_ms[1] = detector->longest_ms[0];
        detector->longest_ms[0] = 0;
    }
}

void viv_detector_heard(struct viv_detector *detector, uint64_t now_ms)
{
    pass(detector, now_ms);
    if (detector->silence_ms > detector->longest_ms[0]) {
        detector->longest_ms[0] = detector->silence_ms;
    }
    detector->silence_ms = 0;
    detector->heard_count += detector->heard_count < KNOWN_COUNT;
}

void viv_detector_rest(struct viv_detector *detector, uint64_t now_ms)
{
    pass(detector, now_ms);
    detector->silence_ms = 0;
}

uint64_t viv_detector_limit_ms(const struct viv_detector *detector)
{
    const struct viv_detector_limits *limits = &detector->limits;
    uint64_t longest_ms =
        detector->longest_ms[0] > detector->longest_ms[1] ? detector->longest_ms[0] : detector->longest_ms[1];
    uint64_t limit_ms = PATIENCE * longest_ms;
    limit_ms = limit_ms > limits->least_ms ? limit_ms : limits->least_ms;
    if (detector->age_ms < KNOWN_MS || detector->heard_count < KNOWN_COUNT) {
        limit_ms = limits->unknown_ms;
    }
    return limit_ms < limits->most_ms ? limit_ms : limits->most_ms;
}

bool viv_detector_suspects(struct viv_detector *detector, uint64_t now_ms)
{
    pass(detector, now_ms);
    return detector->silence_ms > viv_detector_limit_ms(detector);
}
