"""White noise of joint positions is measured by bone lengths, and removed."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.position_noise import measure_position_noise, remove_position_noise
from selfcorrect.motion.skeleton import SMPL_22, SMPL_22_PARENTS


@pytest.fixture
def joints_m(random_motion: Callable[..., Motion]) -> np.ndarray:
    return joint_positions(random_motion(3, frames=150))


def _add_noise(joints_m: np.ndarray, noise_m: float | np.ndarray) -> np.ndarray:
    return joints_m + np.random.default_rng(1).normal(0, 1, joints_m.shape) * noise_m


@pytest.mark.parametrize("noise_m", [0.002, 0.01, 0.03])
def test_known_noise_is_measured(joints_m: np.ndarray, noise_m: float) -> None:
    measured_m = measure_position_noise(_add_noise(joints_m, noise_m), SMPL_22_PARENTS)
    np.testing.assert_allclose(np.median(measured_m), noise_m, rtol=0.05)
    np.testing.assert_allclose(measured_m, noise_m, rtol=0.35)


def test_fast_motion_is_no_noise() -> None:
    """Rigid bones show no noise even if every frame has another pose."""
    random = np.random.default_rng(4)
    directions = random.normal(size=(60, 22, 3))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    joints_m = np.zeros((60, 22, 3))
    for joint, parent in enumerate(SMPL_22_PARENTS[1:], start=1):
        joints_m[:, joint] = joints_m[:, parent] + 0.3 * directions[:, joint]
    assert measure_position_noise(joints_m, SMPL_22_PARENTS).max() < 1e-9
    assert remove_position_noise(joints_m, SMPL_22_PARENTS, 30.0) is joints_m


@pytest.mark.parametrize("noise_m", [0.003, 0.01, 0.03])
def test_removal_brings_joints_closer(joints_m: np.ndarray, noise_m: float) -> None:
    noisy_m = _add_noise(joints_m, noise_m)
    calm_m = remove_position_noise(noisy_m, SMPL_22_PARENTS, 30.0)
    assert np.square(calm_m - joints_m).mean() < 0.5 * np.square(noisy_m - joints_m).mean()


def test_only_noisy_joints_change(joints_m: np.ndarray) -> None:
    wrist = SMPL_22.index("left_wrist")
    noise_m = np.zeros((22, 1))
    noise_m[wrist] = 0.02
    noisy_m = _add_noise(joints_m, noise_m)
    calm_m = remove_position_noise(noisy_m, SMPL_22_PARENTS, 30.0)
    far = [joint for joint in range(22) if joint not in (wrist, SMPL_22_PARENTS[wrist])]
    np.testing.assert_array_equal(calm_m[:, far], joints_m[:, far])
    error_m = np.linalg.norm(calm_m - joints_m, axis=-1)[:, wrist]
    assert error_m.mean() < 0.6 * np.linalg.norm(noisy_m - joints_m, axis=-1)[:, wrist].mean()


def test_world_and_order_do_not_matter(joints_m: np.ndarray) -> None:
    noisy_m = _add_noise(joints_m, 0.01)
    calm_m = remove_position_noise(noisy_m, SMPL_22_PARENTS, 30.0)
    turn = Rotation.from_rotvec([0.4, 2.0, -0.3])
    moved_m = turn.apply(noisy_m.reshape(-1, 3)).reshape(noisy_m.shape) * [-1.0, 1.0, 1.0] + [5.0, 1.0, -20.0]
    expected_m = turn.apply(calm_m.reshape(-1, 3)).reshape(noisy_m.shape) * [-1.0, 1.0, 1.0] + [5.0, 1.0, -20.0]
    np.testing.assert_allclose(remove_position_noise(moved_m, SMPL_22_PARENTS, 30.0), expected_m, atol=1e-7)
    order = [0, *np.random.default_rng(3).permutation(range(1, 22))]
    parents = (-1, *(order.index(SMPL_22_PARENTS[joint]) for joint in order[1:]))
    reordered_m = remove_position_noise(noisy_m[:, order], parents, 30.0)
    np.testing.assert_allclose(reordered_m, calm_m[:, order], atol=1e-9)
