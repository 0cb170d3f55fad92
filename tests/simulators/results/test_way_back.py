"""Corrections of parts return to the whole motion.

What they say comes back in its time and space.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from selfcorrect.motion.motion import Motion
from selfcorrect.motion.support import Support
from selfcorrect.motion.views import TurnedWorld
from selfcorrect.simulators.results.motion_world import MotionWorld, TPoses
from selfcorrect.simulators.results.results import (
    Beliefs,
    CorrectedMotion,
    Failure,
    FailureKind,
    GroundContacts,
    MotionChanges,
    Note,
    NoteKind,
    Stage,
)
from selfcorrect.simulators.results.timeline import Contact
from selfcorrect.simulators.results.way_back import join, map_space, map_time

MakeMotion = Callable[..., Motion]

STEP = Support("left foot", (0.1, 0.2, 0.3), (0.3, 0.3), first=2, last=4)
QUARTER_TURN = TurnedWorld(np.array([0.0, np.sin(np.pi / 4), 0.0, np.cos(np.pi / 4)]))
FAR_TURN = TurnedWorld(np.array([np.sin(0.1), 0.0, 0.0, np.cos(0.1)]), pivot_m=(5.0, 0.0, -20.0))


def test_time_shift_moves_everything(random_motion: MakeMotion) -> None:
    failure = Failure(FailureKind.FLOATING, 3, last_frame=5)
    part = CorrectedMotion(
        random_motion(0, 10),
        failure=failure,
        contacts=GroundContacts((Contact("left foot", 2, 4),), (STEP,)),
        changes=MotionChanges(kept_stretches=((0, 9),)),
    )
    whole = map_time(part, range(100, 111))
    assert whole.failure is not None
    assert (whole.failure.frame, whole.failure.last_frame) == (103, 105)
    assert whole.contacts.standing_feet == (Contact("left foot", 102, 104),)
    assert (whole.contacts.supports[0].first, whole.contacts.supports[0].last) == (102, 104)
    assert whole.notes[0].frames == (100, 109)
    assert whole.changes.kept_stretches == ((100, 109),)
    assert whole.motion is part.motion


def test_repeated_frames_map(random_motion: MakeMotion) -> None:
    part = CorrectedMotion(
        random_motion(0, 5),
        contacts=GroundContacts((Contact("left foot", 2, 4),), (STEP,)),
        remarks=(Note(NoteKind.TAKES, frames=(2,)), Note(NoteKind.LOOP, 1.0)),
    )
    part = replace(part, world=MotionWorld(takes=(2,), t_poses=TPoses(1, 2)))
    whole = map_time(part, [0, 2, 4, 7, 8, 10])
    assert whole.world.takes == (4,)
    assert whole.world.t_poses == TPoses(2, 3)
    assert whole.contacts.standing_feet == (Contact("left foot", 4, 9),)
    assert (whole.contacts.supports[0].first, whole.contacts.supports[0].last) == (4, 9)
    assert [note.frames for note in whole.notes] == [(4,), ()]


@pytest.mark.parametrize("turned", [None, QUARTER_TURN, FAR_TURN])
def test_supports_move_with_motion(random_motion: MakeMotion, turned: TurnedWorld | None) -> None:
    motion = random_motion(1, 10)
    on_root = replace(STEP, top_m=tuple(motion.root_m[STEP.middle].tolist()))
    shifts_m = np.random.default_rng(0).normal(size=(10, 3))
    moved = map_space(CorrectedMotion(motion, contacts=GroundContacts(supports=(on_root,))), shifts_m, turned)
    np.testing.assert_allclose(moved.contacts.supports[0].top_m, moved.motion.root_m[STEP.middle], atol=1e-12)
    assert not np.allclose(moved.motion.root_m, motion.root_m)


def test_turned_world_round_trips(random_motion: MakeMotion) -> None:
    motion = random_motion(2)
    shift_m = np.array([0.5, -1.0, 2.0])
    seen = QUARTER_TURN.view(motion)
    seen = replace(seen, root_m=seen.root_m - shift_m)
    np.testing.assert_allclose(
        map_space(CorrectedMotion(seen), shift_m, QUARTER_TURN).motion.root_m, motion.root_m, atol=1e-12
    )


def test_joined_parts_keep_stage_and_notes(random_motion: MakeMotion) -> None:
    motion = random_motion(3)
    note = Note(NoteKind.CONTACT_MISSED, words="left foot")
    parts = [
        CorrectedMotion(motion, stage=Stage.CLEANED, remarks=(note,), figures={"moved_m": 1.0, "polished_m": 2.0}),
        CorrectedMotion(
            motion,
            stage=Stage.SIMULATED,
            remarks=(note,),
            contacts=GroundContacts(supports=(STEP,)),
            figures={"moved_m": 4.0},
        ),
    ]
    whole = Note(NoteKind.TAKES, frames=(4,))
    joined = join(motion, parts, [whole], weights=[2, 1])
    assert joined.stage is Stage.last([Stage.CLEANED, Stage.SIMULATED])
    assert joined.notes == (whole, note)
    ends = [
        replace(parts[0], world=MotionWorld(t_poses=TPoses(5, 0), takes=(7,))),
        replace(parts[1], world=MotionWorld(t_poses=TPoses(0, 3)), beliefs=Beliefs(loops_s=(2.0,))),
    ]
    assert join(motion, ends).world.t_poses == TPoses(5, 3)
    assert join(motion, ends).world.takes == (7,)
    assert join(motion, ends).beliefs.loops_s == (2.0,)
    assert joined.contacts.supports == (STEP,)
    assert joined.figures == {"moved_m": pytest.approx(2.0)}
    assert dict(join(motion, parts).figures) == {}
