noinst_LIBRARIES += libsim.a
libsim_a_SOURCES = %reldir%/history.c %reldir%/history.def %reldir%/history.h \
	%reldir%/agenda.c %reldir%/agenda.h \
	%reldir%/campaign.c %reldir%/campaign.h %reldir%/shrink.c \
	%reldir%/client.c %reldir%/client.h %reldir%/client_hear.c %reldir%/client_ops.c %reldir%/ops.def \
	%reldir%/disk.c %reldir%/disk.h %reldir%/disk_file.c %reldir%/disk_file.h %reldir%/disk_names.c %reldir%/disk_names.h \
	%reldir%/fault.c %reldir%/fault.h %reldir%/faults.def \
	%reldir%/library.c %reldir%/library.h \
	%reldir%/marks.c %reldir%/marks.def %reldir%/marks.h \
	%reldir%/network.c %reldir%/network.h %reldir%/network_host.c \
	%reldir%/plan.c %reldir%/plan.h %reldir%/plan_draw.c %reldir%/plan_text.c %reldir%/settings.def \
	%reldir%/pool.c \
	%reldir%/power_cut.c %reldir%/power_cut.h %reldir%/power_cut_choose.c %reldir%/power_cut_internal.h %reldir%/power_cut_make.c \
	%reldir%/queue.h \
	%reldir%/recipe.c %reldir%/recipe.h \
	%reldir%/recorder.c %reldir%/recorder.h \
	%reldir%/replica.c %reldir%/replica.h %reldir%/replica_end.c \
	%reldir%/rot.c %reldir%/rot.h \
	%reldir%/run.c %reldir%/run.h \
	%reldir%/server.c %reldir%/server.h %reldir%/storage.c %reldir%/storage_task.c \
	%reldir%/world.h
bin_PROGRAMS += vivarium-sim
vivarium_sim_SOURCES = %reldir%/main.c %reldir%/exit_code.h
vivarium_sim_LDADD = libsim.a $(viv_libs)
EXTRA_DIST += %reldir%/README.md
include engine/sim/check/local.mk
