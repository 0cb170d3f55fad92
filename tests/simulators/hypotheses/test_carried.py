"""Unrelated poses and bodies off the floor are kept and reported.

Lifts count as floors at rest.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_jumps import jumps
from made_motions import KINDS, Kind, made_motion, remove_travel, wander
from plain_contacts import standing_speeds_m_s
from scipy.spatial.transform import Rotation
from turned_joints import pose_joint, turn_joint

import selfcorrect as sc
from selfcorrect.motion.editing.transforms import mirror, raise_motion, turn
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.motion_features import MotionFeatures
from selfcorrect.motion.perception.observed_ground import observe_ground
from selfcorrect.simulators.corrector import KinematicCorrector
from selfcorrect.simulators.hypotheses.views.carried import _find_floating_legs, find_carrier
from selfcorrect.simulators.hypotheses.views.unrelated_poses import find_unrelated_poses
from selfcorrect.simulators.planning.edited_contacts import Contacts, LimbContact
from selfcorrect.simulators.results.results import CorrectedMotion, NoteKind
from selfcorrect.simulators.world import find_ride

FRAMES = 90
TIMES_S = np.arange(FRAMES) / 30
STANDING = made_motion("idle", frames=FRAMES)


def pose(root_m: list[float], speed_m_s: float, facing: Rotation | None = None, **turns: np.ndarray) -> sc.Motion:
    """Return a travelling body with joint rotations (3,) or (T, 3)."""
    motion = STANDING if facing is None else pose_joint(STANDING, 0, facing)
    for name, turned in turns.items():
        motion = pose_joint(motion, name, Rotation.from_rotvec(turned))
    return replace(motion, root_m=np.outer(speed_m_s * TIMES_S, [0.0, 0.0, 1.0]) + root_m)


def sit(speed_m_s: float) -> sc.Motion:
    hip, knee = np.array([-1.5, 0.0, 0.0]), np.array([1.5, 0.0, 0.0])
    ankle = np.zeros(3)
    return pose([0.0, 0.6, 0.0], speed_m_s, left_hip=hip, right_hip=hip, left_knee=knee, right_knee=knee,
                left_ankle=ankle, right_ankle=ankle)  # fmt: skip


def lie(height_m: float, speed_m_s: float) -> sc.Motion:
    kick = np.outer(0.3 * np.sin(10 * TIMES_S), [1.0, 0.0, 0.0])
    return pose([0.0, height_m, 0.0], speed_m_s, Rotation.from_rotvec([np.pi / 2, 0.0, 0.0]), left_hip=kick,
                right_hip=-kick)  # fmt: skip


def crawl() -> sc.Motion:
    """Flat on the floor: each knee is drawn up in turn and then stays where it is."""
    phase = 2 * np.pi * TIMES_S / 1.2
    legs = {}
    for side, sign in (("left", 1.0), ("right", -1.0)):
        drawn_rad = 0.9 * (1 + sign * np.sin(phase))
        legs[f"{side}_hip"] = np.outer(-drawn_rad, [1.0, 0.0, 0.0])
        legs[f"{side}_knee"] = np.outer(drawn_rad, [1.0, 0.0, 0.0])
    return pose([0.0, 0.12, 0.0], 0.5, Rotation.from_rotvec([np.pi / 2, 0.0, 0.0]), **legs)


def stand_on_hands(share: float = 1.0) -> sc.Motion:
    """Stand on hands in the last frames, with the wrists on the floor."""
    raised = np.array([0.0, 0.0, 1.5])
    sway = np.outer(0.05 * np.sin(2 * TIMES_S), [0.0, 0.0, 1.0])
    down = (np.arange(FRAMES) >= (1 - share) * FRAMES)[:, None] * [np.pi, 0.0, 0.0]
    upright = pose([0.0, 0.0, 0.0], 0.0, Rotation.from_rotvec(down), spine1=sway, left_shoulder=raised,
                   right_shoulder=-raised)  # fmt: skip
    lowest_m = sc.joint_positions(upright)[..., 1].min(axis=1)
    return replace(upright, root_m=np.outer(0.03 - lowest_m, [0.0, 1.0, 0.0]))


def hang(pitch_deg: float = 60.0, height_m: float = 1.15) -> sc.Motion:
    """Hang with bent legs, feet down, as in falling loops of games."""
    hip, knee, ankle = (np.deg2rad([degrees, 0.0, 0.0]) for degrees in (-35.0, 60.0, pitch_deg - 25.0))
    return pose([0.0, height_m, 0.0], 0.0, left_hip=hip, right_hip=hip, left_knee=knee, right_knee=knee,
                left_ankle=ankle, right_ankle=ankle)  # fmt: skip


def swing(height_m: float = 1.2, sink_m: float = 0.08) -> sc.Motion:
    """Swing on a rope far above the floor.

    To and fro, lower in the middle, with legs that swing further.
    """
    phase = 2 * np.pi * TIMES_S / 2.2
    legs = np.outer(-0.5 * np.sin(phase), [1.0, 0.0, 0.0])
    swinging = pose([0.0, height_m, 0.0], 0.0, left_hip=legs, right_hip=legs)
    path_m = np.stack([np.zeros(FRAMES), sink_m * np.cos(2 * phase), 0.4 * np.sin(phase)], axis=1)
    return replace(swinging, root_m=swinging.root_m + path_m)


def make_air_loop(
    kind: str, swing_rad: float, lift_m: float, pitch_rad: float = 0.1, bend_rad: float = 0.5
) -> sc.Motion:
    """Make a loop of 2 s in the air.

    Legs swing on a bar, in a rope or afloat together, on pedals in turns.
    """
    phase = np.linspace(0.0, 2 * np.pi, 61)
    motion = made_motion("idle", frames=61, sway_rad=0.0, lean_rad=0.0)
    for side, sign, later in (("left", 1.0, 0.0), ("right", -1.0, np.pi * (kind == "pedals"))):
        bends = {"hip": -0.35 + swing_rad * np.sin(phase + later), "ankle": pitch_rad + 0.1 * np.sin(phase),
                 "knee": bend_rad + swing_rad / 2 * np.sin(phase + later + 1.0)}  # fmt: skip
        for joint, angles_rad in bends.items():
            motion = pose_joint(motion, f"{side}_{joint}", Rotation.from_rotvec(angles_rad[:, None] * [1.0, 0, 0]))
        if kind == "bar":
            motion = pose_joint(motion, f"{side}_shoulder", Rotation.from_rotvec([[0.0, 0, sign * 1.5]] * 61))
    swings_rad = swing_rad / 2 * np.sin(phase)
    path_m = {
        "bar": (1 - np.cos(swings_rad), -np.sin(swings_rad)),
        "rope": (0.08 * np.cos(2 * phase), 0.4 * np.sin(phase)),
    }
    up_m, ahead_m = path_m.get(kind, (0.0 * phase, 0.0 * phase))
    if kind == "bar":
        motion = turn_joint(motion, 0, Rotation.from_rotvec(swings_rad[:, None] * [1.0, 0, 0]), outside=True)
    motion = replace(motion, root_m=motion.root_m + np.stack([0 * phase, up_m, ahead_m], axis=1))
    return raise_motion(motion, lift_m - joint_positions(motion)[..., 1].min())


def jog_on_the_spot(height_m: float) -> sc.Motion:
    """Jog on a treadmill above y = 0."""
    run = made_motion("run", frames=FRAMES)
    return replace(run, root_m=run.root_m * [0.0, 1.0, 0.0] + [0.0, height_m, 0.0])


def stand_on_turntable(rad_s: float, speed_m_s: float = 0.0) -> sc.Motion:
    """Stand beside a turntable's axis.

    The arms swing; the axis moves at a speed.
    """
    arm = np.outer(0.4 * np.sin(3 * TIMES_S), [1.0, 0.0, 0.0])
    stand = pose([0.0, 0.91, 0.0], 0.0, left_shoulder=arm)
    turns = Rotation.from_rotvec(np.outer(rad_s * TIMES_S, [0.0, 1.0, 0.0]))
    turned = turn_joint(stand, 0, turns, outside=True)
    return replace(
        turned, root_m=stand.root_m + turns.apply([0.2, 0.0, 0.0]) + np.outer(TIMES_S, [0.0, 0.0, speed_m_s])
    )


def rise_steadily(motion: sc.Motion, rise_m: float) -> sc.Motion:
    return replace(motion, root_m=motion.root_m + np.outer(np.linspace(0.0, rise_m, len(motion)), [0.0, 1.0, 0.0]))


CARRIED = {
    "swimmer": lambda: lie(1.0, 1.0),
    "swimmer at the surface": lambda: lie(0.0, 1.0),
    "diver": lambda: lie(-3.0, 1.0),
    "handstand": stand_on_hands,
    "falling loop": hang,
    "rope": swing,
    "bar": lambda: make_air_loop("bar", 0.5, 0.2),
    "hangs on a bar": lambda: make_air_loop("bar", 0.15, 0.2),
    "short rope": lambda: make_air_loop("rope", 0.5, 0.2),
    "afloat": lambda: make_air_loop("floats", 0.9, 0.2, pitch_rad=-0.2, bend_rad=0.9),
    "pedals": lambda: make_air_loop("pedals", 0.9, 0.34),
}
ON_THE_FLOOR = {
    "walk": lambda: made_motion("walk", frames=FRAMES),
    "sits still": lambda: sit(0.0),
    "sits on a floor that is off": lambda: raise_motion(sit(0.0), 0.06),
    "sits on a floor that is far off": lambda: raise_motion(sit(0.0), 1.0),
    "stands": lambda: stand_on_turntable(0.0),
    "turns while gliding": lambda: stand_on_turntable(1.5, speed_m_s=0.8),
    "turns with steps": lambda: made_motion("turn", frames=FRAMES),
    "lies": lambda: lie(0.1, 0.0),
    "crawls": lambda: lie(0.15, 0.5),
    "turns over": lambda: stand_on_hands(0.3),
    "hops far above zero": lambda: raise_motion(made_motion("hop", frames=FRAMES), 1.0),
    "hops": lambda: made_motion("hop", frames=FRAMES),
    "jumps high": lambda: made_motion("hop", 0.7, frames=FRAMES),
    "jogs on a raised treadmill": lambda: jog_on_the_spot(0.3),
    "glides on a raised walkway": lambda: pose([0.0, 1.3, 0.0], 0.7),
    "stands and glides": lambda: pose([0.0, 0.91, 0.0], 0.5),
    "walks on a floor that is off": lambda: raise_motion(made_motion("walk", frames=FRAMES), 0.2),
    "walks on the spot": lambda: raise_motion(remove_travel(made_motion("walk", frames=FRAMES)), 0.2),
    "walks badly": lambda: raise_motion(wander(made_motion("walk", frames=FRAMES), 1), 0.2),
    "stands badly": lambda: raise_motion(wander(made_motion("idle", frames=FRAMES), 2), 0.2),
    "jumps": lambda: raise_motion(jumps("star"), 0.2),
    "rises": lambda: rise_steadily(raise_motion(made_motion("idle", frames=FRAMES), 0.2), 0.5),
}


@pytest.mark.parametrize("kind", CARRIED)
@pytest.mark.parametrize("engine", [{"kinematic": True}, {"engine": "mujoco"}])
def test_feet_off_the_floor_stay(kind: str, engine: dict[str, object]) -> None:
    motion = CARRIED[kind]()
    correction = sc.correct(motion, **engine)
    assert correction.accepted
    assert correction.is_unchanged
    assert np.array_equal(correction.motion.root_m, motion.root_m)
    assert [note.kind for note in correction.notes] == [NoteKind.CARRIED]


@pytest.mark.parametrize("kind", ["swimmer", "handstand", "rope"])
def test_noise_is_removed_off_the_floor(kind: str) -> None:
    motion = CARRIED[kind]()
    noisy = add_noise(motion, 1.5)
    correction = sc.correct(noisy, kinematic=True)
    assert [note.kind for note in correction.notes if note.kind is NoteKind.CARRIED]
    errors_m = [np.abs(joint_positions(other) - joint_positions(motion)).mean() for other in (noisy, correction.motion)]
    assert errors_m[1] < 0.8 * errors_m[0]


def test_turn_on_dead_feet_is_planted() -> None:
    """Feet that turn along with the body, and shake, rest on the floor after the correction."""
    shaken = add_noise(stand_on_turntable(0.5), 1.0)
    before_m_s, after_m_s = standing_speeds_m_s(shaken, sc.correct(shaken, kinematic=True).motion)
    assert after_m_s < 0.4 * before_m_s


@pytest.mark.parametrize("pitch_deg", [45, 60, 75])
@pytest.mark.parametrize("height_m", [1.15, 3.0])
def test_hanging_feet_show_no_floor(pitch_deg: float, height_m: float) -> None:
    ground = observe_ground(hang(pitch_deg, height_m))
    assert not ground.is_shown
    assert ground.floor_to_zero_m is None
    assert MotionFeatures(hang(pitch_deg, height_m)).ground_m == 0.0
    codes = {finding.code for finding in sc.check(hang(pitch_deg, height_m))}
    assert "F4" not in codes


def test_legs_of_swimmers_travel_along() -> None:
    """Legs travel along with the body.

    Knees of a body that crawls stay turned, and legs of one that rolls over turn with it.
    """
    rolled = Rotation.from_rotvec(np.outer(3.0 * TIMES_S, [0.0, 1.0, 0.0]))
    rolling = turn_joint(lie(0.1, 0.5), 0, rolled)
    shares = [_find_floating_legs(MotionFeatures(body)).mean() for body in (lie(0.1, 0.5), crawl(), rolling)]
    assert shares[0] > 0.95
    assert max(shares[1:]) < 0.6


@pytest.mark.parametrize("kind", ON_THE_FLOOR)
def test_floor_body_is_corrected(kind: str) -> None:
    assert find_carrier(ON_THE_FLOOR[kind]()) == ""


@pytest.mark.parametrize("kind", CARRIED)
@pytest.mark.parametrize("change", [mirror, lambda motion: turn(motion, 1.0)], ids=["mirrored", "turned"])
def test_carrier_is_symmetric(kind: str, change: Callable[[sc.Motion], sc.Motion]) -> None:
    motion = CARRIED[kind]()
    assert find_carrier(change(motion)) == find_carrier(motion) != ""


def test_contacts_place_carried_body() -> None:
    motion = swing()
    last = FRAMES - 1
    contacts = Contacts(FRAMES, motion.fps, (LimbContact("left foot", 0, last, kind="rides"),))
    notes = sc.correct(motion, kinematic=True, contacts=contacts).notes
    assert NoteKind.CARRIED not in {note.kind for note in notes}


UP = np.array([0.0, 1.0, 0.0])


def idle_above_floor(height_m: float) -> Motion:
    motion = made_motion("idle", frames=150)
    return replace(motion, root_m=motion.root_m + height_m * UP)


@pytest.mark.parametrize("ledge_m", [-0.5, 0.0, 2.3])
def test_ledge_above_a_bar_is_no_floor(ledge_m: float) -> None:
    """Somebody swings by the hands, a metre lower, and then stands on a ledge."""
    motion = made_motion("idle", frames=180)
    times_s = np.arange(len(motion)) / motion.fps
    share = np.clip(times_s - 1.0, 0.0, 1.0)[:, None]
    for side, sign in (("left", 1.0), ("right", -1.0)):
        motion = pose_joint(motion, f"{side}_shoulder", Rotation.from_rotvec((1 - share) * [0.0, 0.0, sign * 1.5]))
    hands_m = joint_positions(motion)[:1, [motion.skeleton.joint("left_wrist"), motion.skeleton.joint("right_wrist")]]
    swing = Rotation.from_rotvec((1 - share) * 0.7 * np.cos(np.pi * times_s)[:, None] * [1.0, 0.0, 0.0])
    from_bar_m = (
        swing.apply(motion.root_m[0] - hands_m.mean(axis=(0, 1))) - motion.root_m[0] + hands_m.mean(axis=(0, 1))
    )
    motion = turn_joint(motion, 0, swing, outside=True)
    motion = replace(motion, root_m=motion.root_m + from_bar_m + (ledge_m - (1 - share) * 1.0) * UP)
    corrected = sc.correct(motion, kinematic=True)
    np.testing.assert_allclose(joint_positions(corrected.motion), joint_positions(motion), atol=0.02)


def make_rises_m(frames: int, height_m: float, *, is_even: bool) -> np.ndarray:
    """Return the heights of a lift.

    The lift starts after a fifth of the frames and stops a fifth before their end.
    """
    share = np.clip((np.arange(frames) / frames - 0.2) / 0.6, 0.0, 1.0)
    return height_m * (share if is_even else share**2 * (3 - 2 * share))


@pytest.mark.parametrize(("height_m", "is_even"), [(3.0, True), (3.0, False), (-4.0, False)])
def test_ride_is_corrected(height_m: float, is_even: bool) -> None:
    level = idle_above_floor(-0.06)
    rises_m = make_rises_m(len(level), height_m, is_even=is_even)
    carried = replace(level, root_m=level.root_m + rises_m[:, None] * UP)
    on_floor, on_lift = KinematicCorrector()([level, carried])
    assert [note.value for note in on_lift.notes if note.kind is NoteKind.RIDE] == [pytest.approx(height_m, abs=0.02)]
    expected_m = joint_positions(on_floor.motion) + rises_m[:, None, None] * UP
    assert np.abs(joint_positions(on_lift.motion) - expected_m).max() < 0.02
    assert np.abs(joint_positions(on_floor.motion) - joint_positions(level)).max() > 0.03, "there is something to mend"
    levelled_m = joint_positions(sc.correct(carried, kinematic=True, level=True).motion)
    assert np.abs(levelled_m - joint_positions(on_floor.motion)).max() < 0.02


@settings(max_examples=20, deadline=None)
@given(kind=st.sampled_from(KINDS), slope=st.floats(-0.4, 0.4), pace=st.floats(0.6, 1.5))
def test_slopes_are_no_rides(kind: Kind, slope: float, pace: float) -> None:
    motion = made_motion(kind, pace, frames=150)
    travelled_m = np.linalg.norm(motion.root_m - motion.root_m[0], axis=1)
    ride = find_ride(replace(motion, root_m=motion.root_m + slope * travelled_m[:, None] * UP))
    assert ride is None or not ride.is_lift


def test_a_flight_is_no_ride() -> None:
    """Trampoline jumps of 1.8 m last 1.2 s."""
    motion = made_motion("idle", frames=90)
    seconds = np.arange(90) / motion.fps % 1.2
    height_m = 9.81 / 2 * seconds * (1.2 - seconds)
    assert height_m.max() > 1.7
    assert find_ride(replace(motion, root_m=motion.root_m + height_m[:, None] * UP)) is None


WALK = made_motion("walk", frames=120)
KINEMATIC = KinematicCorrector()
ANGLES_DEG = {"shoulder": 90.0, "elbow": 60.0, "hip": 45.0, "knee": 20.0}


def make_library(hold: int, seed: int, poses: int = 13) -> Motion:
    """Return unrelated poses in one position, each held for `hold` frames."""
    rng = np.random.default_rng(seed)
    motion = WALK.select_frames(np.arange(poses))
    rotations = motion.rotations.copy()
    for joint, name in enumerate(motion.skeleton.names):
        limit_deg = ANGLES_DEG.get(name.split("_")[-1], 0.0)
        turns = Rotation.from_rotvec(np.radians(limit_deg) * rng.uniform(-1, 1, (poses, 3)))
        rotations[:, joint] = (turns * Rotation.from_quat(rotations[:, joint])).as_quat()
    headings = Rotation.from_rotvec(np.radians(rng.uniform(-120, 120, (poses, 1))) * [0.0, 1.0, 0.0])
    rotations[:, 0] = (headings * Rotation.from_quat(rotations[:, 0])).as_quat()
    root_m = np.tile(motion.root_m[:1], (poses, 1))
    return replace(motion, root_m=root_m, rotations=rotations).select_frames(np.repeat(np.arange(poses), hold))


def add_noise(motion: Motion, noise_deg: float) -> Motion:
    noise = np.random.default_rng(3).normal(0.0, np.radians(noise_deg), (*motion.rotations.shape[:2], 3))
    turns = Rotation.from_rotvec(noise.reshape(-1, 3)) * Rotation.from_quat(motion.rotations.reshape(-1, 4))
    return replace(motion, rotations=turns.as_quat().reshape(motion.rotations.shape))


def join(*motions: Motion) -> Motion:
    root_m = np.concatenate([motion.root_m for motion in motions])
    return replace(WALK, root_m=root_m, rotations=np.concatenate([motion.rotations for motion in motions]))


def correct(motion: Motion) -> CorrectedMotion:
    (correction,) = KINEMATIC([motion])
    return correction


def find_notes(correction: CorrectedMotion) -> list[tuple[int, ...]]:
    return [note.frames for note in correction.notes if note.kind is NoteKind.UNRELATED_POSES]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("hold", [1, 2, 10])
def test_pose_library_is_one_stretch(hold: int, seed: int) -> None:
    library = make_library(hold, seed)
    assert find_unrelated_poses(library) == [(0, len(library))]


@pytest.mark.parametrize("noise_deg", [0.0, 1.5, 5.0])
@pytest.mark.parametrize("kind", ["walk", "run", "turn", "hop", "idle"])
def test_noisy_motion_is_no_library(kind: Kind, noise_deg: float) -> None:
    assert not find_unrelated_poses(add_noise(made_motion(kind), noise_deg))


@pytest.mark.parametrize("turned", [1, 3])
def test_turning_bodies_are_no_library(turned: int) -> None:
    walk = WALK
    for start in (20, 50, 80, 100):
        walk = turn_joint(walk, 0, Rotation.from_rotvec([np.pi, 0, 0]), slice(start, start + turned), outside=True)
    assert not find_unrelated_poses(walk)


@pytest.mark.parametrize("hold", [1, 2, 10])
def test_library_is_kept(hold: int) -> None:
    library = make_library(hold, 0)
    correction = correct(library)
    np.testing.assert_array_equal(correction.motion.rotations, library.rotations)
    np.testing.assert_array_equal(correction.motion.root_m, library.root_m)
    assert find_notes(correction) == [(0, len(library) - 1)]


def test_motion_beside_library_is_corrected() -> None:
    sunk = replace(WALK, root_m=WALK.root_m - [0.0, 0.08, 0.0])
    first = make_library(2, 1)
    second = make_library(10, 2)
    motion = join(first, sunk, second)
    correction = correct(motion)
    assert correction.accepted
    start = len(first) + len(sunk)
    spans = find_notes(correction)
    assert np.abs(np.subtract(spans, [(0, len(first) - 1), (start, len(motion) - 1)])).max() <= 1
    moved_m = np.linalg.norm(joint_positions(correction.motion) - joint_positions(motion), axis=-1).max(axis=1)
    assert moved_m[: len(first)].max() == 0.0
    assert moved_m[start:].max() == 0.0
    raised_m = (correction.motion.root_m - motion.root_m)[len(first) + 2 : start - 2, 1]
    assert np.median(raised_m) == pytest.approx(0.08, abs=0.02)


@pytest.mark.parametrize("lift_m", [0.21, 0.34])
@pytest.mark.parametrize(("bob_m", "swing_rad"), [(0.0, 0.1), (0.0, 0.15), (0.05, 0.15), (0.05, 0.3)])
def test_dangling_loop_stays_up(lift_m: float, bob_m: float, swing_rad: float) -> None:
    """Loops of falling emotes stay up.

    Games let them float: feet point down and rise and sink, but nothing stands.
    """
    phases = np.linspace(0, 2 * np.pi, 41)
    dangling = made_motion("idle", frames=41, sway_rad=0.0)
    for side, shift_rad in (("left", 0.0), ("right", np.pi)):
        for joint, bend_rad, swings in (("hip", -0.35, swing_rad), ("knee", 0.6, swing_rad), ("ankle", 0.6, 0.1)):
            angles_rad = bend_rad + swings * np.sin(phases + shift_rad + (joint == "knee"))
            bend = Rotation.from_rotvec(angles_rad[:, None] * [1.0, 0.0, 0.0])
            dangling = turn_joint(dangling, f"{side}_{joint}", bend, slice(0, 41))
    height_m = bob_m * np.sin(phases)[:, None] * [0.0, 1.0, 0.0]
    dangling = replace(dangling, root_m=dangling.root_m + height_m)
    lowest_m = joint_positions(dangling)[..., 1].min()
    dangling = replace(dangling, root_m=dangling.root_m + np.array([0.0, lift_m - lowest_m, 0.0]))
    corrected = sc.correct(dangling, kinematic=True)
    assert np.abs(corrected.motion.root_m - dangling.root_m).max() < 1e-6
