#include "node/action.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

struct viv_action *viv_actions_add(struct viv_actions *actions, enum viv_action_kind kind)
{
    if (actions->count == actions->capacity) {
        actions->capacity = actions->capacity == 0 ? 32 : actions->capacity * 2;
        actions->items = viv_realloc(actions->items, actions->capacity * sizeof *actions->items);
    }
    VIV_ASSERT(actions->count < actions->capacity);
    struct viv_action *action = &actions->items[actions->count++];
    memset(action, 0, sizeof *action);
    action->kind = kind;
    return action;
}

void viv_actions_reset(struct viv_actions *actions)
{
    for (size_t i = 0; i < actions->count; i++) {
        viv_buffer_fini(&actions->items[i].rows);
    }
    actions->count = 0;
    viv_arena_reset(&actions->arena);
}

void viv_actions_fini(struct viv_actions *actions)
{
    viv_actions_reset(actions);
    free(actions->items);
    viv_arena_fini(&actions->arena);
    *actions = (struct viv_actions){0};
}
