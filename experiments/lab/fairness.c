#include "experiments/lab/fairness.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"

enum source { FROM_SYSTEMS, FROM_MACHINE, FROM_CELL };
enum { TEXT_BYTES = 160 };

static const struct row {
    const char *name;
    enum source source;
    const char *key;
} rows[] = {
    {"version", FROM_SYSTEMS, NULL},
    {"cores, shared by all", FROM_MACHINE, "cpus_allowed"},
    {"servers", FROM_CELL, "servers"},
    {"durability", FROM_CELL, "durability"},
    {"tick, ms", FROM_CELL, "tick_ms"},
    {"sync limit, ticks", FROM_CELL, "sync_limit_ticks"},
    {"image every, txns", FROM_CELL, "snapshot_entries"},
    {"value, bytes", FROM_CELL, "value_bytes"},
    {"Java heap, bytes", FROM_CELL, "heap_bytes"},
};

size_t viv_fairness_count(void)
{
    return sizeof rows / sizeof *rows;
}

const char *viv_fairness_name(size_t row)
{
    VIV_ASSERT(row < viv_fairness_count());
    return rows[row].name;
}

static const json_t *find_value(const struct viv_metric_table *table, size_t row, size_t cell)
{
    const json_t *given = json_array_get(table->cells, cell);
    const json_t *provenance = table->results->provenance;
    switch (rows[row].source) {
    case FROM_SYSTEMS:
        return json_object_get(json_object_get(provenance, "systems"), viv_result_text(given, "system"));
    case FROM_MACHINE:
        return json_object_get(json_object_get(provenance, "hardware"), rows[row].key);
    case FROM_CELL:
        break;
    }
    return json_object_get(given, rows[row].key);
}

void viv_fairness_value(const struct viv_metric_table *table, size_t row, size_t cell, char *text, size_t size)
{
    VIV_ASSERT(row < viv_fairness_count() && cell < table->cell_count);
    const json_t *value = find_value(table, row, cell);
    if (json_is_string(value)) {
        snprintf(text, size, "%s", json_string_value(value));
    } else if (json_is_integer(value)) {
        snprintf(text, size, "%lld", (long long)json_integer_value(value));
    } else {
        snprintf(text, size, "-");
    }
}

const char *viv_fairness_note(void)
{
    return "Every system runs on the same machine and cores, one ensemble at a time, with a sync before each "
           "acknowledgement, the same ticks and the same image interval, driven by the same load generator. Cells run "
           "interleaved in shuffled rounds, every trial with fresh processes and directories. Apache ZooKeeper and "
           "etcd keep their default settings otherwise, the former with the heap that its operators usually give it.";
}

static bool is_alike(const struct viv_metric_table *table, size_t row)
{
    char first[TEXT_BYTES];
    char other[TEXT_BYTES];
    viv_fairness_value(table, row, 0, first, sizeof first);
    for (size_t i = 1; i < table->cell_count; i++) {
        viv_fairness_value(table, row, i, other, sizeof other);
        if (strcmp(first, other) != 0) {
            return false;
        }
    }
    return true;
}

/* One system has several cells; what they share is said once. */
static bool is_repeated(const struct viv_metric_table *table, size_t row, size_t cell)
{
    char text[TEXT_BYTES];
    char other[TEXT_BYTES];
    const char *system = viv_result_text(json_array_get(table->cells, cell), "system");
    viv_fairness_value(table, row, cell, text, sizeof text);
    for (size_t i = 0; i < cell; i++) {
        viv_fairness_value(table, row, i, other, sizeof other);
        if (strcmp(viv_result_text(json_array_get(table->cells, i), "system"), system) == 0 &&
            strcmp(text, other) == 0) {
            return true;
        }
    }
    return false;
}

void viv_fairness_print(const struct viv_metric_table *table, struct viv_buffer *out)
{
    char text[TEXT_BYTES];
    if (table->cell_count == 0) {
        return;
    }
    viv_buffer_printf(out, "\nWhat each system was given:\n");
    for (size_t row = 0; row < viv_fairness_count(); row++) {
        const char *between = "";
        viv_buffer_printf(out, "  %-22s", rows[row].name);
        if (is_alike(table, row)) {
            viv_fairness_value(table, row, 0, text, sizeof text);
            viv_buffer_printf(out, "%s\n", text);
            continue;
        }
        for (size_t i = 0; i < table->cell_count; i++) {
            viv_fairness_value(table, row, i, text, sizeof text);
            if (!is_repeated(table, row, i) && strcmp(text, "-") != 0) {
                viv_buffer_printf(out, "%s%s: %s", between, viv_result_text(json_array_get(table->cells, i), "system"),
                                  text);
                between = "; ";
            }
        }
        viv_buffer_printf(out, "\n");
    }
}
