"""Denoising loss in units of the static Wiener filter's error."""

from __future__ import annotations

from torch import Tensor


def relative_loss(
    estimate: Tensor, wiener: Tensor, clean: Tensor, expected: Tensor | None = None
) -> Tensor:
    """Squared error of each stem over that of the Wiener filter: 1 is the filter, 0 is perfect.

    The unit is the error of the item itself, so that quiet and loud passages, and every noise
    level, count alike. A tenth of the item's mean error keeps stems that the filter gets nearly
    right from dominating, and 3 % of the `expected` error keeps near-silence from it.

    That unit depends on the clean stems, and a weight that does pulls the minimiser away from the
    posterior mean wherever the noise hides how loud a stem is: towards quiet stems, whose errors
    weigh most. With the mixture known its loudness shows; a plain prior at high noise learns to
    answer silence, and its samples are silent. Use `level_loss` for priors that are sampled.

    Shape: three of ``[B, K, T]``, and ``[B, K]``, to ``[B, K]``.
    """
    error = (estimate - clean).square().mean(-1)
    unit = (wiener - clean).square().mean(-1)
    unit = 0.9 * unit + 0.1 * unit.mean(1, keepdim=True)
    if expected is not None:
        unit = unit + 0.03 * expected
    return error / (unit.detach() + 1e-14)


def level_loss(estimate: Tensor, wiener: Tensor, clean: Tensor, expected: Tensor) -> Tensor:
    """Squared error of each stem over what the Wiener filter is expected to make at that level.

    The unit knows the noise level but not the item, so loud passages outweigh quiet ones, as they
    do in a plain squared error, and the minimiser is the posterior mean. For plain priors.

    Shape: as `relative_loss`; `wiener` is not used.
    """
    return (estimate - clean).square().mean(-1) / (expected + 1e-14)


def log_loss(
    estimate: Tensor, wiener: Tensor, clean: Tensor, expected: Tensor | None = None
) -> Tensor:
    """Logarithm of the `relative_loss`, a tenth of its unit added: what SI-SDR counts, about.

    A decibel counts alike wherever it is gained, and so more where little is wrong: a mean of
    SI-SDR over stems and tracks weighs errors so.

    Shape: as `relative_loss`.
    """
    return (relative_loss(estimate, wiener, clean, expected) + 0.1).log()


def mixture_loss(estimate: Tensor, wiener: Tensor, clean: Tensor, expected: Tensor) -> Tensor:
    """Squared error of each stem over what the Wiener filter expects of it given the mixture.

    `relative_loss` divides by the error that the filter made. Where a note may be one stem's or
    another's that is small if it was the likelier one's and large if not, so that being wrong about
    the unlikelier stem costs little, and the minimiser leans to what the filter believes. Here the
    unit depends on the mixture alone, which the network knows: the minimiser is the posterior mean,
    and loud and quiet passages count alike all the same.

    For conditional examples at the highest level, where `wiener` is a filtered mixture. At others
    the noisy stems tell more, and `LOSSES` pairs it with `relative_loss`.

    Shape: as `relative_loss`.
    """
    error = (estimate - clean).square().mean(-1)
    rest = clean.sum(1, keepdim=True) - wiener
    # Of gain g and mixture m in a bin, the filter's posterior variance is g (1 - g) |m|^2 there.
    unit = (wiener * rest).mean(-1).clamp_min(0.0)
    unit = 0.9 * unit + 0.1 * unit.mean(1, keepdim=True) + 0.03 * expected
    return error / (unit.detach() + 1e-14)


def mixture_log_loss(estimate: Tensor, wiener: Tensor, clean: Tensor, expected: Tensor) -> Tensor:
    """Logarithm of the `mixture_loss`, 0.3 of its unit added.

    As `log_loss`, but what weighs an item's error does not lean to the likelier stem. An item
    lasts some seconds of what SI-SDR counts as one, and a second in which all goes well does not
    make up for others, so small errors are given less of what they gain by the logarithm.

    Shape: as `relative_loss`.
    """
    return (mixture_loss(estimate, wiener, clean, expected) + 0.3).log()


#: By name: the loss of examples that start from the mixture, and of all others.
LOSSES = {
    "relative": (relative_loss, relative_loss),
    "level": (level_loss, level_loss),
    "log": (log_loss, log_loss),
    "mixture": (mixture_loss, relative_loss),
    "mixture-log": (mixture_log_loss, log_loss),
}
