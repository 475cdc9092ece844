EXTRA_DIST += %reldir%/README.md
libskin_a_SOURCES += \
	%reldir%/jaas.c %reldir%/jaas.h \
	%reldir%/sasl.c %reldir%/sasl.h \
	%reldir%/key_store.c %reldir%/key_store.h \
	%reldir%/key_store_formats.c \
	%reldir%/key_store_jks.c \
	%reldir%/tls_channel.c %reldir%/tls_channel.h \
	%reldir%/tls_context.c %reldir%/tls_context.h \
	%reldir%/tls_fault.c %reldir%/tls_fault.h \
	%reldir%/tls_settings.c %reldir%/tls_settings.h \
	%reldir%/x509_identity.c %reldir%/x509_identity.h
