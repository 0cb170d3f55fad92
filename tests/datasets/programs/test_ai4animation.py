"""AI4AnimationPy's bones are read in any order."""

from pathlib import Path

import numpy as np
import pytest
from helpers import smpl_joints_m
from made_rigs import base_walk

import selfcorrect as sc
from selfcorrect.datasets.files.open import open_motion, save_motion


def test_named_bones_in_any_order(tmp_path: Path) -> None:
    save_motion(tmp_path / "a.npz", base_walk(), "ai4animation")
    arrays = dict(np.load(tmp_path / "a.npz"))
    order = np.random.default_rng(0).permutation(22)
    rank = np.argsort(order)
    parents = arrays["parent_indices"][order]
    arrays["parent_indices"] = np.where(parents < 0, -1, rank[parents])
    for name in ("positions", "quaternions"):
        arrays[name] = arrays[name][:, order]
    arrays["bone_names"] = arrays["bone_names"][order]
    np.savez(tmp_path / "b.npz", **arrays)
    motions = [sc.load_motion(tmp_path / name) for name in ("a.npz", "b.npz")]
    np.testing.assert_allclose(smpl_joints_m(motions[1]), smpl_joints_m(motions[0]), atol=1e-9)
    arrays["parent_indices"] = arrays["parent_indices"] * 0 + 1
    np.savez(tmp_path / "c.npz", **arrays)
    with pytest.raises(sc.InputError, match=r"c\.npz:.*bone_names.*22"):
        open_motion(tmp_path / "c.npz")
