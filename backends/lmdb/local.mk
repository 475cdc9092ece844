EXTRA_DIST += %reldir%/detect.m4
if BACKEND_LMDB
AM_CPPFLAGS += $(LMDB_CFLAGS)
viv_backend_libs += $(LMDB_LIBS)
endif
