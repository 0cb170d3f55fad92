"""Write AMASS files.

`smpl_tools` reads them. Mahmood et al., "AMASS: Archive of Motion Capture as Surface Shapes", ICCV 2019. A file holds
rotation vectors of every joint (T, 3 J) and translations (T, 3), world z up, metres; 52 joints in the SMPL+H files, 55
in the SMPL-X files.
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

_NOTED = 0.01
"""Minimum relative change of legs for a warning."""
_CLOSE = 1e-3
"""Maximum relative difference of equal rates. 29.97 and 30 frames per second are equal."""

PARTS_OF_POSES = {
    "root_orient": slice(0, 3),
    "pose_body": slice(3, 66),
    "pose_jaw": slice(66, 69),
    "pose_eye": slice(69, 75),
    "pose_hand": slice(75, 165),
}
"""Arrays of SMPL-X files that repeat columns of `poses`."""


def write_gmr(path: Path, motion: Motion) -> None:
    """Write SMPL-X parameters for robot retargeting.

    The file has all names that GMR, ProtoMotions and MimicKit read. A motion whose rate is not a multiple of 30 is
    resampled to the next multiple, with a warning: GMR (commit 0df3d88) plays slower files at 30, and leaves out whole
    frames of faster files.
    """
    fps = 30.0 * max(1, ceil(motion.fps / 30 - _CLOSE))
    if abs(motion.fps / fps - 1) > _CLOSE:
        warnings.warn(
            f"{motion.source or 'motion'}: {motion.fps:g} frames per second became {fps:g}: GMR reads multiples of 30",
            stacklevel=2,
        )
        motion = resample(motion, fps)
    write_amass(path, motion, SMPL_X)


def write_amass(path: Path, motion: Motion, layout: Layout | None = None) -> None:
    """Write a motion as an AMASS file.

    55 joints are written in the SMPL-X layout, others in SMPL+H's. Files hold no bone lengths: the motion is put on an
    average body with feet in the same places. On other skeletons than SMPL's, joint positions are kept. Raises
    InputError if parts are missing that every body has.
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

    The feet stay in the same positions. A warning reports the change.
    """
    posed = replace(motion, skeleton=layout.average())
    placed = keep_feet_in_place(motion, posed)
    own_leg_m, leg_m = motion.skeleton.leg_m, posed.skeleton.leg_m
    if placed is not posed and abs(leg_m / own_leg_m - 1) > _NOTED:
        warnings.warn(
            f"{motion.source or 'motion'}: the format holds no bone lengths; legs of {own_leg_m:.2f} m became those of "
            f"an average body, {leg_m:.2f} m, and paths were scaled by {leg_m / own_leg_m:.2f} so that feet stay on "
            "the floor",
            stacklevel=2,
        )
    return placed
