EXTRA_DIST += %reldir%/detect.m4 %reldir%/README.md
if BACKEND_ROCKSDB
libbackends_a_SOURCES += %reldir%/rocksdb.c
AM_CPPFLAGS += $(ROCKSDB_CFLAGS)
viv_backend_libs += $(ROCKSDB_LIBS)
endif
