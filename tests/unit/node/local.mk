check_PROGRAMS += test_reads
TESTS += test_reads
test_reads_SOURCES = %reldir%/test_read.c %reldir%/test_read_transcript.c %reldir%/test_watch.c \
	tests/support/hex.c tests/support/hex.h tests/support/transcript.c tests/support/transcript.h \
	tests/support/world.c tests/support/world.h
test_reads_LDADD = $(viv_test_libs)
check_PROGRAMS += test_node
TESTS += test_node
test_node_SOURCES = \
	%reldir%/test_attach.c %reldir%/test_authenticate.c \
	%reldir%/test_access.c \
	%reldir%/test_deadlines.c %reldir%/test_divergence.c \
	%reldir%/test_ensemble.c \
	%reldir%/test_expiry.c \
	%reldir%/test_fresh.c %reldir%/test_reconfigure.c \
	%reldir%/test_install.c \
	%reldir%/test_limits.c \
	%reldir%/test_link.c \
	%reldir%/test_listing.c \
	%reldir%/test_local_session.c \
	%reldir%/test_quota.c \
	%reldir%/test_reap.c \
	%reldir%/test_measure.c \
	%reldir%/test_recovery.c \
	%reldir%/test_service.c %reldir%/test_slow.c %reldir%/test_strange.c \
	%reldir%/test_table.c \
	tests/support/node_client.c tests/support/node_client.h \
	tests/support/node_disk.c tests/support/node_disk.h \
	tests/support/node_net.c tests/support/node_net.h tests/support/node_net_clients.c \
	tests/support/node_net_internal.h \
	tests/support/node_queue.c tests/support/node_queue.h \
	tests/support/node_recipe.c tests/support/node_recipe.h \
	tests/support/node_sasl.c tests/support/node_sasl.h \
	tests/support/hex.c tests/support/hex.h \
	tests/support/world.c tests/support/world.h
test_node_LDADD = $(viv_test_libs)
