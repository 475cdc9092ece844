# Seeded mutations of valid bytes, for every decoder that faces the network or a file. VIV_FUZZ_ROUNDS=N for more.
check_PROGRAMS += test_fuzz test_fuzz_tree
TESTS += test_fuzz test_fuzz_tree
test_fuzz_SOURCES = %reldir%/fuzz.c %reldir%/fuzz.h %reldir%/test_decoders.c %reldir%/test_files.c \
	%reldir%/test_jaas.c %reldir%/test_keys.c %reldir%/test_operators.c %reldir%/test_wire.c \
	tests/support/store_world.c tests/support/store_world.h
test_fuzz_LDADD = $(viv_test_libs)

# Of its own: the tree's tests have a world too.
test_fuzz_tree_SOURCES = %reldir%/fuzz.c %reldir%/fuzz.h %reldir%/test_tree.c \
	tests/unit/tree/model.c tests/unit/tree/support.c tests/unit/tree/support.h
test_fuzz_tree_LDADD = $(viv_test_libs)

# Files of ZooKeeper's and dumps. Of its own: it needs the shell's library.
check_PROGRAMS += test_fuzz_zkdata
TESTS += test_fuzz_zkdata
test_fuzz_zkdata_SOURCES = %reldir%/fuzz.c %reldir%/fuzz.h %reldir%/test_zkdata.c
test_fuzz_zkdata_LDADD = libcli.a $(viv_test_libs) $(EDIT_LIBS)
