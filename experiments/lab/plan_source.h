#ifndef VIV_EXPERIMENTS_LAB_PLAN_SOURCE_H
#define VIV_EXPERIMENTS_LAB_PLAN_SOURCE_H

#include "experiments/lab/yaml_index.h"

/* The plan as it stands in the file: structure checked by libcyaml against the schema, scalars still text. Private to
 * plan*.c. */

enum viv_cell_field {
#define VIV_CELL_FIELD(key, kind, meaning) VIV_CELL_##key,
#define VIV_STEP_FIELD(key, kind, steps, meaning)
#include "experiments/lab/plan_fields.def"
#undef VIV_CELL_FIELD
#undef VIV_STEP_FIELD
    VIV_CELL_FIELD_COUNT
};

enum viv_step_field {
#define VIV_CELL_FIELD(key, kind, meaning)
#define VIV_STEP_FIELD(key, kind, steps, meaning) VIV_STEP_##key,
#include "experiments/lab/plan_fields.def"
#undef VIV_CELL_FIELD
#undef VIV_STEP_FIELD
    VIV_STEP_FIELD_COUNT
};

struct viv_source_dataset {
    char *snapshot, *shape, *znodes;
};

struct viv_source_cell { /* fields that are not given are NULL */
    char *text[VIV_CELL_FIELD_COUNT];
    struct viv_source_dataset *dataset;
    char **config;
    unsigned config_count;
};

struct viv_source_grid {
#define VIV_CELL_FIELD(key, kind, meaning)                                                                             \
    char **key;                                                                                                        \
    unsigned key##_count;
#define VIV_STEP_FIELD(key, kind, steps, meaning)
#include "experiments/lab/plan_fields.def"
#undef VIV_CELL_FIELD
#undef VIV_STEP_FIELD
};

struct viv_source_step {
    char *kind; /* the key `do` */
    char *text[VIV_STEP_FIELD_COUNT];
};

struct viv_source_plan {
    char *schema, *question, *seed, *trials;
    struct viv_source_cell *defaults, *cells, *exclude, *control;
    unsigned cells_count, exclude_count;
    struct viv_source_grid *grid;
    struct viv_source_step *steps;
    unsigned steps_count;
};

struct viv_source {
    const char *file; /* for messages */
    struct viv_yaml_index index;
    struct viv_source_plan *plan;
    struct viv_buffer *errors;
    bool failed;
};

/* False with lines in errors. viv_source_fini in both cases. */
bool viv_source_init(struct viv_source *source, const char *file, struct viv_bytes text, struct viv_buffer *errors);
void viv_source_fini(struct viv_source *source);
/* Values of one axis of the grid. */
char **viv_source_axis(const struct viv_source_grid *grid, enum viv_cell_field field, unsigned *count);
const char *viv_cell_field_key(enum viv_cell_field field);
const char *viv_step_field_key(enum viv_step_field field);

/* Appends "FILE:LINE: ..." for the node at `path` and remembers that the plan failed. */
void viv_source_error(struct viv_source *source, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif /* VIV_EXPERIMENTS_LAB_PLAN_SOURCE_H */
