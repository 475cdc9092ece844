libbackends_a_SOURCES += \
	%reldir%/fault.c %reldir%/fault.h \
	%reldir%/flat_internal.h \
	%reldir%/format.c %reldir%/format.h \
	%reldir%/hard.c %reldir%/hard.h \
	%reldir%/identifier.c %reldir%/identifier.h \
	%reldir%/image.c %reldir%/image.h \
	%reldir%/image_load.c \
	%reldir%/image_write.c \
	%reldir%/index.c %reldir%/index.h \
	%reldir%/iter.c \
	%reldir%/log.c \
	%reldir%/repair.c \
	%reldir%/scan.c %reldir%/scan_end.c %reldir%/scan_internal.h \
	%reldir%/segment.c \
	%reldir%/state.c \
	%reldir%/state_internal.h \
	%reldir%/window.c %reldir%/window.h \
	%reldir%/write.c
EXTRA_DIST += %reldir%/README.md
