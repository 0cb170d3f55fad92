"""Measure how fast files are corrected, in processor time on one core, beside references of the same run.

    python -m benchmarks.correction path/to/cmu-bvh

* Whole command: all clips as BVH files in one folder, with the start of the program.
* Fixed and running cost: the corrector in this process, on beginnings of the longest clip. t = a + b s is fitted to the
  relative errors.
* References: reading, posing and writing the same files without any correction, and `pymotion`'s forward kinematics.

Wall-clock times of a machine that others use mean little, so none are printed.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tyro
from pymotion.ops.skeleton import fk

from selfcorrect.datasets.files.open import open_motion
from selfcorrect.motion.geometry.compiled import KERNELS
from selfcorrect.motion.geometry.kinematics import forward_kinematics
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.cleanup.clean import CleanupSettings
from selfcorrect.simulators.corrector import KinematicCorrector, PhysicsCorrector
from selfcorrect.simulators.settings.engine_table import ENGINES
from selfcorrect.simulators.settings.tracker import STRENGTHS, TrackerSettings

GOALS = {"pybullet": 40.0, "mujoco": 50.0, "kinematic": 100.0}
"""Seconds of motion per second of processor time that we want for the whole command."""
FIXED_GOAL_MS = 20.0
"""Fixed cost of a clip that we want with MuJoCo."""
LENGTHS_S = (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True)
class Arguments:
    """Time corrections and print their ratios to references of the same run."""

    data: tyro.conf.Positional[Path]
    """CMU's clips: a folder, or an archive."""
    split: str = "test"
    """Folder of the clips in the set."""
    every: int = 1
    """Take every so many-th clip."""
    repeats: int = 3
    """Runs of each measurement, in turn; the fastest counts."""
    mode: tuple[str, ...] = ("kinematic", "mujoco", "pybullet")
    """Names of engines, and "kinematic"."""


def time_fastest(programs: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Return the processor seconds, with those of finished child processes, of the fastest run of each program."""
    fastest_s = dict.fromkeys(programs, np.inf)
    for _ in range(repeats):
        for name, run in programs.items():
            start_s = _get_processor_s()
            run()
            fastest_s[name] = min(fastest_s[name], _get_processor_s() - start_s)
    return fastest_s


def _get_processor_s() -> float:
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def fit_costs(lengths_s: Sequence[float], times_s: Sequence[float]) -> tuple[float, float]:
    """Return the fixed cost (s) and the cost per second of motion of times at lengths, by relative least squares."""
    times = np.array(times_s)
    columns = np.stack([np.ones(len(times)), lengths_s], axis=1) / times[:, None]
    fixed_s, running = np.linalg.lstsq(columns, np.ones(len(times)), rcond=None)[0]
    return float(fixed_s), float(running)


def copy_bare(files: Sequence[Path], out: Path) -> None:
    """Read, pose and write files without correcting them."""
    for path in files:
        file = open_motion(path)
        motion = file.motion
        forward_kinematics(motion.skeleton, motion.root_m, motion.rotations)
        file.write(out / path.name, motion)


def run_command(folder: Path, out: Path, mode: str) -> None:
    """Correct a folder by the command line in one worker."""
    options = ("--kinematic",) if mode == "kinematic" else ("--engine", mode)
    with tempfile.TemporaryDirectory(dir=out) as place:
        program = (sys.executable, "-m", "selfcorrect.experiments.cli", "correct", str(folder), "-o", place)
        command = (*program, *options, "--workers", "1", "--quiet")
        process = subprocess.run(command, capture_output=True, text=True, check=False)
    if process.returncode not in (0, 1):
        raise RuntimeError(process.stderr)


def make_corrector(mode: str) -> KinematicCorrector | PhysicsCorrector:
    """Return the corrector of files in a mode."""
    if mode == "kinematic":
        return KinematicCorrector(CleanupSettings())
    tracker = TrackerSettings.at_strength(STRENGTHS["balanced"], mode)
    return replace(PhysicsCorrector(tracker, CleanupSettings()), simulate="auto")


def pose_with_pymotion(motion: Motion) -> None:
    """Compute the same poses as `forward_kinematics` with pymotion."""
    quaternions = motion.rotations[..., [3, 0, 1, 2]]
    fk(quaternions, motion.root_m, motion.skeleton.offsets_m, np.maximum(motion.skeleton.parents, 0))


def copy_clips(arguments: Arguments, folder: Path) -> list[Path]:
    """Copy the files of the chosen clips into a folder, and return them there."""
    with tempfile.TemporaryDirectory() as place:
        root = arguments.data
        if root.is_file():
            with tarfile.open(root) as archive:
                archive.extractall(place, filter="data")
            root = Path(place)
        sources = sorted(root.rglob(f"{arguments.split}/*.bvh"))[:: arguments.every]
        return [Path(shutil.copy(source, folder)) for source in sources]


def main(arguments: Arguments) -> None:
    """Print costs, speeds and ratios."""
    modes = [mode for mode in arguments.mode if mode == "kinematic" or _is_installed(mode)]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "clips"
        out = Path(place) / "out"
        folder.mkdir()
        out.mkdir()
        files = copy_clips(arguments, folder)
        clips = [open_motion(path).motion for path in files]
        programs: dict[str, Callable[[], object]] = {"bare": lambda: copy_bare(files, out)}
        for mode in modes:
            programs[mode] = lambda mode=mode: run_command(folder, out, mode)
        spent_s = time_fastest(programs, arguments.repeats)
    motion_s = sum(clip.seconds for clip in clips)
    print(f"{len(clips)} clips, {motion_s:.0f} s; kernels {'compiled' if KERNELS else 'not compiled'}")
    bare_s = spent_s["bare"]
    print(f"{'whole command':<16}{'processor s':>12}{'x real time':>13}{'goal':>8}{'x read, pose and write':>25}")
    for mode in modes:
        speed = motion_s / spent_s[mode]
        print(f"{mode:<16}{spent_s[mode]:>12.2f}{speed:>13.1f}{GOALS[mode]:>8.0f}{spent_s[mode] / bare_s:>25.1f}")
    longest = max(clips, key=len)
    for mode in modes:
        _print_costs(mode, longest, arguments.repeats)
    pose_s = time_fastest(
        {
            "own": lambda: forward_kinematics(longest.skeleton, longest.root_m, longest.rotations),
            "pymotion": lambda: pose_with_pymotion(longest),
        },
        3 * arguments.repeats,
    )
    print(f"forward kinematics take {pose_s['own'] / pose_s['pymotion']:.2f} x pymotion's time")


def _print_costs(mode: str, clip: Motion, repeats: int) -> None:
    corrector = make_corrector(mode)
    corrector([clip.frames(0, 60)])
    lengths_s = [length_s for length_s in LENGTHS_S if length_s <= clip.seconds]
    parts = {str(length_s): clip.frames(0, round(length_s * clip.fps)) for length_s in lengths_s}
    times_s = time_fastest({name: lambda part=part: corrector([part]) for name, part in parts.items()}, repeats)
    fixed_s, running = fit_costs(lengths_s, list(times_s.values()))
    goal = f", goal {FIXED_GOAL_MS:.0f}" if mode == "mujoco" else ""
    print(f"{mode}: fixed {1e3 * fixed_s:.0f} ms{goal}, and {1e3 * running:.1f} ms per second of motion")


def _is_installed(engine: str) -> bool:
    try:
        ENGINES.load(engine)
    except ImportError:
        return False
    return True


if __name__ == "__main__":
    main(tyro.cli(Arguments))
