libskin_a_SOURCES += \
	%reldir%/file_io.c %reldir%/file_io.h \
	%reldir%/kv_dir.c %reldir%/kv_dir.h \
	%reldir%/kv_image.c %reldir%/kv_image.h \
	%reldir%/kv_run.c %reldir%/kv_run.h \
	%reldir%/kv_state.c %reldir%/kv_state.h \
	%reldir%/log_store.h %reldir%/state_store.h \
	%reldir%/store.c %reldir%/store.h
