#ifndef VIV_TESTS_CRASH_STORE_MODEL_H
#define VIV_TESTS_CRASH_STORE_MODEL_H

#include <stdio.h>

#include "store/log_store.h"
#include "store/state_store.h"

/* What the stores must hold after a run of the driver that ended at any point: everything that was acknowledged, and
 * beyond it nothing but the one operation that was under way, whole or not at all (of an append: any first part).
 * It knows operations, not stores. */

enum {
    MODEL_GROUPS = 2,
    MODEL_ZXIDS = 4096,
    MODEL_BATCH_MAX = 8,
    MODEL_KEYS = 300,
};

enum model_kind { MODEL_APPEND, MODEL_TRUNCATE, MODEL_HARD, MODEL_IMAGE, MODEL_INSTALL };

struct model_op {
    enum model_kind kind;
    viv_gid gid;
    uint64_t first;   /* of an append; for an image, where group 1 may be trimmed */
    uint64_t last;    /* of an append; kept by a truncation; the epoch; the image's zxid */
    unsigned lineage; /* tells entries and rows of different operations apart; the step */
    bool is_delta;
    uint64_t needed_after; /* what the commit of an image said */
};

struct model_group {
    uint64_t last, trimmed; /* nothing above `trimmed` may be missing */
    uint32_t epoch;
    unsigned lineages[MODEL_ZXIDS];
};

struct model {
    bool takes_deltas;
    struct model_group groups[MODEL_GROUPS];
    bool has_image;
    uint64_t image_zxid;
    unsigned versions[MODEL_KEYS]; /* of the newest image; 0: no such key */
};

void model_init(struct model *model, bool takes_deltas);
struct model_op model_next(const struct model *model, unsigned step);
void model_apply(struct model *model, const struct model_op *op);
/* The entries of an append; bodies live in the buffer. */
void model_bodies(const struct model_op *op, struct viv_buffer *bodies, struct viv_entry *entries);
/* The rows to write for an image on top of the model's newest one. */
void model_rows(const struct model *model, const struct model_op *op, struct viv_buffer *rows);
/* One line of a transcript; returns its size. */
int model_op_print(const struct model_op *op, const char *kind, char *line, size_t size);

/* What a run said. */
struct model_transcript {
    bool has_pending;
    struct model_op pending;
    const char *complaint; /* the run itself was wrong */
};

/* Reads a transcript and applies what was acknowledged. */
struct model_transcript model_read(struct model *model, FILE *from);

/* What was there when the stores were opened again. */
struct model_found {
    struct viv_log_bounds bounds[MODEL_GROUPS];
    struct viv_hard_state hard[MODEL_GROUPS];
    unsigned lineages[MODEL_GROUPS][MODEL_ZXIDS];
    bool is_rotten; /* an entry or a row that nobody wrote */
    viv_status load_status;
    struct viv_state_mark mark;
    unsigned versions[MODEL_KEYS];
};

void model_take_entry(struct model_found *found, viv_gid gid, const struct viv_entry *entry);
bool model_take_rows(struct model_found *found, struct viv_bytes rows);
void model_forget_rows(struct model_found *found);
/* NULL when what was found is what must and may be there. */
const char *model_complaint(const struct model *model, const struct model_transcript *transcript,
                            const struct model_found *found);

#endif /* VIV_TESTS_CRASH_STORE_MODEL_H */
