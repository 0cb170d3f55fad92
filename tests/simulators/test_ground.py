"""Feet are planted on described ground, and everything is measured against it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ground_motions import UP, on_slope, stair_heights, stairs_under, stepping
from helpers import mean_distance_m
from scipy.spatial.transform import Rotation

import selfcorrect as sc
from selfcorrect.commands.cli import main
from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.motion.body.surface import world_sole_points
from selfcorrect.motion.editing.transforms import raise_motion, turn
from selfcorrect.motion.geometry.rotations import rotate
from selfcorrect.motion.kinematics import pose_joints
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.foot_frames import get_foot_frames, level_feet
from selfcorrect.motion.support import Support
from selfcorrect.simulators.body.humanoid import build_humanoid
from selfcorrect.simulators.clean import CleanupSettings, LevelFloor
from selfcorrect.simulators.corrector import KinematicCorrector, PhysicsCorrector
from selfcorrect.simulators.engines.support_colliders import SupportColliders
from selfcorrect.simulators.settings.tracker import EngineSettings, TrackerSettings
from selfcorrect.simulators.stages.scene import Scene


def lowest_m(motion: Motion) -> np.ndarray:
    """Return the lowest heights (T,) of the soles above the motion's ground."""
    seen = level_feet(motion)
    assert seen.ground is not None
    return seen.ground.above_m(world_sole_points(seen.skeleton, *pose_joints(seen))).min(1)


def correct_on_stairs(motion: Motion) -> Motion:
    correction = KinematicCorrector()([motion])[0]
    assert correction.accepted, correction.reason
    return correction.motion


@pytest.fixture(scope="module")
def planted_walk(planted_walk: Motion) -> Motion:
    return replace(planted_walk, feet=get_foot_frames(planted_walk))


@pytest.fixture(scope="module")
def stairs(planted_walk: Motion) -> tuple[Motion, list[Support]]:
    """Walk up solid stairs of 18 cm, and return the supports with their frames."""
    motion, truth = stepping(planted_walk, stair_heights(planted_walk, 0.18), arc_m=0.12)
    return replace(motion, ground=stairs_under(motion, truth), feet=get_foot_frames(planted_walk)), truth


@pytest.fixture(scope="module")
def climbing(stairs: tuple[Motion, list[Support]]) -> Motion:
    return stairs[0]


# --- laws -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("height_m", "sunk_m"), [(-0.3, 0.03), (0.0, 0.0), (0.7, 0.03), (0.7, 0.0)])
def test_flat_box_is_floor(walk: Motion, height_m: float, sunk_m: float) -> None:
    box = sc.GroundBox((0.0, height_m - 0.5, 0.0), (99.0, 1.0, 99.0))
    sunk = raise_motion(walk, height_m - sunk_m)
    on_box = correct_on_stairs(replace(sunk, ground=sc.Ground((box,), floor_m=-9.0)))
    floor = CleanupSettings().without_steps(LevelFloor)
    on_floor = KinematicCorrector(floor)([raise_motion(sunk, -height_m)])[0].motion
    np.testing.assert_allclose(on_box.root_m, on_floor.root_m + height_m * UP, atol=1e-9)
    np.testing.assert_allclose(on_box.rotations, on_floor.rotations, atol=1e-9)


@pytest.mark.parametrize("heading_deg", [37.0, -120.0])
def test_scene_rotation_commutes(climbing: Motion, heading_deg: float) -> None:
    about = Rotation.from_rotvec(np.radians(heading_deg) * UP)
    ground = climbing.ground
    assert ground is not None
    boxes = tuple(
        replace(box, centre_m=tuple(about.apply(box.centre_m).tolist()), turn_deg=heading_deg) for box in ground.boxes
    )
    turned = replace(turn(climbing, np.radians(heading_deg)), ground=sc.Ground(boxes))
    there = correct_on_stairs(turned)
    unturned = correct_on_stairs(climbing)
    assert mean_distance_m(there, turn(unturned, np.radians(heading_deg))) < 1e-4
    across = sc.Ground(tuple(replace(box, turn_deg=heading_deg + 90) for box in boxes))
    assert np.abs(lowest_m(there) - lowest_m(unturned)).max() < 1e-3
    assert np.abs(lowest_m(replace(there, ground=across)) - lowest_m(unturned)).max() > 0.02, "the turn matters"


def test_points_find_their_ground() -> None:
    table = sc.Ground((sc.GroundBox((0.0, 0.7, 0.0), (1.0, 0.1, 1.0)),))
    wall = sc.Ground((sc.GroundBox((0.0, 1.0, 0.0), (1.0, 2.0, 1.0)),))
    heights_m = np.array([0.1, 0.66, 0.9, 2.1])
    points_m = heights_m[:, None] * UP
    np.testing.assert_allclose(table.above_m(points_m), [0.1, -0.09, 0.15, 1.35])
    np.testing.assert_allclose(wall.above_m(points_m), [0.1, 0.66, 0.9, 0.1])


@pytest.mark.parametrize(("inside_m", "deep_m", "above_m"), [(0.01, 0.1, 0.1), (0.15, 0.1, -0.1), (0.005, 0.02, -0.02)])
def test_riser_touch_is_beside_step(inside_m: float, deep_m: float, above_m: float) -> None:
    step = sc.Ground((sc.GroundBox((0.0, 0.1, 0.5), (1.0, 0.2, 1.0)),))
    assert step.above_m(np.array([0.0, 0.2 - deep_m, inside_m])) == pytest.approx(above_m, abs=1e-5)


# --- stairs -----------------------------------------------------------------------------------------------------------


def test_feet_on_treads_stay(stairs: tuple[Motion, list[Support]]) -> None:
    motion, truth = stairs
    correction = KinematicCorrector()([motion])[0]
    feet = [motion.skeleton.parts.index(f"{side}_ankle") for side in ("left", "right")]
    moved_m = np.linalg.norm(sc.joint_positions(correction.motion, feet) - sc.joint_positions(motion, feet), axis=-1)
    for support in truth:
        middle = slice(support.first + 2, support.last - 1)
        most_m = 0.004 if support is not truth[-1] else 0.015  # at the end, the other foot is deep in the stairs
        assert moved_m[middle, int(support.part.startswith("right"))].max() < most_m
    assert {round(support.top_m[1], 2) for support in correction.contacts.supports} == {0.18, 0.36, 0.54, 0.72}


@pytest.mark.parametrize("off_m", [-0.04, -0.02, 0.02])
def test_feet_near_treads_are_planted(climbing: Motion, off_m: float) -> None:
    off = raise_motion(climbing, off_m)
    before = np.median(np.abs(lowest_m(off)))
    after = np.median(np.abs(lowest_m(correct_on_stairs(off))))
    assert before > 0.75 * abs(off_m)
    assert after < 0.4 * before


@pytest.mark.slow
@pytest.mark.parametrize("place", ["stairs", "slope"])
def test_simulated_bodies_stand_on_ground(climbing: Motion, planted_walk: Motion, engine: str, place: str) -> None:
    motion = climbing
    if place == "slope":
        motion = replace(on_slope(planted_walk, 10.0), ground=sc.Ground(slope_deg=10.0))
    settings = TrackerSettings(engine=EngineSettings(name=engine))
    raw = PhysicsCorrector(settings, postprocess=())([motion])[0]
    assert raw.accepted, raw.reason
    assert raw.after["penetration_m"] < 0.01
    assert mean_distance_m(raw.motion, motion) < 0.06
    # feet that are planted frame by frame climb in jerks
    assert raw.forces.residual["residual_force_bodyweights"] < (0.6 if place == "stairs" else 0.3)


def test_colliders_turn_with_boxes(climbing: Motion) -> None:
    ground = sc.Ground((sc.GroundBox((0.0, 0.1, 0.0), (0.4, 0.2, 0.8), turn_deg=30.0),))
    seen = replace(climbing.frames(0, 8), ground=ground)
    still = replace(
        seen, root_m=np.tile(seen.root_m[0] + 0.2 * UP, (8, 1)), rotations=np.tile(seen.rotations[:1], (8, 1, 1))
    )
    supports = KinematicCorrector()([still])[0].contacts.supports
    assert {support.turn_deg for support in supports} == {30.0}
    (slab, *_) = SupportColliders.from_supports(build_humanoid(still.skeleton), supports).slabs.values()
    np.testing.assert_allclose(Rotation.from_quat(slab.orientation).as_rotvec(degrees=True), [0, 0, 30], atol=1e-9)
    (corners_m,) = ground.tops_m()
    np.testing.assert_allclose(supports[0].corners_m, corners_m, atol=1e-9)


def test_stair_contacts_change_little(climbing: Motion) -> None:
    sunk = raise_motion(climbing, -0.04)
    once = correct_on_stairs(sunk)
    contacts = sc.Contacts.from_motion(once)
    heights_m = {round(contact.position_m[1], 1) for contact in contacts.contacts if contact.position_m}
    assert heights_m == {0.0, 0.2, 0.4, 0.5, 0.7}
    repeated = sc.correct(sunk, kinematic=True, contacts=contacts)
    assert mean_distance_m(repeated.motion, once) < 0.006


def random_ground(boxes: int, seed: int) -> sc.Ground:
    """Return a floor of random boxes.

    Boxes have all sizes and turns over 6 by 6 m, and some overlap.
    """
    draw = np.random.default_rng(seed)
    places = zip(draw.uniform(-3, 3, (boxes, 2)), draw.uniform(0.05, 0.8, (boxes, 3)), strict=True)
    made = [
        sc.GroundBox((x, 0.5 * height, z), (width, height, depth), turn_deg=float(draw.uniform(-180, 180)))
        for (x, z), (width, height, depth) in ((place.tolist(), size.tolist()) for place, size in places)
    ]
    return sc.Ground(tuple(made), floor_m=-0.1)


@pytest.mark.parametrize("seed", range(5))
def test_many_boxes_equal_single(seed: int) -> None:
    ground = random_ground(200, seed)
    points_m = np.random.default_rng(seed + 100).uniform((-3.5, -0.2, -3.5), (3.5, 1.0, 3.5), (40, 12, 3))
    expected_m = np.full(points_m.shape[:-1], ground.floor_m)
    for box in ground.boxes:
        expected_m = np.where(box.contains(points_m), np.maximum(expected_m, box.top_m), expected_m)
    np.testing.assert_array_equal(ground.beneath_m(points_m), expected_m)
    assert len(np.unique(expected_m)) > 10, "points are over many boxes"
    assert ground.beneath_m(points_m[:0]).shape == (0, 12)


def test_far_boxes_are_skipped() -> None:
    ground = random_ground(2000, 7)
    points_m = np.random.default_rng(8).uniform((1.0, 0.0, 1.0), (1.5, 1.0, 1.5), (60, 3))
    near = ground.boxes_near(points_m)
    assert 0 < len(near) < 200
    beneath = [box for box in ground.boxes if box.contains(points_m).any()]
    assert beneath
    assert set(beneath) <= set(near)


# --- slopes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("slope_deg", "uphill_deg"), [(10.0, 0.0), (-8.0, 0.0), (7.0, 90.0)])
def test_slope_walk_stays(planted_walk: Motion, slope_deg: float, uphill_deg: float) -> None:
    ground = sc.Ground(slope_deg=slope_deg, uphill_deg=uphill_deg)
    there = replace(on_slope(planted_walk, slope_deg, uphill_deg), ground=ground)
    stayed = correct_on_stairs(there)
    assert mean_distance_m(stayed, there) < 0.003
    sunk = raise_motion(there, -0.04)
    assert np.median(lowest_m(sunk)) < -0.035
    assert np.median(lowest_m(correct_on_stairs(sunk))) > -0.015
    assert stayed.ground is there.ground


def test_gravity_is_vertical() -> None:
    ground = sc.Ground(slope_deg=20.0, uphill_deg=90.0)
    np.testing.assert_allclose(ground.in_own_frame.up, rotate(ground.to_floor, UP))
    np.testing.assert_allclose(ground.normal, [-np.sin(np.radians(20)), np.cos(np.radians(20)), 0], atol=1e-12)
    uphill_m = np.array([np.cos(np.radians(20)), np.sin(np.radians(20)), 0.0])
    np.testing.assert_allclose(ground.above_m(np.array([uphill_m, uphill_m + ground.normal])), [0, 1], atol=1e-12)


# --- files and commands -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({"boxes": [{"centre_m": [0, 0], "size_m": [1, 1, 1]}]}, "three numbers within"),
        ({"boxes": [{"centre_m": [0, 0, 0], "size_m": [1, 0, 1]}]}, "positive size_m"),
        ({"boxes": [{"centre_m": [0, 0, 0]}]}, "size_m is missing"),
        ({"slope_deg": 60}, "from -30 to 30"),
        ({"ramp": 3}, "unknown entry 'ramp'"),
    ],
)
def test_other_files_raise(tmp_path: Path, content: dict[str, object], why: str) -> None:
    (tmp_path / "g.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=f"g.json.*{why}"):
        sc.Ground.load(tmp_path / "g.json")


def test_second_floor_raises(climbing: Motion) -> None:
    with pytest.raises(SettingError, match="floor and drop"):
        sc.Reading(ground=Path("g.json"), drop=True)
    with pytest.raises(SettingError, match="leave out the ground"):
        PhysicsCorrector(scene=Scene(load_kg=3))([climbing])


def test_commands_take_ground(
    climbing: Motion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert climbing.ground is not None
    boxes = [{"centre_m": box.centre_m, "size_m": box.size_m} for box in climbing.ground.boxes]
    Path("ground.json").write_text(json.dumps({"boxes": boxes}))
    sc.save_motion("climb.bvh", raise_motion(climbing, -0.1))
    words = ["--ground", "ground.json"]
    correct = ["correct", "climb.bvh", "--kinematic", "--workers", "1", "-o", "out", *words]
    assert main(correct) in (0, 1)
    assert "on ground.json (--ground)" in Path("out/report.json").read_text()
    first = Path("out/climb.bvh").read_bytes()
    after = sc.open_motion("out/climb.bvh", sc.Reading(ground=Path("ground.json"))).motion
    assert np.median(lowest_m(after)) > -0.015
    assert main(["check", "climb.bvh", "--select", "F1", *words]) == 1
    assert main(["check", "out/climb.bvh", "--select", "F1", *words]) == 0
    assert main(["view", "out/climb.bvh", "--out", "a.html", *words]) in (0, None)
    capsys.readouterr()
    Path("ground.json").write_text(json.dumps({"boxes": boxes[:1]}))
    main(correct)
    assert "finished already" not in capsys.readouterr().out
    assert Path("out/climb.bvh").read_bytes() != first, "a ground that was edited is read again"
