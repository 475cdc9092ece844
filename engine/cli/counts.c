#include "cli/counts.h"

#include <stdlib.h>
#include <string.h>

#include "cli/args.h"

static json_t *key_value(const char *key)
{
    uint64_t number;
    return viv_cli_parse_uint64(key, &number) && number <= INT64_MAX ? json_integer((json_int_t)number)
                                                                     : json_string(key);
}

struct place {
    json_t *item; /* borrowed */
    double value;
    size_t index; /* equals stay as they were */
};

static int descending(const void *a, const void *b)
{
    const struct place *left = a;
    const struct place *right = b;
    if (left->value != right->value) {
        return left->value > right->value ? -1 : 1;
    }
    return left->index < right->index ? -1 : 1;
}

/* A new list of the same items. */
static json_t *sorted(const json_t *list, const char *member, size_t rows_max)
{
    size_t count = json_array_size(list);
    struct place *places = viv_alloc(count * sizeof *places + 1);
    json_t *result = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *item = json_array_get(list, i);
        places[i] = (struct place){item, json_number_value(json_object_get(item, member)), i};
    }
    if (count > 0) {
        qsort(places, count, sizeof *places, descending);
    }
    for (size_t i = 0; i < count && i < rows_max; i++) {
        json_array_append(result, places[i].item);
    }
    free(places);
    return result;
}

json_t *viv_cli_count_lists(const json_t *object, const char *name_key, const char *count_key, size_t rows_max)
{
    const char *key;
    json_t *list;
    json_t *all = json_array();
    json_object_foreach((json_t *)object, key, list)
    {
        json_t *row = json_object();
        json_object_set_new(row, name_key, key_value(key));
        json_object_set_new(row, count_key, json_integer((json_int_t)json_array_size(list)));
        json_array_append_new(all, row);
    }
    json_t *result = sorted(all, count_key, rows_max);
    json_decref(all);
    return result;
}

void viv_cli_count_into(json_t *rows, const json_t *object, const char *name_key, const char *count_key)
{
    size_t index;
    json_t *row;
    json_array_foreach(rows, index, row)
    {
        const json_t *name = json_object_get(row, name_key);
        struct viv_buffer key = {0};
        if (json_is_integer(name)) {
            viv_buffer_printf(&key, "%" JSON_INTEGER_FORMAT, json_integer_value(name));
        } else if (json_is_string(name)) {
            viv_buffer_printf(&key, "%s", json_string_value(name));
        }
        viv_buffer_append(&key, "", 1);
        json_int_t count = (json_int_t)json_array_size(json_object_get(object, (const char *)key.data));
        json_object_set_new(row, count_key, json_integer(count));
        viv_buffer_fini(&key);
    }
}

void viv_cli_sort_by(json_t *answer, const char *member)
{
    const char *key;
    void *next;
    json_t *list;
    json_object_foreach_safe(answer, next, key, list)
    {
        if (json_is_array(list) && json_object_get(json_array_get(list, 0), member) != NULL) {
            json_object_set_new(answer, key, sorted(list, member, SIZE_MAX));
        }
    }
}
