#include "security/x509_identity.h"

#include <openssl/x509.h>
#include <string.h>

#include "base/assert.h"
#include "wire/jute.h"

static const char *keyword_of(const ASN1_OBJECT *object)
{
    static const struct {
        int nid;
        const char *keyword;
    } keywords[] = {
        {NID_commonName, "CN"},          {NID_countryName, "C"},      {NID_localityName, "L"},
        {NID_stateOrProvinceName, "ST"}, {NID_organizationName, "O"}, {NID_organizationalUnitName, "OU"},
        {NID_streetAddress, "STREET"},   {NID_domainComponent, "DC"}, {NID_userId, "UID"},
    };
    int nid = OBJ_obj2nid(object);
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++) {
        if (keywords[i].nid == nid) {
            return keywords[i].keyword;
        }
    }
    return NULL;
}

/* The whole value as hexadecimal digits of its DER. */
static void put_encoded(struct viv_buffer *out, const ASN1_STRING *value)
{
    ASN1_TYPE holder = {.type = ASN1_STRING_type(value), .value = {.asn1_string = (ASN1_STRING *)value}};
    unsigned char *der = NULL;
    int size = i2d_ASN1_TYPE(&holder, &der);
    VIV_ASSERT(size > 0);
    viv_buffer_printf(out, "#");
    for (int i = 0; i < size; i++) {
        viv_buffer_printf(out, "%02x", der[i]);
    }
    OPENSSL_free(der);
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\r';
}

/* Blanks at either end are escaped too. */
static void put_escaped(struct viv_buffer *out, struct viv_bytes text)
{
    size_t first = 0, last = text.size;
    while (first < text.size && is_blank(text.data[first])) {
        first++;
    }
    while (last > first && is_blank(text.data[last - 1])) {
        last--;
    }
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (c == '\0') {
            viv_buffer_append(out, "\\00", 3);
            continue;
        }
        if (strchr(",=+<>#;\"\\", c) != NULL || i < first || i >= last) {
            viv_buffer_append(out, "\\", 1);
        }
        viv_buffer_append(out, &c, 1);
    }
}

static void put_part(struct viv_buffer *out, const X509_NAME_ENTRY *part)
{
    const ASN1_OBJECT *object = X509_NAME_ENTRY_get_object(part);
    const ASN1_STRING *value = X509_NAME_ENTRY_get_data(part);
    const char *keyword = keyword_of(object);
    if (keyword == NULL) {
        char number[128];
        OBJ_obj2txt(number, sizeof number, object, 1);
        viv_buffer_printf(out, "%s=", number);
        put_encoded(out, value);
        return;
    }
    viv_buffer_printf(out, "%s=", keyword);
    unsigned char *text = NULL;
    int size = ASN1_STRING_to_UTF8(&text, value);
    if (size < 0) {
        put_encoded(out, value);
        return;
    }
    put_escaped(out, viv_bytes_of(text, (size_t)size));
    OPENSSL_free(text);
}

void viv_x509_subject_text(const X509 *certificate, struct viv_buffer *out)
{
    const X509_NAME *name = X509_get_subject_name(certificate);
    for (int end = X509_NAME_entry_count(name); end > 0;) {
        int set = X509_NAME_ENTRY_set(X509_NAME_get_entry(name, end - 1)), start = end;
        while (start > 0 && X509_NAME_ENTRY_set(X509_NAME_get_entry(name, start - 1)) == set) {
            start--;
        }
        for (int i = start; i < end; i++) { /* the parts of one RDN keep their order */
            put_part(out, X509_NAME_get_entry(name, i));
            viv_buffer_append(out, i + 1 < end ? "+" : ",", i + 1 < end || start > 0 ? 1 : 0);
        }
        end = start;
    }
}

void viv_x509_identities(const X509 *certificate, const char *super_user, struct viv_buffer *out)
{
    struct viv_buffer subject = {0};
    viv_x509_subject_text(certificate, &subject);
    struct viv_bytes text = viv_buffer_bytes(&subject);
    bool is_super = super_user[0] != '\0' && viv_bytes_equal(text, viv_bytes_text(super_user));
    viv_jute_write_int(out, 1 + is_super);
    viv_jute_write_text(out, "x509");
    viv_jute_write_bytes(out, text);
    if (is_super) {
        viv_jute_write_text(out, "super");
        viv_jute_write_bytes(out, text);
    }
    viv_buffer_fini(&subject);
}
