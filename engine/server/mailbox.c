#include "server/mailbox.h"

#include "base/assert.h"

void viv_mailbox_init(struct viv_mailbox *mailbox, size_t item_bytes)
{
    VIV_ASSERT(item_bytes > 0);
    *mailbox = (struct viv_mailbox){.item_bytes = item_bytes};
    VIV_ASSERT(pthread_mutex_init(&mailbox->mutex, NULL) == 0);
    VIV_ASSERT(pthread_cond_init(&mailbox->ready, NULL) == 0);
}

void viv_mailbox_fini(struct viv_mailbox *mailbox)
{
    pthread_cond_destroy(&mailbox->ready);
    pthread_mutex_destroy(&mailbox->mutex);
    viv_buffer_fini(&mailbox->items);
}

void viv_mailbox_post(struct viv_mailbox *mailbox, const void *items, size_t count)
{
    VIV_ASSERT(count > 0);
    pthread_mutex_lock(&mailbox->mutex);
    VIV_ASSERT(!mailbox->is_closed);
    viv_buffer_append(&mailbox->items, items, count * mailbox->item_bytes);
    pthread_cond_signal(&mailbox->ready);
    pthread_mutex_unlock(&mailbox->mutex);
}

static size_t swap_locked(struct viv_mailbox *mailbox, struct viv_buffer *taken)
{
    struct viv_buffer items = mailbox->items;
    mailbox->items = *taken;
    *taken = items;
    return items.size / mailbox->item_bytes;
}

size_t viv_mailbox_take(struct viv_mailbox *mailbox, struct viv_buffer *taken)
{
    VIV_ASSERT(taken->size == 0);
    pthread_mutex_lock(&mailbox->mutex);
    size_t count = swap_locked(mailbox, taken);
    pthread_mutex_unlock(&mailbox->mutex);
    return count;
}

size_t viv_mailbox_wait(struct viv_mailbox *mailbox, struct viv_buffer *taken)
{
    VIV_ASSERT(taken->size == 0);
    pthread_mutex_lock(&mailbox->mutex);
    while (mailbox->items.size == 0 && !mailbox->is_closed) {
        pthread_cond_wait(&mailbox->ready, &mailbox->mutex);
    }
    size_t count = swap_locked(mailbox, taken);
    pthread_mutex_unlock(&mailbox->mutex);
    return count;
}

void viv_mailbox_close(struct viv_mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->mutex);
    mailbox->is_closed = true;
    pthread_cond_signal(&mailbox->ready);
    pthread_mutex_unlock(&mailbox->mutex);
}
