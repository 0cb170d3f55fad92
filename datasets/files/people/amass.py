"""Write AMASS files.

A file holds the rotation vectors of all joints (T, 3 J) and the translations (T, 3), in metres, in a z-up world. SMPL+H
files have 52 joints and SMPL-X files 55. `smpl_tools` reads these files. Source: Mahmood et al., "AMASS: Archive of
Motion Capture as Surface Shapes", ICCV 2019.
"""

import warnings
from dataclasses import replace
from math import ceil
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.motion.body.smpl import AVERAGE_PELVIS_M, SMPL_H, SMPL_X, Layout, to_smpl
from selfcorrect.motion.editing.transforms import resample
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.views import Z_UP, to_y_up
from selfcorrect.storage.files.arrays import write_npz

from .other_body import keep_feet_in_place

_MIN_REPORTED = 0.01
"""Smallest relative change of leg length that is reported with a warning."""
_CLOSE = 1e-3
"""Largest relative difference between equal frame rates, so that 29.97 and 30 fps count as equal."""

PARTS_OF_POSES = {
    "root_orient": slice(0, 3),
    "pose_body": slice(3, 66),
    "pose_jaw": slice(66, 69),
    "pose_eye": slice(69, 75),
    "pose_hand": slice(75, 165),
}
"""Arrays of SMPL-X files that repeat columns of `poses`, with these columns."""


def write_gmr(path: Path, motion: Motion) -> None:
    """Write SMPL-X parameters for robot retargeting.

    The file has all array names that GMR, ProtoMotions and MimicKit read. GMR (commit 0df3d88) plays slower files at 30
    fps and skips whole frames of faster files. A motion whose frame rate is not a multiple of 30 is therefore resampled
    to the next multiple, with a warning.
    """
    fps = 30.0 * max(1, ceil(motion.fps / 30 - _CLOSE))
    if abs(motion.fps / fps - 1) > _CLOSE:
        warnings.warn(
            f"{motion.source or 'motion'}: resampled from {motion.fps:g} to {fps:g} fps; GMR needs a multiple of 30",
            stacklevel=2,
        )
        motion = resample(motion, fps)
    write_amass(path, motion, SMPL_X)


def write_amass(path: Path, motion: Motion, layout: Layout | None = None) -> None:
    """Write a motion as an AMASS file.

    AMASS files hold no bone lengths, so the motion is put on an average body whose standing feet stay where they were.
    From a skeleton other than SMPL's, joint positions are kept.

    Args:
        layout: Layout of the file; by default SMPL-X if the skeleton has all of its joints, and SMPL+H otherwise.

    Raises:
        InputError: The skeleton lacks a part that every body has.
    """
    if layout is None:
        layout = SMPL_X if set(SMPL_X.names) <= set(motion.skeleton.names) else SMPL_H
    motion = to_y_up(Z_UP).restore(put_on_average_body(to_smpl(motion, layout), layout))
    rotations = Rotation.from_quat(motion.rotations.reshape(-1, 4))
    poses = rotations.as_rotvec().reshape(len(motion), -1)
    fields = {
        "poses": poses,
        "betas": np.zeros(16),
        "gender": np.array("neutral"),
        "trans": motion.root_m - AVERAGE_PELVIS_M,
    }
    fields["mocap_framerate"] = np.array(motion.fps)
    if layout is SMPL_X:
        fields |= {name: poses[:, columns] for name, columns in PARTS_OF_POSES.items()}
        fields["mocap_frame_rate"] = np.array(motion.fps)
        fields["mocap_time_length"] = np.array(len(poses) / motion.fps)
        fields["num_betas"] = np.array(16)
        fields["surface_model_type"] = np.array("smplx")
    write_npz(path, fields)


def put_on_average_body(motion: Motion, layout: Layout) -> Motion:
    """Put an SMPL motion on the layout's average body.

    Standing feet stay in place. A warning reports a change of leg length by more than 1 %.
    """
    posed = replace(motion, skeleton=layout.average())
    placed = keep_feet_in_place(motion, posed)
    own_leg_m, leg_m = motion.skeleton.leg_m, posed.skeleton.leg_m
    if placed is not posed and abs(leg_m / own_leg_m - 1) > _MIN_REPORTED:
        warnings.warn(
            f"{motion.source or 'motion'}: the format holds no bone lengths. The motion was put on an average body: "
            f"its legs changed from {own_leg_m:.2f} m to {leg_m:.2f} m, and its path was scaled by "
            f"{leg_m / own_leg_m:.2f} to keep the feet on the floor",
            stacklevel=2,
        )
    return placed
