EXTRA_DIST += %reldir%/README.md
include experiments/lab/local.mk
