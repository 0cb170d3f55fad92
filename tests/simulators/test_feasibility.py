"""Root residuals have known answers in the air.

Still feet or a filter cannot hide them.
"""

from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import butter, sosfiltfilt
from scipy.spatial.transform import Rotation
from turned_joints import pose_joint

from selfcorrect.motion.checks.check import RuleChoice
from selfcorrect.motion.kinematics import forward_kinematics
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.simulators.body.humanoid import Humanoid, build_humanoid
from selfcorrect.simulators.clean import CleanupSettings
from selfcorrect.simulators.corrector import KinematicCorrector, PhysicsCorrector
from selfcorrect.simulators.feasibility import (
    RootResidual,
    check_physics,
    compute_contact_residual,
    select_evaluation_engine,
    simulate_residual,
)
from selfcorrect.simulators.settings.tracker import TrackerSettings

SAMPLES = CleanupSettings.for_samples()
GRAVITY_M_S2 = 9.81


def move_root(motion: Motion, root_m: np.ndarray) -> Motion:
    return replace(motion, root_m=motion.root_m + root_m)


def flight(motion: Motion, fall_m_s2: float) -> Motion:
    """Throw up a motion from 2 m.

    The body is back at the end if it falls as fast as gravity demands.
    """
    times_s = np.arange(len(motion)) / motion.fps
    height_m = 2.0 + fall_m_s2 * times_s * (times_s[-1] - times_s) / 2
    return move_root(motion, height_m[:, None] * [0.0, 1.0, 0.0])


def glide(motion: Motion, speed_m_s: float) -> Motion:
    times_s = np.arange(len(motion)) / motion.fps
    return move_root(motion, speed_m_s * times_s[:, None] * [0.0, 0.0, 1.0])


def low_passed(motion: Motion) -> Motion:
    sections = butter(2, 3.0, fs=motion.fps, output="sos")
    return replace(motion, root_m=sosfiltfilt(sections, motion.root_m, axis=0))


def residual(engine: str, *motions: Motion) -> RootResidual:
    return simulate_residual(MotionBatch.stack(motions), SAMPLES, engine)


def test_standing_or_falling_needs_nothing(stand: Motion, engine: str) -> None:
    needed = residual(engine, stand, flight(stand, GRAVITY_M_S2))
    assert needed.mean_force_bodyweights == pytest.approx(0.0, abs=0.06)
    assert needed.mean_moment_nm == pytest.approx(0.0, abs=10.0)
    assert needed.without_support == pytest.approx(0.0, abs=0.05)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 2.0])
def test_wrong_gravity_needs_force(stand: Motion, engine: str, share: float) -> None:
    flying = flight(stand, share * GRAVITY_M_S2)
    contacts = compute_contact_residual(MotionBatch.stack([flying]), SAMPLES)
    for needed in (residual(engine, flying), contacts):
        assert needed.mean_force_bodyweights == pytest.approx(abs(1 - share), abs=0.06)
        assert (needed.without_support > 0.9) == (share < 0.5)


def turn_in_flight(motion: Motion, axis: int) -> Motion:
    """Turn in flight at 6 rad/s².

    Thrown up from 2 m with hanging arms, it turns about an axis through its centre.
    """
    body = build_humanoid(motion.skeleton)
    times_s = np.arange(len(motion)) / motion.fps
    turning = replace(motion, root_m=np.zeros((len(motion), 3)))
    for side, angle_rad in (("left", -1.4), ("right", 1.4)):
        turning = pose_joint(turning, f"{side}_shoulder", Rotation.from_rotvec([0.0, 0.0, angle_rad]))
    turning = pose_joint(turning, 0, Rotation.from_rotvec(3 * times_s[:, None] ** 2 * np.eye(3)[axis]))
    centres_m, _ = pose_links(body, turning)
    centre_m = np.tensordot(centres_m, body.mass_kg, axes=(1, 0)) / body.total_mass_kg
    return flight(replace(turning, root_m=-centre_m), GRAVITY_M_S2)


def pose_links(body: Humanoid, motion: Motion) -> tuple[np.ndarray, np.ndarray]:
    """Return links' centres (T, L, 3) and orientations (T, L, 3, 3)."""
    positions_m, orientations = forward_kinematics(motion.skeleton, motion.root_m, motion.rotations)
    matrices = Rotation.from_quat(orientations[:, body.joints].reshape(-1, 4)).as_matrix()
    matrices = matrices.reshape(len(motion), len(body), 3, 3)
    return positions_m[:, body.joints] + np.einsum("tlij,lj->tli", matrices, body.centre_m), matrices


@pytest.mark.parametrize("axis", [0, 1])
def test_turn_moment_uses_true_inertia(stand: Motion, engine: str, axis: int) -> None:
    """True inertia differs from the engine's.

    The engine's body would need 1.04 and 1.7 times as much about the two axes.
    """
    flying = turn_in_flight(stand, axis)
    body = build_humanoid(flying.skeleton)
    centres_m, orientations = pose_links(body, flying)
    arms_m = centres_m - np.tensordot(centres_m, body.mass_kg, axes=(1, 0))[:, None] / body.total_mass_kg
    across_m2 = (arms_m**2).sum(axis=-1) - arms_m[..., axis] ** 2
    about_links = np.sum(orientations[..., axis, :] ** 2 * body.inertia_kgm2, axis=-1)
    expected_nm = 6.0 * np.sum(body.mass_kg * across_m2 + about_links, axis=-1)
    moment_nm = residual(engine, flying).moment_nm[0, 8:-8]
    assert moment_nm[:, axis].mean() == pytest.approx(expected_nm.mean(), rel=0.02)


def test_hover_and_glide_need_force(stand: Motion, engine: str) -> None:
    hovers = move_root(stand, np.array([0.0, 0.1, 0.0]))
    glides = glide(stand, 0.7)
    needed = residual(engine, hovers, glides)
    assert needed.mean_force_bodyweights[0] == pytest.approx(1.0, abs=0.03)
    assert needed.without_support.tolist() == [1.0, 0.0]
    assert needed.mean_force_bodyweights[1] > 0.3  # what friction holds back
    assert needed.mean_moment_nm[1] > 100
    # after clean-up alone, gliding soles just do not seem to touch
    contacts = compute_contact_residual(MotionBatch.stack([glides]), SAMPLES)
    assert contacts.mean_force_bodyweights[0] < 0.1


def test_smoothing_does_not_help(stand: Motion, engine: str) -> None:
    bad = [move_root(stand, np.array([0.0, 0.1, 0.0])), flight(stand, 0.5 * GRAVITY_M_S2), glide(stand, 0.7)]
    before = residual(engine, *bad).mean_force_bodyweights
    filtered = residual(engine, *map(low_passed, bad)).mean_force_bodyweights
    ruled = residual(
        engine, *(correction.motion for correction in KinematicCorrector(SAMPLES)(bad))
    ).mean_force_bodyweights
    assert (filtered > 0.85 * before).all()
    assert (ruled > 0.75 * before).all()


def test_physical_motion_needs_little(walk: Motion) -> None:
    pytest.importorskip("pybullet")
    walk = walk.frames(0, 30)
    settings = TrackerSettings.without_residual("mujoco")
    assert settings.residual_free is not None
    quick = replace(settings, residual_free=replace(settings.residual_free, particle_counts=(32,)))
    (followed,) = PhysicsCorrector(quick, SAMPLES)([walk])
    assert followed.accepted
    original_n, corrected_n = residual("pybullet", walk, followed.motion).mean_force_bodyweights
    assert corrected_n < 0.15 < original_n


def test_engine_does_not_judge_itself() -> None:
    pytest.importorskip("mujoco")
    assert select_evaluation_engine("pybullet") == "mujoco"
    assert select_evaluation_engine("mujoco") in ("pybullet", None)


def test_motions_are_independent(stand: Motion, engine: str) -> None:
    bad = [glide(stand, speed) for speed in (0.2, 0.4)]
    together = residual(engine, *bad).force_bodyweights
    alone = [residual(engine, motion).force_bodyweights[0] for motion in bad]
    np.testing.assert_array_equal(together, alone)


# --- the rules of physics --------------------------------------------------------------------------------------------


def shaken(motion: Motion, amplitude_m: float) -> Motion:
    times_s = np.arange(len(motion)) / motion.fps
    swing_m = amplitude_m * np.sin(15 * times_s)[:, None] * np.array([1.0, 0.0, 0.0])
    return replace(motion, root_m=motion.root_m + swing_m)


def test_shaking_needs_force(walk: Motion) -> None:
    together = MotionBatch.stack([shaken(walk, size) for size in (0.0, 0.06, 0.12)])
    needed = compute_contact_residual(together, CleanupSettings()).mean_force_bodyweights.tolist()
    assert needed == sorted(needed)


def test_unchosen_rules_are_not_measured(walk: Motion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selfcorrect.simulators.feasibility.compute_contact_residual", None)
    assert check_physics(walk, RuleChoice(("F",))) == []
    assert check_physics(walk.frames(0, 5), RuleChoice()) == []
