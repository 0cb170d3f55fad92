"""Measure the processor time of corrections.

Files and samples are corrected on one core, and compared with references in the same run.

    python -m benchmarks.speed path/to/cmu-bvh

* Start: `check` of a file of 2 s, compared with importing SciPy's statistics, in separate processes.
* Whole command: all clips as BVH files in one folder, including the start of the program, compared with reading, posing
  and writing the same files without correction.
* Each command on one clip of 10 s, with its memory, compared with an empty Python.
* Scale: whole commands on one file of 10 s to 10 minutes, which plays the longest clip forwards and backwards, and on 1
  to 1,000 files of 2 s.
* Memory of sampling, compared with that of the result.
* Tracking without residual force, compared with the kinematic correction.
* Reading a BVH file of 48 MB, compared with NumPy's parser and pybvh, and the memory of reading and correcting it.
* Nearest-neighbour metrics, compared with prdc's, and their growth with the number of windows.
* Job runners, compared with local workers, including all processes that they start.

If a package is not installed, its row says so.
"""

import os
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from io import StringIO
from itertools import count
from pathlib import Path

import numpy as np
import psutil
import tyro

from selfcorrect.datasets.collections.deepmimic import load_deepmimic
from selfcorrect.datasets.files.open import open_motion, save_motion
from selfcorrect.motion.geometry.compiled import KERNELS
from selfcorrect.motion.kinematics import forward_kinematics
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.corrector import correct_through_views
from selfcorrect.simulators.pipeline import Pipeline
from selfcorrect.simulators.postprocess.steps import KINEMATIC_POSTPROCESS
from selfcorrect.simulators.presets import RESIDUAL_FREE_PRESET
from selfcorrect.statistics.neighbours import neighbour_metrics

GOALS = {"pybullet": 40.0, "mujoco": 50.0, "kinematic": 100.0}
"""Goals for the whole command, in seconds of motion per second of processor time."""
SAMPLING = """
import resource, sys
import torch
import selfcorrect as sc
from selfcorrect.loop.models.diffusion.config import DiffusionConfig
from selfcorrect.loop.models.diffusion.model import MotionDiffusion

def get_peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

if sys.argv[1]:
    MotionDiffusion.values_together = sys.maxsize
model = MotionDiffusion(DiffusionConfig(sampling_steps=4), 300, 263, 1, torch.device("cpu"))
model = model.fit(sc.Samples.real(torch.zeros(8, 300, 263)), 1, sc.streams(0))
before = get_peak()
values = model.sample(torch.zeros(512, dtype=torch.int64), sc.streams(0))
print((get_peak() - before) * 1024 / values.nbytes)
"""
"""Program that prints the peak memory that sampling adds, as a multiple of the result, on Linux."""
READING = """
import sys
from pathlib import Path
from selfcorrect.datasets.files.open import open_motion

open_motion(Path(sys.argv[1]))
"""
COMMAND = """
from selfcorrect.commands.cli import main

main()
"""
PEAK = """
from pathlib import Path

print(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
"""
"""Program that prints the peak memory of its process in KiB, without that of its parent, on Linux."""
COMMANDS = {
    "empty Python": "",
    "correct --kinematic": "correct {clip} -o {out} --kinematic --workers 1",
    "correct --engine mujoco": "correct {clip} -o {out} --engine mujoco --workers 1",
    "correct --engine pybullet": "correct {clip} -o {out} --engine pybullet --workers 1",
    "check": "check {clip} --workers 1",
    "data convert": "data convert {clip} {out}/clip.npz",
    "view": "view {clip} --out {out}/view.html",
    "demo": "demo --out {out}/demo.html --no-open",
}
"""Commands that are measured on one clip."""
LOOP = "motion --preset quick --generations 2 --seeds 1 --arms replace augment:1 --steps 20 --initial-steps 20"
RUNNERS = {"processes": ("--workers", "2"), "ray": ("--runner-options", "address", "local"), "slurm": ()}
"""Options of the compared runners, by name: two workers, a Ray cluster on this machine, and this machine's Slurm."""
_LOOK_S = 0.2
"""Interval at which the processes of a runner are polled, in s."""
_LONG_FILE_BYTES = 48e6
_CLIP_S = 10.0
"""Duration of the motion for each command, in s."""
_RESIDUAL_FREE_S = 10.0
"""Duration of the motion that is tracked without residual force, in s."""


@dataclass(frozen=True)
class Arguments:
    """Print processor times of corrections, relative to references in the same run."""

    data: tyro.conf.Positional[Path]
    """Folder or archive of CMU's clips."""
    split: str = "test"
    """Subfolder of the clips."""
    every: int = 1
    """Take every n-th clip."""
    repeats: int = 3
    """Number of runs of each measurement, of which the fastest counts."""
    seconds: tuple[float, ...] = (2, 10, 60, 600)
    """Durations of single files."""
    files: tuple[int, ...] = (1, 10, 100, 1000)
    """Numbers of files of 2 s."""
    mode: tuple[str, ...] = ("kinematic", "mujoco", "pybullet")
    """Engines to measure, and "kinematic"."""


def get_processor_s() -> float:
    """Return the processor time of this process and its finished children, in s."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def time_fastest(programs: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Return the processor time of each program's fastest run, in s."""
    fastest_s = dict.fromkeys(programs, np.inf)
    for _ in range(repeats):
        for name, run in programs.items():
            start_s = get_processor_s()
            run()
            fastest_s[name] = min(fastest_s[name], get_processor_s() - start_s)
    return fastest_s


def copy_bare(files: Sequence[Path]) -> None:
    """Read, pose and write files without correcting them."""
    with tempfile.TemporaryDirectory() as out:
        for path in files:
            file = open_motion(path)
            motion = file.motion
            forward_kinematics(motion.skeleton, motion.root_m, motion.rotations)
            file.write(Path(out) / path.name, motion)


def run_python(*words: str, expected: Sequence[int] = (0,)) -> str:
    """Run a Python interpreter, which keeps bytecode as an installation does, and return its output.

    Raises RuntimeError for an unexpected exit code.
    """
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    process = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False, env=environment)
    if process.returncode not in expected:
        raise RuntimeError(process.stderr)
    return process.stdout


@contextmanager
def explain_missing_peer(row: str) -> Iterator[None]:
    """Print why a row is missing if the package to compare with is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        print(f"{row}: not measured, because {error.name} is not installed")


def list_options(mode: str) -> tuple[str, ...]:
    """Return the options of `correct` for a mode."""
    return ("--kinematic",) if mode == "kinematic" else ("--engine", mode)


def run_command(folder: Path, mode: str) -> None:
    """Correct a folder with the command in one worker."""
    with tempfile.TemporaryDirectory() as out:
        words = ("correct", str(folder), "-o", out, *list_options(mode), "--workers", "1", "--quiet")
        run_python("-m", "selfcorrect.commands.cli", *words, expected=(0, 1))


def copy_clips(arguments: Arguments, folder: Path) -> list[Path]:
    """Copy the chosen clips, and return the copies."""
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
    modes = arguments.mode
    _print_start(arguments.repeats)
    longest = _print_folder(arguments, modes)
    _print_commands(_play_there_and_back(longest, _CLIP_S), arguments.repeats)
    _print_scale(longest, arguments, modes)
    _print_sampling()
    _print_residual_free(longest.frames(0, round(_RESIDUAL_FREE_S * longest.fps)), arguments.repeats)
    _print_reading(longest, modes, arguments.repeats)
    with explain_missing_peer("nearest-neighbour metrics"):
        _print_neighbours(arguments.repeats)
    _print_growth(arguments.repeats)
    _print_runners(longest)


def _print_start(repeats: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "short.bvh"
        save_motion(path, load_deepmimic()[0].frames(0, 60))
        check = ("-m", "selfcorrect.commands.cli", "check", str(path))
        programs: dict[str, Callable[[], object]] = {
            "import": lambda: run_python("-c", "import scipy.stats"),
            "check": lambda: run_python(*check, expected=(0, 1)),
        }
        spent_s = time_fastest(programs, repeats)
    print(f"check of a file of 2 s takes {spent_s['check'] / spent_s['import']:.2f} x the import of scipy.stats")


def measure(program: str, *words: str) -> tuple[float, float]:
    """Run a program in an interpreter, and return its processor time in s and its peak memory in MB."""
    start_s = get_processor_s()
    output = run_python("-c", program + PEAK, *words)
    return get_processor_s() - start_s, int(output.split()[-1]) * 1024 / 1e6


def _print_folder(arguments: Arguments, modes: Sequence[str]) -> Motion:
    """Print the speed for a folder, and return its longest clip."""
    with tempfile.TemporaryDirectory() as folder:
        files = copy_clips(arguments, Path(folder))
        clips = [open_motion(path).motion for path in files]
        programs: dict[str, Callable[[], object]] = {"bare": lambda: copy_bare(files)}
        programs.update((mode, partial(run_command, Path(folder), mode)) for mode in modes)
        spent_s = time_fastest(programs, arguments.repeats)
    motion_s = sum(clip.seconds for clip in clips)
    print(f"\n{len(clips)} clips, {motion_s:.0f} s; kernels {'compiled' if KERNELS else 'not compiled'}")
    print(f"{'whole command':<16}{'processor s':>12}{'x real time':>13}{'goal':>8}{'x read, pose and write':>25}")
    for mode in modes:
        speed = motion_s / spent_s[mode]
        print(
            f"{mode:<16}{spent_s[mode]:>12.2f}{speed:>13.1f}{GOALS[mode]:>8.0f}{spent_s[mode] / spent_s['bare']:>25.1f}"
        )
    return max(clips, key=len)


def _print_commands(clip: Motion, repeats: int) -> None:
    """Print the fastest processor time and the largest peak memory of each command."""
    spent_s: dict[str, list[float]] = {name: [] for name in COMMANDS}
    peaks_mb: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(repeats):
        for name, line in COMMANDS.items():
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "clip.bvh"
                save_motion(path, _make_new(clip))
                words = line.format(clip=path, out=folder).split()
                command_s, peak_mb = measure(COMMAND if words else "", *words)
            spent_s[name].append(command_s)
            peaks_mb[name].append(peak_mb)
    print(f"\n{f'{clip.seconds:.0f} s of motion':<28}{'processor s':>12}{'peak MB':>10}")
    for name in COMMANDS:
        print(f"{name:<28}{min(spent_s[name]):>12.2f}{max(peaks_mb[name]):>10.0f}", flush=True)


def _play_there_and_back(clip: Motion, seconds: float) -> Motion:
    """Play a clip forwards and backwards for this duration."""
    last = len(clip) - 1
    return clip.select_frames(last - np.abs(np.arange(round(seconds * clip.fps)) % (2 * last) - last))


def _print_scale(clip: Motion, arguments: Arguments, modes: Sequence[str]) -> None:
    """Print the processor times of whole commands, run once, by duration and number of files."""
    print(f"\n{'files':<8}{'s each':>8}" + "".join(f"{f'{mode} s':>14}{'x real time':>13}" for mode in modes))
    sizes = [(1, seconds) for seconds in arguments.seconds] + [(number, 2.0) for number in arguments.files]
    for number, seconds in sizes:
        motion = _play_there_and_back(clip, seconds)
        with tempfile.TemporaryDirectory() as folder:
            for index in range(number):
                save_motion(Path(folder) / f"{index}.bvh", _make_new(motion))
            spent_s = time_fastest({mode: partial(run_command, Path(folder), mode) for mode in modes}, 1)
        cells = [f"{spent_s[mode]:>14.2f}{number * seconds / spent_s[mode]:>13.1f}" for mode in modes]
        print(f"{number:<8}{seconds:>8g}{''.join(cells)}", flush=True)


def _print_sampling() -> None:
    """Print the memory of drawing samples in parts and all at once."""
    in_parts, together = (float(run_python("-c", SAMPLING, size)) for size in ("", "all"))
    print(f"sampling takes {in_parts:.1f} x the memory of its result, {together:.1f} x if all is denoised at once")


def _print_residual_free(clip: Motion, repeats: int) -> None:
    """Print the time of tracking without residual force, compared with the kinematic correction."""
    pipelines = {
        "kinematic": Pipeline(RESIDUAL_FREE_PRESET.cleanup, postprocess=KINEMATIC_POSTPROCESS),
        "residual-free": RESIDUAL_FREE_PRESET,
    }
    programs = {
        name: lambda pipeline=pipeline: correct_through_views([_make_new(clip)], pipeline)
        for name, pipeline in pipelines.items()
    }
    spent_s = time_fastest(programs, repeats)
    ratio = spent_s["residual-free"] / spent_s["kinematic"]
    speed = clip.seconds / spent_s["residual-free"]
    print(
        f"residual-free tracking takes {ratio:.0f} x the kinematic correction's time; {speed:.1f} x real time (goal 5)"
    )


def _print_reading(clip: Motion, modes: Sequence[str], repeats: int) -> None:
    """Print the time of reading 48 MB of BVH, compared with other readers, and the memory of reading and correcting."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.bvh"
        save_motion(path, clip)
        frames = round(len(clip) * _LONG_FILE_BYTES / path.stat().st_size)
        path = Path(folder) / "long.bvh"
        save_motion(path, clip.select_frames(np.arange(frames) % len(clip)))
        rows = path.read_text().partition("Frame Time")[2].splitlines()[1:]
        programs: dict[str, Callable[[], object]] = {
            "read": lambda: open_motion(path),
            "numpy.loadtxt": lambda: np.loadtxt(rows),
        }
        with explain_missing_peer("reading beside pybvh"):
            programs["pybvh"] = partial(import_module("pybvh").read_bvh_file, path)
        spent_s = time_fastest(programs, repeats)
        megabytes = path.stat().st_size / 1e6
        _, reading_mb = measure(READING, str(path))
        peaks_mb = {}
        for mode in modes:
            words = ("correct", str(path), "-o", str(Path(folder) / mode), *list_options(mode), "--workers", "1")
            _, peaks_mb[mode] = measure(COMMAND, *words)
    speed = megabytes / spent_s["read"]
    print(
        f"reading {megabytes:.0f} MB of BVH: {speed:.0f} MB/s (goal 40), "
        f"{reading_mb / megabytes:.1f} x the size in memory (goal 5)"
    )
    for name in list(programs)[1:]:
        print(f"that takes {spent_s['read'] / spent_s[name]:.2f} x the time of {name}")
    for mode, peak_mb in peaks_mb.items():
        print(f"correcting the file takes {peak_mb:.0f} MB of memory with {mode} (goal 600)")


def _print_neighbours(repeats: int) -> None:
    """Print the time of nearest-neighbour metrics on 2,000 × 2,000 embeddings of 263 numbers with varying spread."""
    compute_prdc = import_module("prdc").compute_prdc  # takes two seconds
    real, generated = np.random.default_rng(0).normal(size=(2, 2000, 263)) * np.exp(-np.arange(263) / 40)
    programs: dict[str, Callable[[], object]] = {
        "own": lambda: neighbour_metrics(real, generated),
        "prdc": lambda: compute_prdc(real, generated, 5),
    }
    with redirect_stdout(StringIO()):  # prdc prints the shapes
        spent_s = time_fastest(programs, repeats)
    print(f"\nnearest-neighbour metrics take {spent_s['own'] / spent_s['prdc']:.2f} x prdc's time (goal 0.7)")


def _print_growth(repeats: int) -> None:
    """Print how the time of nearest-neighbour metrics grows if the number of windows doubles; 4 is quadratic."""
    fewer, more = (np.random.default_rng(0).normal(size=(2, number, 60)) for number in (2048, 4096))
    programs: dict[str, Callable[[], object]] = {
        "2,048": lambda: neighbour_metrics(*fewer),
        "4,096": lambda: neighbour_metrics(*more),
    }
    spent_s = time_fastest(programs, repeats)
    growth = spent_s["4,096"] / spent_s["2,048"]
    print(f"nearest-neighbour metrics of 4,096 windows take {growth:.1f} x the time of 2,048")


def _print_runners(clip: Motion) -> None:
    """Print the processor time of commands with each runner on this machine."""
    print(f"\n{'runner':<12}{'1 file s':>10}{'100 files s':>13}{'loop s':>10}{'x processes':>14}")
    local_s = np.inf
    for runner, options in RUNNERS.items():
        if runner == "slurm" and shutil.which("sbatch") is None:
            print("slurm: not measured, because this machine has no sbatch")
            continue
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder, explain_missing_peer(runner):
            if runner == "ray":
                import_module("ray")
            for name, number in (("one", 1), ("many", 100)):
                for index in range(number):
                    part = clip.frames(index, index + round(2 * clip.fps))
                    save_motion(Path(folder) / name / f"{index}.bvh", _make_new(part))
            lines = (
                f"correct {folder}/one -o {folder}/one-corrected --kinematic --quiet",
                f"correct {folder}/many -o {folder}/many-corrected --kinematic --quiet",
                f"{LOOP} --wandb off --out {folder}/loop",
            )
            spent_s = [get_tree_s(*line.split(), "--runner", runner, *options) for line in lines]
            if runner == "processes":
                local_s = spent_s[-1]
            print(f"{runner:<12}{spent_s[0]:>10.1f}{spent_s[1]:>13.1f}{spent_s[2]:>10.1f}{spent_s[2] / local_s:>14.2f}")


def get_tree_s(*words: str) -> float:
    """Return the processor time, in s, of a command and all processes that it starts, even detached ones.

    An environment variable marks the processes. They are polled, because no parent gets the time of a detached process.
    """
    mark = f"{os.getpid()}-{time.monotonic_ns()}"
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "SELFCORRECT_BENCHMARK": mark}
    command = [sys.executable, "-m", "selfcorrect.commands.cli", *words]
    spent_s: dict[psutil.Process, float] = {}

    def look() -> bool:
        """Record the times of the command's processes, and return whether any is running."""
        found = False
        for process in psutil.process_iter(["environ", "cpu_times"]):
            environ, times = process.info["environ"], process.info["cpu_times"]
            # Ray's workers overwrite their environments with their titles, so known processes stay known.
            if times and (process in spent_s or (environ or {}).get("SELFCORRECT_BENCHMARK") == mark):
                spent_s[process] = times.user + times.system
                found = True
        return found

    with tempfile.TemporaryFile("w+") as output:
        command_process = psutil.Popen(command, stdout=output, stderr=output, env=environment)
        while command_process.poll() is None:
            look()
            time.sleep(_LOOK_S)
        while look():
            time.sleep(_LOOK_S)
        if command_process.returncode:
            output.seek(0)
            raise RuntimeError(output.read())
    return sum(spent_s.values())


_SHIFTS_M = count(0.0, 1e-4)


def _make_new(motion: Motion) -> Motion:
    """Shift a motion a little, so that no cached observation of it exists."""
    return replace(motion, root_m=motion.root_m + np.array([next(_SHIFTS_M), 0.0, 0.0]))


if __name__ == "__main__":
    main(tyro.cli(Arguments))
