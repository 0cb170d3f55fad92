"""Feet tread on the corners that must carry.

A contact plan may load corners that hover by some millimetres. Rigid soles do not touch there, and the body would roll
over another edge than the one that was planned. So each foot turns about its ankle and moves up or down a little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from selfcorrect.motion.correction.support import Support
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.simulators.body.humanoid import GRAVITY_M_S2, Humanoid
from selfcorrect.simulators.body.leg_ik import Legs, bend_legs
from selfcorrect.simulators.body.soles import frame_speeds
from selfcorrect.simulators.mending import foot_lock
from selfcorrect.simulators.planning.contact_plan import plan_contacts
from selfcorrect.simulators.planning.ground import above_ground_m
from selfcorrect.simulators.settings.plan import PLAN, PlacementSettings, PlanSettings


def place_feet(
    body: Humanoid,
    motions: MotionBatch,
    friction: float,
    supports: Sequence[Sequence[Support]] = (),
    settings: PlanSettings = PLAN,
) -> MotionBatch:
    """Motions on the body's tree whose feet touch the ground where they are to carry."""
    placement = settings.placement
    contacts = replace(settings.contacts, iterations=placement.iterations)
    plan = plan_contacts(body, motions, friction, supports, contacts)
    corners = slice(len(body.soles))
    ground_m = above_ground_m(body, plan.points_m, supports)[:, :, corners, 1]
    ankles_m = plan.needs.positions_m[:, :, Legs.of(body.tree).ankles]
    points_m = _by_foot(plan.points_m[:, :, corners])
    load = _by_foot(plan.force_n[:, :, corners, 1]) / (
        placement.full_load_bodyweights * body.total_mass_kg * GRAVITY_M_S2
    )
    rise_m, turns_rad = foot_moves(_by_foot(ground_m), points_m - ankles_m[..., None, :], load, motions.fps, placement)
    turns = Rotation.from_rotvec(turns_rad.reshape(-1, 3)).as_quat().reshape(*turns_rad.shape[:-1], 4)
    targets_m = ankles_m + rise_m[..., None] * np.array([0.0, 1.0, 0.0])
    targets_m[..., [0, 2]] += held(points_m, load, motions.fps, placement)
    still_m = np.zeros_like(motions.root_m)
    pose = (plan.needs.positions_m, plan.needs.orientations)
    return replace(motions, rotations=bend_legs(body.tree, *pose, still_m, targets_m, turns))


def _by_foot(corners: np.ndarray) -> np.ndarray:
    """Values (N, T, P, ...) of the soles' corners, left foot first, as (N, T, 2, P / 2, ...)."""
    return corners.reshape(*corners.shape[:2], 2, -1, *corners.shape[3:])


def held(
    points_m: np.ndarray, load: np.ndarray, fps: float, settings: PlacementSettings = PLAN.placement
) -> np.ndarray:
    """Horizontal displacements (N, T, 2, 2) with which loaded corners of soles stay where they are.

    points_m: (N, T, 2, K, 3) corners; load: (N, T, 2, K), 1 or more for corners that carry. Feet that no longer carry
    go back to where they were.
    """
    both = np.minimum(np.minimum(load[:, 1:], load[:, :-1]), 1.0)
    total = both.sum(-1)
    moves_m = np.sum(both[..., None] * np.diff(points_m[..., [0, 2]], axis=1), axis=-2)
    velocity_m_s = fps * moves_m / np.maximum(total, 1e-9)[..., None]
    carries = np.zeros(load.shape[:3], dtype=bool)
    carries[:, 1:] |= total > settings.least_load
    carries[:, :-1] |= total > settings.least_load
    still_m = foot_lock.stillness(velocity_m_s, frame_speeds(velocity_m_s), carries, fps)
    still_m *= np.minimum(1.0, settings.hold_limit_m / np.maximum(np.linalg.norm(still_m, axis=-1), 1e-9))[..., None]
    anchors_m = np.stack([still_m[..., 0], np.zeros(carries.shape), still_m[..., 1]], axis=-1)
    return foot_lock.bridge_swings(anchors_m, carries, fps)[..., [0, 2]]


def foot_moves(
    heights_m: np.ndarray,
    arms_m: np.ndarray,
    load: np.ndarray,
    fps: float,
    settings: PlacementSettings = PLAN.placement,
) -> tuple[np.ndarray, np.ndarray]:
    """Rise (N, T, 2) of each ankle and turns (N, T, 2, 3) of each foot, rotation vectors about horizontal axes, world.

    A ridge regression brings loaded corners to height 0; what would then be below that is lifted out again.
    heights_m: (N, T, 2, K) of the corners above the ground; arms_m: (N, T, 2, K, 3) from the ankle; load: (N, T, 2, K),
    1 or more for corners that must touch.
    """
    weights, lever_m = np.minimum(load, 1.0), settings.lever_m
    reluctance = np.diag([settings.rise_reluctance, settings.turn_reluctance, settings.turn_reluctance])
    x, _, z = np.moveaxis(arms_m, -1, 0)
    effect = np.stack([np.ones_like(heights_m), -z / lever_m, x / lever_m], axis=-1)
    weighted = np.swapaxes(effect * weights[..., None], -1, -2)
    moves_m = np.linalg.solve(weighted @ effect + reluctance, -weighted @ heights_m[..., None])[..., 0]
    moves_m = gaussian_filter1d(moves_m, settings.smoothing_s * fps, axis=1)
    turn_m = settings.turn_limit_rad * lever_m
    limits_m = np.array([settings.rise_limit_m, turn_m, turn_m])
    moves_m = np.clip(moves_m, -limits_m, limits_m)
    new_m = heights_m + (effect @ moves_m[..., None])[..., 0]
    deeper_m = np.maximum(np.minimum(heights_m.min(-1), 0.0) - np.minimum(new_m.min(-1), 0.0), 0.0)
    pitch_rad, roll_rad = moves_m[..., 1] / lever_m, moves_m[..., 2] / lever_m
    return moves_m[..., 0] + deeper_m, np.stack([pitch_rad, np.zeros_like(pitch_rad), roll_rad], axis=-1)
