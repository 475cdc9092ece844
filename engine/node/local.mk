EXTRA_DIST += %reldir%/README.md
libcore_a_SOURCES += \
	%reldir%/authenticate.c \
	%reldir%/limit.c %reldir%/limit.h \
	%reldir%/local_session.c \
	%reldir%/policy.c %reldir%/policy.h \
	%reldir%/ration.c %reldir%/ration.h \
	%reldir%/read_only.c \
	%reldir%/action.c %reldir%/action.h \
	%reldir%/audit.c %reldir%/audit.h \
	%reldir%/checkpoint.c %reldir%/checkpoint.h \
	%reldir%/connection.c %reldir%/connection.h \
	%reldir%/digests.c %reldir%/digests.h \
	%reldir%/event.h \
	%reldir%/expiry.c %reldir%/expiry.h \
	%reldir%/fifo.c %reldir%/fifo.h \
	%reldir%/fresh.c \
	%reldir%/group.c %reldir%/group_log.c %reldir%/group_sync.c %reldir%/group.h \
	%reldir%/group_measure.c %reldir%/group_measure.h \
	%reldir%/handshake.c \
	%reldir%/identity.c %reldir%/identity.h \
	%reldir%/inspect.c %reldir%/inspect.h \
	%reldir%/install.c %reldir%/install.h \
	%reldir%/lead.c %reldir%/lead.h \
	%reldir%/learn.c %reldir%/learn.h \
	%reldir%/link.c %reldir%/link.h \
	%reldir%/listing.c %reldir%/listing.h \
	%reldir%/marks.c %reldir%/marks.h \
	%reldir%/node.c %reldir%/node.h %reldir%/node_internal.h \
	%reldir%/read_path.c %reldir%/read_path.h \
	%reldir%/reap.c %reldir%/reap.h \
	%reldir%/reconfigure.c %reldir%/reconfigure.h \
	%reldir%/recovery.c \
	%reldir%/request.c \
	%reldir%/request_measure.c %reldir%/request_measure.h \
	%reldir%/sample.c \
	%reldir%/attachment.c %reldir%/attachment.h \
	%reldir%/strange.c %reldir%/strange.h \
	%reldir%/stream.c %reldir%/stream.h \
	%reldir%/table.c %reldir%/table.h \
	%reldir%/turn.h \
	%reldir%/watch.c %reldir%/watch.h \
	%reldir%/write_path.c
