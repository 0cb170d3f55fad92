"""USD animations, evaluated by USD itself."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from helpers import load_script
from scipy.spatial.transform import Rotation

from selfcorrect.commands.cli import main
from selfcorrect.core.errors import InputError
from selfcorrect.datasets.files.open import open_motion
from selfcorrect.datasets.files.rigs import usd
from selfcorrect.motion.body.smpl import SMPL_H
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion

pxr = pytest.importorskip("pxr", reason="needs the extra `usd`")


@pytest.fixture(scope="module")
def runner() -> ModuleType:
    """Return the child process's script as a module, without limits on memory and time."""
    module = load_script(usd._READER.with_name("run_reader.py"))
    module.limit_work = lambda *limits: None  # type: ignore[attr-defined]
    return module


@pytest.fixture(autouse=True)
def _in_this_process(request: pytest.FixtureRequest, runner: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read in this process; children would take longer.

    The slow test has some, and so have `test_formats.py` and others.
    """

    def ask(script: Path, name: str, path: Path, asked: Mapping[str, Any], limit_s: float) -> tuple[Any, np.ndarray]:
        limits = {"memory_bytes": 0, "processor_s": limit_s}
        request = json.loads(json.dumps({**asked, **limits, "path": str(path)}))
        facts, values = runner.answer_within_limits(str(script), request)
        if "error" in facts:
            raise InputError(f"{path}: not a readable {name} file ({facts['error']})")
        return json.loads(json.dumps(facts)), np.frombuffer(values.tobytes())

    if request.node.get_closest_marker("slow") is None:
        monkeypatch.setattr(usd, "ask_reader", ask)


@pytest.fixture
def motion() -> Motion:
    random = np.random.default_rng(3)
    rotations = Rotation.from_rotvec(np.cumsum(random.normal(0, 0.2, (12, 52, 3)), axis=0)).as_quat()
    return Motion(SMPL_H.average(), random.normal(0, 1, (12, 3)), rotations, 20.0)


@pytest.mark.parametrize("suffix", usd.SUFFIXES)
def test_joints_match_usd(tmp_path: Path, motion: Motion, suffix: str) -> None:
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
    with pytest.raises(ValueError, match=r"a\.fbx: USD.*\.usda"):
        usd.write_usd(tmp_path / "a.fbx", motion)


def walk() -> Motion:
    """Return a person who turns in all joints.

    The skeleton has its joints in the order in which files list them.
    """
    random = np.random.default_rng(3)
    rotations = Rotation.from_rotvec(np.cumsum(random.normal(0, 0.02, (40, 52, 3)), axis=0)).as_quat()
    root_m = np.cumsum(random.normal(0, 0.01, (40, 3)), axis=0) + np.array([0, 0.95, 0])
    return Motion(SMPL_H.average(), root_m, rotations, 30.0)


def off_m(path: Path, expected: Motion) -> float:
    """Return the largest distance of joints from a motion.

    The file's joints are matched by their names.
    """
    read = open_motion(path, any_body=True).motions[0]
    assert (read.fps, len(read)) == (expected.fps, len(expected))
    order = [read.skeleton.names.index(name) for name in expected.skeleton.names]
    return float(np.abs(joint_positions(read)[:, order] - joint_positions(expected)).max())


@pytest.mark.parametrize("suffix", usd.SUFFIXES)
def test_file_round_trip(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    usd.write_usd(path, walk())
    assert off_m(path, walk()) < 2e-6
    file = open_motion(path, any_body=True)
    copy = tmp_path / f"b{suffix}"
    file.write(copy, replace(file.motions[0], root_m=file.motions[0].root_m + 0.5))
    assert off_m(copy, replace(walk(), root_m=walk().root_m + 0.5)) < 2e-6


def author(
    path: Path,
    motion: Motion,
    *,
    codes_per_s: float = 24.0,
    unit_m: float = 0.01,
    stated_unit_m: float | None = 0.01,
    up: str = "Z",
) -> None:
    """Write a motion as other programs do.

    The skeleton is below a moved prim, has no scales, and is bound in another pose.
    """
    from pxr import Gf, Sdf, Usd, UsdGeom, UsdSkel, Vt

    stage = Usd.Stage.CreateNew(str(path))
    UsdGeom.SetStageUpAxis(stage, up)
    if stated_unit_m is not None:
        UsdGeom.SetStageMetersPerUnit(stage, stated_unit_m)
    stage.SetTimeCodesPerSecond(codes_per_s)
    stage.SetFramesPerSecond(30)
    UsdGeom.Xform.Define(stage, "/world").AddTranslateOp().Set(Gf.Vec3d(1 / unit_m, 0, 0))
    UsdSkel.Root.Define(stage, "/world/body")
    skeleton = UsdSkel.Skeleton.Define(stage, "/world/body/skeleton")
    names = motion.skeleton.names
    joints: list[str] = []
    for name, parent in zip(names, motion.skeleton.parents, strict=True):
        joints.append(name if parent < 0 else f"{joints[parent]}/{name}")
    skeleton.CreateJointsAttr(joints)
    skeleton.CreateRestTransformsAttr([Gf.Matrix4d(1.0)] * len(joints))
    skeleton.CreateBindTransformsAttr([Gf.Matrix4d(2.0)] * len(joints))
    binding = UsdSkel.BindingAPI.Apply(skeleton.GetPrim())
    binding.CreateAnimationSourceRel().SetTargets([Sdf.Path("/world/body/animation")])
    animation = UsdSkel.Animation.Define(stage, "/world/body/animation")
    animation.CreateJointsAttr(joints)
    translations, rotations = animation.CreateTranslationsAttr(), animation.CreateRotationsAttr()
    to_z_up = Rotation.from_euler("x", 90 if up == "Z" else 0, degrees=True)
    for frame in range(len(motion)):
        code = frame / motion.fps * codes_per_s
        places = motion.skeleton.offsets_m / unit_m
        places[0] = (to_z_up.apply(motion.root_m[frame]) - [1, 0, 0]) / unit_m
        turns = Rotation.from_quat(motion.rotations[frame])
        quaternions = turns.as_quat(scalar_first=True)
        quaternions[0] = (to_z_up * turns[0]).as_quat(scalar_first=True)
        translations.Set(Vt.Vec3fArray.FromNumpy(places.astype(np.float32)), code)
        rotations.Set(Vt.QuatfArray([Gf.Quatf(*quaternion) for quaternion in quaternions.tolist()]), code)
    stage.GetRootLayer().Save()


@pytest.mark.parametrize("codes_per_s", [24.0, 1.0, 30.0])
def test_time_codes_change_nothing(tmp_path: Path, codes_per_s: float) -> None:
    author(tmp_path / "a.usda", walk(), codes_per_s=codes_per_s)
    assert off_m(tmp_path / "a.usda", walk()) < 1e-5


@pytest.mark.parametrize("up", ["Y", "Z"])
@pytest.mark.parametrize(
    ("unit_m", "stated_unit_m", "limit_m"),
    [(1.0, 1.0, 1e-5), (0.0254, 0.0254, 1e-5), (0.01, None, 1e-5), (1.0, 0.01, 0.01)],
)
def test_units_and_axes_are_read(
    tmp_path: Path, unit_m: float, stated_unit_m: float | None, limit_m: float, up: str
) -> None:
    author(tmp_path / "a.usda", walk(), unit_m=unit_m, stated_unit_m=stated_unit_m, up=up)
    assert off_m(tmp_path / "a.usda", walk()) < limit_m


def refer(path: Path, scale: tuple[float, float, float] = (1, 1, 1), *, kind: str = "References") -> None:
    """Write a stage that refers to another file's person, ten codes later.

    The stage has 60 codes per second.
    """
    from pxr import Gf, Sdf, Usd, UsdGeom

    author(path.with_name("person.usda"), walk())
    stage = Usd.Stage.CreateNew(str(path))
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
    UsdGeom.SetStageMetersPerUnit(stage, 0.01)
    stage.SetTimeCodesPerSecond(60)
    UsdGeom.Xform.Define(stage, "/scene").AddScaleOp().Set(Gf.Vec3f(*scale))
    arcs = getattr(stage.DefinePrim("/scene/person"), f"Get{kind}")()
    getattr(arcs, f"Add{kind[:-1]}")("./person.usda", "/world", Sdf.LayerOffset(10, 1))
    stage.GetRootLayer().Save()


@pytest.mark.parametrize("kind", ["References", "Payloads"])
def test_foreign_files_are_read(tmp_path: Path, kind: str) -> None:
    refer(tmp_path / "a.usda", kind=kind)
    assert off_m(tmp_path / "a.usda", walk()) < 1e-5


def test_scaled_prim_enlarges_body(tmp_path: Path) -> None:
    refer(tmp_path / "a.usda", (1.1, 1.1, 1.1))
    skeleton = replace(walk().skeleton, offsets_m=walk().skeleton.offsets_m * 1.1)
    assert off_m(tmp_path / "a.usda", replace(walk(), skeleton=skeleton, root_m=walk().root_m * 1.1)) < 1e-5


@pytest.mark.parametrize(
    ("scale", "message"),
    [((1, 1, 2), "uneven scale"), ((-1, 1, 1), "mirror or flatten it"), ((1, 0, 1), "mirror or flatten it")],
)
def test_prims_below_no_body_are_named(tmp_path: Path, scale: tuple[float, float, float], message: str) -> None:
    refer(tmp_path / "a.usda", scale)
    with pytest.raises(InputError, match=rf"a\.usda.*{message}"):
        open_motion(tmp_path / "a.usda", any_body=True)


def test_missing_reference_is_named(tmp_path: Path) -> None:
    refer(tmp_path / "a.usda")
    (tmp_path / "person.usda").unlink()
    with pytest.raises(InputError, match=r"a\.usda:.*person\.usda"):
        open_motion(tmp_path / "a.usda", any_body=True)


@pytest.mark.slow
def test_command_corrects_foreign_files(tmp_path: Path, stepping: Motion) -> None:
    author(tmp_path / "a.usda", stepping)
    assert main(["correct", str(tmp_path / "a.usda"), "--kinematic", "-o", str(tmp_path / "out")]) == 0
    corrected = open_motion(tmp_path / "out" / "a.usda").motion
    assert (corrected.fps, len(corrected)) == (30, len(stepping))
    assert set(corrected.skeleton.names) == set(stepping.skeleton.names)
    lowest_m = joint_positions(corrected)[..., 1].min()
    assert lowest_m - joint_positions(stepping)[..., 1].min() == pytest.approx(0.06, abs=0.02)


def test_two_bodies_are_two_motions(tmp_path: Path) -> None:
    slower = replace(walk(), fps=20.0)
    usd.write_usd(tmp_path / "a.usda", walk(), slower)
    file = open_motion(tmp_path / "a.usda", any_body=True)
    assert [motion.fps for motion in file.motions] == [30, 20]
    file.write(tmp_path / "b.usda", None, file.motions[1])
    assert [motion.fps for motion in open_motion(tmp_path / "b.usda", any_body=True).motions] == [30, 20]


@pytest.mark.parametrize("content", ["#usda 1.0\n", "#usda 1.0\n(", "nothing", '#usda 1.0\ndef Skeleton "a" {}\n'])
def test_other_files_raise(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.usda").write_text(content)
    with pytest.raises(InputError, match=r"a\.usda: .*(USD file|animation)"):
        open_motion(tmp_path / "a.usda")


def test_endless_clip_raises(tmp_path: Path) -> None:
    from pxr import Usd

    usd.write_usd(tmp_path / "a.usda", walk())
    stage = Usd.Stage.Open(str(tmp_path / "a.usda"))
    rotations = stage.GetPrimAtPath("/motion/animation").GetAttribute("rotations")
    rotations.Set(rotations.Get(0), 1e10)
    stage.GetRootLayer().Save()
    with pytest.raises(InputError, match=r"a\.usda"):
        open_motion(tmp_path / "a.usda", any_body=True)


def test_usd_core_limitations(tmp_path: Path) -> None:
    """The rows of the page on other programs."""
    from pxr import Usd, UsdSkel

    author(tmp_path / "a.usda", walk())
    stage = Usd.Stage.Open(str(tmp_path / "a.usda"))
    cache = UsdSkel.Cache()
    cache.Populate(UsdSkel.Root(stage.GetPrimAtPath("/world/body")), Usd.PrimDefaultPredicate)
    query = cache.GetSkelQuery(UsdSkel.Skeleton(stage.GetPrimAtPath("/world/body/skeleton")))
    np.testing.assert_array_equal(query.ComputeJointLocalTransforms(9), query.ComputeJointLocalTransforms(0))
    animation = UsdSkel.Animation(stage.GetPrimAtPath("/world/body/animation"))
    codes = animation.GetRotationsAttr().GetTimeSamples()
    assert codes[30] == pytest.approx(24.0)  # a second
    assert (stage.GetTimeCodesPerSecond(), stage.GetFramesPerSecond()) == (24, 30)
    animation.CreateScalesAttr([(1, 1, 1)] * 52)
    cache.Clear()
    cache.Populate(UsdSkel.Root(stage.GetPrimAtPath("/world/body")), Usd.PrimDefaultPredicate)
    query = cache.GetSkelQuery(UsdSkel.Skeleton(stage.GetPrimAtPath("/world/body/skeleton")))
    assert np.any(np.array(query.ComputeJointLocalTransforms(9)) != np.array(query.ComputeJointLocalTransforms(0)))
