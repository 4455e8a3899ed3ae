#!/usr/bin/env bash
# The tables that say how good the band prior's weights are (its card, docs/qualities.md), measured anew: SI-SDRi of all
# sets, of recordings and of panned and detuned music, confusion, missing stems. One file a table in OUT.
#
#   recipes/band/figures.sh OUT RECORDINGS [PRIOR]
#
# RECORDINGS is a folder as recipes.band.recordings takes it, PRIOR a prior's folder (default:
# priors/band). The sets are those in runs/band. Tables that OUT has are kept, so that a call that was
# cut short goes on; with other weights it is refused. Two streams of one thread each do more on two
# cores than one stream of two threads.
set -euo pipefail
out=$(realpath -m "$1") recordings=$(realpath "$2")
prior=$(realpath "${3:-$(dirname "$0")/../../priors/band}")
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
sets=runs/band
mkdir -p "$out"

exec 9>"$out/.lock"
flock -n 9 || { echo "$out: another call is at work there" >&2; exit 1; }
weights=$(sha256sum <"$prior/weights.safetensors")
[[ -e $out/.weights ]] || echo "$weights" >"$out/.weights"
[[ $(<"$out/.weights") == "$weights" ]] ||
  { echo "$out: tables of other weights; choose another folder, or delete it" >&2; exit 1; }

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
  table recordings recordings "$recordings" --prior "$prior"
  table recordings-no-piano recordings "$recordings" --prior "$prior" --without piano
  table missing missing --prior "$prior" $sets/songs $sets/recorded --count 8 --quality fast
  table recordings-no-mid-side recordings "$recordings" --prior "$prior" --no-mid-side
  table recordings-mid-side recordings "$recordings" --prior "$prior" --mid-side
}

second() {
  table eight card "$prior" $sets/validation $sets/test $sets/recorded --count 8
  table validation card "$prior" $sets/validation --no-levels
  table confusion confusion --prior "$prior" $sets/validation $sets/songs $sets/recorded
  table tuning tuning "$prior" $sets/songs $sets/songs-freepats $sets/validation $sets/recorded --count 8
  table stereo stereo --prior "$prior" $sets/songs $sets/recorded --count 8
}

set -m # a process group for each stream, so that all of it ends with the script
first &
one=$!
second &
two=$!
trap 'kill -- -$one -$two 2>/dev/null || true' EXIT
status=0
wait $one || status=1
wait $two || status=1
exit $status
