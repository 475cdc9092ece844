dist_check_SCRIPTS += %reldir%/replay.py
TESTS += %reldir%/replay.py
EXTRA_DIST += %reldir%/README.md $(top_srcdir)/tests/scenario/captured
