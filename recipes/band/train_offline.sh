#!/usr/bin/env bash
# Train the band prior on a machine with a GPU and PyTorch but no network, in calls of under ten
# minutes, from a copy of this checkout of at most 64 MiB a call.
#
#   here    recipes/band/train_offline.sh prepare [SOUNDS]
#           gathers in .carry/: wheels, fonts, sounds (a pack, see README.md), sets (from runs/band).
#           Then it says what each call below carries, and ends with status 1 if one is too large.
#           TARGET_PYTHON=3.12 if the other Python differs; QUALITY=0.1 of the sounds.
#   there   1. carry .carry/wheels .carry/sounds: recipes/band/train_offline.sh check
#           2. carry .carry/fonts:                recipes/band/train_offline.sh check
#           3. carry .carry/sets:                 recipes/band/train_offline.sh train 9 --minutes 20
#           4. carry nothing, and again until the log says "done":  the same command as in 3
#           What was carried once stays there.
#           `train WALL OPTIONS` stops after WALL minutes, setting up included, and goes on at the next
#           call; OPTIONS are those of python -m mgdm_audio.training. --minutes is the training time
#           in all calls together. $OUT receives the averaged weights in parts of at most 15 MiB, the
#           configuration with their checksum, the log and the TensorBoard files.
#   here    recipes/band/train_offline.sh join FOLDER priors/band
#           puts the parts together, checks them, and ships them as that prior.
#
# Variables of `train`: BATCH and WORKERS change the configuration (default: as it is, cores - 1),
# CONFIG, RUN (name below runs/), START (weights to begin with), PRECISION (bf16-mixed), COMPILE
# (--compile; empty for none), PYTHON. On a machine that was lost between calls, run calls 1 to 3
# again with START=priors/band/weights.safetensors after a `join`. The plain prior is a run of its
# own: CONFIG=priors/band-plain/config.toml RUN=plain START=priors/band-plain/weights.safetensors.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
carry=.carry
run=runs/${RUN:-offline}
site=${SITE:-/tmp/mgdm-site}

prepare() {
  mkdir -p $carry/wheels $carry/fonts
  # What the package needs and an image made for PyTorch is unlikely to have. PyTorch itself is
  # far too large to carry.
  "$python" -m pip download --quiet --no-deps --only-binary=:all: --dest $carry/wheels \
    --python-version "${TARGET_PYTHON:-3.12}" --implementation cp \
    --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 \
    --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
    --platform manylinux1_x86_64 \
    soundfile cffi pycparser soxr tinysoundfont mido einops lightning-fabric lightning-utilities
  # FluidR3_GM.sf2 (148 MB) stays here: FluidR3Mono is the same instruments in mono.
  local font path
  for font in FluidR3Mono_GM.sf3 sf_GMbank.sf2; do
    path=$(find -L /usr/share/sounds /usr/share/soundfonts -name "$font" 2>/dev/null | head -n 1) || true
    if [ -n "$path" ]; then cp -L "$path" $carry/fonts/; else echo "not installed: $font" >&2; fi
  done
  local options=()
  [ -z "${1:-}" ] || options+=(--sounds "$1" --quality "${QUALITY:-0.1}")
  [ ! -d runs/band/songs ] || options+=(--sets runs/band)
  "$python" -m recipes.band.carry $carry "${options[@]}"
  local tree
  tree=$(git ls-files -z --cached --others --exclude-standard | du -cb --files0-from=- | tail -n 1 | cut -f 1)
  echo "working tree: $(mebibytes "$tree")"
  local status=0
  report 1 "$tree" wheels sounds || status=1
  report 2 "$tree" fonts || status=1
  report 3 "$tree" sets || status=1
  return $status
}

mebibytes() { awk -v bytes="$1" 'BEGIN { printf "%.1f MiB", bytes / 1048576 }'; }

# report CALL TREE FOLDER...: the size of what a call sends.
report() {
  local call=$1 total=$2 folder bytes
  shift 2
  for folder in "$@"; do
    [ -d "$carry/$folder" ] || continue
    bytes=$(du -sb "$carry/$folder" | cut -f 1)
    echo "$carry/$folder: $(mebibytes "$bytes")"
    total=$((total + bytes))
  done
  echo "call $call sends $(mebibytes "$total") of 64 MiB"
  ((total < 64 * 1048576)) || {
    echo "call $call is too large: send its folders, or theirs, in separate calls, or lower QUALITY" >&2
    return 1
  }
}

check() {
  "$python" -c 'import torch' 2>/dev/null || {
    echo "$python has no PyTorch: name one that has it with PYTHON=" >&2
    exit 1
  }
  if [ ! -e "$site/.done" ]; then
    "$python" -m pip install --quiet --no-index --no-deps --no-compile --upgrade \
      --find-links $carry/wheels --target "$site" $carry/wheels/*.whl
    touch "$site/.done"
  fi
  export PYTHONPATH=$site:. PYTHONUNBUFFERED=1 OMP_WAIT_POLICY=PASSIVE
  # Fonts are looked for where Debian has them.
  mkdir -p /usr/share/sounds/sf3 /usr/share/sounds/sf2
  cp -n $carry/fonts/*.sf3 /usr/share/sounds/sf3/ 2>/dev/null || true
  cp -n $carry/fonts/*.sf2 /usr/share/sounds/sf2/ 2>/dev/null || true
  "$python" - <<'CHECK'
import torch

import mgdm_audio.training.loop
import recipes.band.dataset
from recipes.band.sounds.bank import installed_fonts

device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
print(f"torch {torch.__version__}, {device}, fonts: {', '.join(installed_fonts()) or 'none'}")
CHECK
}

train() {
  local minutes=$1 began=$SECONDS
  shift
  : "${OUT:?names the folder that receives the results}"
  check
  local config=$run/prior/config.toml options=(--precision "${PRECISION:-bf16-mixed}" ${COMPILE---compile})
  mkdir -p "$run/prior" runs/band
  [ ! -f $carry/sounds/samples.csv ] || options+=(--data "sounds=$carry/sounds")
  [ ! -d $carry/sets ] || cp -rn $carry/sets/. runs/band/
  local cores
  cores=$(nproc)
  sed -e "s/^workers = .*/workers = ${WORKERS:-$((cores > 1 ? cores - 1 : 1))}/" \
    -e "s/^batch_size = .*/batch_size = ${BATCH:-\0}/; s/^batch_size = batch_size = /batch_size = /" \
    "${CONFIG:-priors/band/config.toml}" >"$config"
  if [ -n "${START:-}" ] && [ ! -e "$run/state.pt" ]; then cp "$START" "$run/initial.safetensors"; fi
  # INT, then KILL: what was saved last stands, and the weights below are of that save.
  local status=0 left=$((60 * minutes - SECONDS + began - 20))
  timeout --signal=INT --kill-after=10 "$left" "$python" -m mgdm_audio.training \
    --config "$config" --out "$run" "${options[@]}" "$@" >>"$run/log.txt" 2>&1 || status=$?
  case $status in
    0) echo "done" >>"$run/log.txt" ;;
    124 | 137) echo "out of time in this call; the next one goes on" >>"$run/log.txt" ;;
  esac
  tail -n 30 "$run/log.txt"
  cp "$run/log.txt" "$OUT/"
  # Only so much comes back, and audio makes them grow with every validation: their first 30 MiB.
  tar -cz -C "$run" logs | head -c 30M | split --bytes=15M --numeric-suffixes - "$OUT/logs.tar.gz." || true
  if [ -e "$run/ema.pt" ]; then
    "$python" -m mgdm_audio.training.export "$run" "$run/prior"
    split --bytes=15M --numeric-suffixes "$run/prior/weights.safetensors" "$OUT/weights.safetensors."
    cp "$config" "$OUT/"
  fi
  case $status in 0 | 124 | 137) ;; *) exit "$status" ;; esac
}

join() {
  local folder=$1 prior=$2 expected found
  cat "$folder"/weights.safetensors.[0-9]* >"$prior/.weights"
  expected=$(sed -n 's/^sha256 = "\(.*\)"/\1/p' "$folder/config.toml")
  found=$(sha256sum "$prior/.weights" | cut -d ' ' -f 1)
  if [ "$expected" != "$found" ]; then
    rm "$prior/.weights"
    echo "$folder: the parts do not make the weights that config.toml names; is one missing?" >&2
    exit 1
  fi
  local workers # of the configuration are the other machine's
  workers=$(sed -n 's/^workers = \([0-9]*\).*/\1/p' "$prior/config.toml")
  sed -e "s/^workers = .*/workers = ${workers:-1}/" "$folder/config.toml" >"$prior/.config"
  mv "$prior/.weights" "$prior/weights.safetensors"
  mv "$prior/.config" "$prior/config.toml"
  echo "$prior: weights and configuration of $folder"
}

case "${1:-}" in
  prepare | check | train | join) "$@" ;;
  *)
    sed -n '2,/^set -e/{/^set -e/d;s/^# \{0,1\}//p}' "$0"
    exit 2
    ;;
esac
