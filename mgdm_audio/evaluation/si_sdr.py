"""Scale-invariant signal-to-distortion ratio (Le Roux et al., ICASSP 2019, arXiv 1811.02508)."""

from __future__ import annotations

from torch import Tensor


def si_sdr(estimate: Tensor, reference: Tensor, eps: float = 1e-8) -> Tensor:
    r"""``10 log10(|a s|^2 / |a s - e|^2)`` with ``a = <e, s> / <s, s>``, in dB.

    `eps` is added to both terms of both ratios, as in the evaluation of MSDM (arXiv 2302.02257), so
    that figures are comparable; it matters for (nearly) silent signals only: a silent reference
    scores ``10 log10(eps / (|e|^2 + eps))``. The mean is not removed.

    Args:
        estimate, reference: ``[..., T]``, broadcastable to one another.

    Returns:
        ``[...]``, in dB.
    """
    dot = (estimate * reference).sum(-1, keepdim=True)
    scale = (dot + eps) / (reference.square().sum(-1, keepdim=True) + eps)
    target = scale * reference
    error = target - estimate
    return 10 * ((target.square().sum(-1) + eps) / (error.square().sum(-1) + eps)).log10()
