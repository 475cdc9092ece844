m4_define([VIV_PKG_lmdb], [lmdb >= 0.9.24])m4_define([VIV_DEB_lmdb], [liblmdb-dev])
