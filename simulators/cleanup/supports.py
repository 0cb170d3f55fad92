"""Where something carries a body that the file does not show: steps, rungs, seats, inferred from the motion alone.

A part of the body that is still above the floor may rest on something. It does where the motion demands forces that the
floor and all that carries already cannot give, and a force on that part explains them. Parts are asked in the order in
which people put their weight on them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain

import numpy as np

from selfcorrect.core.checks import Positive
from selfcorrect.motion.correction.timeline import spans
from selfcorrect.motion.geometry.kinematics import cached_poses
from selfcorrect.motion.geometry.vectors import norms
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.skeleton import Skeleton
from selfcorrect.motion.support import Support, ground_of_feet_m

from ..body.humanoid import Humanoid, build_humanoid
from ..contacts.contact_plan import (
    above_ground_m,
    contact_activation,
    find_carried_points,
    net_wrench,
    solve_contact_forces,
)
from ..contacts.dynamics import demand
from ..settings.plan import PLAN
from .cleaning import CleanupState
from .planting import PlantFeet
from .stance import has_boxes

ROUNDS = (
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
"""Limbs, from the first to the second joint, that do not point steeply downwards while their part rests: who stands
neither sits, kneels nor lies."""

_CONTACTS = PLAN.contacts.coarse
"""How forces are found."""

Poses = tuple[np.ndarray, np.ndarray]
"""World positions (T, J, 3) and orientations (T, J, 4) of the joints of a motion."""

Explain = Callable[[tuple[Support, ...]], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class FindSupports(Positive):
    """Finds steps, rungs and seats: what explains the forces that the floor alone leaves unexplained.

    Set by hand on CMU clips: on those of stairs, ladders and stools, and on the others, where nothing may be found.
    """

    lowest_m: float = 0.07
    """A support is at least this high."""
    same_height_m: float = 0.03
    """What it carries keeps its height that closely."""
    foot_m_s: float = 0.5
    """A foot is no faster than this while something carries it."""
    still_m_s: float = 0.3
    """Another part is no faster than this while something carries it."""
    shortest_foot_s: float = 0.3
    """For how long a foot is carried at least."""
    shortest_s: float = 0.7
    """For how long another part is carried at least."""
    longest_gap_s: float = 0.07
    """For how long either may move meanwhile."""
    swings_m: float = 0.08
    """A hand that grips a hold stays this close to it."""
    steep: float = 0.6
    """Limbs do not point downwards by more than this share of their length while their part rests."""
    steep_on_seat: float = 0.8
    """Nor do thighs while their seat rests: on high stools they slope."""
    friction: float = 0.5
    """Of supports and floor."""
    free_speed_m_s: float = 0.6
    """A part carries freely up to this speed: captured parts on a support slip more than planned ones."""
    fastest_m_s: float = 1.8
    """A part carries nothing above this speed."""
    missing: float = 0.25
    """Share of the body's weight, moments weighed as in plans, from which on a support seems to be missing."""
    missing_seat: float = 0.1
    """The same where the seat rests for long: feet may bear much of the weight, and who is that still misses nothing
    else."""
    long_s: float = 1.5
    """For how long it then rests at least."""
    fewest_s: float = 0.2
    """A support is there if it is missing for so long."""
    often: float = 0.5
    """It must be missing in this share of the time under a foot or the seat, or else twice as badly."""
    explained: float = 0.5
    """It must explain this share of what is missing."""
    least_load: float = 0.2
    """It must carry this share of the weight."""
    margin_m: float = 0.08
    """By this much a support is wider than what rests on it."""
    margin_of_seat_m: float = 0.03
    """By this much a seat is wider than what rests on it: sloping thighs must clear its edge."""

    def __call__(self, cleaning: CleanupState) -> CleanupState:
        motions, level, boxes = cleaning.motions, cleaning.before_planting, has_boxes(cleaning.motions)
        # Of usual mass: what is there depends on no setting of a simulation.
        body = build_humanoid(motions.skeleton, soles=level.soles).with_up_from(motions.ground)
        given, poses = zip(level.positions_m, level.orientations, strict=True), zip(*cached_poses(motions), strict=True)
        known = cleaning.supports if boxes else [None] * len(motions)
        each = enumerate(zip(given, poses, known, strict=True))
        supports = [
            _find_supports_of_motion(body, motions[index], own, now, self, feet) for index, (own, now, feet) in each
        ]
        if boxes or not any(supports):
            return replace(cleaning, supports=supports)
        planting, frames = cleaning.find_step(PlantFeet) or PlantFeet(), motions.root_m.shape[1]
        grounds_m = np.stack([ground_of_feet_m(own, frames) for own in supports])
        return replace(cleaning, supports=supports, motions=planting.plant_on(level, grounds_m))


@dataclass(frozen=True, eq=False)
class Rest:
    """A time in which a part of the body, some of its touching places (C,), is still: on a support, if that carries."""

    support: Support
    places: np.ndarray
    missing: float
    """Share of the body's weight from which on the support seems to be missing."""

    @property
    def frames(self) -> slice:
        return slice(self.support.first, self.support.last + 1)


def _find_supports_of_motion(
    body: Humanoid,
    motion: Motion,
    given: Poses,
    poses: Poses,
    settings: FindSupports,
    under_feet: tuple[Support, ...] | None,
) -> tuple[Support, ...]:
    """The supports of a motion in the order of time, from the world poses of its joints in the file and now.

    under_feet: what carries its feet where that is known, so that only what carries other parts is inferred.
    """
    (positions_m, _), points_m = poses, _contact_points_m(body, poses)
    speeds_m_s = norms(np.gradient(points_m, 1 / motion.fps, axis=0))
    rests = [
        [
            rest
            for part in parts
            for rest in _find_rests(body, part, motion, positions_m, points_m, speeds_m_s, settings)
        ]
        for parts in ROUNDS[under_feet is not None :]
    ]
    known = under_feet or ()
    if not any(rests):
        return known
    asked = np.zeros(len(motion), dtype=bool)
    for rest in chain(*rests):
        asked[rest.frames] = True
    explain = cache(_make_explainer(body, body.select_links(MotionBatch.stack([motion])), points_m, asked, settings))
    supports = known
    for candidates in filter(None, rests):
        missing, _ = explain(supports)
        if needed := [rest for rest in candidates if _misses_support(rest, missing[rest.frames], motion.fps, settings)]:
            left, loads = explain((*supports, *(rest.support for rest in needed)))
            supports += tuple(rest.support for rest in needed if _bears_load(rest, missing, left, loads, settings))
    given_m, inferred = _contact_points_m(body, given), supports[len(known) :]
    levelled = (_level_support(support, given_m[:, find_carried_points(body, support.part), 1]) for support in inferred)
    return tuple(sorted((*known, *levelled), key=lambda support: support.first))


def _contact_points_m(body: Humanoid, poses: Poses) -> np.ndarray:
    """(T, C, 3) the body's touching places in poses of the joints."""
    positions_m, orientations = poses
    return body.contact_points.lowest_points(positions_m[:, body.joints], orientations[:, body.joints])


def _level_support(support: Support, heights_m: np.ndarray) -> Support:
    """The support where the motion has it whose heights (T, K) of the part it carries are given."""
    x, _, z = support.top_m
    level_m = float(np.median(heights_m[support.first : support.last + 1].min(1)))
    return replace(support, top_m=(x, level_m, z))


def _make_explainer(
    body: Humanoid, motion: MotionBatch, points_m: np.ndarray, asked: np.ndarray, settings: FindSupports
) -> Explain:
    """A function of supports that gives what is missing with them (T,), and the loads of all places (T, C).

    Both in body weights, and 0 in frames that are not `asked` for (T,).
    """
    needs, weight_n = demand(body, motion, _CONTACTS.smoothing_s), body.weight_n
    arms_m = points_m[None] - needs.centre_m[:, :, None]
    weights = np.array([1.0] * 3 + [_CONTACTS.moment_weight] * 3)

    speeds_m_s = settings.free_speed_m_s, settings.fastest_m_s

    def explain(supports: tuple[Support, ...]) -> tuple[np.ndarray, np.ndarray]:
        above_m = above_ground_m(body, points_m[None], [supports])
        activation = contact_activation(above_m, motion.fps, speeds_m_s, _CONTACTS)
        wrench, arms = needs.wrench[:, asked], arms_m[:, asked]
        force_n = solve_contact_forces(wrench, arms, activation[:, asked], settings.friction, _CONTACTS)
        missing, loads = np.zeros(len(asked)), np.zeros(activation.shape[1:])
        missing[asked] = norms((wrench - net_wrench(arms, force_n))[0] * weights) / weight_n
        loads[asked] = force_n[0, ..., 1] / weight_n
        return missing, loads

    return explain


def _misses_support(rest: Rest, missing: np.ndarray, fps: float, settings: FindSupports) -> bool:
    """Whether a support seems to be missing in the frames of a rest; `missing` (T,) is what is missing there."""
    lacking = missing > rest.missing
    if lacking.sum() < round(settings.fewest_s * fps):
        return False
    often = rest.support.part.endswith(("foot", "seat")) and lacking.mean() > settings.often
    return bool(often or missing[lacking].mean() > 2 * rest.missing)


def _bears_load(rest: Rest, missing: np.ndarray, left: np.ndarray, loads: np.ndarray, settings: FindSupports) -> bool:
    """Whether a rest explains what is missing in its time, and bears weight then."""
    lacking = missing[rest.frames] > rest.missing
    without, within, load = (values[rest.frames][lacking] for values in (missing, left, loads @ rest.places))
    return bool(np.median(within) < settings.explained * np.median(without) and load.mean() > settings.least_load)


def _find_rests(
    body: Humanoid,
    part: str,
    motion: Motion,
    positions_m: np.ndarray,
    points_m: np.ndarray,
    speeds_m_s: np.ndarray,
    settings: FindSupports,
) -> list[Rest]:
    """When a part of the body is still at a height, and so posed that it may rest there.

    positions_m: (T, J, 3) of the motion's joints; points_m: (T, C, 3) of the body's touching places; speeds_m_s: (T, C)
    of these.
    """
    places = find_carried_points(body, part)
    if not places.any():
        return []
    fps, own_m, foot = motion.fps, points_m[:, places], part.endswith("foot")
    height_m = own_m[..., 1].min(1)
    lowest = own_m[..., 1].argmin(1)[:, None]
    still = np.take_along_axis(speeds_m_s[:, places], lowest, 1)[:, 0] < (
        settings.foot_m_s if foot else settings.still_m_s
    )
    rests = still & (height_m > settings.lowest_m)
    shortest = round((settings.shortest_foot_s if foot else settings.shortest_s) * fps)
    if not rests.any():
        return []
    steepest = settings.steep_on_seat if part == "seat" else settings.steep
    rests &= _can_rest(part, motion.skeleton, positions_m, own_m, steepest)
    runs = (
        run
        for first, last in spans(rests, round(settings.longest_gap_s * fps))
        for run in _find_level_runs(height_m, first, last + 1, shortest, settings.same_height_m)
        if not part.endswith("grip") or _is_steady_grip(own_m[slice(*run), 0], settings.swings_m)
    )
    return [_make_rest(part, places, own_m[start:stop], start, fps, settings) for start, stop in runs]


def _make_rest(
    part: str, places: np.ndarray, points_m: np.ndarray, first: int, fps: float, settings: FindSupports
) -> Rest:
    """The rest of a part whose places (C,) have points (T, K, 3) from a first frame on."""
    long_seat = part == "seat" and len(points_m) >= settings.long_s * fps
    missing = settings.missing_seat if long_seat else settings.missing
    return Rest(_make_support(part, points_m, first, settings), places, missing)


def _can_rest(part: str, skeleton: Skeleton, positions_m: np.ndarray, own_m: np.ndarray, steepest: float) -> np.ndarray:
    """(T,) whether the pose, joints at (T, J, 3), lets a part with touching points (T, K, 3) rest on something."""
    side, _, name = part.rpartition(" ")
    if name in ("hand", "grip"):
        presses = positions_m[:, skeleton.parts.index(f"{side}_elbow"), 1] > own_m[..., 1].min(1)
        return presses if name == "hand" else ~presses
    steep = np.zeros(len(positions_m), dtype=bool)
    for ends in LIMBS.get(name, ()):
        joints = [skeleton.joint(f"{side}_{end}" if side else end) for end in ends]
        if None not in joints:
            limb_m = positions_m[:, joints[1]] - positions_m[:, joints[0]]
            steep |= -limb_m[:, 1] > steepest * norms(limb_m)
    return ~steep


def _is_steady_grip(points_m: np.ndarray, closest_m: float) -> bool:
    """Whether a hand at (T, 3) holds on to something that does not swing."""
    return bool((np.linalg.norm(points_m - np.median(points_m, axis=0), axis=1) < closest_m).all())


def _find_level_runs(
    height_m: np.ndarray, start: int, stop: int, shortest: int, same_m: float
) -> Iterator[tuple[int, int]]:
    """Starts and stops of runs of frames, from `start` to `stop`, in which a height (T,) keeps near one value."""
    if stop - start < shortest:
        return
    lower = (stop - start - 1) // 2
    middle_m = np.partition(height_m[start:stop], lower)[lower]  # the lower of two medians
    level = np.abs(height_m[start:stop] - middle_m) < same_m
    first, last = max(spans(level), key=lambda span: span[1] - span[0])
    first, last = start + first, start + last + 1
    if last - first >= shortest:
        yield first, last
    if (first, last) != (start, stop):
        yield from _find_level_runs(height_m, start, first, shortest, same_m)
        yield from _find_level_runs(height_m, last, stop, shortest, same_m)


def _make_support(part: str, points_m: np.ndarray, first: int, settings: FindSupports) -> Support:
    """The support under the points (T, K, 3) of a part that are near its height."""
    top_m = float(np.median(points_m[..., 1].min(1)))
    touching_m = points_m[points_m[..., 1] < top_m + settings.same_height_m]
    margin_m = settings.margin_of_seat_m if part == "seat" else settings.margin_m
    low_m, high_m = touching_m.min(0) - margin_m, touching_m.max(0) + margin_m
    (x, _, z), (width_m, _, depth_m) = ((low_m + high_m) / 2).tolist(), (high_m - low_m).tolist()
    return Support(part, (x, top_m, z), (width_m, depth_m), first, first + len(points_m) - 1)
