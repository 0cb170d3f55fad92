"""SMPL parameters are read under several tools' names."""

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from posed_motions import walking
from scipy.spatial.transform import Rotation
from turned_joints import turn_joint

import selfcorrect as sc
from selfcorrect.datasets.files.open import open_motion
from selfcorrect.datasets.files.people.smpl_tools import TOOLS
from selfcorrect.datasets.files.skeletons.vertical import WORDS
from selfcorrect.motion.body.smpl import AVERAGE_PELVIS_M, LAYOUTS

NAMES = [tool.name for tool in TOOLS if not tool.root]
TURNS = {"y up": 0, "z up": 90, "y down": 180, "z down": -90}


def motion(joints: int) -> sc.Motion:
    """A person who walks about upright."""
    motion = walking().frames(0, 40)
    rotations = np.tile([0.0, 0.0, 0.0, 1.0], (40, joints, 1))
    rotations[:, :22] = motion.rotations
    return sc.Motion(LAYOUTS[joints].average(), motion.root_m, rotations, 30.0)


SCALE_OF = {tool.name: 93.8 if tool.scale else 1.0 for tool in TOOLS}
"""Units of places in a metre."""


def arrays(name: str, world: str) -> tuple[sc.Motion, dict[str, np.ndarray]]:
    """Return what a tool saves in a turned world."""
    turn = Rotation.from_euler("x", TURNS[world], degrees=True)
    match name:
        case "WHAM" | "TRAM":
            tool_motion = motion(24)
        case "PromptHMR":
            tool_motion = motion(55)
        case _:
            tool_motion = motion(22)
    rotations = turn_joint(tool_motion, 0, turn, outside=True).rotations
    tool = next(tool for tool in TOOLS if tool.name == name)
    trans = SCALE_OF[name] * (turn.apply(tool_motion.root_m) - (0.0 if tool.is_root else AVERAGE_PELVIS_M))
    vectors = Rotation.from_quat(rotations).as_rotvec().astype(np.float32)
    if name == "TRAM":
        tool_arrays = {"pred_rotmat": Rotation.from_quat(rotations).as_matrix(), "pred_trans": trans[:, None]}
    elif len(tool.rotations) == 1:
        tool_arrays = {tool.rotations[0]: vectors.reshape(40, -1), tool.translation: trans}
    else:
        tool_arrays = {tool.rotations[0]: vectors[:, 0], tool.rotations[1]: vectors[:, 1:].reshape(40, -1)}
        tool_arrays[tool.translation] = trans
    if tool.scale:
        tool_arrays[tool.scale] = np.array([SCALE_OF[name]])
    return tool_motion, {**tool_arrays, tool.shape: np.zeros((40, 10)), "frame_ids": np.arange(40)}


@pytest.mark.parametrize(("name", "world"), [case for case in product(NAMES, TURNS) if case != ("AMASS", "z down")])
def test_tools_and_worlds_agree(tmp_path: Path, name: str, world: str) -> None:
    expected, tool_arrays = arrays(name, world)
    np.savez(tmp_path / "a.npz", **tool_arrays)
    file = open_motion(tmp_path / "a.npz", sc.Reading(fps=30.0))
    np.testing.assert_allclose(sc.joint_positions(file.motion), sc.joint_positions(expected), atol=1e-5)
    tool = next(tool for tool in TOOLS if tool.name == name)
    assert f"names of {name}" in file.notes
    seen = f"{world} inferred (--up)" in file.notes
    assert seen == (tool.up is None or WORDS[tool.up] != world)
    file.write(tmp_path / "same.npz", file.motion)
    file.write(tmp_path / "lifted.npz", replace(file.motion, root_m=file.motion.root_m + np.array([0, 0.1, 0])))
    same = np.load(tmp_path / "same.npz")
    lifted = np.load(tmp_path / "lifted.npz")
    assert set(same.files) == set(tool_arrays)
    for key, array in tool_arrays.items():
        assert (same[key].shape, same[key].dtype) == (array.shape, array.dtype)
        np.testing.assert_array_equal(same[key], array, err_msg=key)
    moved_m = (lifted[tool.translation] - tool_arrays[tool.translation]).reshape(40, 3)
    up = Rotation.from_euler("x", TURNS[world], degrees=True).apply([0.0, 0.1, 0.0])
    np.testing.assert_allclose(moved_m, SCALE_OF[name] * np.tile(up, (40, 1)), atol=1e-6)


def test_up_option_decides(tmp_path: Path) -> None:
    """One reading is upright, the other lies on its back."""
    expected, tool_arrays = arrays("WHAM", "z up")
    np.savez(tmp_path / "a.npz", **tool_arrays)
    lying = sc.load_motion(tmp_path / "a.npz", sc.Reading(up="y", fps=30.0))
    np.testing.assert_allclose(lying.root_m[:, 2], expected.root_m[:, 1], atol=1e-1)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(sc.joint_positions(lying), sc.joint_positions(expected), atol=0.1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"pose_world": np.zeros((40, 71))},
            r"expected pose_world as rotation vectors or matrices, got shape \(40, 71\)",
        ),
        ({"trans_world": np.zeros((3, 3))}, r"expected trans_world of shape \(40, 3\), got \(3, 3\)"),
        ({"pose_world": np.zeros((40, 24, 3, 3))}, "pose_world .* rotation in frame 0"),
    ],
)
def test_other_arrays_raise(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    _, tool_arrays = arrays("WHAM", "y up")
    np.savez(tmp_path / "a.npz", **{**tool_arrays, **change})
    with pytest.raises(sc.InputError, match=rf"a\.npz: {message}"):
        open_motion(tmp_path / "a.npz", sc.Reading(fps=30.0))


@pytest.mark.parametrize(("frame_ids", "words"), [
    ([*range(17), *range(31, 54)], "not seen in frames 17 to 30 of the video (frame_ids), where the motion jumps"),
    ([0, 1, 2, *range(4, 9), *range(11, 43)],
     "not seen in frame 3 of the video (frame_ids), where the motion jumps, and 1 more gap"),
    (range(40), ""), (range(9), ""), (["a"] * 40, ""), ([np.nan] * 40, ""),
])  # fmt: skip
def test_unseen_frames_are_named(tmp_path: Path, frame_ids, words: str) -> None:
    _, tool_arrays = arrays("WHAM", "y up")
    np.savez(tmp_path / "a.npz", **{**tool_arrays, "frame_ids": np.array(frame_ids)})
    notes = open_motion(tmp_path / "a.npz", sc.Reading(fps=30.0)).notes
    assert [note for note in notes if "not seen" in note] == ([words] if words else [])
