libcore_a_SOURCES += %reldir%/zab.h
