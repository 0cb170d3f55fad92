"""Setting up a scene: its settings, its body, the motion as it enters and as it leaves, the push.

The floor stays at y = 0 while a scene is simulated: a slope is gravity that pulls at a slant, and the motion is put on
the hill in the end.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.core.errors import InputError
from selfcorrect.motion.correction.results import CorrectedMotion
from selfcorrect.motion.geometry.kinematics import forward_kinematics
from selfcorrect.motion.geometry.rotations import compose
from selfcorrect.motion.geometry.views import ScaledBody, TurnedWorld
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.support import Support

from ..body.curves import smoothstep
from ..body.humanoid import GRAVITY_M_S2, Humanoid
from ..body.leg_ik import Legs
from ..body.soft_legs import SoftLegSettings, solve_soft_legs
from ..settings.tracker import TrackerSettings
from .scene import Scene

HANDS = ("elbow", "shoulder")
"""Parts that may carry a hand; the furthest out that the body has does."""


_SOFTER = 0.4
"""Natural frequencies of the root's linear springs in a scene, as shares of those without. Stiffer ones hold a body
that is pushed, or that jumps, where it was without the scene. With softer ones bodies fall over."""

_YIELDING = SoftLegSettings(pelvis=0.002, fastest_rad_s=50.0, rougher=50.0)
"""On a slope the pelvis sinks, and knees turn as fast as they must, until both legs reach.

Where a rear leg is too short, a foot that swings lands early: the body stumbles and leans further with each step.
"""

_SWINGING_M = 0.15
"""Ankles that are so much higher than in stance may be elsewhere."""

_FURTHER = 2.0
"""How many times as far as on Earth a body may be from its motion, at most, where less gravity lets it fly higher."""


def adapt_settings(scene: Scene, settings: TrackerSettings) -> TrackerSettings:
    """Settings with the scene's friction, and with a softer drive, so that help does not undo what the scene does."""
    if scene.is_plain:
        return settings
    drive, engine = settings.drive, settings.engine
    softer = replace(
        drive, horizontal_rad_s=_SOFTER * drive.horizontal_rad_s, vertical_rad_s=_SOFTER * drive.vertical_rad_s
    )
    friction = engine.friction if scene.friction is None else scene.friction
    bounds, further = settings.acceptance, min(max(GRAVITY_M_S2 / scene.gravity_m_s2, 1.0), _FURTHER)
    wider = replace(bounds, lost_root_m=further * bounds.lost_root_m, lost_body_m=further * bounds.lost_body_m)
    return replace(settings, drive=softer, engine=replace(engine, friction=friction), acceptance=wider)


def adapt_body(scene: Scene, body: Humanoid) -> Humanoid:
    """A body as it is in the scene."""
    if scene.is_plain:
        return body
    x, y, z = (scene.gravity_m_s2 * _slope_to_upright(scene).apply([0.0, -1.0, 0.0])).tolist()
    heavier = replace(
        body, mass_kg=scene.mass * body.mass_kg, inertia_kgm2=scene.mass * body.inertia_kgm2, gravity_m_s2=(x, y, z)
    )
    return _add_load(heavier, scene.load_kg) if scene.load_kg else heavier


def enter_scene(scene: Scene, motions: MotionBatch) -> MotionBatch:
    """Return motions as large as the scene's body is, leaning as its slope demands.

    The floor is at y = 0, and stays so: see `place_on_slope`.
    """
    scaled = motions if scene.size == 1 else ScaledBody(scene.size).view(motions)
    return lean_bodies(scene, scaled)


def leave_scene(scene: Scene, correction: CorrectedMotion) -> CorrectedMotion:
    """Return the correction of a motion from `enter_scene` in the motion's own size."""
    if scene.size == 1:
        return correction
    supports = tuple(_scale_support(support, scene.size) for support in correction.supports)
    return replace(correction, motion=ScaledBody(scene.size).restore(correction.motion), supports=supports)


def _scale_support(support: Support, size: float) -> Support:
    x, y, z = (along_m / size for along_m in support.top_m)
    width_m, depth_m = (along_m / size for along_m in support.size_m)
    return replace(support, top_m=(x, y, z), size_m=(width_m, depth_m))


def place_on_slope(scene: Scene, correction: CorrectedMotion) -> CorrectedMotion:
    """A correction on the hill, where there are no supports; one that failed is what was given."""
    if scene.is_plain or not correction.accepted:
        return correction
    return replace(correction, motion=TurnedWorld(_slope_to_upright(scene)).restore(correction.motion))


def push_n(scene: Scene, times_s: np.ndarray) -> np.ndarray:
    """The push (S, 3) at times (S,), in the floor's frame."""
    on = (times_s >= scene.push_from_s) & (times_s < scene.push_from_s + scene.push_lasts_s)
    return on[:, None] * _slope_to_upright(scene).apply(scene.push_n)


def _slope_to_upright(scene: Scene) -> Rotation:
    """Turns the floor's normal to where up is, in the floor's frame."""
    heading_rad = np.deg2rad(scene.uphill_deg)
    level_axis = np.array([np.cos(heading_rad), 0.0, -np.sin(heading_rad)])
    return Rotation.from_rotvec(np.deg2rad(scene.slope_deg) * level_axis)


def lean_bodies(scene: Scene, motions: MotionBatch) -> MotionBatch:
    """Bodies turned about the floor below their roots, feet left where and as they are; pelvises sink for that."""
    if not scene.slope_deg:
        return motions
    skeleton, turn = motions.skeleton, _slope_to_upright(scene)
    positions_m, orientations = forward_kinematics(skeleton, motions.root_m, motions.rotations)
    below_m = (motions.root_m * (1.0, 0.0, 1.0))[:, :, None]
    turned_m = below_m + (positions_m - below_m) @ turn.as_matrix().T
    turned = compose(np.broadcast_to(turn.as_quat(), orientations.shape), orientations)
    ankles_m = positions_m[:, :, Legs.from_skeleton(skeleton).ankles]
    feet_back = np.broadcast_to(turn.inv().as_quat(), (*ankles_m.shape[:-1], 4))
    lifted_m = ankles_m[..., 1] - ankles_m[..., 1].min(axis=1, keepdims=True)
    firm = smoothstep(1 - lifted_m / _SWINGING_M)
    rises_m, rotations = solve_soft_legs(skeleton, turned_m, turned, ankles_m, feet_back, firm, motions.fps, _YIELDING)
    return replace(motions, root_m=turned_m[:, :, 0] + rises_m[..., None] * (0.0, 1.0, 0.0), rotations=rotations)


def _link_with_hand(body: Humanoid, side: str) -> int:
    """The link that a hand is frozen onto."""
    links = [link for part in HANDS if (link := body.tree.joint(f"{side}_{part}")) is not None]
    if not links:
        raise InputError(f"a scene's load_kg needs a {side} arm, which the skeleton lacks")
    return links[0]


def _add_load(body: Humanoid, load_kg: float) -> Humanoid:
    """A body that holds a load: half of it, as a point, at the far end of what carries each hand."""
    mass, centre, inertia = body.mass_kg.copy(), body.centre_m.copy(), body.inertia_kgm2.copy()
    for side in ("left", "right"):
        link = _link_with_hand(body, side)
        ends_m = np.array([end_m for capsule in body.capsules if capsule.link == link for end_m in capsule.ends_m])
        hand_m = ends_m[np.linalg.norm(ends_m, axis=1).argmax()]
        old_kg, half_kg, away_m = mass[link], 0.5 * load_kg, hand_m - centre[link]
        mass[link] = old_kg + half_kg
        inertia[link] += old_kg * half_kg / mass[link] * (away_m @ away_m - away_m**2)  # off-diagonals dropped
        centre[link] += half_kg / mass[link] * away_m
    return replace(body, mass_kg=mass, centre_m=centre, inertia_kgm2=inertia, load_kg=load_kg)
