#include "backends/registry.h"

#include <string.h>

#include "config.h"

extern const struct viv_log_ops viv_flat_log, viv_memory_log;
extern const struct viv_state_ops viv_flat_state, viv_memory_state, viv_lmdb_state, viv_rocksdb_state;

const struct viv_configuration viv_configurations[] = {
#define VIV_CONFIGURATION(name, log, state, purpose) {name, &log, &state, purpose},
#include "backends/configurations.def"
#undef VIV_CONFIGURATION
    {NULL, NULL, NULL, NULL},
};

const struct viv_configuration *viv_configuration_find(const char *name)
{
    for (const struct viv_configuration *c = viv_configurations; c->name != NULL; c++) {
        if (strcmp(c->name, name) == 0) {
            return c;
        }
    }
    return NULL;
}

const char *viv_configuration_default(void)
{
    return VIV_DEFAULT_CONFIGURATION;
}
