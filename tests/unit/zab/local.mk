check_PROGRAMS += test_zab
TESTS += test_zab
test_zab_SOURCES = \
	%reldir%/net.c %reldir%/net.h \
	%reldir%/test_network.c \
	tests/support/viv_test.h
test_zab_LDADD = $(viv_test_libs)
