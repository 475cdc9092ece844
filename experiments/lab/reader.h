#ifndef VIV_EXPERIMENTS_LAB_READER_H
#define VIV_EXPERIMENTS_LAB_READER_H

#include "experiments/lab/dialect.h"

/* A thin stream of reads, due at even times, to the one server that a step restarts: what its clients see before and
 * after. Latency counts from the due time. Knows nothing of faults; writes no files. */

struct viv_read_sample {
    uint64_t due_ns;
    uint64_t latency_ns; /* UINT64_MAX: never answered, the server could not be asked */
};

struct viv_reader;

/* Starts a thread with one session on `server`; once that is up, reads keys below key_count (viv_keyset_path) in turn.
 * VIV_ERR_SYSTEM: no thread or no descriptors. */
viv_status viv_reader_start(const struct viv_dialect *dialect, const struct viv_client_address *server,
                            double rate_per_s, uint32_t key_count, uint32_t session_timeout_ms,
                            struct viv_reader **out) VIV_MUST_USE;
/* Ends it, waits for the thread, hands over the samples by due time (owned by the caller) and frees the reader. */
void viv_reader_finish(struct viv_reader *reader, struct viv_read_sample **samples, size_t *count);

#endif /* VIV_EXPERIMENTS_LAB_READER_H */
