"""The views of every motion, outermost first.

Each view in `VIEWS` hides something that the clean-up should not have to know: the special cases of
`hypotheses.table`, the place of the floor, cuts, and the order of joints. `see_from_ride` perceives the world of the
motion once, and later views read it.
"""

from dataclasses import replace
from functools import partial

from selfcorrect.core.errors import SettingError
from selfcorrect.motion.editing.loops import match_loop_ends
from selfcorrect.motion.perception.foot_frames import get_foot_frames
from selfcorrect.motion.perception.observed_ground import observe_ground
from selfcorrect.motion.views import JointOrder, LevelFeet

from .choose import choose_on_floor, keep_failures
from .core.curve_faults import see_repaired_curves
from .core.drift import StabilizeFloor
from .core.levelling import FitSoles, LevelFloor
from .core.pieces import is_one_piece, split_into_pieces
from .core.settings import CleanupChoices, ViewSettings
from .hypotheses.segments import skip_t_poses, split_into_takes
from .hypotheses.splices import JoinSplices
from .hypotheses.table import ViewPart, list_views, list_views_besides
from .results.results import CorrectedMotion
from .results.view import CorrectionView, Part
from .results.way_back import map_skeleton
from .stages.staging import place_on_slope
from .world import MotionOnFloor, see_from_ride


def _see_on_level_scene(part: Part, settings: ViewSettings) -> CorrectionView:
    """Hide the slope of the scene.

    The correction is put onto the slope in the end.
    """
    if not settings.scene.is_plain and part.motion.ground:
        raise SettingError("a scene has its own floor; leave out the ground")
    return CorrectionView.from_part(part, partial(place_on_slope, settings.scene))


def _see_on_floor(part: Part, settings: ViewSettings) -> CorrectionView:
    """Hide that the floor is tilted, and where a known ground is.

    On the way back, the floor is decided, and the best correction is chosen.
    """
    view = MotionOnFloor(part.motion, part.world)
    moves_feet = not settings.postprocess or _should_change_path(settings.cleanup)
    choose = partial(choose_on_floor, view, moves_feet=moves_feet)
    return CorrectionView.from_part(view.part, view.restore, choose)


def _should_change_path(settings: CleanupChoices) -> bool:
    """Return whether feet are moved on request.

    Takes are to be joined, or the root's drift is to be removed.
    """
    join_splices = settings.find_step(JoinSplices)
    stabilize_floor = settings.find_step(StabilizeFloor)
    return (join_splices is not None and join_splices.join_takes) or (
        stabilize_floor is not None and stabilize_floor.remove
    )


def _keep_failed_stretches(part: Part, settings: ViewSettings) -> CorrectionView:
    """Hide nothing, but keep a failed stretch if that saves most of a motion."""
    return CorrectionView.from_part(part, improve=partial(keep_failures, part))


def _keep_failed_pieces(part: Part, settings: ViewSettings) -> CorrectionView:
    """Hide nothing, but keep failed stretches of a motion in pieces.

    A stretch is kept if most of a piece cannot be corrected.
    """
    return CorrectionView.from_part(part) if is_one_piece(part.motion) else _keep_failed_stretches(part, settings)


def _see_with_level_feet(part: Part, settings: ViewSettings) -> CorrectionView:
    """Hide how a rig's foot frames are tilted, if soles are fitted.

    Soles are as deep as feet show them, and do not depend on the height of an unknown floor.
    """
    cleanup = settings.cleanup
    motion = part.motion
    if cleanup.find_step(FitSoles) is None:
        return CorrectionView.from_part(part)
    is_floor_known = motion.ground is not None or cleanup.find_step(LevelFloor) is None
    view = LevelFeet(get_foot_frames(motion) if is_floor_known else observe_ground(motion).feet)

    def restore(correction: CorrectedMotion) -> CorrectedMotion:
        restored = map_skeleton(correction, motion, view)
        if not (cleanup.close_loops and restored.accepted):
            return restored
        return replace(restored, motion=match_loop_ends(restored.motion, motion))

    seen = replace(view.view(motion), feet=view.feet)
    return CorrectionView.from_part(replace(part, motion=seen), restore)


def _see_in_anatomical_order(part: Part, settings: ViewSettings) -> CorrectionView:
    """Hide the order of joints in the file."""
    motion = part.motion
    order = JointOrder.canonical(motion.skeleton)
    seen = replace(part, motion=order.view(motion))
    return CorrectionView.from_part(seen, partial(map_skeleton, motion=motion, change=order))


SAMPLE_VIEWS: tuple[ViewPart, ...] = (_see_on_level_scene, see_repaired_curves, _see_in_anatomical_order)
"""Views of a model's samples."""

_BEFORE_REPAIRS = ("unrelated-poses", "repeated-frames", "exchanged-legs")
"""Hypotheses that see the curves of the file, in order."""
_BEFORE_WORLD = ("held-channels", "carried", "lost-path")
"""Hypotheses that see repaired curves, in order. Further hypotheses follow."""

VIEWS: tuple[ViewPart, ...] = (
    _see_on_level_scene,
    *list_views(_BEFORE_REPAIRS),
    see_repaired_curves,
    *list_views(_BEFORE_WORLD),
    *list_views_besides((*_BEFORE_REPAIRS, *_BEFORE_WORLD)),
    see_from_ride,
    _see_on_floor,
    _keep_failed_pieces,
    split_into_pieces,
    skip_t_poses,
    _see_with_level_feet,
    _keep_failed_stretches,
    split_into_takes,
    _see_in_anatomical_order,
)
"""Views of motions in files, passed in reverse on the way back."""
