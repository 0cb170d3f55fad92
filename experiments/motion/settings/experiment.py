"""What a motion experiment is: its settings, and the options that change those of a preset."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import arg
from tyro.extras import literal_type_from_choices

from selfcorrect.core.checks import MOST, check_count
from selfcorrect.core.errors import SettingError
from selfcorrect.models.diffusion.presets import PRESETS as DENOISER_PRESETS
from selfcorrect.models.diffusion.presets import DenoiserPreset, preset, preset_names
from selfcorrect.simulators.settings.engine_table import AUTO, ENGINES, PUBLISHED_ENGINE, resolve_engine
from selfcorrect.storage.runs.run_folder import renamed

from ...remedies.table import REMEDIES
from ...studies.arms import SAMPLING_BOUNDS, Arm
from ..correctors.table import CORRECTORS, corrector_row, is_own
from . import published
from .arms import check_names, ratio_of, refined_arms
from .published import PublishedModel

if TYPE_CHECKING:
    EngineName = str
else:
    EngineName = literal_type_from_choices(ENGINES.names)


FEASIBILITY_COUNT = 64
"""Samples of the last generation of which the root force is measured, where a preset does not say otherwise."""


@dataclass(frozen=True)
class DenoiserArms:
    """Arms that share a denoiser, and so the models of generation 0."""

    denoiser: str
    arms: tuple[Arm, ...]

    def __post_init__(self) -> None:
        for arm in self.arms:
            check_names(arm)
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
    feasibility_count: int = FEASIBILITY_COUNT
    """Samples of the last generation of which the root force is measured."""
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
        counts["feasibility_count"] = 1
        for name, least in counts.items():
            check_count(name, getattr(self, name), least, MOST)
        for name in ("steps", "initial_steps"):
            for key, value in getattr(self, name).items():
                least = 0 if self.published and name == "initial_steps" else 1
                check_count(f"{name} for {key}", value, least, MOST)
        self._check_engine()
        self._check_denoisers()
        if not self.data:
            raise SettingError("data must name at least one source: deepmimic, or paths of motion files and folders")

    def _check_denoisers(self) -> None:
        names = [comparison.denoiser for comparison in self.comparisons]
        if len(set(names)) != len(names):
            raise SettingError(f"each denoiser of an experiment may stand in it once, got {', '.join(names)}")

    def _check_engine(self) -> None:
        """SettingError for a corrector without root force in an engine in which bodies cannot balance."""
        if ENGINES.row(self.engine).has_compliant_joints:
            return
        for arm in (arm for comparison in self.comparisons for arm in comparison.arms):
            if not is_own(arm.corrector) and corrector_row(arm.corrector).residual_free:
                able = ", ".join(name for name in ENGINES.names if ENGINES.row(name).has_compliant_joints)
                raise SettingError(
                    f"the corrector {arm.corrector} needs an engine with compliant joints ({able}), got {self.engine}; "
                    "add --engine mujoco"
                )

    def comparison(self, denoiser: str) -> DenoiserArms:
        """The arms of a denoiser."""
        return next(one for one in self.comparisons if one.denoiser == denoiser)

    def words(self, denoiser: str) -> str:
        """Return what samples of a denoiser look like, with its name where another denoiser has the same words."""
        character = preset(denoiser).character
        characters = [comparison.preset.character for comparison in self.comparisons]
        return character if characters.count(character) < 2 else f"{character} ({denoiser})"

    def config(self) -> dict[str, Any]:
        """All settings as JSON values; infinite strengths as the text "inf".

        The engine is named where it is not the published figures', captions and the published model where they are
        used, the number of samples for feasibility where it is not the usual one, so that runs of earlier versions can
        be resumed.
        """
        values = asdict(self)
        arms = [{"denoiser": one.denoiser, "arms": [arm.config() for arm in one.arms]} for one in self.comparisons]
        values["comparisons"] = arms
        if self.engine == PUBLISHED_ENGINE:
            del values["engine"]
        for name in ("captions", "published"):
            if not values[name]:
                del values[name]
        if self.feasibility_count == FEASIBILITY_COUNT:
            del values["feasibility_count"]
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


# --- options ---------------------------------------------------------------------------------------------------------


def says(default: str, takes: str = "INT") -> object:
    """What `--help` says of an option that has no value of its own, and of what it takes."""
    return arg(help_behavior_hint=f"(default: {default})", metavar=takes)


def _of_preset(name: str, takes: str = "INT") -> object:
    """The value that the preset of the command line has."""

    def hint(default: str) -> str:
        from .presets import PRESET_ROWS

        words = [part for word in sys.argv for part in word.split("=", 1)]
        named = [after for word, after in pairwise(words) if word == "--preset" and after in PRESET_ROWS]
        chosen = named[-1] if named else "short"
        return f"(default: {PRESET_ROWS[chosen].value(name)}, of the preset {chosen})"

    return arg(help_behavior_hint=hint, metavar=takes)


def _correctors() -> str:
    return (
        "These in place of the preset's; none for no correction, package.module:function for your own. Built-in ones "
        f"joined by + work one after the other: low-pass+physics.\n{CORRECTORS.described()}"
    )


def _remedies() -> str:
    return f"Each arm also with these remedies against the loss of modes.\n{REMEDIES.described()}"


def _denoisers() -> str:
    return "Networks to compare: " + ", ".join(f"{name} ({preset(name).character})" for name in preset_names())


@dataclass(frozen=True)
class MotionOptions:
    """What options say of an experiment: None and () leave what its preset has."""

    preset: str = "short"
    """What is compared, a name in `presets.PRESETS`."""
    policy: tuple[str, ...] = ()
    """Which data train the next generation: replace (fully synthetic), augment, accumulate, … Several may be given."""
    synthetic_ratio: tuple[str, ...] = ()
    """λ, synthetic samples per real one, for augment and accumulate; 100% is λ = 1, as in Gillman et al., and inf is
    fully synthetic. Several may be given."""
    corrector: Annotated[tuple[str, ...], arg(help=_correctors())] = ()
    remedy: Annotated[tuple[str, ...], arg(help=_remedies())] = ()
    guidance: tuple[float, ...] = ()
    """Also all arms with samples drawn at these scales of classifier-free guidance, the baseline included."""
    temperature: tuple[float, ...] = ()
    """The same with this factor on the noise of sampling."""
    eta: tuple[float, ...] = ()
    """The same with this share of noise drawn anew in each step of sampling: 0 is deterministic, 1 ancestral."""
    sampling_steps: tuple[int, ...] = ()
    """The same with so many network evaluations per sample."""
    gamma: Annotated[tuple[float, ...], _of_preset("gamma", "FLOAT…")] = ()
    """γ ≥ 0: each sample is replaced by its corrected form with probability γ/(1+γ); inf for all. Several may be
    given."""
    generations: Annotated[int | None, _of_preset("generations")] = None
    """Generations after generation 0."""
    seeds: Annotated[int | None, _of_preset("seeds")] = None
    """Number of seeds."""
    first_seed: Annotated[int | None, _of_preset("first_seed")] = None
    """The first of them: several machines without a cluster can do seeds of one experiment each."""
    real_count: Annotated[int | None, _of_preset("real_count")] = None
    """n, real training windows per seed."""
    judged_count: Annotated[int | None, _of_preset("judged_count")] = None
    """Samples drawn in each generation to be judged."""
    judge_corrected: bool = False
    """Also judge each arm's samples after its own correction, as who corrects what a model makes would have them."""
    steps: Annotated[int | None, _of_preset("steps")] = None
    """Optimiser steps per generation, the same in every arm."""
    initial_steps: Annotated[int | None, _of_preset("initial_steps")] = None
    """Optimiser steps of generation 0."""
    denoiser: Annotated[tuple[str, ...], arg(help=_denoisers())] = ()
    data: tuple[str, ...] = ()
    """deepmimic (built in), or motion files and folders with motions of one skeleton; FOLDER#SPLIT for a
    split of a dataset."""
    reference: tuple[str, ...] = ()
    """Motions to judge against, given like data, such as those of held-out subjects."""
    ratings: Path | None = None
    """Database of `selfcorrect curate`, for --corrector people and --remedy preferred. The run folder keeps what it
    said when the run began."""
    mdm: str = ""
    """With the preset paper: a checkpoint of MDM as its authors publish it (model000475000.pt, args.json beside it), or
    args.json for weights drawn anew, as Gillman et al. 2024 did. Needs --data HumanML3D, --evaluator and CLIP."""
    evaluator: str = ""
    """With mdm: folder of the evaluator of Guo et al. 2022 (t2m), with glove in it or beside it."""
    clip: str = ""
    """With mdm: folder of CLIP, or its name in Hugging Face's cache."""
    repetitions: Annotated[int | None, says("20")] = None
    """With mdm: how often the last generation is judged by the field's protocol."""
    engine: Annotated[EngineName | None, _of_preset("engine", "|".join(ENGINES.names))] = None
    """In which correctors simulate. The published figures are PyBullet's; where that is not installed and no engine is
    given, MuJoCo simulates."""

    def applied(self, preset: MotionSettings) -> MotionSettings:
        """A preset with the options that are given; SettingError for a combination that means nothing."""
        preset = self._with_published(preset)
        given = {each.name: getattr(self, each.name, None) for each in fields(preset)}
        given = {
            name: value for name, value in given.items() if value is not None and value != () and value is not False
        }
        for name in given.keys() & {"steps", "initial_steps"}:
            given[name] = dict.fromkeys((*getattr(preset, name), *self.denoiser), given[name])
        changed = {"comparisons": self._comparisons(preset), "engine": self.engine_for(preset)}
        return replace(preset, **{**given, **changed})

    def engine_for(self, preset: MotionSettings) -> str:
        """The engine that was asked for, else the preset's, or MuJoCo where that is PyBullet and not installed."""
        return self.engine or (resolve_engine(AUTO) if preset.engine == PUBLISHED_ENGINE else preset.engine)

    def _with_published(self, preset: MotionSettings) -> MotionSettings:
        """The preset with the published generator and evaluator in place of its denoiser and judge, where they are."""
        files = {name: getattr(self, name) for name in ("mdm", "evaluator", "clip", "repetitions")}
        if not self.mdm:
            if given := [name for name, value in files.items() if value]:
                raise SettingError(f"--{given[0]} goes with --mdm CHECKPOINT")
            return preset
        if self.preset != "paper" or self.denoiser:
            raise SettingError("--mdm goes with --preset paper, and without --denoiser")
        if not self.data:
            raise SettingError("--mdm needs --data, a HumanML3D folder or FOLDER#SPLIT")
        counts = {} if self.repetitions is None else {"repetitions": self.repetitions}
        first, later = published.published_steps(self.real_count or preset.real_count)
        return replace(
            preset,
            published=PublishedModel(self.mdm, self.evaluator, self.clip, **counts),
            frames=published.FRAMES,
            fps=published.FPS,
            judged_count=published.JUDGED,
            initial_steps={**preset.initial_steps, "paper": first},
            steps={**preset.steps, "paper": later},
        )

    def _comparisons(self, preset: MotionSettings) -> tuple[DenoiserArms, ...]:
        kept = {comparison.denoiser: comparison for comparison in preset.comparisons}
        chosen = {name: kept.get(name, replace(preset.comparisons[0], denoiser=name)) for name in self.denoiser} or kept
        sampling = {name: getattr(self, name) for name in SAMPLING_BOUNDS}
        axes = (self.policy, [*map(ratio_of, self.synthetic_ratio)], self.corrector, self.gamma, self.remedy, sampling)
        return tuple(replace(one, arms=refined_arms(one.arms, *axes)) for one in chosen.values())
