EXTRA_DIST += %reldir%/README.md %reldir%/backends.m4 %reldir%/list.mk
libbackends_a_SOURCES += %reldir%/configurations.def %reldir%/registry.c %reldir%/registry.h
include backends/list.mk
