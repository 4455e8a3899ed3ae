import pytest

from mgdm_audio.training.config import read_config

from .toy import CONFIG


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(CONFIG)
    return read_config(path)
