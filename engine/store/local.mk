libskin_a_SOURCES += %reldir%/log_store.h %reldir%/state_store.h %reldir%/store.h %reldir%/store.c
