"""Toy loops as one study: a task for each bundle of arms, a seed for each of its streams."""

from __future__ import annotations

import hashlib
import inspect
import json
import pickle
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from selfcorrect.core.errors import DamagedError, SelfcorrectError, SettingError
from selfcorrect.core.randomness import Stream
from selfcorrect.correctors.identity import Identity
from selfcorrect.loop.run import Arm, Task
from selfcorrect.models.protocol import GenerativeModel
from selfcorrect.runtime.progress import Progress
from selfcorrect.storage.files.arrays import read_npy
from selfcorrect.storage.files.digests import append_seal, list_file_states, read_sealed
from selfcorrect.storage.files.strict_json import from_json, to_json
from selfcorrect.storage.files.writing import explain_write_error, write_atomically
from selfcorrect.storage.runs.folder_store import FolderReader
from selfcorrect.storage.runs.memory import MemoryStore
from selfcorrect.storage.runs.protocol import Generation, Record
from selfcorrect.storage.runs.run_folder import describe_environment

from ..jobs.run import Job
from ..studies.arms import ArmSettings
from ..studies.jobs import job_of
from ..studies.study import SeedRun, Study, folder_name
from .outcome import Drawings, Result, describe
from .table import TOYS, ToyRow, load_toy_module, name_toy
from .toys import Bundle, Setup, Toy

MEASURED, DRAWS, FLOORS, FIGURES = "measured.json", "draws.npy", "floors.json", "figures"


@dataclass(frozen=True)
class ToyRun(SeedRun):
    """A bundle of a toy, which is the task, with one of its streams."""

    toy: str
    digest: str
    """Digest of all that its results depend on: runs with other settings or software have folders of their own."""
    own_stream: Stream

    @property
    def stream(self) -> Stream:
        return self.own_stream

    @property
    def place(self) -> str:
        return f"{folder_name(self.task)}-{self.digest}"


class MeasuredStore(MemoryStore):
    """Generations in memory; a file keeps what was measured of them once all are there.

    A generation takes milliseconds, and to commit it would take longer than to do it again.
    """

    def __init__(self, path: Path, generations: int) -> None:
        super().__init__()
        self._path = path
        self._length = generations
        self.seconds = 0.0
        try:
            content: dict[str, Any] = read_sealed(path) if path.exists() else {"generations": []}
        except DamagedError:
            return  # it is done again
        if len(content["generations"]) == generations:
            self.seconds = content["seconds"]
            for number, metrics in enumerate(from_json(content["generations"]), start=1):
                self.commit(Generation(number, {}, None, metrics, {}))

    def write(self) -> None:
        """Write what was measured to the file."""
        numbers = range(1, self._length + 1)
        seconds = sum(sum(self.timings(number).values()) for number in numbers)
        metrics = [self.metrics(number) for number in numbers]
        content = json.dumps({"generations": to_json(metrics), "seconds": seconds})
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with explain_write_error(self._path.parent):
            write_atomically(self._path, append_seal(content.encode()))


class ToyStudy(Study):
    """Some toys, each with its settings. A worker process keeps its copy for its next jobs.

    selection: names of toys, or paths of files, with their settings.
    """

    each_alone = True

    def __init__(self, selection: Sequence[tuple[str, Any]]) -> None:
        self.selection = tuple(selection)
        self.own_settings: dict[str, Any] = {}
        self.toys: dict[str, Toy] = {}
        self.rows: dict[str, ToyRow] = {}
        self._digests: dict[str, str] = {}
        for reference, settings in selection:
            name = name_toy(reference)
            if name in self.toys:
                raise SettingError(f"two toy loops are named {name!r}; run them in separate folders")
            self.own_settings[name] = settings
            self.toys[name] = _declare(reference, settings)
            self.rows[name] = _row_of(reference, self.toys[name])
            self._digests[name] = _digest(reference, settings)
        self._bundles: dict[str, tuple[str, Bundle]] = {}
        for name, toy in self.toys.items():
            for number, bundle in enumerate(toy.bundles, start=1):
                task = f"{name} {number}" if len(toy.bundles) > 1 else name
                self._bundles[task] = (name, bundle)
        self._arms: dict[str, tuple[ArmSettings, ...]] = {}
        self._lengths: dict[str, int] = {}
        self._real_counts: dict[tuple[str, str], int] = {}
        self._ready: tuple[SeedRun | None, Setup | None] = (None, None)
        self._seconds: dict[Path, float] = {}  # by the file of each arm that is done

    def __reduce__(self) -> tuple[Any, ...]:
        packed = tuple((reference, pickle.dumps(settings)) for reference, settings in self.selection)
        return _load_in_worker, (packed,)

    @property
    def title(self) -> str:
        return "toy"

    @property
    def generations(self) -> int:
        return max(map(self.generations_of, self._bundles))

    def generations_of(self, task: str) -> int:
        self.arms(task)
        return self._lengths[task]

    def runs(self, root: Path) -> list[ToyRun]:
        runs = []
        for task, (name, bundle) in self._bundles.items():
            for seed, stream in enumerate(bundle.streams):
                runs.append(ToyRun(task, seed, root, toy=name, digest=self._digests[name], own_stream=stream))
        return runs

    def _runs_of(self, toy: str, root: Path) -> list[ToyRun]:
        return [run for run in self.runs(root) if run.toy == toy]

    def arms(self, task: str) -> Sequence[ArmSettings]:
        if task not in self._arms:
            run = next(run for run in self.runs(Path()) if run.task == task)
            setup = self._setup(run)
            loop_arms = {}
            for name, declared in setup.arms.items():
                arm_task, loop_arms[name] = declared if isinstance(declared, tuple) else (setup.task, declared)
                self._real_counts[task, name] = len(arm_task.real)
            self._arms[task] = tuple(ArmSettings.from_arm(loop_arm, name) for name, loop_arm in loop_arms.items())
            self._lengths[task] = max(arm.generations for arm in loop_arms.values())
        return self._arms[task]

    def real_count(self, task: str, arm: ArmSettings) -> int:
        """Return the number of real training samples of an arm."""
        self.arms(task)
        return self._real_counts[task, arm.title]

    def config(self) -> Mapping[str, object]:
        return {"toys": 1}

    def more_jobs(self, run: SeedRun) -> list[Job]:
        """Draw the figures of a toy after all its arms; the job stands beside the first of its runs."""
        name = self._bundles[run.task][0]
        runs = self._runs_of(name, run.root)
        if run != runs[0]:
            return []
        arm_jobs = tuple(job_of(self, toy_run, arm) for toy_run in runs for arm in self.arms(toy_run.task))
        return [Job(f"{name} figures", draw_figures, (self, run.root, name), 1, arm_jobs)]

    # --- what is kept of an arm ---

    def record(self, run: SeedRun, arm: ArmSettings) -> MeasuredStore:
        return MeasuredStore(run.arm_folder(arm) / MEASURED, self.generations_of(run.task))

    def latest(self, run: SeedRun, arm: ArmSettings) -> int:
        """Return the last generation of an arm that is done, else −1; a file is read once for it."""
        path = run.arm_folder(arm) / MEASURED
        if path not in self._seconds:
            record = self.record(run, arm)
            if record.latest > 0:
                self._seconds[path] = record.seconds
        return self.generations_of(run.task) if path in self._seconds else -1

    def is_done(self, run: SeedRun, arm: ArmSettings | None = None) -> bool:
        if arm is None:
            return (run.folder / FLOORS).exists()
        return self.latest(run, arm) > 0

    @contextmanager
    def store(self, run: SeedRun, arm: ArmSettings, loop_arm: Arm) -> Iterator[MeasuredStore]:
        store = MeasuredStore(run.arm_folder(arm) / MEASURED, loop_arm.generations)
        yield store
        store.write()

    # --- in jobs ---

    def prepare(self, run: SeedRun, progress: Progress, *, first: bool) -> Setup:
        return self._setup(run)

    def _setup(self, run: SeedRun) -> Setup:
        latest_run, setup = self._ready
        if setup is None or latest_run is None or (latest_run.task, latest_run.seed) != (run.task, run.seed):
            setup = self._bundles[run.task][1].setup(run.stream)
            self._ready = run, setup
        return setup

    def data(self, run: SeedRun, ready: Setup) -> Mapping[str, Identity]:
        return {}

    def loop_arm(
        self, run: SeedRun, arm: ArmSettings, ready: Setup, first: FolderReader, progress: Progress
    ) -> tuple[Task, Arm]:
        declared = ready.arms[arm.title]
        return declared if isinstance(declared, tuple) else (ready.task, declared)

    def first_config(self, run: SeedRun, ready: Setup) -> Mapping[str, object]:
        return {"toy": run.task, "seed": run.seed, "settings": repr(self.own_settings[self._bundles[run.task][0]])}

    def arm_config(self, run: SeedRun, arm: ArmSettings, loop_arm: Arm) -> Mapping[str, object]:
        return {"arm": arm.title}

    def after_first(self, run: SeedRun, ready: Setup) -> None:
        """Write what was measured of samples that no loop made; the file also marks generation 0 as done."""
        write_atomically(run.folder / FLOORS, append_seal(json.dumps({"floors": to_json(ready.floors)}).encode()))

    def after_arm(
        self, run: SeedRun, arm: ArmSettings, ready: Setup, store: MeasuredStore, model: GenerativeModel
    ) -> None:
        """Draw something of each generation to look at, in the first seed."""
        show = self._bundles[run.task][1].show
        if show is None or run.seed:
            return
        models = (ready.task.model.load_state(store.state(number)) for number in range(1, store.latest + 1))
        draws = np.stack([show(model, run.stream.child("shown")).numpy() for model in models])
        path = run.arm_folder(arm) / DRAWS
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            np.save(file, draws)

    # --- what came out ---

    def load_curves(self, toy: str, root: Path) -> dict[str, dict[str, np.ndarray]]:
        """Return the curves (S, T + 1) of all arms of a toy, with the seeds of one arm stacked."""
        parts: dict[str, dict[str, list[np.ndarray]]] = defaultdict(lambda: defaultdict(list))
        for run in self._runs_of(toy, root):
            for arm, table in self.load_run(run).items():
                for key, values in table.items():
                    parts[arm][key].append(values)
        return {arm: {key: np.concatenate(arrays) for key, arrays in table.items()} for arm, table in parts.items()}

    def load_run(self, run: ToyRun) -> dict[str, dict[str, np.ndarray]]:
        """Return the curves (replicates, T + 1) of a run's arms and parts of arms, by name."""
        first = FolderReader(run.first_folder)
        curves = {arm.title: _curves(first, self.record(run, arm)) for arm in self.arms(run.task)}
        for arm, names in self._bundles[run.task][1].split.items():
            curves |= _split_replicates(curves.pop(arm), names)
        floors = from_json(read_sealed(run.folder / FLOORS)["floors"])
        shape = (1, self.generations_of(run.task) + 1)
        for name, floor in floors.items():
            curves[name] = {key: np.full(shape, value) for key, value in floor.items()}
        return curves

    def split_arms(self, task: str, arm: ArmSettings) -> list[ArmSettings]:
        """Return the arms that parts of an arm's replicates are, or the arm itself."""
        bundle = self._bundles[task][1]
        names = bundle.split.get(arm.title, ())
        parts = []
        for name in names:
            parts.append(replace(arm, called=name, strength=bundle.split_strengths.get(name, arm.strength)))
        return parts or [arm]

    def load_drawings(self, toy: str, root: Path) -> Drawings:
        """Return the drawings of each generation of each arm, of the first of arms with one name."""
        drawings: dict[str, np.ndarray] = {}
        for run in self._runs_of(toy, root):
            for arm in self.arms(run.task):
                path = run.arm_folder(arm) / DRAWS
                if path.exists():
                    drawings.setdefault(arm.title, read_npy(path))
        return drawings

    def derive_result(self, toy: str, root: Path) -> Result:
        """Return the outcome of a finished toy."""
        return describe(self.toys[toy], self.load_curves(toy, root), self.load_drawings(toy, root))

    def load_figures(self, toy: str, root: Path) -> list[str]:
        """Return the figures of a finished toy as SVG text; they are drawn once."""
        path = root / FIGURES / f"{toy}-{self._digests[toy]}.json"
        if path.exists():
            with suppress(DamagedError):
                return read_sealed(path)["figures"]
        from ..studies.figures import draw

        figures = [draw(figure) for figure in self.derive_result(toy, root).figures]
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, append_seal(json.dumps({"figures": figures}).encode()))
        return figures

    def sum_seconds(self, toy: str, root: Path) -> float:
        """Return the time that all phases of a finished toy took together; see `list_unfinished`."""
        seconds = []
        for run in self._runs_of(toy, root):
            seconds += FolderReader(run.first_folder).timings(0).values()
            seconds += [self._seconds[run.arm_folder(arm) / MEASURED] for arm in self.arms(run.task)]
        return sum(seconds)

    def list_unfinished(self, toy: str, root: Path) -> list[str]:
        """Return the arms of a toy that have stopped, with their seeds."""
        return [
            f"{run.task}, {arm.title}, seed {run.seed}"
            for run in self._runs_of(toy, root)
            for arm in self.arms(run.task)
            if not self.is_done(run, arm)
        ]


def draw_figures(study: ToyStudy, root: Path, toy: str, progress: Progress) -> None:
    """Draw what a finished toy shows."""
    study.load_figures(toy, root)
    progress("generation", 1, 1)


@lru_cache(maxsize=1)
def _load_in_worker(packed: tuple[tuple[str, bytes], ...]) -> ToyStudy:
    """Return the study in a worker process. Files are imported first: they have the classes of the settings."""
    for reference, _ in packed:
        load_toy_module(reference)
    return ToyStudy([(reference, pickle.loads(settings)) for reference, settings in packed])


def load_settings(reference: str, *, quick: bool = False) -> Any:
    """Return the settings of a toy, by name or path of its file; quick: the small ones for a quick look."""
    small = load_toy_module(reference).QUICK
    return small if quick else type(small)()


def _declare(reference: str, settings: Any) -> Toy:
    """Return the declaration of a toy; SettingError if the code of a file fails."""
    module = load_toy_module(reference)
    if name_toy(reference) == reference:
        return module.toy(settings)
    try:
        return module.toy(settings)
    except SelfcorrectError:
        raise
    except Exception as error:
        raise SettingError(f"{reference}: toy(settings) failed: {type(error).__name__}: {error}") from error


def _row_of(reference: str, toy: Toy) -> ToyRow:
    """Return the row of the table, or one made of what a file declares."""
    name = name_toy(reference)
    if name == reference:
        return TOYS.row(name)
    return ToyRow(name=name, reference=reference, summary=toy.title or name, source=toy.source or Path(reference).name)


def _digest(reference: str, settings: Any) -> str:
    """Digest all that a result depends on: settings, files that they name, the toy's code, other software."""
    values = [getattr(settings, field.name) for field in fields(settings)]
    paths = [value for value in values if isinstance(value, Path)]
    files = list_file_states(file for path in paths for file in (path.rglob("*") if path.is_dir() else [path]))
    code = inspect.getsource(load_toy_module(reference))
    return hashlib.sha256(repr((settings, files, code, describe_environment())).encode()).hexdigest()[:8]


def _split_replicates(table: Mapping[str, np.ndarray], names: Sequence[str]) -> dict[str, dict[str, np.ndarray]]:
    """Split the replicates of an arm into equal parts, which are arms of their own."""
    replicates = max(len(values) for values in table.values())  # some quantities are the same for all
    arms: dict[str, dict[str, np.ndarray]] = {name: {} for name in names}
    for key, values in table.items():
        every_replicate = np.broadcast_to(values, (replicates, values.shape[1]))
        for name, part in zip(names, np.split(every_replicate, len(names)), strict=True):
            arms[name][key] = part
    return arms


def _curves(first: Record, record: Record) -> dict[str, np.ndarray]:
    """Return quantities (S, T + 1); S = 1 for a single number, NaN in generation 0 for quantities of the loop."""
    rows = [first.metrics(0), *(record.metrics(generation) for generation in range(1, record.latest + 1))]
    names = {**rows[0], **rows[-1]}
    return {name: np.atleast_2d(np.array([row.get(name, np.nan) for row in rows]).T) for name in names}
