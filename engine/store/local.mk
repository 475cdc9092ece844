libskin_a_SOURCES += \
	%reldir%/file_io.c %reldir%/file_io.h \
	%reldir%/log_store.h %reldir%/state_store.h \
	%reldir%/store.c %reldir%/store.h
