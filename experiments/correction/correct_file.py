"""Correct motion files, and know which of them are done already."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from selfcorrect.bugs import sentence_of
from selfcorrect.datasets.files.formats import written_suffix
from selfcorrect.datasets.files.motion_file import MotionFile, Reading
from selfcorrect.datasets.files.open import open_motion
from selfcorrect.errors import CorrectorError
from selfcorrect.experiments.correction.describe import described
from selfcorrect.experiments.correction.film import film
from selfcorrect.experiments.correction.report import Result, of_all
from selfcorrect.experiments.correction.retiming import retimed
from selfcorrect.experiments.progress_bars import Progress
from selfcorrect.motion.correction.pieces import correct_each
from selfcorrect.motion.correction.results import CorrectedMotion, CorrectMotions
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.body.humanoid import usual_mass_kg
from selfcorrect.simulators.corrector import FRAMES_TOGETHER, KinematicCorrector, PhysicsCorrector
from selfcorrect.simulators.mending.precondition import PreconditionSettings
from selfcorrect.simulators.scene import PLAIN, Scene
from selfcorrect.simulators.settings.support import SupportChoice
from selfcorrect.simulators.settings.tracker import TrackerSettings
from selfcorrect.storage.files import replacing, scratch_folder, suffixed
from selfcorrect.storage.run_folder import explain_write_error

RECORDS = ".records"
"""Folder in the output folder with a record of each motion, by which the next run knows what is finished."""


@dataclass(frozen=True)
class Settings:
    """All that a result depends on beside its input."""

    strength: float | None
    """From 0 to 1; None simulates nothing."""
    mass_kg: float | None = None
    """What every body weighs; None for what its shape or its stature says."""
    keep_failed: bool = False
    video: bool = False
    reading: Reading = field(default_factory=Reading)
    support: SupportChoice = "infer"
    """See `PreconditionSettings`."""
    engine: str = "pybullet"
    """The simulator, a name in `ENGINES`."""
    raw: bool = False
    """Whether simulated states come out as they are; see `PreconditionSettings.polish`."""
    retime: bool = False
    """Whether motions whose flights or walks contradict gravity are played at its pace; see `checks.pace`."""
    unaided: bool = False
    """Whether the body gets no help at all, whatever the strength."""
    scene: Scene = PLAIN
    """Where, and with what body, motions are followed."""

    def corrector(self, shape_kg: float | None = None) -> CorrectMotions:
        """The corrector of a body whose shape weighs `shape_kg`."""
        precondition = PreconditionSettings(support=self.support, polish=not self.raw)
        if self.strength is None:
            return KinematicCorrector(precondition)
        mass_kg = shape_kg if self.mass_kg is None else self.mass_kg
        if self.unaided:
            tracker = TrackerSettings.without_help(self.engine, mass_kg)
        else:
            tracker = TrackerSettings.at_strength(self.strength, self.engine, mass_kg)
        return PhysicsCorrector(tracker, precondition, scene=self.scene)


@dataclass(frozen=True)
class FileTask:
    """A file to correct, and the name of its output below the output folder."""

    source: Path
    name: str
    out: Path

    @property
    def target(self) -> Path:
        return self.out / self.name

    @property
    def video(self) -> Path:
        return self.target.with_name(suffixed(self.target.name, ".mp4"))

    @property
    def record(self) -> Path:
        record = self.out / RECORDS / self.name
        return record.with_name(suffixed(record.name, ".json"))


def key_of(source: Path, settings: Settings) -> str:
    """A hash of a file's content, of the settings, and of the version."""
    version = importlib.metadata.version("selfcorrect")
    return hash_of_file(source, json.dumps([asdict(settings), version], default=str).encode())


def hash_of_file(path: Path, more: bytes = b"") -> str:
    """Of a file's content and of `more`; "" where there is no such file."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(more, digest_size=16)).hexdigest()


def is_finished(task: FileTask, settings: Settings) -> bool:
    """Whether an earlier run with the same settings made all that this one would."""
    result = Result.load(task.record)
    if result is None or result.verdict == "failed" or hash_of_file(task.target) != result.output_hash:
        return False
    filmed = task.video.is_file() or not (settings.video and result.verdict in ("accepted", "partly"))
    return filmed and result.key == key_of(task.source, settings)


def correct_files(tasks: Sequence[FileTask], settings: Settings, progress: Progress) -> None:
    """Correct files, many together, and record what became of each; one that cannot be worked on is recorded as well.

    Results are the same bytes whichever files are together.
    """
    done = 0
    for group in _groups(_read(task, settings) for task in tasks):
        progress("correct", done, len(tasks))
        for read, corrections in zip(group, _corrections(group, settings), strict=True):
            _put(read, corrections, settings)
            done += 1
            progress("generation", done, len(tasks))


@dataclass(frozen=True)
class _Read:
    """A file that was read, or why it could not be."""

    task: FileTask
    blank: Result
    """What is known of it before it is corrected."""
    file: MotionFile | None

    @property
    def motions(self) -> tuple[Motion, ...]:
        return () if self.file is None else self.file.motions


def _read(task: FileTask, settings: Settings) -> _Read:
    blank = Result(str(task.source), task.name, "", "failed")
    try:
        blank = replace(blank, key=key_of(task.source, settings))
        file = open_motion(task.source, settings.reading)
        return _Read(task, blank, retimed(file, task.source) if settings.retime else file)
    except Exception as error:  # whatever is wrong with one file, the others go on
        return _Read(task, replace(blank, reason=sentence_of(task.source, error)), None)


def _groups(files: Iterable[_Read]) -> Iterator[list[_Read]]:
    """Files in their order, so many together that memory stays bounded."""
    group, frames = list[_Read](), 0
    for read in files:
        own = sum(map(len, read.motions))
        if group and frames + own > FRAMES_TOGETHER:
            yield group
            group, frames = [], 0
        group.append(read)
        frames += own
    yield group


def _corrections(group: Sequence[_Read], settings: Settings) -> list[list[CorrectedMotion | Exception]]:
    """What became of the motions of each file; those of bodies of one mass are corrected together."""
    found: list[list[CorrectedMotion | Exception]] = [[] for _ in group]
    by_mass_kg = defaultdict[float | None, list[int]](list)
    for index, read in enumerate(group):
        if read.file is not None:
            by_mass_kg[read.file.mass_kg].append(index)
    for mass_kg, same in by_mass_kg.items():
        motions = [motion for index in same for motion in group[index].motions]
        corrections = iter(correct_each(partial(_of_mass, settings, mass_kg), motions))
        for index in same:
            found[index] = [next(corrections) for _ in group[index].motions]
    return found


def _of_mass(settings: Settings, mass_kg: float | None, motions: Sequence[Motion]) -> Sequence[CorrectedMotion]:
    return settings.corrector(mass_kg)(motions)


def _put(read: _Read, corrections: Sequence[CorrectedMotion | Exception], settings: Settings) -> None:
    """Write what became of a file, and record it."""
    task = read.task
    with explain_write_error(task.out):
        task.record.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder(task.record) as folder:
        product = folder / f"motion{written_suffix(task.source)}"
        result = _written(read, corrections, settings, product, folder / "video.mp4")
        with explain_write_error(task.out):
            _deliver(task, settings, result, product)


def _written(
    read: _Read, corrections: Sequence[CorrectedMotion | Exception], settings: Settings, product: Path, video: Path
) -> Result:
    """Write a corrected file into `product`."""
    task, file, blank = read.task, read.file, read.blank
    if file is None:
        return blank
    try:
        whole = [_whole(correction) for correction in corrections]
        kept = settings.keep_failed and task.target.suffix != task.source.suffix  # cannot be copied as it is
        if kept or any(correction.accepted for correction in whole):
            file.write(product, *(correction.motion for correction in whole))  # what was rejected, as it came
            if settings.video:
                film(video, list(zip(file.motions, whole, strict=True)))
                _copy(video, task.video)
        if settings.strength is not None:
            blank = replace(blank, mass_kg=settings.mass_kg or file.mass_kg or usual_mass_kg(file.motions[0].skeleton))
        pairs = zip(file.motions, whole, strict=True)
        return of_all([described(blank, file.notes, motion, correction) for motion, correction in pairs])
    except Exception as error:  # whatever is wrong with one file, the others go on
        return replace(blank, reason=sentence_of(task.source, error))


def _whole(correction: CorrectedMotion | Exception) -> CorrectedMotion:
    """A correction that may be written; raises why there is none."""
    if isinstance(correction, Exception):
        raise correction
    check_finite(correction.motion)
    return correction


def check_finite(motion: Motion) -> None:
    """CorrectorError where a corrected motion is not finite."""
    finite = np.isfinite(motion.root_m).all(axis=1) & np.isfinite(motion.rotations).all(axis=(1, 2))
    if not finite.all():
        raise CorrectorError(f"{motion.source}: the corrected motion is not finite in frame {int(finite.argmin())}")


def _deliver(task: FileTask, settings: Settings, result: Result, product: Path) -> None:
    """Put record and output in their places. The record is first, so that an output without one is not ours."""
    if result.verdict in ("accepted", "partly"):
        result = replace(result, output="corrected")
    elif result.verdict == "rejected" and settings.keep_failed:
        same = task.target.suffix == task.source.suffix
        result, product = replace(result, output="original"), task.source if same else product
    if result.output:
        result = replace(result, output_hash=hash_of_file(product))
    result.save(task.record)
    if result.output:
        _copy(product, task.target)
        return
    for stale in (task.target, task.video):
        stale.unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)
