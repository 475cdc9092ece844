#!/bin/sh
# A seed is the same run whatever built the simulator: gcc and clang, without optimisation and with it, as TAP.
#
#   digests.sh FIRST..LAST    in a build folder (VIV_BUILD_DIR), or through `make digests`
set -u
seeds=${1:-1..200}
build=$(cd "${VIV_BUILD_DIR:-.}" && pwd)
source=$(cd "$(dirname "$0")/../.." && pwd)
folder=$build/digests
mkdir -p "$folder" || exit 1
number=0

tell() {
    number=$((number + 1))
    if [ "$1" -eq 0 ]; then echo "ok $number - $2"; else echo "not ok $number - $2"; fi
}

# make_one COMPILER LEVEL: the digests of its build are in digests/COMPILER-LEVEL.txt.
make_one() {
    place=$folder/$1-$2
    mkdir -p "$place" && cd "$place" || return 1
    if [ ! -x config.status ]; then
        eval "'$source/configure' --quiet $("$build/config.status" --config) CC='${CCACHE:-} $1' CFLAGS='-g -$2'" || return 1
    fi
    make -s vivarium-sim >"$place.log" 2>&1 && ./vivarium-sim --seeds "$seeds" --digest >"$place.txt" 2>&1
}

first=
for compiler in gcc clang; do
    for level in O0 O2; do
        if ! command -v "$compiler" >/dev/null; then
            number=$((number + 1))
            echo "ok $number - $compiler -$level # SKIP there is no $compiler"
            continue
        fi
        (make_one "$compiler" "$level")
        [ -s "$folder/$compiler-$level.txt" ]
        tell $? "$compiler -$level runs seeds $seeds"
        if [ -z "$first" ]; then
            first=$compiler-$level
        else
            cmp -s "$folder/$first.txt" "$folder/$compiler-$level.txt"
            tell $? "$compiler -$level comes to the digests of $first"
        fi
    done
done
# Control: another run has another digest.
"$folder/$first/vivarium-sim" --seeds 1..20 --break early-ack --digest --folder "$folder" >"$folder/broken.txt" 2>&1
head -20 "$folder/$first.txt" | cmp -s - "$folder/broken.txt"
tell $((!$?)) "a run that is not the same is told apart"
echo "1..$number"
