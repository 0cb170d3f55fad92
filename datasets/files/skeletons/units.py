"""The unit of length of files that do not state it, by how usual it is and how usual it makes the body's size."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.motion.body.requirements import REQUIRED_PARTS
from selfcorrect.motion.geometry.kinematics import joint_positions
from selfcorrect.motion.geometry.vectors import median, norms
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import Skeleton

_CMU_UNIT_M = 0.0254 / 0.45
_CMU_NAMES = {"LHipJoint", "RHipJoint", "LowerBack"}
_SHARES = {0.01: 0.6, 1.0: 0.25, 0.001: 0.1, 0.0254: 0.05, 0.3048: 0.002, _CMU_UNIT_M: 0.001}
"""Shares of files in centimetres, metres, millimetres, inches, feet, and the unit of CMU's recordings."""

_CMU_SHARE = 0.05
"""Share of the last unit if joints have the names of CMU's recordings."""

_SIZES = ((0.88, np.log(1.65), 0.12), (0.1, np.log(1.05), 0.22), (0.02, np.log(1.65), 1.2))
"""Statures, as shares, means and deviations of their logarithms: adults, children, and all other bodies."""

_SURE = 0.95
_HUMAN_M = 0.45, 2.4
"""Sizes of people, from newborn on: only these are offered."""
_SCALABLE_M = 0.01, 1000.0
_SCALED_M = 1.65
"""Size to which giants and dwarfs are scaled."""

_CHAINS = {
    "legs": ((("left_hip", "left_ankle"), ("right_hip", "right_ankle")), 0.5),
    "arms": ((("left_shoulder", "left_wrist"), ("right_shoulder", "right_wrist")), 0.32),
    "trunk": ((("pelvis", "neck"),), 0.31),
}
"""Ends of limbs and trunk, and their lengths over the height of the head's top bones."""
_FRAMES = 48
"""Number of frames that are looked at."""

_UNIT_RATIOS = (10.0, 0.1, 100.0, 0.01, 1000.0, 0.001, 39.37, 0.0254)
"""Ratios of usual units."""
_HEIGHT_OFF = 1.5
"""Factor by which the ratio of heights may differ from the ratio of the units: people sit, and floors lie off 0."""
_WAYS = (0.15, 2.0)
"""Ratio of ways over the ratio of the units: feet that swing make it smaller."""
_STANDS = 0.1
"""Way of the feet, in lengths of a leg, below which a body stands all the time."""
_FAR_ABOVE = 30.0
"""Ratio from which the height alone is believed of a body that stands."""
_MOST_FRAMES = 2048


def measure_stature(motion: Motion) -> float:
    """Return the stature of a body by the lengths of its limbs and trunk, in the unit of its offsets, at least 1e-12.

    No rest pose matters: it may be any pose. Of statures by legs, arms and trunk the median counts. A skeleton without
    legs is as long as its joints lie apart in its motion.
    """
    statures = [length / share for length, share in measure_limbs(motion.skeleton).values()]
    if statures:
        return max(float(median(statures)), 1e-12)
    frames = np.unique(np.linspace(0, len(motion) - 1, _FRAMES).round().astype(int))
    some = replace(motion, root_m=motion.root_m[frames], rotations=motion.rotations[frames], contacts=None)
    sides = np.ptp(joint_positions(some), axis=1).max(axis=1) if len(motion) else np.zeros(1)
    return max(float(median(sides)), 1e-12)


def measure_limbs(skeleton: Skeleton) -> dict[str, tuple[float, float]]:
    """Return the mean length of legs, arms and trunk along their bones, each with its share of a person's stature."""
    bones = norms(skeleton.offsets_m)
    limbs = {}
    for limb, (chains, share) in _CHAINS.items():
        lengths = []
        for ends in chains:
            joints = [skeleton.joint(part) for part in ends]
            paths = [set(skeleton.path_to_root(joint)) for joint in joints if joint is not None]
            if len(paths) == 2:
                lengths.append(float(bones[list(paths[0] ^ paths[1])].sum()))
        if lengths:
            limbs[limb] = float(np.mean(lengths)), share
    return limbs


def unit_of(size: float, names: Collection[str]) -> tuple[float, str]:
    """Return the likeliest unit of a body of that size, metres, and a note with it and its alternatives."""
    shares = _SHARES
    if set(names) >= _CMU_NAMES:
        shares = {**_SHARES, _CMU_UNIT_M: _CMU_SHARE}
    likely = {unit_m: share * _density(size * unit_m) for unit_m, share in shares.items()}
    first = max(likely, key=likely.__getitem__)
    note = f"unit {first:.4g} m inferred"
    human = {unit_m: likelihood * _is_human(size * unit_m) for unit_m, likelihood in likely.items()}
    total = sum(human.values())
    if not _is_human(size * first):
        total += likely[first]
    if likely[first] < _SURE * total:
        second = max(set(likely) - {first}, key=human.__getitem__)
        note += f", unsure: the body is {size * first:.2f} m long, or {size * second:.2f} m in units of {second:.4g} m"
    return first, f"{note} (--metres-per-unit)"


def infer_unit(motion: Motion) -> tuple[float, str]:
    """Return the likeliest unit of a motion in metres, and a note with it.

    A person whom no usual unit gives a person's size is scaled, because floors, contacts and masses are a person's.
    """
    size = measure_stature(motion)
    unit_m, note = unit_of(size, motion.skeleton.names)
    size_m = size * unit_m
    is_person = set(REQUIRED_PARTS) <= set(motion.skeleton.parts)
    if is_person and not _is_human(size_m) and _SCALABLE_M[0] < size_m < _SCALABLE_M[1]:
        return _SCALED_M / size, f"no person is {size_m:.3g} m long; scaled to {_SCALED_M:g} m (--metres-per-unit)"
    return unit_m, note


def check_units_agree(motion: Motion) -> None:
    """Refuse a motion, y up, whose root moves in another unit than its bones: it is as much too high as too fast.

    The root's height over its height above the feet shows the ratio of the units. While a foot stands, the root moves
    against the foot's way around the root; so the ratio of both ways shows it, too, less exactly.

    Raises:
        InputError: Both ratios are that of two usual units; names it.
    """
    ankles = motion.skeleton.pair("ankle")
    if ankles is None or len(motion) < 2 or motion.skeleton.pair("hip") is None:
        return
    positions_m = joint_positions(motion.frames(0, _MOST_FRAMES))
    root_m = positions_m[:, 0]
    feet_m = positions_m[:, ankles] - root_m[:, None]
    lower = feet_m[1:, :, 1].argmin(axis=1)
    foot_ways_m = -np.diff(feet_m, axis=0)[np.arange(len(lower)), lower]
    root_ways_m = np.diff(root_m, axis=0)
    way_ratio = float((root_ways_m * foot_ways_m).sum()) / max(float((foot_ways_m**2).sum()), 1e-12)
    height_ratio = float(median(root_m[:, 1])) / max(-float(median(feet_m[..., 1].min(axis=1))), 1e-6)
    leg_m, _ = measure_limbs(motion.skeleton)["legs"]
    stands = float(norms(foot_ways_m).sum()) < _STANDS * leg_m
    for ratio in _UNIT_RATIOS:
        is_as_high = ratio / _HEIGHT_OFF < height_ratio < ratio * _HEIGHT_OFF
        is_as_far = _WAYS[0] * ratio < way_ratio < _WAYS[1] * ratio
        if is_as_high and (is_as_far or (stands and ratio > _FAR_ABOVE)):
            raise InputError(
                f"{motion.source or 'the motion'}: the root's positions are in another unit than the bones: hips are "
                f"{median(root_m[:, 1]):.3g} m high over legs of {leg_m:.2f} m, and move {way_ratio:.2g} times as "
                f"far as the feet; multiply the bones or divide the positions by {ratio:g}"
            )


def _is_human(size_m: float) -> bool:
    return _HUMAN_M[0] < size_m < _HUMAN_M[1]


def _density(size_m: float) -> float:
    """Return the density of a mixture of log-normal sizes; scipy.stats takes half a second and 30 MB to import."""
    density = 0.0
    for share, mean, deviation in _SIZES:
        deviations = (np.log(size_m) - mean) / deviation
        normal = np.exp(-(deviations**2) / 2) / (deviation * np.sqrt(2 * np.pi))
        density += share * normal
    return float(density) + 1e-300
