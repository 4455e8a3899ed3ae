"""Stems as few spectra that come back: what is unclear at one moment is often clear at another."""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .blocks import Block, Joiner
from .spectra import masking_istft, masking_stft
from .stereo import SEGMENT, mask, power
from .windows import Grid


@dataclass(frozen=True)
class FitSettings:
    """How stems are fitted; `recipes.band.templates` tries others.

    Attributes:
        section: samples that are modelled together, about: 95 s at 22,050 Hz. The more often a
            sound comes back, the better; twice as long bring little more, and take more memory.
        templates: of a stem, at most. With more the model follows the estimates' errors, with fewer
            it loses notes that come once. Sections this long need no more than short ones.
        density: samples for which a stem has one template where `templates` would be too many for
            the section.
        trust: weight of the estimates against the mixture: their spectra are the only clue to who
            plays what.
        updates: multiplicative updates towards the estimates alone, then towards the mixture as
            well. The former end before the templates can follow the estimates' errors.
        share: of the model in the result; the rest is the estimate.
        again: `misfit` of the first round up to which further ones count in full, and from which
            they are left out; in proportion in between. Notes of a sampler come back exactly, and
            gain from them; those of a guitarist do not, and lose.

    Raises:
        ValueError: the limits of `again` are not in order.
    """

    section: int = 64 * SEGMENT
    templates: int = 64
    density: int = 8192
    trust: float = 0.2
    updates: tuple[int, int] = (12, 8)
    share: float = 0.75
    again: tuple[float, float] = (math.inf, math.inf)

    def __post_init__(self) -> None:
        full, none = self.again
        if not (0 <= full < none < math.inf or full == none == math.inf):
            raise ValueError(f"again must be two growing numbers, or infinite, not {self.again}")

    def worth(self, misfit: float) -> float:
        """How much rounds after the first one count, 0 to 1."""
        full, none = self.again
        return 1.0 if misfit <= full else max((none - misfit) / (none - full), 0.0)


DEFAULT = FitSettings()

#: Further rounds where spectra come back. On songs of 24 and 96 s played by samplers the misfit is
#: 0.03 to 0.16, on 40 and 96 s of eight recordings 0.12 to 0.29; of these the lowest gains as well.
ADAPTIVE = FitSettings(again=(0.12, 0.165))

#: Samples over which a section fades into the next.
FADE = 4096


def fit_templates(
    stems: Tensor,
    mixture: Tensor,
    count: int,
    seed: int = 0,
    settings: FitSettings = DEFAULT,
) -> Tensor:
    """Magnitudes of stems as activations times templates, by non-negative matrix factorisation.

    With activations ``A_k`` and templates ``B_k`` of stem `k`, its estimate ``E_k`` and the mixture
    ``V``, multiplicative updates (Lee and Seung, "Algorithms for non-negative matrix
    factorization", NIPS 2000) lower

        D(V | sum_k A_k B_k) + trust * sum_k D(E_k | A_k B_k),

    D being the generalised Kullback-Leibler divergence; the first of them lower the second sum
    alone. A note that an estimate has given to the wrong stem for once is better explained by the
    stem whose templates have it from everywhere else.

    Args:
        stems: magnitudes ``[K, N, bins]`` of the estimates.
        mixture: magnitudes ``[N, bins]``, not all zero.
        count: templates of a stem.
        seed: of the matrices that the updates begin with.
        settings: `trust` and `updates` of them.

    Returns:
        ``[K, N, bins]``.
    """
    unit = mixture.mean()
    # Products never leave zero, and shares of nothing are no numbers.
    stems, mixture = stems / unit + 1e-6, mixture / unit + 1e-6
    bins = mixture.shape[-1]
    generator = torch.Generator().manual_seed(seed)

    def start(rows: int, columns: int) -> Tensor:
        matrix = 0.1 + torch.rand(rows, columns, generator=generator, dtype=torch.float32)
        return matrix.to(mixture).expand(len(stems), -1, -1)

    a = start(len(mixture), count) * stems.mean((1, 2), keepdim=True) * bins / count
    b = start(count, bins) / (0.6 * bins)
    for step in range(sum(settings.updates)):
        trust = settings.trust if step >= settings.updates[0] else None
        scale = 1.0 if trust is None else 1 + trust
        ratio = _ratio(a, b, stems, mixture, trust)
        a = a * (ratio @ b.mT) / (scale * b.sum(-1)[:, None] + 1e-9)
        ratio = _ratio(a, b, stems, mixture, trust)
        b = b * (a.mT @ ratio) / (scale * a.sum(1)[..., None] + 1e-9)
    return (a @ b).mul_(unit)


def _ratio(a: Tensor, b: Tensor, stems: Tensor, mixture: Tensor, trust: float | None) -> Tensor:
    """What the model lacks, as a factor: the updates' direction, ``[K, N, bins]``.

    Without `trust` only the stems count.
    """
    model = (a @ b).add_(1e-7)
    if trust is None:
        return stems / model
    whole = mixture / model.sum(0)
    return torch.div(stems, model, out=model).mul_(trust).add_(whole)


def misfit(stems: Tensor, model: Tensor) -> float:
    """Squared error of magnitudes against the model's, 0 if it has all that the stems are."""
    return float((stems - model).square().sum() / (stems.square().sum() + 1e-30))


def template_masks(
    stems: Tensor,
    mixture: Tensor,
    window: int,
    seed: int = 0,
    settings: FitSettings = DEFAULT,
) -> tuple[Tensor, float]:
    """Share the mixture's spectrum among the stems by their `fit_templates`.

    Two channels have templates in common, and stems' places between them count as well
    (`spatial_filter`); more are taken one by one.

    Args:
        stems: ``[C, K, T]``.
        mixture: ``[C, T]``.
        window: of the STFT, see `masking_stft`.
        seed: see `fit_templates`.
        settings: of the fit.

    Returns:
        ``[C, K, T]``, summing to the mixture over `K` up to rounding; and their `misfit`.
    """
    spectra, mixed = masking_stft(stems, window), masking_stft(mixture, window)
    groups = [slice(0, 2)] if len(stems) == 2 else [slice(c, c + 1) for c in range(len(stems))]
    misfits, powers = [], []
    for group in groups:
        part, own = spectra[group], mixed[group]
        loudness = power(own).mean(0).sqrt()
        if not loudness.any():
            part.copy_((own / part.shape[1])[:, None])
            continue
        count = min(max(round(stems.shape[-1] / settings.density), 4), settings.templates)
        estimates = power(part).mean(0).sqrt()
        shares = fit_templates(estimates, loudness, count, seed, settings)
        misfits.append(misfit(estimates, shares))
        powers.append(float(estimates.square().sum()))
        shares /= shares.sum(0)
        mask(part, own, window, lambda here, _, shares=shares: shares[:, here])
    fitted = masking_istft(spectra, window, stems.shape[-1])
    error = sum(m * p for m, p in zip(misfits, powers, strict=True))
    return fitted, error / (sum(powers) + 1e-30)


def refit(
    stems: Tensor,
    mixture: Tensor,
    rounds: Sequence[Sequence[int]],
    settings: FitSettings = DEFAULT,
) -> Tensor:
    """Estimated stems of a section, moved towards their `template_masks`.

    Args:
        stems: ``[C, K, T]``.
        mixture: ``[C, T]``.
        rounds: windows whose masks are averaged, in each round; a round begins with the stems that
            the last one made. Fits end in different optima, so that their mean is better. What
            counts after the first round is up to ``settings.again``.
        settings: of the fits.

    Returns:
        ``[C, K, T]``. Stems that sum to the mixture still do.
    """
    seed, share = 0, settings.share
    for index, windows in enumerate(rounds):
        masked, total = torch.zeros_like(stems), 0.0
        for window in windows:
            fitted, error = template_masks(stems, mixture, window, seed, settings)
            masked += fitted
            total += error
            seed += 1
        stems = torch.lerp(stems, masked / len(windows), share)
        if index == 0:
            share *= settings.worth(total / len(windows))
        if share == 0:
            break
    return stems


def sections(length: int, halo: int, section: int = DEFAULT.section) -> list[Block]:
    """About equal parts of `length` samples, near `section` long, with `halo` either side."""
    count = max(round(length / section), 1)
    segments = -(-length // SEGMENT)
    edges = [SEGMENT * (i * segments // count) for i in range(count)] + [length]
    return [
        Block(max(first - halo, 0), min(last + halo, length), first, last)
        for first, last in itertools.pairwise(edges)
    ]


class Refitter:
    """`refit` for a signal that comes in pieces, a section at a time; pieces make no difference.

    Args:
        length: samples of the whole signal.
        rounds: see `refit`.
        device: where to compute; pieces come from the CPU and go back there.
        settings: of the fits.
    """

    def __init__(
        self,
        length: int,
        rounds: Sequence[Sequence[int]],
        device: torch.device | str = "cpu",
        settings: FitSettings = DEFAULT,
    ):
        self.rounds, self.device, self.settings = rounds, device, settings
        # Frames that reach beyond a piece's end are wrong there; each round carries that further.
        reach = sum(max(windows) for windows in rounds)
        self.sections = deque(sections(length, reach + FADE, settings.section))
        self.joiner = Joiner(Grid(settings.section + FADE, settings.section))
        self.buffer: Tensor | None = None
        self.begin = 0  # position of the buffer's first sample

    def push(self, stems: Tensor, mixture: np.ndarray) -> Iterator[Tensor]:
        """Take stems ``[C, K, n]``, yield those of finished sections in order.

        Args:
            stems: the next piece.
            mixture: the whole signal, ``[C, length]``.
        """
        self.buffer = stems if self.buffer is None else torch.cat([self.buffer, stems], -1)
        while self.sections and self.begin + self.buffer.shape[-1] >= self.sections[0].end:
            block = self.sections.popleft()
            piece = self._between(block.begin, block.end).to(self.device)
            part = torch.from_numpy(mixture[:, block.begin : block.end]).to(self.device)
            fitted = refit(piece, part, self.rounds, self.settings).cpu()
            # The next section begins before this one's end, within the buffer.
            keep = self.sections[0].begin if self.sections else block.end
            self.buffer, self.begin = self._between(keep, None).clone(), keep
            yield self.joiner.push(block, fitted)

    def _between(self, first: int, last: int | None) -> Tensor:
        """The buffer from one position of the signal to another."""
        stop = None if last is None else last - self.begin
        return self.buffer[..., first - self.begin : stop]
