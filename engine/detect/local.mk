EXTRA_DIST += %reldir%/README.md
libcore_a_SOURCES += %reldir%/detector.c %reldir%/detector.h
