"""Where the time of a short separation goes: start-up, and the operators of the network."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from .scaling import timed

#: Python programs whose difference is what each stage costs; the last one is the whole command.
STAGES = {
    "python": "pass",
    "import mgdm_audio": "import mgdm_audio",
    "--help": "from mgdm_audio.cli import main; main(['--help'])",
    "import torch": "import torch",
    "all imports": "import mgdm_audio.batch",
    "prior loaded": "import mgdm_audio.batch, mgdm_audio; mgdm_audio.load_prior({prior!r}, 'cpu')",
    "stems written": "from mgdm_audio.cli import main; main([{track!r}, '--name', {prior!r}, "
    "'--quality', 'fast', '--device', 'cpu', '--out', {out!r}, '--overwrite', '--quiet'])",
}


def start_up(track: Path, prior: str, repeats: int) -> str:
    """A table of wall-clock and processor seconds from the start of a process to its end."""
    lines = ["| until | wall clock | processor |", "| --- | ---: | ---: |"]
    with tempfile.TemporaryDirectory() as out:
        for name, program in STAGES.items():
            code = program.format(track=str(track), prior=prior, out=out)
            runs = [timed([sys.executable, "-c", code])[:2] for _ in range(repeats)]
            wall, cpu = (min(values) for values in zip(*runs, strict=True))
            lines.append(f"| {name} | {wall:.2f} s | {cpu:.2f} s |")
    return "\n".join(lines) + "\n"


def operators(prior: str, rows: int = 20, calls: int = 3) -> str:
    """PyTorch's table of the dearest operators in calls for two windows (a stereo file's)."""
    import torch
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as record

    from mgdm_audio.pretrained import load_prior

    loaded = load_prior(prior, "cpu")
    length = round(loaded.segment * loaded.samplerate) // loaded.stride * loaded.stride
    x = torch.randn(2, len(loaded.sources), length)
    level, known = torch.tensor(loaded.sigmas[1]), torch.tensor(0.0)
    levels = (level, known) if loaded.conditional else (level,)
    loaded.denoise(x, *levels)
    with record(activities=[ProfilerActivity.CPU]) as recorded:
        for _ in range(calls):
            loaded.denoise(x, *levels)
    table = recorded.key_averages()
    return table.table("self_cpu_time_total", row_limit=rows, max_name_column_width=32)
