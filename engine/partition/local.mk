libcore_a_SOURCES += \
	%reldir%/bins.c %reldir%/bins.h \
	%reldir%/circle.c %reldir%/circle.h \
	%reldir%/hrw.c \
	%reldir%/jump.c \
	%reldir%/maglev.c \
	%reldir%/measure.c %reldir%/measure.h \
	%reldir%/modulo.c \
	%reldir%/partition.c %reldir%/partition.h %reldir%/schemes.def \
	%reldir%/ring.c \
	%reldir%/ring_bounded.c \
	%reldir%/static.c \
	%reldir%/whole.c
