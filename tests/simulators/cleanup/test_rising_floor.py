"""Floors that rise or sink steadily beneath a walk: named, and level on request."""

from dataclasses import replace

import numpy as np
import pytest

from selfcorrect.motion.corrector_interface.results import NoteKind
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.observation.observation import observe
from selfcorrect.simulators.cleanup.clean import CleanupSettings
from selfcorrect.simulators.corrector import KinematicCorrector

from ...made_motions import walk_with_stances

LEVELLER = KinematicCorrector(CleanupSettings(level=True))


def rising(motion: Motion, rise_m: float) -> Motion:
    """The motion on a floor that rises from beginning to end."""
    return replace(motion, root_m=motion.root_m + np.linspace(0, rise_m, len(motion))[:, None] * np.array([0, 1, 0]))


@pytest.mark.parametrize("rise_m", [-0.12, -0.08, 0.07])
def test_a_rise_is_measured_and_level_on_request(rise_m: float) -> None:
    walk, _ = walk_with_stances(frames=180)
    risen = rising(walk, rise_m)
    assert np.ptp(observe(risen).rise_m) == pytest.approx(abs(rise_m), abs=0.015)
    (kept,) = KinematicCorrector()([risen])
    (levelled,) = LEVELLER([risen])
    assert [note.kind for note in kept.notes if note.kind.name.startswith("RISE")] == [NoteKind.RISES]
    assert [note.kind for note in levelled.notes if note.kind.name.startswith("RISE")] == [NoteKind.RISE_REMOVED]
    assert NoteKind.NOT_LEVELLED not in [note.kind for note in levelled.notes]
    risen_again_m = rising(levelled.motion, rise_m).root_m - kept.motion.root_m
    assert np.ptp(risen_again_m[:, 1]) < 0.02
    assert kept.figures["lost_contacts"] == 0
    assert kept.after["penetration_m"] < 0.003
    off_m = levelled.motion.root_m[:, 1] - walk.root_m[:, 1]
    assert np.ptp(off_m) < 0.02
    assert abs(np.median(off_m)) < 0.02


@pytest.mark.parametrize("rise_m", [0.0, 0.02])
def test_level_walks_do_not_rise(rise_m: float) -> None:
    walk, _ = walk_with_stances(frames=180)
    assert not observe(rising(walk, rise_m)).rise_m.any()


def test_stairs_are_no_rising_floor() -> None:
    """Steps that a climb shows stay, although its feet stand higher and higher."""
    walk, stands = walk_with_stances(frames=180)
    steps = np.cumsum(np.diff(stands.any(1).astype(int), prepend=0) > 0)
    climb = replace(walk, root_m=walk.root_m + 0.17 * steps[:, None] * np.array([0, 1, 0]))
    assert not observe(climb).rise_m.any()
