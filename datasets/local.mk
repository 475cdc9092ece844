libskin_a_SOURCES += %reldir%/namespace.c %reldir%/namespace.h
EXTRA_DIST += %reldir%/README.md $(top_srcdir)/datasets/published $(top_srcdir)/datasets/zookeeper-3.8
