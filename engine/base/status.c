#include "base/status.h"

#include "base/assert.h"

const char *viv_status_text(viv_status status)
{
    static const char *const texts[] = {
#define VIV_STATUS(name, text) text,
#include "base/status.def"
#undef VIV_STATUS
    };

    VIV_ASSERT((unsigned)status < VIV_STATUS_COUNT);
    return texts[status];
}
