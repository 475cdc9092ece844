#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/log.h"
#include "node/group.h"
#include "node/install.h"

/* A LOG_* action that was not answered yet. */
struct log_ticket {
    uint64_t number;
    enum viv_log_ticket_kind kind;
    uint64_t zxid;             /* APPEND: of its last entry */
    size_t entry_count;        /* APPEND */
    uint64_t proposed_ns;      /* APPEND: when they were handed over */
    struct viv_entry *entries; /* APPEND: owned, lent to the log */
};

struct log_read {
    uint64_t number;
    uint32_t link;
    uint64_t zxid;
    bool for_repair, is_answered;
};

void viv_group_log_init(struct viv_group *group)
{
    viv_fifo_init(&group->tickets, sizeof(struct log_ticket));
    viv_fifo_init(&group->reads, sizeof(struct log_read));
}

void viv_group_log_fini(struct viv_group *group)
{
    for (size_t i = 0; i < group->tickets.count; i++) {
        free(((struct log_ticket *)viv_fifo_at(&group->tickets, i))->entries);
    }
    viv_fifo_fini(&group->tickets);
    viv_fifo_fini(&group->reads);
    free(group->appending);
}

struct viv_action *viv_group_log_action(struct viv_group *group, enum viv_action_kind kind,
                                        enum viv_log_ticket_kind ticket_kind)
{
    if (kind != VIV_ACTION_LOG_APPEND) {
        viv_group_flush_log(group);
    }
    struct log_ticket *ticket = viv_fifo_push(&group->tickets);
    ticket->number = ++group->ticket_last;
    ticket->kind = ticket_kind;
    ticket->entries = NULL;
    struct viv_action *action = viv_actions_add(group->turn->out, kind);
    action->gid = group->gid;
    action->ticket = ticket->number;
    action->hard = group->hard;
    return action;
}

void viv_group_flush_log(struct viv_group *group)
{
    if (group->appending_count == 0) {
        return;
    }
    struct viv_action *action = viv_group_log_action(group, VIV_ACTION_LOG_APPEND, VIV_LOG_TICKET_APPEND);
    struct log_ticket *ticket = viv_fifo_at(&group->tickets, group->tickets.count - 1);
    ticket->zxid = group->appending[group->appending_count - 1].zxid;
    ticket->entries = group->appending;
    ticket->entry_count = group->appending_count;
    ticket->proposed_ns = group->turn->now_ns;
    viv_group_measure_appended(&group->measure, group->appending, group->appending_count, group->turn);
    action->zxid = group->appending_hint;
    action->entries = group->appending;
    action->entry_count = group->appending_count;
    group->appending = NULL;
    group->appending_count = group->appending_capacity = 0;
}

void viv_group_append(struct viv_group *group, const struct viv_zab_output *output)
{
    for (size_t i = 0; i < output->entry_count; i++) {
        if (group->appending_count == group->appending_capacity) {
            group->appending_capacity = group->appending_capacity == 0 ? 16 : group->appending_capacity * 2;
            group->appending = viv_realloc(group->appending, group->appending_capacity * sizeof(struct viv_entry));
        }
        group->appending[group->appending_count++] = output->entries[i];
    }
    group->appending_hint = output->zxid;
}

static void ticket_done(struct viv_group *group, const struct log_ticket *ticket)
{
    struct viv_zab_input input = {.zxid = ticket->zxid};
    switch (ticket->kind) {
    case VIV_LOG_TICKET_APPEND:
        viv_group_measure_stored(&group->measure, ticket->zxid, ticket->entry_count, ticket->proposed_ns, group->turn);
        input.kind = VIV_ZAB_STORED;
        viv_group_input(group, &input);
        break;
    case VIV_LOG_TICKET_TRUNCATE:
        input.kind = VIV_ZAB_TRUNCATED;
        viv_group_input(group, &input);
        break;
    case VIV_LOG_TICKET_EPOCHS:
        input.kind = VIV_ZAB_EPOCHS_STORED;
        viv_group_input(group, &input);
        break;
    case VIV_LOG_TICKET_REPAIR:
        input.kind = VIV_ZAB_REPAIRED;
        viv_group_input(group, &input);
        break;
    case VIV_LOG_TICKET_INSTALL_MARK:
        viv_install_marked(group);
        break;
    case VIV_LOG_TICKET_INSTALL_RESET:
        break; /* the clearing behind it tells */
    case VIV_LOG_TICKET_RECOVERED:
        break; /* nobody waits: what ZAB asks for, a new installation as well, is done behind it */
    case VIV_LOG_TICKET_INSTALL_CLEAR:
        viv_install_cleared(group);
        break;
    }
}

void viv_group_log_done(struct viv_group *group, uint64_t number)
{
    VIV_ASSERT(number <= group->ticket_last);
    for (;;) {
        struct log_ticket *front = viv_fifo_front(&group->tickets);
        if (front == NULL || front->number > number) {
            return;
        }
        struct log_ticket ticket = *front;
        viv_fifo_pop(&group->tickets);
        ticket_done(group, &ticket);
        free(ticket.entries);
    }
}

void viv_group_read_log(struct viv_group *group, const struct viv_zab_output *output)
{
    struct log_read *read = viv_fifo_push(&group->reads);
    read->number = ++group->ticket_last;
    read->link = output->link;
    read->zxid = output->zxid;
    read->for_repair = output->flag;
    read->is_answered = false;
    struct viv_action *action = viv_actions_add(group->turn->out, VIV_ACTION_LOG_READ);
    action->gid = group->gid;
    action->ticket = read->number;
    action->zxid_from = output->zxid_from;
    action->zxid = output->zxid;
}

/* One answer, with the entry or without. */
static void answer_repair_read(struct viv_group *group, struct log_read *read, const struct viv_event *event)
{
    const struct viv_entry damaged = {.zxid = read->zxid, .body = {NULL, 1}};
    struct viv_zab_input input = {.kind = VIV_ZAB_LOG_DATA,
                                  .link = read->link,
                                  .zxid = read->zxid,
                                  .last = true,
                                  .for_repair = true,
                                  .is_gone = event->status == VIV_ERR_TRIMMED};
    bool is_found = event->status == VIV_OK && event->entry_count > 0;
    bool is_due = !read->is_answered && (is_found || event->last);
    read->is_answered = read->is_answered || is_due;
    if (is_found) {
        input.entries = event->entries;
    } else if (event->status == VIV_ERR_CORRUPT) {
        input.entries = &damaged;
    }
    input.entry_count = input.entries != NULL;
    if (event->last) {
        viv_fifo_pop(&group->reads);
    }
    if (is_due) {
        viv_group_input(group, &input);
    }
}

void viv_group_repair(struct viv_group *group, const struct viv_zab_output *output)
{
    struct viv_action *action = viv_group_log_action(group, VIV_ACTION_LOG_REPAIR, VIV_LOG_TICKET_REPAIR);
    struct log_ticket *ticket = viv_fifo_at(&group->tickets, group->tickets.count - 1);
    ticket->zxid = output->entry.zxid;
    ticket->entries = viv_alloc(sizeof *ticket->entries + output->entry.body.size);
    memcpy(ticket->entries + 1, output->entry.body.data, output->entry.body.size);
    action->zxid = output->entry.zxid;
    action->bytes = viv_bytes_of((const uint8_t *)(ticket->entries + 1), output->entry.body.size);
}

void viv_group_fault(struct viv_group *group, const struct viv_event *event)
{
    struct viv_zab_input input = {.kind = VIV_ZAB_FAULT,
                                  .zxid = event->fault.zxid,
                                  .fault_bytes = event->fault.bytes,
                                  .fault_crc = event->fault.body_crc};
    viv_group_input(group, &input);
}

void viv_group_log_read(struct viv_group *group, const struct viv_event *event)
{
    struct log_read *read = viv_fifo_front(&group->reads);
    VIV_ASSERT(read != NULL && read->number == event->ticket);
    if (read->for_repair) {
        answer_repair_read(group, read, event);
        return;
    }
    struct viv_zab_input input = {.kind = VIV_ZAB_LOG_DATA, .link = read->link, .last = event->last};
    if (event->status == VIV_OK) {
        input.entries = event->entries;
        input.entry_count = event->entry_count;
    } else {
        viv_log(VIV_LOG_WARN, "node", "the log cannot serve a learner", "gid=%u status=\"%s\"", group->gid,
                viv_status_text(event->status));
        input.last = input.is_cut = true;
    }
    if (input.last) {
        viv_fifo_pop(&group->reads);
    }
    viv_group_input(group, &input);
}
