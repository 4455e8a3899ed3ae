#!/usr/bin/env bash
# Everything that the band prior's card says of its weights, measured anew: one file a table in OUT.
#
#   recipes/band/figures.sh OUT RECORDINGS [PRIOR]
#
# RECORDINGS is a folder as recipes.band.recordings takes it, PRIOR a name or folder (default: band).
# The sets are those in runs/band. Tables that OUT has are kept, so that a call that was cut short
# goes on. Two streams of one thread each do more on two cores than one stream of two threads.
set -euo pipefail
out=$(realpath -m "$1") recordings=$(realpath "$2") prior=${3:-band}
[[ -d $prior ]] && prior=$(realpath "$prior")
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
sets=runs/band
mkdir -p "$out"

# table NAME RECIPE OPTIONS: a table appears under its name when it is whole.
table() {
  local name=$1 recipe=$2
  shift 2
  [[ -e $out/$name.md ]] && return
  OMP_NUM_THREADS=1 "$python" -m "recipes.band.$recipe" "$@" >"$out/.$name" 2>"$out/$name.log" ||
    { echo "$name failed, see $out/$name.log" >&2; return 1; }
  mv "$out/.$name" "$out/$name.md"
}

# The tables that decide come first.
first() {
  table songs card "$prior" $sets/songs $sets/songs-freepats --no-levels
  table stereo stereo --prior "$prior" $sets/songs $sets/recorded --count 8
  table missing missing --prior "$prior" $sets/songs $sets/recorded --count 8 --quality fast
}

second() {
  table validation card "$prior" $sets/validation --no-levels
  table recordings recordings "$recordings" --prior "$prior"
  table eight card "$prior" $sets/validation $sets/test $sets/recorded --count 8
  table recordings-no-piano recordings "$recordings" --prior "$prior" --without piano
  table recordings-no-mid-side recordings "$recordings" --prior "$prior" --no-mid-side
  table recordings-mid-side recordings "$recordings" --prior "$prior" --mid-side
  table confusion confusion --prior "$prior" $sets/validation $sets/songs $sets/recorded
  table tuning tuning "$prior" $sets/songs $sets/songs-freepats $sets/validation $sets/recorded --count 8
}

first & one=$!
second & two=$!
status=0
wait $one || status=1
wait $two || status=1
exit $status
