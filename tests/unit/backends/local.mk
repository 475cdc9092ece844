check_PROGRAMS += test_kv_state
TESTS += test_kv_state
test_kv_state_SOURCES = \
	%reldir%/kv_fixture.c %reldir%/kv_fixture.h \
	%reldir%/test_kv_damage.c \
	%reldir%/test_kv_errors.c \
	%reldir%/test_kv_state.c \
	tests/support/viv_test.h
test_kv_state_LDADD = $(viv_test_libs)
