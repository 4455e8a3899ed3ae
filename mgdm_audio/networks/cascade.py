"""Two denoisers in a row: the second corrects what the first makes of a known mixture."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn

from .band import BandDenoiser, per_item

PARTS = ("first", "second", "third")


class BandCascade(nn.Module):
    r"""`BandDenoiser` whose estimate of the stems given their mixture is corrected by another.

    At the highest noise level the noisy stems tell next to nothing, only the mixture speaks: what
    is wanted there is the posterior mean, a plain separation. `first` makes it; its errors are then
    noise of a kind to `second`, which is a denoiser of stems whose mixture is known as well, and
    is trained on these errors. At all other levels, and as a plain prior, the network is `first`.

    The errors are strong where stems overlap, so `second` is told of coloured noise: of variance
    `error` times what the static Wiener filter leaves in each bin.

    Both hear a second or so around each moment. What is done with their estimates afterwards may
    know the whole track (`mgdm_audio.audio.templates`); a `third`, if there is one, corrects that,
    and is trained on it.

    Args:
        sources: number of stems `K`.
        top: noise level from which on a conditional estimate is corrected: the prior's highest,
            see `check_top`.
        error: variance of that noise, relative to the static Wiener filter's squared error. Below
            what `first` leaves (0.1 to 0.6): so told, a copy of `first` begins as good as `first`.
        third: whether there is one, see `correct`.
        left: as `error`, of the estimates that `third` corrects.
        options: of each `BandDenoiser`.

    Shape:
        as `BandDenoiser`, with noise of one level in all bins.
    """

    conditional = True  # takes sigma_mix

    def __init__(
        self,
        sources: int = 4,
        top: float = 2.0,
        error: float = 0.1,
        third: bool = False,
        left: float = 0.03,
        **options,
    ):
        super().__init__()
        self.top, self.error, self.left = top, error, left
        self.first = BandDenoiser(sources, **options)
        self.second = BandDenoiser(sources, **options)
        self.third = BandDenoiser(sources, **options) if third else None
        self.stride = self.first.stride

    @property
    def stft(self) -> nn.Module:
        return self.first.stft

    @property
    def variance(self) -> Tensor:
        return self.first.variance

    def forward(self, x: Tensor, sigma: Tensor | float, sigma_mix: Tensor | float | None = None):
        estimate = self.first(x, sigma, sigma_mix)
        if sigma_mix is None:
            return estimate
        sigma, sigma_mix = per_item(sigma, x), per_item(sigma_mix, x)
        # Schedules reach the top but for rounding.
        corrected = (sigma_mix == 0) & (sigma > 0.999 * self.top)
        if not corrected.any():
            return estimate
        second = self.second(estimate[corrected], self.error_level(self.error), 0.0)
        if corrected.all():
            return second
        return estimate.index_put((corrected,), second)

    def correct(self, stems: Tensor) -> Tensor:
        """What `third` makes of separated stems ``[B, K, T]``, of their sum.

        Raises:
            ValueError: there is none.
        """
        if self.third is None:
            raise ValueError("this network has no third part to correct separated stems with")
        return self.third(stems, self.error_level(self.left), 0.0)

    def error_level(self, part: float) -> Tensor:
        """Standard deviation, ``[1, bins]``, of errors that are `part` of the Wiener filter's."""
        variance = self.first.variance
        left = (variance * (1 - variance / variance.sum(0))).sum(0) / (len(variance) - 1)
        return (part * left).sqrt()[None]

    def compile(self, *args, **kwargs) -> None:
        """See `BandDenoiser.compile`."""
        for part in self.children():
            part.compile(*args, **kwargs)

    def wiener(self, x: Tensor, sigma: Tensor | float, sigma_mix: Tensor | float | None = None):
        """See `BandDenoiser.wiener`."""
        return self.first.wiener(x, sigma, sigma_mix)

    def expected_error(self, sigma: Tensor, sigma_mix: Tensor) -> Tensor:
        """See `BandDenoiser.expected_error`."""
        return self.first.expected_error(sigma, sigma_mix)


def check_top(net: nn.Module, sigma_max: float) -> None:
    """A cascade corrects at the highest noise level of its prior, no other.

    Raises:
        ValueError: it does not.
    """
    if isinstance(net, BandCascade) and net.top != sigma_max:
        raise ValueError(f"the network's top is {net.top:g}, the prior's sigma_max {sigma_max:g}")


def fitting(weights: dict[str, Tensor], names: Iterable[str]) -> dict[str, Tensor]:
    """`weights` by name, for a network that has `names`.

    Those of one network serve all of a cascade, those of a cascade's first one network, and those
    of a cascade's last a third that it lacks.
    """
    given, wanted = ({n.split(".")[0] for n in each} & {*PARTS} for each in (weights, names))
    if wanted and not given:
        return {f"{part}.{n}": w for part in PARTS if part in wanted for n, w in weights.items()}
    if given and not wanted:
        return part_of(weights, PARTS[0])
    if missing := wanted - given:
        last = part_of(weights, max(given, key=PARTS.index))
        return weights | {f"{part}.{name}": w for part in missing for name, w in last.items()}
    return weights


def part_of(weights: dict[str, Tensor], part: str) -> dict[str, Tensor]:
    """Weights of a cascade's `part`, by their names in a network of its own."""
    start = part + "."
    return {n.removeprefix(start): w for n, w in weights.items() if n.startswith(start)}
