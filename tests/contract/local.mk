store_support = tests/contract/store_suite.h tests/support/store_world.c tests/support/store_world.h \
	tests/support/viv_test.h

check_PROGRAMS += test_log_store
TESTS += test_log_store
test_log_store_SOURCES = %reldir%/test_log_store.c $(store_support)
test_log_store_LDADD = $(viv_test_libs)

check_PROGRAMS += test_state_store
TESTS += test_state_store
test_state_store_SOURCES = %reldir%/test_state_store.c $(store_support)
test_state_store_LDADD = $(viv_test_libs)

check_PROGRAMS += test_flat_files
TESTS += test_flat_files
test_flat_files_SOURCES = %reldir%/test_flat_files.c $(store_support)
test_flat_files_LDADD = $(viv_test_libs)

check_PROGRAMS += test_partition
TESTS += test_partition
test_partition_SOURCES = %reldir%/test_partition.c tests/support/viv_test.h
test_partition_LDADD = $(viv_test_libs)

check_PROGRAMS += test_flat_disk
TESTS += test_flat_disk
test_flat_disk_SOURCES = %reldir%/test_flat_disk.c $(store_support)
test_flat_disk_LDADD = $(viv_test_libs)

check_PROGRAMS += test_flat_damage
TESTS += test_flat_damage
test_flat_damage_SOURCES = %reldir%/test_flat_damage.c $(store_support) \
	tests/support/crash_disk.c tests/support/crash_disk.h
test_flat_damage_LDADD = $(viv_test_libs)
