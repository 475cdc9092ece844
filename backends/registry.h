#ifndef VIV_BACKENDS_REGISTRY_H
#define VIV_BACKENDS_REGISTRY_H

#include "store/log_store.h"
#include "store/state_store.h"

/* The storage configurations of this build: named pairings of a log store with a state store. */

struct viv_configuration {
    const char *name;
    const struct viv_log_ops *log;
    const struct viv_state_ops *state;
    const char *purpose;
};

extern const struct viv_configuration viv_configurations[]; /* ends with a NULL name */

/* By name, or NULL. */
const struct viv_configuration *viv_configuration_find(const char *name);
/* What --with-backend chose. */
const char *viv_configuration_default(void);

#endif /* VIV_BACKENDS_REGISTRY_H */
