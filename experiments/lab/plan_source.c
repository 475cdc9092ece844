#include "experiments/lab/plan_source.h"

#include <cyaml/cyaml.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

#define TEXT(key, type, member)                                                                                        \
    CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, type, member, 0, CYAML_UNLIMITED)

static const cyaml_schema_value_t text_value = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 0, CYAML_UNLIMITED),
};

static const cyaml_schema_field_t dataset_fields[] = {
    TEXT("snapshot", struct viv_source_dataset, snapshot),
    TEXT("shape", struct viv_source_dataset, shape),
    TEXT("znodes", struct viv_source_dataset, znodes),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t cell_fields[] = {
#define VIV_CELL_FIELD(key, kind, meaning) TEXT(#key, struct viv_source_cell, text[VIV_CELL_##key]),
#define VIV_STEP_FIELD(key, kind, steps, meaning)
#include "experiments/lab/plan_fields.def"
#undef VIV_CELL_FIELD
#undef VIV_STEP_FIELD
    CYAML_FIELD_MAPPING_PTR("dataset", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct viv_source_cell, dataset,
                            dataset_fields),
    CYAML_FIELD_SEQUENCE("config", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct viv_source_cell, config,
                         &text_value, 0, CYAML_UNLIMITED),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t grid_fields[] = {
#define VIV_CELL_FIELD(key, kind, meaning)                                                                             \
    CYAML_FIELD_SEQUENCE(#key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct viv_source_grid, key, &text_value, 1,  \
                         CYAML_UNLIMITED),
#define VIV_STEP_FIELD(key, kind, steps, meaning)
#include "experiments/lab/plan_fields.def"
#undef VIV_CELL_FIELD
#undef VIV_STEP_FIELD
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t step_fields[] = {
    CYAML_FIELD_STRING_PTR("do", CYAML_FLAG_POINTER, struct viv_source_step, kind, 0, CYAML_UNLIMITED),
#define VIV_CELL_FIELD(key, kind, meaning)
#define VIV_STEP_FIELD(key, kind, steps, meaning) TEXT(#key, struct viv_source_step, text[VIV_STEP_##key]),
#include "experiments/lab/plan_fields.def"
#undef VIV_CELL_FIELD
#undef VIV_STEP_FIELD
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t cell_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct viv_source_cell, cell_fields),
};
static const cyaml_schema_value_t step_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct viv_source_step, step_fields),
};

static const cyaml_schema_field_t plan_fields[] = {
    CYAML_FIELD_STRING_PTR("schema", CYAML_FLAG_POINTER, struct viv_source_plan, schema, 0, CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("question", CYAML_FLAG_POINTER, struct viv_source_plan, question, 1, CYAML_UNLIMITED),
    TEXT("seed", struct viv_source_plan, seed),
    TEXT("trials", struct viv_source_plan, trials),
    CYAML_FIELD_MAPPING_PTR("defaults", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct viv_source_plan, defaults,
                            cell_fields),
    CYAML_FIELD_SEQUENCE("cells", CYAML_FLAG_POINTER, struct viv_source_plan, cells, &cell_value, 1, CYAML_UNLIMITED),
    CYAML_FIELD_MAPPING_PTR("grid", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct viv_source_plan, grid,
                            grid_fields),
    CYAML_FIELD_SEQUENCE("exclude", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct viv_source_plan, exclude,
                         &cell_value, 0, CYAML_UNLIMITED),
    CYAML_FIELD_MAPPING_PTR("control", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct viv_source_plan, control,
                            cell_fields),
    CYAML_FIELD_SEQUENCE("steps", CYAML_FLAG_POINTER, struct viv_source_plan, steps, &step_value, 1, CYAML_UNLIMITED),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t plan_value = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct viv_source_plan, plan_fields),
};

/* libcyaml logs a failure as a message, then as a backtrace whose first line says where. */
struct cyaml_story {
    char message[256];
    char place[256];
};

static void listen(cyaml_log_t level, void *ctx, const char *format, va_list args)
{
    struct cyaml_story *story = ctx;
    char line[256];
    if (level < CYAML_LOG_ERROR) {
        return;
    }
    vsnprintf(line, sizeof line, format, args);
    line[strcspn(line, "\n")] = '\0';
    const char *text = strncmp(line, "Load: ", 6) == 0 ? line + 6 : line;
    if (strstr(text, "Backtrace:") != NULL) {
        return;
    }
    if (story->place[0] == '\0' && strstr(text, "line: ") != NULL) {
        snprintf(story->place, sizeof story->place, "%s", text);
    } else if (story->message[0] == '\0') {
        snprintf(story->message, sizeof story->message, "%s", text);
    }
}

/* libcyaml names the last thing it had accepted; an unexpected key stands there or further down. */
static size_t line_of_key(const struct viv_yaml_index *index, const char *key, size_t from_line)
{
    size_t line = 0;
    for (size_t i = 0; i < index->node_count; i++) {
        const struct viv_yaml_node *node = &index->nodes[i];
        const char *dot = strrchr(node->path, '.');
        if (strcmp(dot != NULL ? dot + 1 : node->path, key) == 0 && node->line >= from_line &&
            (line == 0 || node->line < line)) {
            line = node->line;
        }
    }
    return line != 0 ? line : from_line;
}

static void tell(struct viv_source *source, struct cyaml_story *story, const char *otherwise)
{
    static const char unexpected[] = "Unexpected key: ";
    const char *place = strstr(story->place, "line: ");
    size_t line = place != NULL ? strtoul(place + strlen("line: "), NULL, 10) : 1;
    const char *message = story->message[0] != '\0' ? story->message : otherwise;
    if (strncmp(message, unexpected, strlen(unexpected)) == 0) {
        const char *key = message + strlen(unexpected);
        viv_buffer_printf(source->errors, "%s:%zu: there is no key '%s' here\n", source->file,
                          line_of_key(&source->index, key, line), key);
        return;
    }
    story->place[strcspn(story->place, "(")] = '\0';
    const char *where = story->place + strspn(story->place, " ");
    viv_buffer_printf(source->errors, "%s:%zu: %s%s%s\n", source->file, line, message, *where != '\0' ? ", " : "",
                      where);
}

static bool load(struct viv_source *source, struct viv_bytes text)
{
    struct cyaml_story story = {0};
    cyaml_config_t config = {.log_fn = listen,
                             .log_ctx = &story,
                             .log_level = CYAML_LOG_ERROR,
                             .mem_fn = cyaml_mem,
                             .flags = CYAML_CFG_NO_ALIAS};
    void *plan = NULL;
    cyaml_err_t error = cyaml_load_data(text.data, text.size, &config, &plan_value, &plan, NULL);
    if (error != CYAML_OK) {
        tell(source, &story, cyaml_strerror(error));
        return false;
    }
    source->plan = plan;
    return true;
}

bool viv_source_init(struct viv_source *source, const char *file, struct viv_bytes text, struct viv_buffer *errors)
{
    *source = (struct viv_source){.file = file, .errors = errors};
    source->failed = !viv_yaml_index_init(&source->index, file, text, errors) || !load(source, text);
    return !source->failed;
}

void viv_source_fini(struct viv_source *source)
{
    cyaml_config_t config = {.mem_fn = cyaml_mem};
    if (source->plan != NULL) {
        cyaml_free(&config, &plan_value, source->plan, 0);
    }
    viv_yaml_index_fini(&source->index);
    source->plan = NULL;
}

char **viv_source_axis(const struct viv_source_grid *grid, enum viv_cell_field field, unsigned *count)
{
    switch (field) {
#define VIV_CELL_FIELD(key, kind, meaning)                                                                             \
    case VIV_CELL_##key:                                                                                               \
        *count = grid->key##_count;                                                                                    \
        return grid->key;
#define VIV_STEP_FIELD(key, kind, steps, meaning)
#include "experiments/lab/plan_fields.def"
#undef VIV_CELL_FIELD
#undef VIV_STEP_FIELD
    case VIV_CELL_FIELD_COUNT:
        break;
    }
    VIV_ASSERT(false);
    return NULL;
}

const char *viv_cell_field_key(enum viv_cell_field field)
{
    static const char *const keys[] = {
#define VIV_CELL_FIELD(key, kind, meaning) #key,
#define VIV_STEP_FIELD(key, kind, steps, meaning)
#include "experiments/lab/plan_fields.def"
#undef VIV_CELL_FIELD
#undef VIV_STEP_FIELD
    };
    VIV_ASSERT(field < VIV_CELL_FIELD_COUNT);
    return keys[field];
}

const char *viv_step_field_key(enum viv_step_field field)
{
    static const char *const keys[] = {
#define VIV_CELL_FIELD(key, kind, meaning)
#define VIV_STEP_FIELD(key, kind, steps, meaning) #key,
#include "experiments/lab/plan_fields.def"
#undef VIV_CELL_FIELD
#undef VIV_STEP_FIELD
    };
    VIV_ASSERT(field < VIV_STEP_FIELD_COUNT);
    return keys[field];
}

void viv_source_error(struct viv_source *source, const char *path, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    viv_buffer_printf(source->errors, "%s:%zu: %s\n", source->file, viv_yaml_index_line(&source->index, path), text);
    source->failed = true;
}
