check_PROGRAMS += test_zkdata
TESTS += test_zkdata
test_zkdata_SOURCES = %reldir%/support.c %reldir%/support.h %reldir%/test_recover.c \
	%reldir%/test_snapshot.c tests/unit/datasets/test_namespace.c
test_zkdata_LDADD = $(viv_test_libs)
