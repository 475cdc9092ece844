#include "base/stage.h"

#include "base/assert.h"

const char *viv_trace_name(enum viv_trace_code code)
{
    static const char *const names[] = {
#define VIV_TRACE(name, text) #name,
#include "base/trace.def"
#undef VIV_TRACE
    };

    VIV_ASSERT((unsigned)code < VIV_TRACE_COUNT);
    return names[code];
}
