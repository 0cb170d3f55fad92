"""A motion and its correction in a world with a level floor."""

from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.ground_plane import LEVEL
from selfcorrect.motion.views import TurnedWorld

from .results import CorrectedMotion, NoteKind


def see_level(motion: Motion, correction: CorrectedMotion) -> tuple[Motion, Motion]:
    """Return a motion and its correction in a world in which the floor below each of them is level."""
    if correction.slope != LEVEL:
        return motion, TurnedWorld(correction.slope.to_level).view(correction.motion)
    if not correction.floor.is_tilted:
        return motion, correction.motion
    turned = TurnedWorld(correction.floor.to_level)
    is_level = any(note.kind is NoteKind.LEVELLED for note in correction.notes) and correction.accepted
    return turned.view(motion), correction.motion if is_level else turned.view(correction.motion)


def find_frames_between_t_poses(motion: Motion, correction: CorrectedMotion) -> tuple[int, int]:
    """Return the first frame of a motion after the T-poses that a correction names, and the frame after its last."""
    frames = {note.kind: round(note.value or 0.0) for note in correction.notes}
    return frames.get(NoteKind.T_POSE, 0), len(motion) - frames.get(NoteKind.T_POSE_AT_END, 0)
