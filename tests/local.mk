EXTRA_DIST += %reldir%/README.md %reldir%/lsan.supp

dist_check_SCRIPTS += %reldir%/tidy.sh %reldir%/purity.sh
TESTS += %reldir%/tidy.sh %reldir%/purity.sh

# Criterion speaks TAP: every test is a PASS or FAIL line of its own. TEST_EXTENSIONS: shell scripts speak TAP too.
LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
TEST_EXTENSIONS = .sh .py
SH_LOG_DRIVER = $(LOG_DRIVER)
PY_LOG_DRIVER = $(LOG_DRIVER)
# Debian puts python3-kazoo beside its own interpreter, not beside another that PATH may find first.
PY_LOG_COMPILER = /usr/bin/python3
SH_LOG_COMPILER = $(SHELL)
AM_TESTS_ENVIRONMENT = CRITERION_OUTPUTS=tap:/dev/stdout; export CRITERION_OUTPUTS; \
	LSAN_OPTIONS=suppressions=$(abs_top_srcdir)/tests/lsan.supp; export LSAN_OPTIONS; \
	VIV_SOURCE_DIR=$(abs_top_srcdir); export VIV_SOURCE_DIR; \
	VIV_BUILD_DIR=$(abs_top_builddir); export VIV_BUILD_DIR;

# A test program: add its name to check_PROGRAMS and TESTS, its file to NAME_SOURCES, and NAME_LDADD = $(viv_test_libs).
viv_test_libs = libtest.a $(viv_libs) $(CRITERION_LIBS)

if HAVE_CRITERION
AM_CPPFLAGS += $(CRITERION_CFLAGS)
check_LIBRARIES = libtest.a
libtest_a_SOURCES = %reldir%/support/viv_test.c %reldir%/support/viv_test.h
include tests/unit/local.mk
include tests/contract/local.mk
endif
include tests/scenario/local.mk
include tests/interop/local.mk
include tests/crash/local.mk
include tests/sim/local.mk
include tests/mutants/local.mk
include tests/chaos/local.mk

# `make fuzz` in a folder configured with --enable-sanitizers: the long form, by default ten million a wire decoder and
# a million a file loader; a hundred thousand of key stores, most of which is the TLS library's own work, some
# milliseconds each. FUZZ_WIRE=N, FUZZ_FILES=N and FUZZ_KEYS=N change that.
FUZZ_WIRE = 10000000
FUZZ_FILES = 1000000
FUZZ_KEYS = 100000
# Files go to memory where there is some.
fuzz_run = TMPDIR=$$(test -w /dev/shm && echo /dev/shm || echo /tmp) VIV_SOURCE_DIR=$(abs_top_srcdir)
fuzz: test_fuzz test_fuzz_tree test_fuzz_zkdata
	$(fuzz_run) VIV_FUZZ_ROUNDS=$(FUZZ_WIRE) ./test_fuzz --verbose --filter 'fuzz_decoders/*'
	$(fuzz_run) VIV_FUZZ_ROUNDS=$(FUZZ_WIRE) ./test_fuzz --verbose --filter 'fuzz_wire/*'
	$(fuzz_run) VIV_FUZZ_ROUNDS=$(FUZZ_WIRE) ./test_fuzz --verbose --filter 'fuzz_operators/*'
	$(fuzz_run) VIV_FUZZ_ROUNDS=$(FUZZ_FILES) ./test_fuzz --verbose --filter 'fuzz_files/*'
	$(fuzz_run) VIV_FUZZ_ROUNDS=$(FUZZ_FILES) ./test_fuzz --verbose --filter 'fuzz_jaas/*'
	$(fuzz_run) VIV_FUZZ_ROUNDS=$(FUZZ_KEYS) ./test_fuzz --verbose --filter 'fuzz_keys/*'
	$(fuzz_run) VIV_FUZZ_ROUNDS=$(FUZZ_FILES) ./test_fuzz_tree --verbose
	$(fuzz_run) VIV_FUZZ_ROUNDS=$(FUZZ_FILES) ./test_fuzz_zkdata --verbose
.PHONY: fuzz

# Checks a history of a run of live processes: tests/sim/record.py writes them.
check_PROGRAMS += check_history
check_history_SOURCES = %reldir%/check_history.c
check_history_LDADD = libsim.a $(viv_libs)

# What the stores do by themselves, in a folder of its own on the build's disk.
EXTRA_PROGRAMS += bench_store
bench_store_SOURCES = %reldir%/bench_store.c
bench_store_LDADD = $(viv_libs)
bench: bench_store
	./bench_store .
.PHONY: bench
