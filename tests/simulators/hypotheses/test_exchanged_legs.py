"""Legs that are exchanged for some frames."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_damages import exchange_legs
from made_motions import KINDS, Kind, made_motion

import selfcorrect as sc
from selfcorrect.datasets.collections.cmu import list_cmu_clips
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.hypotheses.views.exchanged_legs import restore_legs
from selfcorrect.simulators.results.results import NoteKind


def furthest_ankle_m(first: Motion, second: Motion) -> float:
    apart_m = joint_positions(first)[:, [7, 8]] - joint_positions(second)[:, [7, 8]]
    return float(np.linalg.norm(apart_m, axis=-1).max())


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(["walk", "run", "turn"]), fps=st.sampled_from([30.0, 60.0]),
    first=st.integers(25, 75), frames=st.integers(1, 15),
)  # fmt: skip
def test_exchanged_legs_are_given_back(kind: Kind, fps: float, first: int, frames: int) -> None:
    """Exchanged legs are given back.

    Where legs pass each other, a frame more or less does not matter; near the ends of a clip nothing tells sides.
    """
    true = made_motion(kind, fps=fps, frames=120)
    exchanged = exchange_legs(true, first, frames)
    restored, _ = restore_legs(exchanged)
    assert furthest_ankle_m(restored, true) < 0.1


@settings(max_examples=30, deadline=None)
@given(kind=st.sampled_from(KINDS), pace=st.floats(0.6, 1.8), fps=st.sampled_from([24.0, 30.0, 120.0]))
def test_legs_of_other_motions_stay(kind: Kind, pace: float, fps: float) -> None:
    motion = made_motion(kind, pace=pace, fps=fps)
    assert restore_legs(motion) == (motion, ())


@pytest.mark.parametrize("frames", [3, 10])
def test_exchange_names_frames(frames: int) -> None:
    true = made_motion("walk", frames=120)
    correction = sc.correct(exchange_legs(true, 52, frames), kinematic=True)
    (note,) = [note for note in correction.notes if note.kind is NoteKind.LEGS_RESTORED]
    assert note.stretches == ((52, 52 + frames - 1),)
    assert furthest_ankle_m(correction.motion, sc.correct(true, kinematic=True).motion) < 0.02


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["train/13_18", "train/49_06", "train/35_17", "train/05_06", "test/10_01", "test/135_04"]
)
def test_legs_of_fast_captures_stay(cmu: Path, name: str) -> None:
    """Boxing, a cartwheel, a run, a dance, kicks."""
    split, _, clip_name = name.partition("/")
    motion = next(clip for clip in list_cmu_clips(cmu, split) if clip.name == clip_name).read()[0]
    assert restore_legs(motion) == (motion, ())
