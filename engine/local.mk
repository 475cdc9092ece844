EXTRA_DIST += %reldir%/README.md
include engine/base/local.mk
include engine/wire/local.mk
include engine/tree/local.mk
include engine/detect/local.mk
include engine/zab/local.mk
include engine/partition/local.mk
include engine/metrics/local.mk
include engine/node/local.mk
include engine/store/local.mk
include engine/zkdata/local.mk
include engine/datadir/local.mk
include engine/client/local.mk
include engine/security/local.mk
include engine/admin/local.mk
include engine/server/local.mk
include engine/cli/local.mk
include engine/man/local.mk
