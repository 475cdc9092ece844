#!/bin/sh
# Some seeds of the simulator, as TAP: nothing is found, and a run is the same every time. More of them with VIV_LONG=1;
# the long form: make sim.
set -u
sim=${VIV_BUILD_DIR:-.}/vivarium-sim
folder=$(mktemp -d "${TMPDIR:-/tmp}/viv-sim-XXXXXX") || exit 1
trap 'rm -rf "$folder"' EXIT
first=1
last=20
[ -n "${VIV_LONG:-}" ] && last=200

tell() { sed 's/^/# /' "$folder/out"; }

if "$sim" --seeds "$first..$last" --folder "$folder" >"$folder/out" 2>&1; then
    echo "ok 1 - seeds $first..$last end well"
else
    echo "not ok 1 - seeds $first..$last end well"
fi
tell
"$sim" --seeds 3..8 --digest >"$folder/one" 2>&1
"$sim" --seeds 3..8 --digest >"$folder/two" 2>&1
if [ "$(wc -l <"$folder/one")" -eq 6 ] && cmp -s "$folder/one" "$folder/two"; then
    echo "ok 2 - a seed is the same run every time"
else
    echo "not ok 2 - a seed is the same run every time"
fi
# What a seed is goes through a file, and is the same run again.
"$sim" --seed 7 --print >"$folder/schedule" && "$sim" --replay "$folder/schedule" --digest >"$folder/again" 2>&1
if grep -qx "$(sed -n 5p "$folder/one")" "$folder/again"; then
    echo "ok 3 - a schedule file is the run that it was written from"
else
    echo "not ok 3 - a schedule file is the run that it was written from"
fi
here=$(dirname "$0")
# replay NUMBER SCHEDULE WHAT
replay() {
    if "$sim" --replay "$here/$2.schedule" --folder "$folder" >"$folder/out" 2>&1; then
        echo "ok $1 - $3"
    else
        echo "not ok $1 - $3"
        tell
    fi
}
replay 4 short_epochs "sessions may end with the last entry of an epoch"
replay 5 killed_after_reconfiguring "who was told of a new configuration knows it after a kill"
echo 1..5
