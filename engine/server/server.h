#ifndef VIV_SERVER_SERVER_H
#define VIV_SERVER_SERVER_H

#include "server/config.h"
#include "server/exit_code.h"
#include "store/log_store.h"
#include "store/state_store.h"

/* The production skin: turns bytes into events for the node and actions of the node into bytes. One loop thread runs
 * network and node; the log thread and the background thread make the blocking calls of the stores.
 *
 * It decides nothing about the protocol. What it does decide: the order within a turn (peers are written to first, then
 * the log is kicked, clients are answered last, so that the disks of all servers work at the same time), which
 * connections are accepted, and when the process ends. */

/* Recovers, serves until SIGTERM or SIGINT, stops cleanly. Every failure was logged. */
enum viv_exit viv_server_run(const struct viv_config *config, const struct viv_log_ops *log,
                             const struct viv_state_ops *state);

#endif /* VIV_SERVER_SERVER_H */
