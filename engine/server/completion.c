#include "server/completion.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "server/exit_code.h"
#include "server/mailbox.h"

void viv_completion_post(const struct viv_completion_sink *sink, const struct viv_completion *items, size_t count)
{
    viv_mailbox_post(sink->mailbox, items, count);
    sink->wake(sink->ctx);
}

void viv_completion_chunk_free(struct viv_completion_chunk *chunk)
{
    if (chunk != NULL) {
        free(chunk->entries);
        viv_buffer_fini(&chunk->bodies);
        free(chunk);
    }
}

_Noreturn void viv_server_fatal(const char *phase, const char *path, viv_status status)
{
    viv_log(VIV_LOG_ERROR, "server", "stopped: the storage failed", "phase=%s path=%s status=\"%s\"", phase, path,
            viv_status_text(status));
    _exit(VIV_EXIT_DATA);
}
