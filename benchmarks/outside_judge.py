"""Score motions by a judge that is independent of the corrector.

    python -m benchmarks.outside_judge FOLDER [--kinematic]

The three axes are those of PhyMotion (Huang et al. 2026, "Structured 3D Motion Reward for Physics-Grounded Human Video
Generation"), implemented from its description: kinematic plausibility, contact and balance, and dynamic feasibility.
The
body is Winter's (2009, table 4.1): rods between joint positions, with his mass fractions, centres of mass and radii of
gyration. The corrector's humanoid, soles, contacts and engines are not used.

A component is the mean over frames of exp(-excess / scale), which is 1 for a faultless motion. The contact frames are
fixed by the input, so that a foot lifted by the correction counts as floating.
"""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tyro
from scipy.ndimage import gaussian_filter1d

from selfcorrect.commands.correct.in_python import correct_motions
from selfcorrect.datasets.load import load_motions
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion

GRAVITY_M_S2 = 9.81
_UPWARD_M_S2 = np.array([0.0, GRAVITY_M_S2, 0.0])
_SMOOTH_S = 0.03
"""Standard deviation of the Gaussian filter before positions are differentiated, in s."""

_SEGMENTS = (
    ("pelvis", "neck", 0.497, 0.50, 0.50), ("neck", "head", 0.081, 1.00, 0.50),
    *((f"{side}_{first}", f"{side}_{last}", mass, centre, gyration)
      for side in ("left", "right")
      for first, last, mass, centre, gyration in (
          ("shoulder", "elbow", 0.028, 0.436, 0.322), ("elbow", "wrist", 0.022, 0.682, 0.468),
          ("hip", "knee", 0.100, 0.433, 0.323), ("knee", "ankle", 0.0465, 0.433, 0.302),
          ("ankle", "foot", 0.0145, 0.50, 0.475),
      )),
)  # fmt: skip
"""First and last part of each rod, its share of the body's mass, and centre and radius of gyration relative to its
length."""

_TURN_RAD_S = 15.0
_TURN_SCALE_RAD_S = 5.0
_SPIN_RAD_S2 = 300.0
_SPIN_SCALE_RAD_S2 = 150.0
_SLIP_SCALE_M_S = 0.15
_DEPTH_SCALE_M = 0.02
_FLOAT_SCALE_M = 0.03
_BALANCE_SCALE_M = 0.10
_LOAD_BODYWEIGHTS = 3.0
_LOAD_SCALE_BODYWEIGHTS = 1.0
_FRICTION = 0.8
_TORQUE_NM_KG = 3.0
_TORQUE_SCALE_NM_KG = 2.0
_POWER_W_KG = 8.0
_POWER_SCALE_W_KG = 8.0
"""Limits of a plausible motion, and the excess at which a component falls to 1 / e.

They apply to limb speeds, slip and depth of feet, distance of the centre of pressure from the feet, ground force, leg
torques, and the power of all joints."""

_TOE_M = 0.025
_HEEL_M = 0.08
"""Heights of toe joint and ankle above the sole of a standing foot, in m."""
_LOW_M = 0.04
_STANDS_M_S = 0.6
"""Height above the input's lowest floor, and speed, below which a foot is in contact."""


@dataclass(frozen=True)
class Scores:
    """Components of the three axes, from 0 to 1."""

    joint_speed: float
    joint_acceleration: float
    slip: float
    penetration: float
    floating: float
    balance: float
    torque: float
    ground_reaction: float
    effort: float

    @property
    def axes(self) -> tuple[float, float, float]:
        """The axes kinematic, contact and dynamic, as means of their components."""
        kinematic = (self.joint_speed + self.joint_acceleration) / 2
        contact = (self.slip + self.penetration + self.floating + self.balance) / 4
        dynamic = (self.torque + self.ground_reaction + self.effort) / 3
        return kinematic, contact, dynamic

    @property
    def total(self) -> float:
        return sum(self.axes) / 3


def find_contacts(motion: Motion) -> np.ndarray:
    """Find the contacts (T, 2) of the feet, by the height of their lower end above the lowest floor and their speed."""
    heights_m, speeds_m_s = _foot_heights_and_speeds(motion)
    floor_m = np.percentile(heights_m.min(axis=1), 10)
    return (heights_m < floor_m + _LOW_M) & (speeds_m_s < max(_STANDS_M_S, float(np.percentile(speeds_m_s, 30))))


def score(motion: Motion, contacts: np.ndarray) -> Scores:
    """Score a motion whose floor is at y = 0.

    Args:
        motion: Motion of T frames with the body's parts.
        contacts: (T, 2) mask of the frames in which each foot should be on the floor, fixed by the input.
    """
    places_m = _part_positions(motion)
    rods = _make_rods(places_m, motion.fps)
    turns_rad_s = np.stack([rod.turn_rad_s for rod in rods.values()], axis=1)
    speeds_rad_s = np.linalg.norm(turns_rad_s, axis=-1)
    spins_rad_s2 = np.linalg.norm(np.gradient(turns_rad_s, 1 / motion.fps, axis=0), axis=-1)
    heights_m, foot_speeds_m_s = _foot_heights_and_speeds(motion)
    load, pressure_m = _ground_reaction(rods.values(), motion.fps)
    torque_nm_kg, power_w_kg = _leg_torques(rods, load, contacts)
    on_floor = contacts.any(axis=1)
    has_load = on_floor & (load[:, 1] > 0.3)
    vertical = np.maximum(load[:, 1] - _LOAD_BODYWEIGHTS, 0.0) + np.maximum(-load[:, 1], 0.0)
    friction = _FRICTION * np.maximum(load[:, 1], 0.0)
    sideways = np.maximum(np.linalg.norm(load[:, [0, 2]], axis=1) - friction, 0.0)
    off_m = _distance_to_feet(places_m, pressure_m, contacts)
    return Scores(
        joint_speed=_rate(speeds_rad_s - _TURN_RAD_S, _TURN_SCALE_RAD_S),
        joint_acceleration=_rate(spins_rad_s2 - _SPIN_RAD_S2, _SPIN_SCALE_RAD_S2),
        slip=_rate(foot_speeds_m_s[contacts], _SLIP_SCALE_M_S),
        penetration=_rate(-heights_m.min(axis=1), _DEPTH_SCALE_M),
        floating=_rate(heights_m[contacts] - 0.01, _FLOAT_SCALE_M),
        balance=_rate(off_m[has_load], _BALANCE_SCALE_M),
        torque=_rate(torque_nm_kg - _TORQUE_NM_KG, _TORQUE_SCALE_NM_KG),
        ground_reaction=_rate(vertical + sideways, _LOAD_SCALE_BODYWEIGHTS),
        effort=_rate(power_w_kg - _POWER_W_KG, _POWER_SCALE_W_KG),
    )


def _rate(excess: np.ndarray, scale: float) -> float:
    """Return the mean of exp(-excess / scale) over all values, or 1 if there are none."""
    return float(np.exp(-np.maximum(excess, 0.0) / scale).mean()) if excess.size else 1.0


def _part_positions(motion: Motion) -> dict[str, np.ndarray]:
    """Return the smoothed positions (T, 3) of parts. A missing head or toe is at its neighbour."""
    positions_m = gaussian_filter1d(joint_positions(motion), _SMOOTH_S * motion.fps, axis=0, mode="nearest")
    stand_ins = {"neck": "spine3", "head": "neck", "left_foot": "left_ankle", "right_foot": "right_ankle"}
    places_m: dict[str, np.ndarray] = {}
    for part in dict.fromkeys(part for first, last, *_ in _SEGMENTS for part in (first, last)):
        joint = motion.skeleton.joint(part)
        while joint is None and part in stand_ins:
            joint = motion.skeleton.joint(stand_ins[part])
            part = stand_ins[part] if joint is None else part
        assert joint is not None, f"the judge needs the part {part}"
        places_m[part] = positions_m[:, joint]
    return places_m


class Rod(NamedTuple):
    """A segment of the body over T frames.

    Arrays are (T, 3) in the world, except for the inertia (T, 1) across the axis, which is per mass.
    """

    first_m: np.ndarray
    centre_m: np.ndarray
    mass: float
    """Share of the body's mass."""
    inertia_m2: np.ndarray
    push_m_s2: np.ndarray
    """Force on the rod per mass, without gravity."""
    turn_rad_s: np.ndarray


def _make_rods(places_m: dict[str, np.ndarray], fps: float) -> dict[tuple[str, str], Rod]:
    """Make the rods, by their first and last part."""
    rods = {}
    for first, last, mass, centre, gyration in _SEGMENTS:
        rod_m = places_m[last] - places_m[first]
        centre_m = places_m[first] + centre * rod_m
        acceleration = np.gradient(np.gradient(centre_m, 1 / fps, axis=0), 1 / fps, axis=0)
        lengths2 = np.einsum("ti,ti->t", rod_m, rod_m)[:, None]
        turn_rad_s = np.cross(rod_m, np.gradient(rod_m, 1 / fps, axis=0)) / np.maximum(lengths2, 1e-6)
        push_m_s2 = acceleration + _UPWARD_M_S2
        rods[first, last] = Rod(places_m[first], centre_m, mass, gyration**2 * lengths2, push_m_s2, turn_rad_s)
    return rods


def _foot_heights_and_speeds(motion: Motion) -> tuple[np.ndarray, np.ndarray]:
    """Return heights and speeds (T, 2) of the feet.

    The height is that of a foot's lower end, and the speed that of its slower end along the floor.
    """
    heights, speeds = [], []
    for side in ("left", "right"):
        ends = [(f"{side}_ankle", _HEEL_M), (f"{side}_foot", _TOE_M)]
        joints = [(joint, offset_m) for part, offset_m in ends if (joint := motion.skeleton.joint(part)) is not None]
        places_m = joint_positions(motion, [joint for joint, _ in joints])
        heights.append((places_m[..., 1] - [offset_m for _, offset_m in joints]).min(axis=1))
        velocities = np.gradient(places_m[..., [0, 2]], 1 / motion.fps, axis=0)
        speeds.append(np.linalg.norm(velocities, axis=-1).min(axis=1))
    return np.stack(heights, axis=1), np.stack(speeds, axis=1)


def _ground_reaction(rods: Iterable[Rod], fps: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the ground force (T, 3) in body weights, and the centre of pressure (T, 2) as x and z in m."""
    force = moment = np.zeros(3)
    for rod in rods:
        spin = rod.inertia_m2 * np.gradient(rod.turn_rad_s, 1 / fps, axis=0)
        force = force + rod.mass * rod.push_m_s2
        moment = moment + rod.mass * (np.cross(rod.centre_m, rod.push_m_s2) + spin)
    upward = np.where(np.abs(force[:, 1]) > 1e-3, force[:, 1], 1e-3)
    return force / GRAVITY_M_S2, np.stack([moment[:, 2] / upward, -moment[:, 0] / upward], axis=1)


def _distance_to_feet(places_m: dict[str, np.ndarray], pressure_m: np.ndarray, contacts: np.ndarray) -> np.ndarray:
    """Return the distance (T,) of the centre of pressure from the feet in contact, beyond half a foot's width."""
    points = [places_m[f"{side}_{part}"][:, [0, 2]] for side in ("left", "right") for part in ("ankle", "foot")]
    is_down = np.repeat(contacts, 2, axis=1)
    nearest_m = np.full(len(pressure_m), np.inf)
    for first, last in combinations(range(4), 2):
        line_m = points[last] - points[first]
        along = np.einsum("ti,ti->t", pressure_m - points[first], line_m)
        share = np.clip(along / np.maximum(np.einsum("ti,ti->t", line_m, line_m), 1e-9), -0.3, 1.3)
        distance_m = np.linalg.norm(pressure_m - points[first] - share[:, None] * line_m, axis=1)
        nearest_m = np.minimum(nearest_m, np.where(is_down[:, first] & is_down[:, last], distance_m, np.inf))
    return np.maximum(nearest_m - 0.05, 0.0)


def _leg_torques(
    rods: dict[tuple[str, str], Rod], load: np.ndarray, contacts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the torques (T, 4) at knees and hips in N m/kg, and their total power (T,) in W/kg.

    The ground force is shared equally by the feet in contact, and acts in the middle of each foot.
    """
    shares = contacts / np.maximum(contacts.sum(axis=1, keepdims=True), 1)
    torques, power = [], np.zeros(len(load))
    for side, name in enumerate(("left", "right")):
        foot, shank, thigh = (
            rods[f"{name}_{first}", f"{name}_{last}"]
            for first, last in (("ankle", "foot"), ("knee", "ankle"), ("hip", "knee"))
        )
        force = np.maximum(shares[:, side : side + 1] * load * GRAVITY_M_S2, -1e3)
        carried = np.zeros_like(load)
        for rod, upper in ((shank, thigh), (thigh, rods["pelvis", "neck"])):
            carried = carried + np.cross(rod.centre_m - rod.first_m, rod.mass * rod.push_m_s2)
            torque = carried - np.cross(foot.centre_m - rod.first_m, force)
            torques.append(np.linalg.norm(torque, axis=1))
            power += np.abs(np.einsum("ti,ti->t", torque, rod.turn_rad_s - upper.turn_rad_s))
    return np.stack(torques, axis=1), power


def compare(motions: Sequence[Motion], corrected: Sequence[Motion]) -> str:
    """Return a Markdown table of mean scores before and after, with the numbers of motions that rose and fell."""
    scores = []
    for motion, result in zip(motions, corrected, strict=True):
        contacts = find_contacts(motion)
        versions = [score(version, contacts) for version in (motion, result)]
        scores.append([[*astuple(version), *version.axes, version.total] for version in versions])
    components = [field.name.replace("_", " ") for field in fields(Scores)]
    titles = [*components, "**kinematic**", "**contact**", "**dynamic**", "**all**"]
    lines = ["| | before | after | higher | lower |", "| --- | --- | --- | --- | --- |"]
    for title, (before, after) in zip(titles, np.transpose(scores, (2, 1, 0)), strict=True):
        higher, lower = (after > before + 0.005).sum(), (after < before - 0.005).sum()
        lines.append(f"| {title} | {before.mean():.3f} | {after.mean():.3f} | {higher} | {lower} |")
    return "\n".join(lines)


@dataclass(frozen=True)
class Benchmark:
    """Score motions before and after correction."""

    folder: tyro.conf.Positional[Path]
    """Folder of motion files."""
    kinematic: bool = False
    """Correct by kinematics only."""

    def run(self) -> None:
        motions = load_motions(self.folder)
        results = correct_motions(motions, kinematic=self.kinematic)
        accepted = [(motion, result.motion) for motion, result in zip(motions, results, strict=True) if result.accepted]
        print(f"{len(accepted)} of {len(motions)} motions were corrected; the others are left out")
        print(compare([motion for motion, _ in accepted], [corrected for _, corrected in accepted]))


if __name__ == "__main__":
    tyro.cli(Benchmark).run()
