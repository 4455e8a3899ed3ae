"""Time and peak memory of a separation by length, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

RUN = """
import json, resource, sys, time
began = time.perf_counter()
import mgdm_audio
loaded = time.perf_counter()
separator = mgdm_audio.Separator(prior=sys.argv[2], quality=sys.argv[3], device=sys.argv[4])
ready = time.perf_counter()
separator.separate_file(sys.argv[1])
done = time.perf_counter()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"import": loaded - began, "load": ready - loaded, "separate": done - ready,
                  "peak_mib": peak / 1024}))
"""


def measure(prior: str, quality: str, seconds: float, device: str) -> dict:
    """Separate `seconds` of stereo noise at 44.1 kHz; times in seconds, memory in MiB."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "noise.wav"
        rng = np.random.default_rng(0)
        with soundfile.SoundFile(path, "w", 44100, 2, "PCM_16") as file:
            for _ in range(round(seconds)):
                file.write(0.1 * rng.standard_normal((44100, 2)))
        output = subprocess.run(
            [sys.executable, "-c", RUN, str(path), prior, quality, device],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    return {"quality": quality, "seconds": seconds, **json.loads(output)}


def markdown(results: Sequence[dict]) -> str:
    """The table, with the real-time factor."""
    rows = [
        "| quality | length | separate | real-time factor | peak memory |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for r in results:
        factor = r["separate"] / r["seconds"]
        rows.append(
            f"| {r['quality']} | {r['seconds']:g} s | {r['separate']:.1f} s "
            f"| {factor:.2f} | {r['peak_mib']:.0f} MiB |"
        )
    return "\n".join(rows) + "\n"
