check_PROGRAMS += test_cli
TESTS += test_cli
test_cli_SOURCES = %reldir%/test_args.c %reldir%/test_damaged.c %reldir%/test_line.c %reldir%/test_text.c \
	tests/unit/fuzz/fuzz.c tests/unit/fuzz/fuzz.h
test_cli_LDADD = libcli.a $(viv_test_libs) $(EDIT_LIBS)
