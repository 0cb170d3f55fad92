"""Infer steps, rungs and seats that a file does not show, from the motion alone.

A part of the body that rests above the floor may rest on something. This is so if the motion demands forces that the
floor and the supports already found cannot provide, and a force on that part explains them. Parts are tested in the
order in which they usually bear people's weight.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain
from typing import ClassVar

import numpy as np

from selfcorrect.core.checks import Positive
from selfcorrect.motion.geometry.floor_speeds import floor_speeds_m_s
from selfcorrect.motion.geometry.vectors import median, norms
from selfcorrect.motion.kinematics import cached_poses
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.perception.rests import REST_LEVEL_M, find_rests
from selfcorrect.motion.skeleton import Skeleton
from selfcorrect.motion.support import MAX_SUPPORT_DISTANCE_M, Support, ground_of_feet_m

from ..body.contact_forces import net_wrench, solve_contact_forces
from ..body.contact_points import above_ground_m, contact_activation, find_carried_points
from ..body.dynamics import compute_demand
from ..body.humanoid import Humanoid, build_humanoid
from ..core.cleaning import CleanupState
from ..core.planting import PlantFeet, plant_feet
from ..core.stance import STEEP, has_boxes
from ..settings.plan import PLAN
from ..settings.tracker import EngineSettings
from ..stages.changes import keep_changes
from ..stages.values import select_motions

_CARRYING_SPEEDS_M_S = (0.6, 1.8)
"""Speeds of captured parts that a support may carry, in m/s: fully up to the first, and not at all above the second."""

_ROUNDS = (
    ("left foot", "right foot"),
    ("left grip", "right grip"),
    ("seat",),
    ("left knee", "right knee"),
    ("left hand", "right hand"),
    ("back",),
)

LIMBS = {
    "seat": (("left_hip", "left_knee"), ("right_hip", "right_knee")),
    "knee": (("knee", "ankle"),),
    "back": (("spine1", "pelvis"), ("spine2", "pelvis"), ("spine3", "pelvis")),
}
"""Limbs, from the first to the second joint, that must not point steeply down while a part rests. A body that stands
neither sits, kneels nor lies."""

_CONTACTS = PLAN.contacts.coarse
"""Settings of the solver for contact forces."""

Poses = tuple[np.ndarray, np.ndarray]
"""World positions (T, J, 3) and orientations (T, J, 4)."""

Explain = Callable[[tuple[Support, ...]], tuple[np.ndarray, np.ndarray]]
"""Function that maps supports to the unexplained force (T,) and the loads of all points (T, C)."""

_SEAT_STEEPNESS = 0.8
"""Maximum steepness of thighs on a seat. On high stools, thighs slope."""
_FRICTION = EngineSettings.friction
"""Friction coefficient of supports and floor, the usual one: what is found must not depend on a simulation."""
_MISSING_BODYWEIGHTS = 0.25
"""Minimum unexplained force that suggests a support, in body weights. Moments are weighted as in plans."""
_MISSING_SEAT_BODYWEIGHTS = 0.1
"""The same for a long rest on a seat. Feet may bear much of the weight, and a body that still needs no other
support."""
_LONG_REST_S = 1.5
"""Minimum duration of a long rest, in s."""
_MIN_MISSING_S = 0.2
"""Minimum total time in which a support seems to be missing, in s."""
_MIN_MISSING_SHARE = 0.5
"""Minimum share of time in which a foot or the seat lacks support. For less, twice the force is needed."""
_MIN_EXPLAINED_SHARE = 0.5
"""Minimum share of the unexplained force that a support must explain."""
_MIN_LOAD_BODYWEIGHTS = 0.2
"""Minimum load on a support, in body weights."""
_MARGIN_M = 0.08
"""Margin of a support around the part on it, in m."""
_SEAT_MARGIN_M = 0.03
"""Margin of a seat, in m. It is small, because sloping thighs must clear the edge."""


@dataclass(frozen=True)
class FindSupports(Positive):
    """Find steps, rungs and seats that explain forces which the floor alone cannot provide.

    The parameters were set by hand on CMU clips: those with stairs, ladders and stools, and all others as negative
    controls.
    """

    hypothesis: ClassVar[str] = "supports"

    lowest_m: float = 0.07
    """Minimum height of a support, in m."""
    plants: bool = False
    """Whether feet are planted on supports, as a simulated body without residual force needs it. Captured feet on
    stairs and rungs are nearer to the capture without."""

    def __call__(self, cleaning: CleanupState) -> CleanupState:
        motions = cleaning.motions
        level = cleaning.before_planting
        boxes_are_known = has_boxes(motions)
        # Usual masses: the supports found must not depend on settings of a simulation.
        body = build_humanoid(motions.skeleton, soles=level.soles).with_up_from(motions.ground)
        positions_m, orientations = cached_poses(motions)
        supports = []
        for index in range(len(motions)):
            motion_supports = _find_supports_of_motion(
                body,
                select_motions(motions, [index]),
                original_poses=(level.positions_m[index], level.orientations[index]),
                poses=(positions_m[index], orientations[index]),
                lowest_m=self.lowest_m,
                under_feet=cleaning.supports[index] if boxes_are_known else None,
            )
            supports.append(motion_supports)
        if boxes_are_known or not any(supports) or not self.plants:
            return replace(cleaning, supports=supports)
        planting = cleaning.find_step(PlantFeet) or PlantFeet()
        frames = motions.root_m.shape[1]
        grounds_m = np.stack([ground_of_feet_m(motion_supports, frames) for motion_supports in supports])
        planted = plant_feet(level, grounds_m, is_soft=planting.is_soft)
        has_supports = np.array([bool(motion_supports) for motion_supports in supports])
        return replace(cleaning, supports=supports, motions=keep_changes(motions, planted, has_supports))


@dataclass(frozen=True, eq=False)
class Rest:
    """A time in which a part is still, so that it may rest on a support."""

    support: Support
    """The support beneath the part, if any."""
    places: np.ndarray
    """(C,) mask of the part's contact points."""
    missing: float
    """Minimum unexplained force that suggests a support, in body weights."""

    @property
    def frames(self) -> slice:
        return slice(self.support.first, self.support.last + 1)


def _find_supports_of_motion(
    body: Humanoid,
    single: MotionBatch,
    original_poses: Poses,
    poses: Poses,
    lowest_m: float,
    under_feet: tuple[Support, ...] | None,
) -> tuple[Support, ...]:
    """Find the supports of one motion, in order of time.

    Args:
        body: Humanoid of the motion's skeleton.
        single: Batch of one motion of T frames.
        original_poses: World poses of the joints before feet were planted.
        poses: World poses of the joints now.
        under_feet: Supports of the feet if they are known. Then only supports of other parts are inferred.
    """
    motion = single[0]
    known_supports = under_feet or ()
    points_m = _contact_points_m(body, poses)
    rests_by_round = _find_rests_by_round(body, motion, poses[0], points_m, lowest_m, skip_feet=under_feet is not None)
    if not any(rests_by_round):
        return known_supports
    is_rest_frame = np.zeros(len(motion), dtype=bool)
    for rest in chain(*rests_by_round):
        is_rest_frame[rest.frames] = True
    linked_motion = body.select_links(single)
    explain = cache(_make_explainer(body, linked_motion, points_m, is_rest_frame))
    supports = known_supports
    for candidates in filter(None, rests_by_round):
        missing, _ = explain(supports)
        needed = [rest for rest in candidates if _misses_support(rest, missing[rest.frames], motion.fps)]
        if not needed:
            continue
        still_missing, loads = explain((*supports, *(rest.support for rest in needed)))
        supports += tuple(rest.support for rest in needed if _bears_load(rest, missing, still_missing, loads))
    original_points_m = _contact_points_m(body, original_poses)
    levelled = []
    for support in supports[len(known_supports) :]:
        part_heights_m = original_points_m[:, find_carried_points(body, support.part), 1]
        levelled.append(_level_support(support, part_heights_m))
    return tuple(sorted((*known_supports, *levelled), key=lambda support: support.first))


def _find_rests_by_round(
    body: Humanoid, motion: Motion, positions_m: np.ndarray, points_m: np.ndarray, lowest_m: float, *, skip_feet: bool
) -> list[list[Rest]]:
    """Find the rests of the parts of each round.

    Args:
        positions_m: (T, J, 3) joints.
        points_m: (T, C, 3) contact points.
    """
    rests_by_round = []
    for parts in _ROUNDS[int(skip_feet) :]:
        rests = []
        for part in parts:
            rests += _find_rests(body, part, motion, positions_m, points_m, lowest_m)
        rests_by_round.append(rests)
    return rests_by_round


def _contact_points_m(body: Humanoid, poses: Poses) -> np.ndarray:
    """Return the body's contact points (T, C, 3)."""
    positions_m, orientations = poses
    return body.contact_points.lowest_points(positions_m[:, body.joints], orientations[:, body.joints])


def _level_support(support: Support, heights_m: np.ndarray) -> Support:
    """Move a support to the median height of its part's lowest contact point.

    Args:
        heights_m: (T, K) of the part's contact points.
    """
    x, _, z = support.top_m
    rest_heights_m = heights_m[support.first : support.last + 1]
    level_m = float(median(rest_heights_m.min(1)))
    return replace(support, top_m=(x, level_m, z))


def _make_explainer(body: Humanoid, motion: MotionBatch, points_m: np.ndarray, is_rest_frame: np.ndarray) -> Explain:
    """Make a function that maps supports to unexplained force and loads.

    Force (T,) and loads (T, C) of all points are in body weights, and 0 outside rest frames (T,).
    """
    demand = compute_demand(body, motion, _CONTACTS.smoothing_s)
    weight_n = body.weight_n
    arms_m = points_m[None] - demand.centre_m[:, :, None]
    weights = np.array([1.0] * 3 + [_CONTACTS.moment_weight] * 3)
    speeds_m_s = floor_speeds_m_s(points_m[None], motion.fps, axis=1)

    def explain(supports: tuple[Support, ...]) -> tuple[np.ndarray, np.ndarray]:
        heights_m = above_ground_m(body, points_m[None], [supports])[..., 1]
        activation = contact_activation(heights_m, speeds_m_s, _CARRYING_SPEEDS_M_S, _CONTACTS)
        wrench = demand.wrench[:, is_rest_frame]
        arms = arms_m[:, is_rest_frame]
        force_n = solve_contact_forces(wrench, arms, activation[:, is_rest_frame], _FRICTION, _CONTACTS)
        residual = (wrench - net_wrench(arms, force_n))[0]
        missing = np.zeros(len(is_rest_frame))
        missing[is_rest_frame] = norms(residual * weights) / weight_n
        loads = np.zeros(activation.shape[1:])
        loads[is_rest_frame] = force_n[0, ..., 1] / weight_n
        return missing, loads

    return explain


def _misses_support(rest: Rest, missing: np.ndarray, fps: float) -> bool:
    """Return whether a rest lacks a support, given unexplained forces (T,)."""
    lacking = missing > rest.missing
    if lacking.sum() < round(_MIN_MISSING_S * fps):
        return False
    is_foot_or_seat = rest.support.part.endswith(("foot", "seat"))
    is_often_lacking = is_foot_or_seat and lacking.mean() > _MIN_MISSING_SHARE
    return bool(is_often_lacking or missing[lacking].mean() > 2 * rest.missing)


def _bears_load(rest: Rest, missing: np.ndarray, still_missing: np.ndarray, loads: np.ndarray) -> bool:
    """Return whether a support explains the forces that a rest lacks, and bears weight.

    Args:
        missing: (T,) unexplained force without the support.
        still_missing: (T,) unexplained force with the support.
        loads: (T, C) loads of all contact points.
    """
    lacking = missing[rest.frames] > rest.missing
    force_without = missing[rest.frames][lacking]
    force_with = still_missing[rest.frames][lacking]
    load = (loads @ rest.places)[rest.frames][lacking]
    explains = median(force_with) < _MIN_EXPLAINED_SHARE * median(force_without)
    return bool(explains and load.mean() > _MIN_LOAD_BODYWEIGHTS)


def _find_rests(
    body: Humanoid, part: str, motion: Motion, positions_m: np.ndarray, points_m: np.ndarray, lowest_m: float
) -> list[Rest]:
    """Find the times in which something may carry a body part.

    The part is still, and its pose allows it.

    Args:
        body: Humanoid of the motion's skeleton.
        part: Name of the part, such as "left foot".
        motion: One motion of T frames.
        positions_m: (T, J, 3) joints.
        points_m: (T, C, 3) contact points of the body.
    """
    places = find_carried_points(body, part)
    if not places.any():
        return []
    part_points_m = points_m[:, places]
    may_rest = part_points_m[..., 1].min(1) > lowest_m
    if not may_rest.any():
        return []
    steepest = _SEAT_STEEPNESS if part == "seat" else STEEP
    may_rest &= _can_rest(part, motion.skeleton, positions_m, part_points_m, steepest)
    rests = []
    for start, stop in find_rests(part_points_m, may_rest, motion.fps, is_foot=part.endswith("foot")):
        rest_points_m = part_points_m[start:stop]
        if part.endswith("grip") and not _is_steady_grip(rest_points_m[:, 0]):
            continue
        is_long_seat = part == "seat" and stop - start >= _LONG_REST_S * motion.fps
        missing = _MISSING_SEAT_BODYWEIGHTS if is_long_seat else _MISSING_BODYWEIGHTS
        rests.append(Rest(_make_support(part, rest_points_m, start), places, missing))
    return rests


def _can_rest(
    part: str, skeleton: Skeleton, positions_m: np.ndarray, part_points_m: np.ndarray, steepest: float
) -> np.ndarray:
    """Return the frames (T,) in which the pose lets something carry a part.

    Args:
        positions_m: (T, J, 3) joints.
        part_points_m: (T, K, 3) contact points of the part.
        steepest: Maximum share of its length by which a limb may point down.
    """
    side, _, name = part.rpartition(" ")
    if name in ("hand", "grip"):
        elbow = skeleton.parts.index(f"{side}_elbow")
        presses = positions_m[:, elbow, 1] > part_points_m[..., 1].min(1)
        return presses if name == "hand" else ~presses
    is_steep = np.zeros(len(positions_m), dtype=bool)
    for ends in LIMBS.get(name, ()):
        joints = [skeleton.joint(f"{side}_{end}" if side else end) for end in ends]
        if None not in joints:
            limb_m = positions_m[:, joints[1]] - positions_m[:, joints[0]]
            is_steep |= -limb_m[:, 1] > steepest * norms(limb_m)
    return ~is_steep


def _is_steady_grip(points_m: np.ndarray) -> bool:
    """Return whether a hand (T, 3) grips something that does not swing."""
    distances_m = norms(points_m - median(points_m, axis=0))
    return bool((distances_m < MAX_SUPPORT_DISTANCE_M).all())


def _make_support(part: str, points_m: np.ndarray, first: int) -> Support:
    """Make the support under the points (T, K, 3) of a part.

    Only points near the support's height count.
    """
    top_m = float(median(points_m[..., 1].min(1)))
    touching_m = points_m[points_m[..., 1] < top_m + REST_LEVEL_M]
    margin_m = _SEAT_MARGIN_M if part == "seat" else _MARGIN_M
    low_m = touching_m.min(0) - margin_m
    high_m = touching_m.max(0) + margin_m
    x, _, z = ((low_m + high_m) / 2).tolist()
    width_m, _, depth_m = (high_m - low_m).tolist()
    last = first + len(points_m) - 1
    return Support(part, (x, top_m, z), (width_m, depth_m), first, last)
