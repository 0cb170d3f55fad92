"""The world of a motion follows its frames."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_motions import made_motion

from selfcorrect.simulators.clean import CleanupSettings
from selfcorrect.simulators.core.levelling import FitSoles
from selfcorrect.simulators.hypotheses.splices import JoinSplices
from selfcorrect.simulators.results.motion_world import FloorDecision, MotionWorld, Ride, TPoses
from selfcorrect.simulators.results.results import CorrectedMotion, Note, NoteKind
from selfcorrect.simulators.results.view import Part
from selfcorrect.simulators.world import perceive_world

FRAMES = 60
WALK = made_motion("walk", frames=FRAMES)
WORLD = MotionWorld(
    ride=Ride(np.linspace(0.0, 1.0, FRAMES), is_lift=True),
    t_poses=TPoses(5, 3, fades_in=True, fades_out=True),
    takes=(20, 40),
)


def find_t_pose_frames(part: Part) -> set[int]:
    first, last = part.world.find_frames_between_t_poses(part.motion)
    return set(range(len(part))) - set(range(first, last))


@settings(max_examples=50, deadline=None)
@given(start=st.integers(0, 50), frames=st.integers(9, 60))
def test_part_keeps_what_it_shows(start: int, frames: int) -> None:
    whole = Part(WALK, WORLD)
    stop = min(start + frames, FRAMES)
    part = whole.frames(start, stop)
    np.testing.assert_array_equal(part.motion.root_m, WALK.root_m[start:stop])
    assert part.world.ride is not None
    np.testing.assert_array_equal(part.world.ride.rises_m, np.linspace(0.0, 1.0, FRAMES)[start:stop])
    assert {start + frame for frame in find_t_pose_frames(part)} == find_t_pose_frames(whole) & set(range(start, stop))
    assert {start + take for take in part.world.takes} == {take for take in (20, 40) if start < take < stop}
    assert part.world.t_poses.fades_in == (start < 5)
    assert part.world.t_poses.fades_out == (stop > FRAMES - 3)


def test_part_within_t_pose_has_none() -> None:
    assert not Part(WALK, WORLD).frames(0, 4).world.t_poses


@settings(max_examples=50, deadline=None)
@given(counts=st.lists(st.integers(1, 4), min_size=FRAMES, max_size=FRAMES))
def test_world_maps_to_repeated_frames(counts: list[int]) -> None:
    bounds = np.concatenate([[0], np.cumsum(counts)]).tolist()
    sources = np.repeat(np.arange(FRAMES), counts)
    mapped = WORLD.map_time(bounds)
    assert mapped.ride is not None
    np.testing.assert_array_equal(mapped.ride.rises_m, np.linspace(0.0, 1.0, FRAMES)[sources])
    assert (mapped.t_poses.opening, mapped.t_poses.closing) == (sum(counts[:5]), sum(counts[-3:]))
    for take, frame in zip(WORLD.takes, mapped.takes, strict=True):
        assert (sources[frame], sources[frame - 1]) == (take, take - 1)
    assert all(first < second for first, second in pairwise(mapped.takes))


@pytest.mark.parametrize("joins", [False, True])
def test_takes_are_perceived_unless_joined(*, joins: bool) -> None:
    """Two walks far apart are two takes, and T-poses are looked for if soles are fitted."""
    root_m = np.concatenate([WALK.root_m, WALK.root_m + np.array([5.0, 0.0, 5.0])])
    rotations = np.concatenate([WALK.rotations, WALK.rotations])
    rotations[:3] = [0.0, 0.0, 0.0, 1.0]
    two = replace(WALK, root_m=root_m, rotations=rotations)
    cleanup = CleanupSettings().with_steps(JoinSplices(join_takes=joins))
    world = perceive_world(two, cleanup).world
    assert world.takes == (() if joins else (FRAMES,))
    assert world.t_poses.opening == 3
    assert not perceive_world(two, cleanup.without_steps(FitSoles)).world.t_poses


@pytest.mark.parametrize(("raised_m", "moved_m"), [(0.0, 0.0), (0.2, 0.0), (0.0, -0.3)])
def test_carrier_is_named_only_if_the_floor_stays(raised_m: float, moved_m: float) -> None:
    motion = made_motion("walk", frames=20)
    correction = CorrectedMotion(
        motion,
        figures={"raised_m": raised_m},
        floor=FloorDecision(moved_m=moved_m),
        remarks=(Note(NoteKind.CARRIED, words="swings"),),
    )
    kinds = {note.kind for note in correction.notes}
    assert (NoteKind.CARRIED in kinds) == (not raised_m and not moved_m)
