#ifndef VIV_SIM_LIBRARY_H
#define VIV_SIM_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>

#include "sim/plan.h"

/* Image stores that are libraries, LMDB and RocksDB: they make their own system calls on real folders below /dev/shm,
 * where every changing call is recorded (sim/recorder.h). When a process or the power ends, the server goes on in a
 * new folder, made of what had been called by then: all of it, or what a power cut may leave of it (sim/power_cut.h).
 * What the library does to the old folder afterwards is nobody's affair.
 *
 * A task's calls are spread evenly over its time on the simulated disk, which knows nothing of them: neither its room
 * nor its faults concern a library. */

struct viv_sim_world;
struct viv_configuration;

struct viv_sim_library; /* of one server; NULL: its image store uses the simulated disk */

/* What the server keeps its data in. */
const struct viv_configuration *viv_sim_library_configuration(const struct viv_sim_world *world, size_t server);
/* Before the first server, and after the last. */
void viv_sim_libraries_begin(struct viv_sim_world *world);
void viv_sim_libraries_end(struct viv_sim_world *world);
/* What a run left behind whose process died. */
void viv_sim_libraries_clean(int process);

/* An empty folder for a server whose configuration needs one; else NULL. */
struct viv_sim_library *viv_sim_library_new(struct viv_sim_world *world, size_t server);
void viv_sim_library_free(struct viv_sim_library *library);
const char *viv_sim_library_folder(const struct viv_sim_library *library);
/* A task begins now, and is done at until_ns: what was called before it can no longer be taken back. */
void viv_sim_library_task(struct viv_sim_library *library, int64_t now_ns);
void viv_sim_library_task_until(struct viv_sim_library *library, int64_t until_ns);
/* The process has ended at now_ns: what the library still does to its folder does not count. */
void viv_sim_library_halt(struct viv_sim_library *library, int64_t now_ns);
/* The folder as the process left it, or as a power cut leaves it. Nothing has the old one open any more. */
void viv_sim_library_renew(struct viv_sim_library *library, bool lost_power);

#endif /* VIV_SIM_LIBRARY_H */
