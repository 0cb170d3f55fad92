"""Solid bodies have real thickness, and touch the floor where the soles do."""

from dataclasses import replace

import numpy as np
from helpers import lifting_off

from selfcorrect.motion.body.surface import world_sole_points
from selfcorrect.motion.kinematics import forward_kinematics, joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.foot_frames import level_feet
from selfcorrect.motion.pictures.figure import LEFT, MIDDLE, RIGHT, detect_standing, make_figure, pose_figure
from selfcorrect.motion.skeleton import Skeleton


def lowest_m(motion: Motion, foot: int) -> np.ndarray:
    """(T,) lowest point of the capsules of a foot."""
    figure, points_m = pose_figure(motion)
    of_foot = figure.feet == foot
    return (points_m[:, figure.bones[of_foot], 1] - figure.radii_m[of_foot]).min(axis=(1, 2))


def test_first_points_are_joints() -> None:
    motion = lifting_off()
    _, points_m = pose_figure(motion)
    np.testing.assert_allclose(points_m[:, : len(motion.skeleton)], joint_positions(motion), atol=1e-9)


def test_feet_touch_floor_at_soles() -> None:
    motion = level_feet(lifting_off())
    poses = forward_kinematics(motion.skeleton, motion.root_m, motion.rotations)
    corners_m = world_sole_points(motion.skeleton, *poses)
    for foot, own_m in enumerate(np.split(corners_m, 2, axis=1)):
        np.testing.assert_allclose(lowest_m(motion, foot), own_m[..., 1].min(axis=1), atol=2e-3)
    sunk = replace(motion, root_m=motion.root_m - [0.0, 0.1, 0.0])
    np.testing.assert_allclose(lowest_m(sunk, 0), lowest_m(motion, 0) - 0.1, atol=1e-9)


def test_sides_have_colours() -> None:
    figure = make_figure(lifting_off().skeleton)
    left = sum(colour == LEFT for colour in figure.colours)
    right = sum(colour == RIGHT for colour in figure.colours)
    assert left == right > 3
    trunk = [width for width, colour in zip(figure.radii_m[:, 0], figure.colours, strict=True) if colour == MIDDLE]
    assert max(trunk) > 0.09


def test_unnamed_joints_have_thickness(skeleton: Skeleton) -> None:
    blank = replace(skeleton, parts=tuple("" if part.startswith("spine") else part for part in skeleton.parts))
    figure = make_figure(blank)
    widths = dict(zip(figure.bones[:, 0].tolist(), figure.radii_m[:, 0], strict=True))
    spines = [joint for joint, part in enumerate(skeleton.parts) if part.startswith("spine")]
    assert all(widths[joint] > 0.08 for joint in spines)
    poles = replace(skeleton, parts=("",) * len(skeleton))
    assert make_figure(poles).radii_m.max() < 0.03
    motion = Motion(poles, np.zeros((2, 3)), np.tile([0.0, 0, 0, 1], (2, len(poles), 1)), 30.0)
    assert not detect_standing(motion, make_figure(poles)).any()
