include tests/unit/base/local.mk
include tests/unit/wire/local.mk
