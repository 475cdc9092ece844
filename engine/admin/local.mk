libskin_a_SOURCES += \
	%reldir%/dues.c %reldir%/dues.h \
	%reldir%/inventory.c %reldir%/inventory.h \
	%reldir%/json.c %reldir%/json.h \
	%reldir%/report.c %reldir%/report.h
