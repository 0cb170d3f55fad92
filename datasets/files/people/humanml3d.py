"""Read and write NumPy files of HumanML3D, KIT-ML and MDM.

HumanML3D and KIT-ML: Guo et al., "Generating Diverse and Natural 3D Human Motions from Text", CVPR 2022. A file holds
joint positions (T, 22, 3), or rows of 263 (HumanML3D) or 251 (KIT-ML) numbers, which
`selfcorrect.motion.encodings.humanml3d` describes. HumanML3D puts the lowest joint on the floor, so the skeletons of
its motions have their soles at the height of the toe joints. KIT-ML's rows have the same content for 21 joints, in
another unit and at 12.5 fps.

MDM's `results.npy`: Tevet et al., "Human Motion Diffusion Model", ICLR 2023; models built on its code write the same
file. It is a pickled dictionary of motion (N, 22, 3, T), which has joints as in HumanML3D (metres, y up, 20 fps),
lengths (N,), which are the numbers of valid frames, text, which has N prompts, and counts. The file is read without
unpickling (see `storage.pickles`).
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.motion.body.smpl import SMPL_BODY, body_joints
from selfcorrect.motion.editing.transforms import resample
from selfcorrect.motion.encodings.humanml3d import (
    FPS,
    HUMANML3D_BODY,
    KIT_BODY,
    TARGET_OFFSETS_M,
    RowBody,
    column_count,
    columns,
    decode_contacts,
    decode_joints,
    encode,
    joint_count,
)
from selfcorrect.motion.geometry.rotations import invert, rotate
from selfcorrect.motion.geometry.vectors import median, norms
from selfcorrect.motion.inverse_kinematics import fit_body
from selfcorrect.motion.motion import FURTHEST_READ_M, Motion
from selfcorrect.motion.views import Y_UP, to_y_up
from selfcorrect.storage.files.arrays import read_npy, write_npy
from selfcorrect.storage.files.limits import check_workable
from selfcorrect.storage.pickles.numbers import read_pickled_npy
from selfcorrect.storage.pickles.results import Results

from ..formats import all_formats, find_layout
from ..motion_file import MotionFile, check_size, check_within, rate_of, refuse_world
from ..skeletons.reading import Reading
from ..skeletons.vertical import UpAxis
from . import rows
from .damaged_frames import fill_damaged_frames
from .joint_sets import fit_notes, open_joints
from .only_array import OnlyArray
from .several import open_people


def open_npy(path: Path, reading: Reading) -> MotionFile:
    """Open a .npy file of joint positions or rows of numbers.

    The shape decides the layout; `joint_sets` reads joint positions. HumanML3D's files are taken for 20 fps unless the
    reading states another rate.
    """
    array = _floats(path)
    check_workable(path, 8 * array.size, stored=array.nbytes)
    if array.ndim == 4 and array.shape[-1] == 3 and array.size:
        return open_people(path, array, reading, open_joints)
    if kind := find_layout({"": array.shape}, (), path.suffix):
        assert kind.layout, "find_layout returns formats with a layout"
        return kind.call(kind.layout.reader, OnlyArray(path, array), reading)
    if array.ndim == 2 and array.shape[1] in rows.ROWS:
        return rows.open_rows(path, array, reading)
    filled, damage = fill_damaged_frames({"": array})
    if array.ndim == 3:
        _decode(path, filled[""])
        return open_joints(path, array, reading)
    array = filled[""]
    if array.ndim == 2:
        _refuse_standardised(path, array)
    if array.ndim == 2 and array.shape[1] == _KIT_COLUMNS:
        file = _open_kit_rows(path, array, reading)
        return replace(file, notes=(*damage, *file.notes))
    if array.ndim == 2:
        refuse_world(path, reading, "HumanML3D")
    joints_m = _decode(path, array)
    if joints_m.shape[1] != len(SMPL_BODY.names):
        raise InputError(f"{path}: expected rows of 22 joints, got {joints_m.shape[1]}")
    fps, notes = rate_of(path, {}, reading, FPS, "HumanML3D")
    row_contacts = decode_contacts(array.astype(float))
    contacts = np.concatenate([row_contacts, row_contacts[-1:]])  # T − 1 rows lead to T frames
    motion = replace(motion_of_joints(joints_m, str(path)), fps=fps, contacts=contacts)

    def write(target: Path, changed: Motion) -> None:
        write_npy(target, encode(body_joints(changed)).astype(array.dtype))

    notes = (*damage, *notes)
    return MotionFile((motion,), (*notes, *fit_notes([(joints_m, body_joints(motion))], SMPL_BODY.parents)), write)


def _open_kit_rows(path: Path, array: np.ndarray, reading: Reading) -> MotionFile:
    """Open KIT-ML's rows as joints in the file's unit.

    Contact labels are not read, because KIT-ML labels a foot only while it moves by less than a fraction of a
    millimetre per frame.
    """
    if (reading.up or "y").rstrip("!") != "y":
        raise InputError(f"{path}: KIT-ML's rows are y up; leave out --up")
    positions = _decode(path, array)
    body = _find_sides(positions)

    def write(target: Path, changed: np.ndarray) -> None:
        write_npy(target, encode(changed.astype(float), keep_place=True, body=body).astype(array.dtype))

    return open_joints(path, positions, reading, write_array=write, format_axis=Y_UP)


def _find_sides(positions: np.ndarray) -> RowBody:
    """Decide which side of KIT-ML's joints (T, 21, 3) is left, from the toes, which point ahead."""
    right_hip, left_hip = KIT_BODY.hips
    toes, ankles = list(KIT_BODY.contact_joints[1::2]), [18, 13]
    ahead = (positions[:, toes] - positions[:, ankles]).mean(axis=1)
    right = positions[:, right_hip] - positions[:, left_hip]
    is_right = float(np.cross([0.0, 1.0, 0.0], right).ravel() @ ahead.ravel()) >= 0
    return KIT_BODY if is_right else KIT_BODY.exchange_sides()


_COLUMNS = column_count(len(HUMANML3D_BODY.parents))
_KIT_COLUMNS = column_count(len(KIT_BODY.parents))
_UNIT_OFF = 0.25
"""Smallest error that shows standardised rows.

It applies to the median deviation of unit vectors from length 1, and to how far contact labels or the root height are
below zero."""


def _refuse_standardised(path: Path, rows: np.ndarray) -> None:
    """Refuse standardised rows.

    Their rotations are not made of unit vectors, because the columns were centred and scaled.
    """
    if rows.shape[1] not in (_COLUMNS, _KIT_COLUMNS) or not len(rows):
        return
    groups = columns(joint_count(rows))
    axes = rows[:, groups["rotations"]].astype(float)
    lengths = norms(axes.reshape(len(rows), -1, 3))
    off = float(median(np.abs(lengths - 1.0)))
    lowest = min(rows[:, groups["contacts"]].min(), rows[:, groups["height"]].min())
    if off > _UNIT_OFF and lowest < -_UNIT_OFF:
        raise InputError(
            f"{path}: these rows are standardised (mean 0, deviation 1 in each column); expected the dataset's "
            "own numbers. Multiply by its Std.npy and add its Mean.npy"
        )


def write_rows(path: Path, motion: Motion) -> None:
    """Write a motion as HumanML3D rows (T − 1, 263).

    The rows are at 20 fps, have HumanML3D's bone lengths, and start at the origin, facing +z.
    """
    rows = encode(body_joints(resample(motion, FPS)), TARGET_OFFSETS_M)
    write_npy(path, rows.astype(np.float32))


def write_joints(path: Path, motion: Motion) -> None:
    """Write a motion as joints (T, 22, 3) in m, at 20 fps."""
    write_npy(path, _joints_on_floor_m(motion).astype(np.float32))


def _joints_on_floor_m(motion: Motion) -> np.ndarray:
    """Return joints (T, 22, 3) at 20 fps, lowered by the height of the toe joints above the soles."""
    return body_joints(resample(motion, FPS)) - (0.0, motion.skeleton.usual_sole_m, 0.0)


def _decode(path: Path, array: np.ndarray) -> np.ndarray:
    """Decode a file's array into joints (T, J, 3).

    The array holds rows (T − 1, 12 J − 1), as in HumanML3D's new_joint_vecs, or joint positions, as in new_joints.
    """
    array = array.astype(float)
    if array.ndim:
        check_within(f"{path}:", array, FURTHEST_READ_M)
    if array.ndim == 2 and len(array) and array.shape[1] > 12 and array.shape[1] % 12 == 11:
        array = decode_joints(array)
    if array.ndim != 3 or array.shape[-1] != 3 or not len(array):
        layouts = [kind.layout for kind in all_formats() if kind.layout]
        known = (_COLUMNS, _KIT_COLUMNS, *(layout.columns for layout in layouts if layout.columns), *sorted(rows.ROWS))
        widths = ", ".join(f"(frames, {width})" for width in known)
        joints = "joints (frames, 22, 3), or several people (people, frames, 22, 3)"
        raise InputError(f"{path}: expected rows {widths}, {joints}, got shape {array.shape}")
    check_within(f"{path}:", array, FURTHEST_READ_M)
    return array


def _floats(path: Path) -> np.ndarray:
    array = read_npy(path)
    if array.dtype.kind != "f":
        raise InputError(f"{path}: expected floating-point numbers, got {array.dtype}")
    return array


def motion_of_joints(joints_m: np.ndarray, source: str) -> Motion:
    """Build a motion from joints (T, 22, 3) in m, y up, at 20 fps.

    The bone lengths are fitted to the joints.
    """
    check_within(f"{source}:", joints_m, FURTHEST_READ_M)
    fitted = fit_body(joints_m, FPS, SMPL_BODY.average())
    return replace(fitted, skeleton=replace(fitted.skeleton, usual_sole_m=0.0), source=source)


def open_mdm(results: Results, reading: Reading) -> MotionFile:
    """Open the motions of an MDM file.

    The prompts become the motions' texts. Only the frames within the stated lengths are read; writing keeps the others.
    """
    path = results.path
    content = _check_mdm(path, read_pickled_npy(path))
    joints = content["motion"]
    lengths = content["lengths"]
    to_y_up_rotation = to_y_up(UpAxis.from_option(reading.up or "y").axis).turn
    unit_m = reading.metres_per_unit or 1.0
    fps, notes = rate_of(path, {}, reading, FPS, "HumanML3D")
    check_size(path, [(length, joints.shape[1]) for length in lengths.tolist()])
    texts = content.get("text")
    if isinstance(texts, np.ndarray):
        texts = texts.tolist()
    if not isinstance(texts, list) or len(texts) != len(lengths):
        texts = [""] * len(lengths)  # the file has no prompt for each motion
    motions = []
    fits = []
    for index, length in enumerate(lengths.tolist()):
        frames = np.moveaxis(joints[index, :, :, :length], -1, 0)
        joints_m = rotate(to_y_up_rotation, frames.astype(float)) * unit_m
        motion = motion_of_joints(joints_m, f"{path}, motion {index}")
        motions.append(replace(motion, fps=fps, text=str(texts[index])))
        fits.append((joints_m, body_joints(motion)))

    def write(target: Path, *changed: Motion) -> None:
        written = joints.copy()
        for index, motion in enumerate(changed):
            frames = rotate(invert(to_y_up_rotation), body_joints(motion)) / unit_m
            written[index, :, :, : len(motion)] = np.moveaxis(frames, 0, -1)
        write_npy(target, np.array({**content, "motion": written}, dtype=object))

    return MotionFile(tuple(motions), (*notes, *fit_notes(fits, SMPL_BODY.parents)), write)


def _check_mdm(path: Path, content: Any) -> dict[str, Any]:
    """Return an MDM dictionary with arrays, or raise InputError if motions or lengths are not valid."""
    if not isinstance(content, dict) or not {"motion", "lengths"} <= set(content):
        got = "another object"
        if isinstance(content, dict):
            got = f"a dictionary of {', '.join(map(str, content))[:500] or 'nothing'}"
        raise InputError(f"{path}: expected the dictionary of a motion diffusion model (motion, lengths), got {got}")
    motion = np.asarray(content["motion"])
    lengths = np.asarray(content["lengths"])
    if motion.ndim != 4 or motion.shape[1:3] != (22, 3) or motion.dtype.kind != "f" or not motion.size:
        raise InputError(f"{path}: expected motion of shape (N, 22, 3, frames), got {motion.dtype} {motion.shape}")
    if lengths.shape != motion.shape[:1] or lengths.dtype.kind not in "iu":
        raise InputError(f"{path}: expected {len(motion)} lengths, got {lengths.dtype} {lengths.shape}")
    if not (lengths.min() >= 1 and lengths.max() <= motion.shape[3]):
        raise InputError(
            f"{path}: expected lengths from 1 to {motion.shape[3]}, got {lengths.min()} to {lengths.max()}"
        )
    return {**content, "motion": motion, "lengths": lengths}


def write_mdm(path: Path, motion: Motion) -> None:
    """Write a motion as an MDM `results.npy` with a single sample."""
    joints_m = np.moveaxis(_joints_on_floor_m(motion), 0, -1)
    content = {
        "motion": joints_m[None].astype(np.float32),
        "text": [motion.text or motion.label],
        "lengths": np.array([joints_m.shape[-1]]),
        "num_samples": 1,
        "num_repetitions": 1,
    }
    write_npy(path, np.array(content, dtype=object))
