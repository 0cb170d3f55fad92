"""Evaluation says why motions fail or moved far, and what helped."""

from dataclasses import replace

import numpy as np
import pytest
from made_motions import KINDS, Kind, made_motion
from scipy.spatial.transform import Rotation
from turned_joints import pose_joint

from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.skeleton import Skeleton
from selfcorrect.simulators.body.humanoid import build_humanoid
from selfcorrect.simulators.clean import CleanupSettings, LevelFloor, clean_motions
from selfcorrect.simulators.compare.evaluate import (
    LARGE_MOVE_M,
    explain_large_move,
    find_failure,
    make_planned_timeline,
    make_timeline,
    mean_residual,
)
from selfcorrect.simulators.corrector import KinematicCorrector, PhysicsCorrector
from selfcorrect.simulators.planning.planner import plan_motions
from selfcorrect.simulators.presets import find_preset
from selfcorrect.simulators.results.results import FailureKind, LargeMove, Note, NoteKind, Repair, Stage
from selfcorrect.simulators.settings.tracker import WITHOUT_RESIDUAL, BodySettings, TrackerSettings
from selfcorrect.simulators.stages.scene import Scene
from selfcorrect.simulators.stages.values import SimulatedMotion

SETTINGS = TrackerSettings()


NAMES = ("hips", "hand")


def track(stand, lost_at: int | None = None) -> SimulatedMotion:
    return SimulatedMotion(stand, np.zeros((4, 6)), np.zeros((1, 1)), lost_at)


def test_given_up_body_is_lost(stand):
    for settings, kind in (
        (SETTINGS, FailureKind.LOST),
        (TrackerSettings.without_residual(), FailureKind.FELL),
        (TrackerSettings.without_residual(fallback="balanced"), FailureKind.LOST),
    ):
        failure = find_failure(track(stand, 7), np.zeros((9, 2)), NAMES, settings)
        assert failure is not None
        assert (failure.kind, failure.frame) == (kind, 7)
    assert TrackerSettings.without_residual().residual_free == WITHOUT_RESIDUAL


def test_failure_names_worst_joint(stand):
    far_m = SETTINGS.acceptance.lost_body_m
    distances_m = np.zeros((5, 2))
    assert find_failure(track(stand), distances_m, NAMES, SETTINGS) is None
    assert find_failure(track(stand), distances_m * np.nan, NAMES, SETTINGS) is not None
    distances_m[3] = 0.9 * far_m, 1.3 * far_m
    failure = find_failure(track(stand), distances_m, NAMES, SETTINGS)
    assert failure is not None
    assert (failure.kind, failure.frame, failure.joint) == (FailureKind.OFF, 3, "hand")
    assert failure.value == pytest.approx(1.1 * far_m)


def test_residual_is_mean_bodyweights(stand):
    body = build_humanoid(stand.skeleton)
    wrench = np.zeros((2, 6))
    rest = np.zeros((3, 6))
    wrench[0, 1], wrench[:, 5], rest[:, 0] = body.weight_n, 12.0, 0.3 * body.weight_n
    residual = mean_residual(body, wrench, rest)
    assert residual["residual_force_bodyweights"] == pytest.approx(0.5)
    assert residual["residual_torque_nm"] == pytest.approx(12.0)
    assert residual["unexplained_force_bodyweights"] == pytest.approx(0.3)


def test_largest_repair_explains_move():
    moved = {Repair.SPLICES: 0.05, Repair.FLOOR: 0.4}
    assert explain_large_move(LARGE_MOVE_M, moved) == ()
    assert explain_large_move(0.5, moved) == (LargeMove(0.5, Repair.FLOOR),)
    assert explain_large_move(0.9, moved) == (LargeMove(0.9, Repair.OTHER),)


def test_pushed_body_moves_by_simulation(stand):
    pushed = Scene(push_n=(800.0, 0.0, 0.0), push_from_s=0.2, push_lasts_s=0.3)
    physics = PhysicsCorrector(find_preset(0.7).tracker, CleanupSettings.for_samples(), scene=pushed)
    correction = physics([stand])[0]
    assert correction.accepted, correction.reason
    (note,) = [note for note in correction.notes if note.kind is NoteKind.MOVED_FAR]
    assert note.repair is Repair.SIMULATION


@pytest.mark.parametrize("repair", Repair)
def test_every_repair_has_a_sentence(repair):
    assert str(Note(NoteKind.MOVED_FAR, 0.5, repair=repair)).startswith("moved by up to 0.50 m: ")


def test_last_stage_of_parts():
    assert Stage.last([Stage.PLANNED, None, Stage.CLEANED]) is Stage.PLANNED
    assert Stage.last([Stage.PLANNED, Stage.SIMULATED, Stage.PLANNED]) is Stage.SIMULATED
    assert Stage.last([None]) is None


def timeline_of(motion, engine):
    return PhysicsCorrector(find_preset(0.7, engine).tracker)([motion])[0].forces.timeline


def test_both_feet_carry_weight(stand, engine):
    timeline = timeline_of(stand, engine)
    assert len(timeline) == len(stand)
    assert timeline.loads_bodyweights[8:].sum(axis=1).mean() == pytest.approx(1.0, abs=0.03)
    contacts = timeline.contacts()
    assert {contact.part for contact in contacts} == {"left foot", "right foot"}
    assert all(contact.last_frame == len(stand) - 1 for contact in contacts)
    assert [contact.load_bodyweights for contact in contacts] == pytest.approx([0.5, 0.5], abs=0.1)
    assert timeline.residual_force_bodyweights.max() < 0.06


def test_jump_has_no_contact(clips, engine):
    timeline = timeline_of(clips["jump"], engine)
    carried = timeline.loads_bodyweights.sum(axis=1)
    flight = carried < 0.05
    assert 8 < flight.sum() < 0.6 * len(timeline)
    assert carried.max() > 1.5


def test_lying_body_is_carried_on_back(stand, engine):
    lying = pose_joint(stand, 0, [-np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5)])
    lying = replace(lying, root_m=np.tile([0.0, 0.1, 0.0], (len(stand), 1)))
    timeline = timeline_of(lying, engine)
    carried = dict(zip(timeline.parts, timeline.loads_bodyweights[8:].mean(axis=0), strict=True))
    assert sum(carried.values()) == pytest.approx(1.0, abs=0.07)  # the residual force carries the other 6 percent
    assert carried["pelvis"] + carried["trunk and head"] > 0.9
    assert carried["left foot"] + carried["right foot"] < 0.05


def test_residual_over_time_has_mean(clips):
    correction = PhysicsCorrector()([clips["walk"]])[0]
    timeline = correction.forces.timeline
    figures = correction.diagnostics
    means = timeline.residual_force_bodyweights[1:].mean(), timeline.residual_torque_nm[1:].mean()
    assert means == pytest.approx((figures["residual_force_bodyweights"], figures["residual_torque_nm"]))


def test_given_up_motion_keeps_timeline(walk):
    late = walk.root_m.copy()
    late[20:] += [0.0, 3.0, 0.0]
    known_floor = CleanupSettings().without_steps(LevelFloor)
    correction = PhysicsCorrector(cleanup=known_floor)([replace(walk, root_m=late)])[0]
    assert f"frame {len(correction.forces.timeline) - 1}" in correction.reason


def test_mass_is_an_option(stand):
    """Light and heavy bodies stand alike.

    Each stands on its own weight.
    """
    light = PhysicsCorrector(TrackerSettings(BodySettings(mass_kg=50.0)))([stand])[0]
    heavy = PhysicsCorrector(TrackerSettings(BodySettings(mass_kg=100.0)))([stand])[0]
    totals = [correction.forces.timeline.loads_bodyweights[8:].sum(axis=1).mean() for correction in (light, heavy)]
    assert totals == pytest.approx([1.0, 1.0], abs=0.03)
    assert np.abs(heavy.motion.root_m - light.motion.root_m).max() < 0.002
    with pytest.raises(ValueError, match=r"mass_kg .*-70"):
        BodySettings(mass_kg=-70.0)


def test_nothing_simulated_is_no_timeline(walk):
    assert KinematicCorrector()([walk])[0].forces.timeline is None


def without_toes(motion: Motion, sole_m: float) -> Motion:
    """Return a body with boxes below its ankles as feet, and soles as deep."""
    skeleton = motion.skeleton
    remaining = [joint for joint, part in enumerate(skeleton.parts) if not part.endswith("_foot")]
    parents = tuple(remaining.index(skeleton.parents[joint]) if joint else -1 for joint in remaining)
    names = tuple(skeleton.names[joint] for joint in remaining)
    parts = tuple(skeleton.parts[joint] for joint in remaining)
    stumpy = Skeleton(names, parents, skeleton.offsets_m[remaining], parts, soles_m=(sole_m, sole_m))
    return replace(motion, skeleton=stumpy, rotations=motion.rotations[:, remaining])


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "sole_m"), [*((kind, 0.03) for kind in KINDS), ("walk", None)])
def test_shanks_bear_nothing_on_feet(kind: Kind, sole_m: float | None, engine: str):
    """Shanks bear nothing where feet do.

    Around the ankle they reach 5 cm down, which is as low as some soles, or lower.
    """
    motion = made_motion(kind, frames=45)
    timeline = timeline_of(motion if sole_m is None else without_toes(motion, sole_m), engine)
    carried = dict(zip(timeline.parts, timeline.loads_bodyweights.T, strict=True))
    assert np.isfinite(timeline.loads_bodyweights).all()
    assert timeline.loads_bodyweights.min() >= 0.0
    feet = carried.pop("left foot") + carried.pop("right foot")
    assert not any(load.any() for load in carried.values())
    if kind in ("walk", "turn", "idle"):
        # Of a toeless body that turns, feet carry 0.77 with MuJoCo's elliptic friction cones and 0.86 with pyramids,
        # which hold more along their edges; the residual force carries the remaining weight.
        assert feet[8:].mean() == pytest.approx(1.0, abs=0.25)


@pytest.mark.parametrize(("knees_rad", "bears"), [(0.0, "left foot"), (0.5, "left foot"), (np.pi / 2, "left shank")])
def test_ankle_touch_is_foot(stand, knees_rad: float, bears: str):
    bent = pose_joint(stand, "left_knee", Rotation.from_rotvec([knees_rad, 0.0, 0.0]))
    body = build_humanoid(stand.skeleton)
    loads_n = np.zeros((len(stand) - 1, len(body)))
    loads_n[:, body.tree.joint("left_knee")] = body.weight_n
    posed = replace(stand, skeleton=body.tree, rotations=bent.rotations[:, body.joints])
    timeline = make_timeline(body, SimulatedMotion(posed, np.zeros((len(loads_n), 6)), loads_n, None), stand.fps, 1)
    assert dict(zip(timeline.parts, timeline.loads_bodyweights.mean(axis=0), strict=True)) == pytest.approx(
        {part: float(part == bears) for part in timeline.parts}
    )


@pytest.mark.parametrize("kind", ["walk", "turn"])
def test_planned_shanks_bear_nothing(kind: Kind):
    motion = without_toes(made_motion(kind, frames=45), 0.03)
    cleaned = clean_motions(MotionBatch.stack([motion]), CleanupSettings())
    plan = plan_motions(cleaned, build_humanoid(motion.skeleton, soles=cleaned.soles), SETTINGS)
    timeline = make_planned_timeline(plan, 0)
    carried = dict(zip(timeline.parts, timeline.loads_bodyweights.mean(axis=0), strict=True))
    shanks = [plan.body.tree.joint(f"{side}_knee") for side in ("left", "right")]
    on_shanks = plan.contacts.force_n[0, :, np.isin(plan.body.contact_points.links, shanks), 1]
    assert on_shanks.max() > 0.05 * plan.body.weight_n
    assert carried["left shank"] == carried["right shank"] == 0.0
    assert carried["left foot"] + carried["right foot"] == pytest.approx(1.0, abs=0.1)
