"""MGDM without gradients: the likelihood enters by a linearised draw."""

from __future__ import annotations

from torch import Tensor

from ..bridge import bridge, bridge_coefficients, bridge_mean, diffuse, spread
from ..denoising import Calls, ancestral
from ..likelihoods import LinearGaussian, conjugate_gradient
from ..types import Denoiser, Info, Sampler, Step
from .common import ChainState, require, start
from .mgdm import check_index, draw_index

GAINS = ("prior", "product", "krylov")


def mgdm_free(
    denoise: Denoiser,
    likelihood: LinearGaussian,
    *,
    n_gibbs: int = 1,
    n_denoise: int = 1,
    gain: str = "product",
    prior_std: float = 1.0,
    inflation: float = 0.0,
    n_solve: int = 4,
    probe: float = 0.01,
    index: str = "last",
    index_sigma: float | None = None,
    index_floor: float = 0.01,
    last_fraction: float = 0.25,
    rho: float = 3.0,
) -> Sampler:
    """MGDM whose draw of x_s given (x_0, x_t, y) is a linearisation instead of an optimisation.

    The outer algorithm is :func:`mgdm`'s. For a linear-Gaussian likelihood and a denoiser
    linearised at a draw ``m`` of the bridge, ``g_0(y | D(x_s)) q(x_s | x_0, x_t)`` is Gaussian; its
    draw is ``m + b^2 J A^T (b^2 A J J A^T + sigma_y^2)^-1 (y + sigma_y n - A D(m))`` with the
    bridge's standard deviation ``b`` and the denoiser's Jacobian ``J``, symmetric because it is a
    posterior covariance over ``sigma_s^2``. No gradient is taken: a product with ``J`` is the
    difference of two denoiser calls, or ``J`` is replaced by a number. A repetition costs one call
    for ``D(m)``, ``n_denoise`` calls, and what ``gain`` costs.

    Args:
        denoise: the prior.
        likelihood: linear-Gaussian.
        n_gibbs, n_denoise, index, index_sigma, index_floor, last_fraction, rho: as for
            :func:`mgdm`; with one call the draw of x_0 is the denoised signal.
        gain: what stands for ``J``. ``"prior"``, no call: the gain
            ``gamma = s^2 / (s^2 + sigma_s^2)`` of a Gaussian prior of standard deviation s.
            ``"product"``, one call: the true product with the direction, and in the inverse
            ``gamma`` for ``J J``, a step between those of ``"prior"`` and of PiGDM.
            ``"krylov"``, ``2 n_solve + 1`` calls: the true ``J`` everywhere, the inverse by
            conjugate gradients (Gauss-Newton).
        prior_std: s, not used by ``"krylov"``.
        inflation: share of the denoised signal's own uncertainty that is added to the
            observation's variance: 0 is MGDM's likelihood, 1 PiGDM's or, with ``"krylov"``, MMPS's.
        n_solve: conjugate-gradient iterations of ``"krylov"``.
        probe: length of a difference in units of ``sigma_s``, per element.

    Raises:
        TypeError: if the likelihood is not linear-Gaussian.
        ValueError: if a setting is out of its range.
    """
    require(likelihood, LinearGaussian)
    check_index(index, index_sigma)
    if gain not in GAINS:
        raise ValueError(f"gain is one of {', '.join(GAINS)}, not {gain!r}")
    if min(n_gibbs, n_denoise, n_solve) < 1 or inflation < 0:
        raise ValueError("counts are at least 1, and the inflation is not negative")
    known = likelihood.sigma_y**2

    def init(noise: Tensor) -> ChainState:
        return start(likelihood, noise)

    def draw(calls: Calls, x0: Tensor, x_t: Tensor, sigma_s: Tensor, at: Step) -> Tensor:
        """x_s given x_0, x_t and y."""
        weight, std = bridge_coefficients(0.0, sigma_s, at.sigma)
        white = at.noise.normal(x_t.shape)
        start_s = bridge_mean(x0, x_t, weight) + spread(std, x_t) * white
        denoised = calls(start_s, sigma_s)
        residual = likelihood.residual(denoised)
        residual = residual + likelihood.sigma_y * at.noise.normal(residual.shape)
        moved = spread(std**2, x_t)

        def jacobian(direction: Tensor) -> Tensor:
            size = direction.flatten(1).square().mean(1).sqrt()
            scale = spread(size, direction) / spread(probe * sigma_s, direction)
            scale = scale.clamp_min(1e-20)
            return scale * (calls(start_s + direction / scale, sigma_s) - denoised)

        if gain == "krylov":
            own = spread(inflation * sigma_s**2, x_t)

            def system(v: Tensor) -> Tensor:
                once = jacobian(likelihood.adjoint(v, x_t))
                return likelihood.apply(moved * jacobian(once) + own * once) + known * v

            solved = conjugate_gradient(system, residual, n_solve)
            return start_s + moved * jacobian(likelihood.adjoint(solved, x_t))

        gamma = prior_std**2 / (prior_std**2 + sigma_s**2)
        own = inflation * gamma * sigma_s**2
        squared = gamma if gain == "product" else gamma**2
        solved = likelihood.solve(residual, squared * std**2 + own, known, x_t)
        direction = moved * likelihood.adjoint(solved, x_t)
        if gain == "product":
            return start_s + jacobian(direction)
        return start_s + spread(gamma, x_t) * direction

    def step(state: ChainState, at: Step) -> tuple[ChainState, Info]:
        calls = Calls(denoise)
        x0, x_t = state
        if at.above is None:
            x0 = calls(x_t, at.sigma)
        else:
            x_t = bridge(x0, x_t, 0.0, at.sigma, at.above, at.noise.normal(x_t.shape))
        sigma_s = draw_index(
            at, index, sigma=index_sigma, floor=index_floor, rho=rho, last_fraction=last_fraction
        )
        for _ in range(n_gibbs):
            x_s = draw(calls, x0, x_t, sigma_s, at)
            x0 = ancestral(
                calls, x_s, sigma_s, n_denoise, at.noise, sigma_min=at.sigmas[-1], rho=rho
            )
            x_t = diffuse(x_s, sigma_s, at.sigma, at.noise.normal(x_t.shape))
        return ChainState(x0, x_t), calls.info()

    return Sampler(init, step)
