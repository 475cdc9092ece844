check_PROGRAMS += test_server
TESTS += test_server
test_server_SOURCES = %reldir%/test_config.c %reldir%/test_dial.c %reldir%/test_outbox.c %reldir%/test_threads.c tests/support/viv_test.h
test_server_LDADD = $(viv_test_libs)
