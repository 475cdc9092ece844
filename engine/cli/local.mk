EXTRA_DIST += %reldir%/README.md
noinst_LIBRARIES += libcli.a
libcli_a_SOURCES = \
	%reldir%/args.c %reldir%/args.h \
	%reldir%/cli.c %reldir%/cli.h \
	%reldir%/command.c %reldir%/command.h %reldir%/commands.def \
	%reldir%/exit_code.h

bin_PROGRAMS += vivarium-cli
vivarium_cli_SOURCES = %reldir%/main.c
vivarium_cli_LDADD = libcli.a $(viv_libs) $(EDIT_LIBS)
