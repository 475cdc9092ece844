EXTRA_DIST += %reldir%/README.md
noinst_LIBRARIES += libcli.a
libcli_a_SOURCES = \
	%reldir%/acl_text.c %reldir%/acl_text.h \
	%reldir%/args.c %reldir%/args.h \
	%reldir%/bench.c \
	%reldir%/cli.c %reldir%/cli.h \
	%reldir%/command.c %reldir%/command.h %reldir%/commands.def %reldir%/documents.def \
	%reldir%/counts.c %reldir%/counts.h \
	%reldir%/complete.c %reldir%/complete.h \
	%reldir%/dump_commands.c \
	%reldir%/dump_file.h \
	%reldir%/dump_load.c \
	%reldir%/dump_online.c %reldir%/dump_online.h \
	%reldir%/dump_read.c \
	%reldir%/dump_write.c \
	%reldir%/event.c %reldir%/event.h \
	%reldir%/exit_code.h %reldir%/exit_codes.def \
	%reldir%/http.c %reldir%/http.h \
	%reldir%/interrupt.c %reldir%/interrupt.h \
	%reldir%/line.c %reldir%/line.h \
	%reldir%/link.c %reldir%/link.h \
	%reldir%/live.c \
	%reldir%/options.def \
	%reldir%/names.c %reldir%/names.h \
	%reldir%/offline.c %reldir%/offline.h \
	%reldir%/offline_diff.c \
	%reldir%/offline_export.c \
	%reldir%/offline_import.c \
	%reldir%/offline_inspect.c \
	%reldir%/offline_read.c \
	%reldir%/offline_rollback.c \
	%reldir%/quota.c \
	%reldir%/quota_text.c %reldir%/quota_text.h \
	%reldir%/read_commands.c \
	%reldir%/refusal.c %reldir%/refusals.def \
	%reldir%/rescue.c \
	%reldir%/member_commands.c \
	%reldir%/session_commands.c \
	%reldir%/shell.c %reldir%/shell.h \
	%reldir%/table.c %reldir%/table.h \
	%reldir%/target.c \
	%reldir%/text.c %reldir%/text.h \
	%reldir%/tls.c %reldir%/tls.h \
	%reldir%/value.c %reldir%/value.h \
	%reldir%/walk.c %reldir%/walk.h \
	%reldir%/watch_commands.c \
	%reldir%/write_commands.c

bin_PROGRAMS += vivarium-cli
vivarium_cli_SOURCES = %reldir%/main.c
vivarium_cli_LDADD = libcli.a $(viv_libs) $(EDIT_LIBS)
