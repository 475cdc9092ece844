#ifndef VIV_SECURITY_X509_IDENTITY_H
#define VIV_SECURITY_X509_IDENTITY_H

#include <openssl/types.h>

#include "base/bytes.h"

/* Who a certificate names. The text is the one that Java makes of a subject in its RFC 2253 form, because ACLs hold it:
 * last part first, keywords for the nine attributes of the RFC, numbers and hexadecimal for others, and "=" and "#"
 * escaped wherever they stand. */

void viv_x509_subject_text(const X509 *certificate, struct viv_buffer *out);
/* Appends a raw vector<Id>: x509:SUBJECT, and super:SUBJECT when that is `super_user`. */
void viv_x509_identities(const X509 *certificate, const char *super_user, struct viv_buffer *out);

#endif /* VIV_SECURITY_X509_IDENTITY_H */
