"""`selfcorrect correct`: motion files in, physically plausible motion files of the same kind out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import tyro

from selfcorrect.errors import InputError, SettingError
from selfcorrect.experiments.correction.correct_file import Place, Settings, correct_file, is_finished
from selfcorrect.experiments.correction.motion_files import Reading, body_model_of, is_motion_file
from selfcorrect.experiments.correction.report import Result, table, write_report
from selfcorrect.experiments.jobs import Job, run_jobs
from selfcorrect.simulators.mending.precondition import SupportChoice
from selfcorrect.simulators.settings import STRENGTHS
from selfcorrect.storage.files import remove_leftovers
from selfcorrect.storage.run_folder import FolderLock, explain_write_error

MASS_KG = (1, 1000)
"""Bodies that the simulation can hold together."""


def places_of(inputs: Sequence[Path], out: Path) -> list[Place]:
    """Where the motion files among `inputs`, files and folders, go; ValueError where one would overwrite anything."""
    places = [Place(source, name, out) for path in inputs for source, name in _named(path, out)]
    if not places:
        raise InputError(f"{', '.join(map(str, inputs)) or 'no inputs'}: no motion files (.bvh, .npz, .npy) here")
    sources = {place.source.resolve() for place in places}
    by_name: dict[str, Path] = {}
    for place in places:
        if (other := by_name.setdefault(place.name, place.source)) != place.source:
            raise SettingError(f"{other} and {place.source} would both become {place.target}; correct them one by one")
        if not sources.isdisjoint({place.target.resolve(), place.video.resolve()}):
            raise SettingError(f"{place.target}: an input would be overwritten; choose another folder with -o")
        if foreign := [path for path in (place.target, place.video) if path.exists() and not place.record.exists()]:
            raise SettingError(
                f"{foreign[0]}: exists and was not written by this command; choose another folder with -o"
            )
    return [place for place in places if by_name.pop(place.name, None)]


def _named(path: Path, out: Path) -> Iterator[tuple[Path, str]]:
    """Files and their names in the output folder; what that holds below an input folder is no input."""
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    if path.is_file():
        yield path, path.name
        return
    produced = out.resolve() if path.resolve() in out.resolve().parents else None
    for file in sorted(path.rglob("*")):
        if file.is_file() and is_motion_file(file) and not (produced and file.resolve().is_relative_to(produced)):
            yield file, file.relative_to(path).as_posix()


@dataclass(frozen=True)
class CorrectCommand:
    """Make motions physically plausible: feet on the floor, not in it, above it or sliding, and limbs without jitter.

    Takes BVH, AMASS .npz and HumanML3D .npy files (263 columns or 22 joints) and folders of them, and writes each as it
    came: same format, skeleton, names and frame rate. Inputs are never changed. The same command again does what is
    missing. Exit code 0: all motions were corrected; 1: some were not; 2: bad arguments, or nothing could be read.
    """

    inputs: tyro.conf.Positional[tuple[Path, ...]]
    """Motion files, and folders that are searched for them."""
    out: Annotated[Path, tyro.conf.arg(aliases=("-o",))] = Path("corrected")
    """Folder of the corrected motions, which keep their names, and their paths below an input folder."""
    strength: str = "balanced"
    """From 0, closest to the motion, to 1, most physical; or faithful (0), balanced (0.7), physical (1)."""
    kinematic: bool = False
    """Mend by kinematics alone and simulate nothing; strength then does not matter."""
    support: SupportChoice = "infer"
    """What carries the body: steps, rungs and seats where the motion shows them (infer), nothing but the floor (floor),
    or whatever it may be that holds it at its height, which then is left alone (off)."""
    engine: Literal["pybullet", "mujoco"] = "pybullet"
    """The simulator."""
    workers: int = 1
    """Motions that are corrected at the same time, each in a process of its own."""
    keep_failed: bool = False
    """Put motions that cannot be corrected into the output folder as they came."""
    video: bool = False
    """Film each motion before and after, side by side, as NAME.mp4 beside the output."""
    report: Path | None = None
    """The report, JSON; by default report.json in the output folder."""
    mass_kg: float | None = None
    """What every body weighs; otherwise what its shape does, with --body-model, or what is usual for its stature."""
    metres_per_unit: float | None = None
    """Length of the BVH files' unit; without it, the usual unit nearest to a person's size."""
    fps: float | None = None
    """Frames per second of .npy files, which do not tell; HumanML3D's 20 without."""
    up: Literal["y", "z"] | None = None
    """Vertical axis of the BVH files; told from the body without."""
    body_model: Path | None = None
    """A SMPL, SMPL+H or SMPL-X file that gives AMASS files' shapes their bone lengths; an average body without."""
    allow_pickle: bool = False
    """Read a body model from a .pkl file, whose source you trust."""

    def run(self) -> int:
        """Correct, report, and return the exit code."""
        if self.workers < 1:
            raise SettingError(f"workers must be at least 1, got {self.workers}")
        settings = self._settings()
        places = places_of(self.inputs, self.out)
        report = self.report or self.out / "report.json"
        if report.resolve() in {path.resolve() for place in places for path in (place.source, place.target)}:
            raise SettingError(f"{report}: the report would overwrite a motion; choose another file")
        if report.is_dir():
            raise SettingError(f"{report}: the report is a file, this is a folder")
        with explain_write_error(self.out):
            self.out.mkdir(parents=True, exist_ok=True)
            lock = FolderLock(self.out)
        with lock:
            results = self._results(places, settings)
            told = {**asdict(settings), "kinematic": self.kinematic}
            verdicts = [result.verdict for result in results]
            with explain_write_error(report.parent):
                write_report(report, told, verdicts, filter(None, (Result.load(place.record) for place in places)))
        print(*table(results), "", *_closing(results, self.out), f"report: {report}", sep="\n")
        if all(result.verdict == "failed" for result in results):
            raise InputError("none of the files could be read")
        return 0 if all(result.verdict == "accepted" for result in results) else 1

    def _settings(self) -> Settings:
        reading = Reading(self.metres_per_unit, self.fps, self.up, self.body_model, self.allow_pickle)
        body_model_of(reading)  # where that is no body model, nothing begins
        strength = None if self.kinematic else strength_of(self.strength)
        settings = Settings(strength, self.mass_kg, self.keep_failed, self.video, reading, self.support, self.engine)
        if self.mass_kg is not None and not MASS_KG[0] <= self.mass_kg <= MASS_KG[1]:
            raise SettingError(f"mass-kg must be from {MASS_KG[0]} to {MASS_KG[1]}, got {self.mass_kg}")
        if find_spec(self.engine) is None:
            raise InputError(f"the engine {self.engine} is not installed: pip install 'selfcorrect[{self.engine}]'")
        return settings

    def _results(self, places: Sequence[Place], settings: Settings) -> list[Result]:
        remove_leftovers(self.out, below=True)
        waiting = [place for place in places if not is_finished(place, settings)]
        if len(waiting) < len(places):
            print(f"{len(places) - len(waiting)} of {len(places)} motions are finished already with these settings")
        if waiting:
            jobs = [Job(place.name, correct_file, (place, settings), 1) for place in waiting]
            run_jobs(jobs, min(self.workers, len(jobs)), "correct", unit="motion")
        results = (Result.load(place.record) for place in places)
        return [replace(result, over_time={}) for result in results if result]


def strength_of(word: str) -> float:
    """The point on the dial that a name or a number says."""
    try:
        strength = STRENGTHS[word] if word in STRENGTHS else float(word)
    except ValueError:
        strength = -1.0
    if not 0 <= strength <= 1:
        raise SettingError(f"strength must be one of {', '.join(STRENGTHS)} or a number from 0 to 1, got {word!r}")
    return strength


def _closing(results: Sequence[Result], out: Path) -> list[str]:
    accepted = [result for result in results if result.verdict == "accepted"]
    others = [result for result in results if result.verdict != "accepted"]
    lines = [f"{len(accepted)} of {len(results)} motions corrected → {out}"]
    if others:
        lines.append(f"not corrected ({len(others)}): {', '.join(result.name for result in others)}")
    if raised := [result.name for result in accepted if result.supports]:
        lines.append(f"on steps, seats or the like ({len(raised)}): {', '.join(raised)}")
    return lines
