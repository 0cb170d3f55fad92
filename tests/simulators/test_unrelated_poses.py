"""Frames of pose libraries are no motion: they are kept and named, and the motion beside them is corrected."""

from dataclasses import replace

import numpy as np
import pytest
from made_motions import Kind, made_motion
from scipy.spatial.transform import Rotation
from turned_joints import turn_joint

from selfcorrect.motion.corrector_interface.results import CorrectedMotion, NoteKind
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.presets import find_preset
from selfcorrect.simulators.unrelated_poses import find_unrelated_poses

WALK = made_motion("walk", frames=120)
KINEMATIC = replace(find_preset("balanced").corrector(), simulate="never")
ANGLES_DEG = {"shoulder": 90.0, "elbow": 60.0, "hip": 45.0, "knee": 20.0}


def make_library(hold: int, seed: int, poses: int = 13) -> Motion:
    """Unrelated poses of a body at one place, each held for `hold` frames."""
    rng = np.random.default_rng(seed)
    motion = WALK.select_frames(np.arange(poses))
    rotations = motion.rotations.copy()
    for joint, name in enumerate(motion.skeleton.names):
        limit_deg = ANGLES_DEG.get(name.split("_")[-1], 0.0)
        turns = Rotation.from_rotvec(np.radians(limit_deg) * rng.uniform(-1, 1, (poses, 3)))
        rotations[:, joint] = (turns * Rotation.from_quat(rotations[:, joint])).as_quat()
    headings = Rotation.from_rotvec(np.radians(rng.uniform(-120, 120, (poses, 1))) * [0.0, 1.0, 0.0])
    rotations[:, 0] = (headings * Rotation.from_quat(rotations[:, 0])).as_quat()
    root_m = np.tile(motion.root_m[:1], (poses, 1))
    return replace(motion, root_m=root_m, rotations=rotations).select_frames(np.repeat(np.arange(poses), hold))


def add_noise(motion: Motion, noise_deg: float) -> Motion:
    noise = np.random.default_rng(3).normal(0.0, np.radians(noise_deg), (*motion.rotations.shape[:2], 3))
    turns = Rotation.from_rotvec(noise.reshape(-1, 3)) * Rotation.from_quat(motion.rotations.reshape(-1, 4))
    return replace(motion, rotations=turns.as_quat().reshape(motion.rotations.shape))


def join(*motions: Motion) -> Motion:
    root_m = np.concatenate([motion.root_m for motion in motions])
    return replace(WALK, root_m=root_m, rotations=np.concatenate([motion.rotations for motion in motions]))


def correct(motion: Motion) -> CorrectedMotion:
    (correction,) = KINEMATIC([motion])
    return correction


def find_notes(correction: CorrectedMotion) -> list[tuple[int, ...]]:
    return [note.frames for note in correction.notes if note.kind is NoteKind.UNRELATED_POSES]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("hold", [1, 2, 10])
def test_a_pose_library_is_one_stretch(hold: int, seed: int) -> None:
    library = make_library(hold, seed)
    assert find_unrelated_poses(library) == [(0, len(library))]


@pytest.mark.parametrize("noise_deg", [0.0, 1.5, 5.0])
@pytest.mark.parametrize("kind", ["walk", "run", "turn", "hop", "idle"])
def test_motion_is_no_library_with_any_noise(kind: Kind, noise_deg: float) -> None:
    assert not find_unrelated_poses(add_noise(made_motion(kind), noise_deg))


@pytest.mark.parametrize("turned", [1, 3])
def test_neither_are_bodies_that_are_turned_over_and_back(turned: int) -> None:
    walk = WALK
    for start in (20, 50, 80, 100):
        walk = turn_joint(walk, 0, Rotation.from_rotvec([np.pi, 0, 0]), slice(start, start + turned), outside=True)
    assert not find_unrelated_poses(walk)


@pytest.mark.parametrize("hold", [1, 2, 10])
def test_a_library_comes_out_as_it_is_and_is_named(hold: int) -> None:
    library = make_library(hold, 0)
    correction = correct(library)
    np.testing.assert_array_equal(correction.motion.rotations, library.rotations)
    np.testing.assert_array_equal(correction.motion.root_m, library.root_m)
    assert find_notes(correction) == [(0, len(library) - 1)]


def test_each_stretch_is_kept_and_the_motion_beside_is_corrected() -> None:
    sunk = replace(WALK, root_m=WALK.root_m - [0.0, 0.08, 0.0])
    first = make_library(2, 1)
    second = make_library(10, 2)
    motion = join(first, sunk, second)
    correction = correct(motion)
    assert correction.accepted
    start = len(first) + len(sunk)
    spans = find_notes(correction)
    assert np.abs(np.subtract(spans, [(0, len(first) - 1), (start, len(motion) - 1)])).max() <= 1
    moved_m = np.linalg.norm(joint_positions(correction.motion) - joint_positions(motion), axis=-1).max(axis=1)
    assert moved_m[: len(first)].max() == 0.0
    assert moved_m[start:].max() == 0.0
    raised_m = (correction.motion.root_m - motion.root_m)[len(first) + 2 : start - 2, 1]
    assert np.median(raised_m) == pytest.approx(0.08, abs=0.02)
