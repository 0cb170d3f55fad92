"""Corrections come to rest and keep intended motion, such as climbs and leaps."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_motions import Kind, made_motion
from made_rigs import base_walk
from plain_contacts import standing_speeds_m_s
from scipy.spatial.transform import Rotation

from selfcorrect.datasets.load import load_motion, load_motions
from selfcorrect.motion.body.surface import sole_corners_m
from selfcorrect.motion.editing.transforms import raise_motion
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.clean import CleanupSettings, StabilizeFloor
from selfcorrect.simulators.corrector import KinematicCorrector, PhysicsCorrector
from selfcorrect.simulators.results.results import NoteKind, Repair

STANDING_KINDS: tuple[Kind, ...] = ("walk", "turn", "idle")
MAX_MOVED_M = 0.0003


CORRECT = KinematicCorrector()


def shake(motion: Motion, slide_m: float, sink_m: float, seed: int = 0) -> Motion:
    """Swing and sink the root at seeded rates.

    The root swings over the floor, at another rate for each seed.
    """
    rate_hz = np.random.default_rng(seed).uniform(0.3, 0.8)
    times_s = np.arange(len(motion)) / motion.fps
    swing = np.sin(2 * np.pi * rate_hz * times_s)
    shift_m = np.stack([slide_m * swing, -sink_m * swing**2, 0.5 * slide_m * swing], axis=1)
    return replace(motion, root_m=motion.root_m + shift_m)


def correct(motion: Motion) -> Motion:
    (correction,) = CORRECT([motion])
    assert correction.accepted
    return correction.motion


def mean_move_m(first: Motion, second: Motion) -> float:
    return float(np.linalg.norm(joint_positions(second) - joint_positions(first), axis=-1).mean())


@settings(max_examples=8, deadline=None, derandomize=True)
@given(
    kind=st.sampled_from(STANDING_KINDS),
    height_m=st.floats(-0.08, 0.08),
    slide_m=st.floats(0.0, 0.04),
    sink_m=st.floats(0.0, 0.02),
    seed=st.integers(0, 9),
)
def test_second_correction_changes_nothing(
    kind: Kind, height_m: float, slide_m: float, sink_m: float, seed: int
) -> None:
    motion = shake(made_motion(kind, frames=90), slide_m, sink_m, seed)
    raised = replace(motion, root_m=motion.root_m + np.array([0.0, height_m, 0.0]))
    second = correct(correct(raised))
    assert mean_move_m(second, correct(second)) < MAX_MOVED_M


@pytest.mark.parametrize("slide_m", [0.02, 0.05])
def test_sliding_feet_are_replanted(slide_m: float) -> None:
    first = correct(made_motion("idle", frames=90))
    again = shake(first, slide_m, 0.0)
    assert mean_move_m(again, correct(again)) > 10 * MAX_MOVED_M


def test_noisy_capture_is_stable(cmu: Path) -> None:
    """Denoised feet are planted in their new stances.

    Without noise they show further ones, at once.
    """
    motion = load_motion(cmu / "train" / "35_29.bvh").frames(0, 124)
    rng = np.random.default_rng(1)
    turns = Rotation.from_rotvec(np.deg2rad(1.5) * rng.normal(size=(motion.rotations[..., 0].size, 3)))
    rotations = (Rotation.from_quat(motion.rotations.reshape(-1, 4)) * turns).as_quat().reshape(motion.rotations.shape)
    root_m = motion.root_m + 0.004 * rng.normal(size=motion.root_m.shape)
    first = correct(replace(motion, root_m=root_m, rotations=rotations))
    assert mean_move_m(first, correct(first)) < 0.001


def shift_for_a_moment(motion: Motion, direction: tuple[float, float, float]) -> Motion:
    """Move the root away and back midway, for 20 frames."""
    size = np.zeros(len(motion))
    middle = len(motion) // 2
    size[middle - 10 : middle + 10] = np.sin(np.pi * np.arange(20) / 20) ** 2
    return replace(motion, root_m=motion.root_m + size[:, None] * np.array(direction))


def test_held_poses_do_not_prevent_planting() -> None:
    """Held poses say nothing about motion between.

    Their feet stand perfectly still.
    """
    walk = base_walk()
    frames = np.clip(np.arange(-60, len(walk) + 60), 0, len(walk) - 1)
    held = replace(walk, root_m=walk.root_m[frames], rotations=walk.rotations[frames])
    assert mean_move_m(held, correct(held)) > 10 * MAX_MOVED_M


@pytest.mark.parametrize("kind", ["walk", "idle"])
def test_single_slide_is_repaired(kind: Kind) -> None:
    """Means over the whole motion hardly show it."""
    sound = correct(made_motion(kind, frames=1500))
    spoiled = shift_for_a_moment(sound, (0.06, 0.0, 0.0))
    around = (sound, spoiled, correct(spoiled))
    _, spoiled_m_s, repaired_m_s = standing_speeds_m_s(*[motion.frames(730, 770) for motion in around])
    assert repaired_m_s < 0.5 * spoiled_m_s


@pytest.mark.parametrize("kind", ["walk", "turn", "idle"])
def test_single_dip_is_repaired(kind: Kind) -> None:
    spoiled = shift_for_a_moment(correct(made_motion(kind, frames=600)), (0.0, -0.06, 0.0))
    lowest_m = [float(sole_corners_m(motion)[..., 1].min()) for motion in (spoiled, correct(spoiled))]
    assert lowest_m[1] > 0.3 * lowest_m[0]


def furthest_m(motion: Motion) -> float:
    corrected = CORRECT([motion])[0].motion
    return float(np.linalg.norm(joint_positions(corrected) - joint_positions(motion), axis=-1).max())


def hovering(stand: Motion, height_m: float) -> Motion:
    """Hover up and down by 15 cm.

    The adult's toes point to the ground.
    """
    frames = 120
    rotations = np.tile(stand.rotations[0], (frames, 1, 1))
    for side in ("left", "right"):
        rotations[:, stand.skeleton.parts.index(f"{side}_ankle")] = Rotation.from_rotvec([0.6, 0.0, 0.0]).as_quat()
    up_m = height_m + 0.15 * np.sin(2 * np.pi * np.arange(frames) / 90)
    root_m = stand.root_m[0] + up_m[:, None] * np.array([0.0, 1.0, 0.0])
    return replace(stand, root_m=root_m, rotations=rotations)


def test_hovering_body_stays(stand: Motion) -> None:
    assert furthest_m(hovering(stand, 1.2)) < 0.2


def test_far_floor_is_moved_and_noted(walk: Motion) -> None:
    (correction,) = CORRECT([raise_motion(walk, 1.0)])
    assert furthest_m(raise_motion(walk, 1.0)) > 0.9
    moved, note = correction.notes
    assert str(moved) == f"the floor was at {moved.value:+.3f} m and was moved to 0 (--keep-level leaves it)"
    assert note.kind is NoteKind.MOVED_FAR
    assert str(note) == f"moved by up to {note.value:.2f} m: the motion was put on the floor"
    assert note.value == pytest.approx(1.0, abs=0.1)


def test_small_moves_are_not_noted(walk: Motion) -> None:
    on_floor = CORRECT([walk])[0].motion
    assert CORRECT([raise_motion(on_floor, 0.005)])[0].notes == ()


def test_drift_is_noted_and_removable(walk: Motion) -> None:
    stride_m = (walk.root_m[-1] - walk.root_m[0]) * (1.0, 0.0, 1.0)
    root_m = np.concatenate([walk.root_m[:-1] + turn * stride_m for turn in range(3)])
    away_m = 0.6 / walk.fps * np.arange(len(root_m))[:, None] * np.array([1.0, 0.0, 0.0])
    drifting = replace(walk, root_m=root_m + away_m, rotations=np.tile(walk.rotations[:-1], (3, 1, 1)))
    (unchanged,) = KinematicCorrector(CleanupSettings().with_steps(StabilizeFloor(remove=False)))([drifting])
    (removed,) = KinematicCorrector(CleanupSettings().with_steps(StabilizeFloor(remove=True)))([drifting])
    assert unchanged.notes[0].kind is NoteKind.DRIFT_KEPT
    assert any(note.repair is Repair.DRIFT for note in removed.notes)
    ends_m = [(correction.motion.root_m[-1] - drifting.root_m[-1])[[0, 2]] for correction in (unchanged, removed)]
    assert np.linalg.norm(ends_m[0]) < 0.01
    assert np.linalg.norm(ends_m[1] + away_m[-1, [0, 2]]) < 0.4


def test_leaps_are_not_pulled_back(clips: dict[str, Motion]) -> None:
    """A long jump is kept, though soles slide.

    The jump goes further than the feet push.
    """
    jump = clips["jump"]
    for scale in (1.5, 2.0):
        travel = np.array([scale, 1.0, scale])
        assert furthest_m(replace(jump, root_m=jump.root_m * travel)) < 0.2


def test_unexplained_force_is_noted(clips: dict[str, Motion]) -> None:
    """A run at twice its pace is noted.

    Its feet slide along; the run itself is the control.
    """
    run = clips["run"]
    hurried = replace(run, fps=2 * run.fps, root_m=run.root_m * np.array([0.5, 1.0, 0.5]))
    notes = [{note.kind for note in PhysicsCorrector()([motion])[0].notes} for motion in (clips["walk"], hurried)]
    assert NoteKind.UNEXPLAINED not in notes[0]
    assert NoteKind.UNEXPLAINED in notes[1]


@pytest.mark.parametrize("clip", ["05_02", "05_08"])
def test_tiptoe_joints_get_no_faster(cmu: Path, clip: str) -> None:
    """Feet on tiptoe may sink without dragging ankles.

    The feet point down and turn about their ankles, which must not follow the soles.
    """
    motion = load_motions(str(cmu / "train" / f"{clip}.bvh"))[0].frames(0, 90)
    before_m_s, after_m_s = standing_speeds_m_s(motion, CORRECT([motion])[0].motion)
    assert after_m_s < before_m_s + 0.008
