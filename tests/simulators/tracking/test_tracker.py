"""Simulated bodies follow motions, several at a time, and are given up where they are lost."""

from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
from made_motions import Kind, made_motion
from simulated_bodies import make_plan

from selfcorrect.motion.geometry import compiled
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.body.humanoid import build_humanoid
from selfcorrect.simulators.settings.engine_table import ENGINES
from selfcorrect.simulators.settings.tracker import EngineSettings, TrackerSettings
from selfcorrect.simulators.stages.scene import PLAIN, Scene
from selfcorrect.simulators.stages.values import MotionPlan, SimulatedMotion
from selfcorrect.simulators.tracking import tracker
from selfcorrect.simulators.tracking.tracker import track_motions


def follow_plans(engine: str, *plans: MotionPlan, scene: Scene = PLAIN) -> list[list[SimulatedMotion]]:
    settings = TrackerSettings(engine=EngineSettings(name=engine))
    return track_motions(ENGINES.load(engine)(settings.engine), plans, settings, scene)


@pytest.fixture
def leaving(stand: Motion) -> Motion:
    """Stands for half a second and is 2 m further on from one frame to the next."""
    away_m = 2.0 * (np.arange(len(stand)) >= 15)[:, None] * [1.0, 0.0, 0.0]
    return replace(stand, root_m=stand.root_m + away_m)


def test_a_body_that_stands_goes_on_standing(stand, engine):
    ((track,),) = follow_plans(engine, make_plan(stand))
    assert track.lost_at is None
    assert np.abs(track.motion.root_m - stand.root_m).max() < 0.02
    steps = (len(stand) - 1) * round(120 / stand.fps)
    assert track.wrench.shape == (steps, 6)
    assert len(track.loads_n) == len(stand) - 1
    weight_n = build_humanoid(stand.skeleton).weight_n
    assert track.loads_n[10:].sum(axis=1).mean() == pytest.approx(weight_n, rel=0.1)


@pytest.mark.parametrize("kind", ["walk", "run", "turn"])
def test_loads_and_residual_force_bear_the_weight_on_average(kind: Kind, engine: str):
    """Over seconds: momentum at both ends is a tiny part of that. In single steps of landings it is not so."""
    motion = made_motion(kind)
    ((track,),) = follow_plans(engine, make_plan(motion))
    weight_n = build_humanoid(motion.skeleton).weight_n
    borne_n = track.loads_n.sum(axis=1).mean() + track.wrench[:, 1].mean()
    assert borne_n == pytest.approx(weight_n, rel=0.06)


def test_a_body_that_is_lost_is_held_in_its_last_good_pose(leaving, engine):
    ((track,),) = follow_plans(engine, make_plan(leaving))
    lost_at = track.lost_at
    assert lost_at is not None
    assert lost_at >= 13  # the spline turns towards the jump a little before it
    assert (track.motion.root_m[lost_at:] == track.motion.root_m[lost_at - 1]).all()
    assert len(track.loads_n) == lost_at
    assert len(track.wrench) == lost_at * round(120 / leaving.fps)


def test_tracks_come_in_the_order_of_their_motions_and_do_not_depend_on_each_other(stand, leaving, engine):
    """A shorter motion first, and one that is lost beside one that is not."""
    short = stand.frames(0, 12)
    together = follow_plans(engine, make_plan(short), make_plan(stand, leaving))
    alone = [*follow_plans(engine, make_plan(short))[0], *follow_plans(engine, make_plan(stand))[0]]
    tracks = [track for batch in together for track in batch]
    assert [len(track.motion) for track in tracks] == [12, len(stand), len(leaving)]
    for first, second in zip(tracks, alone, strict=False):
        assert np.array_equal(first.motion.root_m, second.motion.root_m)
        assert np.array_equal(first.wrench, second.wrench)


@pytest.mark.skipif(compiled.find_kernel("steer") is None, reason="the kernels are not compiled here")
def test_compiled_control_has_the_bits_of_numpy(stand, leaving, monkeypatch):
    """Bodies that walk, stand and are lost, pushed, of two lengths."""
    scene = Scene(push_n=(40.0, 0.0, -30.0), push_from_s=0.2)
    plans = [make_plan(stand, leaving), make_plan(made_motion("walk"))]
    fast = follow_plans("mujoco", *plans, scene=scene)
    monkeypatch.setattr(tracker, "find_kernel", lambda name: None)
    slow = follow_plans("mujoco", *plans, scene=scene)
    for first, second in zip(chain(*fast), chain(*slow), strict=True):
        assert first.lost_at == second.lost_at
        assert np.array_equal(first.wrench, second.wrench)
        assert np.array_equal(first.motion.rotations, second.motion.rotations)
        assert np.array_equal(first.loads_n, second.loads_n)


def test_some_plans_of_a_batch_are_those_of_their_motions(stand, leaving):
    some = make_plan(stand, leaving).select([1])
    assert len(some) == 1
    assert np.array_equal(some.motions.root_m[0], make_plan(leaving).motions.root_m[0])
    assert np.array_equal(some.contacts.force_n, make_plan(leaving).contacts.force_n)
