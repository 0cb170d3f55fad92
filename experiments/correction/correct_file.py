"""Correct one motion file, and know whether that is done already."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import imageio.v2 as imageio
import numpy as np

from selfcorrect.bugs import sentence_of
from selfcorrect.datasets.files.formats import written_suffix
from selfcorrect.datasets.files.motion_file import Reading
from selfcorrect.datasets.files.open import open_motion
from selfcorrect.errors import CorrectorError
from selfcorrect.experiments.correction.report import Result, of_all
from selfcorrect.experiments.correction.retiming import retimed
from selfcorrect.experiments.progress_bars import Progress
from selfcorrect.motion.checks.check import check
from selfcorrect.motion.correction.pieces import PIECE_FRAMES, correct_long
from selfcorrect.motion.correction.results import CorrectedMotion, CorrectMotions, NoteKind
from selfcorrect.motion.correction.timeline import Contact, Timeline, spans
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.measures.contacts import foot_contacts
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.pictures.drawing import Panel, animate
from selfcorrect.motion.transforms import resample
from selfcorrect.simulators.body.humanoid import usual_mass_kg
from selfcorrect.simulators.corrector import KinematicCorrector, PhysicsCorrector
from selfcorrect.simulators.mending.precondition import PreconditionSettings
from selfcorrect.simulators.scene import PLAIN, Scene
from selfcorrect.simulators.settings.support import SupportChoice
from selfcorrect.simulators.settings.tracker import TrackerSettings
from selfcorrect.storage.files import replacing, scratch_folder, suffixed
from selfcorrect.storage.run_folder import explain_write_error

RECORDS = ".records"
"""Folder in the output folder with a record of each motion, by which the next run knows what is finished."""

VIDEO_FPS = 30.0
_SHOT_FRAMES = 120


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
    """Whether motions whose flights contradict gravity are played at its pace; see `checks.pace`."""
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


def correct_file(task: FileTask, settings: Settings, progress: Progress) -> None:
    """Correct one file and record what became of it; a file that cannot be worked on is recorded as well."""
    progress("correct", 0, 1)
    with explain_write_error(task.out):
        task.record.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder(task.record) as folder:
        product = folder / f"motion{written_suffix(task.source)}"
        result = _corrected(task, settings, product, folder / "video.mp4")
        with explain_write_error(task.out):
            _deliver(task, settings, result, product)
    progress("generation", 1, 1)


def _corrected(task: FileTask, settings: Settings, product: Path, video: Path) -> Result:
    """Correct a file into `product`."""
    blank = Result(str(task.source), task.name, "", "failed")
    try:
        blank = replace(blank, key=key_of(task.source, settings))
        file = open_motion(task.source, settings.reading)
        file = retimed(file, task.source) if settings.retime else file
        corrections = [correct_long(settings.corrector(file.mass_kg), motion) for motion in file.motions]
        for correction in corrections:
            check_finite(correction.motion)
        kept = settings.keep_failed and task.target.suffix != task.source.suffix  # cannot be copied as it is
        if kept or any(correction.accepted for correction in corrections):
            file.write(product, *(correction.motion for correction in corrections))  # what was rejected, as it came
            if settings.video:
                film(video, list(zip(file.motions, corrections, strict=True)))
                _copy(video, task.video)
        if settings.strength is not None:
            blank = replace(blank, mass_kg=settings.mass_kg or file.mass_kg or usual_mass_kg(file.motions[0].skeleton))
        pairs = zip(file.motions, corrections, strict=True)
        return of_all([_described(blank, file.notes, motion, correction) for motion, correction in pairs])
    except Exception as error:  # whatever is wrong with one file, the others go on
        return replace(blank, reason=sentence_of(task.source, error))


def check_finite(motion: Motion) -> None:
    """CorrectorError where a corrected motion is not finite."""
    finite = np.isfinite(motion.root_m).all(axis=1) & np.isfinite(motion.rotations).all(axis=(1, 2))
    if not finite.all():
        raise CorrectorError(f"{motion.source}: the corrected motion is not finite in frame {int(finite.argmin())}")


def _described(blank: Result, notes: tuple[str, ...], motion: Motion, correction: CorrectedMotion) -> Result:
    failure = correction.failure
    result = replace(
        blank,
        verdict="accepted" if correction.accepted else "rejected",
        reason=correction.reason,
        frame=None if failure is None else failure.frame,
        failure=None if failure is None else asdict(failure),
        notes=(*notes, *_oddities(motion, level=not correction.supports), *map(str, correction.notes)),
        moved_because=next((str(note) for note in correction.notes if note.kind is NoteKind.MOVED_FAR), ""),
        text=motion.text,
        frames=len(motion),
        fps=motion.fps,
        before=dict(correction.before),
        after=dict(correction.after),
        help=dict(correction.help),
        over_time=_over_time(correction.timeline),
        contacts=_contacts(correction),
        supports=[asdict(support) for support in correction.supports],
    )
    return _with_distances(result, motion, correction.motion) if correction.accepted else result


def _oddities(motion: Motion, level: bool) -> list[str]:
    """Signs that the file or its reading is wrong, in words; of ground that is not level no height is odd."""
    found = {finding.code: finding for finding in check(motion, ("R", "S2", "S6", "P1", *(("F4",) if level else ())))}
    return [str(finding) for finding in found.values()]


def _with_distances(result: Result, before: Motion, after: Motion) -> Result:
    names, total_m, furthest = before.skeleton.names, np.zeros(len(before.skeleton)), (-1.0, 0, 0)
    for start in range(0, len(before), PIECE_FRAMES):
        here = slice(start, start + PIECE_FRAMES)
        joints_m = [joint_positions(motion.frames(here.start, here.stop)) for motion in (before, after)]
        moved_m = np.linalg.norm(joints_m[1] - joints_m[0], axis=-1)
        total_m += moved_m.sum(axis=0)
        frame, joint = np.unravel_index(moved_m.argmax(), moved_m.shape)
        furthest = max(furthest, (float(moved_m.max()), int(start + frame), int(joint)))
    means_m = (total_m / len(before)).tolist()
    return replace(
        result,
        moved_m=float(np.mean(means_m)),
        moved_by_joint_m=dict(zip(names, means_m, strict=True)),
        furthest_m=furthest[0],
        furthest_frame=furthest[1],
        furthest_joint=names[furthest[2]],
    )


def _over_time(timeline: Timeline | None) -> dict[str, list[float]]:
    """The residual wrench of every frame, rounded."""
    if timeline is None:
        return {}
    return {
        "residual_force_bodyweights": timeline.residual_force_bodyweights.round(3).tolist(),
        "residual_torque_nm": timeline.residual_torque_nm.round(1).tolist(),
    }


def _contacts(correction: CorrectedMotion) -> list[dict[str, Any]]:
    """When which part of the body bears weight; without a simulation, when the feet stand."""
    if correction.timeline is not None:
        contacts = correction.timeline.contacts()
    elif correction.accepted:
        feet = zip(("left foot", "right foot"), foot_contacts(correction.motion).T, strict=True)
        contacts = [Contact(foot, *span) for foot, stands in feet for span in spans(stands)]
    else:
        contacts = []
    return [asdict(contact) for contact in contacts]


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


def film(path: Path, pairs: Sequence[tuple[Motion, CorrectedMotion]]) -> None:
    """Each motion and its correction side by side as MP4, one after the other."""
    fps = min(pairs[0][0].fps, VIDEO_FPS)
    writer: Any = imageio.get_writer(path, fps=fps, codec="libx264", macro_block_size=1)
    with writer:
        for before, correction in pairs:
            for picture in _pictures(before, correction, fps):
                writer.append_data(picture)


def _pictures(before: Motion, correction: CorrectedMotion, fps: float) -> Iterator[np.ndarray]:
    """Both motions side by side, drawn shot by shot so that memory does not grow with their length."""
    motions = [resample(motion, fps) for motion in (before, correction.motion)]
    frames, margin = len(motions[0]), int(fps)  # the camera's path is smoothed over less than the margin
    for start in range(0, frames, _SHOT_FRAMES):
        first, stop = max(start - margin, 0), min(start + _SHOT_FRAMES, frames)
        shots = [motion.frames(first, min(stop + margin, frames)) for motion in motions]
        panels = [Panel(shots[0], "before"), Panel(shots[1], "after", tuple(correction.supports))]
        yield from animate(panels, same_view=True)[start - first : stop - first]
