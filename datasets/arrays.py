"""Make motions from arrays of joint positions or SMPL parameters."""

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

    The joint order is recognised by the bone lengths, and bones are made rigid. Positions do not determine how a bone
    is rotated about its own axis.

    Args:
        positions_m: (T, J, 3) positions in metres, in the order of SMPL, HumanML3D, LAFAN1, Human3.6M, NTU RGB+D or
            SMPL-X, or in an unknown order if they form a body.
        fps: Frames per second.
        up: Vertical axis of the positions' world; by default it is inferred from the body.

    Returns:
        The motion, y up, at the height of the positions.

    Raises:
        InputError: The positions are damaged, do not form a body, or fit two orders equally well.
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

    The body may be SMPL, SMPL+H or SMPL-X, as in AMASS and in the output of video trackers. The translation of a body
    model is not the position of the pelvis, because the rest pelvis is off the model's origin by an offset that depends
    on the shape. Without `body_model`, the offset and the bones of the average body are used.

    Args:
        poses: (T, 3 J) or (T, J, 3) rotation vectors in radians, or (T, J, 3, 3) matrices, with the root first. J is
            22,
            24, 52 or 55.
        trans_m: (T, 3) translations of the body model in metres.
        fps: Frames per second.
        betas: (B,) shape of the body, used only with `body_model`. Without it, betas other than zero give a warning.
        up: Vertical axis of the world, y or z; by default it is inferred from the motion.
        body_model: File of SMPL, SMPL+H or SMPL-X (.npz), which maps the shape to bone lengths.

    Returns:
        The motion, y up.

    Raises:
        InputError: The arrays are damaged, or their shapes do not match.
    """
    arrays = {"poses": _check_array("poses", poses), "trans": _check_array("trans_m", trans_m)}
    if betas is not None:
        arrays["betas"] = np.atleast_1d(_check_array("betas", betas))
        if body_model is None and np.any(arrays["betas"]):
            warnings.warn("betas are ignored without a body_model: an average body is used", stacklevel=2)
    model = None if body_model is None else Path(body_model).expanduser()
    reading = Reading(fps=fps, up=up, body_model=model)
    return _check(open_parameters(_Arrays(arrays), reading, _SMPL).motion)


def _check_array(name: str, values: object) -> np.ndarray:
    """Convert values to an array. Raises InputError unless they are finite numbers."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise InputError(f"{name} must be an array of finite numbers, got {describe_value(values)}")
    return array


def _check(motion: Motion) -> Motion:
    """Return the motion. Raises InputError if correctors do not support its body."""
    if flaw := find_flaw(motion):
        raise InputError(flaw)
    return check_numbers(motion)


class _Arrays(Results):
    """Arrays in memory, with the interface of a file of named arrays."""

    path = Path("arrays")

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.shapes = {name: array.shape for name, array in arrays.items()}
        self.numbers = {}
        self.others = frozenset()
        self._arrays = arrays

    def array(self, name: str) -> np.ndarray:
        return self._arrays[name].copy()

    def write(self, target: Path, changed: Mapping[str, np.ndarray], frames: int) -> None:
        raise NotImplementedError("arrays in memory are not a file")


def _refuse_to_write(target: Path, array: np.ndarray) -> None:
    raise NotImplementedError("arrays in memory are not a file")
