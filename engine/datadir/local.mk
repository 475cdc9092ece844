libskin_a_SOURCES += %reldir%/build.c %reldir%/build.h %reldir%/datadir.c %reldir%/datadir.h %reldir%/import.c \
	%reldir%/import.h %reldir%/reader.c %reldir%/reader.h
EXTRA_DIST += %reldir%/README.md
