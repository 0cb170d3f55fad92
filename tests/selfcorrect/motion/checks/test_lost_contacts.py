"""Feet that a correction lifts from the floor are counted, whatever their speed, and flights are not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_motions import KINDS, Kind, made_motion

from selfcorrect.experiments.file_correction.describe import describe_correction
from selfcorrect.experiments.file_correction.file_result import FileResult
from selfcorrect.motion.checks.lost_contacts import find_lost_contacts
from selfcorrect.motion.checks.motion_features import MotionFeatures
from selfcorrect.motion.corrector_interface.results import CorrectedMotion
from selfcorrect.motion.motion import Motion

UP = np.array([0.0, 1.0, 0.0])


def raise_body(motion: Motion, height_m: float | np.ndarray) -> Motion:
    """The motion, higher by a height or by one per frame."""
    return replace(motion, root_m=motion.root_m + np.multiply.outer(np.broadcast_to(height_m, len(motion)), UP))


def bouncing_walk() -> Motion:
    """A walk whose body bounces by 76 mm into the floor while its feet slide at 1.5 m/s."""
    walk = made_motion("walk", frames=180)
    times_s = np.arange(len(walk)) / walk.fps
    slides = replace(walk, root_m=walk.root_m + 1.5 * times_s[:, None] * [1.0, 0.0, 0.0])
    return raise_body(slides, -0.038 * (1 - np.cos(2 * np.pi * times_s / 0.8)))


def test_a_bouncing_walk_that_is_lifted_loses_its_contacts() -> None:
    bouncing = bouncing_walk()
    lifted = raise_body(bouncing, 0.085)
    lost = find_lost_contacts(MotionFeatures(bouncing), MotionFeatures(lifted))
    assert lost.share > 0.5
    assert 0.03 < lost.height_m < 0.09
    result = describe_correction(FileResult("a", "a", "failed"), (), bouncing, CorrectedMotion(lifted))
    assert any("contacts lost: feet float" in words for words in result.worse)
    assert result.figures.lost_contacts == lost.share


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sunk_m", [0.0, 0.02, 0.05, 0.1])
def test_a_body_that_is_put_on_the_floor_keeps_its_contacts(kind: Kind, sunk_m: float) -> None:
    """Also one that runs or hops: in flight it falls."""
    clean = made_motion(kind, fps=60.0, frames=240)
    assert find_lost_contacts(MotionFeatures(raise_body(clean, -sunk_m)), MotionFeatures(clean)).share == 0.0


@pytest.mark.parametrize("height_m", [0.06, 0.17, 0.6])
def test_a_body_that_comes_down_has_no_contacts_to_lose(height_m: float) -> None:
    clean = made_motion("walk", frames=120)
    raised = MotionFeatures(raise_body(clean, height_m))
    assert find_lost_contacts(raised, MotionFeatures(clean)).share == 0.0
    assert find_lost_contacts(raised, raised).share == 0.0


@pytest.mark.parametrize("height_m", [0.04, 0.08])
def test_one_foot_that_hangs_in_the_air_is_counted(height_m: float) -> None:
    """The other foot stands, so that the body does not float."""
    clean = made_motion("idle", frames=120)
    hip = clean.skeleton.joint("left_hip")
    knee = clean.skeleton.joint("left_knee")
    ankle = clean.skeleton.joint("left_ankle")
    thigh_m = float(np.linalg.norm(clean.skeleton.offsets_m[knee]))
    shank_m = float(np.linalg.norm(clean.skeleton.offsets_m[ankle]))
    bend_rad = np.arccos(1 - height_m / (thigh_m + shank_m))
    rotations = clean.rotations.copy()
    for joint, turns in ((hip, -1.0), (knee, 2.0), (ankle, -1.0)):
        rotations[60:, joint] = [np.sin(turns * bend_rad / 2), 0.0, 0.0, np.cos(turns * bend_rad / 2)]
    lost = find_lost_contacts(MotionFeatures(clean), MotionFeatures(replace(clean, rotations=rotations)))
    assert lost.share == pytest.approx(0.25, abs=0.1)
    assert lost.height_m == pytest.approx(height_m, abs=0.02)
