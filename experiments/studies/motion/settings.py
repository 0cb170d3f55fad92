"""Settings of a motion experiment, which are also the options of its command; a preset is a value of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, get_args

from tyro.conf import Fixed, Suppress, arg
from tyro.extras import literal_type_from_choices

from selfcorrect.core.checks import MAX_SETTING, check_choice, check_count
from selfcorrect.core.errors import SettingError
from selfcorrect.datasets.window_settings import WindowSettings
from selfcorrect.loop.models.diffusion.config import DiffusionConfig, TrainingName
from selfcorrect.loop.models.diffusion.presets import DENOISER_PRESETS, DenoiserPreset, preset
from selfcorrect.loop.policy_table import split_policy
from selfcorrect.loop.remedies.table import PLACES, REMEDIES
from selfcorrect.loop.store.run_folder import CONFIG
from selfcorrect.runtime.registry import Registry, Row
from selfcorrect.simulators.settings.engine_table import ENGINES, PUBLISHED_ENGINE
from selfcorrect.storage.files.digests import read_with_digest
from selfcorrect.storage.files.strict_json import spell_infinity

from ..arms import ArmSettings, folder_name, name_function
from .correctors.table import THEN, corrector_row, is_own

if TYPE_CHECKING:
    EngineName = str
else:
    EngineName = literal_type_from_choices(ENGINES.names)

SimulationName: TypeAlias = Literal["fast", "fine"]
"""Names in `selfcorrect.simulators.presets.SIMULATIONS`, which takes long to import."""
Labels: TypeAlias = Literal["data", "window"]
KeptModels: TypeAlias = Literal["all", "samples", "sampling"]

BUILT_IN_DATA = ("deepmimic",)
"""Motions that the package has."""
FEASIBILITY_COUNT = 64
"""Samples of the last generation of which the root force is measured, where a preset does not say otherwise."""
MIN_COUNTS = {
    "generations": 1,
    "seeds": 1,
    "first_seed": 0,
    "real_count": 2,
    "evaluated_count": 12,
    "frames": 10,
    "feasibility_count": 1,
}
"""Smallest values of settings that count something."""
USUAL = {
    "engine": PUBLISHED_ENGINE,
    "generator": (),
    "start_from": (),
    "representation": "features",
    "labels": "data",
    "feasibility_count": FEASIBILITY_COUNT,
    "simulation": "fine",
    "training": "plain",
    "metric": (),
    "learning_rate": None,
    "batch_size": None,
    "width": None,
}
"""Settings that a config leaves out, with the values in that case: those of runs before there was a choice."""
SAMPLER_KEY = "sampler"
"""Key in a config: the sampler of arms without a separate sampler."""
EARLIER_SAMPLER = "ddim"
"""Sampler of configs that name none; these runs drew samples in ancestral steps."""
GROWING = ("comparisons", "generations", "first_seed", "seeds")
"""Settings that may grow when an experiment is extended: no earlier result depends on them."""

GENERATORS: Registry[Row] = Registry("generator", [], group="selfcorrect.generators")
"""Generators with data and evaluators of their own, each from a package of its own.

Each leads to a function (settings, stream) → what the arms of a seed share, `task.SeedParts`.
"""


@dataclass(frozen=True)
class MotionSettings:
    """Settings of a motion experiment."""

    arms: Suppress[Fixed[Mapping[str, tuple[ArmSettings, ...]]]] = field(hash=False)
    """Denoiser → its arms, which are compared with each other."""
    generations: int
    """Generations after generation 0."""
    seeds: int
    """Number of seeds."""
    data: tuple[str, ...] = BUILT_IN_DATA
    """Training motions: deepmimic (built in), or motion files and folders with motions of one skeleton.
    FOLDER#SPLIT is a split of a dataset."""
    reference: tuple[str, ...] = ()
    """Motions to evaluate against, given as in --data, such as motions of held-out subjects. By default, times of
    the data that are held out."""
    real_count: int = 128
    """Number n of real training windows per seed."""
    evaluated_count: int = 256
    """Number of samples to evaluate in each generation."""
    feasibility_count: Suppress[Fixed[int]] = FEASIBILITY_COUNT
    """Samples of the last generation of which the root force is measured."""
    generator: tuple[str, ...] = ()
    """Generative model instead of the networks: FILE.py:function, package.module:function, or the name of another
    package's generator; then its options, such as mdm checkpoint=FILE evaluator=FOLDER."""
    start_from: tuple[str, ...] = ()
    """Finished run and one of its arms, such as runs/first replace+none, whose last samples replace the real
    training windows."""
    representation: Literal["features", "humanml3d"] = "features"
    """Columns that the networks learn: features (root and rotations of the body), or humanml3d (HumanML3D's 263
    columns). Only 67 of the latter make the motion, so the columns of a sample can contradict each other."""
    labels: Labels = "data"
    """What conditions the model: data (the labels of the data), or window (a label for each training window, as if
    each had its own caption)."""
    metric: tuple[str, ...] = ()
    """Your own metrics, as FILE.py:function or package.module:function: a function of MetricInputs that returns a
    number, or one for each sample."""
    evaluate_corrected: bool = False
    """Also evaluate samples after correction, against corrected real windows, as users see them who correct a
    model's output."""
    frames: Suppress[Fixed[int]] = WindowSettings.frames
    """Frames of a window."""
    fps: Suppress[Fixed[float]] = WindowSettings.fps
    """Frame rate of windows."""
    engine: EngineName = PUBLISHED_ENGINE
    """Physics engine of the correctors. Published figures use PyBullet. MuJoCo is used if PyBullet is not installed
    and you name no engine."""
    simulation: SimulationName = "fast"
    """Time step of the corrector physics in PyBullet: fast is 60 steps per second; fine is 120, takes about twice
    the time, and is what older runs used."""
    training: TrainingName = "fast"
    """Training of diffusion models: fast, or plain as in older runs. Both minimise the same loss, but draw other
    random numbers."""
    learning_rate: float | None = None
    """Peak learning rate of generation 0, None for the network's own. Later generations keep their share of it."""
    batch_size: int | None = None
    """Samples per optimiser step, None for the network's own."""
    width: int | None = None
    """Channels of the network's hidden layers, None for the network's own."""
    first_seed: int = 0
    """First seed. Several machines can share an experiment by its seeds."""
    steps: Suppress[Fixed[Mapping[str, int]]] = field(default_factory=dict, hash=False)
    """Optimiser steps of each later generation, by denoiser."""
    initial_steps: Suppress[Fixed[Mapping[str, int]]] = field(default_factory=dict, hash=False)
    """Optimiser steps of generation 0, by denoiser."""

    def __post_init__(self) -> None:
        self._fill_in_steps()
        self._check_counts()
        for denoiser, arms in self.arms.items():
            _check_arms(arms, None if self.generator else self.configure(denoiser))
        if self.generator and (changes := self.network_changes):
            option = next(iter(changes)).replace("_", "-")
            raise SettingError(f"--{option} changes a network, and --generator replaces it; leave one of them out")
        check_choice("labels", self.labels, get_args(Labels))
        if self.labels == "window" and self.start_from:
            raise SettingError("--labels window needs training windows, and --start-from replaces them; leave one out")
        if len(self.start_from) not in (0, 2):
            raise SettingError(f"start-from takes a run folder and an arm, got {' '.join(self.start_from)!r}")
        if not self.data:
            raise SettingError("data must name at least one source: deepmimic, or paths of motion files and folders")

    def _fill_in_steps(self) -> None:
        """Fill in missing numbers of steps from the presets."""
        for setting in ("steps", "initial_steps"):
            denoisers = (*DENOISER_PRESETS, *self.arms)
            defaults = {denoiser: getattr(self._preset(denoiser), setting) for denoiser in denoisers}
            object.__setattr__(self, setting, defaults | dict(getattr(self, setting)))

    def _preset(self, denoiser: str) -> DenoiserPreset:
        """Return the preset of a denoiser; a generator in its place has the usual numbers of steps."""
        if self.generator and denoiser not in DENOISER_PRESETS:
            return DenoiserPreset(DiffusionConfig(), denoiser)
        return preset(denoiser)

    @property
    def network_changes(self) -> dict[str, Any]:
        """Settings of the networks that differ from their presets', by name."""
        values = {name: getattr(self, name) for name in ("learning_rate", "batch_size", "width")}
        return {name: value for name, value in values.items() if value is not None}

    def configure(self, denoiser: str) -> DiffusionConfig:
        """Return a network's settings: those of its preset with `network_changes`, and the training."""
        config = replace(preset(denoiser).config, training=self.training)
        changes = self.network_changes
        if "learning_rate" in changes:
            share = config.fine_tune_learning_rate / config.learning_rate
            changes["fine_tune_learning_rate"] = share * changes["learning_rate"]
        return replace(config, **changes)

    def _check_counts(self) -> None:
        """Raise SettingError for a count out of bounds."""
        for name, least in MIN_COUNTS.items():
            check_count(name, getattr(self, name), least, MAX_SETTING)
        check_choice("simulation", self.simulation, get_args(SimulationName))
        check_choice("training", self.training, get_args(TrainingName))
        for denoiser, steps in self.steps.items():
            check_count(f"steps for {denoiser}", steps, 1, MAX_SETTING)
        least_initial_steps = 0 if self.generator else 1  # the generator may be trained
        for denoiser, steps in self.initial_steps.items():
            check_count(f"initial_steps for {denoiser}", steps, least_initial_steps, MAX_SETTING)

    def check_generator(self) -> None:
        """Raise SettingError for a generator whose package is not installed."""
        if self.generator and ":" not in self.generator[0] and self.generator[0] not in GENERATORS.names:
            raise SettingError(
                f"the generator {self.generator[0]} is not installed; install its package, or pass FILE.py:function; "
                "in a clone of the repository, pip install ./examples/plugins/mdm_generator adds mdm"
            )

    def name_generator(self) -> MotionSettings:
        """Put the arms under the name of the generator, in place of the networks that it replaces."""
        if not self.generator:
            return self
        name = name_function(self.generator[0])
        replaced = next(iter(self.arms))
        steps = {setting: {name: getattr(self, setting)[replaced]} for setting in ("steps", "initial_steps")}
        return replace(self, arms={name: tuple(dict.fromkeys(self.all_arms))}, **steps)

    def check_engine(self) -> None:
        """Check that the engine fits the correctors.

        Raises SettingError for a corrector without root force in an engine where bodies cannot balance.
        """
        if ENGINES.row(self.engine).has_compliant_joints:
            return
        suitable = ", ".join(name for name in ENGINES.names if ENGINES.row(name).has_compliant_joints)
        for arm in self.all_arms:
            if not is_own(arm.corrector) and corrector_row(arm.corrector).residual_free:
                raise SettingError(
                    f"the corrector {arm.corrector} needs an engine with compliant joints ({suitable}), "
                    f"got {self.engine}; add --engine mujoco"
                )

    @property
    def all_arms(self) -> list[ArmSettings]:
        """The arms of all denoisers."""
        return [arm for arms in self.arms.values() for arm in arms]

    @property
    def own_correctors(self) -> list[str]:
        """The correctors of users and other packages."""
        return [name for name in dict.fromkeys(arm.corrector for arm in self.all_arms) if is_own(name)]

    @property
    def corrects_real(self) -> bool:
        """Return True if arms are trained on or evaluated against corrected real data."""
        return self.evaluate_corrected or any(arm.correct_real for arm in self.all_arms)

    @property
    def has_correctors(self) -> bool:
        """Return True if an arm or real data are corrected."""
        return self.corrects_real or any(arm.corrector != "none" for arm in self.all_arms)

    def words(self, denoiser: str) -> str:
        """Describe a denoiser's samples, with its name where another has the same words."""
        character = self._preset(denoiser).character
        characters = [self._preset(name).character for name in self.arms]
        return character if characters.count(character) < 2 else f"{character} ({denoiser})"

    def config(self) -> dict[str, object]:
        """Return all settings as JSON values.

        Infinite strengths are the text "inf". Settings with the value in `USUAL` are left out, so that earlier runs
        keep their configs.
        """
        comparisons = []
        for denoiser, arms in self.arms.items():
            comparisons.append({"denoiser": denoiser, "arms": [arm.config() for arm in arms]})
        values: dict[str, object] = {"comparisons": comparisons, SAMPLER_KEY: DiffusionConfig.sampler}
        for setting in fields(self):
            if setting.name != "arms":
                values[setting.name] = getattr(self, setting.name)
        for name, usual in USUAL.items():
            if values[name] == usual:
                del values[name]
        return spell_infinity(values)

    def fixed(self) -> dict[str, object]:
        """Return the settings that stay when an experiment is extended, as JSON values."""
        return _list_fixed_settings(self.config())

    def arm_settings(self, denoiser: str) -> dict[str, object]:
        """Return the settings an arm depends on as JSON values, beside the arm and the seed."""
        return {**self.fixed(), "steps": self.steps[denoiser], "initial_steps": self.initial_steps[denoiser]}


def _check_arms(arms: tuple[ArmSettings, ...], config: DiffusionConfig | None) -> None:
    """Check that arms are possible and different.

    Raises SettingError for an unknown corrector or remedy, one that an arm cannot have, or an arm that is there twice.
    config: Settings of the network that the arms change; None for a generator that is not known here.
    """
    for arm in arms:
        if ":" not in arm.corrector or THEN in arm.corrector:
            corrector_row(arm.corrector)
        split_policy(arm.policy)
        REMEDIES.row(arm.remedy)
        PLACES.row(arm.place)
        if arm.place != "data" and arm.corrector == "none":
            raise SettingError(f"the place {arm.place} needs a corrector, and the arm {arm.key} has none")
        if config is not None:
            set_sampling(config, arm)
    names = [folder_name(arm.key) for arm in arms]
    if len(set(names)) != len(names):
        raise SettingError(f"an arm occurs twice in a comparison: {', '.join(names)}")


def set_sampling(config: DiffusionConfig, arm: ArmSettings) -> DiffusionConfig:
    """Return a model's settings with the sampling settings that an arm changes.

    Raises:
        SettingError: The settings cannot be combined.
    """
    names = {"guidance": "guidance_scale"}
    return replace(config, **{names.get(name, name): value for name, value in arm.sampling.items()})


def find_engine(engine: str) -> str:
    """Return an installed engine: the preset's, or MuJoCo if that is PyBullet and not installed."""
    return "mujoco" if engine == PUBLISHED_ENGINE and find_spec(PUBLISHED_ENGINE) is None else engine


# --- records of runs -------------------------------------------------------------------------------------------------


def extends(recorded: Mapping[str, Any], requested: Mapping[str, Any]) -> bool:
    """Return True if a requested config has all arms, seeds and generations of a recorded one, and perhaps more."""
    if list_differences(recorded, requested):
        return False
    if recorded["generations"] > requested["generations"]:
        return False
    if not _list_seeds(recorded) <= _list_seeds(requested):
        return False
    requested_arms = {comparison["denoiser"]: comparison["arms"] for comparison in requested["comparisons"]}
    for comparison in recorded["comparisons"]:
        available = requested_arms.get(comparison["denoiser"], ())
        if any(arm not in available for arm in comparison["arms"]):
            return False
    return True


def list_differences(recorded: Mapping[str, Any], requested: Mapping[str, Any]) -> list[str]:
    """Describe the settings, apart from arms, generations and seeds, in which a requested config differs."""
    earlier = {**USUAL, SAMPLER_KEY: EARLIER_SAMPLER, **_list_fixed_settings(recorded)}
    now = {**USUAL, SAMPLER_KEY: EARLIER_SAMPLER, **_list_fixed_settings(requested)}
    return list(_describe_differences(earlier, now))


def _describe_differences(earlier: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in earlier.items():
        new = now.get(name)
        if isinstance(value, Mapping) and isinstance(new, Mapping):
            yield from _describe_differences(value, new, f"{prefix}{name} of ")
        elif name not in now or new != value:
            yield f"{prefix}{name} is {new} instead of {value}"


def _list_seeds(config: Mapping[str, Any]) -> set[int]:
    return set(range(config["first_seed"], config["first_seed"] + config["seeds"]))


def _list_fixed_settings(config: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in config.items() if name not in GROWING}


def arms_from_config(comparison: Mapping[str, Any]) -> tuple[ArmSettings, ...]:
    """Return the arms of one denoiser that a config records; correctors and remedies need not be installed."""
    return tuple(ArmSettings(**{**arm, "strength": float(arm["strength"])}) for arm in comparison["arms"])


def settings_from_config(config: Mapping[str, Any]) -> MotionSettings:
    """Return the settings of a config that a run folder records."""
    values: dict[str, Any] = {**USUAL, **config}
    arms = {comparison["denoiser"]: arms_from_config(comparison) for comparison in values.pop("comparisons")}
    values.pop(SAMPLER_KEY, None)
    for name in ("data", "reference", "generator", "start_from", "metric"):
        values[name] = tuple(values.get(name, getattr(MotionSettings, name)))
    return MotionSettings(arms, **values)


METHODS = ("simulation", "training")
"""Settings whose defaults have changed: a run folder keeps its own."""


def keep_methods(settings: MotionSettings, folder: Path) -> MotionSettings:
    """Replace the defaults of `METHODS` by what a run folder records, if it exists.

    So the command that began a run resumes it to the same bytes after the defaults have changed.
    """
    if not (folder / CONFIG).is_file():
        return settings
    recorded = {**USUAL, **read_with_digest(folder / CONFIG)}
    defaults = [name for name in METHODS if getattr(settings, name) == getattr(MotionSettings, name)]
    return replace(settings, **{name: recorded[name] for name in defaults})


# --- how an experiment is run ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RunOptions:
    """Options for running an experiment. Only `device` changes results, as another machine does."""

    corrector_timeout_s: Annotated[float | None, arg(name="corrector-timeout")] = None
    """End the run if a call of your own corrector, for a motion or a batch, takes longer than this, in s."""
    corrector_in_process: bool = False
    """Run your own correctors in the run's own processes. They start some seconds sooner, but can end or hang the
    run."""
    accept_changed: Annotated[bool, arg(aliases=("--accept-changed-corrector",))] = False
    """Resume although your correctors, denoisers or data changed since the run began. The run folder records both
    versions."""
    keep: KeptModels = "samples"
    """What stays in the run folder. all: everything. samples: all samples and the last two models of each arm, from
    which a run can be extended. sampling: the part of the last models that draws samples. An unfinished run can
    always be resumed."""
    repair: bool = False
    """Make damaged generations again; `selfcorrect verify` finds them."""
    device: str = "auto"
    """Device of the networks: auto, cpu, cuda, cuda:1, …"""

    def __post_init__(self) -> None:
        if self.corrector_timeout_s is not None and not 0 < self.corrector_timeout_s < 1e6:
            raise SettingError(
                f"corrector-timeout must be a positive number of seconds, got {self.corrector_timeout_s}"
            )
        if self.corrector_timeout_s is not None and self.corrector_in_process:
            raise SettingError("corrector-timeout needs a separate process; leave out corrector-in-process")


DEFAULTS = RunOptions()
