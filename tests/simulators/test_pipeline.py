"""Corrections pass their stages.

What is simulated and comes out is known, and from which stage.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import numpy as np
import pytest

from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.simulators.body.humanoid import build_humanoid
from selfcorrect.simulators.clean import CleanupSettings, LevelFloor, StabilizeFloor, clean_motions
from selfcorrect.simulators.corrector import KinematicCorrector, PhysicsCorrector
from selfcorrect.simulators.planning.planner import plan_motions
from selfcorrect.simulators.postprocess.steps import BLEND_SIMULATION
from selfcorrect.simulators.results.results import CorrectedMotion, Stage
from selfcorrect.simulators.settings.tracker import EngineSettings, TrackerSettings
from selfcorrect.simulators.stages.scene import Scene
from selfcorrect.simulators.stages.values import MotionPlan
from selfcorrect.simulators.tracking import tracker

KNOWN_FLOOR = CleanupSettings(support="floor").without_steps(LevelFloor, StabilizeFloor)
AUTO = PhysicsCorrector(cleanup=KNOWN_FLOOR, simulate="auto")
ALWAYS = PhysicsCorrector(cleanup=KNOWN_FLOOR, simulate="always")


@pytest.fixture(scope="module")
def shaken(walk: Motion) -> Motion:
    """Return a walk that sways by 12 cm twice a second, which no floor explains."""
    times_s = np.arange(len(walk)) / walk.fps
    return replace(walk, root_m=walk.root_m + 0.12 * np.sin(15 * times_s)[:, None] * [1.0, 0.0, 0.0])


@pytest.fixture(scope="module")
def corrections(walk: Motion, shaken: Motion) -> dict[str, list[CorrectedMotion]]:
    """Correct both walks separately with every simulation choice."""
    return {corrector.simulate: [corrector([motion])[0] for motion in (walk, shaken)] for corrector in (AUTO, ALWAYS)}


def same(first: CorrectedMotion, second: CorrectedMotion) -> bool:
    return np.array_equal(first.motion.root_m, second.motion.root_m) and np.array_equal(
        first.motion.rotations, second.motion.rotations
    )


def make_plan(motions: Sequence[Motion]) -> MotionPlan:
    cleaned = clean_motions(MotionBatch.stack(motions), KNOWN_FLOOR)
    return plan_motions(
        cleaned, build_humanoid(motions[0].skeleton, soles=cleaned.soles).with_minimum_inertia(0.06), TrackerSettings()
    )


def test_explained_plan_is_not_simulated(walk, monkeypatch):
    """No world is even made for it."""
    monkeypatch.setattr(tracker, "track_motions", pytest.fail)
    correction = AUTO([walk])[0]
    assert correction.accepted
    assert correction.stage is not Stage.SIMULATED
    assert correction.forces.residual["simulated_share"] == 0.0
    assert "polished_m" not in correction.forces.residual
    assert (
        correction.forces.residual["residual_force_bodyweights"]
        == correction.forces.residual["unexplained_force_bodyweights"]
    )


def test_unexplained_is_simulated(corrections):
    auto = corrections["auto"][1]
    always = corrections["always"][1]
    assert same(auto, always)
    assert auto.forces.residual == always.forces.residual
    assert auto.forces.residual["residual_force_bodyweights"] > 0
    assert auto.stage is Stage.SIMULATED


def test_company_changes_no_simulation(walk, shaken, corrections):
    """Company changes no simulation.

    Of the motions of one batch, one is simulated and one is not.
    """
    together = AUTO([walk, shaken])
    assert [correction.stage is Stage.SIMULATED for correction in together] == [False, True]
    assert all(same(first, alone) for first, alone in zip(together, corrections["auto"], strict=True))


def test_residual_plan_may_gain(walk, shaken):
    assert BLEND_SIMULATION.can_gain(make_plan([walk, shaken])).tolist() == [False, True]
    missing = BLEND_SIMULATION.unexplained_bodyweights(make_plan([walk, shaken]))
    assert missing[0].max() < 0.2 < missing[1].max()


def test_infinite_plan_is_simulated(walk):
    plan_alone = make_plan([walk])
    broken = replace(
        plan_alone,
        contacts=replace(plan_alone.contacts, unexplained=np.full_like(plan_alone.contacts.unexplained, np.nan)),
    )
    assert BLEND_SIMULATION.can_gain(broken).all()


@pytest.mark.parametrize("scene", [Scene(load_kg=10.0), None], ids=["load", "raw"])
def test_raw_states_are_always_simulated(walk, scene):
    settings = {"postprocess": ()} if scene is None else {"scene": scene}
    correction = replace(AUTO, **settings)([walk])[0]
    assert correction.stage is Stage.SIMULATED
    assert correction.forces.residual["simulated_share"] == 1.0


def test_kinematics_alone_comes_out_cleaned(walk):
    assert KinematicCorrector(KNOWN_FLOOR)([walk])[0].stage is Stage.CLEANED


def test_plan_timeline_bears_body(corrections, walk):
    """Plans bear the body in every frame.

    The load is about the body's weight.
    """
    timeline = corrections["auto"][0].forces.timeline
    assert timeline is not None
    assert len(timeline) == len(walk)
    assert timeline.loads_bodyweights.sum(axis=1).mean() == pytest.approx(1.0, abs=0.2)
    loaded = timeline.loads_bodyweights.mean(axis=0)
    assert {timeline.parts[index] for index in np.argsort(loaded)[-2:]} == {"left foot", "right foot"}


@pytest.mark.slow
def test_threads_equal_one(engine, clips):
    """Each thread has its own simulator.

    Its world keeps a state.
    """
    corrector = replace(ALWAYS, tracker=TrackerSettings(engine=EngineSettings(name=engine)))
    motions = [clips[name].frames(0, 30) for name in ("walk", "run", "jump", "kick")]
    alone = [corrector([motion])[0] for motion in motions]
    start = Barrier(4)

    def correct_all(thread: int) -> list[tuple[int, CorrectedMotion]]:
        start.wait()
        turns = [(thread + turn) % len(motions) for turn in range(len(motions))]
        return [(index, corrector([motions[index]])[0]) for index in turns]

    with ThreadPoolExecutor(4) as threads:
        all_pairs = [pair for pairs in threads.map(correct_all, range(4)) for pair in pairs]
    assert len(all_pairs) == 4 * len(motions)
    assert all(same(alone[index], correction) for index, correction in all_pairs)
    assert all(alone[index].accepted == correction.accepted for index, correction in all_pairs)
