#!/usr/bin/env bash
# Train the band prior on a machine that has a GPU and PyTorch but no network.
#
#   here:   recipes/band/train_offline.sh prepare [SOUNDS]  gathers wheels, fonts, sounds in .carry/
#   there:  OUT=FOLDER recipes/band/train_offline.sh train MINUTES [training options]
#
# `train` stops after MINUTES and can be called again: it resumes while runs/ is still there. Into
# OUT come the averaged weights in half precision, in shards of at most 16 MiB, and the log.
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
  "$python" - "$run/ema.pt" "$OUT/weights.bin" <<'PY'
import sys
from pathlib import Path

import torch
from safetensors.torch import save

weights = torch.load(sys.argv[1], map_location="cpu", weights_only=True)
data = save({name: w.half().contiguous() for name, w in weights.items()})
for i in range(0, len(data), 16 * 2**20):
    Path(f"{sys.argv[2]}.{i // 2**24:02d}").write_bytes(data[i : i + 16 * 2**20])
PY
  cp "$run/log.txt" "$OUT/"
}

case "${1:-}" in
  prepare | train) "$@" ;;
  *)
    sed -n '2,9s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
