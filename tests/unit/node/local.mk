check_PROGRAMS += test_reads
TESTS += test_reads
test_reads_SOURCES = %reldir%/test_read.c %reldir%/test_watch.c \
	tests/support/hex.c tests/support/hex.h tests/support/world.c tests/support/world.h
test_reads_LDADD = $(viv_test_libs)
