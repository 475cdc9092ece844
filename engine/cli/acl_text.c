#include "cli/acl_text.h"

#include <stdio.h>
#include <string.h>

#include "base/endian.h"
#include "cli/text.h"

static const struct {
    char letter;
    int32_t perm;
} letters[] = {
    {'c', VIV_PERM_CREATE}, {'d', VIV_PERM_DELETE}, {'r', VIV_PERM_READ}, {'w', VIV_PERM_WRITE}, {'a', VIV_PERM_ADMIN}};

enum { LETTER_COUNT = sizeof letters / sizeof *letters, PERMS_TEXT = LETTER_COUNT + 1 };

static bool perms_read(struct viv_bytes text, int32_t *perms)
{
    *perms = 0;
    for (size_t i = 0; i < text.size; i++) {
        size_t letter = 0;
        while (letter < LETTER_COUNT && letters[letter].letter != (char)text.data[i]) {
            letter++;
        }
        if (letter == LETTER_COUNT) {
            return false;
        }
        *perms |= letters[letter].perm;
    }
    return true;
}

static bool entry_read(struct viv_bytes text, struct viv_buffer *raw)
{
    const uint8_t *first = memchr(text.data, ':', text.size);
    const uint8_t *last = memrchr(text.data, ':', text.size);
    struct viv_acl_entry entry = {0};
    if (first == NULL || first == last) {
        return false;
    }
    entry.scheme.bytes = viv_bytes_of(text.data, (size_t)(first - text.data));
    entry.id.bytes = viv_bytes_of(first + 1, (size_t)(last - first - 1));
    if (!perms_read(viv_bytes_of(last + 1, text.size - (size_t)(last + 1 - text.data)), &entry.perms)) {
        return false;
    }
    viv_acl_entry_encode(raw, &entry);
    return true;
}

bool viv_cli_acl_read(const char *text, struct viv_buffer *raw, struct viv_buffer *error)
{
    size_t count_at = raw->size;
    uint32_t count = 0;
    viv_jute_write_int(raw, 0);
    for (const char *at = text;; at++) {
        size_t size = strcspn(at, ",");
        if (!entry_read(viv_bytes_of(at, size), raw)) {
            viv_buffer_printf(error, "%.*s is not an ACL: scheme:id:perms is wanted, with perms out of cdrwa",
                              (int)size, at);
            return false;
        }
        count++;
        at += size;
        if (*at == '\0') {
            break;
        }
    }
    viv_store_be32(raw->data + count_at, count);
    return true;
}

static void perms_write(int32_t perms, char text[PERMS_TEXT])
{
    size_t size = 0;
    for (size_t i = 0; i < LETTER_COUNT; i++) {
        if ((perms & letters[i].perm) != 0) {
            text[size++] = letters[i].letter;
        }
    }
    text[size] = '\0';
}

enum { ENTRY_BYTES_MIN = 12 };

void viv_cli_acl_print(struct viv_jute_reader *reader)
{
    int32_t count = viv_jute_read_count(reader, ENTRY_BYTES_MIN);
    for (int32_t i = 0; i < count && !reader->bad; i++) {
        struct viv_acl_entry entry;
        char perms[PERMS_TEXT];
        viv_acl_entry_decode(reader, &entry);
        perms_write(entry.perms, perms);
        putchar('\'');
        viv_cli_print_text(entry.scheme.bytes);
        fputs(",'", stdout);
        viv_cli_print_text(entry.id.bytes);
        printf("\n: %s\n", perms);
    }
}

json_t *viv_cli_acl_json(struct viv_jute_reader *reader)
{
    json_t *list = json_array();
    int32_t count = viv_jute_read_count(reader, ENTRY_BYTES_MIN);
    for (int32_t i = 0; i < count && !reader->bad; i++) {
        struct viv_acl_entry entry;
        char perms[PERMS_TEXT];
        viv_acl_entry_decode(reader, &entry);
        perms_write(entry.perms, perms);
        json_array_append_new(list, json_pack("{s:o, s:o, s:s}", "scheme", viv_cli_json_text(entry.scheme.bytes), "id",
                                              viv_cli_json_text(entry.id.bytes), "perms", perms));
    }
    return list;
}
