include tests/unit/base/local.mk
include tests/unit/wire/local.mk
include tests/unit/zkdata/local.mk
include tests/unit/server/local.mk
include tests/unit/backends/local.mk
include tests/unit/tree/local.mk
include tests/unit/prepare/local.mk
include tests/unit/node/local.mk
