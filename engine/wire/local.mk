libcore_a_SOURCES += \
	%reldir%/jute.c %reldir%/jute.h \
	%reldir%/members.c %reldir%/members.h \
	%reldir%/op.h \
	%reldir%/path.c %reldir%/path.h \
	%reldir%/peer.c %reldir%/peer.h \
	%reldir%/records.c %reldir%/records.h \
	%reldir%/reply_code.h \
	%reldir%/session.c %reldir%/session.h \
	%reldir%/txn.c
