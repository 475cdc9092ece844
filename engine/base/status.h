#ifndef VIV_BASE_STATUS_H
#define VIV_BASE_STATUS_H

/* How a function says that our machine failed. A refused request is not a failure: that is a reply code
 * (wire/reply_code.h). The function that first sees a failure logs it with its facts; those above return it. */

enum viv_status {
#define VIV_STATUS(name, text) VIV_##name,
#include "base/status.def"
#undef VIV_STATUS
    VIV_STATUS_COUNT,
};

typedef enum viv_status viv_status;

#define VIV_MUST_USE __attribute__((warn_unused_result))

/* Returns early with the status of expr unless it is VIV_OK. */
#define VIV_TRY(expr)                                                                                                  \
    do {                                                                                                               \
        viv_status viv_try_status_ = (expr);                                                                           \
        if (viv_try_status_ != VIV_OK) {                                                                               \
            return viv_try_status_;                                                                                    \
        }                                                                                                              \
    } while (0)

/* Text for people; never NULL. */
const char *viv_status_text(viv_status status);

#endif /* VIV_BASE_STATUS_H */
