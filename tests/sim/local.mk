# Histories of live servers. The long form, with Apache ZooKeeper as the referee of the reference tree: make histories.
dist_check_SCRIPTS += %reldir%/record.py
TESTS += %reldir%/record.py
EXTRA_DIST += tests/support/history.py
HISTORY_OPERATIONS = 1000
histories: all check_history
	VIV_BUILD_DIR=$(abs_top_builddir) /usr/bin/python3 $(srcdir)/tests/sim/record.py --zookeeper \
		--operations $(HISTORY_OPERATIONS) --clients 6
.PHONY: histories

# Whole ensembles in virtual time. SEEDS=A..B for the long form; about 25 ms a seed.
dist_check_SCRIPTS += %reldir%/sample.sh %reldir%/controls.sh
TESTS += %reldir%/sample.sh %reldir%/controls.sh
EXTRA_DIST += %reldir%/killed_after_reconfiguring.schedule %reldir%/short_epochs.schedule
SEEDS = 1..10000
sim: vivarium-sim
	./vivarium-sim --seeds $(SEEDS)
.PHONY: sim

# The same runs by four builds: make digests SEEDS=1..200; the builds are kept in digests/.
dist_check_SCRIPTS += %reldir%/digests.sh
digests: all
	VIV_BUILD_DIR=$(abs_top_builddir) $(srcdir)/tests/sim/digests.sh 1..200
.PHONY: digests
