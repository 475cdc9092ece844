#ifndef VIV_EXPERIMENTS_LAB_SYSTEM_H
#define VIV_EXPERIMENTS_LAB_SYSTEM_H

#include "experiments/lab/cell.h"
#include "experiments/lab/dialect.h"

/* What is known of the systems under test before anything runs: whether one is there, its version, its configuration
 * file and its command line. Starts nothing but a version query. */

struct viv_system_ports {
    uint16_t client, peer, election;
};

/* Where things of this machine are. Strings are borrowed. */
struct viv_system_places {
    const char *vivarium_program; /* the server that was built together with the lab */
    const char *sync_shim;        /* the library that freezes syncs (tests/support/sync_shim.c), built beside it */
};

/* As plans call it: "vivarium", "zookeeper", "etcd", "partition". */
const char *viv_system_name(enum viv_system system);
/* False: there is none of that name. */
bool viv_system_find(const char *name, enum viv_system *system);
/* What its servers are spoken to in; not for PARTITION. */
const struct viv_dialect *viv_system_dialect(enum viv_system system);
/* Whether the server says that it leads, or that it is alone. False too when it says nothing within limit_ms. */
bool viv_system_leads(enum viv_system system, const struct viv_client_address *server, uint32_t limit_ms);

/* NULL when a cell of this system can run here, its syncs frozen if need be; otherwise why not, to be freed. */
char *viv_system_unavailable(const struct viv_cell *cell, const struct viv_system_places *places, bool freezes_syncs);
/* One line such as "Apache ZooKeeper 3.8.0 (Debian), OpenJDK 17.0.15"; to be freed. */
char *viv_system_version(enum viv_system system, const struct viv_system_places *places);

/* Appends the configuration file of server `sid` (1..cell->servers) whose directory is `home`: dataDir is home/data. */
void viv_system_config(const struct viv_cell *cell, const struct viv_system_ports *ports, uint32_t sid,
                       const char *home, struct viv_buffer *out);
/* The command line: NULL-terminated, freed with viv_system_argv_free. `sync_control` is NULL, or the file that says
 * what becomes of the server's syncs: whichever system it is, it then runs with the library that obeys that file. */
char **viv_system_argv(const struct viv_cell *cell, const struct viv_system_places *places, const char *config_path,
                       const char *sync_control);
void viv_system_argv_free(char **argv);
/* True when the system writes recovery milestones to home/trace.jsonl. */
bool viv_system_traces(enum viv_system system);

#endif /* VIV_EXPERIMENTS_LAB_SYSTEM_H */
