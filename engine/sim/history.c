#include "sim/history.h"

#include <jansson.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/log.h"

enum { BLOCK_BYTES = 256 * 1024 };

struct viv_sim_block {
    struct viv_sim_block *older;
    size_t used_bytes, capacity_bytes;
    uint8_t bytes[];
};

/* The numbers of a record as they are written; bytes go by themselves. */
#define NUMBERS(X) X(client) X(server) X(xid) X(type) X(code) X(timeout_ms) X(session_id) X(zxid) X(digest)
enum field {
#define X(name) FIELD_##name,
    NUMBERS(X)
#undef X
        FIELD_bytes,
};

static const struct number {
    const char *name;
    size_t offset, size;
} numbers[] = {
#define X(name) {#name, offsetof(struct viv_sim_record, name), sizeof(((struct viv_sim_record *)NULL)->name)},
    NUMBERS(X)
#undef X
};

static const struct kind {
    const char *name;
    unsigned fields; /* set of enum field */
} kinds[] = {
#define F(name)                         | 1U << FIELD_##name
#define VIV_SIM_RECORD(kind, text, ...) [VIV_SIM_##kind] = {text, 0 __VA_ARGS__},
#include "sim/history.def"
#undef VIV_SIM_RECORD
#undef F
};

static const struct setting {
    const char *name;
    size_t offset, size;
} settings[] = {
#define X(name) {#name, offsetof(struct viv_sim_header, name), sizeof(((struct viv_sim_header *)NULL)->name)},
    X(has_log) X(strict_sync) X(strict_reads) X(is_zookeeper) X(extended_types) X(clock_percent_max) X(expiry_slack_ms)
        X(wall_ms) X(wall_slack_ms)
#undef X
};

const char *viv_sim_record_kind_text(enum viv_sim_record_kind kind)
{
    return kinds[kind].name;
}

void viv_sim_history_fini(struct viv_sim_history *history)
{
    while (history->blocks != NULL) {
        struct viv_sim_block *older = history->blocks->older;
        free(history->blocks);
        history->blocks = older;
    }
    free(history->records);
    *history = (struct viv_sim_history){0};
}

static struct viv_bytes keep(struct viv_sim_history *history, struct viv_bytes bytes)
{
    struct viv_sim_block *block = history->blocks;
    if (bytes.size == 0) {
        return (struct viv_bytes){0};
    }
    if (block == NULL || block->capacity_bytes - block->used_bytes < bytes.size) {
        size_t capacity_bytes = bytes.size > BLOCK_BYTES ? bytes.size : BLOCK_BYTES;
        block = viv_alloc(sizeof(*block) + capacity_bytes);
        *block = (struct viv_sim_block){history->blocks, 0, capacity_bytes};
        history->blocks = block;
    }
    uint8_t *at = block->bytes + block->used_bytes;
    memcpy(at, bytes.data, bytes.size);
    block->used_bytes += bytes.size;
    return viv_bytes_of(at, bytes.size);
}

void viv_sim_history_add(struct viv_sim_history *history, const struct viv_sim_record *record)
{
    VIV_ASSERT(record->kind < VIV_SIM_RECORD_KINDS);
    VIV_ASSERT(record->client >= 0 && record->client < VIV_SIM_CLIENTS_MAX);
    VIV_ASSERT(record->server >= 0 && record->server < VIV_SIM_SERVERS_MAX);
    VIV_ASSERT(history->count == 0 || record->time_ns >= history->records[history->count - 1].time_ns);
    if (history->count == history->capacity) {
        history->capacity = history->capacity == 0 ? 1024 : 2 * history->capacity;
        history->records = viv_realloc(history->records, history->capacity * sizeof(*history->records));
    }
    struct viv_sim_record *copy = &history->records[history->count++];
    *copy = *record;
    copy->bytes = keep(history, record->bytes);
}

/* ---- text ---- */

static int64_t number_get(const void *base, size_t offset, size_t size)
{
    const uint8_t *at = (const uint8_t *)base + offset;
    int32_t narrow;
    int64_t wide;
    if (size == sizeof(bool)) {
        return *at;
    }
    if (size == sizeof(narrow)) {
        memcpy(&narrow, at, size);
        return narrow;
    }
    memcpy(&wide, at, sizeof(wide));
    return wide;
}

static bool number_put(void *base, size_t offset, size_t size, int64_t value)
{
    uint8_t *at = (uint8_t *)base + offset;
    int32_t narrow = (int32_t)value;
    if (size == sizeof(bool)) {
        *at = value != 0;
        return value == 0 || value == 1;
    }
    memcpy(at, size == sizeof(narrow) ? (const void *)&narrow : (const void *)&value, size);
    return size != sizeof(narrow) || narrow == value;
}

static void put_hex(FILE *file, struct viv_bytes bytes)
{
    static const char digits[] = "0123456789abcdef";
    fputs(",\"bytes\":\"", file);
    for (size_t i = 0; i < bytes.size; i++) {
        putc(digits[bytes.data[i] >> 4], file);
        putc(digits[bytes.data[i] & 15], file);
    }
    putc('"', file);
}

viv_status viv_sim_history_write(const struct viv_sim_history *history, FILE *file)
{
    fputs("{\"history\":1", file);
    for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++) {
        int64_t value = number_get(&history->header, settings[i].offset, settings[i].size);
        if (value != 0) {
            fprintf(file, ",\"%s\":%lld", settings[i].name, (long long)value);
        }
    }
    fputs("}\n", file);
    for (size_t i = 0; i < history->count; i++) {
        const struct viv_sim_record *record = &history->records[i];
        const struct kind *kind = &kinds[record->kind];
        fprintf(file, "{\"kind\":\"%s\",\"time_ns\":%lld", kind->name, (long long)record->time_ns);
        for (size_t j = 0; j < sizeof(numbers) / sizeof(*numbers); j++) {
            if ((kind->fields & 1U << j) != 0) {
                long long value = number_get(record, numbers[j].offset, numbers[j].size);
                fprintf(file, ",\"%s\":%lld", numbers[j].name, value);
            }
        }
        if ((kind->fields & 1U << FIELD_bytes) != 0 && record->bytes.size > 0) {
            put_hex(file, record->bytes);
        }
        fputs("}\n", file);
    }
    if (fflush(file) != 0 || ferror(file)) {
        viv_log(VIV_LOG_ERROR, "sim", "a history could not be written", "do=check the space on the disk");
        return VIV_ERR_IO;
    }
    return VIV_OK;
}

static int nibble(char digit)
{
    const char *digits = "0123456789abcdef", *at = digit == 0 ? NULL : strchr(digits, digit);
    return at == NULL ? -1 : (int)(at - digits);
}

static bool read_hex(const json_t *text, struct viv_buffer *bytes)
{
    const char *at = json_string_value(text);
    viv_buffer_clear(bytes);
    if (at == NULL || json_string_length(text) % 2 != 0) {
        return false;
    }
    for (size_t i = 0; i < json_string_length(text); i += 2) {
        int high = nibble(at[i]), low = nibble(at[i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        *viv_buffer_extend(bytes, 1) = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* Each key by its name; NULL, or why not. */
static const char *read_header(json_t *object, struct viv_sim_header *header)
{
    const char *key;
    json_t *value;
    if (json_integer_value(json_object_get(object, "history")) != 1) {
        return "not a history of version 1";
    }
    json_object_foreach(object, key, value)
    {
        bool known = strcmp(key, "history") == 0;
        for (size_t i = 0; i < sizeof(settings) / sizeof(*settings) && !known; i++) {
            known = strcmp(key, settings[i].name) == 0 && json_is_integer(value) &&
                    number_put(header, settings[i].offset, settings[i].size, json_integer_value(value));
        }
        if (!known) {
            return "the header has a field that nobody knows, or a value that is none";
        }
    }
    return NULL;
}

static const char *read_kind(const json_t *object, struct viv_sim_record *record)
{
    const char *name = json_string_value(json_object_get(object, "kind"));
    for (int kind = 0; kind < VIV_SIM_RECORD_KINDS; kind++) {
        if (name != NULL && strcmp(name, kinds[kind].name) == 0) {
            record->kind = kind;
            return NULL;
        }
    }
    return "no such kind of record";
}

static const char *read_record(const json_t *object, struct viv_sim_record *record, struct viv_buffer *bytes)
{
    const char *problem = read_kind(object, record);
    const json_t *time = json_object_get(object, "time_ns"), *hex = json_object_get(object, "bytes");
    if (problem != NULL) {
        return problem;
    }
    if (!json_is_integer(time)) {
        return "no time_ns";
    }
    record->time_ns = json_integer_value(time);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
        const json_t *value = json_object_get(object, numbers[i].name);
        if ((kinds[record->kind].fields & 1U << i) != 0 &&
            (!json_is_integer(value) ||
             !number_put(record, numbers[i].offset, numbers[i].size, json_integer_value(value)))) {
            return "a number is missing, or is too large";
        }
    }
    if (record->client < 0 || record->client >= VIV_SIM_CLIENTS_MAX || record->server < 0 ||
        record->server >= VIV_SIM_SERVERS_MAX) {
        return "no client or server has such a number";
    }
    viv_buffer_clear(bytes);
    if (hex != NULL && !read_hex(hex, bytes)) {
        return "bytes are not hexadecimal";
    }
    record->bytes = viv_buffer_bytes(bytes);
    return NULL;
}

static const char *read_line(struct viv_sim_history *history, bool is_header, struct viv_bytes line,
                             struct viv_buffer *bytes)
{
    json_t *object = json_loadb((const char *)line.data, line.size, JSON_REJECT_DUPLICATES, NULL);
    struct viv_sim_record record = {0};
    const char *problem = object == NULL ? "not a line of JSON" : NULL;
    if (problem == NULL && is_header) {
        problem = read_header(object, &history->header);
    } else if (problem == NULL) {
        problem = read_record(object, &record, bytes);
        if (problem == NULL && history->count > 0 && record.time_ns < history->records[history->count - 1].time_ns) {
            problem = "the time goes back";
        }
        if (problem == NULL) {
            viv_sim_history_add(history, &record);
        }
    }
    json_decref(object);
    return problem;
}

viv_status viv_sim_history_read(struct viv_sim_history *history, FILE *file)
{
    char *line = NULL;
    size_t capacity_bytes = 0, number = 0;
    ssize_t size;
    const char *problem = NULL;
    struct viv_buffer bytes = {0};
    VIV_ASSERT(history->count == 0);
    while (problem == NULL && (size = getline(&line, &capacity_bytes, file)) >= 0) {
        number++;
        problem = read_line(history, number == 1, viv_bytes_of(line, (size_t)size), &bytes);
    }
    if (problem == NULL && number == 0) {
        problem = "empty";
    }
    free(line);
    viv_buffer_fini(&bytes);
    if (problem != NULL) {
        viv_log(VIV_LOG_ERROR, "sim", "a history cannot be read", "line=%zu reason=\"%s\"", number, problem);
        return VIV_ERR_MALFORMED;
    }
    return ferror(file) ? VIV_ERR_IO : VIV_OK;
}
