"""Simulation of plans, independent of heading.

A correction should not depend on the heading with which a motion was captured: for rotations about the vertical,
correct(turn(motion)) = turn(correct(motion)). Yet solvers stop before they converge, and their error depends on the
world's axes. Each plan is therefore turned so that the body starts towards +z, and the simulated states are turned
back. In a scene, and on ground whose vertical is not y, directions of the world have a meaning, so nothing is turned.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from selfcorrect.motion.geometry.rotations import compose, identity_rotations, invert, rotate
from selfcorrect.motion.support import Support
from selfcorrect.motion.views import TurnedWorld

from ..engines.world import World
from ..settings.tracker import TrackerSettings
from ..stages.scene import PLAIN, Scene
from ..stages.values import MotionPlan, SimulatedMotion
from .sampling_search import track_residual_free
from .tracker import track_motions


def simulate_plans(
    world: World, plans: Sequence[MotionPlan], settings: TrackerSettings, scene: Scene = PLAIN
) -> list[list[SimulatedMotion]]:
    """Simulate bodies that follow their plans, with or without residual force."""
    turns = [_turns_to_front(plan, scene) for plan in plans]
    turned_plans = [_turn_plan(plan, turn) for plan, turn in zip(plans, turns, strict=True)]
    if settings.residual_free is None:
        simulated = track_motions(world, turned_plans, settings, scene)
    else:
        simulated = track_residual_free(world, turned_plans, settings, scene)
    results = []
    for motions, turn in zip(simulated, turns, strict=True):
        back = invert(turn)
        results.append([_turn_simulated(motion, back[index]) for index, motion in enumerate(motions)])
    return results


def _turns_to_front(plan: MotionPlan, scene: Scene) -> np.ndarray:
    """Return rotations (N, 4) about y that turn N bodies to the front.

    Hips are then parallel to x in the first frame. In a scene, or if gravity is not along y, nothing is turned.
    """
    is_tilted = any(plan.body.gravity_m_s2[axis] for axis in (0, 2))
    if is_tilted or not scene.is_plain:
        return identity_rotations(len(plan))
    left = plan.body.tree.parts.index("left_hip")
    right = plan.body.tree.parts.index("right_hip")
    hips_m = plan.contacts.demand.positions_m[:, 0]
    x_m, _, z_m = (hips_m[:, left] - hips_m[:, right]).T
    half_rad = np.arctan2(z_m, x_m) / 2
    nothing = np.zeros(len(plan))
    return np.stack([nothing, np.sin(half_rad), nothing, np.cos(half_rad)], axis=-1)


def _turn_plan(plan: MotionPlan, turns: np.ndarray) -> MotionPlan:
    """Rotate each of a plan's N motions about the origin by (N, 4)."""
    of_frames = turns[:, None]
    of_points = turns[:, None, None]
    motions = plan.motions
    rotations = motions.rotations.copy()
    rotations[:, :, 0] = compose(of_frames, rotations[:, :, 0])
    contacts = plan.contacts
    demand = contacts.demand
    return replace(
        plan,
        motions=replace(motions, root_m=rotate(of_frames, motions.root_m), rotations=rotations),
        contacts=replace(
            contacts,
            demand=replace(
                demand,
                positions_m=rotate(of_points, demand.positions_m),
                orientations=compose(of_points, demand.orientations),
                force_n=rotate(of_points, demand.force_n),
                moment_nm=rotate(of_points, demand.moment_nm),
                centre_m=rotate(of_frames, demand.centre_m),
                wrench=_turn_wrenches(of_frames, demand.wrench),
            ),
            points_m=rotate(of_points, contacts.points_m),
            force_n=rotate(of_points, contacts.force_n),
            unexplained=_turn_wrenches(of_frames, contacts.unexplained),
        ),
        supports=[
            [_turn_support(support, turn) for support in supports]
            for supports, turn in zip(plan.supports, turns, strict=True)
        ]
        if plan.supports
        else plan.supports,
    )


def _turn_wrenches(turns: np.ndarray, wrenches: np.ndarray) -> np.ndarray:
    """Rotate wrenches (..., 6) by (..., 4)."""
    return np.concatenate([rotate(turns, wrenches[..., :3]), rotate(turns, wrenches[..., 3:])], axis=-1)


def _turn_support(support: Support, turn: np.ndarray) -> Support:
    """Rotate a support about the vertical by (4,)."""
    x, y, z = rotate(turn, np.array(support.top_m)).tolist()
    turn_deg = float(np.rad2deg(2 * np.arctan2(turn[1], turn[3])))
    return replace(support, top_m=(x, y, z), turn_deg=support.turn_deg + turn_deg)


def _turn_simulated(simulated: SimulatedMotion, turn: np.ndarray) -> SimulatedMotion:
    """Rotate a simulated motion about the world's origin by (4,)."""
    motion = TurnedWorld(turn).view(simulated.motion)
    return replace(simulated, motion=motion, wrench=_turn_wrenches(turn, simulated.wrench))
