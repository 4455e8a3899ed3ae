"""Observations: linear with Gaussian noise, non-linear with Gaussian noise, and counts."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import torch
from torch import Tensor

from .bridge import Level, spread


def _per_item(x: Tensor) -> Tensor:
    return x.flatten(1).sum(1)


def _check_fit(predicted: Tensor, observation: Tensor, what: str) -> None:
    batch = observation.shape[0] in (1, predicted.shape[0])
    if not batch or predicted.shape[1:] != observation.shape[1:]:
        raise ValueError(
            f"{what} predicts shape {tuple(predicted.shape)}, "
            f"the observation has shape {tuple(observation.shape)}"
        )
    _refuse_complex(predicted, f"what {what} predicts")


def _refuse_complex(values: Tensor, what: str) -> None:
    if values.is_complex():
        raise TypeError(f"{what} is complex: use torch.view_as_real for operator and observation")


def _gaussian_log_prob(residual: Tensor, sigma_y: float) -> Tensor:
    if sigma_y <= 0:
        raise ValueError("log_prob needs sigma_y > 0: a noiseless observation has no density")
    count = residual[0].numel()
    constant = count * (math.log(sigma_y) + 0.5 * math.log(2 * math.pi))
    return -0.5 * _per_item((residual / sigma_y) ** 2) - constant


class Gaussian:
    """``y = operator(x_0) + sigma_y n`` for a differentiable operator, linear or not.

    Args:
        observation: ``y [B, ...]``, or ``[1, ...]`` shared by the batch.
        operator: differentiable, ``[B, K, T] -> [B, ...]``.
        sigma_y: standard deviation of the noise.

    Raises:
        ValueError: if ``sigma_y`` is negative.
        TypeError: if the observation is complex, or, later, what the operator returns.
    """

    def __init__(self, observation: Tensor, operator: Callable[[Tensor], Tensor], sigma_y: float):
        self.sigma_y = float(sigma_y)  # one number for the batch
        if self.sigma_y < 0:
            raise ValueError(f"sigma_y must not be negative, not {sigma_y}")
        _refuse_complex(observation, "the observation")
        self.observation = observation
        self._operator = operator

    def apply(self, x0: Tensor) -> Tensor:
        """The noiseless observation of ``x0``.

        Raises:
            ValueError: if its shape is not the observation's.
        """
        with torch.autocast(x0.device.type, enabled=False):
            predicted = self._operator(x0)
        _check_fit(predicted, self.observation, type(self).__name__)
        return predicted

    def residual(self, x0: Tensor) -> Tensor:
        """``y - operator(x0)``, in the precision of ``x0``."""
        predicted = self.apply(x0)
        return self.observation.to(predicted.dtype) - predicted

    def repeat(self, n: int) -> Gaussian:
        """The same observation for ``n`` copies of every item, copies of an item side by side."""
        return _repeated(self, n)

    def log_prob(self, x0: Tensor) -> Tensor:
        """Log-density of the observation, ``[B, K, T] -> [B]``."""
        return _gaussian_log_prob(self.residual(x0), self.sigma_y)


class LinearGaussian(Gaussian):
    """``y = A x_0 + sigma_y n`` for any linear ``A``, given with its adjoint or differentiable.

    Linear systems in ``A A^T`` are solved by conjugate gradients; subclasses know closed forms.
    Where a method takes ``like``, any signal ``[B, K, T]``: its shape is what ``A^T`` returns.

    Args:
        observation: ``y [B, ...]`` or ``[1, ...]``.
        operator: ``A``, ``[B, K, T] -> [B, ...]``.
        adjoint: ``A^T``, ``[B, ...] -> [B, K, T]``; None takes it from autograd, at the
            cost of one more call of the operator.
        sigma_y: standard deviation of the noise, 0 for an exact constraint.
        iterations: conjugate-gradient iterations of :meth:`solve`.
    """

    def __init__(
        self,
        observation: Tensor,
        operator: Callable[[Tensor], Tensor],
        adjoint: Callable[[Tensor], Tensor] | None,
        sigma_y: float,
        *,
        iterations: int = 50,
    ):
        super().__init__(observation, operator, sigma_y)
        self._transpose = adjoint
        self._iterations = iterations

    @staticmethod
    def from_matrix(observation: Tensor, matrix: Tensor, sigma_y: float) -> DenseGaussian:
        """``A`` as a matrix ``[M, N]`` acting on flattened items; see :class:`DenseGaussian`."""
        return DenseGaussian(observation, matrix, sigma_y)

    def _adjoint(self, y: Tensor, like: Tensor) -> Tensor:
        if self._transpose is not None:
            return self._transpose(y)
        with torch.enable_grad():
            # The derivative of a linear function is itself, wherever it is taken.
            x = y.new_zeros(len(y), *like.shape[1:]).requires_grad_()
            return torch.autograd.grad(self.apply(x), x, y, create_graph=y.requires_grad)[0]

    def adjoint(self, y: Tensor, like: Tensor) -> Tensor:
        """``A^T y``, shaped like ``like``."""
        with torch.autocast(y.device.type, enabled=False):
            return self._adjoint(y, like)

    def solve(self, y: Tensor, gram: Level, identity: Level, like: Tensor) -> Tensor:
        """``(gram A A^T + identity I)^-1 y`` for non-negative coefficients, scalar or ``[B]``."""
        a, b = spread(gram, y), spread(identity, y)

        def system(v: Tensor) -> Tensor:
            return a * self.apply(self.adjoint(v, like)) + b * v

        return conjugate_gradient(system, y, self._iterations)

    def pinv(self, y: Tensor, like: Tensor) -> Tensor:
        """The pseudo-inverse ``A^T (A A^T)^-1 y``, shaped like ``like``."""
        return self.adjoint(self.solve(y, 1.0, 0.0, like), like)


class Spectral(LinearGaussian):
    """A linear-Gaussian observation whose ``A A^T`` has known eigenvectors.

    Subclasses implement :meth:`filter`; solving is then exact.
    """

    def filter(self, y: Tensor, gains: Callable[[Tensor], Tensor], like: Tensor) -> Tensor:
        """``V gains(values) V^T y`` where ``A A^T = V diag(values) V^T``.

        Args:
            y: ``[B, ...]``, shaped like an observation.
            gains: from the positive eigenvalues to factors; both broadcast with ``y``. What lies
                in the null space of ``A A^T`` becomes 0.
            like: a signal ``[B, K, T]``.
        """
        raise NotImplementedError

    def solve(self, y: Tensor, gram: Level, identity: Level, like: Tensor) -> Tensor:
        """``(gram A A^T + identity I)^-1 y`` on the range of ``A``, 0 elsewhere."""
        a, b = spread(gram, y), spread(identity, y)
        return self.filter(y, lambda value: 1 / (a * value + b), like)


class MixtureSum(Spectral):
    """``y = sum_k x_k + sigma_y n``: the sum of the sources is heard. ``A A^T = K I``.

    Args:
        mixture: ``[B, 1, T]`` or ``[1, 1, T]``.
        sigma_y: standard deviation of the noise, 0 for an exact sum.

    Raises:
        ValueError: if the mixture's second dimension is not 1.
    """

    def __init__(self, mixture: Tensor, sigma_y: float):
        if mixture.ndim < 2 or mixture.shape[1] != 1:
            raise ValueError(f"a mixture has shape [B, 1, ...], not {tuple(mixture.shape)}")
        Gaussian.__init__(self, mixture, _sum_sources, sigma_y)

    def _adjoint(self, y: Tensor, like: Tensor) -> Tensor:
        return y.expand(-1, like.shape[1], *y.shape[2:])

    def filter(self, y: Tensor, gains: Callable[[Tensor], Tensor], like: Tensor) -> Tensor:
        """The only eigenvalue is ``K``."""
        return gains(torch.full((), like.shape[1], device=y.device, dtype=y.dtype)) * y


class Masked(Spectral):
    """``y = mask * x_0 + sigma_y n`` where the mask is 1: gaps, missing pixels, known sources.

    Args:
        observation: ``[B, K, T]`` or ``[1, K, T]``; what lies outside the mask is ignored.
        mask: zeros and ones, of a shape that broadcasts with the observation's.
        sigma_y: standard deviation of the noise.

    Raises:
        ValueError: if the mask holds anything but zeros and ones.
    """

    def __init__(self, observation: Tensor, mask: Tensor, sigma_y: float):
        if not bool(((mask == 0) | (mask == 1)).all()):
            raise ValueError("a mask holds zeros and ones only")
        self.mask = mask.to(observation.dtype).expand(observation.shape)
        # Not a product: what was not observed is often marked by NaN.
        known = torch.where(self.mask > 0, observation, torch.zeros_like(observation))
        Gaussian.__init__(self, known, self._hide, sigma_y)

    def _hide(self, x: Tensor) -> Tensor:
        return x * self.mask.to(x.dtype)

    def _adjoint(self, y: Tensor, like: Tensor) -> Tensor:
        return self._hide(y)

    def log_prob(self, x0: Tensor) -> Tensor:
        """Log-density of the observed entries, ``[B]``."""
        hidden = (1 - self.mask).flatten(1).sum(1)
        everything = super().log_prob(x0)
        return everything + hidden * (math.log(self.sigma_y) + 0.5 * math.log(2 * math.pi))

    def filter(self, y: Tensor, gains: Callable[[Tensor], Tensor], like: Tensor) -> Tensor:
        """The only positive eigenvalue is 1, inside the mask."""
        return gains(torch.ones((), device=y.device, dtype=y.dtype)) * self._hide(y)

    def repeat(self, n: int) -> Masked:
        """As for any likelihood, and the mask with it."""
        other = super().repeat(n)
        return Masked(other.observation, _repeat(self.mask, n), self.sigma_y)


class DenseGaussian(Spectral):
    """``y = A x_0 + sigma_y n`` with a matrix; systems are solved by its eigenvectors.

    Args:
        observation: ``[B, M]`` or ``[1, M]``.
        matrix: ``[M, N]``, acting on items flattened to ``N`` elements.
        sigma_y: standard deviation of the noise.

    Raises:
        ValueError: if the observation has not ``M`` elements.
        TypeError: if it or the matrix is complex.
    """

    def __init__(self, observation: Tensor, matrix: Tensor, sigma_y: float):
        if observation.ndim != 2 or observation.shape[1] != matrix.shape[0]:
            raise ValueError(
                f"a matrix of shape {tuple(matrix.shape)} does not predict an observation of "
                f"shape {tuple(observation.shape)}"
            )
        _refuse_complex(matrix, "the matrix")
        self.matrix = matrix
        # On the CPU in double precision: done once, and MPS has no float64.
        wide = matrix.double().cpu()
        values, vectors = torch.linalg.eigh(wide @ wide.T)
        kept = values > 1e-10 * values[-1]
        # The type first, then the device.
        self._values, self._vectors = (
            one.to(matrix.dtype).to(matrix.device) for one in (values[kept], vectors[:, kept])
        )
        Gaussian.__init__(self, observation, self._multiply, sigma_y)

    def _multiply(self, x: Tensor) -> Tensor:
        if x[0].numel() != self.matrix.shape[1]:
            raise ValueError(
                f"a matrix of shape {tuple(self.matrix.shape)} does not act on items of "
                f"shape {tuple(x.shape[1:])}"
            )
        return x.flatten(1) @ self.matrix.to(x.dtype).T

    def _adjoint(self, y: Tensor, like: Tensor) -> Tensor:
        return (y @ self.matrix.to(y.dtype)).reshape(-1, *like.shape[1:])

    def filter(self, y: Tensor, gains: Callable[[Tensor], Tensor], like: Tensor) -> Tensor:
        """In the basis of the left singular vectors."""
        with torch.autocast(y.device.type, enabled=False):
            values, vectors = self._values.to(y.dtype), self._vectors.to(y.dtype)
            return (gains(values) * (y @ vectors)) @ vectors.T


class Poisson:
    """Independent counts ``y ~ Poisson(rate(x_0))``.

    Args:
        counts: ``[B, ...]`` or ``[1, ...]``, non-negative.
        rate: differentiable, ``[B, K, T] -> [B, ...]``; values under ``floor`` count as ``floor``,
            where the gradient is passed on unchanged so that a sampler can leave that region.
        floor: smallest rate.
    """

    def __init__(self, counts: Tensor, rate: Callable[[Tensor], Tensor], *, floor: float = 1e-3):
        if bool((counts < 0).any()):
            raise ValueError("counts must not be negative")
        self.observation = counts
        self._rate = rate
        self._floor = floor

    def log_prob(self, x0: Tensor) -> Tensor:
        """Log-probability of the counts, ``[B, K, T] -> [B]``."""
        rate, y = self._floored_rate(x0), self.observation
        _check_fit(rate, y, type(self).__name__)
        return _per_item(y * rate.log() - rate - torch.lgamma(y + 1))

    def stabilised(self) -> Gaussian:
        """A Gaussian likelihood that is nearly this one, for samplers that want least squares.

        From about four counts on, ``2 sqrt(y + 3/8)`` has a variance of about 1 whatever the rate
        (Anscombe, "The transformation of Poisson, binomial and negative-binomial data", Biometrika
        1948), and a mean of about ``2 sqrt(rate + 1/8)``.
        """
        return Gaussian(
            2 * (self.observation + 0.375).sqrt(),
            # Its shape is checked against the Gaussian's observation, which may be repeated.
            lambda x0: 2 * (self._floored_rate(x0) + 0.125).sqrt(),
            1.0,
        )

    def _floored_rate(self, x0: Tensor) -> Tensor:
        with torch.autocast(x0.device.type, enabled=False):
            raw = self._rate(x0)
        return raw + (raw.clamp_min(self._floor) - raw).detach()

    def repeat(self, n: int) -> Poisson:
        """The same counts for ``n`` copies of every item, copies of an item side by side."""
        return _repeated(self, n)


def _repeat(values: Tensor, n: int) -> Tensor:
    return values if len(values) == 1 else values.repeat_interleave(n, 0)


def _repeated(likelihood, n: int):
    other = copy.copy(likelihood)
    other.observation = _repeat(likelihood.observation, n)
    return other


def _sum_sources(x0: Tensor) -> Tensor:
    return x0.sum(1, keepdim=True)


def conjugate_gradient(
    system: Callable[[Tensor], Tensor], b: Tensor, iterations: int, *, tolerance: float = 1e-6
) -> Tensor:
    """Solve ``system(x) = b`` for a symmetric positive semi-definite ``system``, item by item.

    An item stops moving when its residual has fallen by ``tolerance``; there is no host
    synchronisation, so all iterations are run.
    """
    x = torch.zeros_like(b)
    residual = direction = b
    energy = start = _per_item(b * b)
    for _ in range(iterations):
        image = system(direction)
        curvature = _per_item(direction * image)
        active = (curvature > 0) & (energy > tolerance**2 * start)
        step = torch.where(active, energy / curvature, torch.zeros_like(energy))
        x = x + spread(step, x) * direction
        residual = residual - spread(step, x) * image
        previous, energy = energy, _per_item(residual * residual)
        ratio = torch.where(active, energy / previous, torch.zeros_like(energy))
        direction = residual + spread(ratio, x) * direction
    return x
