check_PROGRAMS += test_zab
TESTS += test_zab
test_zab_SOURCES = \
	%reldir%/actor.c %reldir%/actor.h \
	%reldir%/net.c %reldir%/net.h %reldir%/net_internal.h \
	%reldir%/net_host.c %reldir%/net_propose.c \
	%reldir%/net_wire.c \
	%reldir%/test_acknowledge.c \
	%reldir%/test_election.c \
	%reldir%/test_history.c \
	%reldir%/test_leader.c \
	%reldir%/test_learner.c \
	%reldir%/test_network.c \
	%reldir%/test_quorum.c %reldir%/test_repair.c \
	%reldir%/test_reign.c \
	%reldir%/test_reconfigure.c \
	%reldir%/test_sync.c %reldir%/test_watch.c \
	tests/support/viv_test.h
test_zab_LDADD = $(viv_test_libs)
