#ifndef VIV_SIM_POWER_CUT_H
#define VIV_SIM_POWER_CUT_H

#include "base/bytes.h"
#include "base/rng.h"
#include "sim/recorder.h"

/* A folder as the disk knows it, moved on record by record (sim/recorder.h), and the folders that a power cut
 * may leave at that moment. Writes are durable after a sync of their file (or by themselves, O_DSYNC), names after a
 * sync of their folder. Of what is not durable any part may be there: any subset of the writes, of each write any
 * subset of its 512-byte sectors, and of the names either some first part (a journal, "ordered") or any subset (POSIX,
 * "strict"). The call that was under way counts as not durable. */

struct viv_sim_power_cut;

/* The folder as it stands; NULL: an empty one. */
struct viv_sim_power_cut *viv_sim_power_cut_new(const char *folder);
void viv_sim_power_cut_free(struct viv_sim_power_cut *cut);
/* Moves on by one record. forget_syncs: a disk that keeps nothing it promised, for controls. */
void viv_sim_power_cut_step(struct viv_sim_power_cut *cut, const struct viv_sim_call *record, bool forget_syncs);
/* False, and a line on stderr: the folder is not what the records say when all of it is there. */
bool viv_sim_power_cut_is_whole(struct viv_sim_power_cut *cut, const char *folder);

/* States at this moment are numbered from 0; how many there are. `subsets`: how many by lot in each of three manners.
 */
size_t viv_sim_power_cut_count(struct viv_sim_power_cut *cut, unsigned subsets);
/* Chooses a state; the same seed and number choose the same one. Returns a hash of all names and bytes. */
uint64_t viv_sim_power_cut_choose(struct viv_sim_power_cut *cut, unsigned subsets, uint64_t seed, size_t number);
/* Makes the chosen state in `folder`, which must not exist. */
void viv_sim_power_cut_make(struct viv_sim_power_cut *cut, const char *folder);

void viv_sim_power_cut_remove(const char *folder);

#endif /* VIV_SIM_POWER_CUT_H */
