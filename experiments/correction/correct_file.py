"""Correct motion files, and know which of them are done already."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from selfcorrect.core.errors import InputError
from selfcorrect.datasets.files.formats import written_suffix
from selfcorrect.datasets.files.motion_file import MotionFile
from selfcorrect.datasets.files.open import open_motion
from selfcorrect.motion.checks.check import check
from selfcorrect.motion.checks.motion_features import MotionFeatures
from selfcorrect.motion.checks.pace import pace
from selfcorrect.motion.correction.pieces import group_by_size
from selfcorrect.motion.correction.results import CorrectedMotion, CorrectMotions
from selfcorrect.motion.editing.transforms import retime
from selfcorrect.motion.motion import Motion
from selfcorrect.runtime.bugs import describe_failure, is_machine_failure, try_optional
from selfcorrect.runtime.progress import Progress, part_of_work, split_work, watch_progress
from selfcorrect.simulators.batching import MAX_FRAMES_TOGETHER
from selfcorrect.simulators.body.humanoid import estimate_mass_kg
from selfcorrect.storage.files.limits import record_opened_paths
from selfcorrect.storage.files.writing import append_suffix, explain_write_error, replacing, scratch_folder

from ..jobs.input_keys import are_unchanged, hash_file, hash_sidecars, make_input_key
from ..jobs.targets import FOREIGN
from .describe import describe_correction, film
from .options import CorrectionOptions
from .report import FileResult, merge_results
from .written_motion import measure_written

_SUFFIXES = (".bvh", ".npz", ".npy")
"""Files that may get another number of frames."""


def retime_file(file: MotionFile, path: Path) -> MotionFile:
    """The file with those motions at gravity's pace whose flights or walks are off it, and a note of each.

    Raises InputError for a kind of file whose times cannot be changed.
    """
    paces = [find_wrong_pace(motion) for motion in file.motions]
    if not any(paces):
        return file
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
        raise InputError(f"{path}: only {', '.join(_SUFFIXES)} files can be retimed, not {suffix}")
    played = (play_at_gravity(motion, pace) for motion, pace in zip(file.motions, paces, strict=True))
    notes = [f"time ran {pace:.2f} times as fast as gravity lets it; retimed" for pace in paces if pace]
    return replace(file, motions=tuple(played), notes=(*file.notes, *notes))


def find_wrong_pace(motion: Motion) -> float | None:
    """Return the factor by which time runs too fast for gravity; None if unknown or within the rule's threshold."""
    return pace(MotionFeatures(motion)) if check(motion, ("P1",)) else None


def play_at_gravity(motion: Motion, pace: float | None) -> Motion:
    """A motion whose time runs `own` times too fast, slowed down at its own frame rate."""
    return retime(motion, 1 / pace) if pace else motion


_RECORD = ".json"
RECORDS = ".records"
"""Folder in the output folder with a record of each motion, by which the next run knows what is finished."""


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
        return self.target.with_name(append_suffix(self.target.name, ".mp4"))

    @property
    def record(self) -> Path:
        *folders, name = Path(self.name).parts
        return self.out.joinpath(RECORDS, *map(_avoid_record_suffix, folders), append_suffix(name, _RECORD))

    def wrote_file(self, path: Path) -> bool:
        """Return whether an earlier run wrote this output or film."""
        result = FileResult.load(self.record)
        digest = hash_file(path)
        return bool(digest) and result is not None and digest in result.digests


def _avoid_record_suffix(folder: str) -> str:
    """The name of a folder with records, which no record has."""
    return append_suffix(folder, "_") if folder.rstrip("_").endswith(_RECORD) else folder


def make_task_key(source: Path, options: CorrectionOptions) -> str:
    """Return the key of a file under some options."""
    return make_input_key(source, asdict(options), options.reading.files)


def is_finished(task: FileTask, options: CorrectionOptions) -> bool:
    """Return whether an earlier run with the same settings made all that this one would."""
    result = FileResult.load(task.record)
    if result is None or result.verdict == "failed" or hash_file(task.target) != result.output_hash:
        return False
    films = options.video and result.verdict in ("accepted", "partly")
    filmed = not films or hash_file(task.video) == result.video_hash != ""
    return filmed and are_unchanged(result.sidecar_digests) and result.key == make_task_key(task.source, options)


def correct_files(tasks: Sequence[FileTask], options: CorrectionOptions, progress: Progress) -> None:
    """Correct files, many together, and record what became of each; one that cannot be worked on is recorded as well.

    Results are the same bytes whichever files are together.
    """
    done_count = 0
    inputs = (_read_input(task, options) for task in tasks)
    for group in group_by_size(inputs, lambda read: read.frames, MAX_FRAMES_TOGETHER):
        frames = max(sum(read.frames for read in group), 1)
        progress("correct", 0, frames)
        with watch_progress(partial(_report_progress, progress, frames)):
            motions = [motion for read in group for motion in read.motions]
            prepared = [motion for read in group for motion in read.prepared]
            corrections = iter(correct_each(motions, options, prepared))
        for read in group:
            _write_and_record(read, [next(corrections) for _ in read.motions], options)
            done_count += 1
            progress("generation", done_count, len(tasks))


def _report_progress(progress: Progress, frames: int, share: float) -> None:
    progress("correct", round(share * frames), frames)


@dataclass(frozen=True)
class _InputFile:
    """A file that was read, or why it could not be."""

    task: FileTask
    blank: FileResult
    """What is known of it before it is corrected."""
    file: MotionFile | None
    prepared: tuple[Motion, ...] = ()
    """Motions that go into the correction, see `prepare_motions`."""

    @property
    def motions(self) -> tuple[Motion, ...]:
        return () if self.file is None else self.file.motions

    @property
    def frames(self) -> int:
        """Number of frames of all motions."""
        return sum(map(len, self.motions))


def open_input(source: Path, options: CorrectionOptions) -> MotionFile:
    """The motions of a file, at the pace that the options give them."""
    file = open_motion(source, options.reading)
    return retime_file(file, source) if options.retime else file


def prepare_motions(source: Path, file: MotionFile, options: CorrectionOptions) -> tuple[Motion, ...]:
    """Return what of a file's motions goes into the correction: with feet in the contacts that the options give.

    InputError where a file has several motions, and contacts are given for one.
    """
    if options.contacts is not None and len(file.motions) > 1:
        raise InputError(f"{source}: holds {len(file.motions)} motions; contacts are of one motion")
    return tuple(map(options.prepare, file.motions))


def _read_input(task: FileTask, options: CorrectionOptions) -> _InputFile:
    blank = FileResult(str(task.source), task.name, "", "failed")
    try:
        blank = replace(blank, key=make_task_key(task.source, options))
        with record_opened_paths() as opened:
            file = open_input(task.source, options)
            prepared = prepare_motions(task.source, file, options)
        blank = replace(
            blank,
            assumed=file.assumed,
            sidecar_digests=hash_sidecars(opened, task.source),
        )
        return _InputFile(task, blank, file, prepared)
    except Exception as error:  # whatever is wrong with one file, the others go on
        return _InputFile(task, replace(blank, reason=describe_failure(task.source, error)), None)


def correct_each(
    motions: Sequence[Motion], options: CorrectionOptions, prepared: Sequence[Motion] = ()
) -> list[CorrectedMotion | Exception]:
    """Correct motions, many together; where they fail together, each is tried alone.

    Args:
        motions: the motions as they were given.
        options: how to correct them.
        prepared: what of each goes into the correction, by default the motions; see `prepare_motions`.

    Returns:
        What became of each, or the error that it raised.
    """
    corrector = options.corrector()
    prepared = prepared or motions
    corrections: Sequence[CorrectedMotion | Exception]
    try:
        corrections = corrector(prepared)
    except Exception:  # the motion that it comes from is named below
        corrections = _correct_alone(corrector, prepared)
    results = list[CorrectedMotion | Exception]()
    for motion, correction in zip(motions, corrections, strict=True):
        is_error = isinstance(correction, Exception)
        results.append(correction if is_error else _apply_controls(options, motion, correction))
    return results


def _correct_alone(corrector: CorrectMotions, motions: Sequence[Motion]) -> list[CorrectedMotion | Exception]:
    """Correct motions one after another; whatever is wrong with one of them, the others go on."""
    results = list[CorrectedMotion | Exception]()
    for motion, (first, last) in zip(motions, split_work(list(map(len, motions))), strict=True):
        with part_of_work(first, last):
            try:
                results.append(corrector([motion])[0])
            except Exception as error:
                results.append(error)
    return results


def _apply_controls(
    options: CorrectionOptions, motion: Motion, correction: CorrectedMotion
) -> CorrectedMotion | Exception:
    """Return a correction with what people changed of it, or the error that this raises."""
    try:
        return options.finish(motion, correction)
    except Exception as error:  # whatever is wrong with one motion, the others go on
        return error


def _write_and_record(
    read: _InputFile, corrections: Sequence[CorrectedMotion | Exception], options: CorrectionOptions
) -> None:
    """Write what became of a file, and record it."""
    task = read.task
    with explain_write_error(task.out):
        task.record.parent.mkdir(parents=True, exist_ok=True)
    with explain_write_error(task.out), scratch_folder(task.record) as folder:
        products = _Products(folder / f"motion{written_suffix(task.source)}", folder / "video.mp4")
        _deliver(task, options, _write_products(read, corrections, options, products), products)


@dataclass(frozen=True)
class _Products:
    """Where output and film are made."""

    motion: Path
    video: Path


def _write_products(
    read: _InputFile,
    corrections: Sequence[CorrectedMotion | Exception],
    options: CorrectionOptions,
    products: _Products,
) -> FileResult:
    """Write a corrected file and its film; OSError where the machine fails."""
    task = read.task
    file = read.file
    blank = read.blank
    if file is None:
        return blank
    notes = file.notes
    try:
        outcomes = _refuse(file, corrections) if file.names else list(map(_raise_if_error, corrections))
        accepted = [outcome for outcome in outcomes if not isinstance(outcome, Exception) and outcome.accepted]
        has_other_format = task.target.suffix != task.source.suffix  # cannot be copied as it is
        if accepted or (options.keep_failed and (has_other_format or file.names)):
            pairs = list(zip(file.motions, outcomes, strict=True))
            file.write(products.motion, *(_choose_written(*pair, file, options) for pair in pairs))
            if not file.names:
                corrected = [outcome for outcome in outcomes if isinstance(outcome, CorrectedMotion)]
                outcomes = measure_written(products.motion, file.motions, corrected, options)
                pairs = list(zip(file.motions, outcomes, strict=True))
            if options.video:
                shown = [(motion, made) for motion, made in pairs if isinstance(made, CorrectedMotion)]
                notes += _film_pairs(products.video, shown)
        if not options.kinematic:
            blank = replace(blank, mass_kg=options.mass_kg or estimate_mass_kg(file.motions[0].skeleton))
        results = []
        for motion, outcome in zip(file.motions, outcomes, strict=True):
            if isinstance(outcome, Exception):
                reason = describe_failure(motion.source, outcome)
                results.append(replace(blank, reason=reason, frames=len(motion), fps=motion.fps))
            else:
                results.append(describe_correction(blank, notes, motion, outcome))
        return merge_results(results, file.names)
    except Exception as error:  # whatever is wrong with one file, the others go on
        if is_machine_failure(error):
            raise
        return replace(blank, reason=describe_failure(task.source, error))


def _refuse(
    file: MotionFile, corrections: Sequence[CorrectedMotion | Exception]
) -> Sequence[CorrectedMotion | Exception]:
    """Return the corrections of a file's motions, with the reason for those that its reader refuses to correct."""
    refusals = file.refusals or ("",) * len(corrections)
    pairs = zip(corrections, refusals, strict=True)
    return [InputError(refusal) if refusal else correction for correction, refusal in pairs]


def _choose_written(
    motion: Motion, outcome: CorrectedMotion | Exception, file: MotionFile, options: CorrectionOptions
) -> Motion | None:
    """Return the motion to write for an input; None leaves a motion of a set out that was not corrected."""
    if isinstance(outcome, CorrectedMotion) and (outcome.accepted or not file.names):
        return outcome.motion  # the input itself where it was rejected
    return motion if options.keep_failed else None


def _film_pairs(video: Path, pairs: Sequence[tuple[Motion, CorrectedMotion]]) -> tuple[str, ...]:
    """Film motions; a note where that fails, which costs only the film."""
    _, note = try_optional("no film was made", partial(film, video, pairs), None)
    if note:
        video.unlink(missing_ok=True)  # a part of it
    return (note,) if note else ()


def _raise_if_error(correction: CorrectedMotion | Exception) -> CorrectedMotion:
    if isinstance(correction, Exception):
        raise correction
    return correction


def _deliver(task: FileTask, options: CorrectionOptions, result: FileResult, products: _Products) -> None:
    """Put record, output and film in their places. The record is first, so that an output without one is not ours."""
    product = products.motion
    if result.verdict in ("accepted", "partly"):
        result = replace(result, output="corrected")
    elif result.verdict == "rejected" and options.keep_failed:
        same = task.target.suffix == task.source.suffix
        result = replace(result, output="original")
        product = task.source if same else product
    if result.output:
        result = replace(result, output_hash=hash_file(product), video_hash=hash_file(products.video))
    ours = [path for path in (task.target, task.video) if task.wrote_file(path)]
    result = replace(result, earlier=tuple(map(hash_file, ours)))
    made = {task.target: product, task.video: products.video if result.video_hash else None} if result.output else {}
    if theirs := [path for path, product in made.items() if product and os.path.lexists(path) and path not in ours]:
        result = replace(result, verdict="failed", reason=f"{theirs[0]}: {FOREIGN}", output="")
        made = {}
        result = replace(result, output_hash="", video_hash="")
    result.save(task.record)
    for path, product in made.items():
        if product:
            with replacing(path, overwrite=path in ours) as temporary:
                shutil.copyfile(product, temporary)
    if not made:
        for stale in ours:
            stale.unlink(missing_ok=True)
