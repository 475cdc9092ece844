#ifndef VIV_DETECT_DETECTOR_H
#define VIV_DETECT_DETECTOR_H

#include <stdbool.h>
#include <stdint.h>

/* Is a peer that speaks regularly still there, or a disk that answers when it is asked? An adaptive detector: it
 * suspects a silence that is several times longer than any that ended well lately, within bounds, so that a machine
 * that stalls now and then earns itself patience.
 *
 * Only time during which this process itself ran counts: a server that was stopped, or starved of its core, must not
 * blame others for what it did not hear (local health, partitioning.md §3.1). Safety never rests on a verdict.
 *
 * Knows no peers, packets or clocks: time is told, in monotonic milliseconds. Call it at least every
 * VIV_DETECTOR_STEP_MS; of a longer pause only so much counts. */

enum {
    VIV_DETECTOR_STEP_MS = 50,
    VIV_DETECTOR_LEAST_MS = 400, /* of a peer that speaks all the time */
};

struct viv_detector_limits {
    uint64_t least_ms, most_ms; /* no silence up to the one is suspected, none beyond the other is borne */
    uint64_t unknown_ms;        /* how long one is borne before enough is known of the peer's habits */
};

struct viv_detector {
    struct viv_detector_limits limits;
    uint64_t looked_ms; /* when it was told the time last */
    uint64_t silence_ms, age_ms, window_ms;
    uint64_t longest_ms[2]; /* silences that ended, in this window of time and in the one before */
    uint32_t heard_count;
};

void viv_detector_begin(struct viv_detector *detector, const struct viv_detector_limits *limits, uint64_t now_ms);
/* Something came. */
void viv_detector_heard(struct viv_detector *detector, uint64_t now_ms);
/* Nothing was due up to now: this silence tells nothing. */
void viv_detector_rest(struct viv_detector *detector, uint64_t now_ms);
bool viv_detector_suspects(struct viv_detector *detector, uint64_t now_ms);
/* How long a silence is borne at present. */
uint64_t viv_detector_limit_ms(const struct viv_detector *detector);

#endif /* VIV_DETECT_DETECTOR_H */
