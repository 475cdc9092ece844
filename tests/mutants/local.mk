# Deliberate mistakes, each of which must be found: README.md beside this. A copy of the sources is built once, then one
# object a mutant.
dist_check_SCRIPTS += %reldir%/run.py
EXTRA_DIST += %reldir%/table.py %reldir%/finders.py %reldir%/kept.py %reldir%/matrix.txt %reldir%/README.md
MUTANT_SEEDS = 1000
mutants: vivarium-sim
	VIV_BUILD_DIR=$(abs_top_builddir) nice /usr/bin/python3 $(srcdir)/tests/mutants/run.py --seeds $(MUTANT_SEEDS)
.PHONY: mutants
