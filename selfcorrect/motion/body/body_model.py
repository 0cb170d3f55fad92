"""Bodies of a given shape, from models of the SMPL family.

Models are read from the user's files. The package smplx and the model files are licensed by the Max Planck Institute
for non-commercial research; smplx is imported only when a model is loaded. After registration, the files are available
from the web sites of SMPL, MANO (for SMPL+H) and SMPL-X, run by the Max Planck Institute for Intelligent Systems in
Tübingen.
"""

import contextlib
import io
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from ...core.errors import InputError
from ...storage.files.arrays import read_npz
from ...storage.pickles.numbers import read_pickled_numbers
from ..motion import Motion
from .smpl import LAYOUTS, Body, Layout

_KINDS = {"SMPL": "smpl", "SMPL-H": "smplh", "SMPL-X": "smplx"}
_REQUIRED_ARRAYS = ("v_template", "shapedirs", "posedirs", "J_regressor", "kintree_table", "weights", "f")
_HANDS = {"hands_componentsl": (45, 45), "hands_componentsr": (45, 45), "hands_meanl": (45,), "hands_meanr": (45,)}
_FRAMES_AT_ONCE = 64
DENSITY_KG_M3 = 1000.0
"""Density of a living body with half-filled lungs, in kg/m³, within 2 %. Without air it is 1000 to 1075 (Durnin and
Womersley 1974)."""


@dataclass(frozen=True, eq=False)
class BodyModel:
    """A loaded body model: its joints and the smplx module."""

    layout: Layout
    module: Any
    name: str

    @property
    def faces(self) -> np.ndarray:
        """(F, 3) vertex indices of the mesh's triangles."""
        return np.asarray(self.module.faces, dtype=np.int64)


def load_body_model(path: Path, *, allow_pickle: bool = False) -> BodyModel:
    """Load a SMPL, SMPL+H or SMPL-X model.

    The file is an .npz or .pkl. Up to 10 shape coefficients of SMPL and SMPL+H are used, and up to 16 of SMPL-X.

    Args:
        allow_pickle: Whether .pkl files may be read. Only numbers are read; other objects are refused. Allow it only
            for files from a source that you trust.

    Raises:
        InputError: The file is not a body model.
    """
    numbers = _read(path, allow_pickle)
    if missing := [name for name in _REQUIRED_ARRAYS if numbers.get(name) is None]:
        raise InputError(f"{path}: a body model needs {', '.join(_REQUIRED_ARRAYS)}; missing: {', '.join(missing)}")
    joints = numbers["kintree_table"].shape[1]
    if joints not in LAYOUTS or LAYOUTS[joints].name not in _KINDS:
        raise InputError(f"{path}: expected a model of 24 (SMPL), 52 (SMPL+H) or 55 (SMPL-X) joints, got {joints}")
    for name, shape in _HANDS.items():  # absent from the SMPL+H files that come with AMASS; unused with full rotations
        numbers.setdefault(name, np.zeros(shape))
    return BodyModel(LAYOUTS[joints], _smplx_module(_KINDS[LAYOUTS[joints].name], numbers), path.name)


def _read(path: Path, allow_pickle: bool) -> dict[str, Any]:
    """Read the numeric arrays of a model file."""
    if path.suffix == ".pkl":
        return read_pickled_numbers(path, allow_pickle=allow_pickle)
    if path.suffix != ".npz":
        raise InputError(f"{path}: expected a body model as .npz or .pkl")
    return dict(read_npz(path, skip_pickled=True))  # SMPL-X pickles tables of names, which are not needed


def _smplx_module(kind: str, numbers: dict[str, Any]) -> Any:
    """Pass a model's arrays to smplx.

    They go through a temporary .npz file because smplx reads the original files with pickle allowed.
    """
    import smplx
    from smplx.utils import Struct

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        plain: dict[str, Any] = {name: value for name, value in numbers.items() if isinstance(value, np.ndarray)}
        file = Path(folder) / f"{kind.upper()}_NEUTRAL.npz"
        np.savez(file, **plain)
        data: dict[str, Any] = {} if kind == "smplx" else {"data_struct": Struct(**plain)}
        options: dict[str, Any] = {
            "use_pca": False,
            "flat_hand_mean": True,
            "num_betas": 16,
            "ext": "npz",
            "dtype": torch.float64,
        }
        return smplx.create(str(file), **options, **data).requires_grad_(False)


def make_body(model: BodyModel, betas: np.ndarray | None = None) -> Body:
    """Return the body with shape coefficients `betas` (B,), or the mean body."""
    joint_count = len(model.layout.names)
    rest_pose = _pose(model, np.zeros((1, joint_count, 3)))
    posed = model.module(betas=_betas(model, betas), **rest_pose)
    joints_m = posed.joints[0, :joint_count].numpy()
    parents = list(model.layout.parents[1:])
    offsets_m = np.concatenate([np.zeros((1, 3)), joints_m[1:] - joints_m[parents]])
    mass_kg = DENSITY_KG_M3 * volume_m3(posed.vertices[0].numpy(), model.faces)
    return Body(replace(model.layout.skeleton(offsets_m), mass_kg=mass_kg), joints_m[0], model.name)


def volume_m3(vertices_m: np.ndarray, faces: np.ndarray) -> float:
    """Return the volume inside a closed surface, by the divergence theorem.

    Args:
        vertices_m: (V, 3) vertices, in m.
        faces: (F, 3) vertex indices of the triangles.
    """
    first, second, third = np.moveaxis(vertices_m[faces] - vertices_m.mean(axis=0), 1, 0)
    return float(np.abs(np.sum(first * np.cross(second, third))) / 6)


def vertices(model: BodyModel, motion: Motion, betas: np.ndarray | None = None) -> np.ndarray:
    """Pose the mesh of a body model.

    Args:
        model: The body model. Its triangles are `model.faces`.
        motion: Motion of T frames on this model's joints.
        betas: (B,) shape coefficients; None for the mean body.

    Returns:
        (T, V, 3) float32 vertices in the world, y up, in m.

    Raises:
        InputError: The motion has other joints.
    """
    if motion.skeleton.names != model.layout.names:
        raise InputError(
            f"{motion.source or 'motion'}: {model.name} poses the {len(model.layout.names)} joints of "
            f"{model.layout.name}, the motion has {len(motion.skeleton)} joints"
        )
    pelvis_m = make_body(model, betas).pelvis_m
    rotvecs = Rotation.from_quat(motion.rotations).as_rotvec()
    chunks = []
    for start in range(0, len(motion), _FRAMES_AT_ONCE):
        frames = slice(start, start + _FRAMES_AT_ONCE)
        shape = _betas(model, betas).expand(len(rotvecs[frames]), -1)
        root_m = torch.from_numpy(motion.root_m[frames])
        posed = model.module(betas=shape, transl=root_m, **_pose(model, rotvecs[frames]))
        chunks.append(posed.vertices.numpy().astype(np.float32))
    return np.concatenate(chunks) - pelvis_m.astype(np.float32)


def _betas(model: BodyModel, betas: np.ndarray | None) -> torch.Tensor:
    """Return shape coefficients (1, B) with the length that the model takes.

    Surplus coefficients are dropped, and missing ones are zero.
    """
    shape = torch.zeros(1, model.module.num_betas, dtype=torch.float64)
    if betas is not None:
        used = torch.from_numpy(np.asarray(betas, dtype=float)[: shape.shape[1]])
        shape[0, : len(used)] = used
    return shape


def _pose(model: BodyModel, rotations: np.ndarray) -> dict[str, torch.Tensor]:
    """Return smplx's pose arguments for rotation vectors (T, J, 3)."""
    turns = torch.from_numpy(rotations.reshape(len(rotations), -1))
    fingers = turns.shape[1] - 90
    match model.layout.name:
        case "SMPL":
            return {"global_orient": turns[:, :3], "body_pose": turns[:, 3:]}
        case "SMPL-X":
            face = {"jaw_pose": turns[:, 66:69], "leye_pose": turns[:, 69:72], "reye_pose": turns[:, 72:75]}
            face["expression"] = torch.zeros(len(turns), model.module.num_expression_coeffs, dtype=turns.dtype)
        case _:
            face = {}
    return {
        "global_orient": turns[:, :3],
        "body_pose": turns[:, 3:66],
        "left_hand_pose": turns[:, fingers : fingers + 45],
        "right_hand_pose": turns[:, fingers + 45 :],
        **face,
    }
