"""Planted faults are found; real clips raise no alarm.

The benchmark measures the same on all clips, and these tests on a few.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.checking import Clips, find_false_alarms, find_planted
from benchmarks.faults import FAULTS
from selfcorrect.datasets.collections.cmu import list_cmu_clips
from selfcorrect.motion.checks.rules import RULES
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.observation import observe

NAMES = ("07_01", "35_08", "16_01", "49_02", "61_01", "01_01", "13_39")

LEAST = {"tilted": 0.5, "sliding slowly": 0.5, "in the floor": 0.8, "jumping root": 0.8}
"""Least share of small faults that must be found."""


@pytest.fixture(scope="module")
def real(cmu: Path) -> list[Motion]:
    read = [motion for clip in list_cmu_clips(cmu, "train") if clip.name in NAMES for motion in clip.read()]
    return [_on_floor(motion) for motion in read]


def _on_floor(motion: Motion) -> Motion:
    return replace(motion, root_m=motion.root_m - (0.0, observe(motion).floor_m, 0.0))


@pytest.mark.slow
def test_real_clips_raise_no_alarm(real: list[Motion]) -> None:
    codes = [rule.code for rule in RULES]
    assert {code: names for code, names in find_false_alarms(Clips(real, real), codes).items() if names} == {}


@pytest.mark.slow
@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "hovering"])
def test_planted_faults_are_found(real: list[Motion], fault: str) -> None:
    hits = find_planted(real, FAULTS[fault], seed=1)
    assert hits
    assert sum(hits) >= LEAST.get(fault, 1.0) * len(hits)
