"""Views of unchanged parts, alone and together, give the motion."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from made_motions import KINDS, Kind, made_motion
from scipy.spatial.transform import Rotation

from selfcorrect.motion.editing.loops import gap_m, is_loop
from selfcorrect.motion.ground import Ground
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.skeleton import FootFrames
from selfcorrect.motion.views import JointOrder, LevelFeet, TurnedWorld
from selfcorrect.simulators.clean import CleanupSettings, FitSoles, LevelFloor
from selfcorrect.simulators.core.pieces import split_into_pieces
from selfcorrect.simulators.corrector import correct_through_views
from selfcorrect.simulators.pipeline import Pipeline
from selfcorrect.simulators.results.results import CorrectedMotion, Note
from selfcorrect.simulators.results.view import CorrectionView, Part
from selfcorrect.simulators.view_table import VIEWS
from selfcorrect.simulators.world import perceive_world

UP = np.array([0.0, 1.0, 0.0])
AWAY_M = np.array([3.0, 0.0, 2.0])
FILES = Pipeline(CleanupSettings(keep_level=True))
KNOWN_FLOOR = Pipeline(CleanupSettings().without_steps(FitSoles, LevelFloor))


def turned_foot(motion: Motion) -> Motion:
    """Feet whose frames at rest are pitched."""
    pitch = tuple(Rotation.from_euler("x", 0.4).as_quat().tolist())
    return LevelFeet(FootFrames(ankles=(pitch, pitch))).view(motion)


def t_posed(motion: Motion) -> Motion:
    rotations = motion.rotations.copy()
    rotations[[0, 1, 2, -1]] = [0.0, 0.0, 0.0, 1.0]
    return replace(motion, rotations=rotations)


def cut_in_two(motion: Motion) -> Motion:
    """A take, and another elsewhere that faces elsewhere."""
    half = len(motion) // 2
    other = TurnedWorld(Rotation.from_euler("y", 2.0).as_quat()).view(motion.frames(half, len(motion)))
    root_m = np.concatenate([motion.root_m[:half], other.root_m + AWAY_M])
    return replace(motion, root_m=root_m, rotations=np.concatenate([motion.rotations[:half], other.rotations]))


def ride_up(motion: Motion) -> Motion:
    """Ride a lift up by three metres, keeping the pose."""
    stand = motion.select_frames(np.full(len(motion), 20))
    return replace(stand, root_m=stand.root_m + 3.0 * np.clip(np.arange(len(stand)) / 30 - 1, 0, 1)[:, None] * UP)


def there_and_back(motion: Motion) -> Motion:
    """A loop."""
    half = motion.frames(0, len(motion) // 2)
    return half.select_frames(np.r_[: len(half), len(half) - 2 : -1 : -1])


def depth_first(motion: Motion) -> Motion:
    """Joints limb by limb, as most files list them."""
    order: list[int] = []
    waiting = [0]
    while waiting:
        order.append(waiting.pop())
        waiting += motion.skeleton.children[order[-1]]
    return JointOrder(motion.skeleton, np.array(order)).view(motion)


DISGUISES: dict[str, Callable[[Motion], Motion]] = {
    "plain": lambda motion: motion,
    "on twos": lambda motion: motion.select_frames(np.repeat(np.arange(len(motion) // 2), 2)),
    "ride": ride_up,
    "tilted": lambda motion: TurnedWorld(Rotation.from_euler("zx", [5.0, 4.0], degrees=True).as_quat()).view(motion),
    "on a slope": lambda motion: replace(motion, ground=Ground(floor_m=0.2, slope_deg=5.0, uphill_deg=30.0)),
    "raised": lambda motion: replace(motion, root_m=motion.root_m + 0.3 * UP),
    "T-poses": t_posed,
    "turned feet": turned_foot,
    "takes": cut_in_two,
    "loop": there_and_back,
    "limb by limb": depth_first,
}


def keep(parts: Sequence[Part]) -> list[CorrectedMotion]:
    return [CorrectedMotion(part.motion) for part in parts]


def keep_frame_times(pipeline: Pipeline) -> Pipeline:
    """Return a pipeline that leaves repeated frames repeated."""
    return replace(pipeline, cleanup=replace(pipeline.cleanup, frame_times="keep"))


def see_short_pieces(part: Part, pipeline: Pipeline) -> CorrectionView:
    return split_into_pieces(part, pipeline, 60)


def perceive(motion: Motion, pipeline: Pipeline) -> Part:
    return Part(motion, perceive_world(motion, pipeline.cleanup).world)


def assert_same(first: Motion, second: Motion) -> None:
    assert (first.fps, first.skeleton.names, first.ground) == (second.fps, second.skeleton.names, second.ground)
    np.testing.assert_allclose(first.skeleton.offsets_m, second.skeleton.offsets_m, atol=1e-12)
    np.testing.assert_allclose(first.root_m, second.root_m, atol=1e-9)
    cosines = np.abs(np.sum(first.rotations * second.rotations, axis=-1))
    np.testing.assert_allclose(cosines, 1.0, atol=1e-9)


def has_gap(motion: Motion) -> bool:
    """Return whether a half or whole loop gapes.

    A loop with a gap would be closed.
    """
    half = len(motion) // 2
    parts = (motion, motion.frames(0, half), motion.frames(half, len(motion)))
    return any(is_loop(part) and gap_m(part) > 1e-9 for part in parts)


@pytest.mark.parametrize("pipeline", [FILES, KNOWN_FLOOR], ids=["files", "known floor"])
@settings(max_examples=15, deadline=None)
@given(kind=st.sampled_from(KINDS), disguise=st.sampled_from(list(DISGUISES)), pace=st.floats(0.7, 1.4))
def test_kept_parts_give_motion(pipeline: Pipeline, kind: Kind, disguise: str, pace: float) -> None:
    """Every view gives back a motion whose parts are kept."""
    pipeline = keep_frame_times(pipeline)
    motion = DISGUISES[disguise](made_motion(kind, pace=pace))
    assume(not has_gap(motion))
    perceived = perceive(motion, pipeline)
    for see in (*VIEWS, see_short_pieces):
        view = see(perceived, pipeline)
        assert_same(view.restore(keep(view.parts)).motion, motion)
        first = view.parts[0].motion
        raised = replace(view.parts[0], motion=replace(first, root_m=first.root_m + 0.2 * UP))
        changed = view.restore(keep([raised, *view.parts[1:]])).motion
        with pytest.raises(AssertionError):
            assert_same(changed, motion)


@pytest.mark.parametrize(("disguise", "starts"), [("T-poses", [3]), ("takes", [0, 60])])
def test_notes_use_whole_frames(disguise: str, starts: list[int]) -> None:
    motion = DISGUISES[disguise](made_motion("walk", frames=120))
    views = [see(perceive(motion, FILES), FILES) for see in VIEWS]
    (view,) = [view for view in views if len(view.parts[0]) < len(motion)]
    notes = [Note(words=str(start), frames=(5,)) for start in starts]
    parts = zip(view.parts, notes, strict=True)
    restored = view.restore([CorrectedMotion(part.motion, remarks=(note,)) for part, note in parts])
    frames = {note.words: note.frames for note in restored.notes if note.words}
    assert frames == {str(start): (start + 5,) for start in starts}


@pytest.mark.parametrize("disguise", DISGUISES)
def test_identity_pipeline_keeps_motion(disguise: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Views give the motion back in any order.

    All in order, one call, all in reverse.
    """
    calls = []

    def keep_batches(pipeline: Pipeline, batches: Sequence[MotionBatch]) -> list[list[CorrectedMotion]]:
        calls.append(len(batches))
        return [[CorrectedMotion(motion) for motion in batch] for batch in batches]

    monkeypatch.setattr("selfcorrect.simulators.corrector.correct_batches", keep_batches)
    motion = DISGUISES[disguise](made_motion("walk"))
    (correction,) = correct_through_views([motion], keep_frame_times(FILES))
    assert_same(correction.motion, motion)
    assert calls == [2 if disguise == "takes" else 1]
    seen = [Part(motion)]
    for see in VIEWS:
        seen = [part for whole in seen for part in see(whole, FILES).parts]
    parts = [part.motion for part in seen]
    is_plain = len(parts) == 1 and len(parts[0]) == len(motion) and np.allclose(parts[0].root_m, motion.root_m)
    is_plain = is_plain and np.allclose(parts[0].rotations, motion.rotations)
    assert is_plain == (disguise in ("plain", "raised"))
