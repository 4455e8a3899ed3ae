"""Diffusion posterior sampling over ``denoise(x, sigma)`` and a likelihood; knows no audio."""

from .bridge import variance_preserving
from .likelihoods import Gaussian, LinearGaussian, Masked, MixtureSum, Poisson
from .samplers import SAMPLERS
from .sampling import sample
from .schedules import exponential_schedule, karras_schedule
from .types import (
    Denoiser,
    DenoiserError,
    Info,
    Likelihood,
    Progress,
    Sampler,
    SamplingError,
    Step,
)

__all__ = [
    "SAMPLERS",
    "Denoiser",
    "DenoiserError",
    "Gaussian",
    "Info",
    "Likelihood",
    "LinearGaussian",
    "Masked",
    "MixtureSum",
    "Poisson",
    "Progress",
    "Sampler",
    "SamplingError",
    "Step",
    "exponential_schedule",
    "karras_schedule",
    "sample",
    "variance_preserving",
]
