libbackends_a_SOURCES += \
	%reldir%/flat_internal.h \
	%reldir%/format.c %reldir%/format.h \
	%reldir%/hard.c %reldir%/hard.h \
	%reldir%/image.c %reldir%/image.h \
	%reldir%/image_load.c \
	%reldir%/image_write.c \
	%reldir%/index.c %reldir%/index.h \
	%reldir%/iter.c \
	%reldir%/log.c \
	%reldir%/scan.c \
	%reldir%/segment.c \
	%reldir%/state.c \
	%reldir%/state_internal.h \
	%reldir%/window.c %reldir%/window.h \
	%reldir%/write.c
EXTRA_DIST += %reldir%/README.md
