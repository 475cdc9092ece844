EXTRA_DIST += %reldir%/README.md %reldir%/make.sh %reldir%/results.lock %reldir%/vivarium.bib %reldir%/vivarium.tex

# The folders that the lock names are part of the release; other runs beside them are not.
dist-hook:
	for folder in $$(sed -n 's/.*"folder": "\(.*\)".*/\1/p' '$(top_srcdir)/paper/results.lock'); do \
	  if test -d "$(top_srcdir)/$$folder"; then \
	    $(MKDIR_P) "$(distdir)/$$folder" && cp -R "$(top_srcdir)/$$folder/." "$(distdir)/$$folder/" || exit 1; \
	  fi; \
	done

# `make paper RESULTS=DIR` uses that run where the locked one is not there.
paper:
	PYTHONDONTWRITEBYTECODE=1 $(PY_LOG_COMPILER) $(top_srcdir)/experiments/analysis/generate.py \
	  --top '$(top_srcdir)' --out paper/generated --results '$(RESULTS)'
	$(SHELL) $(top_srcdir)/paper/make.sh '$(top_srcdir)/paper' paper
.PHONY: paper

mostlyclean-local:
	-rm -rf paper/generated
	-rm -f paper/vivarium.aux paper/vivarium.bbl paper/vivarium.blg paper/vivarium.log paper/latex.out paper/vivarium.out \
	  paper/vivarium.pdf
