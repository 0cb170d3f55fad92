"""Read each animation of a file by itself, so that one that cannot be corrected does not stop the others."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from selfcorrect.core.errors import InputError
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.views import Y_UP

from ..motion_file import MotionFile, Writes
from ..skeletons.reading import Reading
from ..skeletons.units import check_units_agree
from ..skeletons.vertical import Upright, turn_upright
from .bvh import write_motion
from .bvh_body import extract_body
from .rig import Rig, RiggedMotion, Tracks, make_rigged_clip, make_unique
from .stretching import check_bones, hold_shaking_bones, measure_leg_stretch_m


@dataclass(frozen=True, eq=False)
class Animation:
    """An animation of a rig, and the motion of the body in the rig."""

    clip: RiggedMotion
    body: Upright
    refusal: str
    """Reason why the motion cannot be corrected; "" if it can be."""

    @property
    def motion(self) -> Motion:
        """The motion of the body."""
        return self.body.motion


def read_animation(
    rig: Rig, motion: Motion, tracks: Tracks, reading: Reading, metres_per_unit: float | None
) -> Animation:
    """Read an animation, and find its body.

    Args:
        motion: Motion of the rig in the file's unit.
        tracks: Animated channels in the file.
        reading: Facts that the file does not state.
        metres_per_unit: Length of the file's unit. None stands for metres, unless the size of the body shows another
            unit.
    """
    clip = make_rigged_clip(rig, motion, tracks, metres_per_unit)
    try:
        clip = hold_shaking_bones(replace(clip, notes=(*clip.notes, *check_bones(clip))))
        body = turn_upright(extract_body(clip), reading.up, Y_UP)
        check_units_agree(body.motion, clip.metres_per_unit, reading)
        return Animation(clip, body, refusal="")
    except InputError as error:
        return Animation(clip, turn_upright(extract_body(clip), "y!", Y_UP), refusal=str(error))


def write_new_file(
    path: Path, animations: Sequence[Animation], changed: Sequence[Motion | None], write: Writes
) -> None:
    """Write changed animations to a file that keeps nothing else of the original.

    Args:
        path: File to write. A single motion can also be written as .bvh.
        animations: The animations of the original.
        changed: Motion for each animation, or None to leave it unchanged.
        write: Writes motions in the original's format.
    """
    pairs = zip(changed, animations, strict=True)
    motions = [animation.motion if motion is None else motion for motion, animation in pairs]
    if path.suffix.lower() == ".bvh" and len(motions) == 1:
        write_motion(path, motions[0])
    else:
        write(path, *motions)


def collect_animations(animations: Sequence[Animation], write: Writes, notes: Sequence[str] = ()) -> MotionFile:
    """Collect animations into a motion file.

    Args:
        animations: The animations, at least one.
        write: Writes the file with other motions.
        notes: Notes on assumptions made in reading.

    Returns:
        The file. Its motions are named if there are several.

    Raises:
        InputError: No animation can be corrected.
    """
    refusals = [animation.refusal for animation in animations]
    if all(refusals):
        raise InputError(refusals[0])
    all_notes = [*notes]
    for animation in animations:
        all_notes += [*animation.clip.notes, *animation.body.notes]
    labels = [animation.motion.label or f"animation {index}" for index, animation in enumerate(animations)]
    return MotionFile(
        tuple(animation.motion for animation in animations),
        tuple(dict.fromkeys(all_notes)),
        write,
        flaw=next((animation.body.flaw for animation in animations if animation.body.flaw), ""),
        names=make_unique(labels) if len(animations) > 1 else (),
        refusals=tuple(refusals) if any(refusals) else (),
        up=animations[0].body.up,
        rests=tuple(animation.clip.rest_positions for animation in animations),
        leg_stretch_m=max(measure_leg_stretch_m(animation.clip) for animation in animations),
    )
