"""Fill gaps in handwritten digits, and recover digits from the magnitude of a transform.

Nothing here is audio: the engine takes any denoiser and any likelihood. The prior is a mixture of
40 Gaussians fitted to scikit-learn's digits (8 x 8 pixels), whose denoiser is exact, so the example
needs no weights. Phase retrieval observes ``|Q x|`` for 28 random orthogonal directions ``Q``:
every sign is lost, the posterior has many modes, and more of MGDM's Gibbs steps find better ones.

    python examples/digits.py docs/digits.png

Needs scikit-learn and matplotlib; runs in a minute or two on one core.
"""

from __future__ import annotations

import argparse

import torch
from matplotlib.figure import Figure
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from torch import Tensor

from mgdm_audio.engine import SAMPLERS, Gaussian, Masked, karras_schedule, sample
from mgdm_audio.engine.analytic import GaussianMixture

SIDE, CLUSTERS, HELD_OUT, MEASURED = 8, 40, 200, 28
SIGMAS = karras_schedule(60, 0.02, 5.0, 3.0)
SIGMA_Y = 0.05


def digits() -> tuple[Tensor, Tensor]:
    """Training and held-out images ``[N, 1, 64]``, pixels between -1 and 1, in random order."""
    images = torch.from_numpy(load_digits().data).float() / 8 - 1
    images = images[torch.randperm(len(images), generator=torch.Generator().manual_seed(0))]
    return images[:-HELD_OUT].unsqueeze(1), images[-HELD_OUT:].unsqueeze(1)


def fit_prior(images: Tensor) -> GaussianMixture:
    """One Gaussian per cluster, its covariance shrunk towards the pooled one."""
    flat = images.flatten(1)
    label = torch.from_numpy(KMeans(CLUSTERS, n_init=2, random_state=0).fit_predict(flat.numpy()))
    groups = [flat[label == cluster] for cluster in range(CLUSTERS)]
    means = torch.stack([group.mean(0) for group in groups])
    pooled = (flat - means[label]).T @ (flat - means[label]) / len(flat)
    covariances = []
    for group in groups:
        offset = group - group.mean(0)
        trust = len(group) / (len(group) + 30)
        covariances.append(trust * offset.T @ offset / len(group) + (1 - trust) * pooled)
    floor = 1e-3 * torch.eye(flat.shape[1])
    weights = torch.tensor([float(len(group)) for group in groups])
    return GaussianMixture(weights, means.unsqueeze(1), torch.stack(covariances) + floor)


def inpaint(prior: GaussianMixture, images: Tensor) -> tuple[Tensor, Tensor]:
    """The images with a hole of 4 x 8 pixels, and MGDM's filling ``[B, 1, 64]``."""
    mask = torch.ones(SIDE, SIDE)
    mask[2:6] = 0
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(1))
    likelihood = Masked(images + SIGMA_Y * noise, mask.reshape(1, 1, -1), SIGMA_Y)
    sampler = SAMPLERS["mgdm_free"](prior.denoise, likelihood, n_gibbs=2)
    return likelihood.observation, sample(sampler, SIGMAS, images.shape)


def retrieve(prior: GaussianMixture, images: Tensor, n_gibbs: int) -> Tensor:
    """MGDM's reconstruction of the images from ``|Q x| + noise``, ``[B, 1, 64]``."""
    generator = torch.Generator().manual_seed(2)
    rotation = torch.linalg.qr(torch.randn(SIDE**2, SIDE**2, generator=generator)).Q

    def magnitude(x: Tensor) -> Tensor:
        return (x @ rotation[:, :MEASURED]).abs()

    clean = magnitude(images)
    seen = clean + SIGMA_Y * torch.randn(clean.shape, generator=generator)
    sampler = SAMPLERS["mgdm"](
        prior.denoise,
        Gaussian(seen, magnitude, SIGMA_Y),
        n_gibbs=n_gibbs,
        n_gradient=3,
        n_gradient_last=3,
        n_denoise=1,
        learning_rate=0.3,
        learning_rate_unit="bridge",
        index="ratio",
        index_sigma=0.7,
    )
    return sample(sampler, SIGMAS[::4], images.shape)


def error(estimate: Tensor, images: Tensor) -> Tensor:
    """Root-mean-square error per image; the sign, which a magnitude cannot tell, is forgiven."""
    both = torch.stack([estimate - images, -estimate - images])
    return both.square().mean((-1, -2)).sqrt().amin(0)


def picture(rows: dict[str, Tensor], path: str, columns: int = 10) -> None:
    """One row of images per entry."""
    figure = Figure(figsize=(columns * 0.7 + 1.6, len(rows) * 0.75), layout="constrained")
    axes = figure.subplots(len(rows), columns)
    for line, (name, images) in zip(axes, rows.items(), strict=True):
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
        for axis, image in zip(line, images, strict=False):
            axis.imshow(image.reshape(SIDE, SIDE), cmap="gray_r", vmin=-1, vmax=1)
            axis.set(xticks=[], yticks=[])
    figure.savefig(path, dpi=120)


def main() -> None:
    """Print the errors and draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("picture", nargs="?", default="digits.png")
    parser.add_argument("--images", type=int, default=40, help="held-out digits, at most 200")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    train, held_out = digits()
    images, prior = held_out[: arguments.images], fit_prior(train)

    seen, filled = inpaint(prior, images)
    rows = {"digit": images, "seen": seen, "filled": filled}
    hidden = (filled - images).reshape(-1, SIDE, SIDE)[:, 2:6].square().mean().sqrt()
    print(f"inpainting: RMS error in the hole {hidden:.3f}")
    for n_gibbs in (1, 4, 16):
        found = retrieve(prior, images, n_gibbs)
        errors = error(found, images)
        share = (errors < 0.3).float().mean()
        print(f"phase retrieval, R = {n_gibbs}: RMS error {errors.mean():.3f}, {share:.0%} found")
        rows[f"retrieved, R={n_gibbs}"] = found
    picture(rows, arguments.picture)


if __name__ == "__main__":
    main()
