noinst_LIBRARIES += liblab.a
liblab_a_SOURCES = \
	%reldir%/bulk.c %reldir%/bulk.h \
	%reldir%/cell.h \
	%reldir%/files.c %reldir%/files.h \
	%reldir%/fleet.c %reldir%/fleet.h \
	%reldir%/initial.c %reldir%/initial.h \
	%reldir%/interrupt.c %reldir%/interrupt.h \
	%reldir%/keyset.c %reldir%/keyset.h \
	%reldir%/load.c %reldir%/load.h %reldir%/load_internal.h %reldir%/load_session.c \
	%reldir%/probe.c %reldir%/probe.h \
	%reldir%/process.c %reldir%/process.h \
	%reldir%/system.c %reldir%/system.h \
	%reldir%/verify.c %reldir%/verify.h
