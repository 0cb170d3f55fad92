"""Correct motion files, record the results, and recognise finished files."""

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from itertools import islice
from operator import attrgetter
from pathlib import Path

from selfcorrect.core.errors import InputError
from selfcorrect.core.grouping import group_by_size
from selfcorrect.datasets.files.formats import formats_of, written_suffix
from selfcorrect.datasets.files.motion_file import MotionFile
from selfcorrect.datasets.files.open import open_motion
from selfcorrect.experiments.jobs.input_keys import are_unchanged, digest_sidecars, make_input_key
from selfcorrect.experiments.jobs.targets import FOREIGN
from selfcorrect.motion.checks.check import check
from selfcorrect.motion.checks.pace import pace
from selfcorrect.motion.editing.transforms import retime
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.motion_features import MotionFeatures
from selfcorrect.runtime.bugs import describe_failure, is_machine_failure
from selfcorrect.runtime.identity import Identity
from selfcorrect.runtime.progress import Progress, part_of_work, split_work, watch_progress
from selfcorrect.simulators.batching import MAX_FRAMES_TOGETHER
from selfcorrect.simulators.body.humanoid import estimate_mass_kg
from selfcorrect.simulators.corrector import correct_through_views
from selfcorrect.simulators.results.results import CorrectedMotion
from selfcorrect.simulators.settings.engine_table import AUTO, ENGINES
from selfcorrect.storage.files.digests import compute_file_digest
from selfcorrect.storage.files.limits import record_inputs
from selfcorrect.storage.files.writing import append_suffix, explain_write_error, replacing, scratch_folder

from .controls import finish_correction
from .describe import describe_correction
from .file_result import WRITTEN, FileContent, FileFigures, FileResult, FileState, SimulationFigures, merge_results
from .options import CorrectionOptions
from .written_motion import verify_written

_SUFFIXES = (".bvh", ".npz", ".npy")
"""Suffixes of files that can be written with another number of frames."""


def retime_file(file: MotionFile, path: Path) -> MotionFile:
    """Change the speed of motions whose flights or steps are faster or slower than gravity allows.

    A note is added for each of them. Raises InputError for a format that cannot be retimed.
    """
    paces = [find_wrong_pace(motion) for motion in file.motions]
    if not any(paces):
        return file
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
        raise InputError(f"{path}: only {', '.join(_SUFFIXES)} files can be retimed, not {suffix}")
    motions = [play_at_gravity(motion, pace) for motion, pace in zip(file.motions, paces, strict=True)]
    notes = [f"time ran {pace:.2f} times as fast as gravity allows; retimed" for pace in paces if pace]
    return replace(file, motions=tuple(motions), notes=(*file.notes, *notes))


def find_wrong_pace(motion: Motion) -> float | None:
    """Return the factor by which a motion is too fast, or None if it is unknown or within the rule's threshold."""
    return pace(MotionFeatures(motion)) if check(motion, ("P1",)) else None


def play_at_gravity(motion: Motion, pace: float | None) -> Motion:
    """Slow a motion down by the factor `pace`, at the same frame rate."""
    return retime(motion, 1 / pace) if pace else motion


_RECORD = ".json"
RECORDS = ".records"
"""Subfolder of the output folder with a record of each file, by which the next run recognises finished ones."""


@dataclass(frozen=True)
class FileTask:
    """A file to correct, and its name in the output folder."""

    source: Path
    name: str
    out: Path

    @property
    def target(self) -> Path:
        return self.out / self.name

    @property
    def record(self) -> Path:
        *parents, name = Path(self.name).parts
        folders = []
        for folder in parents:
            is_like_record = folder.rstrip("_").endswith(_RECORD)
            folders.append(append_suffix(folder, "_") if is_like_record else folder)
        return self.out.joinpath(RECORDS, *folders, append_suffix(name, _RECORD))

    @property
    def has_earlier_output(self) -> bool:
        """True if an earlier run wrote the file at the output's path."""
        result = FileResult.load(self.record)
        digest = compute_file_digest(self.target)
        return bool(digest) and result is not None and digest in result.digests


def make_task_key(source: Path, options: CorrectionOptions) -> str:
    """Return a key that identifies a file and the options of its correction."""
    contacts = options.contacts if isinstance(options.contacts, Path) else None
    plugins = _identify_plugins(source.suffix.lower(), options.engine)
    return make_input_key(source, asdict(options), (*options.reading.files, contacts), plugins)


@cache
def _identify_plugins(suffix: str, engine: str) -> list[Identity]:
    """Return the identities of other packages' code that reads, writes or simulates files with this suffix."""
    identities = [identity for kind in formats_of(suffix) for identity in kind.identify()]
    return [*identities, *(ENGINES.identify(engine).values() if engine != AUTO else ())]


def is_finished(task: FileTask, options: CorrectionOptions) -> bool:
    """Return whether an earlier run finished this task.

    If a later attempt failed to replace that run's result, its record is restored.
    """
    result = FileResult.load(task.record)
    if result is None:
        return False
    if result.kept is not None and _is_result_of(task, result.kept, options):
        result.kept.save(task.record)
        return True
    return _is_result_of(task, result, options)


def _is_result_of(task: FileTask, result: FileResult, options: CorrectionOptions) -> bool:
    """Return whether a result belongs to this input and these options, and its file is in place."""
    if result.verdict == "failed" or compute_file_digest(task.target) != result.state.output_hash:
        return False
    has_same_sidecars = are_unchanged(result.state.sidecar_digests, task.source)
    return has_same_sidecars and result.state.key == make_task_key(task.source, options)


def correct_tasks(tasks: Sequence[FileTask], options: CorrectionOptions, progress: Progress) -> None:
    """Correct files in groups, and record the result of each, even if it cannot be read.

    The results are the same, byte for byte, however files are grouped. Finished files are skipped, such as those that a
    lost node finished before its job was repeated.

    Args:
        tasks: Files to correct.
        options: Options of the correction.
        progress: Called with the numbers of finished frames and files.
    """
    waiting = [task for task in tasks if not is_finished(task, options)]
    done_count = len(tasks) - len(waiting)
    for number in range(done_count):
        progress("generation", number + 1, len(tasks))
    files = (_read_input(task, options) for task in waiting)
    for group in group_by_size(files, attrgetter("frames"), MAX_FRAMES_TOGETHER):
        frames = max(sum(read.frames for read in group), 1)
        progress("correct", 0, frames)
        with watch_progress(partial(_report_share, progress, frames)):
            outcomes = iter(correct_each([motion for read in group for motion in read.motions], options))
        for read in group:
            _write_and_record(read, list(islice(outcomes, len(read.motions))), options)
            done_count += 1
            progress("generation", done_count, len(tasks))


def _report_share(progress: Progress, frames: int, share: float) -> None:
    progress("correct", round(share * frames), frames)


@dataclass(frozen=True)
class _InputFile:
    """A file that was read, or the reason why it could not be."""

    task: FileTask
    blank: FileResult
    """Result as it is before the correction."""
    file: MotionFile | None

    @property
    def motions(self) -> tuple[Motion, ...]:
        return () if self.file is None else self.file.motions

    @property
    def frames(self) -> int:
        """Number of frames of all motions."""
        return sum(map(len, self.motions))


def open_input(source: Path, options: CorrectionOptions) -> MotionFile:
    """Open a file, and retime its motions if the options ask for it.

    Raises:
        InputError: The file cannot be read, its only motion cannot be corrected, or it holds several motions but the
            options give contacts, which are for one.
    """
    file = open_motion(source, options.reading)
    if options.contacts is not None and len(file.motions) > 1:
        raise InputError(f"{source}: holds {len(file.motions)} motions; contacts belong to one motion")
    if file.refusals and not file.names:
        raise InputError(file.refusals[0])
    return retime_file(file, source) if options.retime else file


def _read_input(task: FileTask, options: CorrectionOptions) -> _InputFile:
    blank = FileResult(str(task.source), task.name, "failed")
    try:
        key = make_task_key(task.source, options)
        blank = replace(blank, state=FileState(key))
        with record_inputs() as record:
            file = open_input(task.source, options)
        state = FileState(key, digest_sidecars(record, task.source))
        blank = replace(blank, content=FileContent(file.assumed, damage=file.damage), state=state)
        return _InputFile(task, blank, file)
    except Exception as error:  # a bad file must not stop the others
        return _InputFile(task, replace(blank, reason=describe_failure(task.source, error)), None)


def correct_each(motions: Sequence[Motion], options: CorrectionOptions) -> list[CorrectedMotion | Exception]:
    """Correct motions together, or one by one if that fails.

    Returns:
        The correction of each motion, or its error.
    """
    try:
        corrections = correct_through_views(motions, options.pipeline)
    except Exception as error:
        if len(motions) == 1:
            return [error]
        one_by_one = list[CorrectedMotion | Exception]()
        for motion, shares in zip(motions, split_work(list(map(len, motions))), strict=True):
            with part_of_work(*shares):
                one_by_one += correct_each([motion], options)
        return one_by_one
    results = list[CorrectedMotion | Exception]()
    for motion, correction in zip(motions, corrections, strict=True):
        try:
            results.append(finish_correction(motion, correction, options))
        except Exception as error:  # a bad motion must not stop the others
            results.append(error)
    return results


def _write_and_record(
    read: _InputFile, corrections: Sequence[CorrectedMotion | Exception], options: CorrectionOptions
) -> None:
    """Write the corrected file and its record."""
    task = read.task
    with explain_write_error(task.out):
        task.record.parent.mkdir(parents=True, exist_ok=True)
        with scratch_folder(task.record) as folder:
            product = folder / f"motion{written_suffix(task.source)}"
            result = _write_product(read, corrections, options, product)
            _deliver(task, options, result, product)


def _write_product(
    read: _InputFile, corrections: Sequence[CorrectedMotion | Exception], options: CorrectionOptions, product: Path
) -> FileResult:
    """Write a corrected file to a temporary path, and return its result.

    Raises OSError if the machine fails, for example because the disk is full.
    """
    task = read.task
    file = read.file
    blank = read.blank
    if file is None:
        return blank
    try:
        outcomes = _refuse(file, corrections)
        accepted = any(map(_is_accepted, outcomes))
        has_other_format = task.target.suffix != task.source.suffix  # so the input cannot be copied
        if accepted or (options.keep_failed and (has_other_format or file.names)):
            written = [*_choose_written(file, outcomes, options)]
            file.write(product, *written)
            if options.verify:
                outcomes = verify_written(product, file, outcomes, written, options)
                if accepted and not any(map(_is_accepted, outcomes)):
                    product.unlink()
        if not options.kinematic:
            mass_kg = options.mass_kg or estimate_mass_kg(file.motions[0].skeleton)
            simulation = SimulationFigures(mass_kg, in_scene=not options.scene.is_plain)
            blank = replace(blank, figures=FileFigures(simulation=simulation))
        results = []
        for motion, outcome in zip(file.motions, outcomes, strict=True):
            if isinstance(outcome, Exception):
                reason = describe_failure(motion.source, outcome)
                content = replace(blank.content, frames=len(motion), fps=motion.fps)
                results.append(replace(blank, reason=reason, content=content))
            else:
                results.append(describe_correction(blank, file.notes, motion, outcome, options))
        return merge_results(results, file.names)
    except Exception as error:  # a bad file must not stop the others
        if is_machine_failure(error):
            raise
        return replace(blank, reason=describe_failure(task.source, error))


def _is_accepted(outcome: CorrectedMotion | Exception) -> bool:
    return isinstance(outcome, CorrectedMotion) and outcome.accepted


def _refuse(
    file: MotionFile, corrections: Sequence[CorrectedMotion | Exception]
) -> Sequence[CorrectedMotion | Exception]:
    """Replace corrections of motions that the reader refused by the reason.

    The motions of a set are independent. In any other file, the error of a motion is raised as the file's error.
    """
    if not file.names:
        for correction in corrections:
            if isinstance(correction, Exception):
                raise correction
    if not file.names or not file.refusals:
        return corrections
    pairs = zip(corrections, file.refusals, strict=True)
    return [InputError(refusal) if refusal else correction for correction, refusal in pairs]


def _choose_written(
    file: MotionFile, outcomes: Sequence[CorrectedMotion | Exception], options: CorrectionOptions
) -> Iterator[Motion | None]:
    """Yield the motion to write for each input, or None to drop a motion of a set that was not corrected."""
    for motion, outcome in zip(file.motions, outcomes, strict=True):
        if isinstance(outcome, CorrectedMotion) and (outcome.accepted or not file.names):
            yield outcome.motion  # the input, if the correction was rejected
        else:
            yield motion if options.keep_failed else None


def record_failure(task: FileTask, options: CorrectionOptions, reason: str) -> None:
    """Record that a file could not be corrected. The next run tries again."""
    task.record.parent.mkdir(parents=True, exist_ok=True)
    _deliver(task, options, FileResult(str(task.source), task.name, "failed", reason=reason), task.source)


def _deliver(task: FileTask, options: CorrectionOptions, result: FileResult, product: Path) -> None:
    """Move record and output to their final paths, the record first, because an output without a record is foreign."""
    if result.verdict in WRITTEN:
        result = replace(result, output="corrected")
    elif result.verdict == "rejected" and options.keep_failed:
        product = task.source if task.target.suffix == task.source.suffix else product
        result = replace(result, output="original" if product.is_file() else "")
    earlier = FileResult.load(task.record)
    has_earlier = task.has_earlier_output
    if result.output and os.path.lexists(task.target) and not has_earlier:
        result = replace(result, verdict="failed", reason=f"{task.target}: {FOREIGN}", output="")
    earlier_hash = compute_file_digest(task.target) if has_earlier else ""
    output_hash = compute_file_digest(product) if result.output else ""
    result = replace(result, state=replace(result.state, output_hash=output_hash, earlier_hash=earlier_hash))
    if not result.output and has_earlier:
        result = result.keep_file_of(earlier, earlier_hash)
    result.save(task.record)
    if output_hash:
        with replacing(task.target, overwrite=has_earlier) as temporary:
            shutil.copyfile(product, temporary)
    elif result.verdict == "rejected" and not result.output and has_earlier:  # passed through by an earlier run
        task.target.unlink(missing_ok=True)
