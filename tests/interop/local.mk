EXTRA_DIST += tests/support/ensemble.py
<<<<<<< Updated upstream
dist_check_SCRIPTS += %reldir%/bad_input.py %reldir%/c_client.py %reldir%/client_tls.py %reldir%/dynamic_file.py %reldir%/lab_smoke.sh \
	%reldir%/operations.py %reldir%/refusals.py %reldir%/smoke.py
TESTS += %reldir%/bad_input.py %reldir%/c_client.py %reldir%/client_tls.py %reldir%/dynamic_file.py %reldir%/lab_smoke.sh \
=======
dist_check_SCRIPTS += %reldir%/agreement.py %reldir%/bad_input.py %reldir%/c_client.py %reldir%/dynamic_file.py %reldir%/lab_smoke.sh \
	%reldir%/operations.py %reldir%/refusals.py %reldir%/smoke.py
TESTS += %reldir%/agreement.py %reldir%/bad_input.py %reldir%/c_client.py %reldir%/dynamic_file.py %reldir%/lab_smoke.sh \
>>>>>>> Stashed changes
	%reldir%/operations.py %reldir%/refusals.py %reldir%/smoke.py

if HAVE_ZOOKEEPER_CLIENT
check_PROGRAMS += c_client
c_client_SOURCES = %reldir%/c_client.c
c_client_LDADD = -lzookeeper_mt -lpthread
endif

# The long form: mixed ensembles with Apache ZooKeeper too.
dist_check_SCRIPTS += %reldir%/mixed.py
interop: all
	VIV_BUILD_DIR=$(abs_top_builddir) /usr/bin/python3 $(srcdir)/tests/interop/mixed.py
	VIV_BUILD_DIR=$(abs_top_builddir) /usr/bin/python3 $(srcdir)/tests/interop/agreement.py --ensemble
.PHONY: interop
