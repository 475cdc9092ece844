libskin_a_SOURCES += \
	%reldir%/auths.c \
	%reldir%/client.h \
	%reldir%/client_internal.h \
	%reldir%/loop.c \
	%reldir%/request.c \
	%reldir%/session.c \
	%reldir%/watches.c
