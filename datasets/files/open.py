"""The one door to motion files: whatever their format, axes, unit, rest pose and height, motions come out alike."""

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from selfcorrect.core.errors import InputError
from selfcorrect.motion.body.requirements import find_flaw
from selfcorrect.motion.checks.motion_features import MotionFeatures
from selfcorrect.motion.ground import Ground
from selfcorrect.motion.measures.contacts import floor_height_m
from selfcorrect.motion.motion import Motion, check_numbers
from selfcorrect.storage.files.writing import refuse_to_replace, replacing

from .formats import format_of, holds_anything, is_motion_file, reader_of, writer_of
from .motion_file import MotionFile, Writes, refuse_placeholder
from .skeletons.reading import Reading
from .skeletons.rig_profile import read_profile

_LISTED = 20
"""Files that a warning names, at most."""


def open_motion(path: str | Path, reading: Reading | None = None, *, any_body: bool = False) -> MotionFile:
    """Read a motion file: y up, metres, on skeletons that rest upright, soles where the file has the floor at y = 0.

    reading: what the file does not say; any_body: also what no corrector could work on, such as bodies without
    knees, with the reason as `flaw`. Raises InputError in one sentence where the file is damaged, and, without
    `any_body`, where it holds no human body.
    """
    path = Path(path).expanduser()
    reading = reading or Reading()
    refuse_placeholder(path)
    file = _on_ground(_on_floor(_on_rig(reader_of(path)(path, reading), reading), reading), reading)
    flaws = [find_flaw(motion) for motion in file.motions]
    flaw = next(filter(None, flaws), file.flaw)
    is_useless = bool(flaw) and (not file.names or all(flaws))  # several motions are judged one by one
    if is_useless and not any_body:
        raise InputError(flaw)
    for motion in file.motions:
        check_numbers(motion)
    written = _Written(path, reading, file.write)
    return replace(file, notes=(*file.notes, *_unused(file, reading)), flaw=flaw, write=written)


@dataclass(frozen=True)
class _Written:
    """Writes as a file's reader does; a copy in another process opens the file again to know how."""

    path: Path
    reading: Reading
    write: Writes | None

    def __call__(self, *arguments: Any) -> None:
        write = self.write or open_motion(self.path, self.reading, any_body=True).write
        write(*arguments)

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "write": None}


def _on_rig(file: MotionFile, reading: Reading) -> MotionFile:
    """The file with the feet of the profile that the reading names, where that knows its rig."""
    if reading.profile is None:
        return file
    motions = tuple(map(read_profile(reading.profile).on_rig, file.motions))
    known = any(motion.feet is not None for motion in motions)
    note = f"feet {'as' if known else 'not'} in {reading.profile.name} (--profile)"
    return replace(file, motions=motions, notes=(*file.notes, note))


def _on_floor(file: MotionFile, reading: Reading) -> MotionFile:
    """The file with its floor at y = 0, as far as the reading says where that is, or that feet show it."""
    if reading.floor is None and not reading.drop:
        return file
    floors_m = [_floor_m(motion) if reading.floor is None else reading.floor for motion in file.motions]
    each = zip(file.motions, floors_m, strict=True)
    motions = tuple(replace(motion, root_m=motion.root_m - [0.0, floor_m, 0.0]) for motion, floor_m in each)
    option = "--drop" if reading.drop else "--floor"
    told = dict.fromkeys(f"lowered by {floor_m:.2f} m ({option})" for floor_m in floors_m)
    return replace(file, motions=motions, notes=(*file.notes, *told))


def _on_ground(file: MotionFile, reading: Reading) -> MotionFile:
    """The file with motions on the ground that the reading names."""
    if reading.ground is None:
        return file
    ground = Ground.load(reading.ground)
    note = f"on {reading.ground.name} (--ground)"
    return replace(
        file, motions=tuple(replace(motion, ground=ground) for motion in file.motions), notes=(*file.notes, note)
    )


def _floor_m(motion: Motion) -> float:
    """The height of the floor that feet show; 0 where there are none."""
    features = MotionFeatures(motion)
    return floor_height_m(features.motion) if len(motion) and features.has_feet else 0.0


def _unused(file: MotionFile, reading: Reading) -> tuple[str, ...]:
    """A note where a file says a frame rate that the reading says otherwise."""
    rates = {motion.fps for motion in file.motions} - {reading.fps}
    if reading.fps is None or not rates:
        return ()
    return (f"the file says {min(rates):g} frames per second, and --fps is for files that do not say",)


def motion_files(path: Path) -> list[Path]:
    """A file itself, or all motion files in and below a folder.

    A warning names files there that have the suffix of motions and hold something else, such as a model.
    """
    if path.is_file():
        return [path]
    files = sorted(path.rglob("*"))
    found = dict.fromkeys(filter(is_motion_file, files))
    others = [file for file in files if file not in found and file.is_file() and holds_anything(file)]
    if others:
        names = ", ".join(str(file.relative_to(path)) for file in others[:_LISTED])
        more = f" and {len(others) - _LISTED} more" if len(others) > _LISTED else ""
        warnings.warn(f"{path}: of no known layout, and left out: {names}{more}", stacklevel=2)
    return list(found)


def save_motion(path: str | Path, motion: Motion, name: str | None = None, *, overwrite: bool = False) -> None:
    """Write a motion file.

    Args:
        path: the file; folders on the way are made.
        motion: what is written.
        name: the format, such as "bvh"; by default the first with the path's suffix.
        overwrite: replace a file that is there already.

    Raises:
        SettingError: the file exists, or was written by somebody else meanwhile, and `overwrite` is false.
        InputError: the file could not be read again: its numbers are not finite, or its frame rate is none.
    """
    path = Path(path).expanduser()
    check_numbers(motion)
    refuse_to_replace(path, overwrite)
    write = writer_of(format_of(path, name))
    with replacing(path, overwrite=overwrite) as temporary:
        write(temporary, motion)
