#!/bin/sh
# The rules of the house that have a number or a table, as TAP. Run from anywhere; VIV_SOURCE_DIR names the sources.
set -u
top=${VIV_SOURCE_DIR:-$(dirname "$0")/..}
cd "$top" || exit 1
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

sources() { find engine backends experiments tests -name '*.c' -o -name '*.h' -o -name '*.def' | LC_ALL=C sort; }
c_files() { sources | grep '\.c$'; }
h_files() { sources | grep '\.h$'; }

ok "files have at most 600 lines" "$(sources | xargs awk 'FNR > 600 && !seen[FILENAME]++ { print FILENAME }')"
ok "headers outside tests have at most 250 lines" \
    "$(h_files | grep -v '^tests/' | xargs awk 'FNR > 250 && !seen[FILENAME]++ { print FILENAME }')"
ok "lines have at most 120 columns" "$(sources | xargs awk 'length > 120 { print FILENAME ":" FNR }')"
ok "no tabs, no blanks at line ends" "$(sources | xargs grep -nP '\t|[ \t]+$' | cut -c1-80)"
# A function body opens with a brace in the first column and ends with one.
ok "functions have at most 60 lines" "$(c_files | xargs awk '
    FNR == 1 { start = 0 }
    /^\{/ { start = FNR }
    /^\}/ { if (start && FNR - start > 61) print FILENAME ":" start; start = 0 }')"
ok "guards open on the first line, carry the path, and close on the last" "$(for h in $(h_files); do
    guard=$(printf 'VIV_%s' "$h" | sed 's|^VIV_engine/|VIV_|; s|[^A-Za-z0-9]|_|g' | tr a-z A-Z)
    head -n 1 "$h" | grep -qx "#ifndef $guard" && tail -n 1 "$h" | grep -q "^#endif /\* $guard \*/$" || echo "$h ($guard)"
done)"
ok "no leftovers" "$(sources | xargs grep -nE '\b(TODO|FIXME|XXX|HACK)\b' | cut -c1-100)"
ok "no typedef of structs, no NDEBUG" "$(sources | xargs grep -nE '^typedef struct|NDEBUG' | cut -c1-100)"

pure='engine/base engine/wire engine/tree engine/detect engine/zab engine/partition engine/metrics engine/node'
ok "the centre includes no header of the operating system" "$(find $pure -name '*.[ch]' | xargs grep -nE \
    '#include <(time|sys/[a-z]+|unistd|pthread|errno|uv|fcntl|signal|dirent|netinet/.*|arpa/.*|setjmp|threads)\.h>')"

# room: what it may include beside itself and base.
rooms='base:
wire:
store:
detect:
zab:wire detect
partition:wire
tree:wire
metrics:
node:tree zab partition metrics wire store
zkdata:tree wire
datadir:store tree zkdata wire
client:wire security
security:wire
admin:server node tree zab store wire client partition metrics zkdata security datadir
server:admin node tree zab store wire client partition metrics zkdata security datadir
cli:client zkdata wire tree store datadir security
sim:node tree zab detect partition metrics wire store datadir'
ok "rooms include only what the house allows" "$(printf '%s\n' "$rooms" | while IFS=: read -r room allowed; do
    pattern=$(printf '%s|' base "$room" $allowed | sed 's/|$//')
    find "engine/$room" -name '*.[ch]' 2>/dev/null | xargs -r grep -nE '^#include "[a-z]+/' |
        grep -vE "#include \"($pattern)/" | grep -v 'engine/server/main.c.*backends/registry.h' |
        grep -vE 'engine/(server|cli|sim)/[a-z_]+\.[ch]:.*backends/registry.h'
done)"
ok "backends include only store and base beside their own folder" "$(for b in backends/*/; do
    name=$(basename "$b")
    find "$b" -name '*.[ch]' | xargs -r grep -nE '^#include "[a-z]+/' |
        grep -vE "#include \"(store|base|backends/$name)/"
done)"
ok "the lab does not include the server" "$(find experiments -name '*.[ch]' | xargs -r grep -nE \
    '#include "(server|node|zab|store|backends)/')"

printf '1..%d\n' "$number"
