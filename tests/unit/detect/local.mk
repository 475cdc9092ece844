check_PROGRAMS += test_detect
TESTS += test_detect
test_detect_SOURCES = %reldir%/test_detector.c tests/support/viv_test.h
test_detect_LDADD = libcore.a $(viv_test_libs)
