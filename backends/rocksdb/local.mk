EXTRA_DIST += %reldir%/detect.m4
if BACKEND_ROCKSDB
AM_CPPFLAGS += $(ROCKSDB_CFLAGS)
viv_backend_libs += $(ROCKSDB_LIBS)
endif
