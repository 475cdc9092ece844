store_support = tests/contract/store_suite.h tests/support/store_world.c tests/support/store_world.h \
	tests/support/viv_test.h

check_PROGRAMS += test_log_store
TESTS += test_log_store
test_log_store_SOURCES = %reldir%/test_log_store.c $(store_support)
test_log_store_LDADD = $(viv_test_libs)
