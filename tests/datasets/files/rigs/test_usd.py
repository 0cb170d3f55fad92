"""USD animations, evaluated by USD itself."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from selfcorrect.datasets.files.rigs import usd
from selfcorrect.motion.body.smpl import SMPL_H
from selfcorrect.motion.geometry.kinematics import joint_positions
from selfcorrect.motion.motion import Motion

pxr = pytest.importorskip("pxr", reason="needs the extra `usd`")


@pytest.fixture
def motion() -> Motion:
    random = np.random.default_rng(3)
    rotations = Rotation.from_rotvec(np.cumsum(random.normal(0, 0.2, (12, 52, 3)), axis=0)).as_quat()
    return Motion(SMPL_H.average(), random.normal(0, 1, (12, 3)), rotations, 20.0)


@pytest.mark.parametrize("suffix", usd.SUFFIXES)
def test_joints_are_where_usd_finds_them(tmp_path: Path, motion: Motion, suffix: str) -> None:
    from pxr import Usd, UsdGeom, UsdSkel

    usd.write_usd(tmp_path / f"a{suffix}", motion)
    stage = Usd.Stage.Open(str(tmp_path / f"a{suffix}"))
    assert (stage.GetTimeCodesPerSecond(), stage.GetEndTimeCode()) == (20, 11)
    assert (UsdGeom.GetStageUpAxis(stage), UsdGeom.GetStageMetersPerUnit(stage)) == ("Y", 1)
    cache = UsdSkel.Cache()
    cache.Populate(UsdSkel.Root(stage.GetDefaultPrim()), Usd.PrimDefaultPredicate)
    query = cache.GetSkelQuery(UsdSkel.Skeleton(stage.GetPrimAtPath("/motion/skeleton")))
    for frame in (0, 7, 11):
        joints_m = np.array(query.ComputeJointSkelTransforms(frame))[:, 3, :3]
        np.testing.assert_allclose(joints_m, joint_positions(motion)[frame], atol=1e-5)


def test_another_suffix_is_refused(tmp_path: Path, motion: Motion) -> None:
    with pytest.raises(ValueError, match=r"a\.fbx: USD files end in \.usda"):
        usd.write_usd(tmp_path / "a.fbx", motion)
