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

from selfcorrect.core.errors import DamagedError, SettingError
from selfcorrect.core.randomness import Stream
from selfcorrect.correctors.identity import Identity
from selfcorrect.loop.run import Plan, Task
from selfcorrect.models.protocol import GenerativeModel
from selfcorrect.runtime.progress import Progress
from selfcorrect.storage.files.digests import states_of, unsealed, with_seal
from selfcorrect.storage.files.strict_json import from_json, to_json
from selfcorrect.storage.files.writing import explain_write_error, write_atomically
from selfcorrect.storage.runs.folder_store import FolderReader
from selfcorrect.storage.runs.memory import MemoryStore
from selfcorrect.storage.runs.protocol import Generation, Record
from selfcorrect.storage.runs.run_folder import environment

from ..jobs.run import Job
from ..studies.arms import Arm
from ..studies.jobs import job_of
from ..studies.study import SeedRun, Study, folder_name
from .declaration import Bundle, Setup, Toy
from .result import Result, Shown
from .table import TOYS, ToyRow, load_toy_module, name_toy

MEASURED, DRAWS, FLOORS, FIGURES = "measured.json", "draws.npy", "floors.json", "figures"


@dataclass(frozen=True)
class ToyRun(SeedRun):
    """A bundle of a toy, which is the task, with one of its streams."""

    toy: str
    made_of: str
    """Digest of all that its results depend on: runs with other settings or software have folders of their own."""
    own_stream: Stream

    @property
    def stream(self) -> Stream:
        return self.own_stream

    @property
    def place(self) -> str:
        return f"{folder_name(self.task)}-{self.made_of}"


class MeasuredStore(MemoryStore):
    """Generations in memory; a file keeps what was measured of them once all are there.

    A generation takes milliseconds, and to commit it would take longer than to do it again.
    """

    def __init__(self, path: Path, generations: int) -> None:
        super().__init__()
        self._path, self._length = path, generations
        self.seconds = 0.0
        try:
            kept: dict[str, Any] = unsealed(path) if path.exists() else {"generations": []}
        except DamagedError:
            return  # it is done again
        if len(kept["generations"]) == generations:
            self.seconds = kept["seconds"]
            for number, metrics in enumerate(from_json(kept["generations"]), start=1):
                self.commit(Generation(number, {}, None, metrics, {}))

    def write(self) -> None:
        """Keep what was measured."""
        numbers = range(1, self._length + 1)
        seconds = sum(sum(self.timings(number).values()) for number in numbers)
        kept = {"generations": to_json([self.metrics(number) for number in numbers]), "seconds": seconds}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with explain_write_error(self._path.parent):
            write_atomically(self._path, with_seal(json.dumps(kept).encode()))


class ToyStudy(Study):
    """Some toys, each with its settings. Worker processes keep what they made of it for their next jobs.

    selection: names of toys, or paths of files, with their settings.
    """

    each_alone = True

    def __init__(self, selection: Sequence[tuple[str, Any]]) -> None:
        self.selection = tuple(selection)
        self.own_settings: dict[str, Any] = {}
        self.toys: dict[str, Toy] = {}
        self.rows: dict[str, ToyRow] = {}
        self._made_of: dict[str, str] = {}
        for reference, settings in selection:
            name = name_toy(reference)
            if name in self.toys:
                raise SettingError(f"two toy loops are named {name!r}; run them in separate folders")
            self.own_settings[name] = settings
            self.toys[name] = load_toy_module(reference).toy(settings)
            self.rows[name] = _row_of(reference, self.toys[name])
            self._made_of[name] = _digest(reference, settings)
        self._bundles: dict[str, tuple[str, Bundle]] = {
            f"{name} {place}" if len(toy.bundles) > 1 else name: (name, bundle)
            for name, toy in self.toys.items()
            for place, bundle in enumerate(toy.bundles, start=1)
        }
        self._arms: dict[str, tuple[Arm, ...]] = {}
        self._lengths: dict[str, int] = {}
        self._ready: tuple[SeedRun | None, Setup | None] = (None, None)
        self._seconds: dict[Path, float] = {}  # of arms that are done, by their files

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
        return [
            ToyRun(task, seed, root, name, self._made_of[name], stream)
            for task, (name, bundle) in self._bundles.items()
            for seed, stream in enumerate(bundle.streams)
        ]

    def arms(self, task: str) -> Sequence[Arm]:
        if task not in self._arms:
            run = next(run for run in self.runs(Path()) if run.task == task)
            plans = {name: _plan(arm) for name, arm in self._setup(run).arms.items()}
            self._arms[task] = tuple(Arm.of(plan, name) for name, plan in plans.items())
            self._lengths[task] = max(plan.generations for plan in plans.values())
        return self._arms[task]

    def config(self) -> Mapping[str, object]:
        return {"toys": 1}

    def more_jobs(self, run: SeedRun) -> list[Job]:
        """The figures of a toy after all its arms, beside the first of its runs."""
        name = self._bundles[run.task][0]
        runs = [each for each in self.runs(run.root) if each.toy == name]
        if run != runs[0]:
            return []
        arms = tuple(job_of(self, each, arm) for each in runs for arm in self.arms(each.task))
        return [Job(f"{name} figures", draw_figures, (self, run.root, name), 1, arms)]

    # --- what is kept of an arm ---

    def record(self, run: SeedRun, arm: Arm) -> MeasuredStore:
        return MeasuredStore(run.arm_folder(arm) / MEASURED, self.generations_of(run.task))

    def latest(self, run: SeedRun, arm: Arm) -> int:
        """All generations of an arm, or -1; a file that was read once is not read again for it."""
        path = run.arm_folder(arm) / MEASURED
        if path not in self._seconds and (found := self.record(run, arm)).latest > 0:
            self._seconds[path] = found.seconds
        return self.generations_of(run.task) if path in self._seconds else -1

    def is_done(self, run: SeedRun, arm: Arm | None = None) -> bool:
        if arm is None:
            return (run.folder / FLOORS).exists()
        return self.latest(run, arm) > 0

    @contextmanager
    def store(self, run: SeedRun, arm: Arm, plan: Plan) -> Iterator[MeasuredStore]:
        store = MeasuredStore(run.arm_folder(arm) / MEASURED, plan.generations)
        yield store
        store.write()

    # --- in jobs ---

    def prepare(self, run: SeedRun, progress: Progress, *, first: bool) -> Setup:
        return self._setup(run)

    def _setup(self, run: SeedRun) -> Setup:
        known, setup = self._ready
        if setup is None or known is None or (known.task, known.seed) != (run.task, run.seed):
            setup = self._bundles[run.task][1].setup(run.stream)
            self._ready = run, setup
        return setup

    def data(self, run: SeedRun, ready: Setup) -> Mapping[str, Identity]:
        return {}

    def plan(self, run: SeedRun, arm: Arm, ready: Setup, first: FolderReader, progress: Progress) -> tuple[Task, Plan]:
        chosen = ready.arms[arm.title]
        return chosen if isinstance(chosen, tuple) else (ready.task, chosen)

    def first_config(self, run: SeedRun, ready: Setup) -> Mapping[str, object]:
        return {"toy": run.task, "seed": run.seed, "settings": repr(self.own_settings[self._bundles[run.task][0]])}

    def arm_config(self, run: SeedRun, arm: Arm, plan: Plan) -> Mapping[str, object]:
        return {"arm": arm.title}

    def after_first(self, run: SeedRun, ready: Setup) -> None:
        """Keep what was measured of samples that no loop made, which also says that generation 0 is there."""
        write_atomically(run.folder / FLOORS, with_seal(json.dumps({"floors": to_json(ready.floors)}).encode()))

    def after_arm(self, run: SeedRun, arm: Arm, ready: Setup, store: MeasuredStore, model: GenerativeModel) -> None:
        """Keep draws of each generation to look at, in the first seed."""
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

    def curves(self, toy: str, root: Path) -> dict[str, dict[str, np.ndarray]]:
        """The curves (S, T + 1) of all arms of a toy, with the seeds of one arm stacked."""
        stacked: dict[str, dict[str, list[np.ndarray]]] = defaultdict(lambda: defaultdict(list))
        for run in (run for run in self.runs(root) if run.toy == toy):
            for arm, table in self._measured(run).items():
                for key, values in table.items():
                    stacked[arm][key].append(values)
        return {
            arm: {key: each[0] if len(each) == 1 else np.concatenate(each) for key, each in table.items()}
            for arm, table in stacked.items()
        }

    def _measured(self, run: ToyRun) -> dict[str, dict[str, np.ndarray]]:
        first = FolderReader(run.first_folder)
        curves = {arm.title: _curves(first, self.record(run, arm)) for arm in self.arms(run.task)}
        for name, names in self._bundles[run.task][1].split.items():
            whole = curves.pop(name)
            replicates = max(map(len, whole.values()))  # some quantities are the same for all
            parts = {
                key: np.split(np.broadcast_to(values, (replicates, values.shape[1])), len(names))
                for key, values in whole.items()
            }
            curves |= {each: {key: values[at] for key, values in parts.items()} for at, each in enumerate(names)}
        floors = from_json(unsealed(run.folder / FLOORS)["floors"])
        shape = (1, self.generations_of(run.task) + 1)
        return curves | {
            name: {key: np.full(shape, value) for key, value in floor.items()} for name, floor in floors.items()
        }

    def shown(self, toy: str, root: Path) -> Shown:
        """What was drawn of each generation of each arm, the first of arms with one name."""
        shown: dict[str, np.ndarray] = {}
        for run in (run for run in self.runs(root) if run.toy == toy):
            for arm in self.arms(run.task):
                if (path := run.arm_folder(arm) / DRAWS).exists():
                    shown.setdefault(arm.title, np.load(path))
        return shown

    def result(self, toy: str, root: Path) -> Result:
        """What came out of a finished toy."""
        from .deriving import describe

        return describe(self.toys[toy], self.curves(toy, root), self.shown(toy, root))

    def figures(self, toy: str, root: Path) -> list[str]:
        """The figures of a finished toy as SVG text, which are drawn once."""
        path = root / FIGURES / f"{toy}-{self._made_of[toy]}.json"
        if path.exists():
            with suppress(DamagedError):
                return unsealed(path)["figures"]
        from .drawing import draw

        drawn = [*map(draw, self.result(toy, root).figures)]
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, with_seal(json.dumps({"figures": drawn}).encode()))
        return drawn

    def seconds(self, toy: str, root: Path) -> float:
        """What all phases of a finished toy took together; see `unfinished`."""
        runs = [run for run in self.runs(root) if run.toy == toy]
        firsts = [sum(FolderReader(run.first_folder).timings(0).values()) for run in runs]
        arms = [self._seconds[run.arm_folder(arm) / MEASURED] for run in runs for arm in self.arms(run.task)]
        return sum([*firsts, *arms])

    def unfinished(self, toy: str, root: Path) -> list[str]:
        """The arms of a toy that have stopped, with their seeds."""
        runs = [run for run in self.runs(root) if run.toy == toy]
        return [
            f"{run.task}, {arm.title}, seed {run.seed}"
            for run in runs
            for arm in self.arms(run.task)
            if not self.is_done(run, arm)
        ]


def draw_figures(study: ToyStudy, root: Path, toy: str, progress: Progress) -> None:
    """Draw what a finished toy shows."""
    study.figures(toy, root)
    progress("generation", 1, 1)


@lru_cache(maxsize=1)
def _load_in_worker(packed: tuple[tuple[str, bytes], ...]) -> ToyStudy:
    """The study of a worker process. Files come first: they have the classes of the settings."""
    for reference, _ in packed:
        load_toy_module(reference)
    return ToyStudy([(reference, pickle.loads(settings)) for reference, settings in packed])


def load_settings(reference: str, *, quick: bool = False, **options: object) -> Any:
    """Return the settings of a toy.

    Args:
        reference: Name of the toy, or path of its file.
        quick: Take the small settings for a quick look.
        options: Fields to set, by name. None leaves a field, and a field that the toy does not have is ignored.
    """
    small = load_toy_module(reference).QUICK
    settings = small if quick else type(small)()
    known = {field.name for field in fields(settings)}
    changes = {name: value for name, value in options.items() if value is not None and name in known}
    return replace(settings, **changes)


def _row_of(reference: str, toy: Toy) -> ToyRow:
    """The row of the table, or what a file says of itself."""
    name = name_toy(reference)
    if name == reference:
        return TOYS.row(name)
    return ToyRow(name=name, reference=reference, summary=toy.title or name, source=toy.source or Path(reference).name)


def _plan(arm: Plan | tuple[Task, Plan]) -> Plan:
    return arm[1] if isinstance(arm, tuple) else arm


def _digest(reference: str, settings: Any) -> str:
    """Of all that a result depends on: settings, state of the files that they name, the toy's code, other software."""
    values = [getattr(settings, field.name) for field in fields(settings)]
    paths = [value for value in values if isinstance(value, Path)]
    files = states_of(file for path in paths for file in (path.rglob("*") if path.is_dir() else [path]))
    code = inspect.getsource(load_toy_module(reference))
    return hashlib.sha256(repr((settings, files, code, environment())).encode()).hexdigest()[:8]


def _curves(first: Record, record: Record) -> dict[str, np.ndarray]:
    """Quantities (S, T + 1); S = 1 where a quantity is a single number, NaN in generation 0 for those of the loop."""
    rows = [first.metrics(0), *(record.metrics(generation) for generation in range(1, record.latest + 1))]
    names = rows[0].keys() | rows[-1].keys()
    return {name: np.atleast_2d(np.array([row.get(name, np.nan) for row in rows]).T) for name in names}
