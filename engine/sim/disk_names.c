#include "sim/disk_names.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

static char *copy_text(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(viv_alloc(size), text, size);
}

static struct viv_sim_name *find(const struct viv_sim_name_table *table, const char *text)
{
    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(table->names[i].text, text) == 0) {
            return &table->names[i];
        }
    }
    return NULL;
}

static void put(struct viv_sim_name_table *table, const char *text, int file)
{
    struct viv_sim_name *found = find(table, text);
    if (found != NULL && file < 0) {
        free(found->text);
        *found = table->names[--table->count];
    } else if (found != NULL) {
        found->file = file;
    } else if (file >= 0) {
        if (table->count == table->capacity) {
            table->capacity = table->capacity == 0 ? 16 : table->capacity * 2;
            table->names = viv_realloc(table->names, table->capacity * sizeof *table->names);
        }
        table->names[table->count++] = (struct viv_sim_name){copy_text(text), file};
    }
}

static void clear(struct viv_sim_name_table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        free(table->names[i].text);
    }
    table->count = 0;
}

static void copy(struct viv_sim_name_table *to, const struct viv_sim_name_table *from)
{
    clear(to);
    for (size_t i = 0; i < from->count; i++) {
        put(to, from->names[i].text, from->names[i].file);
    }
}

static void apply(struct viv_sim_name_table *table, const struct viv_sim_name_op *op)
{
    for (size_t i = 0; i < op->change_count; i++) {
        put(table, op->changes[i].text, op->changes[i].file);
    }
}

/* Forgets the operations from `first` up to `end`. */
static void drop(struct viv_sim_names *names, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++) {
        for (size_t k = 0; k < names->ops[i].change_count; k++) {
            free(names->ops[i].changes[k].text);
        }
    }
    if (end < names->op_count) {
        memmove(names->ops + first, names->ops + end, (names->op_count - end) * sizeof *names->ops);
    }
    names->op_count -= end - first;
}

void viv_sim_names_fini(struct viv_sim_names *names)
{
    if (names->op_count > 0) {
        drop(names, 0, names->op_count);
    }
    clear(&names->now);
    clear(&names->durable);
    free(names->now.names);
    free(names->durable.names);
    free(names->ops);
    *names = (struct viv_sim_names){0};
}

int viv_sim_names_find(const struct viv_sim_names *names, const char *text)
{
    const struct viv_sim_name *found = find(&names->now, text);
    return found != NULL ? found->file : -1;
}

static struct viv_sim_name_op *add(struct viv_sim_names *names, int64_t at_ns)
{
    if (names->op_count == names->op_capacity) {
        names->op_capacity = names->op_capacity == 0 ? 16 : names->op_capacity * 2;
        names->ops = viv_realloc(names->ops, names->op_capacity * sizeof *names->ops);
    }
    names->ops[names->op_count] = (struct viv_sim_name_op){.at_ns = at_ns};
    return &names->ops[names->op_count++];
}

void viv_sim_names_set(struct viv_sim_names *names, int64_t at_ns, const char *text, int file)
{
    struct viv_sim_name_op *op = add(names, at_ns);
    op->changes[op->change_count++] = (struct viv_sim_name){copy_text(text), file};
    apply(&names->now, op);
}

void viv_sim_names_rename(struct viv_sim_names *names, int64_t at_ns, const char *from, const char *to)
{
    int file = viv_sim_names_find(names, from);
    VIV_ASSERT(file >= 0);
    struct viv_sim_name_op *op = add(names, at_ns);
    op->changes[op->change_count++] = (struct viv_sim_name){copy_text(to), file};
    op->changes[op->change_count++] = (struct viv_sim_name){copy_text(from), -1};
    apply(&names->now, op);
}

void viv_sim_names_sync(struct viv_sim_names *names, int64_t at_ns)
{
    add(names, at_ns)->is_sync = true;
}

void viv_sim_names_settle(struct viv_sim_names *names, int64_t horizon_ns)
{
    size_t settled = 0;
    for (size_t i = 0; i < names->op_count && names->ops[i].at_ns <= horizon_ns; i++) {
        settled = names->ops[i].is_sync ? i + 1 : settled;
    }
    for (size_t i = 0; i < settled; i++) {
        apply(&names->durable, &names->ops[i]);
    }
    if (settled > 0) {
        drop(names, 0, settled);
    }
}

void viv_sim_names_rewind(struct viv_sim_names *names, int64_t at_ns)
{
    size_t kept = 0;
    while (kept < names->op_count && names->ops[kept].at_ns <= at_ns) {
        kept++;
    }
    if (kept == names->op_count) {
        return;
    }
    drop(names, kept, names->op_count);
    copy(&names->now, &names->durable);
    for (size_t i = 0; i < names->op_count; i++) {
        apply(&names->now, &names->ops[i]);
    }
}

void viv_sim_names_lose_power(struct viv_sim_names *names, bool strict, struct viv_rng *rng)
{
    size_t kept = (size_t)viv_rng_below(rng, names->op_count + 1);
    for (size_t i = 0; i < names->op_count; i++) {
        if (strict ? viv_rng_below(rng, 2) == 0 : i < kept) {
            apply(&names->durable, &names->ops[i]);
        }
    }
    if (names->op_count > 0) {
        drop(names, 0, names->op_count);
    }
    copy(&names->now, &names->durable);
}

bool viv_sim_names_hold(const struct viv_sim_names *names, int file)
{
    const struct viv_sim_name_table *tables[] = {&names->now, &names->durable};
    for (size_t t = 0; t < 2; t++) {
        for (size_t i = 0; i < tables[t]->count; i++) {
            if (tables[t]->names[i].file == file) {
                return true;
            }
        }
    }
    for (size_t i = 0; i < names->op_count; i++) {
        for (size_t k = 0; k < names->ops[i].change_count; k++) {
            if (names->ops[i].changes[k].file == file) {
                return true;
            }
        }
    }
    return false;
}
