"""`results.npy` of the Motion Diffusion Model: many generated motions in one file, in and out.

Tevet et al., "Human Motion Diffusion Model", ICLR 2023, and the models that were made from its code. The file is a
pickled dictionary: motion (N, 22, 3, T) joints as in HumanML3D, metres, y up, 20 fps; lengths (N,) frames that count;
text, N prompts; and counts. It is read without unpickling (see `storage.pickles`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.motion.body.smpl import body_joints
from selfcorrect.motion.encodings.humanml3d import FPS
from selfcorrect.motion.motion import Motion
from selfcorrect.storage.files.writing import replacing
from selfcorrect.storage.pickles.numbers import read_pickled_npy

from ..motion_file import MotionFile, check_size
from ..skeletons.reading import Reading
from .humanml3d import RAISED_M, motion_of_joints, world_of
from .joint_sets import fit_notes


def open_results(path: Path, reading: Reading) -> MotionFile:
    """The motions of a file, each with its prompt as text; written back, the frames beyond their lengths stay."""
    content = _checked(path, read_pickled_npy(path))
    joints, lengths, world = content["motion"], content["lengths"], world_of(reading)
    check_size(path, [(length, joints.shape[1]) for length in lengths.tolist()])
    read_m = [
        world.seen(np.moveaxis(joints[index, :, :, :length], -1, 0).astype(float))
        for index, length in enumerate(lengths.tolist())
    ]
    motions = tuple(
        replace(
            motion_of_joints(each_m, f"{path}, motion {index}"),
            fps=reading.fps or FPS,
            text=_text(content, index),
        )
        for index, each_m in enumerate(read_m)
    )
    fitted_m = [body_joints(motion) - RAISED_M for motion in motions]

    def write(target: Path, *changed: Motion) -> None:
        written = joints.copy()
        for index, motion in enumerate(changed):
            written[index, :, :, : len(motion)] = np.moveaxis(world.back(body_joints(motion) - RAISED_M), 0, -1)
        with replacing(target) as temporary, temporary.open("wb") as file:
            np.save(file, np.array({**content, "motion": written}, dtype=object), allow_pickle=True)

    return MotionFile(motions, (*world.notes, *fit_notes([*zip(read_m, fitted_m, strict=True)])), write)


def _checked(path: Path, content: Any) -> dict[str, Any]:
    """The dictionary, its motions and lengths as they should be."""
    if not isinstance(content, dict) or not {"motion", "lengths"} <= set(content):
        got = (
            f"a dictionary of {', '.join(map(str, content))[:500] or 'nothing'}"
            if isinstance(content, dict)
            else "none"
        )
        raise InputError(f"{path}: expected the dictionary of a motion diffusion model (motion, lengths), got {got}")
    motion, lengths = np.asarray(content["motion"]), np.asarray(content["lengths"])
    if motion.ndim != 4 or motion.shape[1:3] != (22, 3) or motion.dtype.kind != "f" or not motion.size:
        raise InputError(f"{path}: expected motion of shape (N, 22, 3, frames), got {motion.dtype} {motion.shape}")
    if lengths.shape != motion.shape[:1] or lengths.dtype.kind not in "iu":
        raise InputError(f"{path}: expected {len(motion)} lengths, got {lengths.dtype} {lengths.shape}")
    if not (lengths.min() >= 1 and lengths.max() <= motion.shape[3]):
        raise InputError(
            f"{path}: expected lengths from 1 to {motion.shape[3]}, got {lengths.min()} to {lengths.max()}"
        )
    return {**content, "motion": motion, "lengths": lengths}


def _text(content: dict[str, Any], index: int) -> str:
    """The prompt of a motion, "" where the file has none for it."""
    texts = content.get("text")
    if isinstance(texts, np.ndarray):
        texts = texts.tolist()
    if not isinstance(texts, list) or len(texts) != len(content["motion"]):
        return ""
    return str(texts[index])
