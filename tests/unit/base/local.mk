check_PROGRAMS += test_base
TESTS += test_base
test_base_SOURCES = %reldir%/test_bytes.c %reldir%/test_histogram.c %reldir%/test_lookup.c %reldir%/test_rate.c tests/support/viv_test.h
test_base_LDADD = $(viv_test_libs)
