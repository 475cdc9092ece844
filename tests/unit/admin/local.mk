check_PROGRAMS += test_admin
TESTS += test_admin
test_admin_SOURCES = %reldir%/test_command.c %reldir%/test_dues.c %reldir%/test_json.c tests/support/viv_test.h
test_admin_LDADD = $(viv_test_libs)
