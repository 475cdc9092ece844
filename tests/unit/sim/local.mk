check_PROGRAMS += test_sim
TESTS += test_sim
test_sim_SOURCES = %reldir%/book.c %reldir%/book.h %reldir%/test_check.c \
	%reldir%/test_guess.c %reldir%/test_history.c %reldir%/test_sessions.c tests/support/viv_test.h
test_sim_LDADD = libsim.a $(viv_test_libs)
EXTRA_DIST += %reldir%/three_servers.jsonl %reldir%/zookeeper.jsonl
