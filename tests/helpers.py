"""Helpers that several test files share."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, cached_property
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from selfcorrect.simulators.core.pieces import split_into_pieces
from selfcorrect.simulators.corrector import KinematicCorrector
from selfcorrect.simulators.results.view import Part

DEVELOPERS_ONLY = ("bvhio", "pymotion", "prdc", "diffusers", "pygltflib", "pandas", "joblib", "setuptools")
"""Packages that some tests need and no extra brings for users."""

REPOSITORY = Path(__file__).resolve().parents[1]

Says = Callable[..., str]
"""The fixture `says`, which runs a command and returns what it prints."""

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy
    from torch import Tensor

    from selfcorrect.core.randomness import Stream
    from selfcorrect.core.samples import Samples
    from selfcorrect.datasets.files.rigs.rig import RiggedMotion
    from selfcorrect.experiments.studies.study import Study
    from selfcorrect.experiments.studies.toy.result import Result
    from selfcorrect.experiments.studies.toy.study import LoadedToy
    from selfcorrect.loop.models.protocol import GenerativeModel
    from selfcorrect.loop.run import Arm, Task
    from selfcorrect.motion.motion import Motion
    from selfcorrect.simulators.results.results import CorrectedMotion, CorrectMotions


EITHER_ENGINE = pytest.mark.parametrize(
    "engine", ["mujoco", pytest.param("pybullet", marks=pytest.mark.nightly)], indirect=True
)
"""For slow tests of laws that do not depend on the engine's forces: MuJoCo runs them in every gate, PyBullet
nightly."""


def format_bvh(clip: RiggedMotion) -> str:
    """Return the text of a clip's BVH file."""
    from selfcorrect.datasets.files.rigs.bvh import write_bvh

    with TemporaryDirectory() as folder:
        path = Path(folder) / "clip.bvh"
        write_bvh(path, clip)
        return path.read_bytes().decode(clip.encoding)


@cache
def load_clips() -> dict[str, Motion]:
    """The DeepMimic clips by label."""
    from selfcorrect.datasets.collections.deepmimic import load_deepmimic

    return {clip.label: clip for clip in load_deepmimic()}


def write_walks(folder: Path, count: int) -> Path:
    """Write short walks, each sunk to a different depth, as BVH files, and return their folder."""
    from selfcorrect.datasets.files.open import save_motion

    walk = load_clips()["walk"]
    for number in range(count):
        sunk = replace(walk, root_m=walk.root_m - [0.0, 0.05 + 0.0005 * number, 0.0])
        save_motion(folder / f"{number:03}.bvh", sunk.frames(number % 20, number % 20 + 12))
    return folder


def mean_distance_m(first: Motion, second: Motion) -> float:
    """Return the mean distance between corresponding joints of two motions in m."""
    from selfcorrect.motion.kinematics import joint_positions

    return float(np.linalg.norm(joint_positions(first) - joint_positions(second), axis=-1).mean())


def smpl_joints_m(motion: Motion) -> np.ndarray:
    """Return the positions (T, 22, 3) of SMPL's joints.

    Joints are found by name, so the skeleton may order them differently and have more of them.
    """
    from selfcorrect.motion.body.smpl import SMPL_BODY
    from selfcorrect.motion.kinematics import joint_positions

    names = list(motion.skeleton.names)
    return joint_positions(motion)[:, [names.index(name) for name in SMPL_BODY.names]]


LOOPS = {path.stem.replace("_", "-"): str(path) for path in sorted((REPOSITORY / "examples" / "loops").glob("*.py"))}
"""Paths of the example files that define toy loops, by the toy's name."""


@dataclass(frozen=True)
class RunToy:
    """A toy that was run in this process, with its measurements in a folder but without figures."""

    toy: LoadedToy
    study: Study
    folder: Path

    @cached_property
    def curves(self) -> dict[str, dict[str, np.ndarray]]:
        """Return the curves of all arms."""
        from selfcorrect.experiments.studies.toy.study import load_curves

        return load_curves(self.study, self.toy, self.folder)

    @cached_property
    def result(self) -> Result:
        """Return the result that the report is made of."""
        from selfcorrect.experiments.studies.toy.study import derive_result

        return derive_result(self.study, self.toy, self.folder)


def run_toy(name: str, settings: object, folder: Path) -> RunToy:
    """Run a toy in this process."""
    from selfcorrect.experiments.jobs.run import run_jobs
    from selfcorrect.experiments.jobs.where import Where
    from selfcorrect.experiments.studies.study import jobs_of
    from selfcorrect.experiments.studies.toy.study import load_toys, make_toy_study

    toys = load_toys([(LOOPS[name], settings)])
    study = make_toy_study(toys)
    run_jobs(jobs_of(study, folder), Where(), name, folder=folder)
    return RunToy(toys[name], study, folder)


def assert_all_is_declared(run: RunToy) -> None:
    """Check that a finished toy has all the arms, columns, groups, claims and figures it declares."""
    from selfcorrect.experiments.studies.figures import draw
    from selfcorrect.experiments.studies.toy.result import group_arms
    from selfcorrect.experiments.studies.toy.study import is_toy_finished
    from selfcorrect.experiments.studies.toy.toy_page import to_json_row
    from selfcorrect.experiments.studies.toy.toys import START

    toy = run.toy.toy
    curves = run.curves
    result = run.result
    assert is_toy_finished(run.study, run.toy, run.folder)
    for task in run.study.tasks:
        names = [arm.key for arm in run.study.arms(task)]
        assert len({*names}) == len(names)
    for column in toy.columns:
        assert any(column.key in table for table in curves.values()), column.title
    rows = toy.rows.values() if isinstance(toy.rows, dict) else toy.rows or ()
    grouped = [arm for arms in group_arms(toy, curves).values() for arm in arms.values()]
    assert toy.groups is None or all(group_arms(toy, curves).values())
    assert {*rows, *grouped} - {START} <= curves.keys()
    assert len(result.checks) == len(toy.claims)
    assert result.ends
    assert all(len(cells) == len(result.ends.columns) for cells in result.ends.rows.values())
    assert f"of {len(toy.claims)} statements hold." in result.reading
    assert all("<svg" in draw(figure) for figure in result.figures)
    json.dumps(to_json_row(run.toy, result))


def same_tensors(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    """Whether two states have the same names and bits."""
    return first.keys() == second.keys() and all(bool((first[name] == second[name]).all()) for name in first)


def assert_is_a_model_for_loops(model: GenerativeModel, real: Samples, steps: int = 3) -> GenerativeModel:
    """Check that a model makes loops repeatable and resumable, and return the trained model.

    Values must never change in place, results must depend only on streams, and training from a stored state must
    continue bit for bit.
    """
    import safetensors.torch
    import torch

    from selfcorrect.core.randomness import streams
    from selfcorrect.runtime import global_generators

    state = {name: value.clone() for name, value in model.state().items()}
    values = real.values.clone()
    generators = global_generators.get_state()
    trained = model.fit(real, steps, streams(5))
    labels = real.labels[:7]
    drawn = trained.sample(labels, streams(6))
    stored = safetensors.torch.load(safetensors.torch.save(trained.state()))
    restored = model.load_state(stored)
    assert global_generators.find_changed(generators) == []
    torch.rand(7)
    assert drawn.shape == (len(labels), *real.values.shape[1:])
    assert drawn.is_floating_point()
    assert same_tensors(model.fit(real, steps, streams(5)).state(), stored)
    assert torch.equal(restored.sample(labels, streams(6)), drawn)
    assert not torch.equal(restored.sample(labels, streams(7)), drawn)
    assert same_tensors(trained.fit(real, 2, streams(8)).state(), restored.fit(real, 2, streams(8)).state())
    assert same_tensors(trained.state(), stored)
    assert same_tensors(model.state(), state)
    assert torch.equal(real.values, values)
    return trained


def run_in_memory(task: Task, arm: Arm, stream: Stream, store: Any = None) -> Any:
    """Run an arm from a generation 0 of its own and return its store.

    The store is in memory unless one is given.
    """
    from selfcorrect.loop.run import run_loop, train_first_generation
    from selfcorrect.loop.store.memory import MemoryStore

    first = MemoryStore()
    store = MemoryStore() if store is None else store
    train_first_generation(task, first, stream)
    run_loop(task, arm, store, first, stream)
    return store


def outcomes(result: Result) -> dict[str, str]:
    """Return the outcome of each statement of a toy loop."""
    return {check.statement: check.outcome for check in result.checks}


def modules_after(program: str) -> set[str]:
    """Return the modules that a fresh interpreter has imported after one line."""
    (loaded,) = modules_after_each([program])
    return loaded


def modules_after_each(programs: Sequence[str]) -> list[set[str]]:
    """Return the modules that one fresh interpreter has imported after each line."""
    code = "\n".join(f"{line}\nimport sys; print('\\nIMPORTED', *sys.modules)" for line in programs)
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return [set(line.split()[1:]) for line in output.splitlines() if line.startswith("IMPORTED ")]


def lifting_off() -> Motion:
    """Return an SMPL body that stands for a second and then lifts off."""
    from scipy.spatial.transform import Rotation

    from selfcorrect.motion.body.smpl import SMPL_BODY
    from selfcorrect.motion.motion import Motion

    rotations = np.tile([0.0, 0, 0, 1], (40, 22, 1))
    rotations[:, 16] = Rotation.from_euler("z", np.linspace(0, -1, 40)[:, None]).as_quat()
    skeleton = SMPL_BODY.average()
    height_m = -skeleton.offsets_m[[1, 4, 7, 10], 1].sum() + 0.025
    root_m = np.tile([0.0, height_m, 0.0], (40, 1))
    root_m[30:, 1] += np.linspace(0.05, 1, 10)
    return Motion(skeleton, root_m, rotations, 30.0)


def correct_in_pieces(correct: CorrectMotions, motion: Motion, piece_frames: int) -> CorrectedMotion:
    """Correct a motion in pieces of `piece_frames` frames, or as a whole if it is not longer than one."""
    view = split_into_pieces(Part(motion), KinematicCorrector().pipeline, piece_frames)
    return view.restore(correct([part.motion for part in view.parts]))


def report_of(out: Path) -> dict[str, dict]:
    """Return the motions, by name, of the report that `selfcorrect correct` wrote to a folder."""
    return {motion["name"]: motion for motion in json.loads((out / "report.json").read_text())["motions"]}


def bytes_of(out: Path) -> dict[str, bytes]:
    """Map the relative path of each file in a folder to its contents, leaving out the lock file."""
    files = [path for path in out.rglob("*") if path.is_file() and path.name != ".selfcorrect.lock"]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


SHORT_WINDOWS = """
from dataclasses import replace
from selfcorrect.experiments.studies.motion.presets import PRESETS

PRESETS["quick"] = replace(PRESETS["quick"], frames=12, feasibility_count=2)
"""
"""First lines of a program that make motion experiments of a preset use windows of a given number of frames."""
WITHOUT_FIGURES = """
from selfcorrect.experiments.studies import figures

figures.as_svg = lambda figure: "<svg></svg>"
"""
"""Further lines that leave figures of reports empty, because drawing takes longer than a small experiment."""

_HALTING = """
import os, time
from pathlib import Path

sync, calls = os.fsync, iter(range(1, 10**9))

def halting(descriptor):
    if next(calls) == int(os.environ["HALT_AT_SYNC"]):
        Path(os.environ["HALTED"]).touch()
        time.sleep(10**6)
    sync(descriptor)

os.fsync = halting
"""


def killed_at_sync(
    count: int, command: Sequence[str], folder: Path, cwd: Path, environment: Mapping[str, str] | None = None
) -> None:
    """Kill a program, and its workers, at its `count`-th fsync.

    The first process that reaches this call waits there for ever, so the program is certainly unfinished when it is
    killed. `folder` holds the `sitecustomize.py` that makes it wait.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(_HALTING)
    halted = folder / "halted"
    halted.unlink(missing_ok=True)
    importable = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    settings = {"PYTHONPATH": importable, "HALT_AT_SYNC": str(count), "HALTED": str(halted)}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = {**os.environ, **(environment or {}), **settings}
    with subprocess.Popen(command, cwd=cwd, env=environment, start_new_session=True, **quiet) as process:
        while not halted.exists():
            assert process.poll() is None, f"the program ended before any of its processes came to sync {count}"
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)  # with its workers, which else end a little later


@contextmanager
def installed_plugins(sites: pytest.TempPathFactory, *names: str) -> Iterator[None]:
    """Make packages of `examples/plugins` look installed until the context ends."""
    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            install_plugin(REPOSITORY / "examples" / "plugins" / name, sites.mktemp("site"), patch)
        yield


def install_plugin(package: Path, site: Path, patch: pytest.MonkeyPatch) -> None:
    """Make a package of `examples/plugins` look installed by pip, with the entry points of its pyproject.toml."""
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    lines = []
    for group, points in project.get("entry-points", {}).items():
        lines += [f"[{group}]", *(f"{name} = {reference}" for name, reference in points.items())]
    add_package(site, project["name"], "\n".join(lines), project["version"])
    patch.syspath_prepend(str(package))
    patch.syspath_prepend(str(site))


def add_package(site: Path, name: str, entry_points: str, version: str = "1.2") -> None:
    """Write the `.dist-info` folder that pip writes for an installed package with entry points."""
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(entry_points)


def load_script(path: Path) -> ModuleType:
    """Import a file that is in no package and return it as a module."""
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[path.stem] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def load_loop(name: str) -> ModuleType:
    """Import the example file of a toy loop and return it as a module."""
    from selfcorrect.experiments.studies.toy.files import load_toy_module

    return load_toy_module(LOOPS[name])


def load_laws() -> ModuleType:
    """Return the module of closed forms that the toys share."""
    load_loop("stability")
    return sys.modules["toy_models.laws"]


def log_uniform(low: float, high: float) -> SearchStrategy[float]:
    """Draw numbers whose logarithms are spread evenly."""
    from hypothesis import strategies

    return strategies.floats(math.log(low), math.log(high)).map(math.exp)
