"""Other joint sets, units and axes are read and written."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from humanml3d_files import kit_joints_mm, kit_rows
from made_rigs import base_walk
from posed_motions import cartwheeling, climbing, crawling, crouching, jumping, lying, sitting, standing
from scipy.spatial.transform import Rotation

import selfcorrect as sc
from selfcorrect.datasets.files.open import open_motion
from selfcorrect.datasets.files.people import joint_sets
from selfcorrect.datasets.files.people.joint_sets import JOINT_SETS, JointSet, select_joint_set
from selfcorrect.datasets.files.skeletons.sides import SWAPPED_NOTE
from selfcorrect.motion.body.smpl import SMPL_X, body_joints
from selfcorrect.motion.encodings.humanml3d import decode_joints, encode
from selfcorrect.motion.skeleton import SMPL_22, swap_sides

OTHERS = [joints for joints in JOINT_SETS if not joints.is_humanml3d]
WAYS = {
    "y up": Rotation.identity(),
    "z up": Rotation.from_euler("x", 90, degrees=True),
    "y down": Rotation.from_euler("x", 180, degrees=True),
    "x up": Rotation.from_euler("z", -90, degrees=True),
}
"""Turns of y-up worlds into others."""


def person(joints: JointSet) -> np.ndarray:
    """Return joints (T, J, 3) of a body that moves.

    In metres, y up, in the set's order.
    """
    random = np.random.default_rng(1)
    turns = np.cumsum(random.normal(0, 0.02, (30, 55, 3)), axis=0)
    motion = sc.Motion(
        SMPL_X.average(), np.tile([0.2, 0.95, 0.1], (30, 1)), Rotation.from_rotvec(turns).as_quat(), 30.0
    )
    places_m = dict(zip(SMPL_X.names, np.moveaxis(sc.joint_positions(motion), 1, 0), strict=True))
    for side in ("left", "right"):
        finger_m = places_m[f"{side}_middle3"]
        places_m |= {f"{side}_hand": places_m[f"{side}_middle1"], f"{side}_tip": finger_m}
        places_m[f"{side}_thumb"] = places_m[f"{side}_thumb1"]
        toes_m = places_m[f"{side}_foot"] - places_m[f"{side}_ankle"]
        places_m[f"{side}_heel"] = places_m[f"{side}_ankle"] - 0.5 * toes_m
        places_m[f"{side}_tiptoe"] = places_m[f"{side}_foot"] + 0.4 * toes_m
    places_m["crown"] = places_m["head"] + 1.5 * (places_m["head"] - places_m["neck"])
    return np.stack([places_m[name] for name, _ in joints.joints], axis=1)


@pytest.mark.parametrize("joints", OTHERS, ids=lambda joints: joints.name)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("unit_m", [1.0, 0.001])
def test_joints_round_trip(tmp_path: Path, joints: JointSet, way: str, unit_m: float) -> None:
    expected_m = person(joints)
    has_spine = any(name == "spine2" for name, _ in joints.joints)
    atol_m = 5e-3 if has_spine else 1.2e-2  # without spine2, the spine's length is not constant
    turn = WAYS[way]
    stored = (turn.apply(expected_m) / unit_m).astype(np.float32)
    np.save(tmp_path / "a.npy", stored)
    file = open_motion(tmp_path / "a.npy")
    notes = [note for note in file.notes if getattr(note, "topic", "") != "bones"]
    assert notes == [
        f"joints taken for {joints.name}",
        f"unit {unit_m:.4g} m inferred (--metres-per-unit)",
        f"{way} inferred (--up)",
        f"{joints.fps:g} fps assumed, the usual rate of {joints.name} (--fps)",
    ]
    assert file.motion.fps == joints.fps
    np.testing.assert_allclose(sc.joint_positions(file.motion), expected_m[:, joints.order], atol=atol_m)
    file.write(tmp_path / "b.npy", replace(file.motion, root_m=file.motion.root_m + np.array([0.0, 0.1, 0.0])))
    reread = np.load(tmp_path / "b.npy")
    assert (reread.dtype, reread.shape) == (stored.dtype, stored.shape)
    moved_m = turn.inv().apply((reread - stored).astype(float)) * unit_m
    np.testing.assert_allclose(moved_m, np.broadcast_to([0, 0.1, 0], moved_m.shape), atol=atol_m + 1e-3)


@pytest.mark.parametrize("pose", [standing, crouching, sitting, lying, crawling, cartwheeling, jumping, climbing])
def test_joint_order_follows_from_bones(tmp_path: Path, pose: Callable[[], sc.Motion]) -> None:
    random = np.random.default_rng(3)
    for joints in JOINT_SETS:
        array = person(joints)
        noisy = array + random.normal(0, 0.003, array.shape)
        assert select_joint_set(tmp_path, noisy)[0] == joints
    smpl_m = dict(zip(SMPL_22, np.moveaxis(body_joints(pose()), 1, 0), strict=True))
    for joints in JOINT_SETS:
        if {name for name, _ in joints.joints} == set(SMPL_22):
            places_m = np.stack([smpl_m[name] for name, _ in joints.joints], axis=1)
            assert select_joint_set(tmp_path, places_m)[0] == joints


def test_unknown_order_finds_body(tmp_path: Path) -> None:
    joints_m = body_joints(cartwheeling())
    order = np.random.default_rng(4).permutation(22)
    np.save(tmp_path / "a.npy", joints_m[:, order])
    file = open_motion(tmp_path / "a.npy")
    assert file.order[0] == "a body in an unknown order"
    places_m = dict(zip(file.motion.skeleton.parts, np.moveaxis(sc.joint_positions(file.motion), 1, 0), strict=True))
    for side in ("left", "right"):
        for part in ("hip", "knee", "ankle", "foot", "shoulder", "elbow", "wrist"):
            distances_m = places_m[f"{side}_{part}"] - joints_m[:, SMPL_22.index(f"{side}_{part}")]
            assert np.linalg.norm(distances_m[:, [0, 2]], axis=-1).max() < 0.02
    file.write(tmp_path / "b.npy", file.motion)
    np.testing.assert_allclose(np.load(tmp_path / "b.npy"), np.load(tmp_path / "a.npy"), atol=0.03)


def test_unknown_points_raise(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.random.default_rng(5).normal(0, 1e-3, (40, 22, 3)))
    with pytest.raises(sc.InputError, match=r"HumanML3D.*LAFAN1"):
        open_motion(tmp_path / "a.npy")


def test_ambiguous_order_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    smpl = next(joints for joints in JOINT_SETS if joints.is_humanml3d)
    twin = replace(smpl, name="the twin's 22")
    monkeypatch.setattr(joint_sets, "JOINT_SETS", (smpl, twin))
    np.save(tmp_path / "a.npy", person(smpl))
    with pytest.raises(sc.InputError, match=r"HumanML3D.*twin's 22"):
        open_motion(tmp_path / "a.npy")


def test_parts_are_where_named(tmp_path: Path) -> None:
    """Left is at +x of who faces +z.

    What comes first of two sides in a set must not matter.
    """
    for joints in OTHERS:
        np.save(tmp_path / "a.npy", person(joints))
        motion = open_motion(tmp_path / "a.npy").motion
        left = motion.skeleton.parts.index("left_shoulder")
        right = motion.skeleton.parts.index("right_shoulder")
        joints_m = sc.joint_positions(motion)
        assert (joints_m[0, left, 0] - joints_m[0, right, 0]) > 0.2


@pytest.mark.parametrize(
    ("joints", "message"),
    [
        (19, r"unknown joint order.* \(19 joints\); known .* Human3\.6M's 17, NTU"),
        (24, "expected legs .* got legs of length 0"),
    ],
)
def test_collapsed_joints_raise(joints: int, message: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((5, joints, 3)))
    with pytest.raises(sc.InputError, match=rf"a\.npy: {message}"):
        open_motion(tmp_path / "a.npy")


@pytest.mark.parametrize("array", [np.full((5, 263), "x"), np.zeros((5, 272), "f4,i4"), np.zeros((5, 22, 3), complex)])
def test_integers_raise(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(sc.InputError, match=r"a\.npy: .*floating-point"):
        open_motion(tmp_path / "a.npy")


def keypoints(names: list[str]) -> np.ndarray:
    """Return keypoints (T, K, 3) of a walk, in metres.

    Keypoints are joints, and points such as "nose" and "left_eye" near the head.
    """
    walk_m = body_joints(base_walk(1))
    places_m = dict(zip(SMPL_22, np.moveaxis(walk_m, 1, 0), strict=True))
    near_head = {"nose": (0.0, 0.05, 0.1), "eye": (0.03, 0.08, 0.08), "ear": (0.07, 0.06, 0.0)}
    points_m = []
    for name in names:
        side, _, point = name.rpartition("_")
        x, y, z = near_head.get(point, (0.0, 0.0, 0.0))
        carrier = name if name in places_m else "head"
        points_m.append(places_m[carrier] + np.array([-x if side == "right" else x, y, z]))
    return np.stack(points_m, axis=1)


def list_both_sides(*points: str) -> list[str]:
    return [f"{side}_{point}" for point in points for side in ("left", "right")]


COCO = ["nose", *list_both_sides("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")]
BODY_25 = [
    "nose", "neck", *(f"{side}_{joint}" for side in ("right", "left") for joint in ("shoulder", "elbow", "wrist")),
    "pelvis", *(f"{side}_{joint}" for side in ("right", "left") for joint in ("hip", "knee", "ankle")),
    "right_eye", "left_eye", "right_ear", "left_ear", *["left_foot"] * 3, *["right_foot"] * 3,
]  # fmt: skip


@pytest.mark.parametrize(("names", "words"), [(COCO, "COCO's 17 keypoints"), (BODY_25, "OpenPose's BODY_25")])
@pytest.mark.parametrize("scale", [1.0, -1000.0])
def test_image_keypoints_raise(tmp_path: Path, names: list[str], words: str, scale: float) -> None:
    np.save(tmp_path / "a.npy", scale * keypoints(names))
    with pytest.raises(sc.InputError, match=f"these are {words}, .*; expected .* joints, pelvis"):
        open_motion(tmp_path / "a.npy")


@pytest.mark.parametrize("unit_m", [1.0, 0.01, 0.001])
@pytest.mark.parametrize("way", WAYS)
def test_22_joints_in_other_world(tmp_path: Path, way: str, unit_m: float) -> None:
    joints_m = body_joints(base_walk(1))
    turn = WAYS[way]
    joints = turn.apply(joints_m) / unit_m
    np.save(tmp_path / "up.npy", joints_m)
    np.save(tmp_path / "other.npy", joints)
    usual = open_motion(tmp_path / "up.npy")
    other = open_motion(tmp_path / "other.npy")
    inferred = {note for note in other.notes if "inferred" in note}
    expected = {f"{way} inferred (--up)"} if way != "y up" else set()
    if unit_m != 1:
        expected.add(f"unit {unit_m:g} m inferred (--metres-per-unit)")
    assert inferred == expected
    assert not any("inferred" in note for note in usual.notes)
    np.testing.assert_allclose(sc.joint_positions(other.motion), sc.joint_positions(usual.motion), atol=1e-9)
    other.write(tmp_path / "again.npy", other.motion)
    np.testing.assert_allclose(np.load(tmp_path / "again.npy") * unit_m, joints * unit_m, atol=2e-3)


@pytest.mark.parametrize("mirror", [(1, -1, 1), (-1, 1, 1), (1, 1, -1)])
def test_mirrored_joints_swap_sides(tmp_path: Path, mirror: tuple[int, int, int]) -> None:
    """Only side names distinguish a mirror image."""
    joints_m = body_joints(base_walk(1))
    sides = [SMPL_22.index(swap_sides(part)) for part in SMPL_22]
    is_turned = mirror[1] < 0
    np.save(tmp_path / "exchanged.npy", (joints_m * mirror * ([1, -1, -1] if is_turned else 1))[:, sides])
    np.save(tmp_path / "mirrored.npy", joints_m * mirror)
    person = open_motion(tmp_path / "exchanged.npy")
    mirrored = open_motion(tmp_path / "mirrored.npy")
    assert SWAPPED_NOTE in mirrored.notes
    assert SWAPPED_NOTE not in person.notes
    np.testing.assert_allclose(sc.joint_positions(mirrored.motion), sc.joint_positions(person.motion), atol=1e-9)
    mirrored.write(tmp_path / "again.npy", mirrored.motion)
    np.testing.assert_allclose(np.load(tmp_path / "again.npy"), np.load(tmp_path / "mirrored.npy"), atol=2e-3)


@pytest.mark.parametrize("pose", [standing, crouching, sitting, lying, crawling, cartwheeling, jumping, climbing])
def test_posture_does_not_flip_joints(tmp_path: Path, pose: Callable[[], sc.Motion]) -> None:
    np.save(tmp_path / "a.npy", body_joints(pose()))
    notes = open_motion(tmp_path / "a.npy").notes
    assert not any("inferred" in note or note == SWAPPED_NOTE for note in notes)


@pytest.mark.parametrize("is_mirrored", [False, True], ids=["as it is", "mirror image"])
def test_kit_ml_rows_give_joints(tmp_path: Path, is_mirrored: bool) -> None:
    joints_mm = kit_joints_mm(base_walk(1), is_mirrored=is_mirrored)
    np.save(tmp_path / "joints.npy", joints_mm.astype(np.float32))
    np.save(tmp_path / "rows.npy", kit_rows(joints_mm).astype(np.float32))
    places = open_motion(tmp_path / "joints.npy")
    rows = open_motion(tmp_path / "rows.npy")
    assert places.motion.fps == rows.motion.fps == 12.5
    assert places.order[0] == rows.order[0] == "KIT-ML's 21"
    apart_m = sc.joint_positions(rows.motion) - sc.joint_positions(places.motion)
    start_m = places.motion.root_m[0] * [1, 0, 1]
    np.testing.assert_allclose(apart_m, np.broadcast_to(-start_m, apart_m.shape), atol=1e-3)
    assert (SWAPPED_NOTE in rows.notes) == is_mirrored
    rows.write(tmp_path / "again.npy", rows.motion)
    assert np.load(tmp_path / "again.npy").shape == (len(joints_mm) - 1, 251)
    written = np.load(tmp_path / "again.npy").astype(float)
    assert np.abs(written[:, 0]).max() < 0.5  # a body that is taken for a mirror image turns round at first
    again = decode_joints(written)
    fitted_m = sc.joint_positions(rows.motion)
    order = [rows.motion.skeleton.names.index(part) for part in ("pelvis", "head", "neck")]
    np.testing.assert_allclose(again[:, [0, 4, 3]] / 1000, fitted_m[:, order], atol=1e-4)


def test_standardised_rows_raise(tmp_path: Path) -> None:
    rows = encode(body_joints(base_walk(1)))
    np.save(tmp_path / "a.npy", rows)
    assert len(open_motion(tmp_path / "a.npy").motion) == len(rows) + 1
    noisy = rows + np.random.default_rng(0).normal(0, 0.05, rows.shape)  # as a model samples them
    np.save(tmp_path / "a.npy", noisy)
    assert len(open_motion(tmp_path / "a.npy").motion) == len(rows) + 1
    np.save(tmp_path / "a.npy", (rows - rows.mean(axis=0)) / np.maximum(rows.std(axis=0), 0.05))
    with pytest.raises(sc.InputError, match=r"a\.npy:.*Std\.npy.*Mean\.npy"):
        open_motion(tmp_path / "a.npy")
