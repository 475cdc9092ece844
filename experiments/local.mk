EXTRA_DIST += %reldir%/README.md %reldir%/backends.yaml %reldir%/failover.yaml %reldir%/linearizable.yaml \
	%reldir%/peers.yaml %reldir%/quick.yaml %reldir%/schemes.yaml
include experiments/lab/local.mk
include experiments/analysis/local.mk
