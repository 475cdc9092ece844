libcore_a_SOURCES += \
	%reldir%/acl.h %reldir%/apply.h %reldir%/image.h %reldir%/prepare.h %reldir%/tree.h
