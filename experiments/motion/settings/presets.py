"""The motion experiment's settings, and its named presets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from selfcorrect.core.checks import MOST, check_count
from selfcorrect.core.errors import SettingError
from selfcorrect.models.diffusion.presets import PRESETS as DENOISER_PRESETS
from selfcorrect.models.diffusion.presets import DenoiserPreset, preset
from selfcorrect.simulators.settings.engine_table import ENGINES, PUBLISHED_ENGINE
from selfcorrect.storage.runs.run_folder import renamed

from ...remedies.table import UNRATED
from ..correctors.table import corrector_row, is_own
from .arms import BASELINE, Arm
from .preset_table import PRESET_ROWS
from .published import PublishedModel


@dataclass(frozen=True)
class DenoiserArms:
    """Arms that share a denoiser, and so the models of generation 0."""

    denoiser: str
    arms: tuple[Arm, ...]

    def __post_init__(self) -> None:
        for arm in self.arms:
            arm.sampled(self.preset.config)
        names = [arm.name for arm in self.arms]
        if len(set(names)) != len(names):
            raise SettingError(f"each arm of a comparison may stand in it once, got {', '.join(names)}")

    @property
    def preset(self) -> DenoiserPreset:
        """The denoiser with its settings."""
        return preset(self.denoiser)


@dataclass(frozen=True)
class MotionSettings:
    """What a motion experiment is."""

    comparisons: tuple[DenoiserArms, ...]
    """What is compared, denoiser by denoiser."""
    generations: int
    """Generations after generation 0."""
    seeds: int
    """How often everything is run."""
    data: tuple[str, ...] = ("deepmimic",)
    """`deepmimic`, or paths of motion files and folders, `FOLDER#SPLIT` for a split of a dataset."""
    reference: tuple[str, ...] = ()
    """Motions to judge against, sources like `data`, such as held-out subjects; by default times of `data` that are
    held out."""
    real_count: int = 128
    """n, real training windows per seed."""
    judged_count: int = 256
    """Samples drawn in each generation to be judged."""
    captions: bool = False
    """Labels are the motions' captions, which the model knows by their sentence vectors and whose motions retrieval
    judges; otherwise they are the motions' classes."""
    published: PublishedModel | None = None
    """Files of the published generator and its evaluator, in place of a denoiser's own."""
    judge_corrected: bool = False
    """Also judge the same samples after correction, against corrected real windows."""
    frames: int = 48
    """Frames of a window."""
    fps: float = 30.0
    """Frame rate of windows."""
    engine: str = PUBLISHED_ENGINE
    """In which correctors simulate."""
    first_seed: int = 0
    steps: dict[str, int] = field(default_factory=dict)
    """Optimiser steps of each later generation, by denoiser."""
    initial_steps: dict[str, int] = field(default_factory=dict)
    """Optimiser steps of generation 0, by denoiser."""

    def __post_init__(self) -> None:
        names = (*DENOISER_PRESETS, *(comparison.denoiser for comparison in self.comparisons))
        for kind in ("steps", "initial_steps"):  # those that are not given are the presets'
            steps = {name: getattr(preset(name), kind) for name in names} | getattr(self, kind)
            object.__setattr__(self, kind, steps)
        if self.published and self.judge_corrected:
            raise SettingError("judge-corrected and the published model do not go together")
        counts = {"generations": 1, "seeds": 1, "first_seed": 0, "real_count": 2, "judged_count": 12, "frames": 10}
        for name, least in counts.items():
            check_count(name, getattr(self, name), least, MOST)
        for name in ("steps", "initial_steps"):
            for key, value in getattr(self, name).items():
                least = 0 if self.published and name == "initial_steps" else 1
                check_count(f"{name} for {key}", value, least, MOST)
        self._check_engine()
        if not self.data:
            raise SettingError("data must name at least one source: deepmimic, or paths of motion files and folders")

    def _check_engine(self) -> None:
        """SettingError for a corrector without root force in an engine in which bodies cannot balance."""
        if ENGINES.row(self.engine).gives_way:
            return
        for arm in (arm for comparison in self.comparisons for arm in comparison.arms):
            if not is_own(arm.corrector) and corrector_row(arm.corrector).residual_free:
                able = ", ".join(name for name in ENGINES.names if ENGINES.row(name).gives_way)
                raise SettingError(
                    f"the corrector {arm.corrector} needs an engine whose joints give way ({able}), got {self.engine}; "
                    "add --engine mujoco"
                )

    def comparison(self, denoiser: str) -> DenoiserArms:
        """The arms of a denoiser."""
        return next(one for one in self.comparisons if one.denoiser == denoiser)

    def config(self) -> dict[str, Any]:
        """All settings as JSON values; infinite strengths as the text "inf".

        The engine is named where it is not the published figures', captions and the published model where they are
        used, so that runs of earlier versions can be resumed.
        """
        values = asdict(self)
        if self.engine == PUBLISHED_ENGINE:
            del values["engine"]
        for name in ("captions", "published"):
            if not values[name]:
                del values[name]
        return _finite(values)

    def of_arms(self, denoiser: str) -> dict[str, Any]:
        """What the result of an arm depends on beside the arm and its seed, as JSON values."""
        kept = {name: value for name, value in self.config().items() if name not in GROWING}
        return kept | {name: getattr(self, name)[denoiser] for name in ("steps", "initial_steps")}


GROWING = ("comparisons", "generations", "first_seed", "seeds")
"""Settings of which an experiment may get more: no result that is there depends on them."""


def extends(recorded: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether settings, as configs, ask for all arms, seeds and generations of recorded ones, and for more of these."""
    arms = [{each["denoiser"]: each["arms"] for each in config["comparisons"]} for config in (recorded, wanted)]
    seeds = [{*range(config["first_seed"], config["first_seed"] + config["seeds"])} for config in (recorded, wanted)]
    return (
        _all_of(_fixed(recorded), _fixed(wanted))
        and recorded["generations"] <= wanted["generations"]
        and seeds[0] <= seeds[1]
        and all(arm in arms[1].get(denoiser, ()) for denoiser, group in arms[0].items() for arm in group)
    )


def _fixed(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name not in GROWING}


def _all_of(part: Any, whole: Any) -> bool:
    """Whether all entries of `part` are in `whole`, at every depth; steps of a further denoiser may be added."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(name in whole and _all_of(value, whole[name]) for name, value in part.items())
    return part == whole


def settings_of(config: Mapping[str, Any]) -> MotionSettings:
    """The settings whose `config` this is, as this version or an earlier one recorded it."""
    config = renamed(config)
    comparisons = tuple(
        DenoiserArms(one["denoiser"], tuple(Arm(**{**arm, "strength": float(arm["strength"])}) for arm in one["arms"]))
        for one in config["comparisons"]
    )
    sources = {name: tuple(config[name]) for name in ("data", "reference") if name in config}
    published = {"published": PublishedModel(**config["published"])} if config.get("published") else {}
    return MotionSettings(**{**config, **sources, **published, "comparisons": comparisons})


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return "inf" if isinstance(value, float) and math.isinf(value) else value


def _loop(policy: str, *correctors: str) -> tuple[Arm, ...]:
    return tuple(Arm(policy, corrector) for corrector in ("none", *correctors))


_DEMO_MIXER = (
    BASELINE,
    *_loop("augment:1", "physics"),
    *_loop("replace", "physics"),
)
_HALF_WAY = Arm("replace", "kinematic", 1.0, operator="interpolation", remedy="lineages")
_SHORT_SMOOTH = (BASELINE, *_loop("replace", "physics"), Arm("replace", remedy="lineages"), Arm("freeze"))
_DEMO_SMOOTH = (*_SHORT_SMOOTH[:-1], _HALF_WAY, _SHORT_SMOOTH[-1])

_RATIOS = tuple(f"augment:{ratio}" for ratio in ("0.25", "0.5", "0.75", "1", "2", "4"))
_CONTROLS = ("kinematic", "low-pass", "anchored", "frozen", "anchored-real", "frozen-real", "placebo", "filter")
_TWO_STAGES = ("low-pass+physics", "physics+low-pass")

_FULL = (
    BASELINE,
    *(arm for policy in ("augment:1", "replace") for arm in _loop(policy, "physics", *_CONTROLS, *_TWO_STAGES)),
    Arm("augment:1", "physics", correct_real=True),
    Arm("augment:1", "physics", strength=1.0),
    Arm("replace", "physics", strength=1.0),
    *_loop("accumulate:1", "physics"),
    Arm("replace", sampling_steps=40),
    *(Arm("replace", remedy=name) for name in ("more-steps", "annealed-truncation", "averaged-weights")),
)
_SWEEP = (
    BASELINE,
    *(
        arm
        for policy in (*_RATIOS, "replace")
        for arm in (*_loop(policy, "kinematic", "low-pass", "physics"), replace(_HALF_WAY, policy=policy))
    ),
)

_MODES = (
    BASELINE,
    Arm("real", remedy="extrapolated"),
    *_loop("replace", "kinematic", "physics"),
    *(Arm("replace", remedy=name) for name in ("matched", "extrapolated", "lineages", "more-steps")),
    *(
        Arm("replace", corrector, 1.0, operator="interpolation", remedy="lineages")
        for corrector in ("kinematic", "physics")
    ),
    Arm("freeze"),
    *(Arm("freeze", remedy=name) for name in ("matched", "lineages")),
)
_RENEWED = tuple(
    replace(arm, policy="renew:0.25")
    for arm in (
        Arm("replace"),
        Arm("replace", remedy="lineages"),
        _HALF_WAY,
        replace(_HALF_WAY, corrector="physics"),
    )
)
_TEXT = (
    BASELINE,
    *_loop("augment:0.25", "physics"),
    *_loop("augment:1", "physics"),
    *_loop("augment:4"),
    *_loop("replace", "kinematic", "physics"),
)
_VERIFIED = ("physics", "residual-free", "residual-free-fallback", "residual-free-verifier", "random-verifier")
_STRICT = (BASELINE, *(arm for policy in ("augment:1", "replace") for arm in _loop(policy, *_VERIFIED)))
_DILUTION = (
    BASELINE,
    *_loop("replace", "kinematic", "physics"),
    *(
        arm
        for policy in (f"augment:{ratio}" for ratio in ("0.5", "1", "2", "4"))
        for arm in (
            Arm(policy),
            *(
                Arm(policy, name, strength)
                for name in ("kinematic", "physics")
                for strength in (0.25, 1.0, 4.0, math.inf)
            ),
        )
    ),
)
_REMEDIES = (BASELINE, *(Arm("replace", remedy=name) for name in UNRATED))


def _preset(name: str, *arms: tuple[Arm, ...], **more: Any) -> MotionSettings:
    """A preset with the counts of its row; arms: those of each of its denoisers, or of all."""
    row = PRESET_ROWS[name]
    denoisers = row.denoisers.split(", ")
    comparisons = map(DenoiserArms, denoisers, arms if len(arms) > 1 else arms * len(denoisers))
    counts = {key: getattr(row, key) for key in ("real_count", "judged_count", "engine", "first_seed")}
    return MotionSettings(tuple(comparisons), row.generations, row.seeds, **counts, **more)


_FEW_STEPS = {"patch-mixer": 400, "dct-mlp": 700}
_PAPER = (BASELINE, *(arm for policy in _RATIOS[:4] for arm in _loop(policy, "physics")))
PRESETS = {
    "short": _preset("short", _DEMO_MIXER, _SHORT_SMOOTH, initial_steps=_FEW_STEPS),
    "demo": _preset("demo", _DEMO_MIXER, _DEMO_SMOOTH),
    "quick": _preset("quick", (BASELINE, *_loop("replace", "physics"))),
    "full": _preset("full", _FULL),
    "ratios": _preset("ratios", _SWEEP),
    "dilution": _preset("dilution", _DILUTION),
    "modes": _preset("modes", _MODES),
    "renewal": _preset("renewal", (BASELINE, *_RENEWED)),
    "remedies": _preset("remedies", _REMEDIES),
    "text": _preset("text", _TEXT, captions=True),
    "strictness": _preset("strictness", _STRICT, frames=32, initial_steps=_FEW_STEPS),
    "paper": _preset("paper", _PAPER),
}
"""`PRESET_ROWS` says what each is for."""
