"""Other programs read our files as the page says.

Each real program is pinned, and the file that it wrote is compared, too. Programs are installed into temporary folders;
SELFCORRECT_PROGRAMS names a folder that keeps them.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from shutil import which
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from helpers import load_script
from posed_motions import walking
from scipy.spatial.transform import Rotation
from smpl_files import OFFSET, model_numbers

from selfcorrect.commands.check.against import Difference, compare_files
from selfcorrect.core.errors import InputError
from selfcorrect.datasets.files.open import open_motion, save_motion
from selfcorrect.datasets.files.rigs.gltf_document import read_document, write_document
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.motion.body.smpl import SMPL_H
from selfcorrect.motion.kinematics import joint_positions

pytestmark = [pytest.mark.long, pytest.mark.nightly]

READ_AND_WRITE_BVH = {
    "bvhio==1.5.4": "import bvhio; bvhio.writeBvh(target, bvhio.readAsBvh(source))",
    "bvhsdk==0.2.1": "import bvhsdk as b; b.WriteBVH(b.ReadFile(source), '', target[:-4], None, False, precision=6)",
    "bvhtoolbox==0.1.3": "from bvhtoolbox import BvhTree; BvhTree(open(source).read()).write_file(target)",
    "bvhtools==1.6.0": "from bvhTools.bvhIO import readBvh, writeBvh; writeBvh(readBvh(source), target)",
    "mcp-persor==1.0.6": "from mcp_persor import BVHparser; BVHparser(source).to_bvh(target)",
    "pybvh==0.9.0": "import pybvh; pybvh.read_bvh_file(source).write(target)",
    "upc-pymotion==0.3.4": "from pymotion.io.bvh import BVH; clip = BVH(); clip.load(source); clip.save(target)",
}
"""Per program, how it writes the BVH file that it reads."""
UNDECLARED = {"bvhtoolbox==0.1.3": ("setuptools<81",)}  # for pkg_resources
"""Packages that a program needs and does not declare."""
ARGUMENTS = "import json, sys; source, target = sys.argv[1:3]\n"
JAVASCRIPT = (
    "three@0.187.0",
    "@pixiv/three-vrm@3.5.5",
    "@pixiv/three-vrm-animation@3.5.5",
    "@gltf-transform/core@4.5.1",
    "@gltf-transform/functions@4.5.1",
)
Run = Callable[..., str]


@pytest.fixture(scope="session")
def install(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    top = Path(os.environ.get("SELFCORRECT_PROGRAMS") or tmp_path_factory.mktemp("programs"))

    def install(*packages: str, node: bool = False) -> Path:
        folder = top / re.sub(r"\W+", "-", packages[0]).strip("-")
        if not folder.exists():
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            npm = [which("npm") or "npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder)]
            words = npm if node else [*pip, "--no-compile", "--target", str(folder)]
            if node and not (which("node") and which("npm")):
                pytest.skip("needs Node.js")
            folder.mkdir(parents=True)
            ended = subprocess.run([*words, *packages], capture_output=True, text=True, check=False)
            if ended.returncode:
                folder.rename(folder.with_name(f"{folder.name}-failed-{os.getpid()}"))
                pytest.skip(f"{packages[0]} cannot be installed: {ended.stderr.strip()[-200:]}")
        return folder

    return install


@pytest.fixture
def python(install: Callable[..., Path], tmp_path: Path) -> Run:
    """Run a text with some packages and nothing else installed, and return its output."""

    def run(packages: Sequence[str], text: str, *words: Path | str, fails: bool = False) -> str:
        needed = [*packages, *UNDECLARED.get(packages[0], ())]
        environment = {**os.environ, "PYTHONPATH": str(install(*needed))}
        command = [sys.executable, "-P", "-S", "-c", ARGUMENTS + text, *map(str, words)]
        ended = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
        assert bool(ended.returncode) == fails, ended.stderr
        return ended.stdout + ended.stderr

    return run


@pytest.fixture
def node(install: Callable[..., Path]) -> Callable[..., Any]:
    """Run a module of `JAVASCRIPT`, and return the JSON that it prints last."""

    def run(text: str, *words: Path) -> Any:
        folder = install(*JAVASCRIPT, node=True)
        command = ["node", "--input-type=module", "-e", text, *map(str, words)]
        ended = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
        assert not ended.returncode, ended.stderr
        return json.loads(ended.stdout.splitlines()[-1])

    return run


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    """Write a walk of three seconds at 30 fps."""
    save_motion(tmp_path / "ours.bvh", walking())
    return tmp_path / "ours.bvh"


@pytest.fixture
def bare(ours: Path) -> Path:
    """The same walk without End Sites."""
    text = re.sub(r"\s*End Site\s*\{[^}]*\}", "", ours.read_text())
    ours.with_name("bare.bvh").write_text(text)
    return ours.with_name("bare.bvh")


def compare(after: Path, before: Path) -> Difference:
    return compare_files(after, before, Reading())


@pytest.mark.parametrize("program", READ_AND_WRITE_BVH)
def test_programs_keep_our_bvh(program: str, python: Run, ours: Path, tmp_path: Path) -> None:
    python([program], READ_AND_WRITE_BVH[program], ours, tmp_path / "theirs.bvh")
    difference = compare(tmp_path / "theirs.bvh", ours)
    assert not difference.missing
    assert not difference.exceeds(0.05)


@pytest.mark.parametrize(
    ("program", "message"),
    [("bvhtoolbox==0.1.3", "expected 54 finite numbers in frame 0, got 69"), ("bvhsdk==0.2.1", "got 'MOTION'")],
)
def test_files_without_ends_break(program: str, message: str, python: Run, bare: Path, tmp_path: Path) -> None:
    python([program], READ_AND_WRITE_BVH[program], bare, tmp_path / "theirs.bvh")
    with pytest.raises(InputError, match=message):
        open_motion(tmp_path / "theirs.bvh")


def test_mcp_persor_needs_ends(python: Run, bare: Path) -> None:
    program = "mcp-persor==1.0.6"
    assert "_End_left_foot" in python([program], READ_AND_WRITE_BVH[program], bare, "theirs.bvh", fails=True)


def test_pybvh_misses_foot_tips(python: Run, ours: Path, bare: Path) -> None:
    text = "import pybvh; print(pybvh.analysis.auto_detect_foot_joints(pybvh.read_bvh_file(source)))"
    assert "no candidates have tip" in python(["pybvh==0.9.0"], text, bare, "")
    assert python(["pybvh==0.9.0"], text, ours, "").split() == ["['left_foot',", "'right_foot']"]


def test_bvhio_rebuilds_ends(python: Run, ours: Path, tmp_path: Path) -> None:
    text = "import bvhio; bvhio.writeHierarchy(target, bvhio.readAsHierarchy(source), 1 / 30)"
    python(["bvhio==1.5.4"], text, ours, tmp_path / "theirs.bvh")
    assert "CHANNELS 0" in (tmp_path / "theirs.bvh").read_text()
    before, after = open_motion(ours).motion, open_motion(tmp_path / "theirs.bvh").motion
    names = after.skeleton.names
    tip_m = np.linalg.norm(after.skeleton.offsets_m[names.index("left_foot_end")])
    assert tip_m == pytest.approx(0.3 * np.linalg.norm(after.skeleton.offsets_m[names.index("left_foot")]), rel=0.01)
    order = [names.index(name) for name in walking().skeleton.names]
    same = [before.skeleton.names.index(name) for name in walking().skeleton.names]
    np.testing.assert_allclose(joint_positions(after)[:, order], joint_positions(before)[:, same], atol=1e-3)


def test_bvhsdk_rounds_frame_times(python: Run, tmp_path: Path) -> None:
    save_motion(tmp_path / "fast.bvh", replace(walking(), fps=120.0))
    text = READ_AND_WRITE_BVH["bvhsdk==0.2.1"]
    python(["bvhsdk==0.2.1"], text, tmp_path / "fast.bvh", tmp_path / "theirs.bvh")
    assert "Frame Time: 0.00833\n" in (tmp_path / "theirs.bvh").read_text()
    assert open_motion(tmp_path / "theirs.bvh").motion.fps == 120


def test_pymotion_lengthens_motion(python: Run, ours: Path, tmp_path: Path) -> None:
    text = "from pymotion.io.bvh import BVH; b = BVH(); b.load(source); b.resample(target_fps=60); b.save(target)"
    python(["upc-pymotion==0.3.4"], text, ours, tmp_path / "theirs.bvh")
    resampled = open_motion(tmp_path / "theirs.bvh").motion
    assert (len(resampled), resampled.fps) == (180, 60)  # 89 intervals of 90 frames become 179
    difference = compare(tmp_path / "theirs.bvh", ours)
    assert difference.exceeds(5.0)
    assert difference.stretch == pytest.approx(179 / 178)


def test_three_js_adds_root_offset(node: Callable[..., Any], ours: Path) -> None:
    text = """
    import { readFileSync } from 'node:fs';
    import * as THREE from 'three';
    import { BVHLoader } from 'three/examples/jsm/loaders/BVHLoader.js';
    const { skeleton, clip } = new BVHLoader().parse(readFileSync(process.argv[1], 'utf8'));
    const mixer = new THREE.AnimationMixer(skeleton.bones[0]);
    mixer.clipAction(clip).play();
    mixer.setTime(1);
    skeleton.bones[0].updateMatrixWorld(true);
    const places = skeleton.bones.map(bone => [bone.name, bone.getWorldPosition(new THREE.Vector3()).toArray()]);
    console.log(JSON.stringify(Object.fromEntries(places)));
    """
    motion = open_motion(ours).motion
    feet = ("pelvis", "left_foot", "right_wrist")
    expected_cm = 100 * joint_positions(motion)[30, [motion.skeleton.names.index(name) for name in feet]]
    places = node(text, ours)
    np.testing.assert_allclose([places[name] for name in feet], expected_cm, atol=0.01)
    moved = ours.with_name("moved.bvh")
    moved.write_text(ours.read_text().replace("OFFSET 0.000000 0.000000 0.000000", "OFFSET 3 5 7", 1))
    assert not compare(moved, ours).exceeds(0.01)  # as Blender reads such a file
    places = node(text, moved)
    np.testing.assert_allclose([places[name] for name in feet], expected_cm + np.array([3, 5, 7]), atol=0.01)


def test_gltf_transform_moves_slow_sway(node: Callable[..., Any], ours: Path, tmp_path: Path) -> None:
    text = """
    import { NodeIO } from '@gltf-transform/core';
    import { resample } from '@gltf-transform/functions';
    const io = new NodeIO();
    const document = await io.read(process.argv[1]);
    await document.transform(resample());
    await io.write(process.argv[2], document);
    console.log('null');
    """
    phase = np.arange(300) * 2 * np.pi / 300
    rotations = np.tile([0.0, 0, 0, 1], (300, 22, 1))
    rotations[:, 0] = Rotation.from_rotvec(0.05 * np.sin(phase)[:, None] * [0, 0, 1]).as_quat()
    root_m = np.stack([0.03 * np.sin(phase), np.full(300, 0.95), np.zeros(300)], axis=1)
    save_motion(tmp_path / "sway.glb", replace(walking(), root_m=root_m, rotations=rotations))
    save_motion(tmp_path / "walk.glb", walking())
    for name, least_mm, most_mm in (("sway", 1.0, 20.0), ("walk", 0.0, 1.0)):
        node(text, tmp_path / f"{name}.glb", tmp_path / f"{name}-after.glb")
        difference = compare(tmp_path / f"{name}-after.glb", tmp_path / f"{name}.glb")
        assert least_mm <= difference.worst_mm < most_mm


def test_three_vrm_scales_hips(node: Callable[..., Any], tmp_path: Path) -> None:
    text = """
    import { readFileSync } from 'node:fs';
    import * as THREE from 'three';
    import { GLTFLoader } from 'three/examples/jsm/loaders/GLTFLoader.js';
    import { VRMLoaderPlugin } from '@pixiv/three-vrm';
    import { VRMAnimationLoaderPlugin, createVRMAnimationClip } from '@pixiv/three-vrm-animation';
    const load = async path => {
      const loader = new GLTFLoader();
      loader.register(parser => new VRMLoaderPlugin(parser));
      loader.register(parser => new VRMAnimationLoaderPlugin(parser));
      const bytes = readFileSync(path);
      return loader.parseAsync(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength), '');
    };
    const vrm = (await load(process.argv[2])).userData.vrm;
    const animation = (await load(process.argv[1])).userData.vrmAnimations[0];
    const mixer = new THREE.AnimationMixer(vrm.scene);
    mixer.clipAction(createVRMAnimationClip(animation, vrm)).play();
    mixer.setTime(1);
    vrm.update(0);
    vrm.scene.updateMatrixWorld(true);
    const place = name => vrm.humanoid.getRawBoneNode(name).getWorldPosition(new THREE.Vector3()).toArray();
    console.log(JSON.stringify(['hips', 'leftFoot', 'rightHand'].map(place)));
    """
    save_motion(tmp_path / "ours.vrma", walking())
    document = read_document(tmp_path / "ours.vrma")
    motion = open_motion(tmp_path / "ours.vrma", any_body=True).motion
    parts = [motion.skeleton.joint(part) for part in ("pelvis", "left_ankle", "right_wrist")]
    bones = document.content["extensions"]["VRMC_vrm_animation"]["humanoid"]
    meta = {"name": "a", "authors": ["a"], "licenseUrl": "https://vrm.dev/licenses/1.0/"}
    for scale in (1.0, 0.5):
        nodes = [
            node | {"translation": [scale * number for number in node.get("translation", (0, 0, 0))]}
            for node in document.content["nodes"]
        ]
        extensions = {"VRMC_vrm": {"specVersion": "1.0", "meta": meta, "humanoid": bones}}
        content = {**document.content, "nodes": nodes, "extensionsUsed": ["VRMC_vrm"], "extensions": extensions}
        del content["animations"]
        write_document(tmp_path / "avatar.glb", replace(document, content=content))
        places = node(text, tmp_path / "ours.vrma", tmp_path / "avatar.glb")
        np.testing.assert_allclose(places, scale * joint_positions(motion)[30, parts], atol=1e-3)


def test_ezc3d_counts_from_0(python: Run, tmp_path: Path) -> None:
    text = """
import ezc3d, numpy as np
file = ezc3d.c3d()
file["parameters"]["POINT"]["RATE"]["value"] = [100.0]
file["parameters"]["POINT"]["LABELS"]["value"] = ["HEAD"]
file["data"]["points"] = np.ones((4, 1, 50))
file["data"]["points"][:3, 0, 10:20] = np.nan
file["header"]["points"]["first_frame"] = 100
file.write(target)
read = ezc3d.c3d(target)
hidden = np.isnan(read["data"]["points"][0, 0])
print(json.dumps([read["header"]["points"]["first_frame"], np.flatnonzero(hidden).tolist()]))
"""
    first, hidden = json.loads(python(["ezc3d==1.7.2"], text, "", tmp_path / "a.c3d"))
    assert first == 100
    assert np.frombuffer((tmp_path / "a.c3d").read_bytes()[6:10], "<u2").tolist() == [101, 150]
    assert hidden == list(range(10, 20))
    with pytest.raises(InputError, match="without a skeleton"):
        open_motion(tmp_path / "a.c3d")


def test_smplx_pelvis_is_offset(tmp_path: Path) -> None:
    smplx = pytest.importorskip("smplx")
    import torch

    hands = dict.fromkeys(("hands_componentsl", "hands_componentsr"), np.eye(45))
    means = dict.fromkeys(("hands_meanl", "hands_meanr"), np.zeros(45))
    np.savez(tmp_path / "SMPLH_NEUTRAL.npz", **model_numbers(SMPL_H), **hands, **means)
    motion = replace(walking(), skeleton=SMPL_H.average(), rotations=np.tile([0.0, 0, 0, 1], (90, 52, 1)))
    motion.rotations[:, :22] = walking().rotations
    save_motion(tmp_path / "ours.npz", motion)
    arrays = np.load(tmp_path / "ours.npz")
    poses = torch.as_tensor(arrays["poses"], dtype=torch.float32)
    model = smplx.SMPLHLayer(str(tmp_path / "SMPLH_NEUTRAL.npz"), ext="npz")
    turns = torch.as_tensor(Rotation.from_rotvec(poses.reshape(-1, 3).numpy()).as_matrix(), dtype=torch.float32)
    turns = turns.reshape(90, 52, 3, 3)
    transl = torch.as_tensor(arrays["trans"], dtype=torch.float32)
    for stature in (0.0, 2.0):
        betas = torch.zeros(90, 10)
        betas[:, 0] = stature
        joints = model(
            betas=betas, global_orient=turns[:, :1], body_pose=turns[:, 1:22],
            left_hand_pose=turns[:, 22:37], right_hand_pose=turns[:, 37:], transl=transl,
        ).joints.numpy()  # fmt: skip
        beside_m = (1 + 0.1 * stature) * OFFSET
        np.testing.assert_allclose(joints[:, 0], arrays["trans"] + beside_m, atol=2e-3)


BLENDER = """
import bpy

def fresh():
    bpy.ops.wm.read_factory_settings(use_empty=True)

def armature():
    return next(item for item in bpy.data.objects if item.type == "ARMATURE")

def seconds():
    first, last = bpy.data.actions[0].frame_range
    return (last - first) * bpy.context.scene.render.fps_base / bpy.context.scene.render.fps

def knee():
    return list(armature().data.bones["left_knee"].head_local)

facts = {}
for name, read in (
    ("bvh", bpy.ops.import_anim.bvh), ("usda", bpy.ops.wm.usd_import), ("glb", bpy.ops.import_scene.gltf)
):
    fresh()
    read(filepath=f"ours.{name}")
    facts[name] = seconds()
    if name == "glb":
        facts["key"] = bpy.data.actions[0].fcurves[0].keyframe_points[1].co[0]
fresh()
bpy.ops.import_anim.bvh(filepath="bare.bvh")
facts["bare"] = armature().data.bones["left_foot"].length
fresh()
bpy.ops.import_anim.bvh(filepath="ours.bvh", update_scene_fps=True)
facts["rate first"] = seconds()
facts["tip"] = armature().data.bones["left_foot"].length
facts["rest"] = knee()
bpy.context.scene.frame_end = 90
bpy.context.scene.frame_set(30)
facts["posed"] = list(armature().pose.bones["left_knee"].head)
armature().scale = (0.5, 0.5, 0.5)
bpy.ops.export_anim.bvh(filepath="half.bvh", frame_start=1, frame_end=90)
armature().scale = (1, 1, 1)
for factor in (0, 1):
    bpy.ops.export_scene.fbx(
        filepath=f"simplify{factor}.fbx", bake_anim_simplify_factor=factor, object_types={"ARMATURE"}
    )
bpy.ops.export_scene.gltf(filepath="blender.glb")
bpy.ops.wm.usd_export(filepath="blender.usda", export_animation=True)
for name, read in (("simplify0.fbx", bpy.ops.import_scene.fbx), ("blender.glb", bpy.ops.import_scene.gltf)):
    fresh()
    read(filepath=name)
    facts[name] = knee()
print("\\n" + json.dumps(facts))
"""


def test_blender(python: Run, ours: Path, bare: Path, tmp_path: Path) -> None:
    for suffix in ("glb", "usda"):
        save_motion(tmp_path / f"ours.{suffix}", walking())
    output = python(["bpy==4.5.15", "numpy<2"], BLENDER, ours, bare)
    facts = json.loads(next(line for line in output.splitlines() if line.startswith("{")))
    duration_s = 89 / 30
    durations_s = [facts[name] / duration_s for name in ("bvh", "usda", "glb", "rate first")]
    assert durations_s == pytest.approx([1.25, 1.25, 1, 1], abs=1e-3)
    assert facts["key"] == pytest.approx(24 / 30, abs=1e-4)  # between frames
    assert (facts["bare"], facts["tip"]) == pytest.approx((0.1, 7.9), abs=0.01)
    assert facts["blender.glb"] == pytest.approx(facts["rest"], abs=0.01)
    assert facts["simplify0.fbx"] == pytest.approx(facts["posed"], abs=0.01)
    assert not np.allclose(facts["posed"], facts["rest"], atol=10)
    assert not compare(tmp_path / "half.bvh", ours).exceeds(0.05)  # the object's scale is lost
    assert 1.0 < compare(tmp_path / "simplify1.fbx", ours).worst_mm < 10.0
    for name in ("simplify0.fbx", "blender.glb", "blender.usda"):
        difference = compare(tmp_path / name, ours)
        assert difference.worst_mm < 0.05
        assert difference.exceeds(0.05) == bool(difference.rest_deg) == (name == "simplify0.fbx")  # it rests posed
        assert all(joint.endswith("_end") for joint in difference.missing)


@pytest.mark.parametrize(("fps", "theirs"), [(25, 30), (50, 50), (100, 100 / 3), (120, 30)])
def test_gmr_keeps_rates_below_60(fps: int, theirs: float, install: Callable[..., Path]) -> None:
    folder = install("git+https://github.com/YanjieZe/GMR@0df3d88026b85a2e74a13d5144b40b36762ae12b", "--no-deps")
    gmr = load_script(folder / "general_motion_retargeting/utils/smpl.py")
    frames, joints = 4 * fps, 55
    poses = torch.zeros(frames, 3 * joints)
    body = SimpleNamespace(parents=np.maximum(np.arange(joints) - 1, 0))
    output = SimpleNamespace(global_orient=poses[:, :3], full_pose=poses, joints=torch.zeros(frames, 127, 3))
    file = {"mocap_frame_rate": np.array(fps), "pose_body": np.zeros((frames, 63))}
    resampled, own_fps = gmr.get_smplx_data_offline_fast(file, body, output)
    assert own_fps == pytest.approx(theirs, abs=0.1)
    assert len(resampled) / own_fps == pytest.approx(4 * fps / theirs if fps < 30 else 4, abs=0.02)
