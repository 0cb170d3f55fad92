"""Timelines: when which part of the body bears weight."""

import numpy as np
import pytest

from selfcorrect.motion.geometry.runs import spans
from selfcorrect.simulators.results.timeline import Contact, Timeline


def timeline(loads_bodyweights: np.ndarray, parts: tuple[str, ...]) -> Timeline:
    frames = np.arange(len(loads_bodyweights), dtype=float)
    return Timeline(20.0, frames, 10 * frames, parts, loads_bodyweights)


@pytest.mark.parametrize(
    ("row", "gap", "expected"),
    [
        ("", 0, []),
        ("....", 2, []),
        ("xxxx", 0, [(0, 3)]),
        (".xx.x", 0, [(1, 2), (4, 4)]),
        (".xx.x", 1, [(1, 4)]),
        ("x..x...x", 2, [(0, 3), (7, 7)]),
    ],
)
def test_runs_with_short_gaps_closed(row: str, gap: int, expected: list[tuple[int, int]]) -> None:
    assert spans(np.array([mark == "x" for mark in row], dtype=bool), gap) == expected


def test_contacts_have_frames_and_load() -> None:
    loads = np.zeros((12, 2))
    loads[2:5, 0] = [1.0, 2.0, 3.0]
    loads[6, 0] = 0.8  # one frame off the floor is chatter at 20 frames per second
    loads[:, 1] = 0.04  # less than bears weight
    loads[9:, 1] = 0.5
    assert timeline(loads, ("left foot", "pelvis")).contacts() == [
        Contact("left foot", 2, 6, pytest.approx(6.8 / 5)),
        Contact("pelvis", 9, 11, pytest.approx(0.5)),
    ]


def test_timelines_are_cut_and_joined() -> None:
    timeline_of_ten = timeline(np.arange(10.0)[:, None], ("left foot",))
    rejoined = timeline_of_ten.frames(0, 4).append(timeline_of_ten.frames(4, 10))
    for name in ("residual_force_bodyweights", "residual_torque_nm", "loads_bodyweights"):
        np.testing.assert_array_equal(getattr(rejoined, name), getattr(timeline_of_ten, name))
    assert len(rejoined) == 10
