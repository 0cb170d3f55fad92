"""End sites end where an average body ends.

Every leaf joint of the BVH that this program writes has one.
"""

import re
from pathlib import Path

import bvhio
import numpy as np
import pytest
from helpers import smpl_joints_m
from made_rigs import base_walk, remove_parts
from posed_motions import standing
from scipy.spatial.transform import Rotation

import selfcorrect as sc
from selfcorrect.datasets.files.open import open_motion, save_motion
from selfcorrect.datasets.files.rigs.bvh import clip_of, find_leaf_end_m, read_bvh, write_bvh
from selfcorrect.motion.body.smpl import SMPL_BODY, SMPL_H, to_smpl
from selfcorrect.motion.body.surface import HEAD_ABOVE_NECK_M, HEAD_RADIUS_M, sole_corners_m
from selfcorrect.motion.views import TurnedFrames
from selfcorrect.simulators.corrector import KinematicCorrector


@pytest.mark.parametrize("unit_m", [0.01, 0.0254, 1.0])
@pytest.mark.parametrize("layout", [SMPL_BODY, SMPL_H], ids=lambda layout: layout.name)
def test_leaves_get_close_ends(tmp_path: Path, layout, unit_m: float) -> None:
    motion = to_smpl(standing(), layout)
    write_bvh(tmp_path / "a.bvh", clip_of(motion, unit_m))
    read = read_bvh(tmp_path / "a.bvh", unit_m)
    skeleton = read.motion.skeleton
    leaves = [joint for joint, children in enumerate(skeleton.children) if not children]
    assert read.end_sites == set(leaves)
    lengths_m = np.linalg.norm(skeleton.offsets_m[leaves], axis=1)
    assert lengths_m.min() > 0.01
    assert lengths_m.max() < 0.2
    assert {name for name in skeleton.names if not name.endswith("_end")} == set(motion.skeleton.names)
    theirs = bvhio.readAsBvh(str(tmp_path / "a.bvh")).Root.layout()
    assert len(theirs) == len(motion.skeleton)
    assert all(joint.EndSite is not None for joint, *_ in theirs if not joint.Children)


def test_toes_and_head_have_ends(tmp_path: Path) -> None:
    save_motion(tmp_path / "a.bvh", standing())
    motion = sc.load_motion(tmp_path / "a.bvh")
    heights_m = dict(zip(motion.skeleton.names, sc.joint_positions(motion)[0, :, 1], strict=True))
    assert heights_m["left_foot_end"] == pytest.approx(sole_corners_m(motion)[0, 4, 1], abs=1e-3)
    assert heights_m["head_end"] == max(heights_m.values())


def test_existing_ends_keep_their_bytes(tmp_path: Path) -> None:
    save_motion(tmp_path / "a.bvh", base_walk())
    text = (tmp_path / "a.bvh").read_text().replace("-2.500000 7.500000", "-3.141590 2.718280")
    (tmp_path / "a.bvh").write_text(text)
    file = open_motion(tmp_path / "a.bvh")
    file.write(tmp_path / "b.bvh", file.motion)
    assert (tmp_path / "b.bvh").read_text().split("MOTION")[0] == text.split("MOTION")[0]


def test_ends_follow_bones() -> None:
    skeleton = base_walk().skeleton
    turned = TurnedFrames(np.tile(Rotation.from_euler("x", 90, degrees=True).as_quat(), (22, 1))).view(base_walk())
    for part in ("left_foot", "right_wrist", "head"):
        joint = skeleton.parts.index(part)
        end_m = find_leaf_end_m(skeleton, joint)
        turned_m = find_leaf_end_m(turned.skeleton, joint)
        assert np.linalg.norm(turned_m) == pytest.approx(np.linalg.norm(end_m))
        bones_m = [body.offsets_m[joint] for body in (skeleton, turned.skeleton)]
        assert turned_m @ bones_m[1] == pytest.approx(end_m @ bones_m[0], abs=2e-3)


def test_head_end_ignores_spine_divisions(walk: sc.Motion) -> None:
    """DeepMimic's spine has two bones, SMPL's has five.

    The bones lead from the pelvis to the neck.
    """
    end_m = find_leaf_end_m(walk.skeleton, walk.skeleton.parts.index("neck"))
    assert np.linalg.norm(end_m) == pytest.approx(HEAD_ABOVE_NECK_M + HEAD_RADIUS_M, rel=0.1)


def test_foot_without_toe_keeps_sole(tmp_path: Path) -> None:
    motion = remove_parts(base_walk(), ["left_foot", "right_foot"])
    save_motion(tmp_path / "a.bvh", motion)
    soles_m = sole_corners_m(motion)[..., 1].min(axis=1)
    read_m = sole_corners_m(sc.load_motion(tmp_path / "a.bvh"))[..., 1].min(axis=1)
    np.testing.assert_allclose(read_m, soles_m, atol=0.012)


def test_ends_change_no_correction(tmp_path: Path) -> None:
    """Files with and without end sites are corrected alike.

    Older versions wrote none.
    """
    save_motion(tmp_path / "ends.bvh", base_walk())
    text = (tmp_path / "ends.bvh").read_text()
    (tmp_path / "none.bvh").write_text(re.sub(r"\s*End Site\s*\{[^}]*\}", "", text))
    motions = [sc.load_motion(tmp_path / name) for name in ("ends.bvh", "none.bvh")]
    joints_m = [smpl_joints_m(KinematicCorrector()([motion])[0].motion) for motion in motions]
    np.testing.assert_allclose(joints_m[0], joints_m[1], atol=1e-6)


@pytest.mark.parametrize("suffix", [".glb", ".usda"])
def test_ankle_ends_are_no_toes(tmp_path: Path, walk: sc.Motion, suffix: str) -> None:
    """A clip without toe joints keeps its parts and figures as BVH."""
    if suffix == ".usda":
        pytest.importorskip("pxr")
    save_motion(tmp_path / "walk.bvh", walk)
    motion = sc.load_motion(tmp_path / "walk.bvh")
    save_motion(tmp_path / f"walk{suffix}", motion)
    converted = sc.load_motion(tmp_path / f"walk{suffix}")
    parts = [dict(zip(each.skeleton.parts, each.skeleton.names, strict=True)) for each in (motion, converted)]
    assert parts[0].keys() == parts[1].keys()
    assert sc.measure(converted).floating_m == pytest.approx(sc.measure(motion).floating_m, abs=0.001)
