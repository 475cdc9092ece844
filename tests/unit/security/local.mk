check_PROGRAMS += test_security
TESTS += test_security
test_security_SOURCES = %reldir%/support.c %reldir%/support.h %reldir%/test_channel.c %reldir%/test_jaas.c \
	%reldir%/test_key_store.c %reldir%/test_sasl.c \
	tests/support/viv_test.h
test_security_LDADD = $(viv_test_libs)
EXTRA_DIST += %reldir%/stores/make.sh %reldir%/stores/key.jks %reldir%/stores/key.p12 %reldir%/stores/key.pem \
	%reldir%/stores/expired.p12 %reldir%/stores/old.p12 %reldir%/stores/plain.pem %reldir%/stores/trust.jks %reldir%/stores/trust.p12 \
	%reldir%/stores/trust.pem
