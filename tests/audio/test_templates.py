"""Templates: sums, pieces, and notes that an estimate gave to the wrong stem for once."""

import itertools

import numpy as np
import pytest
import torch

from mgdm_audio.audio.refine import refine
from mgdm_audio.audio.templates import (
    DEFAULT,
    FADE,
    FitSettings,
    Refitter,
    fit_templates,
    misfit,
    refit,
    sections,
    template_masks,
)

ROUNDS = ((1024, 2048), (2048,))


def noise(channels=2, sources=4, length=40_000, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(channels, sources, length, generator=generator)


def notes(seed, length=400_000, rate=22050, count=20):
    """A melody of `count` notes with harmonics, each a fifth of a second, in any order."""
    rng = np.random.default_rng(seed)
    pitches = rng.uniform(100, 800, count)
    t = np.arange(rate // 5) / rate
    sounds = [sum(np.sin(2 * np.pi * p * h * t) / h for h in range(1, 8)) for p in pitches]
    sounds = [sound * np.exp(-6 * t) for sound in sounds]
    line = np.concatenate([sounds[rng.integers(count)] for _ in range(length // len(t) + 1)])
    return torch.from_numpy(line[:length].astype(np.float32))


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("length", [1, 700, 40_000])
def test_stems_that_sum_to_the_mixture_still_do(channels, length):
    stems = noise(channels, length=length)
    fitted = refit(stems, stems.sum(1), ROUNDS)
    assert fitted.shape == stems.shape
    torch.testing.assert_close(fitted.sum(1), stems.sum(1), atol=1e-4, rtol=0)


def divergence(x, y):
    """Generalised Kullback-Leibler, written down anew."""
    return float((x * (x / y).log() - x + y).sum())


def low_rank(seed=0):
    generator = torch.Generator().manual_seed(seed)
    a, b = (torch.rand(3, *shape, generator=generator) for shape in ((60, 4), (4, 50)))
    stems = (a**4 @ b**4).double()
    return stems, 1.1 * stems.sum(0)  # which the two terms of the objective do not agree on


def objective(stems, mixture, model, trust):
    return divergence(mixture, model.sum(0)) + trust * sum(map(divergence, stems, model))


@pytest.mark.parametrize("joint", [False, True])
def test_updates_lower_the_divergence(joint):
    stems, mixture = low_rank()
    values = []
    for updates in range(12):
        settings = FitSettings(updates=(0, updates) if joint else (updates, 0))
        model = fit_templates(stems, mixture, 4, settings=settings)
        if joint:
            values.append(objective(stems, mixture, model, settings.trust))
        else:
            values.append(sum(map(divergence, stems, model)))
    assert all(a > b for a, b in itertools.pairwise(values))
    assert values[-1] < 0.5 * values[0]


def test_trust_weighs_the_estimates():
    """Run to the end, each weight's own fit is the best by that weight's objective."""
    stems, mixture = low_rank()
    stems = stems.flip(1)  # estimates that are all wrong, so that there is something to weigh
    models = {}
    for trust in (0.05, 0.2, 1.0):
        settings = FitSettings(updates=(0, 400), trust=trust)
        models[trust] = fit_templates(stems, mixture, 4, settings=settings)
    for trust in models:
        values = {other: objective(stems, mixture, m, trust) for other, m in models.items()}
        assert min(values, key=values.get) == trust


def test_stems_of_few_spectra_are_modelled_closely():
    generator = torch.Generator().manual_seed(0)
    a, b = torch.rand(2, 80, 3, generator=generator), torch.rand(2, 3, 65, generator=generator)
    truth = a**4 @ b**4
    model = fit_templates(truth, truth.sum(0), count=8)
    assert float((model - truth).square().mean()) < 0.02 * float(truth.var())


def test_notes_in_the_wrong_stem_come_back():
    """For a tenth of the time two melodies are exchanged."""
    truth = torch.stack([notes(1), notes(2)])[None]
    wrong = truth.clone()
    for start in range(20_000, 390_000, 40_000):
        wrong[..., start : start + 4_000] = wrong.flip(1)[..., start : start + 4_000]
    stems = [wrong, *(refit(wrong, truth.sum(1), rounds * ((4096,),)) for rounds in (1, 2))]
    none, once, twice = (float((x - truth).square().mean()) for x in stems)
    assert once < 0.8 * none
    assert twice < 0.9 * once


def test_misfit_is_small_where_notes_come_back_and_large_where_none_do():
    repeated = torch.stack([notes(1), notes(2)])[None]
    new = noise(1, 2, repeated.shape[-1])
    errors = [template_masks(x, x.sum(1), 2048)[1] for x in (repeated, repeated + new, new)]
    assert errors[0] < 0.1
    assert min(errors[1:]) > 0.2
    assert misfit(new, new) == 0
    assert misfit(new, torch.zeros_like(new)) == pytest.approx(1)


@pytest.mark.parametrize("again", [(0.1, 0.1), (0.2, 0.1), (0.1, float("inf")), (-1.0, 0.1)])
def test_limits_that_are_not_in_order_are_refused(again):
    with pytest.raises(ValueError, match="again must be"):
        FitSettings(again=again)


@pytest.mark.parametrize(("share", "again"), [(0, "0.1"), (0.25, "mean"), (1, "1")])
def test_a_second_round_counts_as_far_as_the_first_one_fits(share, again):
    stems = torch.stack([notes(1), notes(2)])[None, ..., :100_000] + 0.3 * noise(1, 2, 100_000)
    mixture, rounds = stems.sum(1), ((1024, 2048), (2048,))
    error = sum(template_masks(stems, mixture, w, s)[1] for s, w in enumerate(rounds[0])) / 2
    limits = {"0.1": (0.0, 0.9 * error), "mean": (0.7 * error, 1.1 * error), "1": (error, 1.0)}
    once = refit(stems, mixture, rounds[:1])
    twice = refit(stems, mixture, rounds)
    adapted = refit(stems, mixture, rounds, FitSettings(again=limits[again]))
    torch.testing.assert_close(adapted, torch.lerp(once, twice, float(share)))
    assert not torch.allclose(once, twice, atol=1e-2)


@pytest.mark.parametrize("level", [1e-6, 1e4])
def test_level_is_of_no_account(level):
    stems = noise(1, length=20_000)
    one = refit(stems, stems.sum(1), ROUNDS)
    other = refit(level * stems, level * stems.sum(1), ROUNDS) / level
    torch.testing.assert_close(other, one, atol=1e-3, rtol=0)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_silence_stays_silent(channels):
    silence = torch.zeros(channels, 4, 9000)
    assert torch.equal(refit(silence, silence.sum(1), ROUNDS), silence)
    stems = noise(channels, length=30_000)
    stems[:, 2] = 0
    fitted = refit(stems, stems.sum(1), ROUNDS)
    assert float(fitted[:, 2].square().mean()) < 1e-4 * float(fitted.square().mean())


def test_equal_channels_are_shared_as_one_channel_is():
    stems = noise(1)
    one, error = template_masks(stems, stems.sum(1), 2048)
    two, same = template_masks(stems.expand(2, -1, -1), stems.sum(1).expand(2, -1), 2048)
    assert same == pytest.approx(error, rel=1e-3)
    torch.testing.assert_close(two, one.expand(2, -1, -1), atol=1e-3, rtol=1e-2)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("length", [5 * 4096 - 1, 5 * 4096 + 1, 5 * 1024 - 8])
def test_the_end_does_not_click(channels, length):
    """Masks that leave something at the end of a frame are not divided by its window's slope."""
    stems, other = noise(channels, length=length), noise(channels, length=length, seed=1)
    for done in (refit(stems, other.sum(1), ROUNDS), refine(stems, other.sum(1))):
        assert float(done[..., -8:].abs().max()) < 6


def test_sections_cover_the_signal_once():
    for length in (1, 5000, 530_000, 800_000, 2_000_000, 79_380_000):
        blocks = sections(length, 5000)
        assert blocks[0].first == 0
        assert blocks[-1].last == length
        for left, right in itertools.pairwise(blocks):
            assert left.last == right.first
        for block in blocks:
            assert block.begin == max(block.first - 5000, 0)
            assert block.end == min(block.last + 5000, length)
            assert block.last - block.first <= 1.6 * DEFAULT.section
            assert len(blocks) == 1 or block.last - block.first >= 0.6 * DEFAULT.section


@pytest.mark.parametrize("channels", [1, 2])
def test_pieces_make_no_difference_and_sections_fade(channels):
    settings = FitSettings(section=65536)
    length = 170_000
    stems = noise(channels, length=length)
    mixture = stems.sum(1)

    def run(sizes):
        refitter, done, start = Refitter(length, ROUNDS, settings=settings), [], 0
        for size in sizes:
            done += refitter.push(stems[..., start : start + size].clone(), np.asarray(mixture))
            start += size
        return torch.cat(done, -1)

    whole = run([length])
    assert torch.equal(run([100_000, 1, 50_000, 19_999]), whole)
    torch.testing.assert_close(whole.sum(1), mixture, atol=1e-4, rtol=0)
    # Away from joints a section is what it is alone; at a joint it begins as the last one went on.
    blocks = sections(length, sum(map(max, ROUNDS)) + FADE, settings.section)
    assert len(blocks) == 3
    alone = [
        refit(stems[..., b.begin : b.end], mixture[:, b.begin : b.end], ROUNDS) for b in blocks
    ]
    for block, section in zip(blocks, alone, strict=True):
        inside = slice(block.first + FADE, block.last)
        at = slice(inside.start - block.begin, inside.stop - block.begin)
        torch.testing.assert_close(whole[..., inside], section[..., at])
    joint = blocks[1].first
    before = alone[0][..., joint - blocks[0].begin]
    torch.testing.assert_close(whole[..., joint], before, atol=1e-3, rtol=0)
