"""Make walks up stairs and up a slope."""

from dataclasses import replace

import numpy as np
from plain_contacts import foot_contacts
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from selfcorrect.motion.body.surface import world_sole_points
from selfcorrect.motion.geometry.runs import spans
from selfcorrect.motion.ground import Ground, GroundBox
from selfcorrect.motion.kinematics import forward_kinematics, pose_joints
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.support import Support
from selfcorrect.simulators.body.leg_ik import Legs, solve_leg_ik
from selfcorrect.simulators.core.frame_planting import bridge_swings

UP = np.array([0.0, 1.0, 0.0])


def repeat_walk(walk: Motion, times: int) -> Motion:
    """Return a walk that repeats the same cycle `times` times."""
    step_m = (walk.root_m[-1] - walk.root_m[0]) * [1.0, 0.0, 1.0]
    root_m = np.concatenate([walk.root_m[:-1] + count * step_m for count in range(times)])
    return replace(walk, root_m=root_m, rotations=np.tile(walk.rotations[:-1], (times, 1, 1)))


def posed_legs(motion: Motion, root_shift_m: np.ndarray, ankle_shift_m: np.ndarray) -> Motion:
    """Move the root by (T, 3) and the ankles by (T, 2, 3), keeping the feet's orientation."""
    pose = forward_kinematics(motion.skeleton, motion.root_m, motion.rotations)
    ankles_m = pose[0][:, Legs.from_skeleton(motion.skeleton).ankles] + ankle_shift_m
    upright = np.broadcast_to([0.0, 0.0, 0.0, 1.0], (len(motion), 2, 4))
    rotations = solve_leg_ik(motion.skeleton, *pose, root_shift_m, ankles_m, upright)
    return replace(motion, root_m=motion.root_m + root_shift_m, rotations=rotations)


def stepping(walk: Motion, heights_m: list[float], arc_m: float = 0.0) -> tuple[Motion, list[Support]]:
    """Lift each stance to its own height.

    Feet swing `arc_m` higher than in `walk`.

    Returns:
        The motion and the supports under its stances, in the order of stances.
    """
    batch = MotionBatch.stack([walk])
    stands = stances_of(walk)
    starts = sorted((first, foot, last) for foot in (0, 1) for first, last in spans(stands[:, foot]))
    anchors_m = np.zeros((1, len(walk), 2, 3))
    truth = []
    for (first, foot, last), height_m in zip(starts, heights_m, strict=True):
        anchors_m[0, first : last + 1, foot, 1] = height_m
        truth.append(Support(f"{('left', 'right')[foot]} foot", (0.0, height_m, 0.0), (0.0, 0.0), first, last))
    lifted_m = bridge_swings(anchors_m, stands[None], batch.fps)[0]
    body_m = gaussian_filter1d(lifted_m[..., 1].min(1), 4, mode="nearest") - 0.04
    for foot, swings in enumerate(~stands.T):
        for first, last in spans(swings):
            share = np.arange(last - first + 1) / (last - first + 1)
            lifted_m[first : last + 1, foot, 1] += arc_m * np.sin(np.pi * share) ** 2
    return posed_legs(walk, body_m[:, None] * UP, lifted_m), truth


def stances_of(motion: Motion) -> np.ndarray:
    """Return (T, 2) bool: whether each foot stands in each frame."""
    return foot_contacts(motion, shortest_s=0.2)


def stair_heights(walk: Motion, step_m: float = 0.17) -> list[float]:
    """Return the heights in m of a walk's stances when a flight of stairs begins after the first two."""
    count = sum(len(spans(foot)) for foot in stances_of(walk).T)
    return [max(0.0, step_m * (stance - 1)) for stance in range(count)]


def stairs_under(motion: Motion, truth: list[Support], beyond_m: float = 0.05) -> Ground:
    """Build stairs under a motion that goes along +z.

    Each step extends from the heel of one stance to the heel of the next.
    """
    soles_m = world_sole_points(motion.skeleton, *pose_joints(motion)).reshape(len(motion), 2, -1, 3)
    feet = [(support.part.startswith("right"), slice(support.first, support.last + 1)) for support in truth]
    edges_m = [float(soles_m[frames, int(foot), :, 2].min()) - beyond_m for foot, frames in feet]
    edges = zip(truth, edges_m, [*edges_m[1:], edges_m[-1] + 2], strict=True)
    return Ground(
        tuple(
            GroundBox((0.0, support.top_m[1] / 2, (start_m + stop_m) / 2), (2.0, support.top_m[1], stop_m - start_m))
            for support, start_m, stop_m in edges
            if support.top_m[1] > 0
        )
    )


def on_slope(walk: Motion, slope_deg: float, uphill_deg: float = 0.0) -> Motion:
    """Put the walk on a sloping floor while the body stays upright.

    The floor rises towards the heading `uphill_deg`.
    """
    heading_rad = np.radians(uphill_deg)
    slope_rad = np.radians(slope_deg)
    uphill = np.array([np.sin(heading_rad), 0.0, np.cos(heading_rad)])
    across = np.array([np.cos(heading_rad), 0.0, -np.sin(heading_rad)])
    pose = pose_joints(walk)
    ankles_m = pose[0][:, Legs.from_skeleton(walk.skeleton).ankles]
    tilt = Rotation.from_rotvec(-slope_rad * across)
    # The point of the floor under each ankle stays; the ankle is above it along the floor's normal.
    placed_m = ankles_m * (1.0, 0.0, 1.0) + np.tan(slope_rad) * (ankles_m @ uphill)[..., None] * UP
    placed_m += ankles_m[..., 1:2] * tilt.apply(UP)
    body_m = gaussian_filter1d((placed_m - ankles_m)[..., 1].min(1), 4, mode="nearest") - 0.03
    turns = np.broadcast_to(tilt.as_quat(), (len(walk), 2, 4))
    rotations = solve_leg_ik(walk.skeleton, *pose, body_m[:, None] * UP, placed_m, turns)
    return replace(walk, root_m=walk.root_m + body_m[:, None] * UP, rotations=rotations)
