include backends/flat/local.mk
include backends/memory/local.mk
include backends/lmdb/local.mk
include backends/rocksdb/local.mk
