from itertools import islice

import numpy as np
import pytest
import soundfile
import torch
from torch.utils.data import DataLoader

from mgdm_audio.training.config import TrainingConfig
from mgdm_audio.training.data import STEMS, TrackDataset, find_tracks, read_crop
from mgdm_audio.training.loop import batches

RATE = 8000

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")


def ramp(seconds: float, scale: float, rate: int = RATE) -> np.ndarray:
    """A signal whose value tells its time."""
    return (scale * np.arange(int(seconds * rate)) / rate / 100).astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    for number in range(3):
        track = tmp_path / f"song{number}"
        track.mkdir()
        for k, stem in enumerate(STEMS):
            if (number, stem) == (1, "piano"):
                continue  # a track without piano
            audio = ramp(6.0, k + 1)
            ending = "wav" if k % 2 else "flac"
            soundfile.write(track / f"{stem}.{ending}", audio, RATE)
    (tmp_path / "notes.txt").write_text("not a track")
    return tmp_path


def slakh_track(root, rate=RATE):
    track = root / "Track00001"
    (track / "stems").mkdir(parents=True)
    classes = ["Bass", "Piano", "Guitar", "Guitar", "Strings (continued)", "Drums"]
    lines = ["stems:"]
    for number, kind in enumerate(classes):
        lines += [f"  S{number:02d}:", f"    inst_class: {kind}"]
        if kind != "Drums":  # announced, but never rendered
            time = np.arange(2 * rate) / rate
            audio = 0.1 * np.sin(2 * np.pi * 100 * (number + 1) * time)
            soundfile.write(track / "stems" / f"S{number:02d}.flac", audio, rate)
    (track / "metadata.yaml").write_text("\n".join(lines))
    return track


def test_tracks_and_absent_stems(folder):
    tracks = find_tracks(folder)
    assert [track.name for track in tracks] == ["song0", "song1", "song2"]
    crop = read_crop(tracks[1], 2.0, 1.0, RATE)
    assert crop.shape == (4, RATE)
    expected = ramp(3.0, 1.0)[2 * RATE :]
    for k in range(3):
        np.testing.assert_allclose(crop[k], (k + 1) * expected, atol=2e-4)
    assert not crop[3].any()


def test_a_crop_beyond_the_end_is_padded_with_zeros(folder):
    crop = read_crop(find_tracks(folder)[0], 5.5, 1.0, RATE)
    assert crop[:, : RATE // 2].all()
    assert not crop[:, RATE // 2 :].any()


@pytest.mark.parametrize("rate", [RATE, 2 * RATE, 11025])
def test_slakh_sums_instruments_of_a_class_and_resamples(tmp_path, rate):
    slakh_track(tmp_path, rate)
    (track,) = find_tracks(tmp_path)
    bass, drums, guitar, piano = read_crop(track, 0.52, 1.0, RATE)
    assert not drums.any()
    for audio, frequencies in ((bass, {100}), (guitar, {300, 400}), (piano, {200})):
        spectrum = np.abs(np.fft.rfft(audio * np.hanning(RATE))) / RATE * 4  # bins of 1 Hz
        assert set(np.flatnonzero(spectrum > 0.05)) >= frequencies
        heard = {f for f in range(100, 700, 100) if spectrum[f] > 0.01}
        assert heard == frequencies
    # The crop starts where it was asked to: a 100 Hz sine has its phase of that time.
    expected = 0.1 * np.sin(2 * np.pi * 100 * (0.52 + np.arange(RATE) / RATE))
    np.testing.assert_allclose(bass[400:-400], expected[400:-400], atol=2e-3)


def test_damaged_metadata_is_named(tmp_path):
    (slakh_track(tmp_path) / "metadata.yaml").write_text("stems: [1, 2")
    with pytest.raises(ValueError, match=r"metadata\.yaml is damaged"):
        find_tracks(tmp_path)


def test_rates_must_agree(folder):
    soundfile.write(folder / "song0" / "bass.flac", ramp(1.0, 1.0), 2 * RATE)
    with pytest.raises(ValueError, match="different sampling rates"):
        find_tracks(folder)


def test_a_folder_without_tracks_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folders with bass"):
        TrackDataset(tmp_path)


def test_crops_are_deterministic_and_resume(folder):
    options = {"seconds": 1.0, "samplerate": RATE, "seed": 3}
    whole = list(islice(TrackDataset(folder, **options), 8))
    rest = list(islice(TrackDataset(folder, **options, start=5), 3))
    assert all(torch.equal(a, b) for a, b in zip(whole[5:], rest, strict=True))
    assert whole[0].shape == (4, RATE)
    assert whole[0].dtype == torch.float32
    assert not torch.equal(whole[0], whole[1])


def test_two_workers_share_the_stream(folder):
    data = TrackDataset(folder, 1.0, RATE)
    alone = list(islice(data, 8))
    shared = torch.cat(list(islice(DataLoader(data, 2, num_workers=2), 4)))
    assert {tuple(x[0, :4].tolist()) for x in alone} == {tuple(x[0, :4].tolist()) for x in shared}


@pytest.mark.parametrize("workers", [1, 3, 5])
def test_training_resumes_at_any_step_with_any_number_of_workers(folder, workers):
    config = TrainingConfig(
        data="mgdm_audio.training.data:TrackDataset",
        data_options={"folder": folder},
        crop=0.1,
        batch_size=4,
        workers=workers,
    )
    whole = list(islice(batches(config, RATE, 0, 0), 15))  # whole rounds of all workers
    alone = islice(TrackDataset(folder, 0.1, RATE), 60)
    in_order = sorted(item.numpy().tobytes() for item in torch.cat(whole))
    assert in_order == sorted(item.numpy().tobytes() for item in alone)
    for step in (1, 4, 7):
        rest = list(islice(batches(config, RATE, step, 0), 2))
        assert all(torch.equal(a, b) for a, b in zip(whole[step:], rest, strict=False))


def test_stems_keep_time_unless_remixed(folder):
    def starts(item):  # the ramp's first value over its slope
        return (item[:3, 0] / torch.arange(1, 4)).numpy()

    plain = [starts(x) for x in islice(TrackDataset(folder, 1.0, RATE), 6)]
    remixed = [starts(x) for x in islice(TrackDataset(folder, 1.0, RATE, remix=1.0), 6)]
    assert max(np.ptp(s) for s in plain) < 2e-4
    assert min(np.ptp(s) for s in remixed) > 2e-4


def test_audio_that_is_cut_short_or_damaged_is_named(tmp_path):
    path = tmp_path / "song" / "bass.flac"
    path.parent.mkdir()
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(40_000), RATE)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    (track,) = find_tracks(tmp_path)
    assert track.frames == 40_000
    with pytest.raises(ValueError, match=r"bass\.flac: (is cut short|cannot be read)"):
        read_crop(track, 0.0, 5.0, RATE)
    path.write_bytes(b"no audio")
    with pytest.raises(ValueError, match=r"bass\.flac: cannot be read"):
        find_tracks(tmp_path)
