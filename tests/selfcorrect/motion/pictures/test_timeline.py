"""Timelines measure slips, and find planted problems where they are."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_motions import made_motion

from selfcorrect.motion.measures.slip import measure_slip
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.foot_frames import get_foot_frames
from selfcorrect.motion.pictures.timeline import Bar, ContactTimeline, FrameErrors, Problem, find_problems

_STILL = made_motion("idle", frames=90)
STANDING = replace(_STILL, feet=get_foot_frames(_STILL))
BOTH = [Bar(0, 0, 89), Bar(1, 0, 89)]


def measure(motion: Motion) -> FrameErrors:
    errors = FrameErrors.from_motion(motion)
    assert errors is not None
    return errors


def shift(first: int, last: int, by_m: tuple[float, float, float]) -> Motion:
    """Move the standing person in some frames, by a distance that grows from frame to frame."""
    root_m = STANDING.root_m.copy()
    share = np.clip((np.arange(90) - first) / max(last - first, 1), 0.0, 1.0)
    return replace(STANDING, root_m=root_m + share[:, None] * np.array(by_m))


@given(length_mm=st.integers(70, 180), first=st.integers(0, 40), frames=st.integers(12, 40))
def test_slip_is_the_distance_of_a_slide(length_mm: int, first: int, frames: int) -> None:
    """A person who slides at less than half a metre per second stands."""
    errors = measure(shift(first, first + frames, (length_mm / 1000, 0.0, 0.0)))
    for bar in BOTH:
        assert 1000 * (errors.find_slip_m(bar) or 0.0) == pytest.approx(length_mm, abs=8)
    found = {(problem.first, problem.last) for problem in find_problems(errors, [], STANDING.fps)}
    assert found == {(stance.first, stance.last) for stance in errors.slip.stances}


def test_slip_is_the_one_measure() -> None:
    """Contacts, problems and figures of a page have the slip per stance of `measure_slip`."""
    walk = made_motion("walk", frames=120)
    errors = measure(walk)
    slip = measure_slip(walk)
    assert len(slip.stances) > 2
    for stance in slip.stances:
        within = Bar(stance.foot, stance.first + 1, stance.last - 1)
        assert errors.find_slip_m(within) == stance.slip_m
    assert errors.summarize([])["slip_mm"] == 1000 * slip.per_stance_m


def test_contact_without_stance_has_no_slip() -> None:
    walk = measure(made_motion("walk", frames=120))
    bears = np.zeros((120, 2), dtype=bool)
    for stance in walk.slip.stances:
        bears[stance.first : stance.last + 1, stance.foot] = True
    frame, foot = np.argwhere(~bears)[0].tolist()
    assert walk.find_slip_m(Bar(foot, frame, frame)) is None


def kinds(problems: list[Problem]) -> set[str]:
    return {problem.kind for problem in problems}


def test_standing_has_no_problems() -> None:
    assert not find_problems(measure(STANDING), BOTH, STANDING.fps, measure(STANDING))


@pytest.mark.parametrize(
    ("by_m", "kind"), [((0.3, 0.0, 0.0), "slip"), ((0.0, -0.05, 0.0), "penetration"), ((0.0, 0.05, 0.0), "floating")]
)
def test_planted_problem_is_found(by_m: tuple[float, float, float], kind: str) -> None:
    problems = find_problems(measure(shift(40, 60, by_m)), BOTH, STANDING.fps)
    assert kinds(problems) == {kind}
    assert all(problem.first <= problem.frame <= problem.last for problem in problems)
    assert all(problem.severity == pytest.approx(5.0, abs=0.8) for problem in problems)  # 5 times the least
    assert [problem.severity for problem in problems] == sorted((p.severity for p in problems), reverse=True)


def test_added_jerks_and_knee_pops_are_found() -> None:
    (knee,) = [joint for joint, part in enumerate(STANDING.skeleton.parts) if part == "left_knee"]
    rotations = STANDING.rotations.copy()
    rotations[45, knee] = [np.sin(0.2), 0.0, 0.0, np.cos(0.2)]
    popped = replace(STANDING, rotations=rotations)
    problems = find_problems(measure(popped), [], STANDING.fps, measure(STANDING))
    assert {"knee", "jerk"} <= kinds(problems)
    assert all(abs(problem.frame - 45) <= 3 for problem in problems if problem.kind in ("knee", "jerk"))
    assert not kinds(find_problems(measure(popped), [], STANDING.fps, measure(popped))) & {"knee", "jerk"}


@given(start=st.integers(0, 70), length=st.integers(4, 20))
def test_pieces_are_measured_as_the_whole(start: int, length: int) -> None:
    moved = shift(20, 70, (0.2, 0.01, 0.1))
    still = measure(STANDING)
    mixed = replace(STANDING, root_m=STANDING.root_m.copy())
    mixed.root_m[start : start + length] = moved.root_m[start : start + length]
    piece = FrameErrors.from_motion(moved.select_frames(slice(start, start + length)), measure_slip(mixed))
    assert piece is not None
    joined = still.with_piece(start, piece)
    assert joined.find_slip_m(BOTH[1]) == measure(mixed).find_slip_m(BOTH[1])
    piece = FrameErrors.from_motion(moved.select_frames(slice(start, start + length)), measure_slip(moved))
    assert piece is not None
    joined = measure(moved).with_piece(start, piece)
    for name in ("heights_m", "knee_speeds_deg_s", "jerks_m_s3"):
        np.testing.assert_allclose(getattr(joined, name), getattr(measure(moved), name), atol=1e-9, err_msg=name)


def test_hands_and_sliding_feet_have_no_slip() -> None:
    contacts = [
        {"part": "left hand", "first_frame": 0, "last_frame": 9},
        {"part": "left foot", "first_frame": 0, "last_frame": 9, "kind": "slides"},
        {"part": "right foot", "first_frame": 0, "last_frame": 9, "kind": "stands"},
    ]
    content = {"frames": 90, "fps": STANDING.fps, "contacts": contacts}
    timeline = ContactTimeline.from_errors(measure(STANDING), None, content, "c.json", 1.0)
    assert [slip for _, slip in timeline.slips_mm][:2] == [None, None]
    assert timeline.slips_mm[2] == (None, pytest.approx(0.0, abs=3.0))
    assert timeline.to_json()["contacts"] == content
