dist_check_SCRIPTS += %reldir%/disk_faults.py %reldir%/frozen_disk.py %reldir%/kill_rounds.py %reldir%/rejoin.py %reldir%/rollover.py %reldir%/rotten.py
TESTS += %reldir%/disk_faults.py %reldir%/frozen_disk.py %reldir%/kill_rounds.py %reldir%/rejoin.py %reldir%/rollover.py %reldir%/rotten.py

# The long form: every durable configuration, 200 rounds each (about half an hour).
ROUNDS = 200
kill-rounds: all
	VIV_BUILD_DIR=$(abs_top_builddir) /usr/bin/python3 $(srcdir)/tests/crash/kill_rounds.py --rounds $(ROUNDS) --backend all
	VIV_BUILD_DIR=$(abs_top_builddir) /usr/bin/python3 $(srcdir)/tests/crash/rejoin.py --long --backend all
.PHONY: kill-rounds

check_PROGRAMS += store_driver
store_workload = tests/crash/store_model.c tests/crash/store_model.h \
	tests/crash/store_workload.c tests/crash/store_workload.h
store_driver_SOURCES = %reldir%/store_driver.c $(store_workload)
store_driver_LDADD = $(viv_libs)

if HAVE_CRITERION
check_PROGRAMS += test_power_loss
TESTS += test_power_loss
test_power_loss_SOURCES = %reldir%/test_power_loss.c $(store_workload) \
	tests/support/crash_disk.c tests/support/crash_disk.h
test_power_loss_LDADD = $(viv_test_libs)
endif

# Preloaded, hence a shared object; made by hand because nothing else here is one.
check_DATA = syscall_shim.so
CLEANFILES += syscall_shim.so
EXTRA_DIST += tests/support/syscall_shim.c
syscall_shim.so: tests/support/syscall_shim.c
	$(AM_V_CC)$(CC) -std=c11 -D_GNU_SOURCE -Wall -Wextra $(CPPFLAGS) -O1 -fPIC -shared -o $@ \
		$(top_srcdir)/tests/support/syscall_shim.c -ldl

dist_check_SCRIPTS += %reldir%/test_store_sweep.py
TESTS += %reldir%/test_store_sweep.py

check_PROGRAMS += store_crash
store_crash_SOURCES = %reldir%/store_crash.c $(store_workload)
store_crash_LDADD = libsim.a $(viv_libs)
dist_check_SCRIPTS += %reldir%/power_cuts.py
TESTS += %reldir%/power_cuts.py

# The long form: at least ten thousand states of each durable configuration.
CRASH_SEED = 1
crash: store_crash store_driver
	VIV_BUILD_DIR=$(abs_top_builddir) /usr/bin/python3 $(srcdir)/tests/crash/power_cuts.py --full --seed $(CRASH_SEED)
.PHONY: crash

if HAVE_CRITERION
node_net = tests/support/node_client.c tests/support/node_client.h tests/support/node_disk.c tests/support/node_disk.h \
	tests/support/node_net.c tests/support/node_net.h tests/support/node_net_clients.c \
	tests/support/node_net_internal.h tests/support/node_queue.c tests/support/node_queue.h \
	tests/support/node_recipe.c tests/support/node_recipe.h tests/support/node_sasl.c tests/support/node_sasl.h
check_PROGRAMS += store_rot
store_rot_SOURCES = %reldir%/store_rot.c %reldir%/rot_atlas.c %reldir%/rot_case.h %reldir%/rot_damage.c %reldir%/rot_ensemble.c \
	%reldir%/rot_stores.c %reldir%/rot_stores.h $(node_net)
store_rot_LDADD = libsim.a $(viv_test_libs)
endif

# The long form of storage faults: of every durable configuration 2500 targeted and 5000 random injections and more, in
# hundredths, and every damaged directory below real servers.
ROT_CASES = 100
ROT_SEED = 1
rot: store_rot all
	./store_rot --cases $(ROT_CASES) --seed $(ROT_SEED)
	VIV_BUILD_DIR=$(abs_top_builddir) /usr/bin/python3 $(srcdir)/tests/crash/damaged.py --full --seed $(ROT_SEED)
.PHONY: rot

dist_check_SCRIPTS += %reldir%/damaged.py
TESTS += %reldir%/damaged.py
