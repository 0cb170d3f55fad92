"""Settings of a motion experiment, and the options that change the settings of a preset."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import arg
from tyro.extras import literal_type_from_choices

from selfcorrect.core.checks import MOST, check_count
from selfcorrect.core.errors import SettingError
from selfcorrect.models.diffusion.presets import DENOISER_PRESETS, DenoiserPreset, preset, preset_names
from selfcorrect.simulators.settings.engine_table import ENGINES, PUBLISHED_ENGINE

from ...remedies.table import PLACES, REMEDIES
from ...studies.arms import SAMPLING_BOUNDS, ArmSettings
from ..correctors.table import CORRECTORS, corrector_row, is_own
from . import published
from .arms import check_names, parse_ratio, rated_components, refine_arms
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
    arms: tuple[ArmSettings, ...]

    def __post_init__(self) -> None:
        for arm in self.arms:
            check_names(arm)
            arm.change_config(self.preset.config)
        names = [arm.name for arm in self.arms]
        if len(set(names)) != len(names):
            raise SettingError(f"an arm occurs twice in a comparison: {', '.join(names)}")

    @property
    def preset(self) -> DenoiserPreset:
        """The denoiser with its settings."""
        return preset(self.denoiser)


@dataclass(frozen=True)
class MotionSettings:
    """Settings of a motion experiment."""

    comparisons: tuple[DenoiserArms, ...]
    """Arms to compare, denoiser by denoiser."""
    generations: int
    """Generations after generation 0."""
    seeds: int
    """Number of repetitions of everything."""
    data: tuple[str, ...] = ("deepmimic",)
    """`deepmimic`, or paths of motion files and folders, `FOLDER#SPLIT` for a split of a dataset."""
    reference: tuple[str, ...] = ()
    """Motions to evaluate against, sources like `data`, such as held-out subjects; by default times of `data` that are
    held out."""
    real_count: int = 128
    """n, real training windows per seed."""
    evaluated_count: int = 256
    """Number of samples drawn in each generation for the evaluation."""
    feasibility_count: int = FEASIBILITY_COUNT
    """Samples of the last generation of which the root force is measured."""
    captions: bool = False
    """Labels are the motions' captions, which the model knows by their sentence vectors and whose motions retrieval
    evaluates; otherwise they are the motions' classes."""
    published: PublishedModel | None = None
    """Files of the published generator and its evaluator, in place of a denoiser's own."""
    evaluate_corrected: bool = False
    """Also evaluate the same samples after correction, against corrected real windows."""
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
        self._fill_in_steps()
        if self.published and self.evaluate_corrected:
            raise SettingError("evaluate-corrected and the published model do not go together")
        self._check_counts()
        self._check_engine()
        denoisers = [comparison.denoiser for comparison in self.comparisons]
        if len(set(denoisers)) != len(denoisers):
            raise SettingError(f"a denoiser occurs twice in an experiment: {', '.join(denoisers)}")
        if not self.data:
            raise SettingError("data must name at least one source: deepmimic, or paths of motion files and folders")

    def _fill_in_steps(self) -> None:
        """Take the presets' numbers of steps for denoisers without any."""
        denoisers = [*DENOISER_PRESETS, *(comparison.denoiser for comparison in self.comparisons)]
        for setting in ("steps", "initial_steps"):
            defaults = {denoiser: getattr(preset(denoiser), setting) for denoiser in denoisers}
            object.__setattr__(self, setting, defaults | getattr(self, setting))

    def _check_counts(self) -> None:
        """Raise SettingError for a count that is too small or too large."""
        for name, least in LEAST_COUNTS.items():
            check_count(name, getattr(self, name), least, MOST)
        for denoiser, steps in self.steps.items():
            check_count(f"steps for {denoiser}", steps, 1, MOST)
        least_initial_steps = 0 if self.published else 1
        for denoiser, steps in self.initial_steps.items():
            check_count(f"initial_steps for {denoiser}", steps, least_initial_steps, MOST)

    def _check_engine(self) -> None:
        """Raise SettingError for a corrector without root force in an engine in which bodies cannot balance."""
        if ENGINES.row(self.engine).has_compliant_joints:
            return
        suitable = ", ".join(name for name in ENGINES.names if ENGINES.row(name).has_compliant_joints)
        for comparison in self.comparisons:
            for arm in comparison.arms:
                if not is_own(arm.corrector) and corrector_row(arm.corrector).residual_free:
                    raise SettingError(
                        f"the corrector {arm.corrector} needs an engine with compliant joints ({suitable}), "
                        f"got {self.engine}; add --engine mujoco"
                    )

    @property
    def has_correctors(self) -> bool:
        """Return True if an arm is corrected, or real data are."""
        arms = [arm for comparison in self.comparisons for arm in comparison.arms]
        return self.corrects_real or any(arm.corrector != "none" for arm in arms)

    @property
    def corrects_real(self) -> bool:
        """Return True if arms are trained on corrected real data, or evaluated against them."""
        arms = [arm for comparison in self.comparisons for arm in comparison.arms]
        return self.evaluate_corrected or any(arm.correct_real for arm in arms)

    def comparison(self, denoiser: str) -> DenoiserArms:
        """Return the arms of a denoiser."""
        return next(comparison for comparison in self.comparisons if comparison.denoiser == denoiser)

    def words(self, denoiser: str) -> str:
        """Return what samples of a denoiser look like, with its name where another denoiser has the same words."""
        character = preset(denoiser).character
        characters = [comparison.preset.character for comparison in self.comparisons]
        return character if characters.count(character) < 2 else f"{character} ({denoiser})"

    def config(self) -> dict[str, Any]:
        """All settings as JSON values; infinite strengths as the text "inf".

        The engine is named where it is not the published figures', captions and the published model where they are
        used, the number of samples for feasibility where it is not the usual number, so that runs of earlier versions
        can be resumed.
        """
        values = asdict(self)
        values["comparisons"] = [
            {"denoiser": comparison.denoiser, "arms": [arm.config() for arm in comparison.arms]}
            for comparison in self.comparisons
        ]
        if self.engine == PUBLISHED_ENGINE:
            del values["engine"]
        for name in ("captions", "published"):
            if not values[name]:
                del values[name]
        if self.feasibility_count == FEASIBILITY_COUNT:
            del values["feasibility_count"]
        return _encode_infinity(values)

    def arm_settings(self, denoiser: str) -> dict[str, Any]:
        """Return what an arm's result depends on beside the arm and its seed, as JSON values."""
        return {
            **_fixed_settings(self.config()),
            "steps": self.steps[denoiser],
            "initial_steps": self.initial_steps[denoiser],
        }


GROWING = ("comparisons", "generations", "first_seed", "seeds")
"""Settings that may grow when an experiment is extended: no earlier result depends on them."""
LEAST_COUNTS = {
    "generations": 1,
    "seeds": 1,
    "first_seed": 0,
    "real_count": 2,
    "evaluated_count": 12,
    "frames": 10,
    "feasibility_count": 1,
}
"""Smallest values of settings that count something."""


def extends(recorded: Mapping[str, Any], requested: Mapping[str, Any]) -> bool:
    """Return True if the requested config has all arms, seeds and generations of the recorded config, and perhaps
    more.
    """
    if not _is_subset(_fixed_settings(recorded), _fixed_settings(requested)):
        return False
    if recorded["generations"] > requested["generations"]:
        return False
    if not _seed_numbers(recorded) <= _seed_numbers(requested):
        return False
    requested_arms = {comparison["denoiser"]: comparison["arms"] for comparison in requested["comparisons"]}
    for comparison in recorded["comparisons"]:
        available = requested_arms.get(comparison["denoiser"], ())
        if any(arm not in available for arm in comparison["arms"]):
            return False
    return True


def _seed_numbers(config: Mapping[str, Any]) -> set[int]:
    return set(range(config["first_seed"], config["first_seed"] + config["seeds"]))


def _fixed_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name not in GROWING}


def _is_subset(part: Any, superset: Any) -> bool:
    """Return True if all entries of `part` are in `superset`, at every depth."""
    if isinstance(part, dict) and isinstance(superset, dict):
        return all(name in superset and _is_subset(value, superset[name]) for name, value in part.items())
    return part == superset


def arms_from_config(comparison: Mapping[str, Any]) -> tuple[ArmSettings, ...]:
    """Return the arms of a denoiser that a config records; their correctors and remedies need not be installed."""
    return tuple(ArmSettings(**{**arm, "strength": float(arm["strength"])}) for arm in comparison["arms"])


def settings_from_config(config: Mapping[str, Any]) -> MotionSettings:
    """Return the settings whose `config` this is, as a run folder records it."""
    values = dict(config)
    comparisons = []
    for comparison in values["comparisons"]:
        comparisons.append(DenoiserArms(comparison["denoiser"], arms_from_config(comparison)))
    values["comparisons"] = tuple(comparisons)
    for name in ("data", "reference"):
        if name in values:
            values[name] = tuple(values[name])
    if values.get("published"):
        values["published"] = PublishedModel(**values["published"])
    return MotionSettings(**values)


def _encode_infinity(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _encode_infinity(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encode_infinity(item) for item in value]
    return "inf" if isinstance(value, float) and math.isinf(value) else value


# --- options ---------------------------------------------------------------------------------------------------------


def option_hint(default: str, takes: str = "INT") -> object:
    """Return the hint in `--help` for an option without a default value: its default in words, and what it takes."""
    return arg(help_behavior_hint=f"(default: {default})", metavar=takes)


def _preset_hint(name: str, takes: str = "INT") -> object:
    """Return a hint with the value of the preset that the command line names."""

    def hint(default: str) -> str:
        from .presets import PRESET_ROWS

        chosen = "short"
        words = [part for word in sys.argv for part in word.split("=", 1)]
        for option, value in pairwise(words):
            if option == "--preset" and value in PRESET_ROWS:
                chosen = value
        return f"(default: {PRESET_ROWS[chosen].value(name)}, of the preset {chosen})"

    return arg(help_behavior_hint=hint, metavar=takes)


_CORRECTOR_HELP = (
    "Correctors instead of the preset's: none for no correction, package.module:function for your own. A + chains "
    f"built-in ones, as in low-pass+physics.\n{CORRECTORS.describe_rows()}"
)
_REMEDY_HELP = f"Run each arm also with these remedies against the loss of modes.\n{REMEDIES.describe_rows()}"
_PLACE_HELP = f"Places of the corrector in the loop; several may be given.\n{PLACES.describe_rows()}"
_DENOISER_HELP = "Networks to compare: " + ", ".join(f"{name} ({preset(name).character})" for name in preset_names())


@dataclass(frozen=True)
class MotionOptions:
    """Options of an experiment; None and () leave the preset's value."""

    preset: str = "short"
    """Name of a preset in `presets.PRESETS`."""
    policy: tuple[str, ...] = ()
    """Training data of the next generation: replace (fully synthetic), augment, accumulate, … Several may be given."""
    synthetic_ratio: tuple[str, ...] = ()
    """λ, synthetic samples per real sample, for augment and accumulate; 100% is λ = 1, as in Gillman et al., and inf is
    fully synthetic. Several may be given."""
    corrector: Annotated[tuple[str, ...], arg(help=_CORRECTOR_HELP)] = ()
    physics_in: Annotated[tuple[str, ...], arg(help=_PLACE_HELP)] = ()
    remedy: Annotated[tuple[str, ...], arg(help=_REMEDY_HELP)] = ()
    guidance: tuple[float, ...] = ()
    """Also run all arms, the baseline included, with these scales of classifier-free guidance."""
    temperature: tuple[float, ...] = ()
    """Also run all arms with these factors on the sampling noise."""
    eta: tuple[float, ...] = ()
    """Also run all arms with this share of fresh noise in each sampling step: 0 is deterministic, 1 is ancestral."""
    sampling_steps: tuple[int, ...] = ()
    """Also run all arms with this many network evaluations per sample."""
    gamma: Annotated[tuple[float, ...], _preset_hint("gamma", "FLOAT…")] = ()
    """γ ≥ 0, correction strength: each sample is replaced by its corrected form with probability γ/(1+γ); inf corrects
    all. Several may be given."""
    generations: Annotated[int | None, _preset_hint("generations")] = None
    """Generations after generation 0."""
    seeds: Annotated[int | None, _preset_hint("seeds")] = None
    """Number of seeds."""
    first_seed: Annotated[int | None, _preset_hint("first_seed")] = None
    """First seed. Machines without a cluster can share an experiment by its seeds."""
    real_count: Annotated[int | None, _preset_hint("real_count")] = None
    """n, real training windows per seed."""
    evaluated_count: Annotated[int | None, _preset_hint("evaluated_count")] = None
    """Number of samples drawn in each generation for the evaluation."""
    evaluate_corrected: bool = False
    """Also evaluate each arm's samples after correction, as people would use them who correct a model's output."""
    steps: Annotated[int | None, _preset_hint("steps")] = None
    """Optimiser steps per generation, the same in every arm."""
    initial_steps: Annotated[int | None, _preset_hint("initial_steps")] = None
    """Optimiser steps of generation 0."""
    denoiser: Annotated[tuple[str, ...], arg(help=_DENOISER_HELP)] = ()
    data: tuple[str, ...] = ()
    """deepmimic (built in), or motion files and folders with motions of the same skeleton; FOLDER#SPLIT for a split of
    a dataset."""
    reference: tuple[str, ...] = ()
    """Motions to evaluate against, given like --data, such as motions of held-out subjects."""
    ratings: Path | None = None
    """Choices that pages of `selfcorrect curate` saved, a file or a folder of .jsonl files, for --corrector people and
    --remedy preferred. The run folder keeps a copy of the preferences it began with."""
    mdm: str = ""
    """With the preset paper: a checkpoint of MDM as its authors publish it (model000475000.pt, args.json beside it), or
    args.json for weights drawn anew, as Gillman et al. 2024 did. Needs --data HumanML3D, --evaluator and CLIP."""
    evaluator: str = ""
    """With --mdm: folder of the evaluator of Guo et al. 2022 (t2m), with glove in it or beside it."""
    clip: str = ""
    """With --mdm: folder of CLIP, or its name in Hugging Face's cache."""
    repetitions: Annotated[int | None, option_hint("20")] = None
    """With --mdm: how often the published protocol evaluates the last generation."""
    engine: Annotated[EngineName | None, _preset_hint("engine", "|".join(ENGINES.names))] = None
    """Physics engine of the correctors. Published figures use PyBullet; if PyBullet is not installed and no engine is
    given, MuJoCo is used."""

    def apply_to(self, preset: MotionSettings) -> MotionSettings:
        """Return a preset with these options; SettingError for a combination that makes no sense."""
        preset = self._add_published_model(preset)
        changes: dict[str, Any] = {}
        for setting in fields(preset):
            value = getattr(self, setting.name, None)
            is_set = value is not None and value != () and value is not False
            if is_set:
                changes[setting.name] = value
        for name in ("steps", "initial_steps"):
            if name in changes:
                denoisers = (*getattr(preset, name), *self.denoiser)
                changes[name] = dict.fromkeys(denoisers, changes[name])
        changes["comparisons"] = self._comparisons(preset)
        changes["engine"] = self.engine_for(preset)
        settings = replace(preset, **changes)
        self._refuse_without_effect(settings)
        return settings

    def _refuse_without_effect(self, settings: MotionSettings) -> None:
        """Raise SettingError for an option that changes nothing in the arms that are run."""
        arms = [arm for comparison in settings.comparisons for arm in comparison.arms]
        if all(arm.corrector == "none" for arm in arms):
            for name in ("gamma", "physics_in", "evaluate_corrected"):
                if getattr(self, name):
                    option = name.replace("_", "-")
                    raise SettingError(f"--{option} is for arms with a corrector, and there are none; leave it out")
        if self.ratings and not any(map(rated_components, arms)):
            raise SettingError("--ratings is for --corrector people and --remedy preferred; leave it out")

    def engine_for(self, preset: MotionSettings) -> str:
        """Return the engine of the options, else the preset's, or MuJoCo if that is PyBullet and not installed."""
        if self.engine:
            return self.engine
        is_missing = preset.engine == PUBLISHED_ENGINE and find_spec(PUBLISHED_ENGINE) is None
        return "mujoco" if is_missing else preset.engine

    def _add_published_model(self, preset: MotionSettings) -> MotionSettings:
        """Return the preset with the published generator and evaluator, if given, in place of the preset's."""
        if not self.mdm:
            for name in ("evaluator", "clip", "repetitions"):
                if getattr(self, name):
                    raise SettingError(f"--{name} goes with --mdm CHECKPOINT")
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
            evaluated_count=published.JUDGED,
            initial_steps={**preset.initial_steps, "paper": first},
            steps={**preset.steps, "paper": later},
        )

    def _comparisons(self, preset: MotionSettings) -> tuple[DenoiserArms, ...]:
        by_denoiser = {comparison.denoiser: comparison for comparison in preset.comparisons}
        template = preset.comparisons[0]
        ratios = [parse_ratio(ratio) for ratio in self.synthetic_ratio]
        sampling = {name: getattr(self, name) for name in SAMPLING_BOUNDS}
        refined = []
        for denoiser in dict.fromkeys(self.denoiser or by_denoiser):
            comparison = by_denoiser.get(denoiser, replace(template, denoiser=denoiser))
            arms = refine_arms(
                comparison.arms,
                policies=self.policy,
                ratios=ratios,
                correctors=self.corrector,
                strengths=self.gamma,
                remedies=self.remedy,
                places=self.physics_in,
                sampling=sampling,
            )
            refined.append(replace(comparison, arms=arms))
        return tuple(refined)
