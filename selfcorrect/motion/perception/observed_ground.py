"""The ground below a motion, as feet and posture show it.

If a person described the ground (`Ground`), feet are observed above it, so all heights here are relative to it.
"""

from copy import copy
from dataclasses import replace
from functools import cached_property, partial
from typing import Self

import numpy as np

from ...runtime.object_cache import remember_by_object
from ..body.surface import SURFACE_RADII_M, sole_corners_m
from ..geometry.runs import find_runs
from ..geometry.vectors import median, norms, percentile
from ..kinematics import forward_kinematics, in_chunks, joint_positions
from ..motion import Motion
from ..skeleton import FootFrames, Skeleton, strip_side
from ..views import LevelFeet
from .foot_frames import estimate_feet_by_depth, measure_gap_m
from .ground_plane import GroundPlane, estimate_ground_plane
from .observation import Observation, observe
from .stances import SAME_LEVEL_M

_HANGS_S = 0.3
"""Minimum time for which a body hangs by its hands, in s."""
_HOLDS_M_S = 0.2
"""Maximum speed of a hand that holds on to something, in m/s."""
_OFTEN_STANDS_M = 0.3
"""Bonus for the level on which a motion always stands, in m: such a level may be this much further from y = 0 than
others and still be put there."""
STAIR_STEP_M = 0.12
"""Minimum height of a step, in m. Levels that differ by more, or are higher above y = 0, may be steps above a floor
that the motion does not show."""
_MOST = 0.5
"""Minimum share of a motion in which a foot stands on the lowest level, so that it is the floor and no step."""
_FAR_BELOW_M = 0.2
"""Minimum depth of a step below y = 0, in m."""
_MIN_STANCES = 0.5
"""Minimum total weight of stances that show a floor."""
_HARDLY_STANDS = 0.1
"""Minimum total weight of stances. With less, feet only show that the floor is not higher than where they pass. The
smallest weight in 215 captures and poses is 0.11."""

_LIES_BELOW_M = 0.05
"""Minimum depth of a body below its feet, in m, if it lies or sits on its floor."""
_ARMS = ("elbow", "wrist")
_LIES_PERCENTILE = 25.0
"""Percentile of the lowest points' heights that is used, so the body lies in at least this percentage of frames."""

_HANGING_RAD = np.deg2rad(35.0)
"""Minimum angle by which hanging feet point down beyond the rest pose, in rad, in almost all frames in which they seem
to stand."""
_DANGLING_RAD = np.deg2rad(5.0)
"""Minimum downward angle of dangling feet in almost all frames, in rad. In half of the frames, they point down as much
as hanging feet."""
_DANGLES_M = 0.015
"""Minimum height range of dangling toes while they seem to stand, in m. On tiptoe, toes keep their height."""
_BENT = 0.95
"""Maximum extension of the leg above dangling feet in most frames: the distance from hip to ankle relative to leg
length."""


class ObservedGround:
    """Ground below a motion, computed when it is asked for.

    `feet_seen` has the levels on which feet stand. The heights here answer what follows from them; they are None if the
    motion does not show it:

    | height | question |
    | --- | --- |
    | `floor_to_zero_m` | Which height should a correction move to y = 0? |
    | `find_height_below_m` | How high is the ground below the modelled soles of the clean-up? |
    | `near_m` | Which level that feet show is nearest to y = 0? |
    | `kept_m` | Which height should stay, because unknown bone lengths may explain it? |
    | `lying_m` | How high is the floor below a body that lies, sits or kneels? |
    """

    def __init__(self, motion: Motion, feet_seen: Observation) -> None:
        self._motion = motion
        self.feet_seen = feet_seen
        """Observation of the feet and their levels."""

    def on_plane(self, plane: GroundPlane) -> Self:
        """Return the same ground on a known plane."""
        ground = copy(self)
        vars(ground)["plane"] = plane
        return ground

    @cached_property
    def plane(self) -> GroundPlane:
        """Plane on which the feet stand, level if nothing shows a tilt."""
        return estimate_ground_plane(self._motion, self.feet_seen)

    @cached_property
    def lying_m(self) -> float | None:
        """Height on which the body lies, sits or kneels for a long time, or None.

        The body is then below its feet, which stand on their heels or rest on each other, with toes off the floor.
        """
        motion = self._motion
        seen = self.feet_seen
        if not seen.has_feet or motion.ground is not None or not seen.is_floor_plausible or self.hanging_m is not None:
            return None
        lowest_m = in_chunks(partial(_find_lowest_point_m, motion.skeleton), motion.root_m, motion.rotations)
        height_m = float(percentile(lowest_m, _LIES_PERCENTILE))
        return height_m if height_m < seen.levels_m[0] - _LIES_BELOW_M else None

    @cached_property
    def hanging_m(self) -> float | None:
        """Height of the lowest joint of a body that hangs below all levels on which it stands, or None.

        A hand above the neck holds on to something for a while. Then the levels are ledges above a floor that the
        motion does not show.
        """
        motion = self._motion
        seen = self.feet_seen
        joints = [motion.skeleton.joint(part) for part in ("neck", "left_wrist", "right_wrist")]
        if not seen.has_feet or motion.ground is not None or None in joints or len(motion) < 2:
            return None
        below = seen.feet_m[..., 1].reshape(len(motion), -1).min(axis=1) < seen.levels_m[0] - STAIR_STEP_M
        if not below.any():
            return None
        places_m = joint_positions(motion, [joint for joint in joints if joint is not None])
        speeds_m_s = norms(np.gradient(places_m[:, 1:], 1 / motion.fps, axis=0))
        holds = (speeds_m_s < _HOLDS_M_S) & (places_m[:, 1:, 1] > places_m[:, :1, 1])
        runs = find_runs(below & holds.any(axis=1), max(round(_HANGS_S * motion.fps), 1))
        if not runs:
            return None
        return min(float(joint_positions(motion.frames(start, stop))[..., 1].min()) for start, stop in runs)

    @property
    def is_shown(self) -> bool:
        """True if the feet show their floor.

        It is false if the body lies or hangs below its feet, if feet hang in the air, and if they hardly stand on
        ground far above zero.
        """
        is_stood_on = self.feet_seen.is_floor_plausible and self.lying_m is None and not self.has_hanging_feet
        return is_stood_on and self.hanging_m is None

    @property
    def _stance_weight(self) -> float:
        return sum(stance.weight for stance in self.feet_seen.stances)

    @property
    def is_stood_on(self) -> bool:
        """True if a foot ever stands.

        If a flight never lands, feet only pass.
        """
        return self._stance_weight >= _HARDLY_STANDS

    @cached_property
    def _estimated_feet(self) -> tuple[FootFrames, float]:
        """Estimated foot frames and mean sole depth.

        They come from flat stances. If feet never stand flat, they are those of the rest pose.
        """
        return estimate_feet_by_depth(self._motion, self.feet_seen)

    @property
    def _shows_pitch(self) -> bool:
        """True if joints show how soles are pitched: there are toe joints, and feet ever stand flat."""
        return self.feet_seen.feet_m.shape[2] > 1 and self._estimated_feet[0] != FootFrames()

    @cached_property
    def feet(self) -> FootFrames:
        """Foot frames, with the height of the floor that feet stand on.

        Raising the motion raises that floor and changes nothing else. If the motion has foot frames of its own, only
        the floor, and the sole depths if it has some, are estimated.
        """
        motion = self._motion
        estimated, depth_m = self._estimated_feet
        floor_m = self.feet_seen.floor_m + self.feet_seen.sole_depth_m - depth_m if self.is_shown else estimated.floor_m
        if motion.feet is None:
            return replace(estimated, floor_m=floor_m)
        return replace(motion.feet, soles_m=motion.feet.soles_m and estimated.soles_m, floor_m=floor_m)

    @property
    def near_m(self) -> float | None:
        """Level nearest to y = 0, or None if no foot stands long enough.

        Feet that hang in the air show no level either. A body that sinks for a while stands on two levels.
        """
        if self._stance_weight < _MIN_STANCES or self.has_hanging_feet or self.hanging_m is not None:
            return None
        levels_m = np.append(self.feet_seen.levels_m[1:], self.feet_seen.floor_m)
        return float(levels_m[np.abs(levels_m).argmin()])

    @property
    def kept_m(self) -> float | None:
        """Height of a floor that is not corrected, or None.

        Unknown bone lengths may explain its distance from 0: the person's own feet stand at y = 0, and those of a body
        with other bones but the same root path do not.
        """
        motion = self._motion
        if not motion.keeps_height or motion.ground is not None or not len(motion):
            return None
        levels_m = self.feet_seen.levels_m
        floor_m = float(levels_m[np.abs(levels_m).argmin()])
        return floor_m if abs(floor_m) <= motion.height_error_m else None

    def find_height_below_m(self, soles_m: np.ndarray, *, lowest: bool) -> float | None:
        """Find the height of the ground below modelled soles.

        The soles may be above or below the ground that the joints of the feet show. If they are below, although joints
        show how they are pitched, the ground is midway, because real soles give way and modelled ones are rigid.

        Args:
            soles_m: (T, 2, C, 3) corners of the soles.
            lowest: Whether to take the lowest of several levels instead of the usual one.

        Returns:
            The height, or None if the ground is far above y = 0 and feet hardly stand on it.
        """
        if self.hanging_m is not None:
            return min(self.hanging_m, 0.0)
        if not self.is_shown:
            return self.lying_m
        floor_m = float(self.feet_seen.levels_m[0]) if lowest else self.feet_seen.floor_m
        gap_m = measure_gap_m(self._motion, self.feet_seen, soles_m)
        return floor_m + (gap_m / 2 if gap_m < 0 and self._shows_pitch else gap_m)

    @cached_property
    def floor_to_zero_m(self) -> float | None:
        """Height that a correction should move to y = 0, or None if unknown.

        It is the height of the floor, or of the nearest of several levels. The further a level is from y = 0, the more
        of the motion must stand on it. If no level is at y = 0 and most of the motion stands on the lowest one, that is
        the floor. A body on any step of a staircase is left there. So is a body that climbs far from all levels,
        because the file may not show what leads there, and a body whose feet hardly show a floor. A body whose feet
        never stand is not lowered.
        """
        if not self.is_shown:
            return self.lying_m
        levels_m = self.feet_seen.levels_m
        is_on_level = np.abs(self.feet_seen.ground_m[..., None] - levels_m) < SAME_LEVEL_M / 2
        share = (is_on_level & self.feet_seen.stands[..., None]).any(axis=1).mean(axis=0)
        nearest_m = float(levels_m[np.argmin(np.abs(levels_m) - _OFTEN_STANDS_M * share)])
        if share[0] >= _MOST and np.abs(levels_m).min() > SAME_LEVEL_M:
            nearest_m = float(levels_m[0])
        elif not -_FAR_BELOW_M <= nearest_m <= STAIR_STEP_M:
            if np.ptp(levels_m) > STAIR_STEP_M:
                return None
            nearest_m = float(levels_m[0])
        floor_m = nearest_m if self._shows_pitch else nearest_m + self._measure_gap_m(nearest_m)
        return floor_m if self.is_stood_on else min(floor_m, 0.0)

    def _measure_gap_m(self, floor_m: float) -> float:
        """Measure the gap between modelled soles and the ground that joints show.

        The floor is moved to zero first.
        """
        level = LevelFeet(self.feet)
        motion = self._motion
        base_m = np.array([0.0, floor_m, 0.0])

        def find_corners_m(root_m: np.ndarray, rotations: np.ndarray) -> np.ndarray:
            seen = replace(motion, root_m=root_m - base_m, rotations=rotations)
            return sole_corners_m(level.view(seen)) + base_m

        corners_m = in_chunks(find_corners_m, motion.root_m, motion.rotations)
        return measure_gap_m(motion, self.feet_seen, corners_m.reshape(len(motion), 2, -1, 3))

    @cached_property
    def has_hanging_feet(self) -> bool:
        """True if feet hang instead of standing.

        They seem to stand but point down steeply below bent legs, as in bodies that fall.
        """
        return _has_hanging_feet(self._motion, self.feet_seen.stands)


def _pitch_rad(bones_m: np.ndarray) -> np.ndarray:
    """Return the angle by which bones (..., 3) point down."""
    return np.arcsin(np.clip(-bones_m[..., 1] / norms(bones_m), -1.0, 1.0))


def _find_lowest_point_m(skeleton: Skeleton, root_m: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    """Return the height (T,) of the lowest point of trunk and legs.

    Feet are left out, and so are arms, which reach below a body that rolls.
    """
    parts = [strip_side(part) for part in skeleton.parts]
    joints = [joint for joint, part in enumerate(parts) if part in SURFACE_RADII_M and part not in _ARMS]
    radii_m = [SURFACE_RADII_M[parts[joint]] for joint in joints]
    positions_m, _ = forward_kinematics(skeleton, root_m, rotations, joints)
    return (positions_m[..., 1] - radii_m).min(axis=1)


@remember_by_object
def observe_ground(motion: Motion) -> ObservedGround:
    """Observe the ground of a motion. The result is computed once per motion."""
    return ObservedGround(copy(motion), observe(motion))  # a copy, so that the cache can free the motion


def _has_hanging_feet(motion: Motion, stands: np.ndarray) -> bool:
    """Return whether feet hang that seem to stand in frames (T, 2).

    See `ObservedGround.has_hanging_feet`.
    """
    skeleton = motion.skeleton
    pairs = [pair for part in ("hip", "knee", "ankle", "foot") if (pair := skeleton.pair(part)) is not None]
    if len(pairs) < 4 or not stands.any():
        return False
    joints = np.array(pairs)
    hips_m, knees_m, ankles_m, toes_m = np.moveaxis(
        joint_positions(motion, joints.ravel().tolist()).reshape(-1, 4, 2, 3), 1, 0
    )
    rest_m = skeleton.rest_positions_m[joints]
    pitches_rad = _pitch_rad(toes_m - ankles_m) - np.maximum(_pitch_rad(rest_m[3] - rest_m[2]), 0.0)
    seen_rad = pitches_rad[stands]
    is_pitched = percentile(seen_rad, 10) > _HANGING_RAD
    if not is_pitched and percentile(seen_rad, 10) > _DANGLING_RAD and median(seen_rad) > _HANGING_RAD:
        lowest_m = toes_m[..., 1].min(axis=1)[stands.any(axis=1)]
        is_pitched = percentile(lowest_m, 90) - percentile(lowest_m, 10) > _DANGLES_M
    if not is_pitched:
        return False
    reaches = norms(ankles_m - hips_m) / (norms(knees_m - hips_m) + norms(ankles_m - knees_m))
    return bool(median(reaches[stands]) < _BENT)
