# Manual pages and completion. What is a table of a program is taken from it when this is built.
noinst_PROGRAMS += man_tables
man_tables_SOURCES = %reldir%/tables.c
man_tables_LDADD = libcli.a libcore.a

dist_man_MANS = %reldir%/vivarium.8 %reldir%/vivarium-lab.1 %reldir%/vivarium-sim.1
nodist_man_MANS = engine/man/vivarium-cli.1 engine/man/vivarium.cfg.5
bashcompletiondir = $(datadir)/bash-completion/completions
bashcompletion_DATA = engine/man/vivarium-cli
viv_man_generated = $(nodist_man_MANS) $(bashcompletion_DATA)
viv_man_templates = %reldir%/vivarium-cli.1.in %reldir%/vivarium.cfg.5.in %reldir%/vivarium-cli.bash.in
EXTRA_DIST += $(viv_man_templates)
CLEANFILES += $(viv_man_generated)

# A line @part@ becomes what `man_tables part` prints.
viv_man_fill = $(MKDIR_P) engine/man && \
	while IFS= read -r line; do \
	case $$line in @*@) part=$${line\#@}; ./man_tables$(EXEEXT) $${part%@} || exit 1 ;; *) printf '%s\n' "$$line" ;; esac; \
	done <$$template >$@.part && mv $@.part $@
engine/man/vivarium-cli.1: %reldir%/vivarium-cli.1.in man_tables$(EXEEXT)
	$(AM_V_GEN)template=$(srcdir)/engine/man/vivarium-cli.1.in; $(viv_man_fill)
engine/man/vivarium.cfg.5: %reldir%/vivarium.cfg.5.in man_tables$(EXEEXT)
	$(AM_V_GEN)template=$(srcdir)/engine/man/vivarium.cfg.5.in; $(viv_man_fill)
engine/man/vivarium-cli: %reldir%/vivarium-cli.bash.in man_tables$(EXEEXT)
	$(AM_V_GEN)template=$(srcdir)/engine/man/vivarium-cli.bash.in; $(viv_man_fill)
