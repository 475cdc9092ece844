EXTRA_DIST += %reldir%/README.md
noinst_LIBRARIES += liblab.a
liblab_a_SOURCES = \
	%reldir%/bulk.c %reldir%/bulk.h \
	%reldir%/calibrate.c \
	%reldir%/cell.h \
	%reldir%/chart.c %reldir%/chart.h \
	%reldir%/compare.c \
	%reldir%/command.c %reldir%/command.h \
	%reldir%/dialect.c %reldir%/dialect.h %reldir%/dialect_etcd.c %reldir%/dialect_zookeeper.c \
	%reldir%/estimate.c %reldir%/estimate.h \
	%reldir%/etcd_calls.c %reldir%/etcd_internal.h \
	%reldir%/etcd_messages.c %reldir%/etcd_messages.h \
	%reldir%/fairness.c %reldir%/fairness.h \
	%reldir%/faults.c \
	%reldir%/files.c %reldir%/files.h \
	%reldir%/fleet.c %reldir%/fleet.h \
	%reldir%/initial.c %reldir%/initial.h \
	%reldir%/interrupt.c %reldir%/interrupt.h \
	%reldir%/keyset.c %reldir%/keyset.h \
	%reldir%/load.c %reldir%/load.h %reldir%/load_internal.h %reldir%/load_session.c \
	%reldir%/machine.c %reldir%/machine.h \
	%reldir%/metrics.c %reldir%/metrics.h \
	%reldir%/null_server.c %reldir%/null_server.h \
	%reldir%/placement.c \
	%reldir%/plan.c %reldir%/plan.h %reldir%/plan_internal.h %reldir%/plan_fields.def \
	%reldir%/plan_cells.c %reldir%/plan_steps.c \
	%reldir%/plan_json.c %reldir%/plan_json.h \
	%reldir%/plan_source.c %reldir%/plan_source.h \
	%reldir%/probe.c %reldir%/probe.h \
	%reldir%/process.c %reldir%/process.h \
	%reldir%/record.c \
	%reldir%/reader.c %reldir%/reader.h \
	%reldir%/progress.c %reldir%/progress.h \
	%reldir%/recovery.c %reldir%/recovery.h \
	%reldir%/report.c %reldir%/report.h \
	%reldir%/report_charts.c %reldir%/report_charts.h \
	%reldir%/report_html.c \
	%reldir%/results.c %reldir%/results.h \
	%reldir%/run.c %reldir%/run.h \
	%reldir%/selftest.c %reldir%/selftest.h \
	%reldir%/step.h %reldir%/steps.c \
	%reldir%/system.c %reldir%/system.h \
	%reldir%/trace.c %reldir%/trace.h \
	%reldir%/trial.c %reldir%/trial.h %reldir%/trial_internal.h \
	%reldir%/units.c %reldir%/units.h \
	%reldir%/verify.c %reldir%/verify.h \
	%reldir%/yaml_index.c %reldir%/yaml_index.h

bin_PROGRAMS += vivarium-lab
vivarium_lab_SOURCES = %reldir%/main.c
vivarium_lab_LDADD = liblab.a $(NGHTTP2_LIBS) $(viv_libs)

# The instrument is measured: percentiles under known freezes, and coordinated omission as the control. By the clock, so
# on a machine with nothing else to do, and no part of make check.
selftest: vivarium-lab$(EXEEXT)
	./vivarium-lab selftest
.PHONY: selftest
