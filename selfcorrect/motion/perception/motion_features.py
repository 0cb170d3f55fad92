"""Features of motions that rules read: positions, soles, heights and the centre of mass."""

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from typing import Self

import numpy as np

from ..body.mass import mass_shares
from ..body.surface import (
    CORNERS_WITH_TOES,
    HEAD_RADIUS_M,
    SURFACE_RADII_M,
    find_sole_middles_m,
    head_point,
    heel_relief_m,
    sole_corners_m,
)
from ..geometry.filters import uniform_filter1d
from ..geometry.rotations import rotate
from ..kinematics import forward_kinematics, in_chunks, joint_positions
from ..motion import SLAB, Motion
from ..skeleton import FootFrames, strip_side
from ..support import Surroundings, gripping, ground_heights_m
from ..views import LevelFeet
from .floor_frame import view_on_known_floor
from .foot_frames import get_foot_frames
from .observation import Observation, observe
from .observed_ground import ObservedGround, observe_ground

HAND_M = 0.19
"""Length of an adult's hand beyond the wrist, in m (Winter 2009, figure 4.1)."""

_FLOOR_ELSEWHERE_M = 0.08
"""Distance of the floor from y = 0 beyond which the whole body is considered to be elsewhere, in m. Heights are then
relative to that floor."""

_AVERAGED_S = 0.1

STEP_SMOOTHING_S = 0.25
"""Smoothing time that removes steps from the path of a body, in s."""
FALLING = 0.5
"""Minimum downward acceleration in flight, on average and in most frames, as a share of g."""
_OF_SURROUNDINGS = ("ground_m", "soles_m", "sole_heights_m", "_beneath_m", "surface_m", "lowest_m", "clear_m")
"""Cached features that depend on what carries the motion."""
_OF_ALL_POINTS = ("positions_m", "body_m", "steps_m", "world_soles_m", "soles_m", "_beneath_m", "surface_m")
"""Cached features that take most of the memory."""


class MotionFeatures:
    """Features of a motion of T frames with J joints, computed when they are needed.

    B of the joints are body joints, which have an anatomical part.
    """

    def __init__(
        self,
        motion: Motion,
        around: Surroundings | None = None,
        ground: ObservedGround | None = None,
        feet: FootFrames | None = None,
    ) -> None:
        """Take a motion.

        Args:
            motion: The motion. On the belt of a treadmill, features are relative to the belt.
            around: What carries the motion besides the floor.
            ground: The ground of the motion; None to observe it.
            feet: Foot frames of the motion; None to take its own, or to estimate them.
        """
        self.given = motion
        if ground is not None:
            self.ground = ground
        if feet is None:
            feet = get_foot_frames(motion) if len(motion) else FootFrames()
        self.feet = feet
        self._level = LevelFeet(feet)
        if motion.ground is not None:
            motion = view_on_known_floor(self._level.view(motion))
            self._level = LevelFeet(FootFrames())
        self.around = around or Surroundings()
        if self.around.belt_m is not None:
            motion = replace(motion, root_m=motion.root_m - self.around.belt_m)
        self._on_floor = motion
        self.root_m = motion.root_m
        first_frames = self._level.view(motion.frames(0, SLAB))
        if len(motion) <= SLAB:
            self.motion = first_frames
        self.skeleton = first_frames.skeleton
        self.fps = motion.fps
        body_joints = [joint for joint, part in enumerate(motion.skeleton.parts) if part]
        self.joints = body_joints or list(range(len(motion.skeleton)))
        self.names = tuple(motion.skeleton.names[joint] for joint in self.joints)

    @classmethod
    def of_joints(cls, motion: Motion, around: Surroundings | None = None) -> Self:
        """Return features with the soles of the rest pose.

        Use it if no soles are read, because estimating them takes time.
        """
        return cls(motion, around, feet=FootFrames())

    def __len__(self) -> int:
        return len(self.given)

    @cached_property
    def ground(self) -> ObservedGround:
        """The ground of the given motion."""
        return observe_ground(self.given)

    @cached_property
    def motion(self) -> Motion:
        """The motion on its floor, with level feet.

        Features of long motions avoid this copy.
        """
        return self._level.view(self._on_floor)

    def frames(self, first: int, last: int) -> Motion:
        """Return frames `first` to `last` (exclusive) of `motion`."""
        if len(self) <= SLAB:
            return self.motion.frames(first, last)
        return self._level.view(self._on_floor.frames(first, last))

    def _measure_by_block(self, measure: Callable[[Motion], np.ndarray]) -> np.ndarray:
        """Measure each frame (T, ...), with at most `SLAB` frames at once."""
        if len(self) <= SLAB:
            return measure(self.motion)
        return in_chunks(lambda frames: measure(self.frames(frames[0], frames[-1] + 1)), np.arange(len(self)))

    def with_surroundings(self, around: Surroundings) -> Self:
        """Return the features with other supports, keeping known poses."""
        if self.has_feet:
            _ = self.world_soles_m  # before the copy, which takes them over
        features = copy(self)
        for name in _OF_SURROUNDINGS:
            vars(features).pop(name, None)
        features.around = around
        return features

    def forget_poses(self) -> None:
        """Drop cached poses of a long motion.

        A rule that needs them later computes them again.
        """
        for name in _OF_ALL_POINTS if len(self) > SLAB else ():
            vars(self).pop(name, None)

    @cached_property
    def positions_m(self) -> np.ndarray:
        """(T, J, 3) world positions of all joints."""
        return self._measure_by_block(joint_positions)

    def find_positions_m(self, first: int, last: int) -> np.ndarray:
        """Return world positions (last − first, J, 3) of all joints in some frames."""
        if len(self) <= SLAB or "positions_m" in vars(self):
            return self.positions_m[first:last]
        return joint_positions(self.frames(first, last))

    def find_places_m(self, joints: Sequence[int]) -> np.ndarray:
        """Return world positions (T, K, 3) of some joints.

        Other joints of long motions are not posed.
        """
        if len(self) <= SLAB or "positions_m" in vars(self):
            return self.positions_m[:, joints]
        return self._measure_by_block(lambda motion: joint_positions(motion, joints))

    def orientations(self, joint: int) -> np.ndarray:
        """Return a joint's world orientations (T, 4).

        Orientations of all joints would take most of the memory.
        """

        def orient(motion: Motion) -> np.ndarray:
            return forward_kinematics(motion.skeleton, motion.root_m, motion.rotations, [joint])[1][:, 0]

        return self._measure_by_block(orient)

    @cached_property
    def body_m(self) -> np.ndarray:
        """(T, B, 3) world positions of the body's joints."""
        return self.find_places_m(self.joints)

    @cached_property
    def steps_m(self) -> np.ndarray:
        """(T − 1, B, 3) displacements of body joints between frames."""
        return np.diff(self.body_m, axis=0)

    def places(self, *parts: str) -> np.ndarray | None:
        """Return the positions (T, P, 3) of parts, or None if one is missing.

        A missing neck is placed between the shoulders.
        """
        joints = [joint for part in parts if (joint := self.skeleton.joint(part)) is not None]
        if len(joints) == len(parts):
            return np.ascontiguousarray(self.find_places_m(joints))
        positions_m = [self._place(part) for part in parts]
        known_m = [position_m for position_m in positions_m if position_m is not None]
        return np.stack(known_m, axis=1) if len(known_m) == len(parts) else None

    def _place(self, part: str) -> np.ndarray | None:
        joint = self.skeleton.joint(part)
        if joint is not None:
            return self.find_places_m([joint])[:, 0]
        if part != "neck":
            return None
        shoulders_m = self.places("left_shoulder", "right_shoulder")
        return None if shoulders_m is None else shoulders_m.mean(axis=1)

    @cached_property
    def has_feet(self) -> bool:
        """True if the skeleton has both ankles, without which soles are unknown."""
        return self.skeleton.pair("ankle") is not None

    @cached_property
    def ground_m(self) -> float:
        """Height of the floor, from which heights are measured.

        On a known ground it is 0, and known surroundings may state it. Otherwise it is 0 unless the feet show a floor
        that is far from 0, or one that is not corrected.
        """
        if self._on_floor.ground is not None:
            return 0.0
        if self.around.ground_m is not None:
            return self.around.ground_m
        near_m = self.ground.near_m
        if near_m is not None and abs(near_m) > _FLOOR_ELSEWHERE_M:
            return near_m
        return self.ground.kept_m or 0.0

    @property
    def observation(self) -> Observation:
        """Observation of the feet of the given motion."""
        return observe(self.given)

    @cached_property
    def world_soles_m(self) -> np.ndarray:
        """(T, P, 3) sole corners in the world."""
        return self._measure_by_block(sole_corners_m)

    @cached_property
    def soles_m(self) -> np.ndarray:
        """(T, P, 3) sole corners above the ground, the left foot first."""
        if self._on_floor.ground is not None:
            return self._on_floor.ground.standing_on(self.world_soles_m)
        ankles = self.skeleton.pair("ankle")
        assert ankles is not None, "sole features need a body with soles"
        beneath_m = self._beneath_m[:, ankles]
        soles_m = self.world_soles_m.copy()
        soles_m[..., 1] -= np.repeat(beneath_m, soles_m.shape[1] // 2, axis=1)
        return soles_m

    @property
    def feet_m(self) -> np.ndarray:
        """(T, 2, K, 3) corners of each sole, ordered as in `soles_m`."""
        return self.soles_m.reshape(len(self), 2, -1, 3)

    @property
    def middle_lines_m(self) -> np.ndarray:
        """(T, 2, K / 2, 3) midline of each sole.

        Its points are heel, ball if the foot has a toe joint, and tip.
        """
        return find_sole_middles_m(self.feet_m)

    @cached_property
    def sole_heights_m(self) -> np.ndarray:
        """(T, 2) height of each sole's lowest point above the ground, the left foot first.

        If the sole depth was estimated from the motion, heels are round, as in corrections that plant them.
        """
        heights_m = self.feet_m[..., 1].copy()
        if self.skeleton.soles_m is not None and heights_m.shape[2] == CORNERS_WITH_TOES:
            heels_m, balls_m, _ = np.moveaxis(self.middle_lines_m, 2, 0)
            heights_m[..., :2] += heel_relief_m(heels_m, balls_m)[..., None]
        return heights_m.min(axis=2)

    @cached_property
    def _beneath_m(self) -> np.ndarray:
        """(T, J) height of the floor or support below each joint.

        A support counts only for the part that it carries.
        """
        ground = self._on_floor.ground
        if not self.around.supports and ground is None:
            return np.broadcast_to(0.0 + self.ground_m, (len(self), len(self.skeleton)))
        relative = tuple(support.shift((0.0, -self.ground_m, 0.0)) for support in self.around.supports)
        beneath_m = self.ground_m + ground_heights_m(self.skeleton, relative, len(self))
        return beneath_m if ground is None else np.maximum(beneath_m, ground.beneath_m(self.positions_m))

    @cached_property
    def surface_m(self) -> tuple[np.ndarray, tuple[str, ...]]:
        """Heights (T, F) of the lowest surface around joints, and the joints' names.

        Heights are above the ground. Feet are left out.
        """
        radii = {joint: SURFACE_RADII_M.get(strip_side(self.skeleton.parts[joint])) for joint in self.joints}
        around = [(joint, radius) for joint, radius in radii.items() if radius is not None]
        joints = [joint for joint, _ in around]
        heights = self.find_places_m(joints)[..., 1] - np.array([radius for _, radius in around])
        names = [self.skeleton.names[joint] for joint in joints]
        if (head := head_point(self.skeleton)) is not None:
            joint, centre_m = head
            top_m = self.find_places_m([joint])[:, 0] + rotate(self.orientations(joint), centre_m)
            heights = np.concatenate([heights, top_m[:, 1:2] - HEAD_RADIUS_M], axis=1)
            names.append(self.skeleton.names[joint])
            joints.append(joint)
        return heights - self._beneath_m[:, joints], tuple(names)

    @property
    def lowest_surface_m(self) -> np.ndarray:
        """(T,) height of the lowest surface without the feet."""
        return self.surface_m[0].min(axis=1, initial=np.inf)

    @cached_property
    def lowest_m(self) -> np.ndarray:
        """(T,) height of the body's lowest point above the ground."""
        return np.minimum(self.lowest_surface_m, self.sole_heights_m.min(axis=1))

    @cached_property
    def clear_m(self) -> np.ndarray:
        """(T,) clearance between the ground and the whole body.

        Hands count in any direction. While a hand grips something, the clearance is 0.
        """
        wrists = [joint for joint in self.joints if self.skeleton.parts[joint].endswith("_wrist")]
        hands_m = self.find_places_m(wrists)[..., 1].min(axis=1, initial=np.inf) - self.ground_m - HAND_M
        return np.where(gripping(self.around.supports, len(self)), 0.0, np.minimum(self.lowest_m, hands_m))

    @cached_property
    def falls_m_s2(self) -> np.ndarray:
        """(T,) downward acceleration of the centre of mass, averaged over a tenth of a second."""
        heights_m = self.centre_m[:, 1]
        up_m_s2 = np.gradient(np.gradient(heights_m, 1 / self.fps), 1 / self.fps)
        return -uniform_filter1d(up_m_s2, max(1, round(_AVERAGED_S * self.fps)), mode="nearest")

    @cached_property
    def centre_m(self) -> np.ndarray:
        """(T, 3) centre of mass of point masses at the joints."""
        return np.einsum("tji,j->ti", self.body_m, self.mass_shares)

    @cached_property
    def mass_shares(self) -> np.ndarray:
        """(B,) share of body mass at each joint."""
        return mass_shares(self.skeleton)[self.joints]
