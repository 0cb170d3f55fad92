"""Contact labels of files survive changes, and are evidence for standing feet."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from selfcorrect.core.errors import InputError
from selfcorrect.datasets.files.open import open_motion
from selfcorrect.motion.body.smpl import body_joints
from selfcorrect.motion.editing.transforms import mirror, repeat_cycle, resample
from selfcorrect.motion.encodings.humanml3d import columns, encode
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.skeleton import Skeleton
from selfcorrect.simulators.clean import CleanupSettings, StabilizeFloor
from selfcorrect.simulators.corrector import KinematicCorrector

CORRECT = KinematicCorrector(CleanupSettings(close_loops=False).without_steps(StabilizeFloor))


def gliding(stand: Motion, speed_m_s: float) -> Motion:
    """Stand and glide for 0.4 s midway."""
    seconds = np.clip(np.arange(len(stand)) / stand.fps - 0.3, 0.0, 0.4)
    return replace(stand, root_m=stand.root_m + np.outer(speed_m_s * seconds, (1.0, 0.0, 0.0)))


def foot_speed_m_s(motion: Motion, part: str) -> float:
    """Mean speed of a joint while the body glides."""
    path_m = joint_positions(motion)[11:20, motion.skeleton.joint(part)]
    return float(np.linalg.norm(np.diff(path_m, axis=0), axis=-1).mean() * motion.fps)


def test_labelled_feet_are_held(stand: Motion) -> None:
    """Labels hold feet that move at 0.6 m/s.

    Without labels, such feet do not count as standing.
    """
    glide = gliding(stand, 0.6)
    left_stands = np.tile([1.0, 0.0], (len(glide), 1))
    (correction,) = CORRECT([replace(glide, contacts=left_stands)])
    (untold,) = CORRECT([glide])
    assert foot_speed_m_s(untold.motion, "left_ankle") > 0.5
    assert foot_speed_m_s(correction.motion, "left_ankle") < 0.25
    assert foot_speed_m_s(correction.motion, "right_ankle") > 0.5


def test_swing_labels_release_feet(stand: Motion) -> None:
    glide = gliding(stand, 0.2)
    (correction,) = CORRECT([replace(glide, contacts=np.zeros((len(glide), 2)))])
    (untold,) = CORRECT([glide])
    assert foot_speed_m_s(correction.motion, "left_ankle") == pytest.approx(0.2, abs=0.02)
    assert foot_speed_m_s(untold.motion, "left_ankle") < 0.1


def test_changes_keep_contacts(stand: Motion) -> None:
    labels = np.stack([np.arange(len(stand)) % 2, np.zeros(len(stand))], axis=1)
    labelled = replace(stand, contacts=labels)
    np.testing.assert_array_equal(labelled.frames(3, 9).contacts, labels[3:9])
    np.testing.assert_array_equal(labelled.select_frames(np.array([4, 2])).contacts, labels[[4, 2]])
    np.testing.assert_array_equal(mirror(labelled).contacts, labels[:, ::-1])
    finer = resample(labelled, 2 * labelled.fps).contacts
    repeated = repeat_cycle(labelled, 3).contacts
    assert finer is not None
    assert repeated is not None
    np.testing.assert_array_equal(finer[::2], labels)
    assert repeated.shape == (3 * (len(labelled) - 1) + 1, 2)
    both = MotionBatch.stack([labelled, stand])
    np.testing.assert_array_equal(both[0].contacts, labels)
    assert both[1].contacts is None
    assert MotionBatch.stack([stand, stand]).contacts is None
    with pytest.raises(InputError, match=r"\(31, 2\), got \(30, 2\)"):
        replace(labelled, contacts=labels[1:])


def test_humanml3d_brings_contacts(adult: Skeleton, stand: Motion, tmp_path: Path) -> None:
    rows = encode(body_joints(stand))
    labels = np.zeros((len(rows), 4))
    labels[:10, 1] = labels[5:, 2] = 1.0
    rows[:, columns()["contacts"]] = labels
    np.save(tmp_path / "rows.npy", rows)
    np.save(tmp_path / "joints.npy", body_joints(stand))
    contacts = open_motion(tmp_path / "rows.npy").motion.contacts
    assert contacts is not None
    np.testing.assert_array_equal(contacts[:, 0], np.arange(len(rows) + 1) < 10)
    np.testing.assert_array_equal(contacts[:, 1], np.arange(len(rows) + 1) >= 5)
    assert open_motion(tmp_path / "joints.npy").motion.contacts is None
