libskin_a_SOURCES += %reldir%/snapshot.c %reldir%/snapshot.h
