check_PROGRAMS += test_tree
TESTS += test_tree
test_tree_SOURCES = \
	%reldir%/model.c %reldir%/support.c %reldir%/support.h %reldir%/test_apply.c \
	%reldir%/test_datasets.c %reldir%/test_image.c %reldir%/test_quota.c %reldir%/test_storage.c \
	tests/support/world.c tests/support/world.h
test_tree_LDADD = $(viv_test_libs)
