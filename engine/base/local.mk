libcore_a_SOURCES += \
	%reldir%/arena.c %reldir%/arena.h \
	%reldir%/assert.h \
	%reldir%/bytes.c %reldir%/bytes.h \
	%reldir%/checksum.c %reldir%/checksum.h \
	%reldir%/endian.h \
	%reldir%/entry.h \
	%reldir%/histogram.c %reldir%/histogram.h \
	%reldir%/limits.h \
	%reldir%/lookup.c %reldir%/lookup.h \
	%reldir%/log.c %reldir%/log.h \
	%reldir%/pool.c %reldir%/pool.h \
	%reldir%/rate.c %reldir%/rate.h \
	%reldir%/rng.c %reldir%/rng.h \
	%reldir%/row.c %reldir%/row.h \
	%reldir%/sid_set.h \
	%reldir%/stage.c %reldir%/stage.h %reldir%/trace.def \
	%reldir%/status.c %reldir%/status.def %reldir%/status.h
