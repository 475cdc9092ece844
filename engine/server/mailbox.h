#ifndef VIV_SERVER_MAILBOX_H
#define VIV_SERVER_MAILBOX_H

#include <pthread.h>
#include <stdbool.h>

#include "base/bytes.h"

/* How threads of the server talk: items of one size go in from any thread, and one reader takes all that are there at
 * once by swapping arrays. The lock is held for a copy or a swap only. Knows nothing of what the items are. */

struct viv_mailbox {
    pthread_mutex_t mutex;
    pthread_cond_t ready;
    struct viv_buffer items;
    size_t item_bytes;
    bool is_closed;
};

void viv_mailbox_init(struct viv_mailbox *mailbox, size_t item_bytes);
void viv_mailbox_fini(struct viv_mailbox *mailbox); /* items not taken are forgotten */

/* Copies the items in, in order. */
void viv_mailbox_post(struct viv_mailbox *mailbox, const void *items, size_t count);
/* Swaps what is there with *taken, which must be empty. Never waits. Returns the number of items. */
size_t viv_mailbox_take(struct viv_mailbox *mailbox, struct viv_buffer *taken);
/* As take, but waits for at least one. 0 only when the mailbox is closed and empty. */
size_t viv_mailbox_wait(struct viv_mailbox *mailbox, struct viv_buffer *taken);
/* What is there can still be taken; nothing may be posted any more. */
void viv_mailbox_close(struct viv_mailbox *mailbox);

#endif /* VIV_SERVER_MAILBOX_H */
