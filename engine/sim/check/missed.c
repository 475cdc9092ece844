#include <stdlib.h>

#include "sim/check/check_internal.h"
#include "wire/op.h"

/* What watches that are set again have missed: events of no transaction, told before the answer to setWatches. */

bool viv_check_is_set_watches(int32_t op)
{
    return op == VIV_OP_SET_WATCHES || op == VIV_OP_SET_WATCHES2;
}

/* What a watch of this list has missed on a node since then: client-protocol.md §13. */
static int missed_event(int list, const struct viv_ref_node *node, int64_t since_zxid)
{
    enum { DATA, EXIST, CHILD };
    switch (list) {
    case DATA:
        return node == NULL                        ? VIV_EVENT_NODE_DELETED
               : (int64_t)node->mzxid > since_zxid ? VIV_EVENT_NODE_DATA_CHANGED
                                                   : 0;
    case EXIST:
        return node == NULL ? 0 : VIV_EVENT_NODE_CREATED;
    case CHILD:
        return node == NULL                        ? VIV_EVENT_NODE_DELETED
               : (int64_t)node->pzxid > since_zxid ? VIV_EVENT_NODE_CHILDREN_CHANGED
                                                   : 0;
    default:
        return 0;
    }
}

void viv_check_forget_missed(struct viv_check_operation *operation)
{
    free(operation->missed);
    operation->missed = NULL;
    operation->missed_count = 0;
}

void viv_check_note_missed(struct viv_check *check, struct viv_ref_tree *tree, size_t index)
{
    struct viv_check_operation *operation = &check->operations[index];
    const struct viv_sim_record *request = viv_check_request(check, index);
    struct viv_jute_reader reader = viv_jute_reader_of(request->bytes);
    int64_t since_zxid = viv_jute_read_long(&reader);
    int lists = request->type == VIV_OP_SET_WATCHES ? 3 : 5;
    for (int list = 0; list < lists; list++) {
        int32_t count = viv_jute_read_count(&reader, 4);
        for (int32_t i = 0; i < count && !reader.bad; i++) {
            struct viv_bytes path = viv_jute_read_buffer(&reader).bytes;
            operation->missed = viv_realloc(operation->missed, (operation->missed_count + 1) * sizeof(int));
            operation->missed[operation->missed_count++] = missed_event(list, viv_ref_find(tree, path), since_zxid);
        }
    }
}

/* ---- a setWatches whose answer was lost behind its events ---- */

size_t viv_check_next_missed(const struct viv_check *check, size_t operation, size_t from)
{
    const struct viv_check_connection *connection = &check->connections[check->operations[operation].connection];
    size_t first = connection->item_count;
    while (first > 0 && connection->items[first - 1].operation == VIV_CHECK_NONE) {
        first--;
    }
    for (size_t i = first; i < connection->item_count; i++) {
        size_t record = connection->items[i].record;
        if (record >= from && (int64_t)check->history->records[record].zxid == -1) {
            return record;
        }
    }
    return VIV_CHECK_NONE;
}

void viv_check_find_unexplained(const struct viv_check *check, struct viv_check_unexplained *found)
{
    for (size_t i = 0; i < check->operation_count; i++) {
        if (viv_check_is_set_watches(viv_check_request(check, i)->type) && viv_check_reply(check, i) == NULL &&
            viv_check_next_missed(check, i, 0) != VIV_CHECK_NONE) {
            found->operations = viv_realloc(found->operations, (found->count + 1) * sizeof(*found->operations));
            found->operations[found->count++] = i;
        }
    }
}

/* Is what was heard the beginning of what the watches have missed in the tree as it is now? */
static bool is_explained(const struct viv_check *check, size_t index)
{
    const struct viv_check_operation *operation = &check->operations[index];
    const struct viv_sim_record *request = viv_check_request(check, index);
    struct viv_jute_reader reader = viv_jute_reader_of(request->bytes);
    size_t heard = viv_check_next_missed(check, index, 0), at = 0;
    viv_jute_read_long(&reader);
    for (int list = 0; list < 5 && heard != VIV_CHECK_NONE && at < operation->missed_count; list++) {
        int32_t count = viv_jute_read_count(&reader, 4);
        for (int32_t i = 0; i < count && heard != VIV_CHECK_NONE && at < operation->missed_count; i++, at++) {
            const struct viv_sim_record *event = &check->history->records[heard];
            struct viv_bytes path = viv_jute_read_buffer(&reader).bytes;
            if (operation->missed[at] == 0) {
                continue;
            }
            if (event->type != operation->missed[at] || !viv_bytes_equal(event->bytes, path)) {
                return false;
            }
            heard = viv_check_next_missed(check, index, heard + 1);
        }
    }
    return heard == VIV_CHECK_NONE;
}

/* It was answered from one of the trees since the zxid that it names, before the transaction of `next_zxid`. */
void viv_check_explain_missed(struct viv_check *check, struct viv_ref_tree *tree,
                              struct viv_check_unexplained *unexplained, uint64_t next_zxid)
{
    for (size_t i = 0; i < unexplained->count; i++) {
        size_t index = unexplained->operations[i];
        struct viv_jute_reader reader = viv_jute_reader_of(viv_check_request(check, index)->bytes);
        if ((uint64_t)viv_jute_read_long(&reader) >= next_zxid) {
            continue;
        }
        viv_check_note_missed(check, tree, index);
        if (is_explained(check, index)) {
            unexplained->operations[i--] = unexplained->operations[--unexplained->count];
        } else {
            viv_check_forget_missed(&check->operations[index]);
        }
    }
}
