"""The training loop on a toy data set: resuming, divergence, noise, loss, optimiser, average."""

import copy
import dataclasses
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.data import IterableDataset

from mgdm_audio.networks import BandDenoiser, build_network, check_top
from mgdm_audio.training.config import read_config
from mgdm_audio.training.ema import EMA
from mgdm_audio.training.loop import TrainingDiverged, train
from mgdm_audio.training.loss import (
    level_loss,
    log_loss,
    mixture_log_loss,
    mixture_loss,
    relative_loss,
)
from mgdm_audio.training.noise import NoiseLevels, two_level_noise
from mgdm_audio.training.optimizer import orthogonalise
from mgdm_audio.training.validate import scores_by_level

from .toy import CONFIG, run


class Tones(IterableDataset):
    """Three sines a crop, the stem deciding the octave."""

    poison_at = None

    def __init__(self, seconds, samplerate, seed, start):
        self.length, self.rate = int(seconds * samplerate), samplerate
        self.seed, self.start = seed, start

    def __iter__(self):
        index = self.start
        while True:
            generator = torch.Generator().manual_seed(self.seed * 100_003 + index)
            base = 100.0 + 100 * torch.rand(3, 1, generator=generator)
            time = torch.arange(self.length) / self.rate
            octave = torch.tensor([1.0, 4.0, 16.0])[:, None]
            tone = 0.1 * torch.sin(2 * torch.pi * base * octave * time)
            yield tone * float("nan") if index == self.poison_at else tone
            index += 1


class Poisoned(Tones):
    poison_at = 20


def test_a_run_cut_short_resumes_to_the_same_weights(config, tmp_path):
    whole = run(config, tmp_path / "whole")
    # A cut at step 6 of 12 leaves the state saved there; the schedule is that of 12 steps.
    cut = tmp_path / "cut"
    stop = copy.deepcopy(config)
    object.__setattr__(stop["training"], "data", "tests.training.test_training:Poisoned")
    with pytest.raises(TrainingDiverged, match="last good state"):
        run(stop, cut)
    assert torch.load(cut / "state.pt", weights_only=True)["step"] == 6
    resumed = run(config, cut)
    for name, weight in whole["net"].items():
        assert torch.equal(weight, resumed["net"][name]), name
    for name, weight in whole["ema"].items():
        assert torch.equal(torch.as_tensor(weight), torch.as_tensor(resumed["ema"][name])), name


def test_training_beats_the_wiener_filter(config, tmp_path):
    for option, value in {"steps": 150, "learning_rate": 5e-3}.items():
        object.__setattr__(config["training"], option, value)
    state = run(config, tmp_path / "run")
    net = build_network("band", 3, **config["network"])
    net.load_state_dict(state["net"])
    clean = torch.stack([x for x, _ in zip(Tones(0.25, 8000, 77, 0), range(8), strict=False)])
    generator = torch.Generator().manual_seed(0)
    levels = torch.full((8,), 2.0), torch.zeros(8)
    noisy = clean + two_level_noise(clean.shape, *levels, generator)
    with torch.no_grad():
        loss = relative_loss(net(noisy, *levels), net.wiener(noisy, *levels), clean).mean()
    assert loss < 0.8


def test_frozen_parts_keep_their_weights_and_others_learn(config, tmp_path):
    single = run(config, tmp_path / "single")
    cascade = {**config, "prior": {**config["prior"], "network": "band-cascade"}}
    options = {"frozen": ["first"], "noise": {"top": 1, "conditional": 0, "partial": 0, "plain": 0}}
    cascade["training"] = dataclasses.replace(config["training"], **options)
    folder = tmp_path / "cascade"
    folder.mkdir()
    weights = {name: weight.contiguous() for name, weight in single["net"].items()}
    save_file(weights, folder / "initial.safetensors")  # of one network, for both
    state = run(cascade, folder)
    average = torch.load(folder / "ema.pt", weights_only=True)
    moved = 0
    for name, weight in single["net"].items():
        assert torch.equal(state["net"][f"first.{name}"], weight), name
        assert torch.equal(average[f"first.{name}"], weight), name
        moved += not torch.equal(state["net"][f"second.{name}"], weight)
    assert moved > 20
    assert torch.equal(state["net"]["second.variance"], single["net"]["variance"])


def test_a_batch_without_a_part_for_those_that_learn_is_no_error(config, tmp_path):
    """Of a cascade's second network, where no example is conditional at the top."""
    single = run(config, tmp_path / "single")
    folder = tmp_path / "cascade"
    folder.mkdir()
    weights = {name: weight.contiguous() for name, weight in single["net"].items()}
    save_file(weights, folder / "initial.safetensors")
    options = {"frozen": ["first"], "noise": {"top": 0, "conditional": 0, "partial": 0}}
    cascade = {**config, "prior": {**config["prior"], "network": "band-cascade"}}
    state = run(cascade | {"training": dataclasses.replace(config["training"], **options)}, folder)
    for name, weight in single["net"].items():
        assert torch.equal(state["net"][f"second.{name}"], weight), name


@pytest.mark.parametrize(
    ("prior", "frozen", "message"),
    [
        ({"network": "band-cascade"}, ["first"], "frozen parts need initial weights, and first"),
        ({}, ["third"], "no part 'third' to freeze"),
        ({"network": "band-cascade", "sigma_max": 1.0}, [], "top is 2, the prior's sigma_max 1"),
    ],
)
def test_what_cannot_be_trained_is_refused(config, tmp_path, prior, frozen, message):
    changed = {**config, "prior": {**config["prior"], **prior}}
    changed["training"] = dataclasses.replace(config["training"], frozen=frozen)
    with pytest.raises(ValueError, match=message):
        run(changed, tmp_path / "run")


@pytest.mark.parametrize("precision", ["16-mixed", "bf16-true", "64-true"])
def test_other_precisions_are_refused(config, tmp_path, precision):
    with pytest.raises(ValueError, match=rf"{precision} .* use bf16-mixed or 32-true"):
        train(config, tmp_path, precision=precision)


def test_stems_in_another_order_are_refused(config, tmp_path, monkeypatch):
    monkeypatch.setattr(Tones, "sources", ("b", "a", "c"), raising=False)
    with pytest.raises(ValueError, match="the data's stems are b, a, c, the prior's a, b, c"):
        train(config, tmp_path, devices=1)


def test_a_run_that_goes_on_keeps_its_last_figures(config, tmp_path):
    """What TensorBoard shows after a run was called again, its steps being done."""
    options = {"save_every": 50, "steps": 50, "batch_size": 1}
    config["training"] = dataclasses.replace(config["training"], **options)
    for _ in range(2):
        run(config, tmp_path / "run")
    events = EventAccumulator(str(tmp_path / "run" / "logs")).Reload()
    assert [event.step for event in events.Scalars("train/loss")] == [50]


def test_another_optimizer_does_not_go_on_with_a_run(config, tmp_path):
    run(config, tmp_path / "run")
    config["training"] = dataclasses.replace(config["training"], optimizer="adamw", steps=20)
    with pytest.raises(ValueError, match=r"state\.pt: is of a run with another optimizer"):
        run(config, tmp_path / "run")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('sources = ["a", "b", "c"]\n', "", r"\[prior\] lacks sources"),
        ("batch_size", 'validation = "folder"\nbatch_size', r"validation is a table"),
        ("batch_size", 'frozen = "first"\nbatch_size', r"frozen is a list"),
        ("[prior]", "[prior", r"is no TOML"),
    ],
)
def test_configurations_with_mistakes_are_refused(tmp_path, old, new, message):
    path = tmp_path / "config.toml"
    path.write_text(CONFIG.replace(old, new, 1))
    with pytest.raises(ValueError, match=f"config.toml: .*{message}"):
        read_config(path)


@pytest.mark.parametrize(
    "options", [{"top": 0, "conditional": 0, "partial": 0, "plain": 0}, {"top": -1}, {"centre": 0}]
)
def test_noise_that_cannot_be_is_refused(options):
    with pytest.raises(ValueError, match="noise levels"):
        NoiseLevels(1e-3, 2.0, **options)


@pytest.mark.parametrize("name", ["band", "band-plain"])
def test_configurations_of_the_shipped_priors_can_be_trained(name):
    """All of them build their network, and draw their noise levels."""
    folder = Path(__file__).parents[2] / "priors" / name
    for path in folder.glob("*.toml"):
        tables = read_config(path)
        prior, training = tables["prior"], tables["training"]
        net = build_network(prior["network"], len(prior["sources"]), **tables["network"])
        check_top(net, prior["sigma_max"])
        levels = NoiseLevels(prior["sigma_min"], prior["sigma_max"], **training.noise)
        assert (levels.sample(100, torch.Generator())[0] <= prior["sigma_max"]).all()
        for part in training.frozen:
            net.get_submodule(part)


@pytest.mark.parametrize("mean_start", [False, True])
def test_what_the_network_is_given(config, tmp_path, monkeypatch, mean_start):
    """Levels and audio in full precision; at the top the mixture shared out, if asked for."""
    seen = []
    forward = BandDenoiser.forward

    def spy(self, x, sigma, sigma_mix=None):
        seen.append((x, sigma, sigma_mix))
        return forward(self, x, sigma, sigma_mix)

    monkeypatch.setattr(BandDenoiser, "forward", spy)
    options = {"mean_start": mean_start, "batch_size": 8, "steps": 4}
    options["noise"] = {"top": 1, "conditional": 1, "partial": 0, "plain": 0}
    training = dataclasses.replace(config["training"], **options)
    run({**config, "training": training}, tmp_path / "run", precision="bf16-mixed")
    seen = [call for call in seen if len(call[0]) == 8][:4]
    assert all(part.dtype == torch.float32 for call in seen for part in call)
    x, sigma = (torch.cat([call[i] for call in seen]) for i in (0, 1))
    equal = (x - x.mean(1, keepdim=True)).abs().amax((1, 2)) == 0
    assert 4 < (sigma == 2.0).sum() < 28
    assert torch.equal(equal, (sigma == 2.0) & mean_start)
    assert (sigma.bfloat16().float() != sigma).any()


def test_two_level_noise_has_the_two_levels():
    generator = torch.Generator().manual_seed(0)
    noise = two_level_noise(
        torch.Size([2, 4, 50_000]), torch.tensor([2.0, 1.0]), torch.tensor([0.0, 3.0]), generator
    )
    along = noise.sum(1) / 2  # u = 1 / sqrt(4)
    rest = noise - noise.mean(1, keepdim=True)
    assert along.std(-1).tolist() == pytest.approx([0.0, 3.0], abs=0.05)
    assert (rest.square().sum(1).mean(-1) / 3).sqrt().tolist() == pytest.approx(
        [2.0, 1.0], rel=0.02
    )


def test_noise_levels_keep_their_shares_and_range():
    levels = NoiseLevels(1e-3, 2.0, top=0.5, conditional=0.2, partial=0.1, plain=0.2)
    sigma, mix = levels.sample(20_000, torch.Generator().manual_seed(0))
    assert ((sigma == 2.0) & (mix == 0)).float().mean().item() == pytest.approx(0.5, abs=0.02)
    assert (mix == sigma).float().mean().item() == pytest.approx(0.2, abs=0.02)
    assert sigma.min() >= 0.999e-3
    assert (mix <= sigma).all()


def test_a_batch_has_of_each_kind_of_level_its_share():
    levels = NoiseLevels(1e-3, 2.0, top=0.85, conditional=0.15, partial=0.0, plain=0.0)
    generator = torch.Generator().manual_seed(0)
    batches = [levels.sample(4, generator)[0] == 2.0 for _ in range(500)]
    assert {int(batch.sum()) for batch in batches} == {3, 4}
    places = torch.stack(batches).float().mean(0)  # each alike
    assert places.tolist() == pytest.approx([0.85] * 4, abs=0.05)


def test_relative_loss_is_one_for_the_filter_and_zero_for_the_truth():
    clean, wiener = torch.randn(2, 4, 1000), torch.randn(2, 4, 1000)
    level = torch.tensor([1e-3, 10.0])[:, None, None]  # loud and quiet items count alike
    loss = relative_loss(wiener * level, wiener * level, clean * level)
    assert loss.mean(1).tolist() == pytest.approx([1.0, 1.0], abs=0.01)
    assert relative_loss(clean, wiener, clean).max() == 0


def test_relative_loss_does_not_explode_in_silence():
    silence, hiss = torch.zeros(1, 4, 100), 1e-4 * torch.ones(1, 4, 100)
    assert relative_loss(hiss, silence, silence, torch.full((1, 4), 1e-3)).max() < 1e-3


def test_expected_error_is_what_the_wiener_filter_makes_on_gaussian_stems():
    net = build_network("band", 4, window=256, bands=[[16, 8]], channels=[4, 4], heads=1, blocks=1)
    torch.manual_seed(0)
    power = torch.tensor([1.0, 0.5, 0.1, 0.01])
    net.variance.copy_(power[:, None].expand(-1, net.stft.bins))
    clean = torch.randn(4, 4, 30_000) * power.sqrt()[:, None]
    levels = torch.full((4,), 0.7), torch.full((4,), 0.1)
    noisy = clean + two_level_noise(clean.shape, *levels, torch.Generator().manual_seed(1))
    error = (net.wiener(noisy, *levels) - clean).square().mean((0, 2))
    assert torch.allclose(error, net.expected_error(*levels)[0], rtol=0.05)


def test_orthogonalise_against_svd():
    torch.manual_seed(0)
    for shape in [(8, 30), (30, 8)]:
        matrix = torch.randn(shape)
        u, _, v = torch.linalg.svd(matrix, full_matrices=False)
        result = orthogonalise(matrix)
        values = torch.linalg.svdvals(result)
        assert values.min() > 0.5
        assert values.max() < 1.3
        assert (u.mT @ result @ v.mT).diagonal().min() > 0.5


def test_average_starts_as_a_mean_and_follows():
    net = torch.nn.Linear(1, 1, bias=False)
    ema = EMA(net, decay=0.5)
    for value in (1.0, 2.0, 3.0):
        with torch.no_grad():
            net.weight.fill_(value)
        ema.update(net)
    target = torch.nn.Linear(1, 1, bias=False)
    ema.copy_to(target)
    assert 2.0 < target.weight.item() < 3.0


def test_unknown_options_are_named(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(CONFIG + "learning_rat = 1\n")
    with pytest.raises(
        ValueError, match=r"config.toml: unknown option in \[training\]: learning_rat"
    ):
        read_config(path)


def test_a_configuration_without_data_is_refused(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text("\n".join(row for row in CONFIG.splitlines() if not row.startswith("data")))
    with pytest.raises(ValueError, match=r"config.toml: \[training\] does not say which data"):
        read_config(path)


@pytest.mark.parametrize("table", ["noise", "data_options", "network"])
def test_unknown_options_of_other_tables_are_named(config, tmp_path, table):
    if table == "network":
        config["network"]["chanels"] = [4]
    else:
        getattr(config["training"], table)["chanels"] = [4]
    with pytest.raises(ValueError, match=rf"\[(training\.)?{table}\]: .*'chanels'"):
        train(config, tmp_path, devices=1)


@pytest.mark.parametrize("data", ["recipes.bend:BandDataset", "json:BandDataset", "json"])
def test_data_that_cannot_be_imported_is_named(config, tmp_path, data):
    config["training"] = dataclasses.replace(config["training"], data=data)
    with pytest.raises(ValueError, match=f"'{data}'"):
        train(config, tmp_path, devices=1)


def test_the_log_loss_counts_decibels_as_a_mean_of_sdr_does():
    """Where errors are a tenth, a decibel is worth half of what it is worth elsewhere, or more."""
    torch.manual_seed(0)
    wiener, clean = torch.randn(2, 1, 3, 4000)
    expected = torch.full((1, 3), 1e-6)

    def gain(loss, error):
        """What one decibel is worth at this squared error, in units of the filter's."""
        given = (clean + scale**0.5 * (wiener - clean) for scale in (error, error / 10**0.1))
        worse, better = (loss(x, wiener, clean, expected).mean().item() for x in given)
        return worse - better

    assert gain(relative_loss, 1.0) == pytest.approx(10 * gain(relative_loss, 0.1), rel=0.01)
    assert 1.5 < gain(log_loss, 1.0) / gain(log_loss, 0.1) < 2
    assert gain(log_loss, 10.0) == pytest.approx(0.1 * math.log(10), rel=0.02)  # log of a decibel
    perfect = clean.clone().requires_grad_()
    log_loss(perfect, wiener, clean, expected).mean().backward()
    assert perfect.grad.isfinite().all()


def scaled_to(loss, wiener, clean, expected):
    """The factor on Wiener estimates that a loss likes best."""
    factors = torch.linspace(0.01, 2, 200)
    losses = [loss(factor * wiener, wiener, clean, expected).mean() for factor in factors]
    return factors[torch.stack(losses).argmin()]


def test_the_level_loss_has_the_posterior_mean_for_its_minimum_the_relative_one_has_not():
    """Stems whose loudness the noise hides: the Wiener filter is the best linear estimate."""
    torch.manual_seed(0)
    net = build_network("band", 4, window=256, bands=[[16, 8]], channels=[4, 4], heads=1, blocks=1)
    loud = torch.tensor([0.0, 0.2, 1.0, 1.7]).repeat(50)[torch.randperm(200)]  # mean power 0.98
    net.variance.fill_(loud.square().mean())
    clean = torch.randn(200, 4, 2000) * loud[:, None, None]
    levels = torch.full((200,), 5.0), torch.full((200,), 5.0)
    noisy = clean + two_level_noise(clean.shape, *levels, torch.Generator().manual_seed(1))
    wiener, expected = net.wiener(noisy, *levels), net.expected_error(*levels)
    assert scaled_to(level_loss, wiener, clean, expected) == pytest.approx(1.0, abs=0.1)
    assert scaled_to(relative_loss, wiener, clean, expected) < 0.5


def test_the_mixture_loss_believes_both_stems_alike_the_relative_one_believes_the_filter():
    """A sound that is one stem's or another's by even chance: the posterior mean is a half."""
    torch.manual_seed(0)
    mixture = torch.randn(400, 1, 500)
    owner = torch.arange(400).view(-1, 1, 1) % 2 == torch.arange(2).view(1, 2, 1)
    clean = mixture * owner
    wiener = mixture * torch.tensor([0.8, 0.2]).view(1, 2, 1)
    expected = torch.full((400, 2), 0.16)

    def best(loss):
        shares = torch.linspace(0, 1, 101)
        estimates = (mixture * torch.stack([1 - a, a]).view(1, 2, 1) for a in shares)
        losses = [loss(x, wiener, clean, expected).mean() for x in estimates]
        return shares[torch.stack(losses).argmin()].item()

    assert best(mixture_loss) == pytest.approx(0.5, abs=0.03)
    assert best(relative_loss) < 0.15
    quiet = [x * 1e-2 for x in (clean * 0, wiener, clean)]
    loud = mixture_loss(clean * 0, wiener, clean, expected * 0).mean()
    assert mixture_loss(*quiet, expected * 0).mean() == pytest.approx(loud.item(), rel=1e-3)


def test_the_mixture_log_loss_weighs_errors_alike_whoever_owns_a_sound():
    """The filter gives four fifths of it to the first: `log_loss` forgives if that is wrong."""
    torch.manual_seed(0)
    mixture = torch.randn(1, 1, 4000)
    wiener = mixture * torch.tensor([0.8, 0.2]).view(1, 2, 1)
    expected = torch.full((1, 2), 0.16)
    owners = (mixture * torch.eye(2)[owner].view(1, 2, 1) for owner in (0, 1))
    likelier, other = ((clean, clean + (mixture - 2 * clean)) for clean in owners)

    def worth(loss, clean, opposite, error):
        """A decibel's, where so much of the sound is still with the other stem."""
        shares = error, error / 10**0.05
        given = (clean + share * (opposite - clean) for share in shares)
        worse, better = (loss(x, wiener, clean, expected).mean().item() for x in given)
        return worse - better

    assert worth(mixture_log_loss, *likelier, 0.5) == pytest.approx(
        worth(mixture_log_loss, *other, 0.5), rel=1e-3
    )
    assert worth(log_loss, *likelier, 0.5) > 1.2 * worth(log_loss, *other, 0.5)
    # Between a squared error, where small ones gain nothing, and a mean of decibels.
    ratio = worth(mixture_log_loss, *other, 0.5) / worth(mixture_log_loss, *other, 0.1)
    assert 2 < ratio < 8
    assert worth(mixture_loss, *other, 0.5) > 20 * worth(mixture_loss, *other, 0.1)


def test_the_slope_tells_a_posterior_mean_from_a_shrunken_one():
    torch.manual_seed(0)
    net = build_network("band", 4, window=256, bands=[[16, 8]], channels=[4, 4], heads=1, blocks=1)
    power = torch.tensor([1.0, 0.5, 0.1, 0.01])
    net.variance.copy_(power[:, None].expand(-1, net.stft.bins))
    clean = torch.randn(8, 4, 30_000) * power.sqrt()[:, None]
    exact = scores_by_level(net, clean, (0.1, 1.0), conditional=False)
    for _, error, slope in exact.values():  # an untrained network is the filter itself
        assert error == pytest.approx(1.0, abs=1e-5)
        assert slope == pytest.approx([1.0] * 4, rel=0.05)
    net.variance.mul_(0.25)
    shrunken = scores_by_level(net, clean, (1.0,), conditional=False)[1.0].slope
    assert shrunken == pytest.approx((0.25 * power + 1) / (0.25 * (power + 1)), rel=0.1)


def test_figures_at_the_top_are_of_what_a_separation_starts_from():
    heard = {}

    class Spy:
        def __call__(self, x, sigma, sigma_mix):
            heard[sigma[0].item()] = x
            return x

        wiener = staticmethod(lambda x, sigma, sigma_mix: 0 * x)

    clean = torch.randn(2, 4, 100)
    scores_by_level(Spy(), clean, (0.25, 2.0), conditional=True, top=2.0)
    assert torch.equal(heard[2.0], clean.mean(1, keepdim=True).expand(clean.shape))
    assert (heard[0.25] - clean).std() == pytest.approx(0.25 * 0.75**0.5, rel=0.1)
    scores_by_level(Spy(), clean, (2.0,), conditional=False, top=2.0)
    assert (heard[2.0] - clean).std() == pytest.approx(2.0, rel=0.1)
