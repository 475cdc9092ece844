libskin_a_SOURCES += %reldir%/build.c %reldir%/build.h %reldir%/datadir.c %reldir%/datadir.h %reldir%/folder.c \
	%reldir%/folder.h %reldir%/import.c %reldir%/import.h %reldir%/reader.c %reldir%/reader.h \
	%reldir%/restore.c %reldir%/restore.h
EXTRA_DIST += %reldir%/README.md
