#include "cli/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "cli/text.h"

enum { COLUMNS_MAX = 32, NAME_BYTES_MAX = 64, CELL_WIDTH_MAX = 80, DEPTH_MAX = 4 };

struct columns {
    char names[COLUMNS_MAX][NAME_BYTES_MAX];
    size_t widths[COLUMNS_MAX];
    bool numeric[COLUMNS_MAX];
    size_t count;
};

static void append_cell(const json_t *value, struct viv_buffer *out)
{
    if (json_is_string(value)) {
        viv_cli_append_text(out, viv_bytes_of(json_string_value(value), json_string_length(value)));
    } else if (json_is_integer(value)) {
        viv_buffer_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    } else if (json_is_real(value)) {
        viv_buffer_printf(out, "%.1f", json_real_value(value));
    } else if (value != NULL && !json_is_null(value)) {
        char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        viv_buffer_printf(out, "%s", text != NULL ? text : "?");
        free(text);
    } else {
        viv_buffer_printf(out, "-");
    }
}

static size_t column_of(struct columns *columns, const char *name)
{
    for (size_t i = 0; i < columns->count; i++) {
        if (strncmp(columns->names[i], name, NAME_BYTES_MAX - 1) == 0) {
            return i;
        }
    }
    if (columns->count == COLUMNS_MAX) {
        return COLUMNS_MAX;
    }
    snprintf(columns->names[columns->count], NAME_BYTES_MAX, "%s", name);
    columns->widths[columns->count] = strlen(columns->names[columns->count]);
    columns->numeric[columns->count] = true;
    return columns->count++;
}

/* Calls `each` for every plain member, those of inner objects as outer.inner. */
typedef void member_fn(void *ctx, const char *name, const json_t *value);

static void for_members(const json_t *object, const char *prefix, int depth, member_fn *each, void *ctx)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        char name[NAME_BYTES_MAX];
        snprintf(name, sizeof name, "%s%s%s", prefix, *prefix != '\0' ? "." : "", key);
        if (json_is_object(value) && depth < DEPTH_MAX) {
            for_members(value, name, depth + 1, each, ctx);
        } else {
            each(ctx, name, value);
        }
    }
}

static void measure(void *ctx, const char *name, const json_t *value)
{
    struct columns *columns = ctx;
    size_t column = column_of(columns, name);
    if (column < COLUMNS_MAX) {
        struct viv_buffer cell = {0};
        append_cell(value, &cell);
        columns->widths[column] = cell.size > columns->widths[column] ? cell.size : columns->widths[column];
        columns->numeric[column] = columns->numeric[column] && !json_is_string(value);
        viv_buffer_fini(&cell);
    }
}

struct row {
    struct columns *columns;
    struct viv_buffer cells[COLUMNS_MAX];
};

static void fill(void *ctx, const char *name, const json_t *value)
{
    struct row *row = ctx;
    size_t column = column_of(row->columns, name);
    if (column < COLUMNS_MAX) {
        append_cell(value, &row->cells[column]);
    }
}

static void print_cell(const struct columns *columns, size_t column, const char *text, size_t size)
{
    size_t width = columns->widths[column] < CELL_WIDTH_MAX ? columns->widths[column] : CELL_WIDTH_MAX;
    int shown = (int)(size < width ? size : width);
    bool last = column + 1 == columns->count;
    const char *gap = last ? "" : "  ";
    if (columns->numeric[column]) {
        printf("%*.*s%s", (int)width, shown, text, gap);
    } else {
        printf("%-*.*s%s", last ? 0 : (int)width, shown, text, gap);
    }
}

static void print_table(const char *title, const json_t *list, size_t rows_max)
{
    struct columns columns = {0};
    size_t index;
    json_t *item;
    json_array_foreach((json_t *)list, index, item)
    {
        for_members(item, "", 0, measure, &columns);
    }
    printf("\n%s (%zu)\n", title, json_array_size(list));
    for (size_t i = 0; i < columns.count; i++) {
        print_cell(&columns, i, columns.names[i], strlen(columns.names[i]));
    }
    fputs(columns.count > 0 ? "\n" : "", stdout);
    for (size_t i = 0; i < json_array_size(list) && i < rows_max; i++) {
        struct row row = {.columns = &columns};
        for_members(json_array_get(list, i), "", 0, fill, &row);
        for (size_t j = 0; j < columns.count; j++) {
            print_cell(&columns, j, row.cells[j].size > 0 ? (const char *)row.cells[j].data : "", row.cells[j].size);
            viv_buffer_fini(&row.cells[j]);
        }
        putchar('\n');
    }
}

static bool is_table(const json_t *value)
{
    return json_is_array(value) && json_is_object(json_array_get(value, 0));
}

static void print_line(void *ctx, const char *name, const json_t *value)
{
    struct viv_buffer cell = {0};
    (void)ctx;
    if (!json_is_array(value) && strcmp(name, "command") != 0 && strcmp(name, "error") != 0) {
        append_cell(value, &cell);
        printf("%-24s %.*s\n", name, (int)cell.size, (const char *)cell.data);
    }
    viv_buffer_fini(&cell);
}

static void print_list(void *ctx, const char *name, const json_t *value)
{
    const size_t *rows_max = ctx;
    if (is_table(value)) {
        print_table(name, value, *rows_max);
    } else if (json_is_array(value)) {
        printf("\n%s: none\n", name);
    }
}

void viv_cli_table_print(const json_t *object, size_t rows_max)
{
    for_members(object, "", 0, print_line, NULL);
    for_members(object, "", 0, print_list, &rows_max);
}
