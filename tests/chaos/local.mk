# `make chaos MINUTES=60 SEED=1`: live servers under every fault that the machine can make. Needs root.
dist_check_SCRIPTS += %reldir%/chaos.py %reldir%/saturated.py %reldir%/recorder.py %reldir%/workload.py %reldir%/verify.py
EXTRA_DIST += %reldir%/README.md %reldir%/arena.py %reldir%/checker.py %reldir%/controls.py %reldir%/nemesis.py

MINUTES = 60
SEED = 1
FAULTS =
SETTINGS =
chaos: all check_history $(chaos_client)
	VIV_BUILD_DIR=$(abs_top_builddir) nice /usr/bin/python3 $(srcdir)/tests/chaos/chaos.py --controls \
		--minutes $(MINUTES) --seed $(SEED) --faults "$(FAULTS)" --settings "$(SETTINGS)"
# No false election while both cores are busy: `make saturated MINUTES=60`.
saturated: all
	VIV_BUILD_DIR=$(abs_top_builddir) /usr/bin/python3 $(srcdir)/tests/chaos/saturated.py --minutes $(MINUTES)
.PHONY: chaos saturated

if HAVE_ZOOKEEPER_CLIENT
check_PROGRAMS += workload_c
workload_c_SOURCES = %reldir%/workload_c.c
workload_c_LDADD = -lzookeeper_mt -lpthread
chaos_client = workload_c
endif

# Preloaded, hence a shared object; made by hand as its sister in crash/. The lab freezes syncs with it: always built.
noinst_DATA = sync_shim.so
EXTRA_DIST += tests/support/sync_shim.c
CLEANFILES += sync_shim.so
sync_shim.so: tests/support/sync_shim.c
	$(AM_V_CC)$(CC) -std=c11 -D_GNU_SOURCE -Wall -Wextra $(CPPFLAGS) -O1 -fPIC -shared -o $@ \
		$(top_srcdir)/tests/support/sync_shim.c -ldl
