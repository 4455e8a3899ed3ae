import numpy as np
import pytest

from recipes.band.score import STEMS
from recipes.band.sounds.bank import held_out_pack, training_pack
from recipes.band.splits import (
    FONT_FAMILIES,
    HELD_OUT,
    PACK_FAMILIES,
    SHARE_ALIKE,
    SPLITS,
    TRAIN_FONTS,
    font_family,
    pack_family,
    song_seed,
    split_of,
)

SOURCES = {
    "bass": ["swagbass", "fashionbass", "pastabass_linguine", "pastabass_spaghetti"],
    "drums": ["avl_black_pearl", "avl_red_zeppelin", "bja_pacific", "muldjord_close"],
    "guitar": ["nyanshell_strat", "allan764_acoustic", "shinyguitar_mic", "bng_hofner"],
    "piano": ["salamander_grand", "wurlitzer_ep200", "cp80", "splendid_grand"],
}


@pytest.fixture
def folder(tmp_path):
    header = "stem,source,articulation,file,root_key,low_key,high_key,low_velocity,high_velocity"
    rows = [f"{stem},{s},open,{s}.flac,40,0,127,1,127,1,1" for stem in STEMS for s in SOURCES[stem]]
    (tmp_path / "samples.csv").write_text(
        "\n".join([header + ",round_robin,seconds", *rows]), encoding="utf-8"
    )
    return tmp_path


def families(pack):
    return {stem: set(pack.families(stem)) for stem in STEMS}


def test_songs_of_different_splits_never_coincide():
    seeds = {s: {song_seed(s, 0, w, n) for w in range(4) for n in range(500)} for s in SPLITS}
    assert all(len(found) == 2000 for found in seeds.values())
    assert all(split_of(seed) == split for split, found in seeds.items() for seed in found)
    assert all(0 <= seed < 2**63 for found in seeds.values() for seed in found)
    assert not seeds["train"] & (seeds["validation"] | seeds["test"])


def test_unknown_splits_are_refused():
    with pytest.raises(ValueError, match="unknown split 'training'"):
        song_seed("training", 1)


def test_recorded_families_are_on_one_side(folder):
    seen, unseen = (families(make(folder, 22050)) for make in (training_pack, held_out_pack))
    for stem in STEMS:
        assert not seen[stem] & unseen[stem]
        assert unseen[stem], stem
        assert seen[stem], stem
        assert not seen[stem] & SHARE_ALIKE
    more = families(training_pack(folder, 22050, share_alike=True))
    assert more["drums"] == {"muldjord", "bja_pacific"}
    assert not any(more[stem] & HELD_OUT for stem in STEMS)


def test_twins_are_of_one_family():
    for twins in (("shinyguitar_mic", "shinyguitar_pickup"), ("muldjord_close", "muldjord_room")):
        assert len({pack_family(source) for source in twins}) == 1
    assert pack_family("martin_hd28") == "martin_hd28"
    assert set(PACK_FAMILIES.values()) | set().union(*SOURCES.values()) >= HELD_OUT


def test_fonts_know_their_family_by_name_or_path():
    assert font_family("FluidR3_GM.sf2") == font_family("/fonts/MuseScore_General.sf3") == "fluid"
    assert font_family("mine.sf2") == "mine.sf2"
    assert set(TRAIN_FONTS) <= {font for fonts in FONT_FAMILIES.values() for font in fonts}
    assert "TimGM6mb.sf2" not in TRAIN_FONTS


def test_drawing_reaches_every_source_by_family_first(folder):
    pack = training_pack(folder, 22050)
    players = [pack.player("bass", 33, np.random.default_rng(seed)) for seed in range(200)]
    drawn = [player.voice.rows[0].file.removesuffix(".flac") for player in players]
    assert set(drawn) == {"fashionbass", "pastabass_linguine", "pastabass_spaghetti"}
    assert 0.35 < drawn.count("fashionbass") / 200 < 0.65  # two families, not three sources
