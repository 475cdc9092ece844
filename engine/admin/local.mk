EXTRA_DIST += %reldir%/README.md
libskin_a_SOURCES += \
	%reldir%/admin.c %reldir%/admin.h \
	%reldir%/audit_log.c %reldir%/audit_log.h \
	%reldir%/authorization.c %reldir%/authorization.h \
	%reldir%/command.c %reldir%/command.def %reldir%/command.h %reldir%/command_internal.h \
	%reldir%/command_busy.c %reldir%/command_ensemble.c %reldir%/command_list.c %reldir%/command_server.c \
	%reldir%/dues.c %reldir%/dues.h \
	%reldir%/health.c %reldir%/health.h \
	%reldir%/http.c %reldir%/http.h %reldir%/http_daemon.c %reldir%/http_internal.h \
	%reldir%/http_tunnel.c %reldir%/http_tunnel.h \
	%reldir%/inventory.c %reldir%/inventory.h \
	%reldir%/json.c %reldir%/json.h \
	%reldir%/keeper.c %reldir%/keeper.h \
	%reldir%/report.c %reldir%/report.h \
	%reldir%/restore.c %reldir%/restore.h \
	%reldir%/snapshot.c %reldir%/snapshot.h
