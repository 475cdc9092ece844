libcore_a_SOURCES += \
	%reldir%/confirm.c %reldir%/confirm.h \
	%reldir%/durable.c %reldir%/durable.h \
	%reldir%/election.c %reldir%/election.h \
	%reldir%/election_policy.c %reldir%/election_policy.h \
	%reldir%/history.c %reldir%/history.h \
	%reldir%/leader.c %reldir%/leader.h %reldir%/leader_internal.h \
	%reldir%/leader_broadcast.c %reldir%/leader_discovery.c \
	%reldir%/learner.c %reldir%/learner.h %reldir%/learner_internal.h \
	%reldir%/learner_follow.c %reldir%/learner_sync.c \
	%reldir%/membership.c %reldir%/membership.h \
	%reldir%/peers.c %reldir%/peers.h \
	%reldir%/quorum.c %reldir%/quorum.h \
	%reldir%/pull.c %reldir%/pull.h \
	%reldir%/ranking.c %reldir%/ranking.h \
	%reldir%/repair.c %reldir%/repair.h %reldir%/repair_judge.c \
	%reldir%/rollover.c %reldir%/rollover.h \
	%reldir%/sync.c %reldir%/sync.h \
	%reldir%/watch.c %reldir%/watch.h \
	%reldir%/zab.c %reldir%/zab.h %reldir%/zab_internal.h \
	%reldir%/zab_members.c %reldir%/zab_output.c
