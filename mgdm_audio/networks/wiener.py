"""Closed-form Gaussian posterior of stacked stems under the two-level noise of a mixture."""

from __future__ import annotations

from torch import Tensor


def wiener_posterior(
    noisy: Tensor, variance: Tensor, sigma: Tensor, sigma_mix: Tensor, dim: int
) -> tuple[Tensor, Tensor]:
    r"""Posterior mean and variance of ``x ~ N(0, diag(variance))`` given ``noisy = x + n``.

    The noise has standard deviation `sigma` on the sum-zero subspace of the `K` stems (axis `dim`)
    and `sigma_mix` along the mixture direction ``u = 1 / sqrt(K)``:
    ``N = sigma^2 (I - u u') + sigma_mix^2 u u'``. ``S + N`` is diagonal plus rank one, so
    Sherman-Morrison gives the posterior without any inverse; every sum below is of positive terms,
    which keeps it stable down to ``sigma_mix = 0``, where the means sum to the mixture exactly.

    Args:
        noisy: any shape with `K` stems along `dim`; may carry a trailing real/imaginary axis.
        variance: prior variances, broadcastable to `noisy`.
        sigma, sigma_mix: standard deviations, broadcastable to `noisy` (size 1 along `dim`).

    Returns:
        mean, of the shape of `noisy`, and variance, of the broadcast shape of the other arguments.
    """
    noise, noise_mix = sigma**2, sigma_mix**2
    precision = 1.0 / (variance + noise)
    gain = variance * precision
    share = (variance + noise_mix) * precision
    total = share.sum(dim, keepdim=True)  # K q, see the module's test for the derivation
    pull = (noise - noise_mix) / total
    mean = gain * (noisy + pull * (precision * noisy).sum(dim, keepdim=True))
    posterior = gain * (noise * (total - share).clamp_min(0.0) + noise_mix) / total
    return mean, posterior
