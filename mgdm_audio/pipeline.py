"""One mixture on its way through a separator: blocks of draws, then what is done to the stems."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from .audio import resample, resampled_length, share_out
from .audio.absent import Sharer, share_absent
from .audio.blocks import Block, Chunker, Joiner, plan_blocks
from .audio.refine import Refiner
from .audio.resample import REACH
from .audio.spectra import BAND_WINDOW, band_power
from .audio.speed import HOP, combined
from .audio.stereo import imbalance, mid_side
from .audio.templates import ADAPTIVE, DEFAULT, Refitter
from .audio.tuning import retuning
from .engine import Progress, karras_schedule, sample
from .noise import PlacedNoise
from .separation import Uncertainty
from .settings import QUANTUM
from .windowed import windowed_sampler

if TYPE_CHECKING:
    from .separator import Separator

#: Windows a block, context not counted. A constant, so that results do not depend on the machine.
BLOCK_WINDOWS = 16

#: Time of a fit of templates, in denoiser calls for one channel; for the progress alone.
FIT = 0.2

#: Fractional part of the golden ratio.
GOLDEN = 0.618034


class Pipeline:
    """One mixture on its way through a separator.

    Args:
        separator: whose prior and settings are used.
        mixture: ``[C, T]``, float32, whose channels differ.
        samplerate: of the mixture, in Hz.
        progress: called with seconds of audio done, and their total.
    """

    def __init__(
        self,
        separator: Separator,
        mixture: np.ndarray,
        samplerate: int,
        progress: Callable[[float, float], None] | None = None,
    ):
        self.separator, self.mixture, self.rate = separator, mixture, samplerate
        self.prior_rate = separator.prior.samplerate
        steps, rho = separator.settings.steps, separator.settings.rho
        self.sigmas = karras_schedule(steps, *separator.prior.sigmas, rho)
        self.length = resampled_length(mixture.shape[-1], samplerate, self.prior_rate)
        self.low = resample(mixture, samplerate, self.prior_rate, self.length)
        self.gain = self._gain()
        self.tuning = (1, 1)
        if separator.settings.retune:
            self.tuning = retuning(torch.from_numpy(self.low), self.prior_rate)
        self.imbalance = None
        if separator.settings.mid_side and len(self.low) == 2:
            self.imbalance = imbalance(torch.from_numpy(self.low))
        self.progress = progress
        fits = FIT * sum(map(len, separator.settings.templates))
        calls = steps * separator.settings.draws * len(self.low)
        self.fit_share = fits / (fits + calls)
        self.drawn = self.fitted = 0.0  # how far both stages are, 0 to 1
        self.powers: list[tuple[Tensor, Tensor]] = []
        context = 0 if steps == 1 else 1
        self.blocks = plan_blocks(self.length, separator.grid, BLOCK_WINDOWS, context)

    def chunks(self) -> Iterator[tuple[int, int, np.ndarray]]:
        """Finished stems at the file's rate: sample's index, position, ``[C, K, n]``."""
        separator = self.separator
        quantum, hop = chunk_steps(self.prior_rate, self.rate)
        halo = -(-max(REACH, 3 * hop) // quantum) * quantum
        joiners = [Joiner(separator.grid) for _ in range(separator.samples)]
        # MPS has no complex numbers in all the operators that spectra need.
        device = separator.device if separator.device.type == "cuda" else "cpu"
        channels = len(self.low)
        sharers = [Sharer(self.length, separator.absent, device) for _ in range(separator.samples)]
        rounds = separator.settings.templates
        # Fits of templates weigh the stems' places; twice would be too much of it.
        refiners = [
            Refiner(self.length, channels, device=device, spatial=not rounds)
            for _ in range(separator.samples)
        ]
        settings = ADAPTIVE if separator.settings.adaptive else DEFAULT
        refitters = [
            Refitter(self.length, rounds, device, settings) for _ in range(separator.samples)
        ]
        chunkers = [Chunker(self.length, quantum, halo) for _ in range(separator.samples)]
        self._report(0.0)
        for block in self.blocks:
            for index, stems in enumerate(self._block(block)):
                parts = sharers[index].push(joiners[index].push(block, stems))
                if separator.settings.refine:
                    parts = self._refine(refiners[index], parts)
                if rounds:
                    parts = self._refit(refitters[index], parts)
                for part in parts:
                    for first, last, begin, piece in chunkers[index].push(part):
                        yield index, *self._finish(first, last, begin, piece, hop)
            self._report(min(block.last, self.length) / self.length)

    def _refine(self, refiner: Refiner, parts: Iterable[Tensor]) -> Iterator[Tensor]:
        for part in parts:
            yield from refiner.push(part, self.low)

    def _refit(self, refitter: Refitter, parts: Iterable[Tensor]) -> Iterator[Tensor]:
        for part in parts:
            for fitted in refitter.push(part, self.low):
                self.fitted += fitted.shape[-1] / self.length / self.separator.samples
                self._report(self.drawn)
                yield fitted

    def uncertainty(self, scale: float) -> Uncertainty | None:
        """Spread of the draws over time and frequency, times `scale`, if it was kept."""
        if not self.powers:
            return None
        spread, mean = (
            torch.cat(parts, -1).numpy() * np.float32(scale)
            for parts in zip(*self.powers, strict=True)
        )
        return Uncertainty(spread, mean, self.prior_rate)

    def _gain(self) -> float:
        level = self.separator.prior.level
        rms = float(np.sqrt(np.mean(np.square(self.low, dtype=np.float64))))
        if not self.separator.normalize or level is None or rms == 0.0:
            return 1.0
        return level / rms

    def _block(self, block: Block) -> list[Tensor]:
        """Stems of a block, ``[C, K, end - begin]`` on the CPU, one set a sample."""
        separator = self.separator
        # Short files are filled up with silence to a whole number of the network's frames.
        length = block.end - block.begin
        if len(self.blocks) == 1 and length <= separator.grid.window:
            quantum = math.lcm(separator.prior.stride, QUANTUM)
            length = -(-length // quantum) * quantum
        y = self.low[:, block.begin : block.begin + length]
        y = np.pad(y, ((0, 0), (0, length - y.shape[-1])))
        sources, draws = len(separator.prior.sources), separator.settings.draws
        if not y.any():
            zeros = torch.zeros(len(y), sources, length, dtype=torch.float32)
            self._remember(block, [zeros] * (separator.samples * draws))
            return [zeros.clone() for _ in range(separator.samples)]
        mixture = torch.from_numpy(y).to(separator.device)[:, None] * self.gain
        remembers = separator.samples * draws > 1 and separator.settings.steps > 1
        sets, drawn = [], []
        for index in range(separator.samples):
            total = mixture.new_zeros(())
            for draw in range(draws):
                x = self._draw(mixture, block, index * draws + draw)
                drawn += [x.cpu()] if remembers else []
                total = total + x
            mean = total / draws
            if not separator.residual:
                mean += (mixture - mean.sum(1, keepdim=True)) / sources
            sets.append(mean.div_(self.gain).cpu())
        self._remember(block, drawn)
        return sets

    def _draw(self, mixture: Tensor, block: Block, draw: int) -> Tensor:
        separator = self.separator
        channels, _, length = mixture.shape
        shape = (channels, len(separator.prior.sources), length)
        noise = PlacedNoise((separator.seed, draw), channels, block.begin, length, separator.device)
        draws = separator.samples * separator.settings.draws
        span = min(block.last, self.length) - block.first
        windows = separator.grid.count(length) * channels
        state = {"step": 0, "windows": 0}

        def advance() -> None:
            part = (state["step"] + min(state["windows"] / windows, 0.99)) / len(self.sigmas)
            self._report((block.first + span * (draw + part) / draws) / self.length)

        def on_windows(count: int) -> None:
            state["windows"] += count
            advance()

        def on_step(progress: Progress) -> None:
            state.update(step=progress.step + 1, windows=0)
            advance()

        # Music has no polarity, the network's error has: turning every other draw averages most of
        # it out. Nor does it matter where frames begin: means, which have no noise to differ by,
        # average over that as well. Multiples of the golden ratio spread any number of shifts
        # evenly. And a tone a little higher, of an instrument a little smaller, is as likely as the
        # one given. What mid and side tell apart left and right may not, where both sides are
        # alike.
        polarity = -1 if draw % 2 else 1
        turns = draw // 2 * GOLDEN if separator.settings.is_mean else 0.0
        shift = round(turns % 1 * separator.prior.stride)
        speed = separator.settings.speeds[draw % len(separator.settings.speeds)]
        speed = combined(speed, self.tuning)
        alike = self.imbalance is not None and self.imbalance < separator.settings.mid_side
        as_mid_side = alike and draw % 3 == 1
        heard = polarity * (mid_side(mixture) if as_mid_side else mixture)
        sampler = windowed_sampler(separator, heard, on_windows, shift, speed)
        x0 = polarity * sample(sampler, self.sigmas, shape, noise=noise, callback=on_step)
        return mid_side(x0) if as_mid_side else x0

    def _finish(
        self, first: int, last: int, begin: int, piece: Tensor, hop: int
    ) -> tuple[int, np.ndarray]:
        """Bring a chunk to the file's rate and add what the stems leave of the mixture."""
        total = self.mixture.shape[-1]

        def scaled(position: int) -> int:
            """From the prior's rate to the file's: exact, but at the end of the file."""
            exact = position * self.rate // self.prior_rate
            return total if position == self.length else exact

        at, end = scaled(begin), scaled(begin + piece.shape[-1])
        start, stop = scaled(first), scaled(last)
        channels, sources, _ = piece.shape
        up = resample(piece.flatten(0, 1).numpy(), self.prior_rate, self.rate, end - at)
        up = torch.from_numpy(up).unflatten(0, (channels, sources))
        rest = torch.from_numpy(self.mixture[:, at:end]) - up.sum(1)
        if self.separator.residual:
            up = torch.cat([up, rest[:, None]], 1)
        else:
            up += share_out(rest, piece * self.gain, hop)
        return start, up[..., start - at : stop - at].numpy()

    def _remember(self, block: Block, drawn: list[Tensor]) -> None:
        """Keep how much the draws differ, as power over time and frequency, ``[K, bands, n]``.

        One-step estimates are all posterior means: what they differ by is no uncertainty.
        """
        separator = self.separator
        if len(drawn) < 2 or separator.settings.steps == 1:
            return
        stop = min(block.last, self.length)
        # The first frame hears half a window of what comes before the block.
        hop = BAND_WINDOW // 2
        lead = hop if block.first - block.begin >= hop else 0
        core = slice(block.first - block.begin - lead, max(stop - block.begin, 0))
        stems = [share_absent(x[..., core], separator.absent) / self.gain for x in drawn]
        each = sum(band_power(x, self.prior_rate) for x in stems) / len(stems)
        mean = band_power(sum(stems) / len(stems), self.prior_rate)
        spread = (each - mean).clamp_min(0) * (len(stems) / (len(stems) - 1))
        frames = slice(lead // hop, None if block.is_last else -1)
        self.powers.append((spread.mean(0)[..., frames], each.mean(0)[..., frames]))

    def _report(self, drawn: float) -> None:
        """Tell how much is done, the denoiser being at `drawn`, 0 to 1."""
        self.drawn = min(drawn, 1.0)
        if self.progress is not None:
            total = self.mixture.shape[-1] / self.rate
            done = self.drawn + self.fit_share * (min(self.fitted, 1.0) - self.drawn)
            self.progress(total * done, total)


def chunk_steps(prior_rate: int, rate: int) -> tuple[int, int]:
    """What chunks begin at multiples of, and the frames by which they share the treble.

    In samples at the prior's rate: a chunk begins on a whole sample of the file's rate as well,
    which with rates like 44,099 Hz is one a second. Frames are a half to twice `HOP` all the same,
    so that shares follow the music, and divide the former, so that they lie alike in all chunks.
    """
    align = prior_rate // math.gcd(prior_rate, rate)
    quantum = align * max(round(HOP / align), 1)
    divisors = (n for n in range(1, 4 * HOP) if quantum % n == 0)
    return quantum, min(divisors, key=lambda n: abs(math.log(n / HOP)))
