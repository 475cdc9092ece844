#include "cli/event.h"

#include <stdio.h>

#include "cli/shell.h"
#include "cli/text.h"

const char *viv_cli_event_name(int32_t type)
{
    static const char *const names[] = {"None", "NodeCreated", "NodeDeleted", "NodeDataChanged", "NodeChildrenChanged"};
    return type >= 0 && (size_t)type < sizeof names / sizeof *names ? names[type] : "Unknown";
}

void viv_cli_event_print(struct viv_cli *cli, const struct viv_watcher_event *event)
{
    cli->events_seen++;
    if (cli->watches_silent) {
        return;
    }
    viv_cli_shell_interrupt_line(cli);
    if (cli->settings.json) {
        viv_cli_print_json(json_pack("{s:s, s:s, s:o}", "event", viv_cli_event_name(event->type), "state",
                                     "SyncConnected", "path", viv_cli_json_text(event->path)));
    } else {
        printf("\nWATCHER::\n\nWatchedEvent state:SyncConnected type:%s path:", viv_cli_event_name(event->type));
        viv_cli_print_text(event->path);
        putchar('\n');
    }
    fflush(stdout);
}

void viv_cli_event_state(struct viv_cli *cli, enum viv_client_state state)
{
    if (state != VIV_CLIENT_EXPIRED) {
        return;
    }
    viv_cli_shell_interrupt_line(cli);
    viv_cli_error("the session has expired: its ephemeral nodes and watches are gone; a new one is opened");
}
