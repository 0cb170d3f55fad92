"""Infer the unit of a file that does not state it: the usual unit that gives the body the likeliest size."""

from collections.abc import Collection

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.motion.body.requirements import REQUIRED_PARTS
from selfcorrect.motion.geometry.vectors import median, norms
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import SLAB, Motion
from selfcorrect.motion.skeleton import Skeleton

from .file_note import FileNote
from .reading import Reading
from .samples import sample_frames

INCH_M = 0.0254
_CMU_UNIT_M = INCH_M / 0.45
_CMU_NAMES = {"LHipJoint", "RHipJoint", "LowerBack"}
_SHARES = {0.01: 0.6, 1.0: 0.25, 0.001: 0.1, INCH_M: 0.05, 12 * INCH_M: 0.002, _CMU_UNIT_M: 0.005}
"""Prior share of files with each unit: centimetres, metres, millimetres, inches, feet, and CMU's unit."""

_CMU_SHARE = 0.05
"""Prior share of CMU's unit among files with CMU's joint names."""

_ADULT_M = 1.65
"""Usual stature of an adult, in m. Giants and dwarfs are scaled to it."""
_SIZES = ((0.88, np.log(_ADULT_M), 0.12), (0.1, np.log(1.05), 0.22), (0.02, np.log(_ADULT_M), 1.2))
"""Distribution of statures of adults, children and all other bodies: share, and mean and standard deviation of the
logarithm."""

_SURE = 0.95
_HUMAN_M = 0.45, 2.4
"""Range of human sizes, in m, from newborns on. Units that give other sizes are not suggested."""
_SCALABLE_M = 0.01, 1000.0

_CHAINS = {
    "legs": ((("left_hip", "left_ankle"), ("right_hip", "right_ankle")), 0.5),
    "arms": ((("left_shoulder", "left_wrist"), ("right_shoulder", "right_wrist")), 0.32),
    "trunk": ((("pelvis", "neck"),), 0.31),
}
"""Ends of limbs and trunk, with their lengths as a share of the stature."""
_UNITS = {"metres": 1.0, "centimetres": 0.01, "millimetres": 0.001, "inches": INCH_M, "feet": 12 * INCH_M}
"""Units, in m, in which root positions may be."""
_RARE_UNITS = {"decimetres": 0.1}
"""Further units, in m, that are considered only if the feet move."""
_ON_FLOOR = (-0.1, 0.2)
"""Height range of the lowest joint of a body on a floor at 0, in leg lengths."""
_LIES = 0.4
"""Smallest root height above the lower foot from which the unit can be inferred, in leg lengths."""
_STANDS = 0.1
"""Length of the feet's path, in leg lengths, below which the body stands all the time and only the height counts."""
_SLIPS_ALIKE = 1.7
"""Factor by which the feet of a body that always stands may slip more in the right unit."""
_TRAVELS = 0.2
"""Smallest vertical or horizontal root motion that counts, relative to the feet's motion below the root."""
_STILL_M = 1e-4
"""Displacement between two frames that counts as none, in m."""


def measure_stature(motion: Motion) -> float:
    """Measure a body's stature along its limbs, in the unit of the offsets.

    The result is the median of the statures by legs, arms and trunk, whatever the rest pose. Without known limbs, it is
    the extent of the joints in the motion. The result is at least 1e-12.
    """
    statures = [length / share for length, share in measure_limbs(motion.skeleton).values()]
    if statures:
        return max(float(median(statures)), 1e-12)
    sides = np.ptp(joint_positions(sample_frames(motion)), axis=1).max(axis=1) if len(motion) else np.zeros(1)
    return max(float(median(sides)), 1e-12)


def measure_limbs(skeleton: Skeleton) -> dict[str, tuple[float, float]]:
    """Return the mean lengths of legs, arms and trunk along the bones, each with its share of a person's stature."""
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
    """Choose the likeliest unit for a body of this size.

    Returns the unit in m, and a note that names it and, if it is uncertain, the alternative.
    """
    shares = _SHARES
    if set(names) >= _CMU_NAMES:
        shares = {**_SHARES, _CMU_UNIT_M: _CMU_SHARE}
    likely = {unit_m: share * _density(size * unit_m) for unit_m, share in shares.items()}
    first = max(likely, key=likely.__getitem__)
    answer = f"{first:.4g} m inferred"
    human = {unit_m: likelihood * _is_human(size * unit_m) for unit_m, likelihood in likely.items()}
    total = sum(human.values())
    if not _is_human(size * first):
        total += likely[first]
    if likely[first] < _SURE * total:
        second = max(set(likely) - {first}, key=human.__getitem__)
        lengths = f"{size * first:.2f} m tall, or {size * second:.2f} m in units of {second:.4g} m"
        answer += f" but uncertain: the body is {lengths}"
    return first, FileNote(answer, "--metres-per-unit", about="unit")


def infer_unit(motion: Motion) -> tuple[float, str]:
    """Infer the likeliest unit of a motion.

    If no usual unit gives the body human size, it is scaled to it, because floors, contacts and masses are for people.

    Returns:
        The unit in m, and a note that names it or the scaling.
    """
    size = measure_stature(motion)
    unit_m, note = unit_of(size, motion.skeleton.names)
    size_m = size * unit_m
    is_person = set(REQUIRED_PARTS) <= set(motion.skeleton.parts)
    if is_person and not _is_human(size_m) and _SCALABLE_M[0] < size_m < _SCALABLE_M[1]:
        note = FileNote(f"body of {size_m:.3g} m scaled to human size, {_ADULT_M:g} m", "--metres-per-unit")
        return _ADULT_M / size, note
    return unit_m, note


def check_units_agree(motion: Motion, bone_unit_m: float, reading: Reading) -> None:
    """Refuse root positions in another unit than the bones.

    In the wrong unit, the body is too high and too fast by the same factor. In the right unit, it is on a floor at 0,
    and the standing foot slips less. If the unit is right, another one changes the slip in proportion. If it is wrong,
    the slip was too long or too short in proportion. The limit between these cases is their geometric mean. Nothing is
    checked if the reading names the floor, which may then be at any height.

    Args:
        motion: The motion, y up.
        bone_unit_m: Unit of the bones, in m.
        reading: Options, which may name the floor.

    Raises:
        InputError: Root positions fit the bones only in another usual unit, which the message names.
    """
    skeleton = motion.skeleton
    is_floor_known = reading.floor is not None or reading.drop or reading.ground is not None
    feet = [joint for limb in ("ankle", "foot") for joint in skeleton.pair(limb) or ()]
    if is_floor_known or len(motion) < 2 or not feet or skeleton.pair("hip") is None:
        return
    positions_m = joint_positions(motion.frames(0, SLAB))
    root_m = positions_m[:, 0]
    parts = [joint for joint, part in enumerate(skeleton.parts) if part]
    depth_m = float(median((root_m[:, None] - positions_m[:, parts])[..., 1].max(axis=1)))
    height_m = float(median(root_m[:, 1]))
    leg_m, _ = measure_limbs(skeleton)["legs"]

    def is_on_floor(ratio: float) -> bool:
        return _ON_FLOOR[0] * leg_m < height_m / ratio - depth_m < _ON_FLOOR[1] * leg_m

    feet_m = positions_m[:, feet] - root_m[:, None]
    foot_depth_m = float(median(-feet_m[..., 1].min(axis=1)))
    if is_on_floor(1.0) or foot_depth_m < _LIES * leg_m:
        return
    lower = feet_m[1:, :, 1].argmin(axis=1)
    foot_steps_m = np.diff(feet_m, axis=0)[np.arange(len(lower)), lower]
    lowest_steps_m = np.diff(feet_m[..., 1].min(axis=1))
    root_steps_m = np.diff(root_m, axis=0)
    steps_m = np.array([np.abs(lowest_steps_m).mean(), norms(foot_steps_m).mean()])

    def measure_slips_m(ratio: float) -> np.ndarray:
        """Measure how far feet slip per frame if root positions are divided by `ratio`.

        Returns the mean change of the lowest foot's height, and the mean displacement of the lower foot.
        """
        vertical_m = np.abs(root_steps_m[:, 1] / ratio + lowest_steps_m).mean()
        return np.array([vertical_m, norms(root_steps_m / ratio + foot_steps_m).mean()]) + _STILL_M

    def measure_misfit(ratio: float) -> float:
        """Compare the slip at another scale with the present one: 1 at the limit, infinity if the root is still."""
        shares = measure_slips_m(ratio) / measure_slips_m(1.0)
        if stands and shares.min() < _SLIPS_ALIKE:
            return 0.0
        root_travels_m = np.array([np.abs(root_steps_m[:, 1]).mean(), norms(root_steps_m[:, [0, 2]]).mean()])
        travels = root_travels_m / ratio > _TRAVELS * steps_m
        share = np.exp(np.log(shares[travels]).mean()) if travels.any() else np.inf
        return float(share * np.sqrt(ratio))

    stands = float(norms(foot_steps_m).sum()) < _STANDS * leg_m
    units_m = _UNITS if stands else _UNITS | _RARE_UNITS
    ratios = {unit: bone_unit_m / unit_m for unit, unit_m in units_m.items()}
    misfits = {unit: measure_misfit(ratio) for unit, ratio in ratios.items() if is_on_floor(ratio)}
    unit = min(misfits, key=misfits.__getitem__, default="")
    if unit and misfits[unit] < 1:
        raise InputError(
            f"{motion.source or 'motion'}: the root positions seem to be in another unit than the bones ({unit}?): the "
            f"hips are {height_m:.3g} m high, but the legs are {leg_m:.2f} m long. Multiply the bones or divide the "
            f"positions by {ratios[unit]:.4g}, or pass the floor's height with --floor"
        )


def _is_human(size_m: float) -> bool:
    return _HUMAN_M[0] < size_m < _HUMAN_M[1]


def _density(size_m: float) -> float:
    """Return the density of a stature in a mixture of log-normal distributions.

    scipy.stats is not used because importing it takes half a second and 30 MB.
    """
    density = 0.0
    for share, mean, deviation in _SIZES:
        deviations = (np.log(size_m) - mean) / deviation
        normal = np.exp(-(deviations**2) / 2) / (deviation * np.sqrt(2 * np.pi))
        density += share * normal
    return float(density) + 1e-300
