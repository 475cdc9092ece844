#include "store/log_store.h"
#include "store/state_store.h"
