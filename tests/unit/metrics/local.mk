EXTRA_DIST += %reldir%/mntr-names.txt %reldir%/dashboard-names.txt
check_PROGRAMS += test_metrics
TESTS += test_metrics
test_metrics_SOURCES = %reldir%/test_metrics.c %reldir%/test_prometheus.c %reldir%/test_stages.c %reldir%/test_tally.c \
	%reldir%/test_top.c tests/support/viv_test.h
test_metrics_LDADD = $(viv_test_libs)
