check_PROGRAMS += test_prepare
TESTS += test_prepare
test_prepare_SOURCES = %reldir%/test_acl.c %reldir%/test_bounds.c %reldir%/test_multi.c %reldir%/test_rules.c %reldir%/test_sessions.c \
	%reldir%/test_transcript.c \
	tests/support/hex.c tests/support/hex.h tests/support/transcript.c tests/support/transcript.h \
	tests/support/world.c tests/support/world.h
test_prepare_LDADD = $(viv_test_libs)
EXTRA_DIST += %reldir%/record_requests.py %reldir%/reads.txt %reldir%/requests.txt
