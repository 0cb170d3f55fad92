"""Scenes change what they must in every engine."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from helpers import load_clips
from scipy.spatial.transform import Rotation

from selfcorrect import correct
from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.motion.editing.transforms import close_cycle, repeat_cycle
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.simulators.body.humanoid import build_humanoid
from selfcorrect.simulators.clean import CleanupSettings
from selfcorrect.simulators.corrector import PhysicsCorrector
from selfcorrect.simulators.presets import find_preset
from selfcorrect.simulators.results.results import CorrectedMotion
from selfcorrect.simulators.stages.scene import PLAIN, Scene
from selfcorrect.simulators.stages.staging import adapt_body, compute_push_n, lean_bodies, place_on_slope


@lru_cache
def motion_of(name: str) -> Motion:
    clip = load_clips()[name]
    return repeat_cycle(close_cycle(clip), 2) if name == "walk" else clip


NEARLY_PLAIN = Scene(push_n=(0.0, 0.0, 1e-6))
"""What moves bodies as in a plain scene, and is none, so that help is that of scenes."""


@lru_cache
def follow_clip(name: str, engine: str, scene: Scene = PLAIN) -> CorrectedMotion:
    """Return a motion followed with little help.

    The body is helped as little as the dial has it.
    """
    corrector = PhysicsCorrector(
        find_preset(1.0, engine).tracker, CleanupSettings(close_loops=False), scene=scene, postprocess=()
    )
    correction = corrector([motion_of(name)])[0]
    assert correction.accepted, correction.reason
    return correction


def load(correction: CorrectedMotion) -> np.ndarray:
    """(T,) what the ground bears, body weights."""
    assert correction.forces.timeline is not None
    return correction.forces.timeline.loads_bodyweights.sum(axis=1)


def test_pushed_body_recovers(engine):
    scene = Scene(push_n=(400.0, 0.0, 0.0), push_from_s=0.6, push_lasts_s=0.2)
    pushed = follow_clip("walk", engine, scene).motion
    alone = follow_clip("walk", engine, NEARLY_PLAIN).motion
    aside_m = (pushed.root_m - alone.root_m)[:, 0]
    first = int(0.6 * alone.fps)
    assert np.abs(aside_m[:first]).max() < 1e-6
    assert aside_m[first : first + 15].max() > 0.12
    assert np.abs(aside_m[-8:]).max() < 0.5 * aside_m.max()


def in_scene(name: str, engine: str, scene: Scene) -> Motion:
    """What comes out at the strength that is usual."""
    correction = correct(motion_of(name), engine=engine, scene=scene)
    assert correction.accepted, correction.reason
    return correction.motion


def test_push_displaces_as_predicted(engine):
    scene = Scene(push_n=(300.0, 0.0, 0.0), push_from_s=0.6)
    aside_m = (in_scene("walk", engine, scene).root_m - in_scene("walk", engine, NEARLY_PLAIN).root_m)[:, 0]
    speed_m_s = 300.0 * scene.push_lasts_s / build_humanoid(motion_of("walk").skeleton).total_mass_kg
    assert 0.07 < aside_m.max() < speed_m_s * 0.5
    first = int(0.6 * motion_of("walk").fps)
    assert aside_m[first : first + 10].min() > -0.01


def test_gravity_changes_jump_height(engine):
    peaks_m = [
        in_scene("jump", engine, Scene(gravity_m_s2=gravity_m_s2)).root_m[:, 1].max()
        for gravity_m_s2 in (20.0, 9.8, 5.0, 3.3)
    ]
    assert np.diff(peaks_m).min() > 0.02
    assert peaks_m[-1] > peaks_m[1] + 0.1


def test_a_push_is_no_help(engine):
    scene = Scene(push_n=(0.0, -300.0, 0.0), push_from_s=0.2, push_lasts_s=1.0)
    pressed = load(follow_clip("walk", engine, scene))[12:30].mean()
    assert pressed > load(follow_clip("walk", engine))[12:30].mean() + 0.2


def test_body_lands_without_stumbling(engine):
    """Straight legs would be hit by more than two body weights, and feet would slide."""
    followed = follow_clip("walk", engine)
    assert load(followed).max() < 2.0
    assert followed.after["skate_m_s"] < followed.before["skate_m_s"]


def test_feet_slip_on_ice(engine):
    slipping = follow_clip("walk", engine, Scene(friction=0.05)).after["skate_m_s"]
    assert slipping > 1.5 * follow_clip("walk", engine).after["skate_m_s"]


def test_low_gravity_lengthens_flight(engine):
    moon = follow_clip("jump", engine, Scene(gravity_m_s2=3.0))
    earth = follow_clip("jump", engine)
    assert (load(moon) < 0.01).sum() >= (load(earth) < 0.01).sum() + 3
    walk = load(follow_clip("walk", engine, Scene(gravity_m_s2=3.0))).mean()
    assert walk == pytest.approx(3.0 / 9.81 * load(follow_clip("walk", engine)).mean(), rel=0.2)


def test_load_is_borne(engine):
    body = build_humanoid(motion_of("walk").skeleton)
    more = load(follow_clip("walk", engine, Scene(load_kg=20.0))).mean() - load(follow_clip("walk", engine)).mean()
    assert more == pytest.approx(20.0 / body.total_mass_kg, rel=0.5)


def test_bodies_stand_upright_on_slope(engine):
    scene = Scene(slope_deg=8.0)
    uphill = follow_clip("walk", engine, scene).motion
    level = follow_clip("walk", engine, NEARLY_PLAIN).motion
    trunk = level.skeleton.joint("spine1") or level.skeleton.joint("spine3") or 1
    tilts = []
    for motion in (uphill, level):
        joints_m = joint_positions(motion)
        tilts.append(np.rad2deg(np.arctan2(*(joints_m[:, trunk] - joints_m[:, 0])[:, [2, 1]].mean(axis=0))))
    assert tilts[0] - tilts[1] == pytest.approx(0.0, abs=1.0)  # at right angles to the hill would be -8
    feet_m = joint_positions(uphill)[:, [level.skeleton.parts.index(f"{side}_ankle") for side in ("left", "right")]]
    above_hill_m = feet_m[..., 1] - np.tan(np.deg2rad(8.0)) * feet_m[..., 2]
    assert above_hill_m.min() > 0.0
    assert above_hill_m.min(axis=0).max() < 0.15
    assert uphill.root_m[-1, 1] - uphill.root_m[0, 1] > 0.1


def test_plain_scene_changes_nothing(walk):
    plain = PhysicsCorrector(scene=Scene())([walk])[0].motion
    assert np.array_equal(plain.root_m, PhysicsCorrector()([walk])[0].motion.root_m)
    assert adapt_body(PLAIN, body := build_humanoid(walk.skeleton)) is body


@pytest.mark.parametrize("slope_deg", [8.0, -8.0, 15.0])
def test_legs_reach_on_slope(slope_deg):
    walk = motion_of("walk")
    (leant,) = lean_bodies(Scene(slope_deg=slope_deg), MotionBatch.stack([walk]))
    ankles = [walk.skeleton.parts.index(f"{side}_ankle") for side in ("left", "right")]
    before_m = joint_positions(walk)[:, ankles]
    after_m = joint_positions(leant)[:, ankles]
    low = before_m[..., 1] < before_m[..., 1].min(axis=0) + 0.04
    assert low.mean() > 0.5
    assert np.linalg.norm(after_m - before_m, axis=-1)[low].max() < 0.005
    lean_rad = Rotation.from_quat(leant.rotations[:, 0]) * Rotation.from_quat(walk.rotations[:, 0]).inv()
    assert np.rad2deg(lean_rad.magnitude()) == pytest.approx(abs(slope_deg))


def test_slope_correction_leans(adult, stand):
    """What leans on the slope stands upright.

    In the floor's frame, the body leans. Along the floor, feet keep their places.
    """
    scene = Scene(slope_deg=10.0, uphill_deg=90.0)
    motion = stand.frames(0, 4)
    inside = lean_bodies(scene, MotionBatch.stack([motion]))
    back = place_on_slope(scene, CorrectedMotion(inside[0])).motion
    assert np.allclose(np.abs(back.rotations[:, 0] @ [0.0, 0.0, 0.0, 1.0]), 1.0)
    ankle = adult.joint("left_ankle")
    along_hill_m = Rotation.from_rotvec([0.0, 0.0, np.deg2rad(10.0)]).apply(joint_positions(motion)[0, ankle])
    assert np.allclose(joint_positions(back)[0, ankle], along_hill_m, atol=0.003)  # legs reach no further
    assert back.root_m[0, 1] == pytest.approx(motion.root_m[0, 1], abs=0.02)


@pytest.mark.parametrize("uphill_deg", [0.0, 70.0])
def test_slope_body_is_judged_there(stand, uphill_deg: float) -> None:
    correction = place_on_slope(Scene(slope_deg=10.0, uphill_deg=uphill_deg), CorrectedMotion(stand))
    before, after = correction.see_level(stand)
    assert before is stand
    assert np.allclose(joint_positions(after), joint_positions(stand))
    assert not np.allclose(joint_positions(correction.motion), joint_positions(stand), atol=0.05)


def test_load_shifts_centre(adult):
    body = build_humanoid(adult)
    loaded = adapt_body(Scene(load_kg=10.0), body)
    assert loaded.total_mass_kg == pytest.approx(body.total_mass_kg + 10.0)
    assert loaded.weight_n == pytest.approx(body.weight_n)
    link = body.tree.joint("left_elbow")
    assert loaded.mass_kg[link] == pytest.approx(body.mass_kg[link] + 5.0)
    assert loaded.centre_m[link, 0] > body.centre_m[link, 0] + 0.05
    changed = np.flatnonzero(loaded.mass_kg != body.mass_kg)
    assert changed.tolist() == sorted([link, body.tree.joint("right_elbow")])


def test_push_has_its_duration():
    scene = Scene(push_n=(10.0, 0.0, 0.0), push_from_s=0.25, push_lasts_s=0.125)
    pushes_n = compute_push_n(scene, np.arange(128) / 128)
    assert np.flatnonzero(pushes_n[:, 0]).tolist() == list(range(32, 48))
    uphill_n = compute_push_n(replace(scene, push_n=(0.0, 0.0, 10.0), slope_deg=30.0), np.array([0.3]))
    assert uphill_n[0] == pytest.approx([0.0, -5.0, 10 * np.cos(np.pi / 6)])


def test_a_load_needs_arms(adult):
    parts = [joint for joint, part in enumerate(adult.parts) if not any(arm in part for arm in ARM)]
    armless = build_humanoid(_remove_joints(adult, parts))
    with pytest.raises(InputError, match="left arm"):
        adapt_body(Scene(load_kg=1.0), armless)


ARM = ("collar", "shoulder", "elbow", "wrist")


def _remove_joints(skeleton, joints):
    parents = [-1 if skeleton.parents[joint] < 0 else joints.index(skeleton.parents[joint]) for joint in joints]
    names = [skeleton.names[joint] for joint in joints]
    parts = [skeleton.parts[joint] for joint in joints]
    return type(skeleton)(tuple(names), tuple(parents), skeleton.offsets_m[joints], tuple(parts))


@pytest.mark.parametrize(
    "wrong", [{"mass": 0.0}, {"gravity_m_s2": -1.0}, {"friction": 0.0}, {"load_kg": -1.0}, {"slope_deg": 45.0}]
)
def test_impossible_scenes_are_refused(wrong):
    with pytest.raises(SettingError, match=next(iter(wrong))):
        Scene(**wrong)
