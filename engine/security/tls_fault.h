#ifndef VIV_SECURITY_TLS_FAULT_H
#define VIV_SECURITY_TLS_FAULT_H

/* Why something about keys and certificates does not work: a fixed sentence that says what to do, and the facts as
 * "key=value ..." fields, in the form of a log line. No secret is ever in it. Whoever asked decides how loudly to say
 * it. */

struct viv_tls_fault {
    const char *text; /* NULL: none */
    char facts[1200];
};

void viv_tls_fault_set(struct viv_tls_fault *fault, const char *text, const char *facts_format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same with the oldest error that OpenSSL has queued for this thread, which is then forgotten. */
void viv_tls_fault_set_openssl(struct viv_tls_fault *fault, const char *text, const char *facts_format, ...)
    __attribute__((format(printf, 3, 4)));

#endif /* VIV_SECURITY_TLS_FAULT_H */
