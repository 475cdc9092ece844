libcore_a_SOURCES += \
	%reldir%/jute.c %reldir%/jute.h \
	%reldir%/op.h \
	%reldir%/path.h \
	%reldir%/peer.h \
	%reldir%/records.h \
	%reldir%/reply_code.h
