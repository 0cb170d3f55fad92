"""People who stand and glide: the glide of the root is removed and named, and nobody leans."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from turned_joints import pose_joint

import selfcorrect as sc
from selfcorrect.core.errors import SettingError
from selfcorrect.motion.corrector_interface.results import NoteKind
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.observation.gliding import estimate_standing_glide
from selfcorrect.simulators.corrector import KinematicCorrector

from ...made_motions import KINDS, made_motion


def ankles_m(motion: Motion) -> np.ndarray:
    return joint_positions(motion, [motion.skeleton.parts.index(f"{side}_ankle") for side in ("left", "right")])


def glide_m_s(motion: Motion) -> np.ndarray:
    return estimate_standing_glide(ankles_m(motion), motion.root_m, motion.fps)


def gliding(motion: Motion, speed_m_s: float, start: int = 0) -> Motion:
    """The motion, whose root glides from a frame on."""
    seconds = np.maximum(np.arange(len(motion)) - start, 0) / motion.fps
    return replace(motion, root_m=motion.root_m + speed_m_s * seconds[:, None] * np.array([0.8, 0.0, -0.6]))


def gesturing(frames: int) -> Motion:
    """A stand in which the arms never come back to where they were, so that it is no loop."""
    idle = made_motion("idle", frames=frames)
    bends = Rotation.from_rotvec(np.outer(np.linspace(0.0, 1.2, frames), [1.0, 0.0, 0.0]))
    return pose_joint(idle, "left_elbow", bends)


@pytest.mark.parametrize("speed_m_s", [0.03, 0.06, 0.1])
@pytest.mark.parametrize("is_loop", [False, True])
def test_the_glide_of_a_stand_is_removed_and_named(speed_m_s: float, is_loop: bool) -> None:
    stand = made_motion("idle", frames=181) if is_loop else gesturing(150)
    (correction,) = KinematicCorrector()([gliding(stand, speed_m_s)])
    (note,) = [note for note in correction.notes if note.kind is NoteKind.GLIDE_REMOVED]
    assert note.value == pytest.approx(speed_m_s, rel=0.1)
    feet_m_s = np.linalg.norm(np.diff(ankles_m(correction.motion), axis=0), axis=-1) * stand.fps
    assert feet_m_s.mean() < 0.005
    hips_m = correction.motion.root_m - stand.root_m
    assert np.ptp(hips_m[:, [0, 2]], axis=0).max() < 0.01  # over the feet all the time


@pytest.mark.parametrize(("speed_m_s", "is_removed"), [(0.0, False), (0.12, True), (0.2, True)])
def test_who_stands_on_one_foot_glides_as_little(speed_m_s: float, is_removed: bool) -> None:
    """The other foot swings all the time."""
    stand = gesturing(150)
    swing_rad = 0.5 + 0.3 * np.sin(np.arange(150) / 8)
    balance = pose_joint(stand, "right_hip", Rotation.from_rotvec(np.outer(swing_rad, [-1.0, 0.0, 0.0])))
    (correction,) = KinematicCorrector()([gliding(balance, speed_m_s)])
    assert (NoteKind.GLIDE_REMOVED in {note.kind for note in correction.notes}) == is_removed
    left_m_s = np.linalg.norm(np.diff(ankles_m(correction.motion)[:, 0], axis=0), axis=-1) * stand.fps
    assert left_m_s.mean() < 0.005


def test_a_glide_begins_and_ends_with_the_stand() -> None:
    walk = made_motion("walk", frames=60)
    stand = gliding(gesturing(120), 0.08)
    path_m = np.concatenate([walk.root_m, stand.root_m + (walk.root_m[-1] - stand.root_m[0]) * (1.0, 0.0, 1.0)])
    both = replace(stand, root_m=path_m, rotations=np.concatenate([walk.rotations, stand.rotations]))
    glide = np.linalg.norm(glide_m_s(both), axis=1)
    assert not glide[:50].any()
    assert glide[90:].mean() == pytest.approx(0.08, rel=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_motions_on_a_floor_that_stands_still_do_not_glide(kind) -> None:
    assert not glide_m_s(made_motion(kind, frames=180)).any()


def test_swaying_and_riding_are_no_glides() -> None:
    stand = gesturing(180)
    swing_m = 0.1 * np.sin(np.arange(180) / 30)[:, None] * np.array([1.0, 0.0, 0.0])
    assert not glide_m_s(replace(stand, root_m=stand.root_m + swing_m)).any()
    assert not glide_m_s(gliding(stand, 0.8)).any()


@pytest.mark.parametrize(
    ("steps", "named"), [(gesturing(150), NoteKind.DRIFT_KEPT), (made_motion("walk", frames=150), NoteKind.FEET_GLIDE)]
)
def test_feet_that_glide_along_with_the_body_are_kept_and_named(steps: Motion, named: NoteKind) -> None:
    """A stand on something that moves, and the steps of a skater."""
    skater = gliding(replace(steps, root_m=steps.root_m * (0.0, 1.0, 0.0)), 1.5)
    (correction,) = KinematicCorrector()([skater])
    assert named in {note.kind for note in correction.notes}
    np.testing.assert_allclose(correction.motion.root_m, skater.root_m, atol=0.01)


@pytest.mark.parametrize("keep", ["path", "feet"])
@pytest.mark.parametrize("kinematic", [True, False])
def test_a_body_on_a_walkway_keeps_its_path_if_that_is_asked_for(keep: str, *, kinematic: bool) -> None:
    """Neither the body nor its feet leave the walkway, or each other."""
    stand = gliding(gesturing(150), 0.08)
    correction = sc.correct(stand, kinematic=kinematic, keep=[keep])
    assert correction.accepted
    assert NoteKind.GLIDE_KEPT in {note.kind for note in correction.notes}
    np.testing.assert_allclose(correction.motion.root_m, stand.root_m, atol=0.01)
    np.testing.assert_allclose(ankles_m(correction.motion), ankles_m(stand), atol=0.01)


@pytest.mark.parametrize(
    ("options", "named"), [({"remove_drift": True}, "remove_drift"), ({"strength": "simulated"}, "simulated")]
)
def test_a_path_is_kept_by_no_option_that_contradicts_it(options: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingError, match=named):
        sc.correct(gesturing(60), **options, keep=["path"])
