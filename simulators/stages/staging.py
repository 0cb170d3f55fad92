"""Set up a scene: settings, body, push, and leaning motions.

The floor stays at y = 0 during the simulation: on a slope, gravity pulls at an angle, and the corrected motion is
placed on the hill at the end.
"""

from dataclasses import replace

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.motion.geometry.curves import smoothstep
from selfcorrect.motion.geometry.rotations import compose, invert, rotate, to_matrices
from selfcorrect.motion.geometry.vectors import ALONG_FLOOR, GRAVITY_M_S2, UP
from selfcorrect.motion.ground import Ground
from selfcorrect.motion.kinematics import forward_kinematics
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.perception.ground_plane import LEVEL, GroundPlane
from selfcorrect.motion.views import TurnedWorld

from ..body.humanoid import Humanoid
from ..body.leg_ik import Legs
from ..body.soft_legs import SoftLegSettings, solve_soft_legs
from ..results.results import CorrectedMotion
from ..results.way_back import map_space
from ..settings.tracker import TrackerSettings
from .scene import Scene

HANDS = ("elbow", "shoulder")
"""Parts that can carry a hand, outermost first."""

_DRIVE_SOFTENING = 0.4
"""Factor on the frequency of the root's springs in a scene. Stiffer springs would hold a body that is pushed or jumps
where it is without the scene, and with softer springs bodies fall over."""

_SLOPE_LEGS = SoftLegSettings(pelvis=0.002, max_speed_gain_rad_s=50.0, max_jerk_ratio=50.0)
"""Weights of legs on a slope. The pelvis sinks, and knees bend as fast as needed, until both legs reach the ground. If
a rear leg were too short, its swinging foot would land early; the body would stumble and lean further with each
step."""

_SWING_HEIGHT_M = 0.15
"""Ankle height above stance from which on a foot may leave its position, in m."""

_MAX_LOW_GRAVITY_FACTOR = 2.0
"""Maximum factor on acceptance limits, which grow because bodies fly higher if there is less gravity."""


def adapt_settings(scene: Scene, settings: TrackerSettings) -> TrackerSettings:
    """Adapt friction and drive to a scene.

    The drive is softened so that it does not undo the scene's effects.
    """
    if scene.is_plain:
        return settings
    drive = replace(
        settings.drive,
        horizontal_rad_s=_DRIVE_SOFTENING * settings.drive.horizontal_rad_s,
        vertical_rad_s=_DRIVE_SOFTENING * settings.drive.vertical_rad_s,
    )
    engine = settings.engine
    if scene.friction is not None:
        engine = replace(engine, friction=scene.friction)
    distance_factor = min(max(GRAVITY_M_S2 / scene.gravity_m_s2, 1.0), _MAX_LOW_GRAVITY_FACTOR)
    acceptance = replace(
        settings.acceptance,
        lost_root_m=distance_factor * settings.acceptance.lost_root_m,
        lost_body_m=distance_factor * settings.acceptance.lost_body_m,
    )
    return replace(settings, drive=drive, engine=engine, acceptance=acceptance)


def adapt_body(scene: Scene, body: Humanoid) -> Humanoid:
    """Adapt a body to the mass, gravity and load of a scene."""
    if scene.is_plain:
        return body
    x, y, z = (scene.gravity_m_s2 * rotate(_slope_to_upright(scene), np.array([0.0, -1.0, 0.0]))).tolist()
    scaled = replace(
        body, mass_kg=scene.mass * body.mass_kg, inertia_kgm2=scene.mass * body.inertia_kgm2, gravity_m_s2=(x, y, z)
    )
    return _add_load(scaled, scene.load_kg) if scene.load_kg else scaled


def place_on_slope(scene: Scene, correction: CorrectedMotion) -> CorrectedMotion:
    """Place a correction, with its supports, on the scene's slope.

    A rejected correction is left unchanged.
    """
    if scene.is_plain or not correction.accepted:
        return correction
    to_upright = _slope_to_upright(scene)
    x, y, z = rotate(invert(to_upright), UP).tolist()
    slope = GroundPlane((x, y, z), stances=0) if scene.slope_deg else LEVEL
    placed = map_space(correction, (0.0, 0.0, 0.0), TurnedWorld(to_upright))
    return replace(placed, floor=replace(placed.floor, slope=slope))


def compute_push_n(scene: Scene, times_s: np.ndarray) -> np.ndarray:
    """Return the push (S, 3) at times (S,), in the floor's frame."""
    is_pushed = (times_s >= scene.push_from_s) & (times_s < scene.push_from_s + scene.push_lasts_s)
    return is_pushed[:, None] * rotate(_slope_to_upright(scene), np.asarray(scene.push_n, dtype=float))


def _slope_to_upright(scene: Scene) -> np.ndarray:
    """Return the rotation (4,) from the floor's normal to the upward direction.

    The rotation is in the floor's frame.
    """
    return Ground(slope_deg=scene.slope_deg, uphill_deg=scene.uphill_deg).to_floor


def lean_bodies(scene: Scene, motions: MotionBatch) -> MotionBatch:
    """Lean bodies on a slope while feet stay in place.

    Bodies turn about the floor below the root, and pelvises sink until legs reach. The floor stays at y = 0: see
    `place_on_slope`.
    """
    if not scene.slope_deg:
        return motions
    skeleton = motions.skeleton
    turn = _slope_to_upright(scene)
    positions_m, orientations = forward_kinematics(skeleton, motions.root_m, motions.rotations)
    below_m = (motions.root_m * ALONG_FLOOR)[:, :, None]
    turned_m = below_m + (positions_m - below_m) @ to_matrices(turn).T
    turned = compose(turn, orientations)
    ankles_m = positions_m[:, :, Legs.from_skeleton(skeleton).ankles]
    feet_back = np.broadcast_to(invert(turn), (*ankles_m.shape[:-1], 4))
    lifted_m = ankles_m[..., 1] - ankles_m[..., 1].min(axis=1, keepdims=True)
    firm = smoothstep(1 - lifted_m / _SWING_HEIGHT_M)
    rises_m, rotations = solve_soft_legs(
        skeleton, turned_m, turned, ankles_m, feet_back, firm, motions.fps, _SLOPE_LEGS
    )
    return replace(motions, root_m=turned_m[:, :, 0] + rises_m[..., None] * UP, rotations=rotations)


def _link_with_hand(body: Humanoid, side: str) -> int:
    """Return the link to which a hand is fixed."""
    links = [link for part in HANDS if (link := body.tree.joint(f"{side}_{part}")) is not None]
    if not links:
        raise InputError(f"a scene's load_kg needs a {side} arm, which the skeleton lacks")
    return links[0]


def _add_load(body: Humanoid, load_kg: float) -> Humanoid:
    """Add a load to a body's hands.

    Half of it is a point mass at the far end of each hand's link.
    """
    half_kg = 0.5 * load_kg
    mass_kg = body.mass_kg.copy()
    centre_m = body.centre_m.copy()
    inertia_kgm2 = body.inertia_kgm2.copy()
    for side in ("left", "right"):
        link = _link_with_hand(body, side)
        ends_m = np.array([end_m for capsule in body.capsules if capsule.link == link for end_m in capsule.ends_m])
        hand_m = ends_m[np.linalg.norm(ends_m, axis=1).argmax()]
        arm_m = hand_m - centre_m[link]
        link_kg = mass_kg[link]
        mass_kg[link] = link_kg + half_kg
        # Products of inertia are neglected.
        inertia_kgm2[link] += link_kg * half_kg / mass_kg[link] * (arm_m @ arm_m - arm_m**2)
        centre_m[link] += half_kg / mass_kg[link] * arm_m
    return replace(body, mass_kg=mass_kg, centre_m=centre_m, inertia_kgm2=inertia_kgm2, load_kg=load_kg)
