#!/usr/bin/env bash
# Train the band prior on a machine that has a GPU and PyTorch but no network.
#
#   here:   recipes/band/train_offline.sh prepare [SOUNDS]  gathers wheels, fonts, sounds in .carry/
#   there:  OUT=FOLDER recipes/band/train_offline.sh train MINUTES [training options]
#
# `train` stops after MINUTES and can be called again: it resumes while runs/ is still there. OUT
# receives the averaged weights in half precision in shards of at most 16 MiB (cat joins them), the
# configuration with their checksum, and the log.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
carry=.carry
run=runs/${RUN:-offline}

prepare() {
  mkdir -p $carry/wheels $carry/fonts $carry/sounds
  # What the target's Python needs and an image with PyTorch alone is unlikely to have.
  "$python" -m pip download --quiet --no-deps --only-binary=:all: --dest $carry/wheels \
    --python-version "${TARGET_PYTHON:-3.12}" --implementation cp \
    --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 \
    --platform manylinux2014_x86_64 --platform manylinux1_x86_64 \
    soundfile tinysoundfont mido lightning-fabric lightning-utilities einops
  for font in FluidR3Mono_GM.sf3 MuseScore_General.sf3 sf_GMbank.sf2; do
    find /usr/share/sounds /usr/share/samples -name "$font" -size -40M 2>/dev/null | head -n 1 |
      while read -r path; do cp -L "$path" $carry/fonts/; done
  done
  [ -z "${1:-}" ] || cp -r "$1"/. $carry/sounds/
  du -sh $carry
}

train() {
  local minutes=$1
  shift
  local site
  site=$(mktemp -d)
  "$python" -m pip install --quiet --no-index --no-deps --target "$site" $carry/wheels/*.whl
  export PYTHONPATH=$site:. PYTHONUNBUFFERED=1
  local options=()
  [ -z "$(ls -A $carry/sounds)" ] || options+=(--data "sounds=$carry/sounds")
  mkdir -p /usr/share/sounds/sf3 /usr/share/sounds/sf2 "$run"
  cp -n $carry/fonts/*.sf3 /usr/share/sounds/sf3/
  cp -n $carry/fonts/*.sf2 /usr/share/sounds/sf2/
  # TERM, not KILL: the last save stands, and the weights below are of that save.
  timeout "${minutes}m" "$python" -m mgdm_audio.training --config "${CONFIG:-priors/band/config.toml}" \
    --out "$run" --precision "${PRECISION:-bf16-mixed}" "${options[@]}" "$@" 2>&1 | tee -a "$run/log.txt" || true
  local prior=$run/prior
  mkdir -p "$prior"
  cp "${CONFIG:-priors/band/config.toml}" "$prior/config.toml"
  "$python" -m mgdm_audio.training.export "$run" "$prior"
  split --bytes=16M --numeric-suffixes "$prior/weights.safetensors" "$OUT/weights.safetensors."
  cp "$prior/config.toml" "$OUT/"
  cp "$run/log.txt" "$OUT/"
}

case "${1:-}" in
  prepare | train) "$@" ;;
  *)
    sed -n '2,10s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
