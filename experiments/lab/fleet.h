#ifndef VIV_EXPERIMENTS_LAB_FLEET_H
#define VIV_EXPERIMENTS_LAB_FLEET_H

#include "experiments/lab/interrupt.h"
#include "experiments/lab/process.h"
#include "experiments/lab/system.h"

/* One ensemble on this machine: directories, ports, processes. Starts, watches, kills, stops, continues and restarts
 * servers, and removes everything it made. Knows how to ask a server who leads; knows no load and no results. */

enum { VIV_FLEET_SERVERS_MAX = 13 };

struct viv_fleet_server {
    struct viv_process process;
    struct viv_process ending; /* the one before it, told to stop */
    char *home;                /* config file, data/, trace.jsonl, server.log */
    uint64_t started_ns;
    uint64_t cpu_before_ns; /* of the processes this server was before */
};

struct viv_fleet {
    const struct viv_cell *cell;
    const struct viv_system_places *places;
    struct viv_interrupt *interrupt;
    char *home;
    struct viv_system_ports ports[VIV_FLEET_SERVERS_MAX];
    struct viv_client_address addresses[VIV_FLEET_SERVERS_MAX];
    bool controls_syncs; /* its servers run so that viv_fleet_freeze has an effect */
    struct viv_fleet_server servers[VIV_FLEET_SERVERS_MAX];
    char why[256]; /* of the last failure, for people */
};

struct viv_fleet_usage {
    uint64_t cpu_ns; /* of all servers since the fleet was opened, restarts included */
    uint64_t rss_bytes[VIV_FLEET_SERVERS_MAX];
};

/* Makes the directories and configuration files under `home` (absolute, fresh) and picks free ports; starts nothing.
 * Borrows all pointers. */
viv_status viv_fleet_open(struct viv_fleet *fleet, const struct viv_cell *cell, const struct viv_system_places *places,
                          struct viv_interrupt *interrupt, const char *home, bool controls_syncs) VIV_MUST_USE;
/* Kills what runs and removes the directories. */
void viv_fleet_close(struct viv_fleet *fleet);

/* Servers are numbered from 0 here; their sid is one more. */
viv_status viv_fleet_start(struct viv_fleet *fleet, uint32_t index) VIV_MUST_USE;
viv_status viv_fleet_start_all(struct viv_fleet *fleet) VIV_MUST_USE;
void viv_fleet_kill(struct viv_fleet *fleet, uint32_t index);
/* SIGTERM; a later start waits until it is gone. */
void viv_fleet_term(struct viv_fleet *fleet, uint32_t index);
bool viv_fleet_has_ended(struct viv_fleet *fleet, uint32_t index);
void viv_fleet_stop(struct viv_fleet *fleet, uint32_t index);
void viv_fleet_cont(struct viv_fleet *fleet, uint32_t index);
/* From now on no sync of the server's disk ends, until it is thawed or killed. Needs controls_syncs. VIV_ERR_IO. */
viv_status viv_fleet_freeze(struct viv_fleet *fleet, uint32_t index) VIV_MUST_USE;
viv_status viv_fleet_thaw(struct viv_fleet *fleet, uint32_t index) VIV_MUST_USE;
/* SIGTERM to all, at most limit_ms. */
void viv_fleet_end_all(struct viv_fleet *fleet, uint32_t limit_ms);
/* VIV_ERR_SYSTEM with fleet->why when a server that should run has ended by itself. */
viv_status viv_fleet_check(struct viv_fleet *fleet) VIV_MUST_USE;

/* Waits until the server answers a read on a fresh session; *at_ns is when. VIV_ERR_BUSY when it did not until
 * until_ns, VIV_ERR_SYSTEM when it ended, VIV_ERR_INTERRUPTED. */
viv_status viv_fleet_await_serving(struct viv_fleet *fleet, uint32_t index, uint64_t until_ns,
                                   uint64_t *at_ns) VIV_MUST_USE;
/* The same for all; at_ns has one entry a server. */
viv_status viv_fleet_await_all(struct viv_fleet *fleet, uint64_t until_ns, uint64_t *at_ns) VIV_MUST_USE;
/* Index of the server that says it leads (or is alone); VIV_ERR_NOT_FOUND when none does. */
viv_status viv_fleet_leader(struct viv_fleet *fleet, uint32_t *index) VIV_MUST_USE;

void viv_fleet_usage(struct viv_fleet *fleet, struct viv_fleet_usage *usage);
/* Allocated bytes of one server's data. */
uint64_t viv_fleet_disk_bytes(const struct viv_fleet *fleet, uint32_t index);
/* Appends the ends of the servers' logs, for the record of a failed trial. */
void viv_fleet_log_tails(const struct viv_fleet *fleet, struct viv_buffer *out);

#endif /* VIV_EXPERIMENTS_LAB_FLEET_H */
