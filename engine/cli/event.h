#ifndef VIV_CLI_EVENT_H
#define VIV_CLI_EVENT_H

#include "cli/cli.h"
#include "client/client.h"

/* What happens without being asked for: watches that fire, sessions that come and go. */

/* Tells a watch event (printwatches off: does not). */
void viv_cli_event_print(struct viv_cli *cli, const struct viv_watcher_event *event);
/* Tells what the user of a shell must know: that the session was lost. */
void viv_cli_event_state(struct viv_cli *cli, enum viv_client_state state);
/* "NodeCreated" for 1. */
const char *viv_cli_event_name(int32_t type);

#endif /* VIV_CLI_EVENT_H */
