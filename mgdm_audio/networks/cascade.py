"""Two denoisers in a row: the second corrects what the first makes of a known mixture."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn

from .band import BandDenoiser, per_item

PARTS = ("first", "second")


class BandCascade(nn.Module):
    r"""`BandDenoiser` whose estimate of the stems given their mixture is corrected by another.

    At the highest noise level the noisy stems tell next to nothing, only the mixture speaks: what
    is wanted there is the posterior mean, a plain separation. `first` makes it; its errors are then
    noise of a kind to `second`, which is a denoiser of stems whose mixture is known as well, and
    is trained on these errors. At all other levels, and as a plain prior, the network is `first`.

    The errors are strong where stems overlap, so `second` is told of coloured noise: of variance
    `error` times what the static Wiener filter leaves in each bin.

    Args:
        sources: number of stems `K`.
        top: noise level from which on a conditional estimate is corrected: the prior's highest,
            see `check_top`.
        error: variance of that noise, relative to the static Wiener filter's squared error. Below
            what `first` leaves (0.1 to 0.6): so told, a copy of `first` begins as good as `first`.
        options: of both `BandDenoiser`.

    Shape:
        as `BandDenoiser`, with noise of one level in all bins.
    """

    conditional = True  # takes sigma_mix

    def __init__(self, sources: int = 4, top: float = 2.0, error: float = 0.1, **options):
        super().__init__()
        self.top, self.error = top, error
        self.first = BandDenoiser(sources, **options)
        self.second = BandDenoiser(sources, **options)
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
        second = self.second(estimate[corrected], self.error_level(), 0.0)
        if corrected.all():
            return second
        return estimate.index_put((corrected,), second)

    def error_level(self) -> Tensor:
        """Standard deviation of the errors of `first`, as the second takes it: ``[1, bins]``."""
        variance = self.first.variance
        left = (variance * (1 - variance / variance.sum(0))).sum(0) / (len(variance) - 1)
        return (self.error * left).sqrt()[None]

    def compile(self, *args, **kwargs) -> None:
        """See `BandDenoiser.compile`."""
        self.first.compile(*args, **kwargs)
        self.second.compile(*args, **kwargs)

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

    Those of one network serve both of a cascade, and those of a cascade's first one network.
    """
    given, wanted = (any(n.split(".")[0] in PARTS for n in each) for each in (weights, names))
    if wanted and not given:
        return {f"{part}.{name}": w for part in PARTS for name, w in weights.items()}
    if given and not wanted:
        first = PARTS[0] + "."
        return {n.removeprefix(first): w for n, w in weights.items() if n.startswith(first)}
    return weights
