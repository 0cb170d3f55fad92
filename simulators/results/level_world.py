"""A motion and its correction in a world with a level floor."""

from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.ground_plane import LEVEL
from selfcorrect.motion.views import TurnedWorld

from .results import CorrectedMotion


def see_level(motion: Motion, correction: CorrectedMotion) -> tuple[Motion, Motion]:
    """Return a motion and its correction in a world in which the floor below each of them is level."""
    if correction.slope != LEVEL:
        return motion, TurnedWorld(correction.slope.to_level).view(correction.motion)
    if not correction.floor.is_tilted:
        return motion, correction.motion
    turned = TurnedWorld(correction.floor.to_level)
    is_level = correction.is_levelled and correction.accepted
    return turned.view(motion), correction.motion if is_level else turned.view(correction.motion)


def find_frames_between_t_poses(motion: Motion, correction: CorrectedMotion) -> tuple[int, int]:
    """Return the first frame of a motion after its opening T-poses, and the frame after the last before its closing."""
    opening, closing = correction.t_pose_frames
    return opening, len(motion) - closing
