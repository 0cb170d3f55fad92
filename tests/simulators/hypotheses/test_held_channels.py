"""Roots and joints may be written at a lower rate than the pose."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from made_damages import hold_channels, hold_irregularly, swing
from made_motions import KINDS, Kind, made_motion

import selfcorrect as sc
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.perception.held_channels import HeldChannels
from selfcorrect.motion.perception.repeats import FrameRepeats
from selfcorrect.simulators.results.results import NoteKind

ALL = tuple(range(1, 22))
CHANNELS = {
    "place": (True, ()),
    "place and turn": (True, (0,)),
    "arms": (False, (16, 17, 18, 19)),
    "pose": (False, ALL),
}


@settings(max_examples=20, deadline=None)
@given(
    kind=st.sampled_from(KINDS), frames=st.integers(2, 6), fps=st.sampled_from([30.0, 60.0]),
    channels=st.sampled_from(sorted(CHANNELS)),
)  # fmt: skip
def test_held_channels_become_even(kind: Kind, frames: int, fps: float, channels: str) -> None:
    place, joints = CHANNELS[channels]
    true = swing(made_motion(kind, fps=fps, frames=round(4 * fps)))
    if kind in ("idle", "hop") and place:
        true = replace(true, root_m=true.root_m + 0.05 * np.sin(np.arange(len(true)) / 11)[:, None] * [1.0, 0.2, 0.5])
    shown = hold_channels(true, frames, place=place, joints=joints)
    steps = np.linalg.norm(np.diff(true.rotations[::frames, joints], axis=0), axis=-1)
    assume((steps >= 0.005 * steps.max(axis=0, initial=0.0)).all())  # a joint that hardly moves shows no rate
    assert not FrameRepeats.from_motion(shown).sources.size
    held = HeldChannels.from_motion(shown)
    assert held.joints == joints
    assert bool(held.root_axes) == place
    others = np.setdiff1d(np.arange(22), joints)
    np.testing.assert_array_equal(held.motion.rotations[:, others], shown.rotations[:, others])
    np.testing.assert_array_equal(held.motion.rotations[::frames], shown.rotations[::frames])
    np.testing.assert_array_equal(held.motion.root_m[::frames], shown.root_m[::frames])
    if not place:
        np.testing.assert_array_equal(held.motion.root_m, shown.root_m)
    inside = slice(0, -frames)
    away_m = np.abs(joint_positions(held.motion) - joint_positions(true))[inside].mean()
    assert away_m < 0.7 * np.abs(joint_positions(shown) - joint_positions(true))[inside].mean()


@settings(max_examples=15, deadline=None)
@given(
    kind=st.sampled_from(["walk", "run", "turn"]), longest=st.integers(3, 8), seed=st.integers(0, 99),
    noise_m=st.sampled_from([0.0, 0.001, 0.003]),
)  # fmt: skip
def test_irregular_or_noisy_holds_are_filled(kind: Kind, longest: int, seed: int, noise_m: float) -> None:
    true = swing(made_motion(kind, frames=150))
    shown = hold_irregularly(true, longest, seed, noise_m)
    held = HeldChannels.from_motion(shown)
    assert held.root_axes
    assert held.joints == ()
    np.testing.assert_array_equal(held.motion.rotations, shown.rotations)
    inside = slice(0, -longest)
    floor = [0, 2]
    away_m = np.abs(held.motion.root_m - true.root_m)[inside][:, floor].mean()
    assert away_m < 0.4 * np.abs(shown.root_m - true.root_m)[inside][:, floor].mean()


def test_rests_and_rounded_numbers_are_no_holds() -> None:
    """Rests and rounded numbers are not held channels.

    A body that stops and goes on rests. A root that shakes, or sways by little more than its rounding, moves.
    """
    walk = swing(made_motion("walk", frames=150))
    onward = np.append(np.zeros(6), 20 * (np.arange(14) / 13) ** 2)
    times = np.concatenate([20 * stop + onward for stop in range(7)])
    path_m = np.stack([np.interp(times, np.arange(150), axis_m) for axis_m in walk.root_m.T], axis=1)
    stops = replace(walk.frames(0, len(times)), root_m=path_m)
    sway_m = 0.003 * np.sin(np.arange(150) / 20)[:, None]
    rounded = replace(walk, root_m=np.round(walk.root_m[:1] + sway_m, 3))
    shake_m = 0.01 * np.sin(2 * np.pi * 4.0 * np.arange(150) / 30)[:, None] * [1.0, 0.0, 0.0]
    shaking = replace(walk, root_m=walk.root_m[:1] + shake_m)
    for motion in (stops, rounded, shaking):
        assert not HeldChannels.from_motion(motion)


@pytest.mark.parametrize("frames", [2, 3, 6])
def test_held_root_deletes_no_pose(frames: int) -> None:
    """Held roots once made poses look repeated.

    Up to five of six became copies.
    """
    true = swing(made_motion("walk", frames=180))
    correction = sc.correct(hold_channels(true, frames, place=True), kinematic=True)
    (note,) = [note for note in correction.notes if note.kind is NoteKind.CHANNELS_HELD]
    assert note.value == pytest.approx(frames, rel=0.02)
    assert np.abs(np.diff(correction.motion.rotations, axis=0)).max(axis=(1, 2)).min() > 1e-4
    alone = sc.correct(true, kinematic=True).motion
    off_m = np.linalg.norm(joint_positions(correction.motion) - joint_positions(alone), axis=-1)
    assert off_m.mean() < 0.02


def test_keep_keeps_all_channels() -> None:
    shown = hold_channels(swing(made_motion("walk")), 2, place=True)
    correction = sc.correct(shown, kinematic=True, frame_times="keep")
    assert NoteKind.CHANNELS_HELD not in {note.kind for note in correction.notes}


@pytest.mark.parametrize("kind", KINDS)
def test_even_channels_are_not_held(kind: Kind) -> None:
    assert not HeldChannels.from_motion(swing(made_motion(kind)))
