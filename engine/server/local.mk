libskin_a_SOURCES += \
	%reldir%/address.c %reldir%/address.h \
	%reldir%/address_counts.c %reldir%/address_counts.h \
	%reldir%/background.c %reldir%/background.h \
	%reldir%/caller.c %reldir%/caller.h \
	%reldir%/caller_tls.c \
	%reldir%/client_listener.c \
	%reldir%/client_port.c %reldir%/client_port.h \
	%reldir%/completion.c %reldir%/completion.h \
	%reldir%/config.c %reldir%/config_check.c %reldir%/config.h %reldir%/config_internal.h %reldir%/config_keys.def \
	%reldir%/config_values.c \
	%reldir%/data_dir.c %reldir%/data_dir.h \
	%reldir%/election_peers.c %reldir%/election_peers.h \
	%reldir%/election_port.c %reldir%/election_port.h \
	%reldir%/ensemble.c %reldir%/ensemble.h \
	%reldir%/environment.c %reldir%/environment.h \
	%reldir%/exit_code.h \
	%reldir%/four_letter.c %reldir%/four_letter.def %reldir%/four_letter.h \
	%reldir%/four_letter_answer.c %reldir%/four_letter_internal.h %reldir%/four_letter_list.c \
	%reldir%/large_frames.c %reldir%/large_frames.h \
	%reldir%/log_sink.c %reldir%/log_sink.h \
	%reldir%/log_thread.c %reldir%/log_thread.h \
	%reldir%/mailbox.c %reldir%/mailbox.h \
	%reldir%/measure.c %reldir%/measure.h \
	%reldir%/outbox.c %reldir%/outbox.h \
	%reldir%/peer_channel.c %reldir%/peer_channel.h \
	%reldir%/perform.c \
	%reldir%/quorum_port.c %reldir%/quorum_port.h \
	%reldir%/recovery.c %reldir%/recovery.h \
	%reldir%/sasl_port.c %reldir%/sasl_port.h \
	%reldir%/server.c %reldir%/server.h %reldir%/server_internal.h \
	%reldir%/tls_ports.c %reldir%/tls_ports.h \
	%reldir%/trace.c %reldir%/trace.h \
	%reldir%/view.c %reldir%/view.h

bin_PROGRAMS += vivarium
vivarium_SOURCES = %reldir%/main.c
vivarium_LDADD = $(viv_libs)

# What a machine that runs the server as a service needs. The example stays an example: nothing in sysconfdir is touched.
examplesdir = $(docdir)/examples
dist_examples_DATA = %reldir%/vivarium.cfg.example
systemdsystemunitdir = @systemdsystemunitdir@
systemdsystemunit_DATA = engine/server/vivarium.service
EXTRA_DIST += %reldir%/vivarium.service.in
CLEANFILES += engine/server/vivarium.service
engine/server/vivarium.service: %reldir%/vivarium.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) engine/server && \
	$(SED) -e 's|@bindir[@]|$(bindir)|g' -e 's|@sysconfdir[@]|$(sysconfdir)|g' $(srcdir)/engine/server/vivarium.service.in >$@.part && \
	mv $@.part $@
