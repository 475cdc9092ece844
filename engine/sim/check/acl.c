#include "sim/check/acl.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "wire/reply_code.h"

enum { ENTRIES_MAX = 64, SHA1_BYTES = 20, BASE64_BYTES = 29 };

struct list {
    struct viv_acl_entry entries[ENTRIES_MAX];
    size_t count;
};

static bool says(struct viv_bytes bytes, const char *text)
{
    return viv_bytes_equal(bytes, viv_bytes_text(text));
}

/* False: more than the model keeps, or not a list. */
static bool list_read(struct viv_bytes acl, struct list *list)
{
    struct viv_jute_reader reader = viv_jute_reader_of(acl);
    int32_t count = viv_jute_read_int(&reader);
    list->count = 0;
    for (int32_t i = 0; i < count && i < ENTRIES_MAX && !reader.bad; i++) {
        viv_acl_entry_decode(&reader, &list->entries[list->count++]);
    }
    return !reader.bad && count <= ENTRIES_MAX;
}

/* ---- ip ---- */

/* "address" or "address/bits". */
static bool address_read(struct viv_bytes text, uint32_t *address, unsigned *bits)
{
    char copy[32];
    struct in_addr parsed;
    if (text.size >= sizeof(copy)) {
        return false;
    }
    memcpy(copy, text.data, text.size);
    copy[text.size] = 0;
    char *slash = strchr(copy, '/'), *end = NULL;
    unsigned long value = 32;
    if (slash != NULL) {
        *slash = 0;
        value = strtoul(slash + 1, &end, 10);
        if (slash[1] == 0 || *end != 0) {
            return false;
        }
    }
    *bits = (unsigned)value;
    if (value > 32 || inet_pton(AF_INET, copy, &parsed) != 1) {
        return false;
    }
    *address = ntohl(parsed.s_addr);
    return true;
}

static bool address_matches(struct viv_bytes rule, struct viv_bytes address)
{
    uint32_t wanted, is;
    unsigned bits, all;
    if (!address_read(rule, &wanted, &bits) || !address_read(address, &is, &all)) {
        return false;
    }
    uint32_t mask = bits == 0 ? 0 : UINT32_MAX << (32 - bits);
    return (wanted & mask) == (is & mask);
}

/* ---- evaluation ---- */

static bool matches(const struct viv_acl_entry *entry, const struct viv_ref_identity *identity)
{
    if (!viv_bytes_equal(entry->scheme.bytes, identity->scheme)) {
        return false;
    }
    return says(identity->scheme, "ip") ? address_matches(entry->id.bytes, identity->id)
                                        : viv_bytes_equal(entry->id.bytes, identity->id);
}

bool viv_ref_may(struct viv_bytes acl, int32_t perms, const struct viv_ref_identities *who)
{
    struct list list;
    for (size_t i = 0; i < who->count; i++) {
        if (says(who->items[i].scheme, "super")) {
            return true;
        }
    }
    if (acl.size == 0 || !list_read(acl, &list) || list.count == 0) {
        return true;
    }
    for (size_t i = 0; i < list.count; i++) {
        const struct viv_acl_entry *entry = &list.entries[i];
        if ((entry->perms & perms) == 0) {
            continue;
        }
        if (says(entry->scheme.bytes, "world") && says(entry->id.bytes, "anyone")) {
            return true;
        }
        for (size_t k = 0; k < who->count; k++) {
            if (matches(entry, &who->items[k])) {
                return true;
            }
        }
    }
    return false;
}

/* ---- storing ---- */

static bool entries_equal(const struct viv_acl_entry *a, const struct viv_acl_entry *b)
{
    return a->perms == b->perms && a->scheme.null == b->scheme.null && a->id.null == b->id.null &&
           viv_bytes_equal(a->scheme.bytes, b->scheme.bytes) && viv_bytes_equal(a->id.bytes, b->id.bytes);
}

static bool is_repeated(const struct list *list, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (entries_equal(&list->entries[i], &list->entries[index])) {
            return true;
        }
    }
    return false;
}

/* Exactly one ":", and something behind it. */
static bool digest_is_valid(struct viv_bytes id)
{
    const uint8_t *colon = id.size == 0 ? NULL : memchr(id.data, ':', id.size);
    size_t before = colon == NULL ? 0 : (size_t)(colon - id.data) + 1;
    return colon != NULL && before < id.size && memchr(colon + 1, ':', id.size - before) == NULL;
}

static void store(struct viv_buffer *out, int32_t *count, int32_t perms, struct viv_bytes scheme, struct viv_bytes id)
{
    viv_jute_write_int(out, perms);
    viv_jute_write_bytes(out, scheme);
    viv_jute_write_bytes(out, id);
    ++*count;
}

static int32_t store_own(struct viv_buffer *out, int32_t *count, int32_t perms, const struct viv_ref_identities *who)
{
    int32_t before = *count;
    for (size_t i = 0; i < who->count; i++) {
        if (!says(who->items[i].scheme, "ip") && !says(who->items[i].scheme, "super")) {
            store(out, count, perms, who->items[i].scheme, who->items[i].id);
        }
    }
    return *count == before ? VIV_REPLY_INVALID_ACL : VIV_REPLY_OK;
}

static int32_t fix_entry(const struct viv_acl_entry *entry, const struct viv_ref_identities *who,
                         struct viv_buffer *out, int32_t *count)
{
    uint32_t address;
    unsigned bits;
    struct viv_bytes scheme = entry->scheme.bytes, id = entry->id.bytes;
    if (entry->scheme.null) {
        return VIV_REPLY_INVALID_ACL;
    }
    if (says(scheme, "auth")) {
        return store_own(out, count, entry->perms, who);
    }
    if (entry->id.null) {
        return says(scheme, "world") ? VIV_REPLY_MARSHALLING_ERROR : VIV_REPLY_INVALID_ACL;
    }
    bool is_valid = (says(scheme, "world") && says(id, "anyone")) || (says(scheme, "digest") && digest_is_valid(id)) ||
                    (says(scheme, "ip") && address_read(id, &address, &bits));
    if (is_valid) {
        store(out, count, entry->perms, scheme, id);
    }
    return is_valid ? VIV_REPLY_OK : VIV_REPLY_INVALID_ACL;
}

int32_t viv_ref_acl_fix(struct viv_bytes acl, const struct viv_ref_identities *who, struct viv_buffer *out)
{
    struct list list;
    struct viv_buffer stored = {0};
    int32_t count = 0, code = VIV_REPLY_OK;
    if (acl.size == 0 || !list_read(acl, &list) || list.count == 0) {
        return VIV_REPLY_INVALID_ACL;
    }
    for (size_t i = 0; i < list.count && code == VIV_REPLY_OK; i++) {
        if (!is_repeated(&list, i)) {
            code = fix_entry(&list.entries[i], who, &stored, &count);
        }
    }
    viv_buffer_clear(out);
    if (code == VIV_REPLY_OK) {
        viv_jute_write_int(out, count);
        viv_buffer_append_bytes(out, viv_buffer_bytes(&stored));
    }
    viv_buffer_fini(&stored);
    return code;
}

void viv_ref_acl_mask(struct viv_bytes acl, struct viv_buffer *out)
{
    struct list list;
    viv_buffer_clear(out);
    if (!list_read(acl, &list)) {
        return;
    }
    viv_jute_write_int(out, (int32_t)list.count);
    for (size_t i = 0; i < list.count; i++) {
        struct viv_acl_entry entry = list.entries[i];
        struct viv_buffer id = {0};
        viv_buffer_append_bytes(&id, entry.id.bytes);
        const uint8_t *colon = id.size == 0 ? NULL : memchr(id.data, ':', id.size);
        if (says(entry.scheme.bytes, "digest") && colon != NULL) {
            id.size = (size_t)(colon - id.data);
            viv_buffer_append(&id, ":x", 2);
            entry.id.bytes = viv_buffer_bytes(&id);
        }
        viv_acl_entry_encode(out, &entry);
        viv_buffer_fini(&id);
    }
}

void viv_ref_digest_of(struct viv_bytes proof, struct viv_buffer *out)
{
    unsigned char sum[SHA1_BYTES], text[BASE64_BYTES];
    const uint8_t *colon = proof.size == 0 ? NULL : memchr(proof.data, ':', proof.size);
    EVP_Digest(proof.data, proof.size, sum, NULL, EVP_sha1(), NULL);
    int length = EVP_EncodeBlock(text, sum, sizeof(sum));
    viv_buffer_clear(out);
    viv_buffer_append(out, proof.data, colon == NULL ? proof.size : (size_t)(colon - proof.data));
    viv_buffer_append(out, ":", 1);
    viv_buffer_append(out, text, (size_t)length);
}
