#include "security/tls_fault.h"

#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void set(struct viv_tls_fault *fault, const char *text, const char *format, va_list args)
{
    fault->text = text;
    vsnprintf(fault->facts, sizeof fault->facts, format, args);
}

void viv_tls_fault_set(struct viv_tls_fault *fault, const char *text, const char *facts_format, ...)
{
    va_list args;
    va_start(args, facts_format);
    set(fault, text, facts_format, args);
    va_end(args);
}

void viv_tls_fault_set_openssl(struct viv_tls_fault *fault, const char *text, const char *facts_format, ...)
{
    va_list args;
    va_start(args, facts_format);
    set(fault, text, facts_format, args);
    va_end(args);
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    size_t used = strlen(fault->facts);
    snprintf(fault->facts + used, sizeof fault->facts - used, "%serror=\"%s\"", used > 0 ? " " : "",
             reason != NULL ? reason : "unknown");
    ERR_clear_error();
}
