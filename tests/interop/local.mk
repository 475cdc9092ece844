EXTRA_DIST += tests/support/ensemble.py
<<<<<<< Updated upstream
dist_check_SCRIPTS += %reldir%/bad_input.py %reldir%/c_client.py %reldir%/client_tls.py %reldir%/dynamic_file.py %reldir%/lab_smoke.sh \
	%reldir%/operations.py %reldir%/refusals.py %reldir%/smoke.py
TESTS += %reldir%/bad_input.py %reldir%/c_client.py %reldir%/client_tls.py %reldir%/dynamic_file.py %reldir%/lab_smoke.sh \
=======
EXTRA_DIST += tests/support/ensemble.py %reldir%/admin_shapes.json
dist_check_SCRIPTS += %reldir%/admin.py %reldir%/bad_input.py %reldir%/c_client.py %reldir%/client_tls.py %reldir%/dynamic_file.py %reldir%/lab_smoke.sh \
	%reldir%/operations.py %reldir%/refusals.py %reldir%/smoke.py
TESTS += %reldir%/admin.py %reldir%/bad_input.py %reldir%/c_client.py %reldir%/client_tls.py %reldir%/dynamic_file.py %reldir%/lab_smoke.sh \
>>>>>>> 1ba94a4 (admin: the commands of ZooKeeper's AdminServer, health and the index over HTTP, on the loop's own thread)
	%reldir%/operations.py %reldir%/refusals.py %reldir%/smoke.py

EXTRA_DIST += %reldir%/admin_shapes.json
dist_check_SCRIPTS += %reldir%/admin.py
TESTS += %reldir%/admin.py

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
