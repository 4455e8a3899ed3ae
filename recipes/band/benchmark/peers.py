"""Separators that need no prior of ours: signal processing, oracles, and HTDemucs.

Each takes ``(mixture [T], references [K, T], samplerate)``, float32, and returns the stems it makes
by name; only oracles look at the references.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import librosa
import numpy as np

STEMS = ("bass", "drums", "guitar", "piano")
Stems = Mapping[str, np.ndarray]
_WINDOW, _HOP = 2048, 512
_HTDEMUCS = "955717e8"  # what the file of its weights is called


class Unavailable(Exception):
    """A peer that is not installed here; the message says what is missing."""


def unchanged(mixture: np.ndarray, references: np.ndarray, samplerate: int) -> Stems:
    """The mixture for every stem: the zero that improvements are counted from."""
    return dict.fromkeys(STEMS, mixture)


def hpss(mixture: np.ndarray, references: np.ndarray, samplerate: int) -> Stems:
    """Harmonic-percussive separation by median filters (Fitzgerald, DAFx 2010), librosa.

    The percussive part is the drums; it cannot tell the others apart, so the harmonic part is
    taken for each of them.
    """
    harmonic, percussive = librosa.effects.hpss(mixture)
    return {stem: percussive if stem == "drums" else harmonic for stem in STEMS}


def oracle_mask(mixture: np.ndarray, references: np.ndarray, samplerate: int) -> Stems:
    """Wiener mask of the true power spectrograms: the ceiling of real-valued masks."""
    spectrum = _stft(mixture)
    power = np.abs(np.stack([_stft(reference) for reference in references])) ** 2
    return _apply(power, spectrum, len(mixture))


def oracle_nmf(
    mixture: np.ndarray,
    references: np.ndarray,
    samplerate: int,
    components: int = 32,
    iterations: int = 100,
) -> Stems:
    """Non-negative matrix factorisation (Smaragdis and Brown, 2003), assigned by an oracle.

    The mixture's magnitudes are factorised under the Kullback-Leibler divergence without knowing
    the stems; each component then goes to the stem that has most of the power where the component
    sounds, which no blind method could know.
    """
    from sklearn.decomposition import NMF

    spectrum = _stft(mixture)
    magnitude = np.abs(spectrum)
    model = NMF(
        components,
        init="nndsvda",
        solver="mu",
        beta_loss="kullback-leibler",
        max_iter=iterations,
        tol=0.0,
        random_state=0,
    )
    # a floor, because zeros are where the divergence has no gradient
    spectra = model.fit_transform(magnitude + 1e-6)
    gains = model.components_
    power = np.abs(np.stack([_stft(reference) for reference in references])) ** 2
    share = power / (power.sum(0) + 1e-12)
    overlap = np.einsum("fr,kft,rt->kr", spectra, share, gains, optimize=True)
    owner = overlap.argmax(0)
    parts = np.stack([spectra[:, owner == k] @ gains[owner == k] for k in range(len(STEMS))])
    return _apply(parts, spectrum, len(mixture))


def htdemucs(mixture: np.ndarray, references: np.ndarray, samplerate: int) -> Stems:
    """HTDemucs (Rouard et al., ICASSP 2023), of which bass and drums are two of our stems.

    Level and mean are taken out and put back, as its own command does. Nothing is downloaded.

    Raises:
        Unavailable: the demucs package or its weights are not here.
    """
    try:
        from demucs.apply import apply_model
        from demucs.pretrained import get_model
    except ImportError as error:
        raise Unavailable("the demucs package is not installed") from error
    import torch

    cache = Path(torch.hub.get_dir()) / "checkpoints"
    if not list(cache.glob(f"{_HTDEMUCS}*")):
        raise Unavailable(
            f"its weights are not in {cache}; `demucs -n htdemucs FILE` fetches them once"
        )
    model = get_model("htdemucs")
    rate = model.samplerate
    audio = librosa.resample(mixture, orig_sr=samplerate, target_sr=rate)
    mean, std = audio.mean(), audio.std() + 1e-8
    with torch.inference_mode():
        stereo = torch.from_numpy(np.stack([audio, audio]) - mean)[None] / std
        done = apply_model(model, stereo, shifts=0)[0].mean(1).numpy() * std + mean
    stems = {}
    for name, stem in zip(model.sources, done, strict=True):
        if name in STEMS:
            back = librosa.resample(stem, orig_sr=rate, target_sr=samplerate)
            stems[name] = librosa.util.fix_length(back, size=len(mixture))
    return stems


PEERS: dict[str, Callable[[np.ndarray, np.ndarray, int], Stems]] = {
    "mixture": unchanged,
    "hpss": hpss,
    "oracle_nmf": oracle_nmf,
    "oracle_mask": oracle_mask,
    "htdemucs": htdemucs,
}


def _stft(audio: np.ndarray) -> np.ndarray:
    return librosa.stft(audio, n_fft=_WINDOW, hop_length=_HOP)


def _apply(weights: np.ndarray, spectrum: np.ndarray, length: int) -> Stems:
    """Share `spectrum` out by non-negative weights ``[K, F, N]``."""
    masks = (weights + 1e-12) / (weights + 1e-12).sum(0)
    stems = [librosa.istft(mask * spectrum, hop_length=_HOP, length=length) for mask in masks]
    return dict(zip(STEMS, (stem.astype(np.float32) for stem in stems), strict=True))
