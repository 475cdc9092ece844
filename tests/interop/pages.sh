#!/bin/sh
# Manual pages and completion name everything that the programs know, and are well formed. TAP.
set -u
build=${VIV_BUILD_DIR:-.}
source=${VIV_SOURCE_DIR:-$(dirname "$0")/../..}
number=0

# ok NAME LIST: passes when the list of offenders is empty.
ok() {
    number=$((number + 1))
    if [ -z "$2" ]; then
        printf 'ok %d - %s\n' "$number" "$1"
    else
        printf 'not ok %d - %s\n' "$number" "$1"
        printf '%s\n' "$2" | head -n 20 | sed 's/^/# /'
    fi
}

page=$build/engine/man/vivarium-cli.1
completion=$build/engine/man/vivarium-cli
commands=$("$build/vivarium-cli" help | sed -n 's/^\([a-zA-Z]\{1,\}\).*/\1/p')
options=$("$build/vivarium-cli" --help | sed -n 's/^  \(--\{0,1\}[a-z-]\{1,\}\) .*/\1/p')

ok "help lists commands and options" "$([ "$(printf '%s\n' $commands | wc -l)" -gt 30 ] &&
    [ "$(printf '%s\n' $options | wc -l)" -gt 5 ] || printf '%s\n' "$commands $options")"
ok "the manual page names every command" "$(for name in $commands; do
    grep -q "^\.It Xo Cm $name\b" "$page" || echo "$name"
done)"
ok "the manual page names every option" "$(for name in $options; do
    sed 's/\\-/-/g; s/\\&//g' "$page" | grep -q "^\.It Fl ${name#-}\b" || echo "$name"
done)"
ok "the completion names every command" "$(for name in $commands; do
    grep -q "^    $name) words=" "$completion" || echo "$name"
done)"
ok "a command that is not there is missed" "$(grep -q '^\.It Xo Cm nonsense\b' "$page" && echo found)"
ok "the configuration's page names every key of --help" "$("$build/vivarium" --help |
    sed -n '/^Keys:/,/^$/s/^  \([a-zA-Z0-9.]\{1,\}\) .*/\1/p' | while read -r key; do
    sed 's/\\-/-/g' "$build/engine/man/vivarium.cfg.5" | grep -qF ".It Ic $key" || echo "$key"
done)"
if bash -n "$completion" 2>/dev/null; then
    complete_at() { # the words so far; prints what the last one may become
        bash -c '. "$0"; compopt() { :; }; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _vivarium_cli
                 printf "%s " "${COMPREPLY[@]}"' "$completion" "$@"
    }
    ok "a command is completed" "$(complete_at vivarium-cli --json getA | grep -vx 'getAcl getAllChildrenNumber ')"
    ok "an option of a command is completed" "$(complete_at vivarium-cli delete -v 3 - | grep -vx -- '-v ')"
    ok "an option of the program is completed" "$(complete_at vivarium-cli --ser | grep -vx -- '--server ')"
else
    ok "the completion is a script that bash reads" "$(bash -n "$completion" 2>&1)"
fi
if command -v mandoc >/dev/null; then
    ok "the manual pages are well formed" "$(mandoc -T lint -W warning "$page" "$build/engine/man/vivarium.cfg.5" \
        "$source/engine/man/vivarium.8" "$source/engine/man/vivarium-lab.1" \
        "$source/engine/man/vivarium-sim.1" 2>&1)"
else
    number=$((number + 1))
    printf 'ok %d - the manual pages are well formed # SKIP mandoc is not installed\n' "$number"
fi
printf '1..%d\n' "$number"
