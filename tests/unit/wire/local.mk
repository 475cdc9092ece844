check_PROGRAMS += test_wire
TESTS += test_wire
test_wire_SOURCES = %reldir%/test_members.c %reldir%/test_path.c %reldir%/test_peer.c %reldir%/test_records.c \
	tests/support/hex.c tests/support/hex.h
test_wire_LDADD = $(viv_test_libs)
