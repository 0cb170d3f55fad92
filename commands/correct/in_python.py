"""Correct motions and files from Python: one motion, many motions, one file, or many files."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from selfcorrect.core.checks import check_kind
from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.datasets.files.formats import check_written_suffix
from selfcorrect.experiments.jobs.targets import place_of
from selfcorrect.motion.body.requirements import check_body
from selfcorrect.motion.motion import Motion
from selfcorrect.runtime.processes import default_workers
from selfcorrect.simulators.corrector import correct_through_views
from selfcorrect.simulators.results.results import CorrectedMotion
from selfcorrect.storage.files.writing import refuse_to_replace, replacing

from .batch import correct_into
from .controls import finish_correction
from .correct_file import find_wrong_pace, open_input, play_at_gravity
from .file_result import FileResult
from .options import DEFAULT_OPTIONS, CorrectionOptions
from .written_motion import verify_written


def correct(motion: Motion, options: CorrectionOptions = DEFAULT_OPTIONS, **changes: object) -> CorrectedMotion:
    """Correct a motion.

    Args:
        motion: Motion to correct.
        options: Options of the correction.
        changes: Values of single options by name, as in `correct(motion, strength="physical")`.

    Returns:
        The corrected motion with its measures. If the motion cannot be corrected, `accepted` is false, the motion is
        the input, and `reason` says why.

    Raises:
        InputError: The skeleton is not that of a human body.
        SettingError: An option is unknown or has a wrong value.
    """
    return correct_motions([motion], _choose_options(options, changes))[0]


def correct_motions(
    motions: Sequence[Motion],
    options: CorrectionOptions = DEFAULT_OPTIONS,
    workers: int | None = None,
    **changes: object,
) -> list[CorrectedMotion]:
    """Correct motions; see `correct`.

    Args:
        motions: Motions of any skeletons, frame rates and lengths.
        options: Options of the correction.
        workers: Number of processes, or of threads for a single motion without residual force. By default one per core,
            as far as memory allows and, with residual force, there are enough frames. Results do not depend on it.
        changes: Values of single options by name.

    Returns:
        One result per motion, in the same order.

    Raises:
        InputError: A skeleton is not that of a human body.
        SettingError: An option has a wrong value, or is only for files.
    """
    check_kind("motions", motions, Sequence)
    for motion in motions:
        check_kind("motion", motion, Motion)
    options = _choose_options(options, changes)
    options.refuse(("reading", "keep_failed", "verify"), "is for motion files, and these motions are in memory")
    if options.contacts is not None and len(motions) != 1:
        raise SettingError(f"contacts belong to one motion, got {len(motions)} motions")
    for motion in motions:
        check_body(motion)
    if options.retime:
        motions = [play_at_gravity(motion, find_wrong_pace(motion)) for motion in motions]
    return _correct_and_finish(motions, options, workers)


def _correct_and_finish(
    motions: Sequence[Motion], options: CorrectionOptions, workers: int | None
) -> list[CorrectedMotion]:
    """Correct motions, and apply the controls of the options."""
    workers = _count_workers(motions, options) if workers is None else workers
    corrections = correct_through_views(motions, options.pipeline, workers)
    pairs = zip(motions, corrections, strict=True)
    return [finish_correction(motion, correction, options) for motion, correction in pairs]


def correct_file(
    source: str | Path,
    target: str | Path,
    options: CorrectionOptions = DEFAULT_OPTIONS,
    *,
    overwrite: bool = False,
    **changes: object,
) -> CorrectedMotion:
    """Correct a motion file; see `correct`.

    The output has the format, names, units and frame rate of the input.

    Args:
        source: File to correct.
        target: File to write, in the same format; .glb for FBX, which cannot be written.
        options: Options of the correction.
        overwrite: Whether to replace an existing file.
        changes: Values of single options by name.

    Returns:
        The result. Nothing is written unless it is `accepted`. The motion is that of the written file, and
        `left.findings` is what `check` finds in it.

    Raises:
        InputError: `source` cannot be read, or holds several motions.
        SettingError: `target` is `source`, has another format, or exists and `overwrite` is false.
    """
    options = _choose_options(options, changes)
    options.refuse(("keep_failed",), "is for folders of files; correct_files takes it")
    source = Path(source).expanduser()
    target = Path(target).expanduser()
    if place_of(target) == place_of(source):
        raise SettingError(f"{target}: is the input, which would be overwritten; choose another file")
    check_written_suffix(source, target)
    refuse_to_replace(target, overwrite)
    file = open_input(source, options)
    if len(file.motions) > 1:
        raise InputError(f"{source}: expected one motion, got {len(file.motions)}; use correct_files")
    (correction,) = _correct_and_finish(file.motions, options, None)
    if correction.accepted:
        with suppress(_UnverifiedError), replacing(target, overwrite=overwrite) as temporary:
            file.write(temporary, correction.motion)
            if options.verify:
                (outcome,) = verify_written(temporary, file, [correction], [correction.motion], options)
                assert isinstance(outcome, CorrectedMotion)
                correction = outcome
                if not correction.accepted:
                    raise _UnverifiedError
    return correction


class _UnverifiedError(Exception):
    """The written file does not hold the corrected motion, so it must not be put in place."""


def correct_files(
    inputs: str | Path | Sequence[str | Path],
    out: str | Path,
    options: CorrectionOptions = DEFAULT_OPTIONS,
    workers: int | None = None,
    **changes: object,
) -> list[FileResult]:
    """Correct motion files into a folder, as `selfcorrect correct` does.

    Inputs are never changed, and foreign files are never overwritten. Files that an earlier call with the same options
    finished are skipped.

    Args:
        inputs: Files and folders.
        out: Folder for the corrected files and `report.json`.
        options: Options of the correction.
        workers: Number of worker processes; by default one per core, as far as memory allows and starting them saves
            time.
        changes: Values of single options by name.

    Returns:
        The result of each file.

    Raises:
        InputError: An input does not exist.
        SettingError: An option has a wrong value.
    """
    options = _choose_options(options, changes)
    if isinstance(inputs, str | Path):
        inputs = [inputs]
    paths = [Path(path).expanduser() for path in inputs]
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")
    out = Path(out).expanduser()
    return correct_into(paths, out, options, workers)


def _choose_options(options: CorrectionOptions, changes: Mapping[str, object]) -> CorrectionOptions:
    """Return the options with changes, and with "auto" replaced by the name of an engine.

    Raises SettingError for wrong options.
    """
    if not isinstance(options, CorrectionOptions):
        raise SettingError(f"options must be CorrectionOptions, or options by name, got {options!r}")
    changed = {name: value for name, value in changes.items() if (name, value) != ("reading", None)}
    return options.with_changes(changed).resolve_engine()


FRAMES_PER_WORKER = 600
"""Number of frames that are corrected in the time that a process takes to start."""


def _count_workers(motions: Sequence[Motion], options: CorrectionOptions) -> int:
    """Return the number of workers that saves time.

    Without residual force, all are used, because even a single motion uses several threads.
    """
    workers = default_workers()
    if options.is_residual_free:
        return workers
    frames = sum(map(len, motions))
    return max(1, min(workers, frames // FRAMES_PER_WORKER))
