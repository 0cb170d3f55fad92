"""Bodies of a given shape: models of the SMPL family, read from the user's files.

Loper et al. 2015: vertices of a person at rest are those of the mean person, plus shape coefficients times directions.
Joints at rest are weighted means of vertices. The files are available, after registration, at the web sites of SMPL,
MANO (which has SMPL+H) and SMPL-X. The Max Planck Institute for Intelligent Systems in Tübingen licenses them for
non-commercial research.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...core.errors import InputError
from ...storage.files.arrays import read_npz
from ...storage.pickles.numbers import read_pickled_numbers
from .smpl import LAYOUTS, SMPL_BODY, Body, Layout

_NEEDED = ("v_template", "shapedirs", "J_regressor", "kintree_table", "f")
_COEFFICIENTS = 10
_MANY_DIRECTIONS = 300
_MORE_COEFFICIENTS = 16
"""Number of shape coefficients that are used of models with many directions."""

DENSITY_KG_M3 = 1000.0
"""Density of a living body with half-filled lungs, within 2 % (Durnin and Womersley 1974: 1000 to 1075 without air)."""


@dataclass(frozen=True, eq=False)
class BodyModel:
    """A loaded body model at rest."""

    layout: Layout
    name: str
    vertices_m: np.ndarray
    """(V, 3) of the mean person."""
    directions_m: np.ndarray
    """(V, 3, B) change of the vertices by each shape coefficient."""
    joint_weights: np.ndarray
    """(J, V) weights of the vertices in the joints."""
    faces: np.ndarray
    """(F, 3) vertex indices of the mesh's triangles."""


def load_body_model(path: Path, *, allow_pickle: bool = False) -> BodyModel:
    """Load a SMPL, SMPL+H or SMPL-X model from its .npz or .pkl file.

    Up to 10 shape coefficients are used, of models with 300 directions or more up to 16.

    Args:
        allow_pickle: Read .pkl files, whose source you trust; only numbers are read, other objects are refused.

    Raises:
        InputError: The file is not a body model.
    """
    numbers = _read(path, allow_pickle)
    if missing := [name for name in _NEEDED if numbers.get(name) is None]:
        raise InputError(f"{path}: a body model needs {', '.join(_NEEDED)}; missing: {', '.join(missing)}")
    vertices_m, directions_m, joint_weights, tree, faces = (np.asarray(numbers[name], dtype=float) for name in _NEEDED)
    layout = LAYOUTS.get(tree.shape[-1])
    if layout is None or layout is SMPL_BODY:
        raise InputError(
            f"{path}: expected a model of 24 (SMPL), 52 (SMPL+H) or 55 (SMPL-X) joints, got {tree.shape[-1]}"
        )
    count = len(vertices_m)
    is_consistent = directions_m.ndim == 3 and directions_m.shape[:2] == vertices_m.shape == (count, 3)
    has_parts = joint_weights.shape == (len(layout.names), count) and faces.ndim == 2 and faces.shape[1] == 3
    if not (is_consistent and has_parts and 0 <= faces.min(initial=0) <= faces.max(initial=0) < count):
        raise InputError(f"{path}: the shapes of its vertices, directions, joints and triangles do not fit together")
    used = _MORE_COEFFICIENTS if directions_m.shape[2] >= _MANY_DIRECTIONS else _COEFFICIENTS
    return BodyModel(layout, path.name, vertices_m, directions_m[..., :used], joint_weights, faces.astype(np.int64))


def _read(path: Path, allow_pickle: bool) -> dict[str, Any]:
    """Return all arrays of a model file that are plain numbers."""
    if path.suffix == ".pkl":
        return read_pickled_numbers(path, allow_pickle=allow_pickle)
    if path.suffix != ".npz":
        raise InputError(f"{path}: expected a body model as .npz or .pkl")
    return dict(read_npz(path, skip_pickled=True))  # SMPL-X pickles tables of names, which are not needed


def make_body(model: BodyModel, betas: np.ndarray | None = None) -> Body:
    """Return the person with shape coefficients `betas` (B,); without them, the mean person.

    Surplus coefficients are dropped, and missing coefficients are 0.
    """
    vertices_m = model.vertices_m
    if betas is not None:
        used = np.asarray(betas, dtype=float)[: model.directions_m.shape[2]]
        vertices_m = vertices_m + model.directions_m[..., : len(used)] @ used
    joints_m = model.joint_weights @ vertices_m
    offsets_m = np.concatenate([np.zeros((1, 3)), joints_m[1:] - joints_m[list(model.layout.parents[1:])]])
    mass_kg = DENSITY_KG_M3 * volume_m3(vertices_m, model.faces)
    return Body(replace(model.layout.skeleton(offsets_m), mass_kg=mass_kg), joints_m[0], model.name)


def volume_m3(vertices_m: np.ndarray, faces: np.ndarray) -> float:
    """Volume within a closed surface of triangles (F, 3) between vertices (V, 3): the divergence theorem."""
    first, second, third = np.moveaxis(vertices_m[faces] - vertices_m.mean(axis=0), 1, 0)
    return float(np.abs(np.sum(first * np.cross(second, third))) / 6)
