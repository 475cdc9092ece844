EXTRA_DIST += %reldir%/README.md
libcore_a_SOURCES += \
	%reldir%/metrics.c %reldir%/metrics.h %reldir%/metrics.def %reldir%/metrics_internal.h \
	%reldir%/prometheus.c \
	%reldir%/sampler.c %reldir%/sampler.h \
	%reldir%/show.c \
	%reldir%/slow.c %reldir%/slow.h \
	%reldir%/stages.c %reldir%/stages.h \
	%reldir%/tally.c %reldir%/tally.h \
	%reldir%/top.c %reldir%/top.h
