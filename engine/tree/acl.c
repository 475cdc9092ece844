#include "tree/acl.h"

#include <string.h>

#include "base/assert.h"
#include "base/endian.h"
#include "base/limits.h"
#include "base/lookup.h"
#include "wire/reply_code.h"

enum { IDENTITY_BYTES_MIN = 8, ENTRY_BYTES_MIN = 12, ADDRESS_BYTES_MAX = 16, ADDRESS_V4_BYTES = 4 };

struct address {
    uint8_t bytes[ADDRESS_BYTES_MAX];
    size_t size; /* 4 or 16 */
};

struct identity {
    struct viv_bytes scheme, id;
};

static bool equals(struct viv_bytes bytes, const char *text)
{
    return viv_bytes_equal(bytes, viv_bytes_text(text));
}

/* Moves to the next identity of a connection. They are our own making, yet travel in requests from other servers. */
static bool next_identity(struct viv_jute_reader *authinfo, int32_t *left, struct identity *identity)
{
    if (*left <= 0) {
        return false;
    }
    (*left)--;
    identity->scheme = viv_jute_read_buffer(authinfo).bytes;
    identity->id = viv_jute_read_buffer(authinfo).bytes;
    return !authinfo->bad;
}

static struct viv_jute_reader identities(struct viv_bytes authinfo, int32_t *count)
{
    struct viv_jute_reader reader = viv_jute_reader_of(authinfo);
    *count = authinfo.size == 0 ? 0 : viv_jute_read_count(&reader, IDENTITY_BYTES_MIN);
    return reader;
}

/* ---- addresses ---- */

static bool split_at(struct viv_bytes text, char separator, struct viv_bytes *before, struct viv_bytes *after)
{
    const uint8_t *found = text.size == 0 ? NULL : memchr(text.data, separator, text.size);
    if (found == NULL) {
        *before = text;
        *after = (struct viv_bytes){0};
        return false;
    }
    size_t size = (size_t)(found - text.data);
    *before = viv_bytes_of(text.data, size);
    *after = viv_bytes_of(found + 1, text.size - size - 1);
    return true;
}

static bool parse_number(struct viv_bytes text, unsigned base, size_t digits_max, unsigned *value)
{
    static const char digits[] = "0123456789abcdef";

    *value = 0;
    if (text.size == 0 || text.size > digits_max) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        char c = (char)(text.data[i] >= 'A' && text.data[i] <= 'F' ? text.data[i] + ('a' - 'A') : text.data[i]);
        const char *digit = memchr(digits, c, base);
        if (digit == NULL) {
            return false;
        }
        *value = *value * base + (unsigned)(digit - digits);
    }
    return true;
}

static bool parse_v4(struct viv_bytes text, uint8_t bytes[ADDRESS_V4_BYTES])
{
    for (int i = 0; i < ADDRESS_V4_BYTES; i++) {
        struct viv_bytes part;
        unsigned value;
        bool more = split_at(text, '.', &part, &text);
        if (more != (i < ADDRESS_V4_BYTES - 1) || !parse_number(part, 10, 3, &value) || value > 255) {
            return false;
        }
        bytes[i] = (uint8_t)value;
    }
    return true;
}

/* Reads groups separated by ':' into bytes; the last may be a dotted quad. False when malformed or too long. */
static bool parse_groups(struct viv_bytes text, uint8_t bytes[ADDRESS_BYTES_MAX], size_t *size)
{
    *size = 0;
    while (text.size > 0) {
        struct viv_bytes group;
        unsigned value;
        bool more = split_at(text, ':', &group, &text);
        if (more && text.size == 0) {
            return false;
        }
        if (!more && *size <= ADDRESS_BYTES_MAX - ADDRESS_V4_BYTES && parse_v4(group, bytes + *size)) {
            *size += ADDRESS_V4_BYTES;
            return true;
        }
        if (!parse_number(group, 16, 4, &value) || *size > ADDRESS_BYTES_MAX - 2) {
            return false;
        }
        bytes[(*size)++] = (uint8_t)(value >> 8);
        bytes[(*size)++] = (uint8_t)value;
    }
    return true;
}

static bool parse_v6(struct viv_bytes text, uint8_t bytes[ADDRESS_BYTES_MAX])
{
    size_t gap = 0, head_bytes, tail_bytes;
    uint8_t tail[ADDRESS_BYTES_MAX];

    while (gap + 1 < text.size && memcmp(text.data + gap, "::", 2) != 0) {
        gap++;
    }
    if (gap + 1 >= text.size) {
        return parse_groups(text, bytes, &head_bytes) && head_bytes == ADDRESS_BYTES_MAX;
    }
    if (!parse_groups(viv_bytes_of(text.data, gap), bytes, &head_bytes) ||
        !parse_groups(viv_bytes_of(text.data + gap + 2, text.size - gap - 2), tail, &tail_bytes) ||
        head_bytes + tail_bytes >= ADDRESS_BYTES_MAX) {
        return false;
    }
    memset(bytes + head_bytes, 0, ADDRESS_BYTES_MAX - head_bytes);
    memcpy(bytes + ADDRESS_BYTES_MAX - tail_bytes, tail, tail_bytes);
    return true;
}

static bool parse_address(struct viv_bytes text, struct address *address)
{
    address->size = ADDRESS_V4_BYTES;
    if (parse_v4(text, address->bytes)) {
        return true;
    }
    address->size = ADDRESS_BYTES_MAX;
    return parse_v6(text, address->bytes);
}

/* "addr" or "addr/bits". */
static bool parse_range(struct viv_bytes text, struct address *address, unsigned *bits)
{
    struct viv_bytes host, suffix;
    bool has_bits = split_at(text, '/', &host, &suffix);
    if (!parse_address(host, address)) {
        return false;
    }
    *bits = (unsigned)address->size * 8;
    return !has_bits || (parse_number(suffix, 10, 3, bits) && *bits <= address->size * 8);
}

static bool ip_matches(struct viv_bytes id, struct viv_bytes expression)
{
    struct address range, peer;
    unsigned bits;

    if (!parse_range(expression, &range, &bits) || !parse_address(id, &peer) || peer.size != range.size) {
        return false;
    }
    size_t whole = bits / 8;
    if (memcmp(range.bytes, peer.bytes, whole) != 0) {
        return false;
    }
    unsigned rest_mask = bits % 8 == 0 ? 0 : 0xffu << (8 - bits % 8) & 0xff;
    return rest_mask == 0 || ((range.bytes[whole] ^ peer.bytes[whole]) & rest_mask) == 0;
}

/* ---- evaluation ---- */

static bool identity_matches(const struct identity *identity, const struct viv_acl_entry *entry)
{
    if (!viv_bytes_equal(identity->scheme, entry->scheme.bytes)) {
        return false;
    }
    return equals(identity->scheme, "ip") ? ip_matches(identity->id, entry->id.bytes)
                                          : viv_bytes_equal(identity->id, entry->id.bytes);
}

static bool entry_grants(const struct viv_acl_entry *entry, struct viv_bytes authinfo)
{
    struct identity identity;
    int32_t left;

    if (equals(entry->scheme.bytes, "world") && equals(entry->id.bytes, "anyone")) {
        return true;
    }
    struct viv_jute_reader reader = identities(authinfo, &left);
    while (next_identity(&reader, &left, &identity)) {
        if (identity_matches(&identity, entry)) {
            return true;
        }
    }
    return false;
}

static bool is_super(struct viv_bytes authinfo)
{
    struct identity identity;
    int32_t left;

    struct viv_jute_reader reader = identities(authinfo, &left);
    while (next_identity(&reader, &left, &identity)) {
        if (equals(identity.scheme, "super")) {
            return true;
        }
    }
    return false;
}

bool viv_acl_allows(struct viv_bytes acl, int32_t perms, struct viv_bytes authinfo)
{
    /* Nearly every node of nearly every tree. */
    if (viv_bytes_equal(acl, viv_acl_open_unsafe())) {
        return true;
    }
    struct viv_jute_reader reader = viv_jute_reader_of(acl);
    int32_t count = acl.size == 0 ? 0 : viv_jute_read_count(&reader, ENTRY_BYTES_MIN);
    if (count <= 0 && !reader.bad) {
        return true;
    }
    for (int32_t i = 0; i < count; i++) {
        struct viv_acl_entry entry;
        viv_acl_entry_decode(&reader, &entry);
        if (!reader.bad && (entry.perms & perms) != 0 && entry_grants(&entry, authinfo)) {
            return true;
        }
    }
    return is_super(authinfo);
}

/* ---- fix-up ---- */

/* What the Java server's split at ":" makes of it: parts at the end that are empty do not count. */
static bool digest_is_valid(struct viv_bytes id)
{
    struct viv_bytes user, digest, more;

    while (id.size > 0 && id.data[id.size - 1] == ':') {
        id.size--;
    }
    return split_at(id, ':', &user, &digest) && !split_at(digest, ':', &user, &more);
}

static bool ip_is_valid(struct viv_bytes id)
{
    struct address address;
    unsigned bits;
    return parse_range(id, &address, &bits);
}

/* A name that Kerberos would take: "service", or "service[/host]@realm". */
static bool sasl_is_valid(struct viv_bytes id)
{
    struct viv_bytes name, realm, service, host, more;

    if (!split_at(id, '@', &name, &realm)) {
        return true;
    }
    bool has_host = split_at(name, '/', &service, &host);
    return !split_at(realm, '@', &more, &more) && !split_at(realm, '/', &more, &more) &&
           !(has_host && split_at(host, '/', &more, &more));
}

static bool is_type_of_name(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           c == ' ';
}

/* Moves past "type=value" to the separator that ends it; quotes and backslashes hide separators. */
static bool skip_name_part(struct viv_bytes id, size_t *at)
{
    size_t start = *at;
    bool in_quotes = false;

    while (*at < id.size && is_type_of_name(id.data[*at])) {
        (*at)++;
    }
    if (*at == start || *at == id.size || id.data[*at] != '=') {
        return false;
    }
    for ((*at)++; *at < id.size && (in_quotes || memchr(",;+", id.data[*at], 3) == NULL); (*at)++) {
        if (id.data[*at] == '\\') {
            (*at)++;
        } else if (id.data[*at] == '"') {
            in_quotes = !in_quotes;
        }
    }
    return !in_quotes;
}

/* A distinguished name; the empty one is one. */
static bool x509_is_valid(struct viv_bytes id)
{
    size_t at = 0;

    while (id.size > 0) {
        if (!skip_name_part(id, &at)) {
            return false;
        }
        if (at >= id.size) {
            break;
        }
        at++; /* the separator: another part must follow */
    }
    return true;
}

/* Schemes that can be stored as they are, what their ids must look like, and whether having such an identity is being
 * authenticated: an address is not. */
static const struct scheme {
    const char *name;
    enum viv_acl_scheme bit;
    bool authenticates;
    bool (*is_valid)(struct viv_bytes id);
} schemes_known[] = {
    {"digest", VIV_ACL_DIGEST, true, digest_is_valid},
    {"ip", VIV_ACL_IP, false, ip_is_valid},
    {"x509", VIV_ACL_X509, true, x509_is_valid},
    {"sasl", VIV_ACL_SASL, true, sasl_is_valid},
};

static const struct scheme *find_scheme(struct viv_bytes name)
{
    for (size_t i = 0; i < sizeof schemes_known / sizeof schemes_known[0]; i++) {
        if (equals(name, schemes_known[i].name)) {
            return &schemes_known[i];
        }
    }
    return NULL;
}

static int32_t check_scheme(const struct viv_acl_entry *entry, unsigned schemes)
{
    const struct scheme *scheme = find_scheme(entry->scheme.bytes);
    if (scheme == NULL || (scheme->bit & schemes) == 0) {
        return VIV_REPLY_INVALID_ACL;
    }
    /* The reference server trips over a null id: a marshalling error rather than an invalid list. */
    if (entry->id.null) {
        return VIV_REPLY_MARSHALLING_ERROR;
    }
    return scheme->is_valid(entry->id.bytes) ? VIV_REPLY_OK : VIV_REPLY_INVALID_ACL;
}

/* One entry for every identity that authenticates. */
static int32_t append_authenticated(int32_t perms, struct viv_bytes authinfo, struct viv_buffer *out)
{
    struct identity identity;
    int32_t left, appended = 0;

    struct viv_jute_reader reader = identities(authinfo, &left);
    while (next_identity(&reader, &left, &identity)) {
        const struct scheme *scheme = find_scheme(identity.scheme);
        if (scheme != NULL && scheme->authenticates) {
            struct viv_acl_entry entry = {perms, {.bytes = identity.scheme}, {.bytes = identity.id}};
            viv_acl_entry_encode(out, &entry);
            appended++;
        }
    }
    return appended;
}

/* Who stores a list, and with which schemes. */
struct fix {
    struct viv_bytes authinfo;
    unsigned schemes;
};

/* Appends what the entry is stored as and counts it. */
static int32_t fix_entry(const struct viv_acl_entry *entry, const struct fix *fix, struct viv_buffer *out,
                         int32_t *count)
{
    if (entry->scheme.null) {
        return VIV_REPLY_INVALID_ACL;
    }
    if (equals(entry->scheme.bytes, "auth")) {
        int32_t appended = append_authenticated(entry->perms, fix->authinfo, out);
        *count += appended;
        return appended > 0 ? VIV_REPLY_OK : VIV_REPLY_INVALID_ACL;
    }
    bool is_world = equals(entry->scheme.bytes, "world");
    if (is_world && entry->id.null) {
        return VIV_REPLY_MARSHALLING_ERROR;
    }
    if (!is_world || !equals(entry->id.bytes, "anyone")) {
        int32_t code = is_world ? VIV_REPLY_INVALID_ACL : check_scheme(entry, fix->schemes);
        if (code != VIV_REPLY_OK) {
            return code;
        }
    }
    viv_acl_entry_encode(out, entry);
    (*count)++;
    return VIV_REPLY_OK;
}

/* True when the same bytes, hence the same entry, stand earlier in the list; remembers them otherwise. */
static bool is_repeated(struct viv_lookup *seen, struct viv_bytes list, struct viv_bytes entry)
{
    uint32_t hash = viv_lookup_hash(entry);
    uint32_t cursor = 0, at;

    while ((at = viv_lookup_next(seen, hash, &cursor)) != VIV_LOOKUP_NONE) {
        if (list.size - at >= entry.size && memcmp(list.data + at, entry.data, entry.size) == 0) {
            return true;
        }
    }
    viv_lookup_add(seen, hash, (uint32_t)(entry.data - list.data));
    return false;
}

/* Appends the entries behind the count, which is returned. */
static int32_t fix_entries(struct viv_bytes acl, const struct fix *fix, struct viv_buffer *out, int32_t *count)
{
    struct viv_lookup seen = {0};
    struct viv_jute_reader reader = viv_jute_reader_of(acl);
    int32_t entry_count = viv_jute_read_count(&reader, ENTRY_BYTES_MIN);
    int32_t code = VIV_REPLY_OK;
    size_t size_max = out->size + VIV_ACL_BYTES_MAX;

    *count = 0;
    for (int32_t i = 0; i < entry_count && code == VIV_REPLY_OK; i++) {
        const uint8_t *at = reader.rest.data;
        struct viv_acl_entry entry;
        viv_acl_entry_decode(&reader, &entry);
        VIV_ASSERT(!reader.bad); /* the list was walked when the request was decoded */
        struct viv_bytes raw = viv_bytes_of(at, (size_t)(reader.rest.data - at));
        if (entry_count == 1 || !is_repeated(&seen, acl, raw)) {
            code = fix_entry(&entry, fix, out, count);
        }
        if (out->size > size_max) {
            code = VIV_REPLY_INVALID_ACL;
        }
    }
    viv_lookup_fini(&seen);
    return code;
}

int32_t viv_acl_fix(struct viv_bytes acl, struct viv_bytes authinfo, unsigned schemes, struct viv_buffer *out)
{
    size_t start = out->size;
    int32_t count;

    if (viv_bytes_equal(acl, viv_acl_open_unsafe())) {
        viv_buffer_append_bytes(out, acl);
        return VIV_REPLY_OK;
    }
    viv_jute_write_int(out, 0);
    int32_t code = fix_entries(acl, &(struct fix){authinfo, schemes}, out, &count);
    if (code == VIV_REPLY_OK && count == 0) {
        code = VIV_REPLY_INVALID_ACL;
    }
    if (code != VIV_REPLY_OK) {
        out->size = start;
        return code;
    }
    viv_store_be32(out->data + start, (uint32_t)count);
    return VIV_REPLY_OK;
}
