"""One protocol for every sampler: what the loop and the user may rely on."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from mgdm_audio.engine import (
    SAMPLERS,
    DenoiserError,
    Gaussian,
    MixtureSum,
    SamplingError,
    karras_schedule,
    sample,
)
from mgdm_audio.engine.analytic import gaussian
from mgdm_audio.engine.denoising import Calls, ancestral
from mgdm_audio.engine.noise import Noise

B, K, T = 3, 4, 5
SIGMAS = karras_schedule(6, 0.05, 3.0, 3.0)
# Small settings, so that the whole protocol takes seconds.
SETTINGS = {
    "daps": {"n_flow": 2, "n_langevin": 3, "step_size": 1e-3},
    "mgdm": {"n_gibbs": 2, "n_gradient": 1, "n_gradient_last": 2, "n_denoise": 2},
    "mgdm_free": {"n_gibbs": 2, "particles": 2},
    "pnpdm": {"n_denoise": 2},
    "tds": {"particles": 4, "spread": 2.0},
}
every_sampler = pytest.mark.parametrize("name", sorted(SAMPLERS))


def make_prior():
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(K * T, K * T, generator=generator)
    covariance = root @ root.T / (K * T) + 0.1 * torch.eye(K * T)
    return gaussian(torch.randn(K, T, generator=generator), covariance)


PRIOR = make_prior()
MIXTURE = PRIOR.sample(B, torch.Generator().manual_seed(1)).sum(1, keepdim=True)


def run(name, mixture=MIXTURE, denoise=PRIOR.denoise, shape=(B, K, T), **options):
    sampler = SAMPLERS[name](denoise, MixtureSum(mixture, 0.2), **SETTINGS.get(name, {}))
    return sample(sampler, SIGMAS, shape, **options)


@every_sampler
def test_result_has_the_asked_shape_and_is_finite(name):
    x0 = run(name)
    assert x0.shape == (B, K, T)
    assert x0.dtype == torch.float32
    assert torch.isfinite(x0).all()
    assert not x0.requires_grad


@every_sampler
def test_an_observation_in_double_precision_gives_the_same_in_single(name):
    """NumPy's arrays are in double precision, most networks are not."""
    denoise = lambda x, sigma, *mix: PRIOR.denoise(_single(x), sigma, *mix)  # noqa: E731
    x0 = run(name, MIXTURE.double(), denoise, seed=3)
    assert x0.dtype == torch.float32
    assert torch.allclose(x0, run(name, seed=3), atol=1e-4)


def _single(x):
    assert x.dtype == torch.float32
    return x


@every_sampler
def test_a_seed_decides_the_result(name):
    assert torch.equal(run(name, seed=3), run(name, seed=3))
    assert not torch.allclose(run(name, seed=3), run(name, seed=4))


@every_sampler
def test_an_item_does_not_depend_on_its_batch(name):
    together = run(name, seed=[7, 8, 9])
    alone = run(name, MIXTURE[1:2], shape=(1, K, T), seed=[8])
    assert torch.allclose(together[1:2], alone, atol=1e-4)


@every_sampler
def test_items_with_equal_seeds_and_observations_are_equal(name):
    x0 = run(name, MIXTURE[:1], shape=(2, K, T), seed=[5, 5])
    assert torch.allclose(x0[0], x0[1], atol=1e-5)


@every_sampler
def test_callback_reports_every_level_and_the_true_cost(name):
    seen, reports = [], []

    def counted(x, *levels):
        seen.append(len(x))
        return PRIOR.denoise(x, *levels)

    x0 = run(name, denoise=counted, callback=reports.append)
    assert [report.step for report in reports] == list(range(len(SIGMAS)))
    assert [report.sigma for report in reports] == pytest.approx(SIGMAS.tolist())
    assert torch.equal(reports[-1].x0, x0)
    # Particles of one item are evaluated in one call: the cost counts each of them.
    assert reports[-1].denoiser_calls == sum(seen) // B
    gradients = [report.gradient_calls for report in reports]
    assert gradients == sorted(gradients)


@every_sampler
def test_gradients_are_counted_as_autograd_runs_them(name):
    reports, backward = [], []

    class Tap(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, slope):
            backward.append(len(slope))
            return slope

    run(name, denoise=lambda x, *s: Tap.apply(PRIOR.denoise(x, *s)), callback=reports.append)
    assert reports[-1].gradient_calls == sum(backward) // B


@every_sampler
def test_autocast_reaches_the_denoiser_only(name):
    layer = torch.nn.Linear(T, T, bias=False)
    layer.weight.data = 0.5 * torch.eye(T)
    seen = set()

    def network(x, *levels):
        out = layer(x)
        seen.add(out.dtype)
        return out

    with torch.autocast("cpu", dtype=torch.bfloat16):
        x0 = run(name, denoise=network)
    assert seen == {torch.bfloat16}
    assert x0.dtype == torch.float32
    # Half precision of the denoiser changes the result a little, not by its own size.
    assert (x0 - run(name, denoise=network)).norm() < 0.3 * x0.norm()


@every_sampler
def test_unknown_settings_are_refused(name):
    with pytest.raises(TypeError, match="n_gibs"):
        SAMPLERS[name](PRIOR.denoise, MixtureSum(MIXTURE, 0.2), n_gibs=3)


@every_sampler
def test_an_observation_that_does_not_fit_names_both_shapes(name):
    with pytest.raises(ValueError, match=r"\(3, 1, 5\).*\(3, 1, 6\)"):
        run(name, torch.zeros(B, 1, T + 1))


@every_sampler
def test_a_denoiser_that_returns_nan_is_reported_with_its_level(name):
    def broken(x, sigma, *rest):
        x0 = PRIOR.denoise(x, sigma, *rest)
        return torch.where(sigma.reshape(-1, 1, 1) < 0.5, torch.nan, x0)

    with pytest.raises(DenoiserError, match=r"step \d, sigma") as caught:
        run(name, denoise=broken)
    assert caught.value.sigma == pytest.approx(SIGMAS[caught.value.step].item())


@every_sampler
def test_a_denoiser_that_changes_the_shape_is_refused(name):
    with pytest.raises(ValueError, match=r"\(.*4, 5\) into \(.*4, 4\)"):
        run(name, denoise=lambda x, *levels: PRIOR.denoise(x, *levels)[..., :-1])


@pytest.mark.parametrize("name", ["daps", "dps", "mgdm", "pnpdm", "reddiff", "tds"])
def test_non_linear_observations_are_served(name):
    target = PRIOR.sample(B, torch.Generator().manual_seed(2))
    likelihood = Gaussian(target.sum(1, keepdim=True).tanh(), lambda x: x.sum(1, True).tanh(), 0.2)
    settings = SETTINGS.get(name, {}) | ({"n_langevin": 3} if name == "pnpdm" else {})
    sampler = SAMPLERS[name](PRIOR.denoise, likelihood, **settings)
    x0 = sample(sampler, SIGMAS, (B, K, T), seed=[7, 8, 9])
    assert torch.isfinite(x0).all()
    likelihood = Gaussian(likelihood.observation[1:2], lambda x: x.sum(1, True).tanh(), 0.2)
    sampler = SAMPLERS[name](PRIOR.denoise, likelihood, **settings)
    alone = sample(sampler, SIGMAS, (1, K, T), seed=[8])
    assert torch.allclose(x0[1:2], alone, atol=1e-4)


@pytest.mark.parametrize(
    "name", ["conditional", "ddnm", "diffpir", "mgdm_free", "mmps", "msdm_dirac", "pgdm"]
)
def test_samplers_for_linear_observations_refuse_others(name):
    with pytest.raises(TypeError, match="not Gaussian"):
        SAMPLERS[name](PRIOR.denoise, Gaussian(torch.zeros(1, 1, T), torch.tanh, 0.2))


def test_a_sampler_that_diverges_is_reported():
    sampler = SAMPLERS["daps"](PRIOR.denoise, MixtureSum(MIXTURE, 1e-3), step_size=1e9)
    with pytest.raises(SamplingError, match="diverged"):
        sample(sampler, SIGMAS, (B, K, T))


def test_a_denoiser_is_not_blamed_for_what_it_was_given():
    """A linear one makes NaN of infinity; the sampler made the infinity."""
    x = torch.zeros(B, K, T)
    calls = Calls(PRIOR.denoise)
    calls(x / 0, 1.0)
    calls(x, 1.0)
    assert calls.info().finite
    beside = x.clone()
    beside[0] = torch.inf
    broken = Calls(lambda x, sigma: torch.where(torch.arange(B).view(-1, 1, 1) == 1, torch.nan, x))
    broken(beside, 1.0)
    assert not broken.info().finite
    broken = Calls(lambda x, sigma: x / 0)
    broken(x, 1.0)
    assert not broken.info().finite


@every_sampler
def test_a_run_that_stops_early_is_the_beginning_of_the_whole(name):
    """The sampler sees all levels, so that up to there nothing is different."""
    whole, part = [], []
    run(name, callback=whole.append)
    x0 = run(name, callback=part.append, stop=4)
    assert [p.steps for p in part] == [4] * 4
    assert [p.sigma for p in part] == [p.sigma for p in whole[:4]]
    assert torch.equal(x0, part[-1].x0)
    assert torch.equal(x0, whole[3].x0)


@pytest.mark.parametrize("stop", [0, 7, 2.0])
def test_a_stop_outside_the_schedule_is_refused(stop):
    with pytest.raises(ValueError, match="from 1 to 6"):
        run("dps", stop=stop)


@pytest.mark.parametrize("index", ["uniform", "last", "near_zero"])
def test_from_the_lowest_level_mgdm_denoises_once(index):
    """x_0 given x_s at the lowest level, from where there is nothing to walk down."""
    options = {"n_gibbs": 1, "n_gradient": 0, "n_gradient_last": 0, "n_denoise": 5, "index": index}
    sampler, reports = SAMPLERS["mgdm"](PRIOR.denoise, MixtureSum(MIXTURE, 0.2), **options), []
    sample(sampler, SIGMAS, (B, K, T), callback=reports.append)
    calls = [after.denoiser_calls - b.denoiser_calls for b, after in pairwise(reports)]
    assert calls == [5, 5, 5, 1, 1]


def test_ancestral_steps_end_at_the_lowest_level_or_at_its_denoised_signal():
    levels = []

    def denoise(x, sigma):
        levels.append(sigma.tolist())
        return PRIOR.denoise(x, sigma)

    def draw(sigma, last, n=5):
        levels.clear()
        sigma = torch.tensor(sigma, dtype=torch.float64)
        noise = Noise(0, len(sigma), "cpu")
        x = PRIOR.sample(len(sigma), torch.Generator().manual_seed(3))
        return ancestral(
            Calls(denoise), x, sigma, n, noise, sigma_min=0.05, rho=3.0, last=last
        ), noise.normal(x.shape)

    (mean, _), drawn_at = draw([2.0, 1.0], True), [list(one) for one in levels]
    assert [max(level) for level in drawn_at] == sorted(map(max, drawn_at), reverse=True)
    assert drawn_at[-1] == pytest.approx([0.05, 0.05])
    (at_lowest, _), calls = draw([2.0, 1.0], False), len(levels)
    assert calls == 4
    difference = (PRIOR.denoise(at_lowest, torch.full((2,), 0.05)) - mean).abs().max()
    assert difference < 1e-5
    # At the lowest level there is one thing to do, for an item alone and beside one that is higher.
    for last in (True, False):
        (alone, after), calls = draw([0.04, 0.05], last), len(levels)
        assert calls == 1
        (beside, after_beside), calls = draw([0.04, 1.0], last), len(levels)
        assert calls == (5 if last else 4)
        assert torch.allclose(alone[0], beside[0], atol=1e-6)
        assert torch.equal(after[0], after_beside[0])


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("daps", {"n_flow": 0}), ("daps", {"n_langevin": -1}), ("daps", {"step_size": 0.0}),
        ("daps", {"prior_std": 0.0}), ("daps", {"step_decay": -0.1}),
        ("reddiff", {"n_gradient": 0}), ("reddiff", {"learning_rate": 0.0}),
        ("pnpdm", {"rho": 0.0}), ("pnpdm", {"n_denoise": 0}),
        ("msdm_dirac", {"constrained": -1}), ("msdm_dirac", {"churn": -1.0}),
        ("msdm_gaussian", {"gamma": 0.0}), ("msdm_gaussian", {"resamplings": 0}),
        ("dps", {"eta": -0.1}), ("dps", {"zeta": -1.0}), ("mmps", {"eta": 1.5}),
        ("mmps", {"n_solve": 0}), ("pgdm", {"prior_std": 0.0}), ("pgdm", {"eta": float("nan")}),
        ("conditional", {"churn": 2.0}), ("conditional", {"initial": -1.0}),
        ("diffpir", {"zeta": -0.1}), ("diffpir", {"strength": -1.0}),
        ("ddnm", {"resamplings": 0}), ("reddiff", {"regularisation": -1.0}),
        ("mgdm", {"n_gibbs": 0}), ("mgdm", {"n_gibbs": 1.5}), ("mgdm", {"n_gradient": -1}),
        ("mgdm", {"n_denoise": 0}), ("mgdm", {"rho": 0.0}), ("mgdm", {"rho": float("inf")}),
        ("mgdm", {"learning_rate": 0.0}), ("mgdm", {"last_fraction": 1.5}),
        ("mgdm", {"index_floor": -0.1}), ("mgdm", {"index_sigma": 0.0, "index": "fixed"}),
        ("mgdm_free", {"rho": 0.0}), ("mgdm_free", {"index_floor": 1.1}),
        ("mgdm_free", {"index_sigma": -1.0, "index": "ratio"}),
        ("mgdm_free", {"last_fraction": -0.5}), ("mgdm_free", {"probe": float("nan")}),
        ("mgdm_free", {"prior_std": 0.0}), ("mgdm_free", {"particles": 0}),
        ("tds", {"particles": 0}), ("tds", {"threshold": -1.0}), ("tds", {"spread": 0.0}),
    ],
)  # fmt: skip
def test_settings_out_of_range_are_refused_by_name(name, setting):
    with pytest.raises(ValueError, match=next(iter(setting))):
        SAMPLERS[name](lambda x, sigma: x, MixtureSum(torch.zeros(1, 1, 8), 0.1), **setting)


@pytest.mark.parametrize("churn", [0.0, 1.0])
def test_a_sampler_that_does_not_look_at_the_noise_is_given_none(churn):
    """And the noise that it uses later is what it would be otherwise."""
    options = {"initial": 0.0, "churn": churn}
    sampler = SAMPLERS["conditional"](PRIOR.denoise, MixtureSum(MIXTURE, 0.0), **options)
    seen = []

    def init(noise):
        seen.append(noise)
        return sampler.init(noise)

    drawn = sampler._replace(init=init, from_noise=True)
    results = [sample(s, SIGMAS, (B, K, T)) for s in (drawn, drawn._replace(from_noise=False))]
    assert seen[0].any()
    assert not seen[1].any()
    assert not sampler.from_noise
    assert torch.equal(*results)


def test_a_constrained_source_that_is_not_there_is_refused_at_the_start():
    calls = []
    sampler = SAMPLERS["msdm_dirac"](calls.append, MixtureSum(MIXTURE, 0.2), constrained=K)
    with pytest.raises(ValueError, match="constrained must be from 0 to 3, not 4"):
        sample(sampler, SIGMAS, (B, K, T))
    assert not calls


@every_sampler
def test_what_the_thread_is_in_the_middle_of_changes_nothing(name):
    with torch.inference_mode(), torch.device("meta"):
        inside = run(name, seed=1, device="cpu")
    assert torch.equal(inside, run(name, seed=1))
    assert not inside.is_inference()


@pytest.mark.parametrize("name", ["dps", "mgdm", "mmps", "pgdm", "tds"])
def test_a_denoiser_without_gradients_is_named(name):
    with pytest.raises(RuntimeError, match=r"through the denoiser, .*torch\.no_grad"):
        run(name, denoise=torch.no_grad()(PRIOR.denoise))


def test_a_single_level_is_not_passed_over():
    """Else nothing would look at the observation."""
    passed, whole = (
        sample(
            SAMPLERS["mgdm"](PRIOR.denoise, MixtureSum(MIXTURE, 0.2), skip_first=skip, n_gibbs=1),
            [1.0],
            (B, K, T),
        )
        for skip in (True, False)
    )
    assert torch.equal(passed, whole)
