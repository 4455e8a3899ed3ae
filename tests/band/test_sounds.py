"""Every kind of sound: in tune, in time, and the same again."""

import struct
from importlib.util import find_spec

import numpy as np
import pytest
import soundfile

from recipes.band.score import PROGRAMS, Bend, Note, Part
from recipes.band.sounds.fonts import Font, FontFamily, find_font
from recipes.band.sounds.gus import FREEPATS, SAMPLE, GusFamily, read_patch
from recipes.band.sounds.modal import modes
from recipes.band.sounds.pack import Pack
from recipes.band.sounds.sampler import Sample, bend_curve, read
from recipes.band.sounds.synth import SynthFamily

from .conftest import RATE, measured_onset, measured_pitch

A4, SECOND = 69, RATE
FONT = "sf_GMbank.sf2"
KEYS = {"bass": 45, "guitar": A4, "piano": A4}


def installed(name: str) -> bool:
    try:
        find_font(name)
    except FileNotFoundError:
        return False
    return True


needs_font = pytest.mark.skipif(
    not installed(FONT) or find_spec("tinysoundfont") is None,
    reason="csound-soundfont and tinysoundfont are not both installed",
)
needs_freepats = pytest.mark.skipif(not FREEPATS.is_dir(), reason="freepats is not installed")


def sine(hertz: float, seconds: float = 2.0, rate: int = RATE) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)


@pytest.fixture
def pack(tmp_path):
    """Two guitars of one sine each, and a kit without cymbals beside one that has some."""
    rows = [
        "stem,source,articulation,file,root_key,low_key,high_key,low_velocity,high_velocity,"
        "round_robin,seconds"
    ]

    def add(stem, source, articulation, root, low, high, velocities, hertz, amplitude=1.0):
        file = f"{source}_{articulation}_{root}_{velocities[1]}.flac"
        soundfile.write(tmp_path / file, amplitude * sine(hertz), RATE)
        spans = f"{root},{low},{high},{velocities[0]},{velocities[1]}"
        rows.append(f"{stem},{source},{articulation},{file},{spans},1,2.0")

    add("guitar", "lute", "open", 66, 60, 75, (1, 63), 369.994, 0.2)
    add("guitar", "lute", "open", 66, 60, 75, (64, 127), 369.994)
    for source in ("kit", "other"):
        add("drums", source, "hat_closed", 42, 42, 42, (1, 127), 3000.0)
        add("drums", source, "hat_open", 46, 46, 46, (1, 127), 4000.0)
    add("drums", "other", "crash", 49, 49, 49, (1, 127), 5000.0)
    (tmp_path / "samples.csv").write_text("\n".join(rows))
    return Pack(tmp_path, RATE)


def gravis(path, hertz=440.0, rate=44100, mode=1, loop=None, frames=44100, data=None):
    """Write a patch with one 16-bit sample that is said to sound at 440 Hz."""
    audio = sine(hertz, frames / rate, rate) if data is None else data
    raw = (audio * 32767).astype("<i2").tobytes()
    first, end = (0, 0) if loop is None else (2 * loop[0], 2 * loop[1])
    header = b"GF1PATCH110\0ID#000002\0" + bytes(60) + bytes([1, 14, 0])
    header += struct.pack("<HHI", 1, 127, 96 + len(raw)) + bytes(36)
    instrument = bytes(18) + struct.pack("<IB", 0, 1) + bytes(40)
    layer = struct.pack("<BBIB", 0, 0, 0, 1) + bytes(40)
    sample = SAMPLE.pack(
        *(b"sine", 0, len(raw), first, end, rate, 8000, 20_000_000, 440_000, 0, 7),
        *(63, 63, 63, 63, 63, 63, 255, 255, 255, 0, 0, 0),
        *(0, 0, 0, 0, 0, 0, mode, 60, 1024),
    )
    path.write_bytes(header + instrument + layer + sample + raw)


@pytest.fixture
def patches(tmp_path):
    for kind, number in (("Tone", 24), ("Tone", 0), ("Tone", 33), ("Drum", 36), ("Drum", 38)):
        folder = tmp_path / f"{kind}_000"
        folder.mkdir(exist_ok=True)
        gravis(folder / f"{number:03d}_Sine.pat")
    return GusFamily(RATE, tmp_path)


def note_of(player, key, bends=(), stem="guitar", length=SECOND, start=0.0):
    part = Part(stem, 24, [Note(start, 0.8, key, 100)], list(bends))
    return player(part, length)


@pytest.mark.parametrize("stem", ["bass", "guitar", "piano"])
def test_synthesised_instruments_are_in_tune(stem):
    expected = 440.0 * 2 ** ((KEYS[stem] - A4) / 12)
    for seed in range(8):
        program = PROGRAMS[stem][seed % 8]
        player = SynthFamily(RATE).player(stem, program, np.random.default_rng(seed))
        audio = note_of(player, KEYS[stem], stem=stem)
        # Two parallel strings may stand a little apart; 8 cents are a fifth of a real piano's.
        assert abs(1200 * np.log2(measured_pitch(audio, expected) / expected)) < 8


@needs_font
@pytest.mark.parametrize("stem", ["bass", "guitar", "piano"])
def test_fonts_are_in_tune(stem):
    expected = 440.0 * 2 ** ((KEYS[stem] - A4) / 12)
    player = FontFamily("f", [FONT], RATE).player(stem, PROGRAMS[stem][0], np.random.default_rng(0))
    audio = note_of(player, KEYS[stem], stem=stem)
    assert abs(1200 * np.log2(measured_pitch(audio, expected) / expected)) < 12


@pytest.mark.parametrize("kind", ["pack", "patches"])
@pytest.mark.parametrize("semitones", [0.0, 1.5, -2.0])
def test_sampled_instruments_are_in_tune_and_follow_the_bend(kind, semitones, request):
    family = request.getfixturevalue(kind)
    player = family.player("guitar", 24, np.random.default_rng(0))
    audio = note_of(player, A4, [Bend(0.0, semitones)] if semitones else [])
    expected = 440.0 * 2 ** (semitones / 12)
    assert measured_pitch(audio, expected) == pytest.approx(expected, rel=3e-4)


@needs_font
def test_no_part_sounds_on_in_the_next_one():
    late = Part("guitar", 24, [Note(0.5, 0.4, A4, 100)])
    first = Font(FONT, RATE).play(late, SECOND)
    font = Font(FONT, RATE)
    font.play(Part("piano", 0, [Note(0.9, 0.5, 40, 127)]), SECOND)
    np.testing.assert_array_equal(font.play(late, SECOND), first)


@needs_font
def test_fonts_follow_the_bend():
    for semitones in (2.0, -5.0):
        bend = [Bend(0.0, semitones)]
        audio = Font(FONT, RATE).play(Part("guitar", 24, [Note(0, 0.8, A4, 100)], bend), SECOND)
        expected = 440.0 * 2 ** (semitones / 12)
        assert measured_pitch(audio, expected) == pytest.approx(expected, rel=0.008)


def test_a_bend_in_mid_note_starts_where_it_should(pack):
    player = pack.player("guitar", 24, np.random.default_rng(0))
    audio = note_of(player, A4, [Bend(0.4, 12.0)])
    before, after = audio[: int(0.4 * RATE)], audio[int(0.4 * RATE) : int(0.8 * RATE)]
    assert measured_pitch(before, 440.0) == pytest.approx(440, rel=2e-3)
    assert measured_pitch(after, 880.0) == pytest.approx(880, rel=2e-3)


@pytest.mark.parametrize("start", [0.1, 0.3337])
@pytest.mark.parametrize(
    "kind", ["pack", "patches", "synth", pytest.param("font", marks=needs_font)]
)
def test_notes_begin_on_time(kind, start, request):
    if kind == "synth":
        family = SynthFamily(RATE)
    elif kind == "font":
        family = FontFamily("f", [FONT], RATE)
    else:
        family = request.getfixturevalue(kind)
    player = family.player("guitar", 24, np.random.default_rng(1))
    audio = note_of(player, A4, start=start)
    assert not audio[: int(start * RATE) - 1].any()
    assert measured_onset(audio) == pytest.approx(start, abs=0.005)


def test_velocity_layers_and_gain_within_one(pack):
    player = pack.player("guitar", 24, np.random.default_rng(0))

    def peak(velocity):
        audio = player(Part("guitar", 24, [Note(0, 0.5, 66, velocity)]), SECOND)
        return float(np.abs(audio).max())

    assert peak(127) == pytest.approx(0.5, rel=0.01)
    assert peak(64) == pytest.approx(0.5 * 64 / 127, rel=0.01)
    assert peak(63) == pytest.approx(0.1, rel=0.01)


def test_a_note_ends_within_its_release(pack):
    player = pack.player("guitar", 24, np.random.default_rng(0))
    audio = note_of(player, A4)
    assert np.abs(audio[int(0.7 * RATE) : int(0.8 * RATE)]).max() > 0.3
    assert not audio[int(0.91 * RATE) :].any()


def test_a_closed_hat_silences_the_open_one(pack):
    player = pack.player("drums", 0, np.random.default_rng(0))
    notes = [Note(0.0, 0.1, 46, 127), Note(0.5, 0.1, 42, 127)]
    audio = player(Part("drums", 0, notes), SECOND)
    alone = player(Part("drums", 0, notes[:1]), SECOND)

    def power(x, hertz, first):
        part = x[int(first * RATE) : int((first + 0.2) * RATE)]
        return np.abs(np.fft.rfft(part))[round(hertz * 0.2)]

    assert power(alone, 4000, 0.6) > 100  # it would ring on
    assert power(audio, 4000, 0.6) < 1
    assert power(audio, 3000, 0.6) > 100


def test_cymbals_come_from_another_kit(pack):
    for seed in range(6):
        player = pack.player("drums", 0, np.random.default_rng(seed))
        audio = player(Part("drums", 0, [Note(0.0, 0.1, 49, 127)]), SECOND)
        assert measured_pitch(audio, 5000.0) == pytest.approx(5000, rel=1e-3)


def test_pack_forgets_the_samples_used_longest_ago(pack):
    pack.memory = 3 * 2 * 2 * RATE  # three samples of two seconds
    files = sorted(path.name for path in pack.folder.glob("*.flac"))
    for file in files:
        pack.audio(file)
    assert list(pack._cache) == files[-3:]
    assert pack._cached == sum(audio.nbytes for audio, _ in pack._cache.values())


def test_missing_pack_and_fonts_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"samples\.csv is missing"):
        Pack(tmp_path, RATE)
    with pytest.raises(FileNotFoundError, match="is not installed"):
        find_font("nothing.sf2")
    with pytest.raises(FileNotFoundError, match="apt install freepats"):
        GusFamily(RATE, tmp_path)


def test_a_broken_sample_is_named(tmp_path):
    columns = "stem,source,articulation,file,root_key,low_key,high_key,low_velocity,high_velocity"
    row = "bass,fashionbass,open,a.flac,40,0,127,1,127"
    (tmp_path / "samples.csv").write_text(f"{columns}\n{row}\n")
    for content in (None, b"fLaC, but no more"):
        if content:
            (tmp_path / "a.flac").write_bytes(content)
        with pytest.raises(ValueError, match=r"a\.flac: .* Is the pack whole"):
            Pack(tmp_path, RATE).audio("a.flac")


def test_a_missing_font_names_its_package(monkeypatch):
    monkeypatch.setattr("recipes.band.sounds.fonts.FOLDERS", ())
    with pytest.raises(FileNotFoundError, match="apt install fluidr3mono-gm-soundfont"):
        find_font("FluidR3Mono_GM.sf3")


def test_a_font_without_its_player_says_how_to_get_it(tmp_path, monkeypatch):
    (tmp_path / "mine.sf2").write_bytes(b"RIFF")
    monkeypatch.setattr("recipes.band.sounds.fonts.find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match=r"mine\.sf2 .* pip install --no-deps tinysound"):
        Font(tmp_path / "mine.sf2", RATE)


@pytest.mark.parametrize("data", [b"RIFF" + bytes(400), b"GF1PATCH110\0" + bytes(80)])
def test_what_is_no_patch_is_refused(tmp_path, data):
    (tmp_path / "x.pat").write_bytes(data)
    with pytest.raises(ValueError, match=r"x\.pat (is not|is cut)"):
        read_patch(tmp_path / "x.pat", RATE)


def test_a_patch_that_is_cut_short_is_refused(tmp_path):
    gravis(tmp_path / "x.pat")
    whole = (tmp_path / "x.pat").read_bytes()
    (tmp_path / "x.pat").write_bytes(whole[:-1000])
    with pytest.raises(ValueError, match="cut short"):
        read_patch(tmp_path / "x.pat", RATE)


@pytest.mark.parametrize("mode", [4, 12], ids=["forward", "ping-pong"])
def test_loops_of_patches_go_on_in_tune(tmp_path, mode):
    # A loop of whole periods: 441 Hz at 44.1 kHz has one in 100 samples. Played both ways, a
    # sine of even symmetry about both ends goes on as well.
    cosine = 0.5 * np.cos(2 * np.pi * 441 * np.arange(8001) / 44100)
    gravis(tmp_path / "x.pat", mode=1 | mode, loop=(2000, 8000), data=cosine)
    (patch,) = read_patch(tmp_path / "x.pat", RATE)
    audio = read(patch.sample, np.arange(2 * SECOND, dtype=float))
    assert measured_pitch(audio, 441.0) == pytest.approx(441, rel=1e-3)
    assert np.abs(audio[-2000:]).max() == pytest.approx(1.0, rel=0.05)
    assert np.std(audio[RATE:]) == pytest.approx(np.sqrt(0.5), rel=0.03)


def test_patches_are_band_limited(tmp_path):
    gravis(tmp_path / "x.pat", hertz=15_000.0)  # beyond what 22,050 Hz can hold
    audio = read_patch(tmp_path / "x.pat", RATE)[0].sample.audio
    gravis(tmp_path / "y.pat", hertz=5000.0)
    other = read_patch(tmp_path / "y.pat", RATE)[0].sample.audio
    assert np.std(audio[500:-500]) < 1e-3 * np.std(other[500:-500])


@needs_freepats
@pytest.mark.parametrize("stem", ["bass", "guitar", "piano"])
def test_the_freepats_are_in_tune(stem):
    family = GusFamily(RATE)
    expected = 440.0 * 2 ** ((KEYS[stem] - A4) / 12)
    player = family.player(stem, PROGRAMS[stem][1], np.random.default_rng(0))
    audio = note_of(player, KEYS[stem], stem=stem)
    assert abs(1200 * np.log2(measured_pitch(audio, expected) / expected)) < 15


@pytest.mark.parametrize("key", [35, 36, 38, 40, 37, 39, 42, 44, 46, 41, 50, 49, 51, 53, 54, 56])
def test_the_drum_machine_has_the_pieces_of_a_kit(key):
    for seed in range(3):
        player = SynthFamily(RATE).player("drums", 0, np.random.default_rng(seed))
        audio = player(Part("drums", 0, [Note(0.1, 0.1, key, 100)]), SECOND)
        assert np.isfinite(audio).all()
        assert 0.02 < np.abs(audio).max() < 6
        assert measured_onset(audio) == pytest.approx(0.1, abs=0.01)
        spectrum = np.square(np.abs(np.fft.rfft(audio)))
        centroid = (spectrum * np.arange(len(spectrum))).sum() / spectrum.sum()
        if key in (35, 36, 41):
            assert centroid < 1000
        if key in (42, 44, 46, 49):
            assert centroid > 3000


def test_modes_are_sums_of_damped_sinusoids():
    rng = np.random.default_rng(0)
    f, d = rng.uniform(50, 5000, 20), rng.uniform(0, 30, 20)
    a = rng.standard_normal(20) + 1j * rng.standard_normal(20)
    t = np.arange(3000) / RATE
    direct = (a[:, None] * np.exp((2j * np.pi * f - d)[:, None] * t)).real.sum(0)
    np.testing.assert_allclose(modes(f, d, a, 3000, RATE), direct, atol=1e-4)
    assert not modes(np.array([0.6 * RATE]), d[:1], a[:1], 100, RATE).any()  # would alias


def test_reading_between_samples_is_accurate_and_exact_on_them():
    audio = np.sin(0.2 * np.arange(1000)).astype(np.float32)
    places = np.arange(3, 900, 0.37)
    np.testing.assert_allclose(
        read(Sample(audio, RATE, A4), places), np.sin(0.2 * places), atol=5e-4
    )
    np.testing.assert_array_equal(read(Sample(audio, RATE, A4), np.arange(1000.0)), audio)
    assert not read(Sample(audio, RATE, A4), np.arange(1001.0, 1100.0)).any()


def test_bend_curve_holds_the_last_value():
    bends = [Bend(1.0, 2.0), Bend(0.5, -1.0)]
    curve = bend_curve(bends, 0, 20, 10)
    np.testing.assert_array_equal(curve, [0.0] * 5 + [-1.0] * 5 + [2.0] * 10)
    np.testing.assert_array_equal(bend_curve(bends, 15, 5, 10), [2.0] * 5)
    assert bend_curve(bends, 0, 4, 10) is None


def test_the_same_seed_gives_the_same_sound():
    part = Part("piano", 0, [Note(0, 0.4, A4, 90), Note(0.2, 0.5, 60, 70)])

    def play(seed):
        return SynthFamily(RATE).player("piano", 0, np.random.default_rng(seed))(part, SECOND)

    np.testing.assert_array_equal(play(3), play(3))
    assert not np.array_equal(play(3), play(4))
