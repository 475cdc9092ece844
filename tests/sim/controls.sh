#!/bin/sh
# What is broken on purpose is found by the simulator, each within a few seeds, as TAP; all of it with VIV_LONG=1.
set -u
sim=${VIV_BUILD_DIR:-.}/vivarium-sim
folder=$(mktemp -d "${TMPDIR:-/tmp}/viv-sim-XXXXXX") || exit 1
trap 'rm -rf "$folder"' EXIT
number=0

# found BREAK FIRST LAST WORDS: some seed says these words.
found() {
    number=$((number + 1))
    "$sim" --seeds "$2..$3" --break "$1" --folder "$folder" >"$folder/out" 2>&1
    status=$?
    if [ "$status" -eq 1 ] && grep -q "^seed [0-9]*: .*$4" "$folder/out"; then
        echo "ok $number - $1 is found"
    else
        echo "not ok $number - $1 is found"
        sed 's/^/# /' "$folder/out"
    fi
}

found early-ack 1 3 'before its own disk has it'
found old-zxid 1 3 'nobody has applied'
if [ -n "${VIV_LONG:-}" ]; then
    found lying-disk 11 16 'had called .* durable'
    found lying-directory 1 4 'had called .* durable'
    found truncate-less 5 7 'had called .* durable and does not have it'
    found lost-hard-state 1 3 'current_epoch'
    found high-vote 44 44 'does not take a write'
    found free-wipe 5 9 'lead epoch\|does not take a write'
    found free-rot 62 62 'does not take a write\|do not come together'
    if "${VIV_BUILD_DIR:-.}/vivarium" --version | grep '^backends:' | grep -q lmdb-wal.*rocksdb-wal; then
        found lying-library 534 534 'nobody has applied\|where another applied'
    else
        number=$((number + 1))
        echo "ok $number - lying-library is found # SKIP this build lacks LMDB or RocksDB"
    fi
fi
echo "1..$number"
