libcore_a_SOURCES += %reldir%/partition.h
