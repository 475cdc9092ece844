#include "experiments/lab/yaml_index.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/assert.h"
#include "experiments/lab/files.h"

enum { DEPTH_MAX = 32 };

/* One open mapping or sequence. */
struct level {
    bool mapping;
    bool key_next;      /* the next scalar of the mapping is a key */
    size_t element;     /* index of the next element of a sequence */
    size_t prefix_size; /* of walk.path, without what the children add */
};

struct walk {
    struct viv_yaml_index *index;
    const char *file;
    struct viv_buffer *errors;
    struct viv_buffer path; /* of the node that comes next, without a final NUL */
    struct level levels[DEPTH_MAX];
    size_t depth;
};

static bool refuse(struct walk *walk, size_t line, const char *what)
{
    viv_buffer_printf(walk->errors, "%s:%zu: %s\n", walk->file, line, what);
    return false;
}

static bool add_node(struct walk *walk, size_t line)
{
    struct viv_yaml_index *index = walk->index;
    char *path = viv_text("%.*s", (int)walk->path.size, (const char *)walk->path.data);
    for (size_t i = 0; i < index->node_count; i++) {
        if (strcmp(index->nodes[i].path, path) == 0) {
            viv_buffer_printf(walk->errors, "%s:%zu: %s is given twice, first in line %zu\n", walk->file, line, path,
                              index->nodes[i].line);
            free(path);
            return false;
        }
    }
    if (index->node_count == index->node_capacity) {
        index->node_capacity = index->node_capacity == 0 ? 64 : index->node_capacity * 2;
        index->nodes = viv_realloc(index->nodes, index->node_capacity * sizeof *index->nodes);
    }
    index->nodes[index->node_count++] = (struct viv_yaml_node){path, line};
    return true;
}

/* Sets walk->path to that of the value that begins now. */
static bool begin_value(struct walk *walk, size_t line)
{
    if (walk->depth == 0) {
        return true;
    }
    struct level *level = &walk->levels[walk->depth - 1];
    if (level->mapping) {
        return true; /* the key has set the path */
    }
    walk->path.size = level->prefix_size;
    viv_buffer_printf(&walk->path, "[%zu]", level->element++);
    return add_node(walk, line);
}

static void end_value(struct walk *walk)
{
    if (walk->depth > 0 && walk->levels[walk->depth - 1].mapping) {
        walk->levels[walk->depth - 1].key_next = true;
    }
}

static bool on_scalar(struct walk *walk, const yaml_event_t *event, size_t line)
{
    if (event->data.scalar.anchor != NULL || event->data.scalar.tag != NULL) {
        return refuse(walk, line, "anchors and tags are not taken");
    }
    struct level *level = walk->depth > 0 ? &walk->levels[walk->depth - 1] : NULL;
    if (level != NULL && level->mapping && level->key_next) {
        walk->path.size = level->prefix_size;
        viv_buffer_printf(&walk->path, "%s%s", level->prefix_size > 0 ? "." : "",
                          (const char *)event->data.scalar.value);
        level->key_next = false;
        return add_node(walk, line);
    }
    bool ok = begin_value(walk, line);
    end_value(walk);
    return ok;
}

static bool on_open(struct walk *walk, bool mapping, bool decorated, size_t line)
{
    struct level *parent = walk->depth > 0 ? &walk->levels[walk->depth - 1] : NULL;
    if (decorated) {
        return refuse(walk, line, "anchors and tags are not taken");
    }
    if (parent != NULL && parent->mapping && parent->key_next) {
        return refuse(walk, line, "a key must be plain text");
    }
    if (walk->depth == DEPTH_MAX) {
        return refuse(walk, line, "nested too deeply");
    }
    if (!begin_value(walk, line)) {
        return false;
    }
    walk->levels[walk->depth++] =
        (struct level){.mapping = mapping, .key_next = mapping, .prefix_size = walk->path.size};
    return true;
}

static bool on_event(struct walk *walk, const yaml_event_t *event)
{
    size_t line = event->start_mark.line + 1;
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return on_scalar(walk, event, line);
    case YAML_MAPPING_START_EVENT:
        return on_open(walk, true, event->data.mapping_start.anchor != NULL || event->data.mapping_start.tag != NULL,
                       line);
    case YAML_SEQUENCE_START_EVENT:
        return on_open(walk, false, event->data.sequence_start.anchor != NULL || event->data.sequence_start.tag != NULL,
                       line);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        VIV_ASSERT(walk->depth > 0);
        walk->depth--;
        end_value(walk);
        return true;
    case YAML_ALIAS_EVENT:
        return refuse(walk, line, "aliases are not taken");
    default:
        return true;
    }
}

bool viv_yaml_index_init(struct viv_yaml_index *index, const char *file, struct viv_bytes text,
                         struct viv_buffer *errors)
{
    *index = (struct viv_yaml_index){0};
    struct walk walk = {.index = index, .file = file, .errors = errors};
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) {
        viv_out_of_memory(0);
    }
    yaml_parser_set_input_string(&parser, text.data, text.size);
    bool ok = true;
    bool more = true;
    while (ok && more) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            ok = refuse(&walk, parser.problem_mark.line + 1, parser.problem != NULL ? parser.problem : "not YAML");
            break;
        }
        more = event.type != YAML_STREAM_END_EVENT;
        ok = on_event(&walk, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    viv_buffer_fini(&walk.path);
    return ok;
}

void viv_yaml_index_fini(struct viv_yaml_index *index)
{
    for (size_t i = 0; i < index->node_count; i++) {
        free(index->nodes[i].path);
    }
    free(index->nodes);
    *index = (struct viv_yaml_index){0};
}

size_t viv_yaml_index_line(const struct viv_yaml_index *index, const char *path)
{
    size_t best_size = 0;
    size_t line = 1;
    for (size_t i = 0; i < index->node_count; i++) {
        const struct viv_yaml_node *node = &index->nodes[i];
        size_t size = strlen(node->path);
        char after = strncmp(node->path, path, size) == 0 ? path[size] : 'x';
        if (size > best_size && (after == '\0' || after == '.' || after == '[')) {
            best_size = size;
            line = node->line;
        }
    }
    return line;
}
