"""Feedback on the legs: their targets give way to where the body really is.

A foot that landed beside its place would be dragged, and the root pushed, by a leg that insists on the reference. So a
leg that bears load aims at where its foot stands, through the Jacobian of the two-bone inverse kinematics along the
reference, and its hip turns the pelvis upright over it. A swinging foot is lifted by as much as the body sags, lest it
stub its toes. No force comes from outside here: this is how bodies balance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.rotations import composed, inverted, rotation_vectors
from selfcorrect.simulators.body.frames import Y_UP_TO_Z_UP, to_simulator
from selfcorrect.simulators.body.humanoid import GRAVITY_M_S2, Humanoid
from selfcorrect.simulators.body.leg_ik import Legs, bend_legs
from selfcorrect.simulators.body.vectors import (
    Numbers,
    Vector,
    multiplied,
    rotated_back,
    rotation_error,
    small_rotation,
    turned,
)
from selfcorrect.simulators.engines.world import PerJoint, RootState
from selfcorrect.simulators.planning.contact_plan import ContactPlan
from selfcorrect.simulators.planning.reference import between_frames
from selfcorrect.simulators.settings import PLAN, FeedbackSettings

DIFFERENCE_M = 0.012
STEEPEST_RAD_M = 8.0
"""Step of the finite differences, and bound on the Jacobian near the straight leg, where it is singular."""


def leg_jacobians(body: Humanoid, motions: MotionBatch, plans: ContactPlan) -> np.ndarray:
    """Turns (N, T, 2, 3 joints, 3) of hip, knee and ankle per metre by which the ankle shall move.

    Rotation vectors in the links' frames; the last axis is the ankle's direction in the world, y up. Root and foot keep
    their orientation.
    """
    legs = Legs.of(body.tree)
    joints = np.stack([legs.hips, legs.knees, legs.ankles], axis=-1)
    pose = (body.tree, plans.needs.positions_m, plans.needs.orientations)
    ankles_m = plans.needs.positions_m[:, :, legs.ankles]
    still_m = np.zeros_like(motions.root_m)
    upright = np.broadcast_to([0.0, 0.0, 0.0, 1.0], (*ankles_m.shape[:-1], 4))

    steps_m = DIFFERENCE_M * np.stack([-np.eye(3), np.eye(3)])
    bent = bend_legs(*pose, still_m, ankles_m + steps_m[:, :, None, None, None], upright)[..., joints, :]
    turns = rotation_vectors(composed(inverted(bent[0]), bent[1]))
    jacobians = np.moveaxis(turns, 0, -1) / (2 * DIFFERENCE_M)
    steepest = np.abs(jacobians).max((-3, -2, -1), keepdims=True)
    return jacobians * np.minimum(1.0, STEEPEST_RAD_M / np.maximum(steepest, 1e-9))  # hip and knee bend in concert


class LegFeedback:
    """Moves the leg targets of one motion, step by step, in the simulator's frame; remembers low-passed errors."""

    def __init__(
        self,
        body: Humanoid,
        plan: ContactPlan,
        jacobians: np.ndarray,
        fps: float,
        times_s: np.ndarray,
        settings: FeedbackSettings = PLAN.feedback,
    ) -> None:
        """`plan` and `jacobians` (T, 2, 3, 3, 3) are of one motion; times_s: (S,) of its steps."""
        self._settings = settings
        legs = Legs.of(body.tree)
        self.ankles = legs.ankles.tolist()
        self._joints = (np.stack([legs.hips, legs.knees, legs.ankles], axis=-1) - 1).tolist()
        ankles_m = plan.needs.positions_m[:, legs.ankles]
        load_n = plan.force_n[:, : len(body.soles), 1].reshape(len(ankles_m), 2, -1).sum(-1)
        loaded = np.clip(load_n / (settings.full_load_bodyweights * body.total_mass_kg * GRAVITY_M_S2), 0.0, 1.0)
        self._loaded = between_frames(loaded, fps, times_s).tolist()
        self._ankles_m = between_frames(to_simulator(ankles_m), fps, times_s).tolist()
        self._jacobians = (jacobians @ Y_UP_TO_Z_UP.as_matrix().T).reshape(len(jacobians), 2, 9, 3)
        self._frames = np.round(times_s * fps).astype(int).tolist()
        step_s = float(times_s[1] - times_s[0])
        self._stand_pace, self._turn_pace, self._swing_pace = (
            min(1.0, step_s / lag_s) for lag_s in (settings.stand_lag_s, settings.turn_lag_s, settings.swing_lag_s)
        )
        self._stand_m = [(0.0, 0.0), (0.0, 0.0)]
        self._sagged_m = [0.0, 0.0]
        self._turn_rad = (0.0, 0.0, 0.0)

    def move(
        self, step: int, targets: PerJoint, goal: RootState, root: RootState, ankles_m: Sequence[Numbers]
    ) -> PerJoint:
        """The joint targets of a step with those of the legs moved; ankles_m: where the two ankles are."""
        moved = targets.copy()
        tilt_rad = rotation_error(goal.orientation, root.orientation)
        self._turn_rad = _toward(self._turn_rad, rotated_back(root.orientation, tilt_rad), self._turn_pace)
        for foot, joints in enumerate(self._joints):
            x, y = self._standing(step, foot, ankles_m[foot])
            displaced_m = x, y, self._lift(step, foot, goal, root, tilt_rad)
            if any(displaced_m):
                turns_rad = (self._jacobians[self._frames[step], foot] @ displaced_m).tolist()
                for place, joint in enumerate(joints):
                    moved[joint] = turned(targets[joint], turns_rad[3 * place : 3 * place + 3])
            if loaded := self._loaded[step][foot]:
                moved[joints[0]] = self._upright(moved[joints[0]], loaded)
        return moved

    def _standing(self, step: int, foot: int, ankle_m: Numbers) -> tuple[float, float]:
        """How far the target of one ankle moves over the floor: with the load on it, to where the foot stands."""
        wanted_m, pace = self._ankles_m[step][foot], self._stand_pace
        x, y = self._stand_m[foot]
        x += pace * (ankle_m[0] - wanted_m[0] - x)
        y += pace * (ankle_m[1] - wanted_m[1] - y)
        self._stand_m[foot] = x, y
        loaded = self._loaded[step][foot] * min(1.0, self._settings.limit_m / max(math.hypot(x, y), 1e-9))
        return loaded * x, loaded * y

    def _lift(self, step: int, foot: int, goal: RootState, root: RootState, tilt_rad: Numbers) -> float:
        """How far the target of one ankle is lifted: in swing, by as much as root and tilt put it too low."""
        wanted_m, goal_m = self._ankles_m[step][foot], goal.position_m
        tilted_m = tilt_rad[0] * (wanted_m[1] - goal_m[1]) - tilt_rad[1] * (wanted_m[0] - goal_m[0])
        too_high_m = root.position_m[2] - goal_m[2] - tilted_m
        self._sagged_m[foot] += self._swing_pace * (too_high_m - self._sagged_m[foot])
        return (1.0 - self._loaded[step][foot]) * min(self._settings.limit_m, max(0.0, -self._sagged_m[foot]))

    def _upright(self, hip: Numbers, loaded: float) -> list[float]:
        """The target of a hip that, the thigh being held by the foot, turns the pelvis back by its error."""
        x, y, z = self._turn_rad
        share = -self._settings.uprighting * loaded
        return multiplied(small_rotation(share * x, share * y, share * z), hip)


def _toward(value: Numbers, wanted: Numbers, pace: float) -> Vector:
    """A step of a low-pass filter."""
    return (
        value[0] + pace * (wanted[0] - value[0]),
        value[1] + pace * (wanted[1] - value[1]),
        value[2] + pace * (wanted[2] - value[2]),
    )
