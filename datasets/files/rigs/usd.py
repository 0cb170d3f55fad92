"""Read and write skeleton animations in USD (UsdSkel), as Omniverse, Houdini, Maya and Blender use them.

Pixar's usd-core (extra `usd`) reads files in a child process. Files are written y up, in metres, with one time code per
frame.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.core.extras import requires_extra
from selfcorrect.motion.geometry.vectors import median
from selfcorrect.motion.kinematics import make_continuous
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import MAX_JOINTS
from selfcorrect.storage.files.writing import replacing

from ..motion_file import BYTES_PER_SAMPLED_JOINT, MotionFile, check_size, check_within
from ..native.child_process import ask_reader, limit_time_s
from ..sampling import make_key_clock
from ..skeletons.reading import Reading
from .animations import collect_animations, read_animation, write_new_file
from .rig import ANIMATED, LARGEST, Rig, build_motion, find_tree, make_unique, warn_of_changed_names

SUFFIXES = (".usda", ".usdc", ".usd")
_GENERATOR = "selfcorrect"
_PROPERTIES = {"translation": slice(0, 3), "rotation": slice(3, 7), "scale": slice(7, 10)}
_READER = Path(__file__).parents[1] / "native" / "usd_child.py"


def open_usd(path: Path, reading: Reading) -> MotionFile:
    """Open the skeleton animations of a USD file.

    Motions are y up, in metres and at the rate of the keys. Times are time codes divided by `timeCodesPerSecond`;
    `framesPerSecond` does not affect them. Attributes are read directly, because UsdSkel's own queries ignore
    animations without scales. Writing makes a new file, without meshes.
    """
    with requires_extra("USD"):
        if find_spec("pxr") is None:
            raise ModuleNotFoundError("the module pxr is not installed", name="pxr")
    facts, _ = ask_reader(_READER, "USD", path, {"most_joints": MAX_JOINTS}, limit_time_s(path))
    clips = [clip for clip in facts["clips"] if clip["times_s"]]
    if not clips:
        raise InputError(f"{path}: expected an animation of a skeleton, got none")
    beside = int(facts["bytes"])
    check_size(path, [(0, 0)] * len(clips), beside)
    try:
        trees = {name: _find_tree(joints) for name, joints in facts["skeletons"].items()}
        clocks = [make_key_clock([np.array(clip["times_s"])]) for clip in clips]
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    sizes = [(clock.frames, len(trees[clip["skeleton"]][0])) for clip, clock in zip(clips, clocks, strict=True)]
    check_size(path, sizes, beside, BYTES_PER_SAMPLED_JOINT)
    requests = []
    for clip, clock in zip(clips, clocks, strict=True):
        parents = trees[clip["skeleton"]][0]
        names = {"skeleton": clip["skeleton"], "animation": clip["animation"]}
        steps = {"start_s": clock.start_s, "frames": clock.frames, "fps": clock.fps}
        requests.append({**names, **steps, "parents": parents})
    counts = np.array([frames * joints for frames, joints in sizes])
    _, values = ask_reader(_READER, "USD", path, {"clips": requests}, limit_time_s(path, int(counts.sum())))
    ends = 10 * np.cumsum(counts)
    unit_m = reading.metres_per_unit
    if unit_m is None and facts["generator"] == _GENERATOR:
        unit_m = 1.0
    animations = []
    for clip, clock, size, numbers in zip(clips, clocks, sizes, np.split(values, ends[:-1]), strict=True):
        parents, tree = trees[clip["skeleton"]]
        poses = numbers.reshape(*size, 10)
        check_within(f"{path}: a joint is", poses, LARGEST)
        names = [facts["skeletons"][clip["skeleton"]][joint].rsplit("/", 1)[-1] for joint in tree]
        try:
            rest = [{kind: median(poses[:, joint, own], axis=0) for kind, own in _PROPERTIES.items()} for joint in tree]
            rig = Rig.from_tree(tree, parents, names, rest)
            binds = facts["binds"][clip["skeleton"]]
            if len(binds) == len(facts["skeletons"][clip["skeleton"]]):
                rig = replace(rig, bind={rig.names[index]: np.array(binds[joint]) for index, joint in enumerate(tree)})
            tracks = {}
            for index, joint in enumerate(tree):
                for kind, own in _PROPERTIES.items():
                    if kind == "rotation" or np.ptp(poses[:, joint, own], axis=0).max() > ANIMATED:
                        tracks[index, kind] = poses[:, joint, own]
            motion = build_motion(rig, tracks, clock.frames, clock.fps)
            label = clip["animation"].rsplit("/", 1)[-1]
            motion = replace(motion, label=label, source=str(path))
            animations.append(read_animation(rig, motion, tracks, reading, unit_m))
        except InputError as error:
            raise InputError(f"{path}: {error}" if str(path) not in str(error) else str(error)) from error
    notes = [clock.note for clock in clocks if clock.note]
    if facts["meshes"]:
        notes.append("meshes of USD files are not written")

    def write(target: Path, *changed: Motion | None) -> None:
        write_new_file(target, animations, changed, write_usd)

    return collect_animations(animations, write, [*dict.fromkeys(notes)])


def _find_tree(joints: Sequence[str]) -> tuple[list[int], list[int]]:
    """Find the parents of joints from their paths (−1 for a root), and the nodes of the largest tree."""
    joint_of_path = {path: joint for joint, path in enumerate(joints)}
    if len(joint_of_path) < len(joints):
        raise InputError("expected unique joints in a skeleton, got one twice")
    parents = []
    for path in joints:
        above = path.rpartition("/")[0]
        while above and above not in joint_of_path:  # UsdSkel allows paths that skip joints
            above = above.rpartition("/")[0]
        parents.append(joint_of_path.get(above, -1))
    return parents, find_tree(range(len(joints)), parents)


def write_usd(path: Path, *motions: Motion) -> None:
    """Write a skeleton and an animation for each motion, as text (.usda) or binary (.usdc, .usd)."""
    if path.suffix.lower() not in SUFFIXES:
        raise SettingError(f"{path}: USD files end in {', '.join(SUFFIXES)}")
    with requires_extra("USD"):
        import pxr
        from pxr import Gf, Tf, Usd, UsdGeom, UsdSkel, Vt  # noqa: F401  (makes them attributes of pxr)
    usd: Any = pxr
    fps = motions[0].fps
    with replacing(path) as temporary:
        stage = usd.Usd.Stage.CreateNew(str(temporary))
        usd.UsdGeom.SetStageUpAxis(stage, usd.UsdGeom.Tokens.y)
        usd.UsdGeom.SetStageMetersPerUnit(stage, 1.0)
        stage.GetRootLayer().customLayerData = {"generator": _GENERATOR}
        stage.SetTimeCodesPerSecond(fps)
        stage.SetFramesPerSecond(fps)
        stage.SetStartTimeCode(0)
        stage.SetEndTimeCode(max((len(motion) - 1) * fps / motion.fps for motion in motions))
        for number, motion in enumerate(motions, start=1):
            _define_body(stage, usd, "/motion" if number == 1 else f"/motion_{number}", motion, fps)
        stage.SetDefaultPrim(stage.GetPrimAtPath("/motion"))
        stage.GetRootLayer().Save()


def _define_body(stage: Any, usd: Any, top: str, motion: Motion, codes_per_s: float) -> None:
    """Define the root, the skeleton and the animation of a motion."""
    usd.UsdSkel.Root.Define(stage, top)
    identifiers = _make_identifiers(motion.skeleton.names, usd.Tf.MakeValidIdentifier)
    paths: list[str] = []  # UsdSkel names a joint by its path from the root
    for identifier, parent in zip(identifiers, motion.skeleton.parents, strict=True):
        paths.append(identifier if parent < 0 else f"{paths[parent]}/{identifier}")
    joints = usd.Vt.TokenArray(paths)
    # At rest, all rotations are the identity, and the root is at the origin.
    skeleton = usd.UsdSkel.Skeleton.Define(stage, f"{top}/skeleton")
    skeleton.CreateJointsAttr(joints)
    skeleton.CreateRestTransformsAttr(_make_translations(usd, motion.skeleton.offsets_m))
    skeleton.CreateBindTransformsAttr(_make_translations(usd, motion.skeleton.rest_positions_m))
    binding = usd.UsdSkel.BindingAPI.Apply(skeleton.GetPrim())
    binding.CreateAnimationSourceRel().SetTargets([usd.Sdf.Path(f"{top}/animation")])
    _define_animation(stage, usd, f"{top}/animation", joints, motion, codes_per_s)


def _make_identifiers(names: Sequence[str], identifier: Callable[[str], str]) -> tuple[str, ...]:
    """Convert names to valid, unique USD identifiers, and warn of names that change."""
    identifiers: Sequence[str] = [name.encode(errors="replace").decode() for name in names]
    while identifiers != (valid := tuple(map(identifier, make_unique(identifiers)))):
        identifiers = valid
    warn_of_changed_names("USD", names, valid)
    return valid


def _make_translations(usd: Any, offsets_m: np.ndarray) -> Any:
    matrices = np.tile(np.eye(4), (len(offsets_m), 1, 1))
    matrices[:, 3, :3] = offsets_m  # USD multiplies rows by matrices
    return usd.Vt.Matrix4dArray.FromNumpy(matrices)


def _define_animation(stage: Any, usd: Any, path: str, joints: Any, motion: Motion, codes_per_s: float) -> None:
    animation = usd.UsdSkel.Animation.Define(stage, path)
    animation.CreateJointsAttr(joints)
    translations = animation.CreateTranslationsAttr()
    rotations = animation.CreateRotationsAttr()
    animation.CreateScalesAttr(usd.Vt.Vec3hArray([usd.Gf.Vec3h(1, 1, 1)] * len(joints)))
    offsets_m = motion.skeleton.offsets_m.astype(np.float32)
    quats_wxyz = Rotation.from_quat(make_continuous(motion.rotations)).as_quat(scalar_first=True)
    for frame, root_m in enumerate(motion.root_m):
        code = frame * codes_per_s / motion.fps
        offsets_m[0] = root_m
        translations.Set(usd.Vt.Vec3fArray.FromNumpy(offsets_m), code)
        quaternions = [usd.Gf.Quatf(*quaternion) for quaternion in quats_wxyz[frame].tolist()]
        rotations.Set(usd.Vt.QuatfArray(quaternions), code)
