dist_check_SCRIPTS += %reldir%/kill_rounds.py
TESTS += %reldir%/kill_rounds.py

# The long form: every durable configuration, 200 rounds each (about half an hour).
ROUNDS = 200
kill-rounds: all
	VIV_BUILD_DIR=$(abs_top_builddir) /usr/bin/python3 $(srcdir)/tests/crash/kill_rounds.py --rounds $(ROUNDS) --backend all
.PHONY: kill-rounds
