"""Soles and heads: plain geometry on any skeleton."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from selfcorrect.motion.body.surface import (
    HEEL_RADIUS_M,
    head_point,
    heel_relief_m,
    sole_points,
    stature_m,
    world_sole_points,
)
from selfcorrect.motion.kinematics import forward_kinematics
from selfcorrect.motion.skeleton import Skeleton


def stand(skeleton: Skeleton, height_m: float, turn: Rotation) -> np.ndarray:
    """Return the sole points (P, 3) of the standing body.

    The rest pose stands at a root height and heading in the world.
    """
    rotations = np.tile([0.0, 0.0, 0.0, 1.0], (len(skeleton), 1))
    rotations[0] = turn.as_quat()
    return world_sole_points(skeleton, *forward_kinematics(skeleton, np.array([0.0, height_m, 0.0]), rotations))


def without_toes(skeleton: Skeleton) -> Skeleton:
    keep = [joint for joint, part in enumerate(skeleton.parts) if not part.endswith("_foot")]
    parents = tuple(-1 if joint == 0 else keep.index(skeleton.parents[joint]) for joint in keep)
    names = tuple(skeleton.names[joint] for joint in keep)
    return Skeleton(names, parents, skeleton.offsets_m[keep], names)


def test_soles_are_flat_and_mirrored(skeleton: Skeleton, standing_height_m: float):
    soles = stand(skeleton, standing_height_m, Rotation.identity())
    assert soles.shape == (12, 3)
    np.testing.assert_allclose(soles[:, 1], 0, atol=1e-12)
    left, right = (soles[sole_points(skeleton).side == side] for side in (0, 1))
    assert left[:, 0].min() > 0 > right[:, 0].max()
    assert 0.24 < np.ptp(left[:, 2]) < 0.28
    mirrored = right * (-1, 1, 1)
    assert {tuple(point) for point in mirrored.round(9)} == {tuple(point) for point in left.round(9)}


def test_soles_turn_with_the_body(skeleton: Skeleton, standing_height_m: float):
    turn = Rotation.from_rotvec([0.0, 0.7, 0.0])
    straight = stand(skeleton, standing_height_m, Rotation.identity())
    np.testing.assert_allclose(stand(skeleton, standing_height_m, turn), turn.apply(straight), atol=1e-12)


def test_ankles_without_toes_have_boxes(skeleton: Skeleton):
    toeless = without_toes(skeleton)
    points = sole_points(toeless)
    assert [toeless.names[joint] for joint in points.joints] == ["left_ankle"] * 4 + ["right_ankle"] * 4
    np.testing.assert_allclose(points.offsets_m[:, 1], -0.05 * skeleton.size)
    assert head_point(toeless) is not None


@pytest.mark.parametrize("has_toes", [True, False])
def test_shoes_scale_with_body(skeleton: Skeleton, has_toes: bool):
    adult = skeleton if has_toes else without_toes(skeleton)
    child = replace(adult, offsets_m=0.6 * adult.offsets_m)
    np.testing.assert_allclose(sole_points(child).offsets_m, 0.6 * sole_points(adult).offsets_m)


def test_missing_ankles_raise():
    pole = Skeleton(("pole",), (-1,), np.zeros((1, 3)), ("pelvis",))
    assert head_point(pole) is None
    with pytest.raises(ValueError, match="no left ankle"):
        sole_points(pole)


def test_stature_spans_soles_to_head(skeleton: Skeleton, standing_height_m: float):
    to_head_m = sum(skeleton.offsets_m[skeleton.parts.index(part), 1] for part in ("spine1", "spine2", "spine3"))
    to_head_m += sum(skeleton.offsets_m[skeleton.parts.index(part), 1] for part in ("neck", "head"))
    assert stature_m(skeleton) == pytest.approx(standing_height_m + to_head_m + 0.18)


def test_headless_stature_follows_legs(skeleton: Skeleton):
    headless = tuple("" if part in ("neck", "head") else part for part in skeleton.parts)
    assert stature_m(replace(skeleton, parts=headless)) == pytest.approx(stature_m(skeleton), rel=0.1)


@settings(max_examples=50, deadline=None)
@given(angle_rad=st.floats(-1.5, 1.5), heading_rad=st.floats(0.0, 6.28))
def test_round_heel_clears_corner(angle_rad: float, heading_rad: float) -> None:
    radius_m = HEEL_RADIUS_M
    pitch = Rotation.from_euler("xy", [-angle_rad, heading_rad])
    heel_m = np.array([0.3, 0.1, -0.2])
    ball_m = heel_m + pitch.apply([0.0, 0.0, 0.18])
    centre_m = heel_m + pitch.apply([0.0, radius_m, radius_m])
    relief_m = heel_relief_m(heel_m, ball_m)
    expected_m = centre_m[1] - radius_m - heel_m[1] if angle_rad > 0 else 0.0
    assert relief_m.item() == pytest.approx(expected_m, abs=1e-9)
