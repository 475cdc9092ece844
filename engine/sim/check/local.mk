libsim_a_SOURCES += \
	%reldir%/acl.c %reldir%/acl.h \
	%reldir%/check.c %reldir%/check.h %reldir%/check_internal.h \
	%reldir%/compare.c %reldir%/guess.c %reldir%/index.c %reldir%/missed.c %reldir%/order.c %reldir%/replay.c %reldir%/servers.c %reldir%/sessions.c \
	%reldir%/tree.c %reldir%/tree.h \
	%reldir%/watches.c \
	%reldir%/write.c %reldir%/write.h
