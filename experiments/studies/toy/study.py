"""Toy loops as one study, with a task for each bundle of arms and a seed for each stream of a bundle."""

from __future__ import annotations

import json
import pickle
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from selfcorrect.core.errors import SelfcorrectError, SettingError
from selfcorrect.core.randomness import Stream
from selfcorrect.loop.run import Arm, Task
from selfcorrect.loop.store.protocol import Record
from selfcorrect.runtime.identity import identity_of
from selfcorrect.runtime.progress import Progress
from selfcorrect.storage.files.digests import compute_digest
from selfcorrect.storage.files.strict_json import from_json, to_json

from ...jobs.input_keys import digest_software
from ..arms import ArmSettings, folder_name
from ..loop_arms import read_loop_arm
from ..study import Measure, SeedRun, Study, StudyTask
from .files import digest_toy, load_toy_module, name_toy
from .result import Drawings, Result, make_result
from .toys import Bundle, Setup, Toy

FLOORS = "floors.json"
DRAWINGS = "drawings.json"


@dataclass(frozen=True)
class BundleSource:
    """A toy's bundle, made in worker processes."""

    reference: str
    """Path of the toy's file."""
    settings: bytes
    """Pickled settings of the toy."""
    number: int
    """Number of the bundle, from 0."""
    code: str
    """Digest of the toy's code."""

    @property
    def bundle(self) -> Bundle:
        """The bundle."""
        return _load_toy(self.reference, self.settings, self.code).bundles[self.number]


@dataclass(frozen=True, kw_only=True)
class BundleTask(StudyTask[Task]):
    """The arms of a bundle."""

    source: BundleSource
    words: str
    """The settings of the toy."""

    def make_task(self, run: SeedRun, progress: Progress) -> Task:
        return make_setup(self.source, run.stream).task

    def make_arm(self, arm: ArmSettings, task: Task, run: SeedRun, progress: Progress) -> tuple[Task, Arm]:
        declared = make_setup(self.source, run.stream).arms[arm.key]
        return declared if isinstance(declared, tuple) else (task, declared)

    def describe(self, run: SeedRun, arm: ArmSettings | None, task: Task, loop_arm: Arm | None) -> Mapping[str, object]:
        return {"toy": run.task, "seed": run.seed, "settings": self.words}


@dataclass(frozen=True)
class Floors(Measure[Task]):
    """What was measured of samples that no loop made."""

    sources: Mapping[str, BundleSource]

    def measure(self, run: SeedRun, arm: ArmSettings | None, task: Task, progress: Progress) -> Mapping[str, object]:
        """Return the measures of a seed."""
        return {"floors": to_json(make_setup(self.sources[run.task], run.stream).floors)}


@dataclass(frozen=True)
class ShownSamples(Measure[Task]):
    """Samples to look at, drawn by a generation of the first seed."""

    sources: Mapping[str, BundleSource]

    def measure(self, run: SeedRun, arm: ArmSettings | None, task: Task, progress: Progress) -> Mapping[str, object]:
        """Draw from the model of the task."""
        show = self.sources[run.task].bundle.show
        if show is None or run.seed:
            return {}
        return {"shown": show(task.model, run.stream.child("shown")).tolist()}


@lru_cache(maxsize=4)
def _load_toy(reference: str, settings: bytes, code: str) -> Toy:
    """Load a toy.

    Raises SettingError if the code has changed since the command began. The toy's module is imported first, because the
    module has the class of the settings.
    """
    if digest_toy(load_toy_module(reference)) != code:
        raise SettingError(f"{reference} changed while it ran; the same command runs the loop with the changed code")
    return _declare(reference, pickle.loads(settings))


@lru_cache(maxsize=1)
def make_setup(source: BundleSource, stream: Stream) -> Setup:
    """Make task and arms of a seed; the process keeps both for the next job."""
    return source.bundle.setup(stream)


@dataclass(frozen=True)
class LoadedToy:
    """A toy with settings."""

    name: str
    settings: Any
    toy: Toy
    digest: str
    """Digest of all that results depend on: runs with other settings or software have separate folders."""
    sources: Mapping[str, BundleSource]
    """Name of each task → bundle."""

    @classmethod
    def load(cls, reference: str, settings: Any) -> LoadedToy:
        """Return a toy by the path of the file."""
        toy = _declare(reference, settings)
        name = name_toy(reference)
        packed = pickle.dumps(settings)
        code = digest_toy(load_toy_module(reference))
        sources = {}
        for number in range(len(toy.bundles)):
            task = f"{name} {number + 1}" if len(toy.bundles) > 1 else name
            sources[task] = BundleSource(reference, packed, number, code)
        return cls(name, settings, toy, _digest(code, settings), sources)

    @property
    def title(self) -> str:
        """Title of the loop in the report."""
        return self.toy.title or self.name

    def runs(self, root: Path = Path()) -> list[SeedRun]:
        """Return all bundles and streams below a run folder."""
        runs = []
        for task, source in self.sources.items():
            folder = f"{folder_name(task)}-{self.digest}"
            for seed, stream in enumerate(source.bundle.streams):
                runs.append(SeedRun(task, seed, root, own_stream=stream, own_folder=folder))
        return runs


def load_toys(selection: Sequence[tuple[str, Any]]) -> dict[str, LoadedToy]:
    """Return toys by name.

    Args:
        selection: Paths of files, each with the settings of the toy.

    Raises:
        SettingError: Two toys have one name.
    """
    names = [name_toy(reference) for reference, _ in selection]
    for name in names:
        if names.count(name) > 1:
            raise SettingError(f"two toy loops are named {name!r}; run them in separate folders")
    toys = [LoadedToy.load(reference, settings) for reference, settings in selection]
    return dict(zip(names, toys, strict=True))


def make_toy_study(toys: Mapping[str, LoadedToy]) -> Study:
    """Return toys as one study."""
    sources: dict[str, BundleSource] = {}
    for toy in toys.values():
        sources |= toy.sources
    return Study(
        name="toy",
        tasks={task: _make_study_task(source, toy) for toy in toys.values() for task, source in toy.sources.items()},
        seeds=[run for toy in toys.values() for run in toy.runs()],
        config={"toys": 1},
        keep="measured",
        measures=[
            Floors("floors", "first", FLOORS, sources),
            ShownSamples("drawings", "generation", DRAWINGS, sources),
        ],
    )


def _make_study_task(source: BundleSource, toy: LoadedToy) -> BundleTask:
    setup = make_setup(source, source.bundle.streams[0])
    arms = []
    real_counts = {}
    lengths = []
    for name, declared in setup.arms.items():
        arm_task, loop_arm = declared if isinstance(declared, tuple) else (setup.task, declared)
        arms.append(read_loop_arm(loop_arm, name))
        real_counts[name] = len(arm_task.real)
        lengths.append(loop_arm.generations)
    return BundleTask(
        arms=arms, generations=max(lengths), real_counts=real_counts, source=source, words=repr(toy.settings)
    )


def load_curves(study: Study, toy: LoadedToy, root: Path) -> dict[str, dict[str, np.ndarray]]:
    """Load the curves (S, T + 1) of a toy for every arm, with the seeds of one arm stacked."""
    parts: dict[str, dict[str, list[np.ndarray]]] = defaultdict(lambda: defaultdict(list))
    for run in toy.runs(root):
        first = run.first()
        curves = {arm.key: _read_curves(first, study.record(run, arm)) for arm in study.arms(run.task)}
        shape = (1, study.tasks[run.task].generations + 1)
        for name, floor in from_json(study.measure(FLOORS).read(run)["floors"]).items():
            curves[name] = {key: np.full(shape, value) for key, value in floor.items()}
        for arm, table in curves.items():
            for key, values in table.items():
                parts[arm][key].append(values)
    return {arm: {key: np.concatenate(arrays) for key, arrays in table.items()} for arm, table in parts.items()}


def load_drawings(study: Study, toy: LoadedToy, root: Path) -> Drawings:
    """Load a drawing of each generation of each arm; of arms with one name, the first is drawn."""
    drawings: dict[str, np.ndarray] = {}
    for run in toy.runs(root):
        for arm in study.arms(run.task):
            content = study.measure(DRAWINGS).read(run, arm)
            if content and arm.key not in drawings:
                drawings[arm.key] = np.array([generation["shown"] for generation in content["generations"]])
    return drawings


def derive_result(study: Study, toy: LoadedToy, root: Path) -> Result:
    """Return the outcome of a finished toy."""
    return make_result(toy.toy, load_curves(study, toy, root), load_drawings(study, toy, root))


def is_toy_finished(study: Study, toy: LoadedToy, root: Path) -> bool:
    """Return True if all arms of a toy are done."""
    return all(study.is_done(run, arm) for run in toy.runs(root) for arm in study.arms(run.task))


def load_settings(reference: str, *, quick: bool = False) -> Any:
    """Load a toy's settings from the file at `reference`; quick: the small ones for a quick look."""
    small = load_toy_module(reference).QUICK
    return small if quick else type(small)()


def _declare(reference: str, settings: Any) -> Toy:
    """Declare a toy; raises SettingError if the code of the file fails."""
    module = load_toy_module(reference)
    try:
        return module.toy(settings)
    except SelfcorrectError:
        raise
    except Exception as error:
        raise SettingError(f"{reference}: toy(settings) failed: {type(error).__name__}: {error}") from error


def _digest(code: str, settings: Any) -> str:
    """Return a digest of all inputs of a result: settings, files named there, the toy's code, and software."""
    parts = [repr(settings), asdict(identity_of(settings)), code, digest_software()]
    return compute_digest(json.dumps(parts).encode())[:8]


def _read_curves(first: Record, record: Record) -> dict[str, np.ndarray]:
    """Return quantities (S, T + 1), with S = 1 for a single number, and NaN in generation 0 for those of the loop."""
    rows = [first.metrics(0), *(record.metrics(generation) for generation in range(1, record.latest + 1))]
    names = {**rows[0], **rows[-1]}
    return {name: np.atleast_2d(np.array([row.get(name, np.nan) for row in rows]).T) for name in names}
