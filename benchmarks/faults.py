"""Plant faults in real motions that rules of `check` must find.

A fault is a function of a motion and a random number generator that returns the faulty motion.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter1d

from selfcorrect.motion.body.surface import HIGH_SOLES_M
from selfcorrect.motion.checks.floor import floor_tilt_deg
from selfcorrect.motion.checks.pace import flight_pace
from selfcorrect.motion.checks.walking import timing_unevenness, walking_pace
from selfcorrect.motion.editing.transforms import at_frames
from selfcorrect.motion.geometry.rotations import compose, from_euler_angles, normalize, quaternions
from selfcorrect.motion.inverse_kinematics import aligning_turns
from selfcorrect.motion.kinematics import forward_kinematics, joint_positions, local_rotations, make_continuous
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.motion_features import MotionFeatures
from selfcorrect.motion.skeleton import SIDES
from selfcorrect.motion.views import Z_UP, ScaledBody, TurnedWorld, to_y_up

Plant = Callable[[Motion, np.random.Generator], Motion]
IsVisible = Callable[[Motion], bool]

UP = np.array([0.0, 1.0, 0.0])
IDENTITY_QUAT = (0.0, 0.0, 0.0, 1.0)
LONGEST_SHARE = 0.4
"""Largest share of a clip in which a temporary fault is planted."""
LONG_S = 2.1
"""Minimum duration of a motion that shows a glide, or a hover in its middle, in s."""


def shift_root(motion: Motion, shift_m: np.ndarray) -> Motion:
    return replace(motion, root_m=motion.root_m + shift_m)


def get_times_s(motion: Motion) -> np.ndarray:
    return np.arange(len(motion)) / motion.fps


def draw_direction(rng: np.random.Generator) -> np.ndarray:
    """Return a random horizontal direction (3,)."""
    angle_rad = rng.uniform(0, 2 * np.pi)
    return np.array([np.cos(angle_rad), 0.0, np.sin(angle_rad)])


def draw_span(motion: Motion, seconds: float, rng: np.random.Generator) -> slice:
    """Return a random range of frames, away from the ends if there is room."""
    frames = min(int(LONGEST_SHARE * len(motion)), round(seconds * motion.fps))
    start = int(rng.integers(1, max(2, len(motion) - frames - 1)))
    return slice(start, start + frames)


def drift_anywhere(motion: Motion, speed_m_s: float, rng: np.random.Generator) -> Motion:
    """Let the whole motion drift along the floor in a random direction."""
    return shift_root(motion, speed_m_s * get_times_s(motion)[:, None] * draw_direction(rng))


def raise_for_a_while(seconds: float, height_m: float) -> Plant:
    """Raise the body smoothly for a random range of frames."""

    def plant(motion: Motion, rng: np.random.Generator) -> Motion:
        amount = np.zeros(len(motion))
        amount[draw_span(motion, seconds, rng)] = 1.0
        soft_amount = gaussian_filter1d(amount, 0.06 * motion.fps, mode="nearest")
        return shift_root(motion, soft_amount[:, None] * (height_m * UP))

    return plant


def jitter(motion: Motion, rng: np.random.Generator) -> Motion:
    """Add white noise of 2.5° to all joints and of 1 cm to the root."""
    noise = quaternions(rng.normal(0.0, np.radians(2.5), (*motion.rotations.shape[:2], 3)))
    noisy = replace(motion, rotations=compose(motion.rotations, noise))
    return shift_root(noisy, rng.normal(0, 0.01, motion.root_m.shape))


def spike(motion: Motion, rng: np.random.Generator) -> Motion:
    """Rotate a shoulder or hip by 100° to 150° in one frame."""
    part = rng.choice(["left_shoulder", "right_shoulder", "left_hip", "right_hip"])
    joint = motion.skeleton.parts.index(part)
    frame = int(rng.integers(2, len(motion) - 2))
    rotations = motion.rotations.copy()
    axis = np.array([[1.0, 0, 0], [0, 0, 1.0]])[int(rng.integers(2))] if "hip" in part else UP
    rotations[frame, joint] = compose(rotations[frame, joint], quaternions(np.radians(rng.uniform(100, 150)) * axis))
    return replace(motion, rotations=rotations)


def splice(motion: Motion, rng: np.random.Generator) -> Motion:
    """Displace the body by half a metre and 60° from some frame on."""
    start = int(rng.integers(3, len(motion) - 3))
    centre_m = motion.root_m[start]
    turned = TurnedWorld(quaternions(np.pi / 3 * UP)).view(shift_root(motion, -centre_m))
    elsewhere = shift_root(turned, centre_m + np.array([0.5, 0.0, 0.0]))
    is_elsewhere = np.arange(len(motion)) >= start
    root_m = np.where(is_elsewhere[:, None], elsewhere.root_m, motion.root_m)
    rotations = np.where(is_elsewhere[:, None, None], elsewhere.rotations, motion.rotations)
    return replace(motion, root_m=root_m, rotations=rotations)


def hold_frame(motion: Motion, rng: np.random.Generator) -> Motion:
    """Freeze a frame for a third of a second."""
    span = draw_span(motion, 0.33, rng)
    frames = np.arange(len(motion))
    frames[span] = span.start
    return motion.select_frames(frames)


def jump_root(motion: Motion, rng: np.random.Generator) -> Motion:
    """Displace the root by 11 cm in a random direction in one frame."""
    frame = int(rng.integers(2, len(motion) - 2))
    root_m = motion.root_m.copy()
    root_m[frame] += 0.11 * normalize(rng.normal(size=3))
    return replace(motion, root_m=root_m)


def cross_arm(motion: Motion, rng: np.random.Generator) -> Motion:
    """Push a forearm through the trunk, with the upper arm along it."""
    side = str(rng.choice(["left", "right"]))
    span = draw_span(motion, 0.5, rng)
    up, inwards = _trunk_axes(motion, f"{side}_shoulder")
    downwards = normalize(0.6 * inwards - up)
    motion = _point_bone(motion, span, f"{side}_shoulder", f"{side}_elbow", downwards)
    _, inwards = _trunk_axes(motion, f"{side}_elbow")
    return _point_bone(motion, span, f"{side}_elbow", f"{side}_wrist", inwards)


def _point_bone(motion: Motion, span: slice, part: str, end: str, directions: np.ndarray) -> Motion:
    """Point a bone in directions (T, 3) of the world for a range of frames.

    The trunk does not move.
    """
    joint = motion.skeleton.parts.index(part)
    tip = motion.skeleton.parts.index(end)
    bone_m = motion.skeleton.offsets_m[tip][None]
    _, orientations = forward_kinematics(motion.skeleton, motion.root_m, motion.rotations)
    targets_m = directions[:, None] * np.linalg.norm(bone_m)
    turned = aligning_turns(bone_m, targets_m, orientations[:, joint])
    orientations[span, joint] = turned[span]
    rotations = motion.rotations.copy()
    rotations[:, joint] = local_rotations(motion.skeleton, orientations)[:, joint]
    return replace(motion, rotations=rotations)


def _trunk_axes(motion: Motion, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Return directions (T, 3) from pelvis to neck, and from a part towards this line, perpendicular to it."""
    joints_m = joint_positions(motion)
    places_m = {name: joints_m[:, joint] for joint, name in enumerate(motion.skeleton.parts)}
    up = normalize(places_m["neck"] - places_m["pelvis"])
    across_m = places_m["pelvis"] - places_m[part]
    along_m = np.einsum("ti,ti->t", across_m, up)
    return up, normalize(across_m - along_m[:, None] * up)


def set_angle(motion: Motion, part: str, span: slice, axis: str, degrees: float) -> Motion:
    """Hold a joint's rotation, about an axis of its parent, for a range of frames."""
    rotations = motion.rotations.copy()
    rotations[span, motion.skeleton.parts.index(part)] = from_euler_angles(axis, np.array([degrees]))
    return replace(motion, rotations=rotations)


def bend_knee_backward(motion: Motion, rng: np.random.Generator) -> Motion:
    """Bend a knee forwards by 60° for 0.3 s."""
    part = f"{rng.choice(['left', 'right'])}_knee"
    return set_angle(motion, part, draw_span(motion, 0.3, rng), "X", -60.0)


def turn_head_round(motion: Motion, rng: np.random.Generator) -> Motion:
    """Turn the head by 160° for 0.3 s."""
    span = draw_span(motion, 0.3, rng)
    return set_angle(set_angle(motion, "neck", span, "X", 0.0), "head", span, "Y", 160.0)


def pitch_feet(motion: Motion, degrees: float) -> Motion:
    """Rotate both ankles about their x axes. Positive angles lower the toes."""
    rotations = motion.rotations.copy()
    ankles = [motion.skeleton.parts.index(f"{side}_ankle") for side in SIDES]
    rotations[:, ankles] = compose(rotations[:, ankles], from_euler_angles("X", np.array([degrees])))
    return replace(motion, rotations=rotations)


def hold_ankle(motion: Motion, rng: np.random.Generator) -> Motion:
    """Hold an ankle at its median rotation, as if it had no tracker."""
    ankle = motion.skeleton.parts.index(f"{rng.choice(['left', 'right'])}_ankle")
    rotations = motion.rotations.copy()
    rotations[:, ankle] = normalize(np.median(make_continuous(rotations[:, ankle]), axis=0))
    return replace(motion, rotations=rotations)


def turn_limb_away(motion: Motion, rng: np.random.Generator) -> Motion:
    """Turn a shoulder or a hip by 60° across the limb for a third of a second, at once."""
    start, end = [("shoulder", "elbow"), ("hip", "knee")][int(rng.integers(2))]
    side = str(rng.choice(SIDES))
    limb = motion.skeleton.parts.index(f"{side}_{start}")
    along_m = motion.skeleton.offsets_m[motion.skeleton.parts.index(f"{side}_{end}")]
    span = draw_span(motion, 0.33, rng)
    turn = quaternions(np.radians(60.0) * normalize(np.cross(along_m, rng.normal(size=3))))
    rotations = motion.rotations.copy()
    rotations[span, limb] = compose(rotations[span, limb], turn)
    return replace(motion, rotations=rotations)


def raise_heels(motion: Motion, _: np.random.Generator) -> Motion:
    """Raise both heels by 35° over resting toes, and the body with them."""
    rotations = pitch_feet(motion, 35.0).rotations.copy()
    toes = [motion.skeleton.parts.index(f"{side}_foot") for side in SIDES]
    rotations[:, toes] = compose(from_euler_angles("X", np.array([-35.0])), rotations[:, toes])
    raised = replace(motion, rotations=rotations)
    lifts_m = (joint_positions(motion) - joint_positions(raised))[:, toes, 1].max(axis=1)
    return replace(raised, root_m=motion.root_m + lifts_m[:, None] * (0, 1, 0))


def show_rest_pose(motion: Motion, _: np.random.Generator) -> Motion:
    """Open with two frames of the rest pose."""
    rotations = motion.rotations.copy()
    rotations[:2, 1:] = IDENTITY_QUAT
    return replace(motion, rotations=rotations)


def shake(motion: Motion, rng: np.random.Generator) -> Motion:
    """Sway the body faster than friction allows: 12 cm sideways, 2.4 times per second."""
    swing_m = 0.12 * np.sin(15 * get_times_s(motion))
    return shift_root(motion, swing_m[:, None] * draw_direction(rng))


def glide(motion: Motion, rng: np.random.Generator) -> Motion:
    """Glide at 3 to 10 cm/s with legs as in the frame with the lowest feet, while arms and trunk move."""
    frame = int(MotionFeatures(motion).sole_heights_m.max(axis=1).argmin())
    lower_joints = [0]
    for joint, part in enumerate(motion.skeleton.parts):
        if part.endswith(("hip", "knee", "ankle", "foot")):
            lower_joints.append(joint)
    rotations = motion.rotations.copy()
    rotations[:, lower_joints] = rotations[frame, lower_joints]
    root_m = np.repeat(motion.root_m[[frame]], len(motion), axis=0)
    standing = replace(motion, rotations=rotations, root_m=root_m)
    return drift_anywhere(standing, rng.uniform(0.03, 0.1), rng)


def wander(motion: Motion, rng: np.random.Generator) -> Motion:
    """Let the root wander over the floor in a random walk of 2 cm per square root of a second."""
    steps_m = rng.normal(0.0, 0.02 / np.sqrt(motion.fps), (len(motion), 3)) * [1.0, 0.0, 1.0]
    return shift_root(motion, np.cumsum(steps_m, axis=0))


def float_for_a_stride(motion: Motion, rng: np.random.Generator) -> Motion:
    """Raise the root smoothly by up to 12 cm, and lower it again, within 0.7 s."""
    span = draw_span(motion, 0.7, rng)
    phase = np.linspace(0.0, np.pi, span.stop - span.start)
    rise_m = np.zeros(len(motion))
    rise_m[span] = 0.12 * np.sin(phase) ** 2
    return shift_root(motion, rise_m[:, None] * UP)


def lose_way(motion: Motion, rng: np.random.Generator) -> Motion:
    """Hold the root's horizontal position for 0.7 s, and continue from there."""
    span = draw_span(motion, 0.7, rng)
    steps_m = np.diff(motion.root_m, axis=0, prepend=motion.root_m[:1])
    steps_m[span] *= UP
    return replace(motion, root_m=motion.root_m[0] + np.cumsum(steps_m, axis=0))


def _travels(motion: Motion) -> bool:
    """Return whether a long motion always travels at a walking pace."""
    steps_m = np.diff(motion.root_m[:, [0, 2]], axis=0)
    return motion.seconds > LONG_S and float(np.percentile(np.linalg.norm(steps_m, axis=1), 10)) * motion.fps > 0.8


def warp_time(motion: Motion, rng: np.random.Generator) -> Motion:
    """Warp time by up to 30 %.

    In a period of two seconds, the motion is up to 0.1 s ahead and behind. No corrector can know the original pace,
    because feet stand as still in warped time and bodies fall almost as fast.
    """
    times_s = get_times_s(motion)
    ahead_s = 0.3 / np.pi * np.sin(np.pi * times_s + rng.uniform(0, 2 * np.pi))
    return at_frames(motion, (times_s + ahead_s) * motion.fps, motion.fps)


def _shows_pace(motion: Motion) -> bool:
    features = MotionFeatures(motion)
    return flight_pace(features) is not None or walking_pace(features) is not None


def _shows_even_steps(motion: Motion) -> bool:
    return timing_unevenness(MotionFeatures(motion)) is not None


def _stays_on_floor(motion: Motion) -> bool:
    """Return whether a long motion stays on the floor, because flights hide small errors of height."""
    return motion.seconds > LONG_S and float(MotionFeatures(motion).clear_m.max()) < HIGH_SOLES_M


def _is_long(motion: Motion) -> bool:
    return motion.seconds > LONG_S


def _shows_plane(motion: Motion) -> bool:
    """Return whether stances spread enough to show a plane."""
    return floor_tilt_deg(MotionFeatures(motion)) is not None


@dataclass(frozen=True)
class Fault:
    """A fault, and the rules of which at least one must find it."""

    plant: Plant
    codes: str
    is_visible: IsVisible = bool
    """Returns whether the fault would be visible in a motion."""


FAULTS = {
    "sunk": Fault(raise_for_a_while(0.6, -0.3), codes="F1"),
    "lifted": Fault(raise_for_a_while(0.9, 0.3), codes="F2"),
    "skating": Fault(lambda motion, rng: drift_anywhere(motion, 0.6, rng), codes="F3"),
    "elsewhere": Fault(lambda motion, rng: shift_root(motion, rng.choice([-0.2, 0.2]) * UP), codes="F4"),
    "jittery": Fault(jitter, codes="S1"),
    "spiky": Fault(spike, codes="S3"),
    "spliced": Fault(splice, codes="S4"),
    "held": Fault(hold_frame, codes="S5"),
    "statue": Fault(
        lambda motion, rng: motion.select_frames(np.full(len(motion), rng.integers(len(motion)))), codes="S6"
    ),
    "crossed": Fault(cross_arm, codes="B1"),
    "backward knee": Fault(bend_knee_backward, codes="B2"),
    "owl": Fault(turn_head_round, codes="B3"),
    "rig": Fault(show_rest_pose, codes="B4"),
    "pitched feet": Fault(lambda motion, _: pitch_feet(motion, -30.0), codes="B6", is_visible=_stays_on_floor),
    "on toes": Fault(raise_heels, codes="B6", is_visible=_stays_on_floor),
    "limb elsewhere": Fault(turn_limb_away, codes="S7"),
    "still ankle": Fault(hold_ankle, codes="B8", is_visible=_travels),
    "scaled": Fault(
        lambda motion, rng: ScaledBody(float(rng.choice([2.54, 1 / 2.54, 100.0]))).view(motion), codes="R1"
    ),
    "z up": Fault(lambda motion, _: to_y_up(Z_UP).restore(motion), codes="R2"),
    "other rate": Fault(lambda motion, rng: replace(motion, fps=float(rng.choice((2.0, 1000.0)))), codes="R3"),
    "other pace": Fault(
        lambda motion, rng: replace(motion, fps=motion.fps * float(rng.choice([1.35, 1 / 1.35]))),
        codes="P1",
        is_visible=_shows_pace,
    ),
    "warped": Fault(warp_time, codes="P2", is_visible=_shows_even_steps),
    "shaken": Fault(shake, codes="X2"),
    "wandering": Fault(wander, codes="F5"),
    "in the floor": Fault(
        lambda motion, rng: shift_root(motion, -rng.uniform(0.06, 0.08) * UP), codes="F1 F4", is_visible=_stays_on_floor
    ),
    "hovering": Fault(raise_for_a_while(0.9, 0.06), codes="F2 F9", is_visible=_stays_on_floor),
    "jumping root": Fault(jump_root, codes="S4"),
    "sliding slowly": Fault(
        lambda motion, rng: drift_anywhere(motion, rng.uniform(0.1, 0.2), rng),
        codes="F3 F8",
        is_visible=_stays_on_floor,
    ),
    "gliding": Fault(glide, codes="F7", is_visible=_is_long),
    "floating for a stride": Fault(float_for_a_stride, codes="F10", is_visible=_stays_on_floor),
    "path lost": Fault(lose_way, codes="F3 F11", is_visible=_travels),
    "tilted": Fault(
        lambda motion, rng: TurnedWorld(quaternions(np.radians(5.0) * draw_direction(rng))).view(motion),
        codes="F6",
        is_visible=_shows_plane,
    ),
}
