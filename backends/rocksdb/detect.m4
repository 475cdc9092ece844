m4_define([VIV_PKG_rocksdb], [rocksdb >= 7.8])m4_define([VIV_DEB_rocksdb], [librocksdb-dev])
