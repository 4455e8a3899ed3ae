"""MGDM: mixture-guided diffusion models."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..bridge import bridge, bridge_coefficients, bridge_mean, diffuse, double, spread
from ..denoising import Calls, ancestral
from ..likelihoods import Gaussian
from ..optimiser import adam, adam_init
from ..schedules import between
from ..types import Denoiser, Info, Likelihood, Sampler, Step
from .common import positive, require, share, whole
from .perturbed import implicit, observed_noise

INDEX = ("uniform", "mixed", "near_zero", "last", "fixed", "ratio")


class MgdmState(NamedTuple):
    """Current draw of ``x_0``, the draw at the level above, and the last Gaussian fit.

    ``offset`` (in standard deviations of the bridge) and ``log_scale`` describe the fit relative to
    the bridge; they are read only by warm starts.
    """

    x0: Tensor
    x: Tensor
    offset: Tensor
    log_scale: Tensor


def mgdm(
    denoise: Denoiser,
    likelihood: Likelihood,
    *,
    n_gibbs: int = 6,
    n_gradient: int = 3,
    n_gradient_last: int = 20,
    n_denoise: int = 15,
    last_fraction: float = 0.25,
    learning_rate: float = 0.005,
    learning_rate_unit: str = "vp",
    index: str = "mixed",
    index_sigma: float | None = None,
    index_floor: float = 0.01,
    rho: float = 3.0,
    parametrisation: str = "log_std",
    transition: str = "forward",
    warm_start: bool = False,
    draw: str = "variational",
    denoise_last: bool = True,
    skip_first: bool = False,
) -> Sampler:
    """Draw from the posterior by Gibbs sampling at every noise level.

    Janati, Moulines, Olsson and Oliviero-Durmus, "A Mixture-Based Framework for Guiding Diffusion
    Models", ICML 2025 (arXiv 2502.03332), algorithm 1, in the variance-exploding form. At level t
    the posterior is approximated by a mixture, over s < t, of the approximate likelihood at s
    carried up to t by the prior; one index s is drawn per level and item, then ``n_gibbs`` times
    x_s given (x_0, x_t, y), x_0 given x_s, and x_t given x_s are drawn. Only the first sees ``y``:
    a Gaussian is fitted to ``g_0(y | D(x_s)) q(x_s | x_0, x_t)`` by Adam on the KL divergence, of
    which the Gaussian part is exact and the likelihood part uses one draw per iteration.

    The defaults are the paper's settings for musical source separation; they go with
    ``karras_schedule(20, 5e-4, 20, rho=3)`` and ``sigma_y = 1e-4``.

    Args:
        denoise: the prior.
        likelihood: any differentiable likelihood.
        n_gibbs: R, Gibbs repetitions per level. Paper: 6 (and 1 with more gradient steps).
        n_gradient: G, Adam iterations per repetition. Paper: 3.
        n_gradient_last: G in the last part of the schedule. Paper: 20.
        n_denoise: M, levels of the ancestral steps from x_s to x_0. Paper: 15.
        last_fraction: the part of the schedule that counts as last. Paper: a quarter.
        learning_rate: Adam's. Paper: 0.005.
        learning_rate_unit: what the rate of the mean is measured in; the log-scale's has no unit.
            ``"vp"``: the paper's variance-preserving signal, ``sqrt(1 + sigma_s^2)`` here.
            ``"bridge"``: the standard deviation of ``q(x_s | x_0, x_t)``, ours: invariant to the
            schedule and to the signal's scale.
        index: distribution of s. ``"uniform"``: uniform in ``sigma^(1/rho)`` between a floor and
            the level below t. ``"mixed"``: the same, and the level below t in the last part of the
            schedule (paper, audio). ``"near_zero"``: the floor. ``"last"``: the level below t.
            ``"fixed"``: ``index_sigma``. ``"ratio"``, ours: ``index_sigma`` times the level t, so
            that the bridge's width does not depend on the number of levels. Never above the level
            below t.
        index_sigma: the level for ``index="fixed"``, the factor for ``index="ratio"``.
        index_floor: where the floor lies in ``sigma^(1/rho)``, from the lowest level (0) to the
            highest (1). Paper: the 10th of 1,000 levels.
        rho: spacing of the index and of the ancestral levels. Paper: 3.
        parametrisation: ``"log_std"`` (released code) or ``"log_variance"`` (paper).
        transition: law of x_t given x_s: ``"forward"``, ``q(x_t | x_s)`` (paper), or ``"bridge"``,
            ``q(x_t | x_s, x_t+)`` with the level above (released code).
        warm_start: start a fit where the previous one, of this level or the one above, ended
            relative to its bridge, instead of at the bridge itself.
        draw: how x_s is drawn given (x_0, x_t, y). ``"variational"``: from a Gaussian with
            independent elements, fitted by Adam (paper). ``"perturbed"``, ours, for Gaussian
            likelihoods: a draw of the bridge and of the observation's noise are the data of a
            least-squares problem, and ``n_gradient`` implicit steps towards its minimiser give x_s
            (see :mod:`.perturbed`). Exact where D is linear and the steps converge; it knows the
            posterior's correlations, one step is of use, and no step is longer than the likelihood
            asks for, where Adam's first is ``learning_rate`` in every element. ``learning_rate``
            is then the fraction of the step; its unit and the parametrisation play no part. Best in
            recipes/gmm: many levels, ``n_gibbs`` and both ``n_gradient`` 1, ``learning_rate`` 0.8,
            ``index="last"``, and ``warm_start`` with ``transition="bridge"``, which carries the
            progress of one level to the next. Leave ``warm_start`` off where the observation is
            sharp against the prior's narrow directions: there it is worse.
        denoise_last: end the ancestral steps by the denoiser's mean at the lowest level (paper) or
            by a draw at it, one call less (released code).
        skip_first: at the first level, of two or more, only denoise, without a repetition
            (released code).

    Raises:
        TypeError: if ``draw="perturbed"`` and the likelihood is not a :class:`Gaussian`.
        ValueError: if a setting is out of its range.
    """
    whole(1, n_gibbs=n_gibbs, n_denoise=n_denoise)
    whole(0, n_gradient=n_gradient, n_gradient_last=n_gradient_last)
    positive(learning_rate=learning_rate)
    check_index(index, index_sigma, floor=index_floor, rho=rho, last_fraction=last_fraction)
    _choose("learning_rate_unit", learning_rate_unit, ("vp", "bridge"))
    _choose("parametrisation", parametrisation, ("log_std", "log_variance"))
    _choose("transition", transition, ("forward", "bridge"))
    _choose("draw", draw, ("variational", "perturbed"))
    if draw == "perturbed" and require(likelihood, Gaussian).sigma_y == 0:
        raise ValueError('draw="perturbed" needs sigma_y > 0')
    # A log-variance moves the log-std by half: the same Adam step changes the scale half as fast.
    scale_rate = learning_rate * (1.0 if parametrisation == "log_std" else 0.5)

    def init(noise: Tensor) -> MgdmState:
        return MgdmState(noise, noise, torch.zeros_like(noise), torch.zeros_like(noise))

    def fit(
        calls: Calls, state: MgdmState, x_t: Tensor, sigma_s: Tensor, at: Step
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Draw x_s from the fitted Gaussian; also the fit relative to the bridge."""
        weight, std = bridge_coefficients(0.0, sigma_s, at.sigma)
        centre, width = bridge_mean(state.x0, x_t, weight), spread(std, x_t)
        if learning_rate_unit == "vp":
            mean_rate = spread(learning_rate * (1 + sigma_s**2).sqrt() / std, x_t)
        else:
            mean_rate = learning_rate
        if warm_start:
            offset, log_scale = state.offset, state.log_scale
        else:
            offset, log_scale = torch.zeros_like(x_t), torch.zeros_like(x_t)
        offset_moments, scale_moments = adam_init(offset), adam_init(log_scale)
        steps = n_gradient_last if at.in_last(last_fraction) else n_gradient
        if draw == "perturbed":
            white, noise = at.noise.normal(x_t.shape), observed_noise(likelihood, x_t, at)
            for _ in range(steps):
                move = implicit(calls, likelihood, centre, width, white, offset, noise, sigma_s)
                offset = offset + learning_rate * move
            return centre + width * (white + offset), offset, log_scale
        for _ in range(steps):
            white = at.noise.normal(x_t.shape)
            scaled = log_scale.exp() * white
            _, pull = calls.guide(likelihood, centre + width * (offset + scaled), sigma_s)
            pull = width * pull
            # KL(N(offset, scale^2) || N(0, 1)) in units of the bridge, minus the likelihood.
            direction, offset_moments = adam(offset - pull, offset_moments)
            offset = offset - mean_rate * direction
            slope = (2 * log_scale).exp() - 1 - pull * scaled
            direction, scale_moments = adam(slope, scale_moments)
            log_scale = log_scale - scale_rate * direction
        x_s = centre + width * (offset + log_scale.exp() * at.noise.normal(x_t.shape))
        return x_s, offset, log_scale

    def step(state: MgdmState, at: Step) -> tuple[MgdmState, Info]:
        calls = Calls(denoise)
        if at.above is None:
            x_t = state.x
            state = state._replace(x0=calls(x_t, at.sigma))
            if skip_first and len(at.sigmas) > 1:
                return state, calls.info()
        else:
            white = at.noise.normal(state.x.shape)
            x_t = bridge(state.x0, state.x, 0.0, at.sigma, at.above, white)
        x_above = state.x
        sigma_s = draw_index(
            at, index, sigma=index_sigma, floor=index_floor, rho=rho, last_fraction=last_fraction
        )
        for _ in range(n_gibbs):
            x_s, offset, log_scale = fit(calls, state, x_t, sigma_s, at)
            low = at.sigmas[-1]
            x0 = ancestral(
                calls, x_s, sigma_s, n_denoise, at.noise, sigma_min=low, rho=rho, last=denoise_last
            )
            white = at.noise.normal(x_t.shape)
            if transition == "forward" or at.above is None:
                x_t = diffuse(x_s, sigma_s, at.sigma, white)
            else:
                x_t = bridge(x_s, x_above, sigma_s, at.sigma, at.above, white)
            state = MgdmState(x0, x_t, offset, log_scale)
        return state, calls.info()

    return Sampler(init, step)


def draw_index(
    at: Step,
    index: str,
    *,
    sigma: float | None,
    floor: float,
    rho: float,
    last_fraction: float,
) -> Tensor:
    """The level s of one MGDM step, ``[B]`` float64; see :func:`mgdm` for the distributions."""
    # Under the lowest level there is none to draw: half of it keeps 0 < s < t.
    high = double(at.below if at.below > 0 else at.sigma / 2)
    low = between(double(floor), double(at.sigmas[-1]), double(at.sigmas[0]), rho)
    low = torch.minimum(low, high)
    items = at.noise.items
    if index in ("fixed", "ratio"):
        level = double(sigma if index == "fixed" else sigma * at.sigma)
        return torch.minimum(level, high).expand(items)
    if index == "last" or (index == "mixed" and at.in_last(last_fraction)):
        return high.expand(items)
    if index == "near_zero":
        return low.expand(items)
    # Rounding would lead out of the range, and past the lowest level.
    return torch.minimum(torch.maximum(between(at.noise.uniform(), low, high, rho), low), high)


def check_index(
    index: str, sigma: float | None, *, floor: float, rho: float, last_fraction: float
) -> None:
    """Refuse settings of :func:`draw_index` that make no sense.

    Raises:
        ValueError: an unknown distribution of s, a level where none belongs, or a setting that is
            out of its range.
    """
    _choose("index", index, INDEX)
    positive(index_sigma=sigma, rho=rho)
    share(index_floor=floor, last_fraction=last_fraction)
    if (index in ("fixed", "ratio")) != (sigma is not None):
        raise ValueError('index_sigma goes with index="fixed" or "ratio", and only with them')


def _choose(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} is one of {', '.join(allowed)}, not {value!r}")
