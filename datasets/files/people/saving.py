"""Motions as programs save them that make motions or see people in videos, with average bodies and empty shapes."""

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.motion.body.smpl import SMPL, SMPL_BODY, SMPL_H, SMPL_X, Layout, average_body, body_joints, to_smpl
from selfcorrect.motion.editing.transforms import resample
from selfcorrect.motion.encodings.humanml3d import FPS, RAISED_M
from selfcorrect.motion.geometry.rotations import identity_rotations
from selfcorrect.motion.geometry.views import Y_DOWN, Y_UP, to_y_up
from selfcorrect.motion.motion import Motion
from selfcorrect.storage.files.arrays import write_npy, write_npz
from selfcorrect.storage.files.writing import write_atomically
from selfcorrect.storage.pickles.torch_archive import encode_tensors

from .average import put_on_average_body, put_on_body
from .sam3d import frames_of
from .soma import SOMA_77

VIDEO_FPS = 30.0
_AWAY_M = np.array([0.0, 1.0, 4.0])
"""Way from the camera to the floor's origin, in the camera's frame."""


def write_gvhmr(path: Path, motion: Motion) -> None:
    """Write a motion as GVHMR's `hmr4d_results.pt`, in the world and as a camera sees it."""
    motion = resample(motion, VIDEO_FPS)
    kinds = {
        "smpl_params_global": _parameters(motion, SMPL_BODY),
        "smpl_params_incam": _camera_parameters(motion, SMPL_BODY),
    }
    content: dict[str, Any] = {}
    for name, (vectors, trans) in kinds.items():
        content[name] = {
            "body_pose": vectors[:, 1:].reshape(len(motion), -1),
            "betas": _zeros(motion, 10),
            "global_orient": vectors[:, 0],
            "transl": trans,
        }
    content["K_fullimg"] = _zeros(motion, 3, 3)
    content["net_outputs"] = {}
    write_atomically(path, encode_tensors(content))


def write_gem_x(path: Path, motion: Motion) -> None:
    """Write a motion as GEM-X' `hpe_results.pt`, on SOMA's joints."""
    motion = resample(motion, VIDEO_FPS)
    body = to_smpl(motion)
    rotations = identity_rotations(len(body), len(SOMA_77))
    for joint, part in enumerate(SOMA_77.parts):
        if part:
            rotations[:, joint] = body.rotations[:, body.skeleton.names.index(part)]
    placed = put_on_body(body, replace(body, skeleton=SOMA_77.average(), rotations=rotations))
    vectors = _vectors(rotations)
    params = {
        "body_pose": vectors[:, 1:].reshape(len(body), -1),
        "global_orient": vectors[:, 0],
        "transl": placed.root_m.astype(np.float32),
        "identity_coeffs": _zeros(body, 45),
        "scale_params": _zeros(body, 68),
    }
    content = {"body_params_global": params, "K_fullimg": _zeros(body, 3, 3)}
    write_atomically(path, encode_tensors(content))


def write_wham(path: Path, motion: Motion) -> None:
    """Write a motion as WHAM's `wham_output.pkl`, of a single person."""
    motion = resample(motion, VIDEO_FPS)
    vectors, trans = _parameters(motion, SMPL)
    camera_vectors, camera_trans = _camera_parameters(motion, SMPL)
    person = {
        "pose": camera_vectors.reshape(len(motion), -1),
        "trans": camera_trans,
        "pose_world": vectors.reshape(len(motion), -1),
        "trans_world": trans,
        "betas": _zeros(motion, 10),
        "verts": _zeros(motion, 0, 3),
        "frame_ids": np.arange(len(motion)),
    }
    _write_pickle(path, {0: person})


def write_prompthmr(path: Path, motion: Motion) -> None:
    """Write a motion as PromptHMR's `results.pkl`, of a single person."""
    motion = resample(motion, VIDEO_FPS)
    vectors, trans = _parameters(motion, SMPL_X)
    world = {"pose": vectors.reshape(len(motion), -1), "shape": _zeros(motion, 10), "trans": trans}
    person = {"frames": np.arange(len(motion)), "track_id": 1, "smplx_world": world}
    _write_pickle(path, {"camera": {}, "people": {1: person}, "has_hps_world": True})


def write_tram(path: Path, motion: Motion) -> None:
    """Write a motion as TRAM's `hps_track_0.npy`, as a camera sees it that stands still."""
    motion = resample(motion, VIDEO_FPS)
    vectors, trans = _camera_parameters(motion, SMPL)
    matrices = Rotation.from_rotvec(vectors).as_matrix()
    content = {
        "pred_shape": _zeros(motion, 10),
        "pred_rotmat": matrices.astype(np.float32),
        "pred_trans": trans[:, None],
        "frame": np.arange(len(motion)),
    }
    write_npy(path, np.array(content, dtype=object))


def write_sam3d(path: Path, motion: Motion) -> None:
    """Write a motion as frames of SAM 3D Body's dictionaries, of a single person."""
    seen = to_y_up(Y_DOWN).restore(resample(motion, VIDEO_FPS))
    seen = replace(seen, root_m=seen.root_m + _AWAY_M)
    _write_pickle(path, [[frame] for frame in frames_of(seen)])


def write_hy_motion(path: Path, motion: Motion) -> None:
    """Write a motion as HY-Motion's `.npz`."""
    motion = resample(motion, VIDEO_FPS)
    vectors, trans = _parameters(motion, SMPL_H)
    content = {
        "poses": vectors.reshape(len(motion), -1),
        "trans": trans,
        "Rh": vectors[:, 0],
        "betas": np.zeros((1, 16), np.float32),
        "gender": np.array(["neutral"]),
    }
    write_npz(path, content)


def write_mdm(path: Path, motion: Motion) -> None:
    """Write a motion as a motion diffusion model's `results.npy`, of a single sample."""
    motion = resample(motion, FPS)
    joints_m = np.moveaxis(body_joints(motion) - RAISED_M, 0, -1)
    content = {
        "motion": joints_m[None].astype(np.float32),
        "text": [motion.text or motion.label],
        "lengths": np.array([len(motion)]),
        "num_samples": 1,
        "num_repetitions": 1,
    }
    write_npy(path, np.array(content, dtype=object))


def _parameters(motion: Motion, layout: Layout, up: int = Y_UP) -> tuple[np.ndarray, np.ndarray]:
    """Return rotation vectors (T, J, 3) and translations (T, 3) of a body model, in a world with that axis up."""
    body = to_y_up(up).restore(put_on_average_body(to_smpl(motion, layout), layout))
    return _vectors(body.rotations), (body.root_m - average_body().pelvis_m).astype(np.float32)


def _camera_parameters(motion: Motion, layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Return the same as a camera sees it."""
    vectors, trans = _parameters(motion, layout, Y_DOWN)
    return vectors, trans + _AWAY_M.astype(np.float32)


def _vectors(rotations: np.ndarray) -> np.ndarray:
    vectors = Rotation.from_quat(rotations.reshape(-1, 4)).as_rotvec()
    return vectors.reshape(*rotations.shape[:2], 3).astype(np.float32)


def _zeros(motion: Motion, *sides: int) -> np.ndarray:
    return np.zeros((len(motion), *sides), np.float32)


def _write_pickle(path: Path, content: object) -> None:
    write_atomically(path, pickle.dumps(content, protocol=4))
