libbackends_a_SOURCES += %reldir%/log.c %reldir%/state.c
EXTRA_DIST += %reldir%/README.md
