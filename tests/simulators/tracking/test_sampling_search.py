"""Unaided bodies balance and can fall.

What balances them is right, and they get no force from outside.
"""

from dataclasses import replace

import numpy as np
import pytest
from helpers import mean_distance_m
from made_efforts import jump_and_rock_back, sit_to_stand
from scipy.spatial.transform import Rotation
from simulated_bodies import make_plan
from turned_joints import pose_joint

from selfcorrect.core.errors import SettingError
from selfcorrect.motion.motion import Motion
from selfcorrect.runtime.progress import watch_progress
from selfcorrect.simulators.body.dynamics import compute_joint_torques
from selfcorrect.simulators.clean import CleanupSettings, LevelFloor
from selfcorrect.simulators.corrector import PhysicsCorrector
from selfcorrect.simulators.engines.simulator_frame import to_simulator
from selfcorrect.simulators.engines.world import RootState
from selfcorrect.simulators.results.comparison import MotionComparison
from selfcorrect.simulators.results.results import FailureKind
from selfcorrect.simulators.settings.engine_table import ENGINES
from selfcorrect.simulators.settings.tracker import FALLBACK, WITHOUT_RESIDUAL, TrackerSettings
from selfcorrect.simulators.stages.scene import PLAIN, Scene
from selfcorrect.simulators.stages.values import MotionPlan, SimulatedMotion
from selfcorrect.simulators.tracking.control_sequence import ReferenceTrajectory, make_reference_trajectory
from selfcorrect.simulators.tracking.sampling_search import (
    Beam,
    Particles,
    PoseHistory,
    _BeamSearch,
    track_residual_free,
)
from selfcorrect.simulators.tracking.whole_body_control import (
    CONTACT_HEIGHT_M,
    BodyStates,
    TrackingError,
    WholeBodyController,
)

pytest.importorskip("mujoco")

ALONE = TrackerSettings.without_residual()
FEW = replace(ALONE, residual_free=replace(WITHOUT_RESIDUAL, particle_counts=(12,), beam_width=4, alternative=None))


@pytest.fixture(scope="module")
def planned_walk(walk) -> MotionPlan:
    return make_plan(walk, friction=0.8)


@pytest.fixture
def walking(planned_walk):
    """Return a world with three walking bodies.

    The walk's trajectory is in it, and the bodies are at its start.
    """
    world = ENGINES.load("mujoco")(ALONE.engine)
    world.build([planned_walk.body] * 3, 1 / 120, [()] * 3)
    trajectory = make_reference_trajectory(world, planned_walk, ALONE)
    copies = Particles.start_on(trajectory, 1 / 120).select(np.zeros(3, dtype=int))
    world.reset(copies.root, copies.rotations, copies.velocities_rad_s)
    return world, trajectory, copies


def test_bodies_match_their_world(walking):
    world, trajectory, _ = walking
    bodies = BodyStates.from_world(world, trajectory.body)
    links = [4, 7]
    assert np.allclose(bodies.positions_m[:, links], world.positions_m(links), atol=1e-9)
    assert np.allclose(bodies.centre_m, trajectory.centre_m[0], atol=1e-6)
    assert np.allclose(bodies.positions_m, trajectory.positions_m[0], atol=1e-6)


def test_centre_velocities_are_right(walking):
    """Centre velocities are right in free fall.

    The body is far from the floor, and its joints turn freely.
    """
    world, trajectory, copies = walking
    high = copies.root._replace(position_m=copies.root.position_m + np.array([0.0, 0.0, 5.0]))
    spinning = np.random.default_rng(0).normal(0, 1.0, copies.velocities_rad_s.shape)
    world.reset(high, copies.rotations, spinning)
    before = BodyStates.from_world(world, trajectory.body)
    nothing = np.zeros((3, 3))
    world.step(range(3), copies.rotations, np.zeros_like(spinning), nothing, nothing)
    after = BodyStates.from_world(world, trajectory.body)
    moved_m_s = (after.centre_m - before.centre_m) * 120
    assert np.allclose(moved_m_s, 0.5 * (before.centre_m_s + after.centre_m_s), atol=0.06)
    assert np.allclose(after.centre_m_s[:, :2], before.centre_m_s[:, :2], atol=0.02)  # nothing pushes it
    assert np.allclose(after.centre_m_s[:, 2] - before.centre_m_s[:, 2], -9.81 / 120, atol=0.02)


def test_torques_bear_sole_forces(walking, planned_walk):
    """Torques bear the soles' forces as planned.

    Where the body is as planned, the inverse dynamics give them.
    """
    world, trajectory, copies = walking
    world.reset(copies.root, copies.rotations, copies.velocities_rad_s)
    balance = WholeBodyController(trajectory, 1 / 120, ALONE)
    plan = planned_walk.contacts
    soles = len(planned_walk.body.soles)
    forces_n = to_simulator(plan.force_n[:, 0, :soles])
    corners_m = to_simulator(plan.points_m[:, 0, :soles])
    assert np.linalg.norm(forces_n.sum(axis=1)) > 100
    borne_nm = balance.compute_leg_torques_nm(BodyStates.from_world(world, trajectory.body), forces_n, corners_m)
    whole_nm = compute_joint_torques(planned_walk.body, plan.demand, plan.force_n, plan.points_m)[0, 0]
    assert np.allclose(trajectory.torques_nm[0] + borne_nm[0], whole_nm, atol=0.01)


def asked_of_the_floor(walking, moved_m=(0.0, 0.0, 0.0), step: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Return the wanted wrench (6,) and net force (3,).

    The body is beside its trajectory, both feet on the floor.
    """
    world, trajectory, copies = walking
    root = trajectory.controls.goal(step)
    root = root._replace(position_m=root.position_m + np.array(moved_m))
    world.reset(
        RootState(*(np.repeat(component, 3, axis=0) for component in root)),
        np.repeat(trajectory.controls.targets[step], 3, axis=0),
        copies.velocities_rad_s,
    )
    balance = WholeBodyController(trajectory, 1 / 120, ALONE)
    bodies = BodyStates.from_world(world, trajectory.body)
    wrench = balance.compute_wanted_wrench(step, TrackingError.at_step(trajectory, step, bodies), copies.perturbations)
    heights_m = copies.perturbations.contact_height_m
    forces_n, _ = balance.solve_floor_forces_n(step, bodies, wrench, heights_m)
    return wrench[0], forces_n[0].sum(axis=0)


def test_floor_brings_bodies_back(walking):
    asked = [asked_of_the_floor(walking, moved) for moved in ((0, 0, 0), (0.02, 0, 0), (0, 0, -0.01))]
    expected, given_n = zip(*asked, strict=True)
    mass_kg = walking[1].body.total_mass_kg
    settings = WITHOUT_RESIDUAL.balance
    assert expected[1][:3] - expected[0][:3] == pytest.approx(
        [-mass_kg * settings.horizontal_rad_s**2 * 0.02, 0, 0], abs=1e-6
    )
    assert expected[2][:3] - expected[0][:3] == pytest.approx(
        [0, 0, mass_kg * settings.vertical_rad_s**2 * 0.01], abs=1e-6
    )
    assert given_n[1][0] < given_n[0][0] - 1  # as much as feet beneath the body can
    assert given_n[2][2] > given_n[0][2] + 20
    friction = ALONE.engine.friction * settings.friction_share
    assert all(np.hypot(force_n[0], force_n[1]) <= friction * force_n[2] + 1e-6 for force_n in given_n)


def test_soles_bear_their_share(walking):
    """Soles bear only their share on a seat.

    Feet that did all of it would leave the floor.
    """
    world, trajectory, copies = walking
    away_n = []
    for share in (1.0, 0.25):
        seated = replace(trajectory, sole_share=np.full_like(trajectory.sole_share, share))
        wanted = [asked_of_the_floor((world, seated, copies), (0, 0, high_m))[0] for high_m in (0.0, 0.01)]
        away_n.append(wanted[1][2] - wanted[0][2])
    assert away_n[1] == pytest.approx(0.25 * away_n[0])
    assert away_n[0] < -20


def test_airborne_leg_forgets_error(walking):
    """A landing foot forgets its swing's error.

    The foot is to stay where it lands.
    """
    world, trajectory, copies = walking
    bodies = BodyStates.from_world(world, trajectory.body)
    positions_m = bodies.positions_m.copy()
    positions_m[:, 1:, 0] += 0.05
    shifted = replace(bodies, positions_m=positions_m)
    for leg_load, share in ((0.0, 1.0), (1.0, 1 / 120 / ALONE.plan.feedback.stand_lag_s)):
        controls = replace(trajectory.controls, leg_loads=np.full_like(trajectory.controls.leg_loads, leg_load))
        control = WholeBodyController(replace(trajectory, controls=controls), 1 / 120, ALONE)
        errors_m = np.zeros((3, 2, 3))
        error = TrackingError.at_step(trajectory, 0, shifted)
        control._ankle_moves_m(0, shifted, error, errors_m, copies.perturbations)
        assert errors_m[..., 0] == pytest.approx(share * 0.05, abs=2e-3)


def test_a_walk_needs_no_help(walk):
    notes: list[float] = []
    with watch_progress(notes.append):
        correction = PhysicsCorrector(FEW)([walk])[0]
    assert len(notes) >= walk.seconds / FEW.residual_free.window_s
    assert notes[-1] == 1.0
    assert correction.accepted, correction.reason
    assert correction.forces.residual["residual_force_bodyweights"] == 0.0
    assert correction.forces.residual["residual_torque_nm"] == 0.0
    assert correction.forces.timeline.loads_bodyweights.sum(axis=1).mean() == pytest.approx(1.0, abs=0.15)
    assert mean_distance_m(correction.motion, walk) < 0.05


def test_root_gets_no_force(walk, monkeypatch):
    world = ENGINES.load("mujoco")
    steps = []
    original = world.step

    def step(self, running, targets, torques_nm, force_n, torque_nm):
        steps.append((np.abs(force_n).max(), np.abs(torque_nm).max()))
        original(self, running, targets, torques_nm, force_n, torque_nm)

    monkeypatch.setattr(world, "step", step)
    PhysicsCorrector(FEW)([walk.frames(0, 10)])
    assert len(steps) >= 9 * 4
    assert not np.any(steps)


def test_result_is_deterministic(walk, clips):
    alone = PhysicsCorrector(FEW)([walk.frames(0, 12)])[0].motion
    repeated = PhysicsCorrector(FEW)([clips["kick"].frames(0, 12), walk.frames(0, 12)])[1].motion
    assert np.array_equal(alone.root_m, repeated.root_m)
    assert np.array_equal(alone.rotations, repeated.rotations)


def leaning(stand: Motion, degrees: float) -> Motion:
    """Lean the body about its toes.

    Only a residual root force could hold it up.
    """
    turn = Rotation.from_euler("x", degrees, degrees=True)
    return replace(pose_joint(stand, 0, turn), root_m=turn.apply(stand.root_m))


@pytest.mark.slow
def test_falling_body_states_frame(stand):
    still = Motion(stand.skeleton, np.repeat(stand.root_m[:1], 60, 0), np.repeat(stand.rotations[:1], 60, 0), 30.0)
    floor = CleanupSettings(support="floor").without_steps(LevelFloor)
    standing = PhysicsCorrector(FEW, floor)([still])[0]
    falling = PhysicsCorrector(FEW, floor)([leaning(still, 25.0)])[0]
    assert standing.accepted, standing.reason
    assert falling.failure.kind is FailureKind.FELL
    assert 5 < falling.failure.frame < 60
    assert f"at frame {falling.failure.frame}" in falling.reason
    assert falling.motion.root_m[0] == pytest.approx(leaning(still, 25.0).root_m[0])


HELPED = replace(FALLBACK, particle_counts=(12,), beam_width=4, backtrack_windows=(4,))
CARRIED = replace(FEW, residual_free=replace(FEW.residual_free, retry_after_fall=HELPED))


@pytest.mark.slow
@pytest.mark.parametrize(("axis", "degrees"), [("x", 25.0), pytest.param("z", 30.0, marks=pytest.mark.nightly)])
def test_impossible_pose_gets_local_help(stand, axis, degrees):
    """Help is given where poses are impossible.

    A body leans further than any floor could hold it, in the middle of standing.
    """
    frames = np.arange(120)
    lean_rad = np.radians(degrees) * np.clip(np.minimum(frames - 30, 55 - frames) / 6, 0, 1)
    turns = Rotation.from_euler(axis, lean_rad[:, None])
    rotations = np.repeat(stand.rotations[:1], 120, 0)
    rotations[:, 0] = turns.as_quat()
    for side, lowered_deg in (("left", -55.0), ("right", 55.0)):  # a T-pose at an end would be left out
        shoulder = stand.skeleton.parts.index(f"{side}_shoulder")
        rotations[:, shoulder] = Rotation.from_euler("z", lowered_deg, degrees=True).as_quat()
    motion = Motion(stand.skeleton, turns.apply(np.repeat(stand.root_m[:1], 120, 0)), rotations, 30.0)
    floor = CleanupSettings(support="floor", close_loops=False).without_steps(LevelFloor)
    notes: list[float] = []
    alone = PhysicsCorrector(FEW, floor)([motion])[0]
    with watch_progress(notes.append):
        carried = PhysicsCorrector(CARRIED, floor)([motion])[0]
    assert alone.failure.kind is FailureKind.FELL
    assert sum(share > alone.failure.frame / 120 for share in notes) >= 36  # the second search goes on from the fall
    assert carried.accepted, carried.reason
    force = carried.forces.timeline.residual_force_bodyweights
    torque_nm = carried.forces.timeline.residual_torque_nm
    helped = np.flatnonzero((force > 0) | (torque_nm > 0))
    assert len(helped)
    assert 12 <= helped.min() <= 55  # a little before the lean, or while it lasts
    assert helped.max() < 105
    assert force.max() <= 1.0
    assert carried.forces.residual["residual_force_bodyweights"] == pytest.approx(force[1:].mean(), rel=1e-6)
    assert carried.forces.timeline.find_residual_spans()[0].first_frame == helped.min()
    speeds_m_s = np.linalg.norm(np.diff(carried.motion.root_m, axis=0), axis=1) * 30
    assert np.abs(np.diff(speeds_m_s)).max() < 1.5  # no frame is joined to another that it does not lead to


def test_unneeded_fallback_changes_nothing(walk):
    alone = PhysicsCorrector(FEW)([walk.frames(0, 12)])[0]
    carried = PhysicsCorrector(CARRIED)([walk.frames(0, 12)])[0]
    assert np.array_equal(alone.motion.root_m, carried.motion.root_m)
    assert np.array_equal(alone.motion.rotations, carried.motion.rotations)


@pytest.mark.parametrize("falls", ["all", "half", "unless helped", "none"])
def test_fallback_search_ends(walking, planned_walk, monkeypatch, falls):
    """The fallback search ends, wherever bodies fall.

    Help may hold them up or not; the draw stands for the simulation.
    """
    search = _BeamSearch(walking[0], planned_walk, replace(ALONE, residual_free=FALLBACK), PLAIN)
    draw = np.random.default_rng(0)
    windows = len(search._windows)
    lost = Beam.select_best
    chance = {"all": 1.0, "half": 0.5, "unless helped": 1.0, "none": 0.0}[falls]

    def expand_beam(copies, window):
        search._searched += 1
        falling = draw.random() < chance and not (falls == "unless helped" and search._bounds[window] == 1.0)
        still = PoseHistory.from_world(walking[0], np.zeros((3, 4, 6)))
        beam = Beam(walking[2], np.zeros(3, dtype=int), still, np.full(3, np.inf if falling else 0.0))
        return lost(beam, 1)

    monkeypatch.setattr(search, "_reset_world", lambda copies: None)
    monkeypatch.setattr(search, "_expand", expand_beam)
    monkeypatch.setattr(search, "_make_simulated_motion", lambda history, lost_at: lost_at)
    lost_at = search.find_motion()
    assert (lost_at is None) == (falls in ("unless helped", "none")) or falls == "half"
    limit = FALLBACK.max_windows_per_s * planned_walk.frames / planned_walk.motions.fps
    assert (windows if lost_at is None else 1) <= search._searched <= limit + 3 * windows
    assert search._searched == windows or falls != "none"


def test_perturbations_have_scales(walking, planned_walk):
    world, _, copies = walking
    search = _BeamSearch(world, planned_walk, ALONE, PLAIN)
    many = copies.select(np.zeros(801, dtype=int))
    nudged = search._perturb(many, np.arange(801) > 0).perturbations
    assert not nudged.force_n[0].any()
    settings = WITHOUT_RESIDUAL.perturbations
    sizes_n = [nudged.force_n[1 + turn :: 4].std() for turn in range(4)]
    assert np.allclose(sizes_n, settings.force_n * np.array(settings.scales), rtol=0.15)
    high = nudged.contact_height_m == settings.high_contact_m
    assert np.isclose(high[1:].mean(), settings.high_contact_share, atol=0.06)
    assert (nudged.contact_height_m[~high] == CONTACT_HEIGHT_M).all()
    assert not high[0]
    later = search._perturb(replace(many, perturbations=nudged), np.zeros(801, dtype=bool)).perturbations
    assert np.allclose(later.moment_nm, settings.persistence * nudged.moment_nm)
    assert np.array_equal(later.contact_height_m, nudged.contact_height_m)


def test_pushed_bodies_balance(stand):
    still = Motion(stand.skeleton, np.repeat(stand.root_m[:1], 75, 0), np.repeat(stand.rotations[:1], 75, 0), 30.0)
    push = Scene(push_n=(0.0, 0.0, 250.0), push_from_s=0.4, push_lasts_s=0.2)
    pushed = PhysicsCorrector(FEW, scene=push)([still])[0]
    assert pushed.accepted, pushed.reason
    away_m = (pushed.motion.root_m - still.root_m)[:, 2]
    assert away_m[12:30].max() > 0.02
    assert abs(away_m[-1]) < 0.5 * away_m.max()
    assert pushed.forces.residual["residual_force_bodyweights"] == 0.0


def test_stiff_engines_cannot_balance():
    with pytest.raises(SettingError, match=r"\(mujoco\), got pybullet"):
        TrackerSettings.without_residual("pybullet")


def test_trajectory_gives_sole_wrench(walking, planned_walk):
    """Soles alone bear all of the motion.

    Nothing else touches.
    """
    trajectory: ReferenceTrajectory = walking[1]
    wrench = planned_walk.contacts.demand.wrench[0, 0]
    assert np.allclose(trajectory.wrench[0, :3], to_simulator(wrench[:3]), atol=1e-6)
    assert np.allclose(trajectory.wrench[0, 3:], to_simulator(wrench[3:]), atol=1e-6)
    assert np.array_equal(trajectory.ground_m, np.zeros_like(trajectory.ground_m))
    assert np.array_equal(trajectory.sole_share, np.ones_like(trajectory.sole_share))


@pytest.mark.slow
@pytest.mark.parametrize(
    "motion",
    [
        lambda stand: sit_to_stand(stand),
        lambda stand: sit_to_stand(stand, seat_m=0.55, rise_s=1.2),
        lambda stand: jump_and_rock_back(stand),
    ],
    ids=["rising", "rising fast", "jump"],
)
def test_rising_and_rocking_are_followed(stand, motion):
    given = motion(stand)
    correction = PhysicsCorrector(ALONE)([given])[0]
    assert correction.accepted, correction.reason
    assert mean_distance_m(correction.motion, given) < 0.06
    before, after = MotionComparison.from_correction(given, correction).errors
    assert after["skate_m_s"] < before["skate_m_s"] + 0.01


@pytest.mark.parametrize("falls", [False, True])
def test_another_search_replaces_a_motion_that_strays_or_falls(walk, planned_walk, monkeypatch, falls) -> None:
    """The better of two searches counts.

    A motion that is close is not searched again.
    """
    searched_s: list[float] = []
    moved_m = {0.15: 0.3, 0.3: 0.1}

    def find_motion(search: _BeamSearch) -> SimulatedMotion:
        searched_s.append(search._search.window_s)
        motion = planned_walk.motions[0]
        moved = replace(motion, root_m=motion.root_m + np.array([moved_m[search._search.window_s], 0.0, 0.0]))
        lost_at = 10 if falls and search._search.window_s == 0.15 else None
        return SimulatedMotion(moved, np.zeros((0, 6)), np.zeros((len(walk), 1)), lost_at)

    monkeypatch.setattr(_BeamSearch, "find_motion", find_motion)
    world = ENGINES.load("mujoco")(ALONE.engine)
    for distances_m, searched, chosen_m in (((0.3, 0.1), 2, 0.1), ((0.1, 0.3), 2, 0.3 if falls else 0.1)):
        moved_m.update(zip((0.15, 0.3), distances_m, strict=True))
        searched_s.clear()
        ((simulated,),) = track_residual_free(world, [planned_walk], ALONE)
        assert len(searched_s) == searched
        shift_m = simulated.motion.root_m - planned_walk.motions[0].root_m
        assert shift_m[0, 0] == pytest.approx(chosen_m)
    if not falls:
        moved_m[0.15] = 0.01
        searched_s.clear()
        track_residual_free(world, [planned_walk], ALONE)
        assert searched_s == [0.15]
