#!/bin/sh
# make.sh SOURCES OUT: builds OUT/vivarium.pdf from SOURCES/vivarium.tex and OUT/generated. `make paper` calls it.
set -eu
sources=$(cd "$1" && pwd)
cd "$2"
fail() {
    printf 'paper: %s\n' "$*" >&2
    exit 1
}
command -v pdflatex >/dev/null 2>&1 && command -v bibtex >/dev/null 2>&1 ||
    fail "pdflatex is not installed: ./bootstrap paper installs what is needed"

# The sources stay where they are; everything that LaTeX writes stays here.
latex() {
    TEXINPUTS="$sources:" pdflatex -interaction=nonstopmode -halt-on-error vivarium.tex >latex.out 2>&1 || {
        grep -A 3 '^!' latex.out >&2 || tail -n 20 latex.out >&2
        fail "pdflatex failed, its log is $PWD/vivarium.log"
    }
}

latex
BIBINPUTS="$sources:" bibtex vivarium >latex.out 2>&1 || {
    cat latex.out >&2
    fail "bibtex failed"
}
latex
latex
! grep -E 'undefined|multiply defined' vivarium.log >&2 || fail "references are missing"
printf 'paper: %s/vivarium.pdf\n' "$PWD"
