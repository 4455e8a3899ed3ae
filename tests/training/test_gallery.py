"""What validation leaves in TensorBoard: figures, audio and pictures."""

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mgdm_audio.networks import build_network
from mgdm_audio.training.__main__ import main
from mgdm_audio.training.config import read_config
from mgdm_audio.training.gallery import first_song, make_gallery
from mgdm_audio.training.loop import train
from mgdm_audio.training.validate import scores

from .toy import CONFIG

RATE = 8000


@pytest.fixture
def config(tmp_path):
    rng = np.random.default_rng(0)
    for k, name in enumerate("abc"):
        (tmp_path / "set" / "one").mkdir(parents=True, exist_ok=True)
        audio = 0.1 * (k + 1) * rng.standard_normal(8 * RATE)
        soundfile.write(tmp_path / "set" / "one" / f"{name}.flac", audio, RATE)
    path = tmp_path / "config.toml"
    path.write_text(CONFIG + f'[training.validation]\nsongs = "{tmp_path / "set"}"\n')
    return read_config(path)


def test_the_song_is_the_middle_of_the_first_track(config):
    song = first_song(config)
    assert song.shape == (3, 6 * RATE)
    whole, _ = soundfile.read(config["training"].validation["songs"] + "/one/b.flac")
    np.testing.assert_allclose(song[1], whole[RATE:-RATE], atol=1e-6)
    config["training"].validation.clear()
    assert first_song(config) is None


def test_estimates_sum_to_the_mixture_and_draws_have_the_prior_s_level(config):
    net = build_network("band", 3, **config["network"])
    net.variance.fill_(1e-3)
    song = first_song(config)
    gallery = make_gallery(net, song, (1e-3, 2.0))
    assert torch.allclose(gallery.estimate.sum(0), song.sum(0), atol=1e-4)
    # Untrained, the prior is Gaussian noise of these variances (the STFT is orthonormal); 32 steps
    # lose 1 dB of it.
    assert gallery.drawn.shape == song.shape
    assert gallery.drawn.square().mean().item() == pytest.approx(1e-3, rel=0.3)


def test_validation_writes_figures_audio_and_pictures(config, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    train(config, folder, devices=1, steps=2)
    events = EventAccumulator(str(folder / "logs"))
    events.Reload()
    tags = events.Tags()
    figures = {
        f"validation/songs_{kind}_{s}" for kind in ("plain", "conditional") for s in (0.02, 2)
    }
    assert {"validation/songs_si_sdri"} | figures <= set(tags["scalars"])
    heard = {"song/mixture", "song/a", "song/b", "song/c", "drawn/mixture"}
    assert set(tags["audio"]) == heard
    assert set(tags["images"]) == {"song", "drawn"}
    (mixture,) = events.Audio("song/mixture")
    assert (mixture.sample_rate, mixture.step) == (RATE, 2)
    assert mixture.length_frames == 6 * RATE
    assert events.Images("song")[0].width > 100


def test_a_plain_prior_is_not_asked_to_separate(config):
    net = build_network("band", 3, **config["network"])
    net.variance.fill_(0.02)
    config["prior"]["conditional"] = False
    report = scores(net, config)
    assert "songs_si_sdri" not in report
    kinds = {name.split("_")[1] for name in report}
    assert kinds == {"plain", "sums", "slope"}
    assert report["songs_sums_2"] == pytest.approx(1.0, abs=1e-3)


def test_a_set_that_is_missing_is_said_before_training(config, tmp_path):
    """In one sentence by the command; tracks that only validation would come to count as well."""
    folder = tmp_path / "run"
    sets = config["training"].validation
    sets["loud"] = str(tmp_path / "loud")
    with pytest.raises(ValueError, match=r"validation set 'loud' cannot be used .*loud: no TRACK/"):
        train(config, folder, devices=1)
    del sets["loud"]
    (tmp_path / "set" / "two").mkdir()
    with pytest.raises(ValueError, match=r"validation set 'songs' .*two: no a\.flac or a\.wav"):
        train(config, folder, devices=1)
    (tmp_path / "set" / "two").rmdir()
    (tmp_path / "set" / "one" / "b.flac").write_bytes(b"")
    options = ["--config", str(tmp_path / "config.toml"), "--out", str(folder)]
    result = CliRunner().invoke(main, options)
    assert result.exit_code == 1
    assert "validation set 'songs' cannot be used" in result.output
    assert not list(folder.glob("*"))
