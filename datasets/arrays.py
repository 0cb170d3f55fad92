"""Motions from arrays: joint positions or SMPL parameters."""

import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from selfcorrect.core.checks import describe_value
from selfcorrect.core.errors import InputError
from selfcorrect.motion.body.requirements import find_flaw
from selfcorrect.motion.motion import Motion, check_numbers
from selfcorrect.storage.pickles.results import Results

from .files.people.joint_sets import open_joints
from .files.people.smpl_tools import UPRIGHT, Tool, open_parameters
from .files.skeletons.reading import Reading, Up

_SMPL = Tool("SMPL", ("poses",), "trans", axes=UPRIGHT)


def motion_from_joints(positions_m: np.ndarray, fps: float, *, up: Up | None = None) -> Motion:
    """Make a motion from joint positions.

    The order of the joints is recognised by the bone lengths.

    Bones get constant lengths. Only the joints' rotations that positions show are known: a bone's turn about itself is
    not.

    Args:
        positions_m: (T, J, 3) positions in metres, in the order of SMPL, HumanML3D, LAFAN1, Human3.6M, NTU RGB+D,
            SMPL-X, or in an unknown order that forms a body.
        fps: Frames per second.
        up: Vertical axis of the positions' world; by default the axis that the body shows.

    Returns:
        The motion, y up, at the height of the positions.

    Raises:
        InputError: The positions are damaged, form no body, or fit two orders equally well.
    """
    positions_m = _check_array("positions_m", positions_m)
    if positions_m.ndim != 3 or positions_m.shape[2] != 3 or not len(positions_m):
        raise InputError(f"positions_m must have shape (T, J, 3), got {positions_m.shape}")
    reading = Reading(metres_per_unit=1.0, fps=fps, up=up)
    return _check(open_joints(Path("positions_m"), positions_m, reading, write_array=_refuse_to_write).motion)


def motion_from_smpl(
    poses: np.ndarray,
    trans_m: np.ndarray,
    fps: float,
    *,
    betas: np.ndarray | None = None,
    up: Up | None = None,
    body_model: str | Path | None = None,
) -> Motion:
    """Make a motion from SMPL parameters.

    The body may be SMPL, SMPL+H or SMPL-X, as in AMASS and in files of video estimators.

    The translation of a body model is not the place of the pelvis: the pelvis at rest lies beside the model's origin by
    a distance that the shape decides. Without `body_model`, the average body's distance and bones are used.

    Args:
        poses: (T, 3 J) or (T, J, 3) rotation vectors, radians, or (T, J, 3, 3) matrices, the root's first; J is 22, 24,
            52 or 55.
        trans_m: (T, 3) translations of the body model, metres.
        fps: Frames per second.
        betas: (B,) shape of the body, used with `body_model`.
        up: Vertical axis of the world, y or z; by default the axis that the motion shows.
        body_model: A SMPL, SMPL+H or SMPL-X file (.npz), which turns the shape into bone lengths.

    Returns:
        The motion, y up. A warning is issued if `betas` are not zero and no body model is given.

    Raises:
        InputError: The arrays are damaged or do not fit each other.
    """
    arrays = {"poses": _check_array("poses", poses), "trans": _check_array("trans_m", trans_m)}
    if betas is not None:
        arrays["betas"] = np.atleast_1d(_check_array("betas", betas))
        if body_model is None and np.any(arrays["betas"]):
            warnings.warn("betas need a body_model; the motion is put on an average body", stacklevel=2)
    model = None if body_model is None else Path(body_model).expanduser()
    reading = Reading(fps=fps, up=up, body_model=model)
    return _check(open_parameters(_Arrays(arrays), reading, _SMPL).motion)


def _check_array(name: str, values: object) -> np.ndarray:
    """Return values as a finite array.

    Raises InputError for other values.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise InputError(f"{name} must be an array of finite numbers, got {describe_value(values)}")
    return array


def _check(motion: Motion) -> Motion:
    """Return the motion if correctors can work on it.

    Raises InputError for a body that no corrector supports.
    """
    if flaw := find_flaw(motion):
        raise InputError(flaw)
    return check_numbers(motion)


class _Arrays(Results):
    """Arrays in memory that stand for a file."""

    path = Path("arrays")

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.shapes = {name: array.shape for name, array in arrays.items()}
        self.numbers = {}
        self.others = frozenset()
        self._arrays = arrays

    def array(self, name: str) -> np.ndarray:
        return self._arrays[name].copy()

    def write(self, target: Path, changed: Mapping[str, np.ndarray], frames: int = 0) -> None:
        raise NotImplementedError("arrays in memory are not a file")


def _refuse_to_write(target: Path, array: np.ndarray) -> None:
    raise NotImplementedError("arrays in memory are not a file")
