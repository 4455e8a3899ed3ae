"""What the command calls a quality: a sampler, its steps, and the number of draws averaged.

No heavy imports here, so that ``--help`` answers at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Preset:
    """Settings of the engine.

    Attributes:
        sampler: a name in `mgdm_audio.engine.SAMPLERS`.
        steps: noise levels, from the prior's highest to its lowest.
        draws: posterior draws that are averaged (an estimate of the posterior mean).
        rho: of the Karras schedule.
        options: hyper-parameters of the sampler, as keywords.
        refine: sharpen the mean by soft masks of longer windows (`mgdm_audio.audio.refine`).
        templates: rounds of windows in which the mean is then fitted by spectra that come back
            (`mgdm_audio.audio.templates`).
        adaptive: rounds after the first count as far as its spectra fit; otherwise in full.
        speeds: at which the network hears the mixture, one a draw in turn, as ratios (numerator,
            denominator) to the speed that it has. For means, which have no noise to be moved along.
        mid_side: it hears one draw in three of a stereo track as mid and side, in place of left and
            right, if the sides differ by less than this (`mgdm_audio.audio.stereo.imbalance`): 0
            for none. For means, too.
        retune: whether it hears music that lies between two keys in the nearest one, by another
            speed (`mgdm_audio.audio.tuning`). For means, too.
    """

    sampler: str
    steps: int
    draws: int = 1
    rho: float = 7.0
    options: dict[str, Any] = field(default_factory=dict)
    refine: bool = False
    templates: tuple[tuple[int, ...], ...] = ()
    adaptive: bool = True
    speeds: tuple[tuple[int, int], ...] = ((1, 1),)
    mid_side: float = 0.0
    retune: bool = False

    def rounds(self, count: int) -> tuple[tuple[int, ...], ...]:
        """`count` rounds of template fits, in the windows that this preset has a round of."""
        return count * (self.templates[:1] or (WINDOWS,))

    def with_(self, **changes: Any) -> Preset:
        """A copy in which the entries that are not None replace this preset's."""
        return replace(self, **{k: v for k, v in changes.items() if v is not None})

    @property
    def is_mean(self) -> bool:
        """Whether a draw is an estimate of the posterior mean, made without noise."""
        return (
            self.sampler == "conditional" and self.steps == 1 and self.options.get("initial") == 0
        )

    @property
    def cost(self) -> str:
        """Cost in words, for the help and the report."""
        draws = f" x {self.draws} draws" if self.draws > 1 else ""
        draws += f" at {len(self.speeds)} speeds" if len(self.speeds) > 1 else ""
        fits = sum(map(len, self.templates))
        templates = f", {fits} template fit{'s' * (fits > 1)}" if fits else ""
        return f"{self.sampler}, {self.steps} step{'s' * (self.steps > 1)}{draws}{templates}"


#: Windows of a round of template fits, 93, 186 and 372 ms at 22,050 Hz.
WINDOWS = (2048, 4096, 8192)

#: Largest imbalance of a track of which estimates of mid and side are worth having.
ALIKE = 0.12

#: As it is, a semitone lower, a semitone higher.
SPEEDS = ((1, 1), (17, 18), (18, 17))

MEAN = Preset(
    "conditional",
    steps=1,
    options={"initial": 0.0},
    refine=True,
    templates=((4096,),),
    retune=True,
)

#: ``--quality``; `recipes/bench` measures what each is worth, and `recipes.band.stereo` what mid
#: and side are. One conditional step without noise estimates the posterior mean, which no single
#: draw of more steps beats in SI-SDR. Averaged ones differ in polarity, in where the frames lie,
#: by a semitone, and in which channels of a stereo track they hear. Fits of templates bring more
#: than further calls.
QUALITIES = {
    "fast": MEAN,
    "balanced": replace(MEAN, draws=3, speeds=SPEEDS, mid_side=ALIKE, templates=2 * (WINDOWS,)),
    "best": replace(MEAN, draws=6, speeds=SPEEDS, mid_side=ALIKE, templates=2 * (2 * WINDOWS,)),
}

#: ``--sampler``: the settings a sampler starts from when it is chosen by name.
SAMPLER_PRESETS = {
    "conditional": Preset("conditional", steps=4),
    "mgdm": Preset("mgdm", steps=20, rho=3.0),
    # A large `prior_std` trusts the likelihood less at high noise, where the shipped prior is weak:
    # the best on validation (docs/benchmarks.md).
    "mgdm_free": Preset("mgdm_free", steps=20, rho=3.0, options={"prior_std": 2.0}),
    "msdm_dirac": Preset("msdm_dirac", steps=150),
    "msdm_gaussian": Preset("msdm_gaussian", steps=150),
    # Its Langevin steps are stable below sigma_y^2 / K, with sigma_y = 1e-4 (`windowed.SIGMA_Y`).
    "daps": Preset("daps", steps=50, options={"step_size": 2e-9}),
    "ddnm": Preset("ddnm", steps=100),
    "diffpir": Preset("diffpir", steps=100),
    "dps": Preset("dps", steps=100),
    "mmps": Preset("mmps", steps=50),
    "pgdm": Preset("pgdm", steps=100),
    "pnpdm": Preset("pnpdm", steps=50),
    "reddiff": Preset("reddiff", steps=100),
}

DEFAULT_QUALITY = "balanced"


def preset(
    quality: str | None = None,
    sampler: str | None = None,
    options: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Preset:
    """Settings by quality or by sampler, with the changes that are not None.

    Without ``refine`` there are no templates either, unless they are given. What belongs to a mean
    (see `Preset`) goes where steps or options make draws of a quality, but for what is given.

    Args:
        options: hyper-parameters of the sampler, beside the preset's own.
        **changes: fields of `Preset`.

    Raises:
        ValueError: an unknown name; or a quality of one sampler asked of another.
    """
    if quality is not None and quality not in QUALITIES:
        raise ValueError(f"unknown quality {quality!r}, expected one of {', '.join(QUALITIES)}")
    if sampler is not None and sampler not in SAMPLER_PRESETS:
        names = ", ".join(SAMPLER_PRESETS)
        raise ValueError(f"unknown sampler {sampler!r}, expected one of {names}")
    if quality is not None and sampler not in (None, QUALITIES[quality].sampler):
        raise ValueError(
            f"quality {quality!r} uses the sampler {QUALITIES[quality].sampler!r}; "
            "choose a quality or a sampler, not both"
        )
    by_sampler = quality is None and sampler is not None
    chosen = SAMPLER_PRESETS[sampler] if by_sampler else QUALITIES[quality or DEFAULT_QUALITY]
    own = dict(chosen.options)
    if chosen.is_mean and (changes.get("steps") or 1) > 1:
        own.pop("initial")  # more steps make a draw, which starts from noise
    made = chosen.with_(steps=changes.get("steps"), options={**own, **(options or {})})
    if chosen.is_mean and not made.is_mean:
        # What smooths a mean is not for draws, nor can they be moved along with their noise.
        made = replace(
            made, refine=False, templates=(), speeds=((1, 1),), mid_side=0.0, retune=False
        )
    if changes.get("refine") is False:
        made = replace(made, templates=())
    return made.with_(**changes)
