libcore_a_SOURCES += \
	%reldir%/acl.c %reldir%/acl.h %reldir%/apply.h %reldir%/image.h \
	%reldir%/multi.c %reldir%/multi.h \
	%reldir%/operation.c %reldir%/operation.h \
	%reldir%/overlay.c %reldir%/overlay.h \
	%reldir%/prepare.c %reldir%/prepare.h %reldir%/tree.h
