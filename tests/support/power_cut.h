#ifndef VIV_TESTS_SUPPORT_POWER_CUT_H
#define VIV_TESTS_SUPPORT_POWER_CUT_H

#include "base/bytes.h"
#include "base/rng.h"
#include "tests/support/disk_recorder.h"

/* A folder as the disk knows it, moved on record by record (support/disk_recorder.h), and the folders that a power cut
 * may leave at that moment. Writes are durable after a sync of their file (or by themselves, O_DSYNC), names after a
 * sync of their folder. Of what is not durable any part may be there: any subset of the writes, of each write any
 * subset of its 512-byte sectors, and of the names either some first part (a journal, "ordered") or any subset (POSIX,
 * "strict"). The call that was under way counts as not durable. */

struct power_cut;

/* The folder as it stands; NULL: an empty one. */
struct power_cut *power_cut_new(const char *folder);
void power_cut_free(struct power_cut *cut);
/* Moves on by one record. forget_syncs: a disk that keeps nothing it promised, for controls. */
void power_cut_step(struct power_cut *cut, const struct disk_record *record, bool forget_syncs);
/* False, and a line on stderr: the folder is not what the records say when all of it is there. */
bool power_cut_is_whole(struct power_cut *cut, const char *folder);

/* States at this moment are numbered from 0; how many there are. `subsets`: how many by lot in each of three manners.
 */
size_t power_cut_count(struct power_cut *cut, unsigned subsets);
/* Chooses a state; the same seed and number choose the same one. Returns a hash of all names and bytes. */
uint64_t power_cut_choose(struct power_cut *cut, unsigned subsets, uint64_t seed, size_t number);
/* Makes the chosen state in `folder`, which must not exist. */
void power_cut_make(struct power_cut *cut, const char *folder);

void power_cut_remove(const char *folder);

#endif /* VIV_TESTS_SUPPORT_POWER_CUT_H */
