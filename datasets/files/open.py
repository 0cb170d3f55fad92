"""Open motion files of any format.

All files are opened here, so that motions have the same form whatever axes, unit, rest pose and height a file has.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from selfcorrect.core.checks import describe_value
from selfcorrect.core.errors import InputError
from selfcorrect.motion.body.requirements import find_flaw
from selfcorrect.motion.editing.transforms import raise_motion
from selfcorrect.motion.ground import Ground
from selfcorrect.motion.motion import Motion, check_numbers
from selfcorrect.motion.perception.motion_features import MotionFeatures
from selfcorrect.motion.perception.observation import observe
from selfcorrect.storage.files.writing import refuse_to_replace, replacing

from .formats import (
    Format,
    advise,
    find_reading_format,
    format_of,
    is_motion_file,
    may_hold_other_data,
    readable_suffixes,
)
from .motion_file import MotionFile, Writes, body_model_of, refuse_placeholder
from .skeletons.file_note import FileNote
from .skeletons.reading import Reading
from .skeletons.rig_profile import read_profile

_MAX_LISTED = 20
"""Maximum number of files listed in a warning."""


def open_motion(path: str | Path, reading: Reading | None = None, *, any_body: bool = False) -> MotionFile:
    """Open a motion file.

    Motions are y up and in metres, on skeletons with an upright rest pose, with the file's floor at y = 0.

    Args:
        reading: Facts that the file does not state.
        any_body: Also read bodies that correctors do not support, such as bodies without knees. `flaw` is the reason.

    Returns:
        The motions of the file, with a function that writes the file with other motions.

    Raises:
        InputError: The file is damaged or, without `any_body`, does not hold a human body that correctors support.
    """
    path = Path(path).expanduser()
    reading = reading or Reading()
    kind = find_reading_format(path)
    refuse_placeholder(path)
    file = kind.call(kind.reader, path, reading)
    with kind.fence():
        if kind.origin:
            _check_answer(file)
        file = _complete(file, reading)
        flaws = [find_flaw(motion) for motion in file.motions]
    flaw = next(filter(None, (*flaws, file.flaw, _describe_refusals(path, file))), "")
    is_useless = bool(flaw) and (not file.names or all(flaws))  # several motions are judged separately
    if is_useless and not any_body:
        raise InputError(flaw)
    for motion in file.motions:
        check_numbers(motion)
    notes = file.notes
    rates = {motion.fps for motion in file.motions} - {reading.fps}
    if reading.fps is not None and rates and path.suffix.lower() != ".bvh":  # --fps overrides BVH's rate
        unused = f"--fps is ignored, because the file states {min(rates):g} frames per second"
        notes = (*notes, FileNote(unused, topic="rate"))
    return replace(file, notes=notes, flaw=flaw, write=_Writer(path, reading, kind, file.write))


def _check_answer(file: object) -> None:
    """Raise TypeError unless a reader of another package returned motions."""
    if not isinstance(file, MotionFile):
        raise TypeError(f"returned {describe_value(file)}, expected a MotionFile")
    motions = file.motions
    if not isinstance(motions, tuple) or not motions or not all(isinstance(motion, Motion) for motion in motions):
        raise TypeError(f"returned a MotionFile of {describe_value(motions)}, expected a tuple of Motions")
    if not isinstance(file.notes, tuple) or not all(isinstance(note, str) for note in file.notes):
        raise TypeError(f"returned a MotionFile with notes {describe_value(file.notes)}, expected a tuple of strings")
    if not callable(file.write):
        raise TypeError(f"returned a MotionFile with {describe_value(file.write)} as its writer, expected a function")


def check_option_files(reading: Reading) -> None:
    """Check the files named by reading options, before any motion is read.

    Raises InputError for a missing or damaged file.
    """
    for path in filter(None, reading.files):
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")
    body_model_of(reading)
    if reading.profile is not None:
        read_profile(reading.profile)
    if reading.ground is not None:
        Ground.load(reading.ground)


def _describe_refusals(path: Path, file: MotionFile) -> str:
    """Describe the animations that cannot be corrected; "" if all can be."""
    refused = [(name, reason) for name, reason in zip(file.names, file.refusals, strict=False) if reason]
    if not refused:
        return ""
    name, reason = refused[0]
    others = f" (and {len(refused) - 1} more of {len(file.names)} animations)" if len(refused) > 1 else ""
    return f"{path}: {name}: {reason.removeprefix(f'{path}: ')}{others}"


@dataclass(frozen=True)
class _Writer:
    """Writes an opened file with other motions.

    It can be sent to another process, where it opens the file again.
    """

    path: Path
    reading: Reading
    kind: Format
    write: Writes | None

    def __call__(self, path: Path, *motions: Motion | None) -> None:
        write = self.write or open_motion(self.path, self.reading, any_body=True).write
        with self.kind.fence():
            write(path, *motions)
        if self.kind.origin and not path.is_file():
            raise InputError(f"{self.kind.origin} wrote no file")

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "write": None}


def _complete(file: MotionFile, reading: Reading) -> MotionFile:
    """Apply the reading's profile, ground and floor.

    The floor is moved to zero from the stated height or, with `drop`, from the height that the feet show.
    """
    motions = list(file.motions)
    notes = list(file.notes)
    if reading.profile is not None:
        motions = list(map(read_profile(reading.profile).on_rig, motions))
        is_known = any(motion.feet is not None for motion in motions)
        notes.append(FileNote(f"feet {'as' if is_known else 'not'} in {reading.profile.name}", "--profile"))
    if reading.ground is not None:
        ground = Ground.load(reading.ground)
        motions = [replace(motion, ground=ground, height_error_m=0.0) for motion in motions]
        notes.append(FileNote(f"on {reading.ground.name}", "--ground"))
    if reading.floor is not None or reading.drop:
        floors_m = [_find_floor_m(motion) if reading.floor is None else reading.floor for motion in motions]
        lowered = [raise_motion(motion, -floor_m) for motion, floor_m in zip(motions, floors_m, strict=True)]
        motions = [replace(motion, height_error_m=0.0) for motion in lowered]
        option = "--drop" if reading.drop else "--floor"
        notes += dict.fromkeys(FileNote(f"lowered by {floor_m:.2f} m", option) for floor_m in floors_m)
    return replace(file, motions=tuple(motions), notes=tuple(notes))


def _find_floor_m(motion: Motion) -> float:
    """Return the floor height inferred from the feet, or 0 without feet."""
    features = MotionFeatures(motion)
    return observe(features.motion).floor_m if len(motion) and features.has_feet else 0.0


def motion_files(path: Path) -> list[Path]:
    """List the motion files below a path, or the path itself if it is a file.

    A warning lists the files that have the suffix of a motion file but hold other data, such as a model.
    """
    if path.is_file():
        return [path]
    files = sorted(path.rglob("*"))
    motions = dict.fromkeys(file for file in files if is_motion_file(file))
    others = [file for file in files if file not in motions and file.is_file() and may_hold_other_data(file)]
    if others:
        names = ", ".join(str(file.relative_to(path)) for file in others[:_MAX_LISTED])
        more = f" and {len(others) - _MAX_LISTED} more" if len(others) > _MAX_LISTED else ""
        warnings.warn(f"{path}: skipped files of unknown layout: {names}{more}", stacklevel=2)
    return list(motions)


def explain_no_motions(sources: Sequence[Path]) -> InputError:
    """Make the error for paths without motion files, with advice about the first file that is not read."""
    files = [file for source in sources for file in sorted(source.rglob("*")) if file.is_file()]
    advice = next((f"; {file}: {text}" for file in files if (text := advise(file))), "")
    names = ", ".join(map(str, sources)) or "no inputs"
    return InputError(f"{names}: no motion files ({', '.join(readable_suffixes())}) found{advice}")


def save_motion(path: str | Path, motion: Motion, name: str | None = None, *, overwrite: bool = False) -> None:
    """Write a motion file.

    Args:
        path: File to write. Missing folders are created.
        name: Name of the format, such as "bvh"; by default the first one with the path's suffix.
        overwrite: Whether to replace an existing file.

    Raises:
        SettingError: `overwrite` is false and the file exists, or another process wrote it in the meantime.
        InputError: The motion cannot be written: numbers are not finite, or the frame rate is not valid.
    """
    path = Path(path).expanduser()
    check_numbers(motion)
    refuse_to_replace(path, overwrite)
    kind = format_of(path, name)
    with replacing(path, overwrite=overwrite) as temporary:
        kind.call(kind.writer, temporary, motion)
        if not temporary.is_file():
            raise InputError(f"{path}: {kind.origin or kind.name} wrote no file")
