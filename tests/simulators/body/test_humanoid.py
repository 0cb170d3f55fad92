"""Bodies have mass, inertia, links and fitting soles.

What is carried along is tested, too, and soles fit stances.
"""

from dataclasses import replace

import numpy as np
import pytest

from selfcorrect.motion.body.surface import sole_points, stature_m
from selfcorrect.motion.skeleton import Skeleton
from selfcorrect.simulators.body.humanoid import KINEMATIC_PARTS, build_humanoid
from selfcorrect.simulators.body.soles import fit_soles, lowest_corner_velocities, stance_velocities


def with_finger(skeleton: Skeleton) -> Skeleton:
    """Add a twist joint and a finger.

    The left thigh gets the joint, the left hand the finger.
    """
    hip = skeleton.joint("left_hip")
    knee = skeleton.joint("left_knee")
    wrist = skeleton.joint("left_wrist")
    order = [*range(knee), -1, *range(knee, len(skeleton)), -2]
    place = {old: new for new, old in enumerate(order) if old >= 0}
    parents = [place.get(skeleton.parents[old], -1) if old >= 0 else 0 for old in order]
    twist = order.index(-1)
    finger = order.index(-2)
    parents[twist], parents[place[knee]], parents[finger] = place[hip], twist, place[wrist]
    offsets_m = np.array([skeleton.offsets_m[old] if old >= 0 else (0.0, 0.0, 0.0) for old in order])
    offsets_m[twist] = offsets_m[place[knee]] = 0.5 * skeleton.offsets_m[knee]
    offsets_m[finger] = (0.1, 0.0, 0.0)
    names = tuple(skeleton.names[old] if old >= 0 else ("", "finger", "twist")[old] for old in order)
    parts = tuple(skeleton.parts[old] if old >= 0 else "" for old in order)
    return Skeleton(names, tuple(parents), offsets_m, parts)


@pytest.mark.parametrize("mass_kg", [40.0, 71.8, 120.0])
def test_all_mass_is_somewhere(adult, walk, mass_kg):
    for skeleton in (adult, walk.skeleton, with_finger(adult)):
        body = build_humanoid(skeleton, mass_kg)
        assert body.total_mass_kg == pytest.approx(mass_kg)
        assert (body.mass_kg > 0).all()
        assert (body.inertia_kgm2 > 0).all()


def test_mass_follows_stature(adult):
    """Half the size is a quarter of the mass.

    A child has the same body-mass index, and weaker joints.
    """
    tall = build_humanoid(adult)
    small = build_humanoid(replace(adult, offsets_m=0.5 * adult.offsets_m))
    assert 55 < tall.total_mass_kg < 75
    assert tall.total_mass_kg == pytest.approx(23.0 * stature_m(adult) ** 2)
    small_m = stature_m(replace(adult, offsets_m=0.5 * adult.offsets_m))
    assert small.total_mass_kg == pytest.approx(23.0 * small_m**2)
    shares = small.torque_limit_nm[1:] / tall.torque_limit_nm[1:]
    assert shares == pytest.approx(small.total_mass_kg / tall.total_mass_kg)


def test_symmetric_skeletons_make_symmetric_bodies(adult):
    body = build_humanoid(adult)
    mirror_map = body.tree.mirror_map
    assert np.allclose(body.mass_kg, body.mass_kg[mirror_map])
    assert np.allclose(body.centre_m, body.centre_m[mirror_map] * (-1, 1, 1))
    assert np.allclose(body.inertia_kgm2, body.inertia_kgm2[mirror_map])


def test_inertia_obeys_triangle(adult):
    largest = build_humanoid(adult).inertia_kgm2.max(1)
    assert (largest <= build_humanoid(adult).inertia_kgm2.sum(1) - largest + 1e-9).all()


def test_shank_inertia_is_a_rods(adult):
    """A shank's inertia is near a thin rod's.

    A rod of length l about its middle across its axis has m l² / 12; the shank is 5 cm thick, so it has a bit more.
    """
    body = build_humanoid(adult)
    shank = body.tree.joint("left_knee")
    length_m = np.linalg.norm(adult.offsets_m[adult.joint("left_ankle")])
    thin = body.mass_kg[shank] * length_m**2 / 12
    assert thin < body.inertia_kgm2[shank, 0] < 1.5 * thin


def test_extra_joints_are_carried(adult):
    body = build_humanoid(with_finger(adult))
    assert set(body.tree.parts) == set(adult.parts) - KINEMATIC_PARTS - {"spine2", "spine3"}
    knee = body.tree.joint("left_knee")
    hip = body.tree.joint("left_hip")
    assert body.tree.parents[knee] == hip
    assert np.allclose(body.tree.offsets_m[knee], adult.offsets_m[adult.joint("left_knee")])


def test_light_links_can_be_padded(adult):
    body = build_humanoid(adult)
    assert np.array_equal(body.with_minimum_inertia(0.05).inertia_kgm2, np.maximum(body.inertia_kgm2, 0.05))


def test_bodies_without_legs_are_refused(adult):
    legless = replace(adult, parts=tuple("" if part == "left_knee" else part for part in adult.parts))
    with pytest.raises(ValueError, match="lacks \\['left_knee'\\]"):
        build_humanoid(legless)
    with pytest.raises(ValueError, match="mass must be positive"):
        build_humanoid(adult, mass_kg=0)


@pytest.mark.parametrize("scale", [0.0, 100.0])
def test_legs_in_other_units_raise(adult, scale):
    with pytest.raises(ValueError, match=r"left hip.*knee"):
        build_humanoid(replace(adult, offsets_m=adult.offsets_m * scale))


def test_soles_fit_flat_stances(adult):
    soles = sole_points(adult)
    heights_m = np.tile(np.repeat([0.0, 0.012, 0.004], 2), (20, 2, 1))
    fitted = fit_soles(soles, heights_m, np.ones((20, 2), dtype=bool), 30.0)
    lowered_m = (soles.offsets_m - fitted.offsets_m)[:, 1]
    assert np.allclose(lowered_m, np.tile(np.repeat([0.0, 0.012, 0.004], 2), 2))
    assert fit_soles(soles, heights_m, np.zeros((20, 2), dtype=bool), 30.0) is soles


def test_known_ball_stays(adult):
    """A known ball stays; what hovers is floor error.

    Heel and tip come to its height, from above or from below.
    """
    soles = sole_points(adult)
    heights_m = np.tile(np.repeat([0.02, 0.012, 0.004], 2), (20, 2, 1))
    fitted = fit_soles(soles, heights_m, np.ones((20, 2), dtype=bool), 30.0, ball_known=True)
    lowered_m = (soles.offsets_m - fitted.offsets_m)[:, 1]
    assert np.allclose(lowered_m, np.tile(np.repeat([0.008, 0.0, -0.008], 2), 2))


def test_rolling_ball_is_held():
    """The ball is held while the tip rolls.

    The tip of the stiff sole is lowest and slides back; the ball, a centimetre higher, stands still.
    """
    feet_m = np.zeros((1, 10, 2, 6, 3))
    feet_m[..., :2, 1] = 0.1
    feet_m[..., 2:4, 1] = 0.01
    feet_m[..., 4:, 2] = -0.01 * np.arange(10)[:, None, None]
    assert np.abs(lowest_corner_velocities(feet_m, 30.0)[..., 1]).min() > 0.2
    assert np.abs(stance_velocities(feet_m, 30.0)[..., 1]).max() < 0.05


def test_standing_corner_is_held():
    feet_m = np.zeros((1, 10, 2, 6, 3))
    feet_m[..., :4, 1] = 0.1
    feet_m[..., 4:, 2] = 0.003 * np.arange(10)[:, None, None]
    assert np.allclose(stance_velocities(feet_m, 30.0)[..., 1], 0.09, atol=0.01)
