"""Corrections of damage delete no pose and are never silent.

They commute with mirroring, heading and axes.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_damages import exchange_legs, hold_channels, hold_irregularly, mean_jerk, shake_joints, swing
from made_motions import Kind, made_motion, make_symmetric, remove_travel, wander

import selfcorrect as sc
from selfcorrect.datasets.files.rigs.bvh import clip_of, write_bvh
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.motion.checks.check import check
from selfcorrect.motion.editing.transforms import mirror
from selfcorrect.motion.geometry.rotations import from_euler_angles
from selfcorrect.motion.geometry.vectors import UP
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.views import TurnedWorld

Damage = Callable[[Motion, int], Motion]
Change = Callable[[Motion], Motion]

DAMAGES: dict[str, Damage] = {
    "held place": lambda motion, seed: hold_channels(motion, 2 + seed % 4, place=True),
    "held root": lambda motion, seed: hold_channels(motion, 2 + seed % 2, place=True, joints=(0,)),
    "place held irregularly": lambda motion, seed: hold_irregularly(motion, 3 + seed % 4, seed),
    "place held with noise": lambda motion, seed: hold_irregularly(motion, 2 + seed % 3, seed, noise_m=0.002),
    "noisy root": lambda motion, seed: shake_joints(motion, "root", 0.03, seed),
    "noisy legs": lambda motion, seed: shake_joints(motion, "legs", 0.03, seed),
    "noisy arm": lambda motion, seed: shake_joints(motion, "one arm", 0.05, seed),
    "exchanged legs": lambda motion, seed: exchange_legs(motion, 30 + seed % 40, 3 + seed % 13),
}
WORLDS: dict[str, Damage] = {
    **DAMAGES,
    "treadmill": lambda motion, seed: slide(remove_travel(motion), 0.2, seed),
    "drift": lambda motion, seed: slide(motion, 0.6, seed),
    "wander": wander,
}
"""Damages, and worlds that move or wander."""
ALIKE_M = 0.002
_UP = TurnedWorld(from_euler_angles("X", np.array([90.0])))


def turn(degrees: float) -> tuple[Change, Change]:
    world = TurnedWorld(from_euler_angles("Y", np.array([degrees])))
    return world.view, world.restore


def slide(motion: Motion, speed_m_s: float, seed: int) -> Motion:
    """The motion on a floor that slides in any direction."""
    seconds = np.arange(len(motion)) / motion.fps
    velocity_m_s = speed_m_s * np.array([np.cos(seed), 0.0, np.sin(seed)])
    return replace(motion, root_m=motion.root_m + np.outer(seconds, velocity_m_s))


def make_true(kind: Kind) -> Motion:
    """Return a motion in which every joint moves, on symmetric bones."""
    return make_symmetric(swing(made_motion(kind, frames=120)))


def correct(motion: Motion) -> Motion:
    return sc.correct(motion, kinematic=True).motion


def assert_alike(first: Motion, second: Motion) -> None:
    """Assert that joints agree in most frames.

    In the others rounding may decide what is taken back.
    """
    apart_m = np.linalg.norm(joint_positions(first) - joint_positions(second), axis=-1)
    assert np.percentile(apart_m, 98) < ALIKE_M
    assert apart_m.max() < 0.01


cases = given(
    kind=st.sampled_from(["walk", "run", "turn"]), damage=st.sampled_from(sorted(DAMAGES)), seed=st.integers(0, 99)
)


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(kind=st.sampled_from(["walk", "run", "turn"]), world=st.sampled_from(sorted(WORLDS)), seed=st.integers(0, 99))
def test_correction_commutes_with_mirror(kind: Kind, world: str, seed: int) -> None:
    damaged = WORLDS[world](make_true(kind), seed)
    assert_alike(mirror(correct(mirror(damaged))), correct(damaged))


@pytest.mark.slow
@settings(max_examples=5, deadline=None)
@given(
    kind=st.sampled_from(["walk", "run", "turn"]), damage=st.sampled_from(sorted(DAMAGES)),
    seed=st.integers(0, 99), degrees=st.floats(1.0, 359.0),
)  # fmt: skip
def test_correction_commutes_with_turn(kind: Kind, damage: str, seed: int, degrees: float) -> None:
    damaged = DAMAGES[damage](make_true(kind), seed)
    view, restore = turn(degrees)
    assert_alike(restore(correct(view(damaged))), correct(damaged))


@pytest.mark.slow
@settings(max_examples=4, deadline=None)
@given(
    kind=st.sampled_from(["walk", "run"]), damage=st.sampled_from(sorted(DAMAGES)), seed=st.integers(0, 99),
    unit_m=st.sampled_from([0.01, 0.0254, 1.0]), is_z_up=st.booleans(),
)  # fmt: skip
def test_unit_and_axis_do_not_matter(
    kind: Kind, damage: str, seed: int, unit_m: float, is_z_up: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    damaged = DAMAGES[damage](make_true(kind), seed)
    folder: Path = tmp_path_factory.mktemp("axes")
    write_bvh(folder / "usual.bvh", clip_of(damaged))
    write_bvh(folder / "other.bvh", clip_of(_UP.view(damaged) if is_z_up else damaged, unit_m))
    usual = sc.load_motion(folder / "usual.bvh", Reading(up="y", metres_per_unit=0.01))
    other = sc.load_motion(folder / "other.bvh", Reading(up="z" if is_z_up else "y", metres_per_unit=unit_m))
    assert_alike(correct(other), correct(usual))


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@cases
def test_damage_is_repaired_or_reported(kind: Kind, damage: str, seed: int) -> None:
    """Damage is mostly mended, or a finding says so."""
    true = make_true(kind)
    damaged = DAMAGES[damage](true, seed)
    corrected = correct(damaged)
    steps = np.abs(np.diff(corrected.rotations, axis=0)).max(axis=(1, 2))
    assert steps.min() > 1e-5
    alone = correct(true)
    added = mean_jerk(damaged) - mean_jerk(true)
    is_mended = mean_jerk(corrected) - mean_jerk(alone) < 0.35 * added
    assert is_mended or check(corrected)


@pytest.mark.parametrize("kind", ["idle", "turn"])
@pytest.mark.parametrize("rise_m", [0.25, 0.7])
def test_drift_of_height_is_treated_alike_in_either_direction_of_time(kind: Kind, rise_m: float) -> None:
    motion = made_motion(kind, frames=241)
    risen = replace(motion, root_m=motion.root_m + np.linspace(0.0, rise_m, len(motion))[:, None] * UP)
    forward = joint_positions(correct(risen))
    backward = joint_positions(correct(reverse(risen)))[::-1]
    assert np.percentile(np.linalg.norm(forward - backward, axis=-1), 98) < 0.02


def reverse(motion: Motion) -> Motion:
    return replace(motion, root_m=motion.root_m[::-1].copy(), rotations=motion.rotations[::-1].copy())
