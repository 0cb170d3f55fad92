"""Motions as USD animations (UsdSkel), for Omniverse, Houdini, Maya and Blender.

Needs the extra `usd`: Pixar's usd-core, imported when a file is written. y up, metres, a time code per frame.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.core.errors import SettingError
from selfcorrect.core.extras import requires_extra
from selfcorrect.motion.geometry.kinematics import make_continuous
from selfcorrect.motion.motion import Motion
from selfcorrect.storage.files.writing import replacing

from .rig import unique, warn_of_changed_names

SUFFIXES = (".usda", ".usdc", ".usd")


def write_usd(path: Path, motion: Motion) -> None:
    """Write a skeleton and its animation as .usda (text), .usdc or .usd (binary)."""
    if path.suffix not in SUFFIXES:
        raise SettingError(f"{path}: USD files end in {', '.join(SUFFIXES)}")
    with requires_extra("USD"):
        import pxr
        from pxr import Gf, Tf, Usd, UsdGeom, UsdSkel, Vt  # noqa: F401  (makes them attributes of pxr)
    usd: Any = pxr
    with replacing(path) as temporary:
        stage = usd.Usd.Stage.CreateNew(str(temporary))
        usd.UsdGeom.SetStageUpAxis(stage, usd.UsdGeom.Tokens.y)
        usd.UsdGeom.SetStageMetersPerUnit(stage, 1.0)
        stage.SetTimeCodesPerSecond(motion.fps)
        stage.SetStartTimeCode(0)
        stage.SetEndTimeCode(len(motion) - 1)
        root = usd.UsdSkel.Root.Define(stage, "/motion")
        stage.SetDefaultPrim(root.GetPrim())
        identifiers = _identifiers(motion.skeleton.names, usd.Tf.MakeValidIdentifier)
        paths: list[str] = []  # UsdSkel's names of joints: the path from the root
        for identifier, parent in zip(identifiers, motion.skeleton.parents, strict=True):
            paths.append(identifier if parent < 0 else f"{paths[parent]}/{identifier}")
        joints = usd.Vt.TokenArray(paths)
        # At rest all rotations are at identity, and the root is at the origin.
        skeleton = usd.UsdSkel.Skeleton.Define(stage, "/motion/skeleton")
        skeleton.CreateJointsAttr(joints)
        skeleton.CreateRestTransformsAttr(_translations(usd, motion.skeleton.offsets_m))
        skeleton.CreateBindTransformsAttr(_translations(usd, motion.skeleton.rest_positions_m))
        binding = usd.UsdSkel.BindingAPI.Apply(skeleton.GetPrim())
        binding.CreateAnimationSourceRel().SetTargets([usd.Sdf.Path("/motion/animation")])
        _define_animation(stage, usd, joints, motion)
        stage.GetRootLayer().Save()


def _identifiers(names: Sequence[str], identifier: Callable[[str], str]) -> tuple[str, ...]:
    """Return USD's identifiers for names, none of them twice; a warning names those that had to be changed."""
    identifiers: Sequence[str] = [name.encode(errors="replace").decode() for name in names]
    while identifiers != (valid := tuple(map(identifier, unique(identifiers)))):
        identifiers = valid
    warn_of_changed_names("USD", names, valid)
    return valid


def _translations(usd: Any, offsets_m: np.ndarray) -> Any:
    matrices = np.tile(np.eye(4), (len(offsets_m), 1, 1))
    matrices[:, 3, :3] = offsets_m  # USD multiplies rows by matrices
    return usd.Vt.Matrix4dArray.FromNumpy(matrices)


def _define_animation(stage: Any, usd: Any, joints: Any, motion: Motion) -> None:
    animation = usd.UsdSkel.Animation.Define(stage, "/motion/animation")
    animation.CreateJointsAttr(joints)
    translations = animation.CreateTranslationsAttr()
    rotations = animation.CreateRotationsAttr()
    animation.CreateScalesAttr(usd.Vt.Vec3hArray([usd.Gf.Vec3h(1, 1, 1)] * len(joints)))
    offsets_m = motion.skeleton.offsets_m.astype(np.float32)
    turns = Rotation.from_quat(make_continuous(motion.rotations)).as_quat(scalar_first=True)
    for frame, root_m in enumerate(motion.root_m):
        offsets_m[0] = root_m
        translations.Set(usd.Vt.Vec3fArray.FromNumpy(offsets_m), frame)
        quaternions = [usd.Gf.Quatf(*quaternion) for quaternion in turns[frame].tolist()]
        rotations.Set(usd.Vt.QuatfArray(quaternions), frame)
