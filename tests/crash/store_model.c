#include "tests/crash/store_model.h"

#include <string.h>

#include "base/assert.h"
#include "base/checksum.h"
#include "base/endian.h"

enum { INSTALL_STEP = 45, VALUE_BYTES_MAX = 260 };

void model_init(struct model *model, bool takes_deltas)
{
    *model = (struct model){.takes_deltas = takes_deltas};
}

struct model_op model_next(const struct model *model, unsigned step)
{
    const struct model_group *first = &model->groups[0];
    const struct model_group *second = &model->groups[1];
    if (step == INSTALL_STEP) {
        return (struct model_op){MODEL_INSTALL, 0, second->last, first->last + 50, step, false, 0};
    }
    if (step % 10 == 0) {
        bool is_delta = model->takes_deltas && model->has_image && step % 30 != 0;
        uint64_t spare = second->last > 3 ? second->last - 3 : 0;
        return (struct model_op){MODEL_IMAGE, 0, spare, first->last, step, is_delta, 0};
    }
    if (step % 10 == 7 && first->last > model->image_zxid + 2) {
        return (struct model_op){MODEL_TRUNCATE, 0, 0, first->last - 2, step, false, 0};
    }
    viv_gid gid = step % 3 == 0;
    if (step % 10 == 3) {
        return (struct model_op){MODEL_HARD, gid, 0, step, step, false, 0};
    }
    uint64_t last = model->groups[gid].last;
    return (struct model_op){MODEL_APPEND, gid, last + 1, last + 1 + step % 5, step, false, 0};
}

/* The state of the keys after the image that `op` makes. */
static void next_versions(const struct model *model, const struct model_op *op, unsigned *versions)
{
    memcpy(versions, model->versions, sizeof model->versions);
    for (unsigned key = 0; key < MODEL_KEYS; key++) {
        if ((key + op->lineage * 7) % 5 < 2) {
            versions[key] = op->lineage;
        }
        if (key % 11 == op->lineage / 5 % 11) {
            versions[key] = 0;
        }
    }
}

void model_apply(struct model *model, const struct model_op *op)
{
    struct model_group *group = &model->groups[op->gid];
    VIV_ASSERT(op->last < MODEL_ZXIDS);
    switch (op->kind) {
    case MODEL_APPEND:
        for (uint64_t zxid = op->first; zxid <= op->last; zxid++) {
            group->lineages[zxid] = op->lineage;
        }
        group->last = op->last;
        return;
    case MODEL_TRUNCATE:
        group->last = op->last;
        return;
    case MODEL_HARD:
        group->epoch = (uint32_t)op->last;
        return;
    case MODEL_INSTALL:
        group->last = group->trimmed = op->last;
        break;
    case MODEL_IMAGE:
        group->trimmed = op->needed_after > group->trimmed ? op->needed_after : group->trimmed;
        break;
    }
    next_versions(model, op, model->versions);
    model->groups[1].trimmed = op->first > model->groups[1].trimmed ? op->first : model->groups[1].trimmed;
    model->has_image = true;
    model->image_zxid = op->last;
}

/* Lineage first, so that a reader can tell what else must follow. */
static void append_body(struct viv_buffer *to, viv_gid gid, uint64_t zxid, unsigned lineage)
{
    size_t size = 16 + (size_t)(zxid * 7919 + lineage) % 40000;
    uint8_t *body = viv_buffer_extend(to, size);
    viv_store_le32(body, lineage);
    viv_store_le32(body + 4, gid);
    viv_store_le64(body + 8, zxid);
    for (size_t i = 16; i < size; i++) {
        body[i] = (uint8_t)(i * 31 + lineage * 7 + zxid);
    }
}

void model_bodies(const struct model_op *op, struct viv_buffer *bodies, struct viv_entry *entries)
{
    size_t ends[MODEL_BATCH_MAX];
    size_t count = (size_t)(op->last - op->first + 1);
    for (size_t i = 0; i < count; i++) {
        append_body(bodies, op->gid, op->first + i, op->lineage);
        ends[i] = bodies->size;
    }
    for (size_t i = 0; i < count; i++) {
        size_t start = i > 0 ? ends[i - 1] : 0;
        entries[i].zxid = op->first + i;
        entries[i].body = (struct viv_bytes){bodies->data + start, ends[i] - start};
        entries[i].body_crc = viv_crc32c(0, entries[i].body.data, entries[i].body.size);
    }
}

static struct viv_row make_row(enum viv_row_op op, unsigned key, unsigned version, uint8_t *key_bytes, uint8_t *value)
{
    size_t size = 8 + key % (VALUE_BYTES_MAX - 8);
    viv_store_be32(key_bytes, key);
    memset(value, (int)(version * 3 + key), size);
    viv_store_le32(value, version);
    viv_store_le32(value + 4, key);
    return (struct viv_row){op, {key_bytes, 4}, {value, op == VIV_ROW_PUT ? size : 0}};
}

void model_rows(const struct model *model, const struct model_op *op, struct viv_buffer *rows)
{
    unsigned versions[MODEL_KEYS];
    uint8_t key_bytes[4];
    uint8_t value[VALUE_BYTES_MAX];
    next_versions(model, op, versions);
    for (unsigned key = 0; key < MODEL_KEYS && op->is_delta; key++) {
        if (versions[key] == 0) {
            struct viv_row row = make_row(VIV_ROW_DELETE, key, 0, key_bytes, value);
            viv_row_append(rows, &row);
        }
    }
    for (unsigned key = 0; key < MODEL_KEYS; key++) {
        if (versions[key] != 0 && (!op->is_delta || versions[key] != model->versions[key])) {
            struct viv_row row = make_row(VIV_ROW_PUT, key, versions[key], key_bytes, value);
            viv_row_append(rows, &row);
        }
    }
}

int model_op_print(const struct model_op *op, const char *kind, char *line, size_t size)
{
    return snprintf(line, size, "%s %d %u %llu %llu %u %d %llu\n", kind, (int)op->kind, op->gid,
                    (unsigned long long)op->first, (unsigned long long)op->last, op->lineage, op->is_delta,
                    (unsigned long long)op->needed_after);
}

static bool parse(const char *line, struct model_op *op)
{
    int kind;
    int is_delta;
    unsigned gid;
    unsigned long long first;
    unsigned long long last;
    unsigned long long needed;
    if (sscanf(line + 1, " %d %u %llu %llu %u %d %llu", &kind, &gid, &first, &last, &op->lineage, &is_delta, &needed) !=
        7) {
        return false;
    }
    op->kind = (enum model_kind)kind;
    op->gid = (viv_gid)gid;
    op->first = first;
    op->last = last;
    op->is_delta = is_delta != 0;
    op->needed_after = needed;
    return true;
}

struct model_transcript model_read(struct model *model, FILE *from)
{
    struct model_transcript transcript = {0};
    bool has_failed = false;
    char line[256];
    while (fgets(line, sizeof line, from) != NULL) {
        struct model_op op;
        if (line[0] == '!') {
            has_failed = true;
            if (strstr(line, "goes on") != NULL) {
                transcript.complaint = "the store went on after a failure";
            }
        } else if (line[0] == '+' && parse(line, &op)) {
            transcript.pending = op;
            transcript.has_pending = true;
        } else if (line[0] == '=' && parse(line, &op)) {
            if (has_failed) {
                transcript.complaint = "something was acknowledged after a failure";
            }
            model_apply(model, &op);
            transcript.has_pending = false;
        }
    }
    return transcript;
}

void model_take_entry(struct model_found *found, viv_gid gid, const struct viv_entry *entry)
{
    struct viv_buffer wanted = {0};
    unsigned lineage = entry->body.size >= 16 ? viv_load_le32(entry->body.data) : 0;
    append_body(&wanted, gid, entry->zxid, lineage);
    if (entry->zxid >= MODEL_ZXIDS || !viv_bytes_equal(entry->body, viv_buffer_bytes(&wanted))) {
        found->is_rotten = true;
    } else {
        found->lineages[gid][entry->zxid] = lineage;
    }
    viv_buffer_fini(&wanted);
}

bool model_take_rows(struct model_found *found, struct viv_bytes rows)
{
    struct viv_row row;
    while (viv_row_next(&rows, &row)) {
        unsigned key = row.key.size == 4 ? viv_load_be32(row.key.data) : MODEL_KEYS;
        if (key >= MODEL_KEYS || row.value.size < 8 || found->versions[key] != 0) {
            found->is_rotten = true;
            continue;
        }
        uint8_t key_bytes[4];
        uint8_t value[VALUE_BYTES_MAX];
        unsigned version = viv_load_le32(row.value.data);
        struct viv_row wanted = make_row(VIV_ROW_PUT, key, version, key_bytes, value);
        found->is_rotten = found->is_rotten || !viv_bytes_equal(row.value, wanted.value);
        found->versions[key] = version;
    }
    return rows.size == 0;
}

void model_forget_rows(struct model_found *found)
{
    memset(found->versions, 0, sizeof found->versions);
}

static const char *group_complaint(const struct model *model, const struct model_transcript *transcript,
                                   const struct model_found *found, viv_gid gid)
{
    const struct model_group *group = &model->groups[gid];
    const struct model_op *pending = &transcript->pending;
    bool is_pending = transcript->has_pending && pending->gid == gid;
    bool is_image_pending = transcript->has_pending && (pending->kind == MODEL_IMAGE || pending->kind == MODEL_INSTALL);
    uint64_t base = found->bounds[gid].base_zxid;
    uint64_t last = found->bounds[gid].last_zxid;
    uint64_t may_last = is_pending && pending->kind == MODEL_APPEND ? pending->last : group->last;
    bool is_cut = is_pending && pending->kind == MODEL_TRUNCATE && last == pending->last;
    bool is_reset = is_pending && pending->kind == MODEL_INSTALL && base == pending->last && last == base;
    if (is_reset) {
        return NULL;
    }
    if (last > may_last) {
        return "the log holds more than was ever asked for";
    }
    if (last < group->last && !is_cut) {
        return "acknowledged entries are missing at the end";
    }
    uint64_t may_trim = group->trimmed;
    if (is_image_pending) {
        uint64_t more = gid == 0 ? pending->last : pending->first;
        may_trim = more > may_trim ? more : may_trim;
    }
    if (base > may_trim) {
        return "entries that are still needed were trimmed";
    }
    for (uint64_t zxid = base + 1; zxid <= last; zxid++) {
        unsigned wanted = zxid <= group->last ? group->lineages[zxid] : pending->lineage;
        if (found->lineages[gid][zxid] != wanted) {
            return "an entry is not the one that was acknowledged";
        }
    }
    uint32_t epoch = found->hard[gid].accepted_epoch;
    bool is_new_epoch = is_pending && pending->kind == MODEL_HARD && epoch == (uint32_t)pending->last;
    return epoch == group->epoch || is_new_epoch ? NULL : "the hard state is not the one that was acknowledged";
}

static const char *image_complaint(const struct model *model, const struct model_transcript *transcript,
                                   const struct model_found *found)
{
    const struct model_op *pending = &transcript->pending;
    if (found->load_status == VIV_ERR_NOT_FOUND) {
        return model->has_image ? "the image is gone" : NULL;
    }
    if (found->load_status != VIV_OK) {
        return "the image cannot be loaded";
    }
    if (found->mark.digest != found->mark.zxid_start * 3) {
        return "the image's mark is not one that was written";
    }
    if (model->has_image && found->mark.zxid_start == model->image_zxid &&
        memcmp(found->versions, model->versions, sizeof model->versions) == 0) {
        return NULL;
    }
    bool is_pending = transcript->has_pending && (pending->kind == MODEL_IMAGE || pending->kind == MODEL_INSTALL);
    unsigned versions[MODEL_KEYS];
    next_versions(model, pending, versions);
    if (is_pending && found->mark.zxid_start == pending->last &&
        memcmp(found->versions, versions, sizeof versions) == 0) {
        return NULL;
    }
    return "the image is not the one that was acknowledged";
}

const char *model_complaint(const struct model *model, const struct model_transcript *transcript,
                            const struct model_found *found)
{
    if (transcript->complaint != NULL) {
        return transcript->complaint;
    }
    if (found->is_rotten) {
        return "something came back that nobody wrote";
    }
    for (viv_gid gid = 0; gid < MODEL_GROUPS; gid++) {
        const char *complaint = group_complaint(model, transcript, found, gid);
        if (complaint != NULL) {
            return complaint;
        }
    }
    return image_complaint(model, transcript, found);
}
