check_PROGRAMS += test_lab
TESTS += test_lab
test_lab_SOURCES = \
	%reldir%/test_client.c \
	%reldir%/test_etcd.c \
	%reldir%/test_keyset.c \
	%reldir%/test_metrics.c \
	%reldir%/test_plan.c \
	%reldir%/test_recovery.c \
	%reldir%/test_units.c \
	tests/support/viv_test.h
test_lab_LDADD = liblab.a $(NGHTTP2_LIBS) $(viv_test_libs)
