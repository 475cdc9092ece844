noinst_LIBRARIES += libsim.a
libsim_a_SOURCES = %reldir%/history.c %reldir%/history.def %reldir%/history.h
EXTRA_DIST += %reldir%/README.md
include engine/sim/check/local.mk
