"""Feedback on the legs: their targets give way to where the body really is.

A foot that landed beside its place would be dragged, and the root pushed, by a leg that insists on the reference. So a
leg that bears load aims at where its foot stands, through the Jacobian of the two-bone inverse kinematics along the
reference, and its hip turns the pelvis upright over it. A swinging foot is lifted by as much as the body sags, lest it
stub its toes. No force comes from outside here: this is how bodies balance.
"""

from __future__ import annotations

import numpy as np

from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.rotations import composed, inverted, rotation_vectors
from selfcorrect.simulators.body.humanoid import Humanoid
from selfcorrect.simulators.body.leg_ik import Legs, bend_legs
from selfcorrect.simulators.body.vectors import product, rotated_back, rotation_error, small_rotation
from selfcorrect.simulators.engines.world import RootState
from selfcorrect.simulators.planning.contact_plan import ContactPlan
from selfcorrect.simulators.settings.plan import PLAN, FeedbackSettings
from selfcorrect.simulators.tracking.script import Script

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
    """Moves the leg targets of N bodies, step by step, in the simulator's frame; remembers low-passed errors."""

    def __init__(self, legs: Legs, script: Script, step_s: float, settings: FeedbackSettings = PLAN.feedback) -> None:
        """legs: those of the bodies' tree; step_s: time between steps."""
        self._script, self._settings = script, settings
        self._joints = np.stack([legs.hips, legs.knees, legs.ankles], axis=-1) - 1
        self._stand_pace, self._turn_pace, self._swing_pace = (
            min(1.0, step_s / lag_s) for lag_s in (settings.stand_lag_s, settings.turn_lag_s, settings.swing_lag_s)
        )
        count = script.loaded.shape[1]
        self._stand_m, self._sagged_m, self._turn_rad = (
            np.zeros((count, 2, 2)),
            np.zeros((count, 2)),
            np.zeros((count, 3)),
        )

    def move(self, step: int, frame: int, goal: RootState, root: RootState, ankles_m: np.ndarray) -> np.ndarray:
        """The joint targets (n, J, 4) of a step with those of the legs moved.

        frame: the frame nearest to the step; goal, root: of the first n bodies, as ankles_m (n, 2, 3), where their
        ankles are.
        """
        bodies = slice(len(ankles_m))
        targets, loaded = self._script.targets[step, bodies].copy(), self._script.loaded[step, bodies]
        tilt_rad = rotation_error(goal.orientation, root.orientation)
        turn_rad = self._turn_rad[bodies]
        turn_rad += self._turn_pace * (rotated_back(root.orientation, tilt_rad) - turn_rad)
        wanted_m = self._script.ankles_m[step, bodies]
        displaced_m = np.empty_like(ankles_m)
        displaced_m[..., :2] = self._standing(loaded, ankles_m[..., :2] - wanted_m[..., :2])
        displaced_m[..., 2] = self._lift(loaded, wanted_m, goal.position_m, root.position_m, tilt_rad)
        turns_rad = (self._script.jacobians[frame, bodies] @ displaced_m[..., None]).reshape(-1, 2, 3, 3)
        moved = product(targets[:, self._joints], small_rotation(turns_rad))
        upright_rad = (-self._settings.uprighting * loaded)[..., None] * turn_rad[:, None]
        moved[:, :, 0] = product(small_rotation(upright_rad), moved[:, :, 0])
        targets[:, self._joints] = moved
        return targets

    def _standing(self, loaded: np.ndarray, off_m: np.ndarray) -> np.ndarray:
        """How far (n, 2, 2) targets of ankles move over the floor: with the load on them, to where the feet stand."""
        stand_m = self._stand_m[: len(off_m)]
        stand_m += self._stand_pace * (off_m - stand_m)
        far_m = np.hypot(stand_m[..., 0], stand_m[..., 1])
        return (loaded * np.minimum(1.0, self._settings.limit_m / np.maximum(far_m, 1e-9)))[..., None] * stand_m

    def _lift(
        self, loaded: np.ndarray, wanted_m: np.ndarray, goal_m: np.ndarray, root_m: np.ndarray, tilt_rad: np.ndarray
    ) -> np.ndarray:
        """How far (n, 2) targets of ankles are lifted: in swing, by as much as root and tilt put them too low."""
        ahead_m = wanted_m - goal_m[:, None]
        tilted_m = tilt_rad[:, :1] * ahead_m[..., 1] - tilt_rad[:, 1:2] * ahead_m[..., 0]
        too_high_m = (root_m[:, 2] - goal_m[:, 2])[:, None] - tilted_m
        sagged_m = self._sagged_m[: len(wanted_m)]
        sagged_m += self._swing_pace * (too_high_m - sagged_m)
        return (1.0 - loaded) * np.minimum(self._settings.limit_m, np.maximum(0.0, -sagged_m))
