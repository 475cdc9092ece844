dist_check_SCRIPTS += %reldir%/test_analysis.py
TESTS += %reldir%/test_analysis.py
