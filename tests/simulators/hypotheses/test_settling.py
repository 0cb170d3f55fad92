"""Bodies that swing above the floor come back, unless in flight or on supports."""

from dataclasses import replace

import numpy as np
import pytest
from ground_motions import repeat_walk
from made_jumps import jumps
from made_motions import made_motion
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation
from turned_joints import pose_joint

from selfcorrect.commands.correct.in_python import correct
from selfcorrect.motion.geometry.curves import smoothstep
from selfcorrect.motion.geometry.rotations import slerp
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.perception.observation import find_feet_m, observe
from selfcorrect.simulators.clean import CleanupSettings
from selfcorrect.simulators.core.cleaning import CleanupState
from selfcorrect.simulators.hypotheses.steps.displaced_body import SettleBody


def bouncing(motion: Motion, amplitude_m: float, period_s: float = 0.55, lowered_m: float = 0.0) -> Motion:
    """Swing the root up and down."""
    times_s = np.arange(len(motion)) / motion.fps
    rise_m = amplitude_m * np.sin(2 * np.pi * times_s / period_s) - lowered_m
    return replace(motion, root_m=motion.root_m + rise_m[:, None] * [0.0, 1.0, 0.0])


def settle(motion: Motion) -> Motion:
    settings = CleanupSettings()
    steps = tuple(settings.enabled_steps)
    state = CleanupState.from_motions(MotionBatch.stack([motion]), steps, settings.mode)
    return SettleBody()(state).motions[0]


@pytest.mark.parametrize("amplitude_m", [0.02, 0.04])
@pytest.mark.parametrize("kind", ["walk", "turn"])
def test_bouncing_walk_lands(kind, amplitude_m: float) -> None:
    made = bouncing(made_motion(kind, frames=90), amplitude_m, lowered_m=amplitude_m)
    correction = correct(made, kinematic=True)
    assert correction.after["floating_m"] < correction.before["floating_m"] + 0.012
    assert correction.after["penetration_m"] <= correction.before["penetration_m"]
    assert correction.figures["lost_contacts"] < 0.05


@pytest.mark.parametrize("period_s", [0.7, 1.0, 2.0])
@pytest.mark.parametrize("sign", [-1, 1])
def test_floating_stride_returns(walk: Motion, period_s: float, sign: int) -> None:
    """One floating stride returns.

    Most of the walk stands well, so no share of the motion decides.
    """
    walks = repeat_walk(walk, 6)
    phase = np.clip((np.arange(len(walks)) / walks.fps - 3.0) / period_s, 0.0, 1.0)
    rise_m = sign * 0.1 * np.sin(np.pi * phase) ** 2
    settled = settle(replace(walks, root_m=walks.root_m + rise_m[:, None] * [0.0, 1.0, 0.0]))
    is_off = np.abs(rise_m) > 0.05
    assert np.abs(settled.root_m - walks.root_m)[is_off].max() < 0.03
    np.testing.assert_allclose(settled.root_m[rise_m == 0], walks.root_m[rise_m == 0], atol=0.012)
    np.testing.assert_array_equal(settle(walks).root_m, walks.root_m)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_bare_floor_has_one_height(walk: Motion, seed: int) -> None:
    walks = repeat_walk(walk, 4)
    slow = gaussian_filter1d(np.random.default_rng(seed).normal(size=len(walks)), 0.5 * walks.fps)
    rise_m = 0.03 * slow / slow.std()
    risen = replace(walks, root_m=walks.root_m + rise_m[:, None] * [0.0, 1.0, 0.0])
    corrected = correct(risen, kinematic=True, support="floor").motion
    stands = observe(walks).toes_stand
    heights_m = find_feet_m(corrected)[..., -1, 1][stands]
    assert find_feet_m(risen)[..., -1, 1][stands].std() > 0.02
    assert heights_m.std() < 0.012


@pytest.mark.parametrize("kind", ["walk", "run", "turn", "hop", "idle"])
def test_sound_motions_stay(kind) -> None:
    made = made_motion(kind, frames=90)
    np.testing.assert_array_equal(settle(made).root_m, made.root_m)


@pytest.mark.parametrize("pace", [1.0, 0.5, 0.25])
def test_slow_jump_is_a_jump(pace: float) -> None:
    """A slow jump falls as slowly as it rises.

    Its path is a parabola.
    """
    jump = replace(jumps("straight", 0.3, count=1, fps=30.0 / pace), fps=30.0)
    np.testing.assert_array_equal(settle(jump).root_m, jump.root_m)


def squatting(depth_m: float, *, hips_follow: float, arms_rad: float | np.ndarray = 1.2) -> Motion:
    """Bend the knees four times.

    As far as the hips do not follow, the feet rise instead.
    """
    motion = made_motion("idle", frames=240)
    skeleton = motion.skeleton
    leg_m = skeleton.leg_m
    down_m = depth_m * (1 - np.cos(2 * np.pi * np.arange(240) / 60)) / 2
    bends_rad = np.arccos(1 - down_m / leg_m)
    for part, share in (("hip", -1.0), ("knee", 2.0), ("ankle", -1.0)):
        for joint in skeleton.pair(part) or ():
            motion = pose_joint(motion, joint, Rotation.from_rotvec(share * bends_rad[:, None] * [1.0, 0.0, 0.0]))
    for joint, sign in zip(skeleton.pair("shoulder") or (), (-1.0, 1.0), strict=True):
        motion = pose_joint(motion, joint, Rotation.from_rotvec(np.multiply.outer(sign * arms_rad, [0.0, 0.0, 1.0])))
    return replace(motion, root_m=motion.root_m - hips_follow * down_m[:, None] * [0.0, 1.0, 0.0])


def test_squats_do_not_seem_to_sink() -> None:
    correction = correct(squatting(0.4, hips_follow=0.92), kinematic=True)
    assert correction.before["floating_m"] > 0.03
    assert correction.after["floating_m"] < 0.2 * correction.before["floating_m"]  # planted feet may hover by 2 cm
    assert correction.after["penetration_m"] < correction.before["penetration_m"] + 0.003


@pytest.mark.parametrize("depth_m", [0.15, 0.3])
def test_lost_hip_height_returns(depth_m: float) -> None:
    squats = squatting(depth_m, hips_follow=1.0)
    settled = settle(squatting(depth_m, hips_follow=0.0))
    assert np.abs(settled.root_m - squats.root_m).max() < 0.2 * depth_m
    np.testing.assert_array_equal(settle(squats).root_m, squats.root_m)
    for sunk_m in (0.0, 0.06):
        lost = squatting(depth_m, hips_follow=0.0)
        correction = correct(replace(lost, root_m=lost.root_m - sunk_m * np.array([0.0, 1.0, 0.0])), kinematic=True)
        assert correction.before["floating_m"] > 0.02
        assert max(correction.after["floating_m"], correction.after["penetration_m"]) < 0.01


@pytest.mark.parametrize(("depth_m", "share"), [(0.4, 0.6), (0.4, 0.4), (0.15, 0.4)])
def test_partial_hip_height_returns(depth_m: float, share: float) -> None:
    squats = squatting(depth_m, hips_follow=True)
    lost = squatting(depth_m, hips_follow=False)
    settled = settle(replace(lost, root_m=share * squats.root_m + (1 - share) * lost.root_m))
    off_m = settled.root_m - squats.root_m
    assert np.ptp(off_m[:, 1]) < 0.25 * (1 - share) * depth_m
    assert np.abs(off_m).max() < 0.04


@pytest.mark.parametrize("sunk_m", [0.1, 0.2])
def test_raised_hips_are_not_lifted(sunk_m: float) -> None:
    """Squats with constant hips are not lifted.

    The floor is at the middle; the hands are up in the first.
    """
    arms_rad = np.where(np.abs(np.arange(240) - 30) < 4, -1.3, 1.2)
    squats = squatting(0.4, hips_follow=0.0, arms_rad=arms_rad)
    flat = replace(squats, root_m=squats.root_m - sunk_m * np.array([0.0, 1.0, 0.0]))
    shift_m = (settle(flat).root_m - flat.root_m)[:, 1]
    assert shift_m.max() <= 0.0
    assert np.abs(shift_m[[90, 150, 210]] - sunk_m + 0.4).max() < 0.05


@pytest.mark.parametrize("dip_m", [0.08, 0.14, 0.25])
@pytest.mark.parametrize("width", [3.0, 5.0])
def test_quick_dip_into_the_floor_is_undone(dip_m: float, width: float) -> None:
    squat = squatting(0.15, hips_follow=1.0)
    frames = np.arange(len(squat))
    middle = int(squat.root_m[:, 1].argmin())
    dip = dip_m * np.exp(-(((frames - middle) / width) ** 2))
    settled = settle(replace(squat, root_m=squat.root_m - dip[:, None] * [0.0, 1.0, 0.0]))
    assert np.abs(settled.root_m[:, 1] - settle(squat).root_m[:, 1]).max() < 0.5 * dip_m


def test_height_that_was_never_recorded_is_restored(walk: Motion) -> None:
    walks = repeat_walk(walk, 6)
    height_m = walks.root_m[:, 1]
    level = replace(walks, root_m=np.where([False, True, False], height_m.mean(), walks.root_m))
    off_m = [each - height_m - np.mean(each - height_m) for each in (level.root_m[:, 1], settle(level).root_m[:, 1])]
    assert np.std(off_m[1]) < 0.6 * np.std(off_m[0])


def sitting_down(lift_deg: float) -> Motion:
    """Sit down, then lift the feet.

    Before that the feet are in place and ahead.
    """
    motion = made_motion("idle", frames=200)
    skeleton = motion.skeleton
    frames = np.arange(200)
    bends_rad = np.radians(
        np.interp(frames, [40, 80, 110, 140, 160, 180], [0, 90, 90, 90 + lift_deg, 90 + lift_deg, 90])
    )
    for part, sign in (("hip", -1.0), ("knee", 1.0)):
        for joint in skeleton.pair(part) or ():
            motion = pose_joint(motion, joint, Rotation.from_rotvec(sign * bends_rad[:, None] * [1.0, 0.0, 0.0]))
    seated_rad = np.minimum(bends_rad, np.pi / 2)
    thigh_m = np.linalg.norm(skeleton.offsets_m[skeleton.parts.index("left_knee")])
    way_m = thigh_m * np.stack([0 * frames, np.cos(seated_rad) - 1, -np.sin(seated_rad)], axis=1)
    return replace(motion, root_m=motion.root_m + way_m)


def test_lifted_feet_of_sitter_stay() -> None:
    sitting = sitting_down(20.0)
    np.testing.assert_array_equal(settle(sitting).root_m, sitting.root_m)


def ending_on_a_stool(walk: Motion, tucked_rad: float, swing_rad: float) -> Motion:
    """Walk onto a stool of 0.75 m.

    Thighs slope by 15 degrees, and the feet are in the air.
    """
    skeleton, fps, last = walk.skeleton, walk.fps, len(walk) - 1
    after_s = np.arange(-last, round(2.7 * fps)) / fps
    motion = walk.select_frames(np.minimum(np.arange(len(after_s)), last))
    share = smoothstep(np.clip(after_s / 0.7, 0.0, 1.0))
    swings_rad = swing_rad * np.sin(2 * np.pi * after_s) * np.clip(2 * after_s - 1, 0.0, 1.0)
    rotations = motion.rotations.copy()
    for side, sign in (("left", 1.0), ("right", -1.0)):
        knee_rad = np.deg2rad(75) + tucked_rad + sign * swings_rad
        for part, bend_rad in (("hip", np.full_like(knee_rad, -np.deg2rad(75))), ("knee", knee_rad)):
            joint = skeleton.parts.index(f"{side}_{part}")
            seated = Rotation.from_rotvec(np.outer(bend_rad, [1.0, 0.0, 0.0])).as_quat()
            rotations[:, joint] = slerp(rotations[:, joint], seated, share[:, None])
    motion = replace(motion, rotations=rotations)
    hips_m = joint_positions(motion, skeleton.pair("hip"))[..., 1].mean(axis=1)
    up_m = share * (0.75 + 0.065 - hips_m)
    return replace(motion, root_m=motion.root_m + up_m[:, None] * [0.0, 1.0, 0.0])


@pytest.mark.parametrize(("tucked_rad", "swing_rad"), [(0.3, 0.0), (0.3, 0.4), (0.6, 0.0), (0.6, 0.4)])
def test_high_seat_stays(walk: Motion, tucked_rad: float, swing_rad: float) -> None:
    """Feet hang below a body on a high seat.

    The feet are not ahead of the body, and the hips are hardly lower than in the walk.
    """
    sitting = ending_on_a_stool(walk, tucked_rad, swing_rad)
    rises_m = (settle(sitting).root_m - sitting.root_m)[:, 1]
    assert np.ptp(rises_m) < 0.015
    rises_m = (correct(sitting, kinematic=True).motion.root_m - sitting.root_m)[:, 1]
    assert np.abs(rises_m[-60:] - np.median(rises_m[: len(walk)])).max() < 0.03


def test_crawler_is_not_pulled_down(clips: dict[str, Motion]) -> None:
    """Hands and knees bear a crawler.

    The toes rise and sink behind them.
    """
    crawl = clips["crawl"]
    raised = replace(crawl, root_m=crawl.root_m + np.array([0.0, 0.013, 0.0]))
    np.testing.assert_array_equal(settle(raised).root_m, raised.root_m)


def test_hanging_body_stays() -> None:
    hanging = squatting(0.3, hips_follow=0.0, arms_rad=-1.3)
    np.testing.assert_array_equal(settle(hanging).root_m, hanging.root_m)


@pytest.mark.parametrize("height_m", [0.08, 0.3])
def test_climber_stays(height_m: float) -> None:
    made = made_motion("turn", frames=120)
    steps_m = height_m * (np.arange(120) >= 60)
    raised = replace(made, root_m=made.root_m + steps_m[:, None] * [0.0, 1.0, 0.0])
    np.testing.assert_array_equal(settle(raised).root_m, raised.root_m)


@pytest.mark.parametrize("frames", [12, 20])
@pytest.mark.parametrize(("kind", "pitch_deg", "most_m"), [("idle", 45, 0.02), ("walk", 20, 0.05), ("walk", 45, 0.05)])
def test_dipping_toes_do_not_raise_body(kind, pitch_deg: int, most_m: float, frames: int) -> None:
    """The other foot keeps the height that it has without the dip."""
    motion = made_motion(kind, frames=260)
    left, right = motion.skeleton.pair("ankle")
    share = np.clip(np.minimum(np.arange(260) - 120, 130 + frames - np.arange(260)) / 5, 0.0, 1.0)
    turns = Rotation.from_rotvec(np.outer(np.deg2rad(pitch_deg) * share, [1.0, 0.0, 0.0]))
    rotations = motion.rotations.copy()
    rotations[:, left] = (Rotation.from_quat(rotations[:, left]) * turns).as_quat()
    corrected = correct(replace(motion, rotations=rotations), kinematic=True).motion
    undipped = correct(motion, kinematic=True).motion
    rises_m = (joint_positions(corrected, [right]) - joint_positions(undipped, [right]))[..., 1]
    assert np.ptp(rises_m) < most_m
