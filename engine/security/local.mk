EXTRA_DIST += %reldir%/README.md
libskin_a_SOURCES +=
