EXTRA_DIST += %reldir%/detect.m4 %reldir%/README.md
if BACKEND_LMDB
libbackends_a_SOURCES += %reldir%/lmdb.c %reldir%/pages.c %reldir%/pages.h
AM_CPPFLAGS += $(LMDB_CFLAGS)
viv_backend_libs += $(LMDB_LIBS)
endif
