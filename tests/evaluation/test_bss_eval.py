"""Our use of museval against museval's own path and against hand-made cases."""

import json
import shutil

import numpy as np
import pytest
import torch

from mgdm_audio.evaluation import EvaluationError, bss_eval, bss_medians

RATE = 8000
NAMES = ("bass", "drums", "guitar", "piano")
needs_museval = pytest.mark.skipif(
    shutil.which("ffmpeg") is None or shutil.which("ffprobe") is None, reason="needs ffmpeg"
)


@pytest.fixture(scope="module")
def signals():
    generator = torch.Generator().manual_seed(0)
    references = 0.1 * torch.randn(4, 2 * RATE, generator=generator)
    estimates = references + 0.03 * torch.randn(4, 2 * RATE, generator=generator)
    return estimates, references


def frames(store, stem, metric):
    (target,) = (t for t in store.scores["targets"] if t["name"] == stem)
    return [float(f["metrics"][metric]) for f in target["frames"]]


@needs_museval
def test_same_figures_and_layout_as_museval(signals, tmp_path):
    museval = pytest.importorskip("museval")
    estimates, references = signals
    store = bss_eval(estimates, references, RATE, NAMES, track="song")
    store.validate()  # museval's JSON schema
    values = museval.evaluate(
        references.numpy()[..., None], estimates.numpy()[..., None], win=RATE, hop=RATE
    )
    for i, name in enumerate(NAMES):
        for metric, expected in zip(("SDR", "ISR", "SIR", "SAR"), values, strict=True):
            np.testing.assert_allclose(frames(store, name, metric), expected[i], atol=1e-4)
    path = tmp_path / "song.json"
    store.save(path)
    theirs = museval.EvalStore()
    theirs.add_track(store)
    expected = theirs.agg_frames_tracks_scores()
    for name, metrics in bss_medians([path]).items():
        for metric, value in metrics.items():
            assert value == pytest.approx(expected[name][metric], abs=1e-4)


@needs_museval
def test_sdr_of_white_noise_of_known_power(signals):
    # BSS Eval's SDR is not scale-invariant; for images it is |s|^2 / |s - e|^2 frame by frame
    estimates, references = signals
    store = bss_eval(estimates, references, RATE, NAMES)
    error = (references - estimates).reshape(4, 2, RATE).square().sum(-1)
    expected = 10 * (references.reshape(4, 2, RATE).square().sum(-1) / error).log10()
    for i, name in enumerate(NAMES):
        np.testing.assert_allclose(frames(store, name, "SDR"), expected[i], atol=1e-3)


@needs_museval
def test_silent_reference_is_left_out_and_silent_estimate_scores_zero(signals):
    estimates, references = (x.clone() for x in signals)
    references[1] = 0.0
    estimates[2] = 0.0
    store = bss_eval(estimates, references, RATE, NAMES)
    assert [t["name"] for t in store.scores["targets"]] == ["bass", "guitar", "piano"]
    assert frames(store, "guitar", "SDR")[0] == pytest.approx(0.0, abs=1e-3)
    with pytest.raises(EvaluationError, match="every reference is silent"):
        bss_eval(estimates, torch.zeros_like(references), RATE, NAMES)


def test_a_missing_ffmpeg_is_named(signals, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda tool: None)
    with pytest.raises(EvaluationError, match="ffmpeg and ffprobe on the PATH: install ffmpeg"):
        bss_eval(*signals, RATE, NAMES)


def test_shapes_and_names_must_match(signals):
    with pytest.raises(ValueError, match="do not match"):
        bss_eval(*signals, RATE, NAMES[:3])


def test_medians_skip_frames_without_a_figure(tmp_path):
    def write(name, sdr):
        metrics = [{"SDR": v, "SIR": v, "ISR": v, "SAR": v} for v in sdr]
        target = {"name": "bass", "frames": [{"metrics": m} for m in metrics]}
        (tmp_path / name).write_text(json.dumps({"targets": [target]}))
        return tmp_path / name

    nan = float("nan")
    files = [write("a", [1.0, nan, 3.0]), write("b", [10.0]), write("c", [nan])]
    assert bss_medians(files)["bass"]["SDR"] == 6.0  # median of 2 and 10
