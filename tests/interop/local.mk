EXTRA_DIST += tests/support/ensemble.py %reldir%/admin_shapes.json %reldir%/admin_support.py %reldir%/audit_lines.txt tests/support/namespace.py
EXTRA_DIST += tests/support/pki.py tests/support/zkwire.py %reldir%/DIFFERENCES.md \
	%reldir%/diff_generate.py %reldir%/diff_play.py %reldir%/diff_rules.py %reldir%/CuratorRecipes.java

# One a line: additions meet here from all sides.
dist_check_SCRIPTS += \
	%reldir%/admin.py \
	%reldir%/admin_restore.py \
	%reldir%/admin_snapshot.py \
	%reldir%/admin_tls.py \
	%reldir%/admin_words.py \
	%reldir%/agreement.py \
	%reldir%/audit.py \
	%reldir%/bad_clients.py \
	%reldir%/bad_input.py \
	%reldir%/c_client.py \
	%reldir%/cli.py \
	%reldir%/client_tls.py \
	%reldir%/connections.py \
	%reldir%/differential.py \
	%reldir%/dynamic_file.py \
	%reldir%/kazoo_recipes.py \
	%reldir%/lab_smoke.sh \
	%reldir%/metrics.py \
	%reldir%/offline.py \
	%reldir%/operations.py \
	%reldir%/peer_tls.py \
	%reldir%/pages.sh \
	%reldir%/reconfig.py \
	%reldir%/refusals.py \
	%reldir%/rescue.py \
	%reldir%/sessions.py \
	%reldir%/smoke.py \
	%reldir%/vulnerabilities.py
TESTS += \
	%reldir%/admin.py \
	%reldir%/admin_restore.py \
	%reldir%/admin_snapshot.py \
	%reldir%/admin_tls.py \
	%reldir%/admin_words.py \
	%reldir%/agreement.py \
	%reldir%/audit.py \
	%reldir%/bad_clients.py \
	%reldir%/bad_input.py \
	%reldir%/c_client.py \
	%reldir%/cli.py \
	%reldir%/client_tls.py \
	%reldir%/connections.py \
	%reldir%/differential.py \
	%reldir%/dynamic_file.py \
	%reldir%/kazoo_recipes.py \
	%reldir%/lab_smoke.sh \
	%reldir%/metrics.py \
	%reldir%/offline.py \
	%reldir%/operations.py \
	%reldir%/peer_tls.py \
	%reldir%/pages.sh \
	%reldir%/reconfig.py \
	%reldir%/refusals.py \
	%reldir%/rescue.py \
	%reldir%/sessions.py \
	%reldir%/smoke.py \
	%reldir%/vulnerabilities.py

if HAVE_ZOOKEEPER_CLIENT
check_PROGRAMS += c_client
c_client_SOURCES = %reldir%/c_client.c
c_client_LDADD = -lzookeeper_mt -lpthread
endif

# The limits at their full size.
EXTRA_PROGRAMS += crowd
crowd_SOURCES = %reldir%/crowd.c
crowd_LDADD = libcore.a
dist_check_SCRIPTS += %reldir%/limits.py
limits: all crowd
	VIV_BUILD_DIR=$(abs_top_builddir) VIV_SOURCE_DIR=$(abs_top_srcdir) /usr/bin/python3 $(srcdir)/tests/interop/limits.py
.PHONY: limits

# The long form: mixed ensembles with Apache ZooKeeper, random conversations with both, real clients and their recipes.
dist_check_SCRIPTS += %reldir%/mixed.py %reldir%/mixed_policies.py %reldir%/migration.py %reldir%/curator.py %reldir%/mutants.py %reldir%/patroni.py %reldir%/zkcli.py %reldir%/zookeeper_data.py
interop: all
	VIV_BUILD_DIR=$(abs_top_builddir) /usr/bin/python3 $(srcdir)/tests/interop/mixed.py
	VIV_BUILD_DIR=$(abs_top_builddir) /usr/bin/python3 $(srcdir)/tests/interop/mixed_policies.py
	VIV_BUILD_DIR=$(abs_top_builddir) /usr/bin/python3 $(srcdir)/tests/interop/migration.py
	VIV_BUILD_DIR=$(abs_top_builddir) /usr/bin/python3 $(srcdir)/tests/interop/reconfig.py --real
	VIV_BUILD_DIR=$(abs_top_builddir) VIV_SOURCE_DIR=$(abs_top_srcdir) \
		/usr/bin/python3 $(srcdir)/tests/interop/zookeeper_data.py
	VIV_BUILD_DIR=$(abs_top_builddir) /usr/bin/python3 $(srcdir)/tests/interop/admin.py --real
	VIV_BUILD_DIR=$(abs_top_builddir) /usr/bin/python3 $(srcdir)/tests/interop/admin_words.py --real
	VIV_BUILD_DIR=$(abs_top_builddir) VIV_SOURCE_DIR=$(abs_top_srcdir) \
		/usr/bin/python3 $(srcdir)/tests/interop/admin_snapshot.py --real
	VIV_BUILD_DIR=$(abs_top_builddir) VIV_SOURCE_DIR=$(abs_top_srcdir) \
		/usr/bin/python3 $(srcdir)/tests/interop/admin_restore.py --all
	VIV_BUILD_DIR=$(abs_top_builddir) /usr/bin/python3 $(srcdir)/tests/interop/audit.py --real
	VIV_BUILD_DIR=$(abs_top_builddir) /usr/bin/python3 $(srcdir)/tests/interop/metrics.py --real
	VIV_BUILD_DIR=$(abs_top_builddir) /usr/bin/python3 $(srcdir)/tests/interop/agreement.py --ensemble
	VIV_BUILD_DIR=$(abs_top_builddir) /usr/bin/python3 $(srcdir)/tests/interop/peer_tls.py --java
	VIV_BUILD_DIR=$(abs_top_builddir) /usr/bin/python3 $(srcdir)/tests/interop/kazoo_recipes.py --all
	VIV_BUILD_DIR=$(abs_top_builddir) /usr/bin/python3 $(srcdir)/tests/interop/zkcli.py
	VIV_BUILD_DIR=$(abs_top_builddir) /usr/bin/python3 $(srcdir)/tests/interop/curator.py
	VIV_BUILD_DIR=$(abs_top_builddir) /usr/bin/python3 $(srcdir)/tests/interop/patroni.py
	VIV_BUILD_DIR=$(abs_top_builddir) /usr/bin/python3 $(srcdir)/tests/interop/differential.py --operations 100000
	VIV_BUILD_DIR=$(abs_top_builddir) /usr/bin/python3 $(srcdir)/tests/interop/differential.py --operations 20000 \
		--servers 3 --backend all
	VIV_BUILD_DIR=$(abs_top_builddir) VIV_SOURCE_DIR=$(abs_top_srcdir) \
		/usr/bin/python3 $(srcdir)/tests/interop/client_tls.py --java
	VIV_BUILD_DIR=$(abs_top_builddir) /usr/bin/python3 $(srcdir)/tests/interop/sessions.py --ensemble
	VIV_BUILD_DIR=$(abs_top_builddir) VIV_SOURCE_DIR=$(abs_top_srcdir) \
		/usr/bin/python3 $(srcdir)/tests/interop/connections.py --slow
.PHONY: interop
