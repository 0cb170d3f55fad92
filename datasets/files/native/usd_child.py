"""The child process that reads USD files with usd-core: run as a script, by path, with nothing else imported.

The process answers a request in JSON on standard input; see `ask_reader`.
"""

import json
import os
import signal
import struct
import sys
from array import array
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

os.environ["PXR_WORK_THREAD_LIMIT"] = "1"  # a thread of TBB reserves memory that counts
Gf: Any = import_module("pxr.Gf")
Usd: Any = import_module("pxr.Usd")
UsdGeom: Any = import_module("pxr.UsdGeom")
UsdSkel: Any = import_module("pxr.UsdSkel")

_MOST_PRIMS = 200_000
"""Prims of a stage that are visited, at most."""


def answer_usd_request(request: dict[str, Any]) -> tuple[dict[str, Any], array]:
    """Return JSON and numbers about a file: skeletons and clips, or where the joints are in the clips."""
    try:
        _limit_work(request["memory_bytes"], request["processor_s"])
        stage = Usd.Stage.Open(request["path"])
        if "clips" in request:
            values = array("d")
            for clip in request["clips"]:
                values.frombytes(_sample(stage, clip).tobytes())
            return {}, values
        return _describe(stage)
    except MemoryError:
        return {"error": "it takes too much memory"}, array("d")
    except Exception as error:  # a sentence for the parent
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return {"error": lines[-1][:300] if lines else type(error).__name__}, array("d")


def _limit_work(memory_bytes: int, processor_s: float) -> None:
    """Limit memory, and the time of a process that the parent can no longer end."""
    if sys.platform == "win32":
        return
    import resource

    limits = ((resource.RLIMIT_AS, memory_bytes), (resource.RLIMIT_CPU, int(processor_s) + 1))
    for kind, limit in limits:
        _, hard = resource.getrlimit(kind)
        if hard == resource.RLIM_INFINITY or limit < hard:
            resource.setrlimit(kind, (limit, hard))


def _describe(stage: Any) -> tuple[dict[str, Any], array]:
    """Return skeletons with joints, and clips: a skeleton, an animation, and the times in seconds of keys."""
    skeletons: dict[str, list[str]] = {}
    binds: dict[str, list[list[float]]] = {}
    animations: list[Any] = []
    bound: list[tuple[str, Any]] = []
    meshes = 0
    for count, prim in enumerate(Usd.PrimRange(stage.GetPseudoRoot(), Usd.TraverseInstanceProxies())):
        if count > _MOST_PRIMS:
            raise ValueError(f"it has over {_MOST_PRIMS} prims")
        meshes += prim.IsA(UsdGeom.Mesh)
        if prim.IsA(UsdSkel.Animation):
            animations.append(prim)
        elif prim.IsA(UsdSkel.Skeleton):
            path = str(prim.GetPath())
            skeletons[path] = [str(joint) for joint in UsdSkel.Skeleton(prim).GetJointsAttr().Get() or ()]
            transforms = UsdSkel.Skeleton(prim).GetBindTransformsAttr().Get() or ()
            binds[path] = [[*map(float, transform.ExtractTranslation())] for transform in transforms]
            source = UsdSkel.BindingAPI(prim).GetInheritedAnimationSource()
            if source and source.IsA(UsdSkel.Animation):
                bound.append((path, source))
    played = {source.GetPath() for _, source in bound}
    for animation in animations:  # those that no skeleton plays, on the first skeleton that has their joints
        joints = set(UsdSkel.Animation(animation).GetJointsAttr().Get() or ())
        fitting = [path for path, names in skeletons.items() if joints and joints <= set(names)]
        if animation.GetPath() not in played and fitting:
            bound.append((fitting[0], animation))
    clips = []
    for path, source in bound:
        times = [code / stage.GetTimeCodesPerSecond() for code in _key_codes(stage, path, source)]
        clips.append({"skeleton": path, "animation": str(source.GetPath()), "times_s": times})
    if not clips:
        _check_layers(stage)
    layers = [layer.realPath for layer in stage.GetUsedLayers() if os.path.isfile(layer.realPath)]
    facts = {
        "generator": str(stage.GetRootLayer().customLayerData.get("generator", "")),
        "skeletons": skeletons,
        "binds": binds,
        "clips": clips,
        "meshes": meshes,
        "bytes": sum(map(os.path.getsize, layers)),
    }
    return facts, array("d")


def _check_layers(stage: Any) -> None:
    """Raise an error that names a layer or asset that a stage refers to and that is not there."""
    _, _, missing = import_module("pxr.UsdUtils").ComputeAllDependencies(stage.GetRootLayer().identifier)
    if missing:
        raise ValueError(f"it refers to {missing[0]}, which is not there")


def _key_codes(stage: Any, skeleton: str, source: Any) -> list[float]:
    """Return the time codes of the keys of an animation, or of a prim above the skeleton."""
    animation = UsdSkel.Animation(source)
    codes: set[float] = set()
    for attribute in (animation.GetTranslationsAttr(), animation.GetRotationsAttr(), animation.GetScalesAttr()):
        codes.update(attribute.GetTimeSamples())
    if not codes:
        prim = stage.GetPrimAtPath(skeleton)
        while prim and not prim.IsPseudoRoot():
            codes.update(UsdGeom.Xformable(prim).GetTimeSamples() if prim.IsA(UsdGeom.Xformable) else ())
            prim = prim.GetParent()
    return sorted(codes)


def _sample(stage: Any, clip: dict[str, Any]) -> np.ndarray:
    """Return translation, rotation xyzw and scale (T, J, 10) of a skeleton's joints, y up, in metres.

    The transforms of the prims above the skeleton are part of the places of root joints.
    """
    prim = stage.GetPrimAtPath(clip["skeleton"])
    skeleton = UsdSkel.Skeleton(prim)
    joints = list(skeleton.GetJointsAttr().Get())
    rest = _rest(skeleton, joints)
    animation = UsdSkel.Animation(stage.GetPrimAtPath(clip["animation"]))
    animated = list(animation.GetJointsAttr().Get() or joints)
    columns = [joints.index(joint) for joint in animated if joint in joints]
    rows = [row for row, joint in enumerate(animated) if joint in joints]
    roots = [index for index, parent in enumerate(clip["parents"]) if parent < 0]
    to_metres = _stage_to_metres(stage)
    poses = np.tile(rest, (clip["frames"], 1, 1))
    attributes = (
        (animation.GetTranslationsAttr(), slice(0, 3)),
        (animation.GetRotationsAttr(), slice(3, 7)),
        (animation.GetScalesAttr(), slice(7, 10)),
    )
    for frame in range(clip["frames"]):
        code = (clip["start_s"] + frame / clip["fps"]) * stage.GetTimeCodesPerSecond()
        for attribute, place in attributes:
            authored = attribute.Get(code) if attribute else None
            if not authored:
                continue
            numbers = np.array(authored, dtype=float)
            if len(numbers) != len(animated):
                raise ValueError(f"{attribute.GetPath()} has {len(numbers)} values for {len(animated)} joints")
            poses[frame, columns, place] = numbers[rows]
        world = UsdGeom.Xformable(prim).ComputeLocalToWorldTransform(code) * to_metres
        if world.GetDeterminant() <= 0:
            raise ValueError(f"the prims above {clip['skeleton']} mirror or flatten it")
        above = _decompose(world)
        for root in roots:
            poses[frame, root] = _place_below(above, world, poses[frame, root])
    return poses


def _stage_to_metres(stage: Any) -> Any:
    """Return the matrix from the frame of a stage to y up and metres."""
    turn = Gf.Matrix4d(1.0)
    if UsdGeom.GetStageUpAxis(stage) == UsdGeom.Tokens.z:
        turn.SetRotate(Gf.Rotation(Gf.Vec3d(1, 0, 0), -90))
    return turn * Gf.Matrix4d(1.0).SetScale(UsdGeom.GetStageMetersPerUnit(stage))


def _rest(skeleton: Any, joints: Sequence[str]) -> np.ndarray:
    """Return translation, rotation and scale (J, 10) of the joints at rest."""
    transforms = skeleton.GetRestTransformsAttr().Get() or ()
    if len(transforms) != len(joints):
        transforms = [Gf.Matrix4d(1.0)] * len(joints)
    return np.array([_decompose(transform) for transform in transforms]).reshape(-1, 10)


def _decompose(matrix: Any) -> np.ndarray:
    """Return translation, rotation xyzw and scale (10,) of a matrix."""
    transform = Gf.Transform(matrix)
    quaternion = transform.GetRotation().GetQuat()
    return np.array(
        [*transform.GetTranslation(), *quaternion.GetImaginary(), quaternion.GetReal(), *transform.GetScale()]
    )


def _place_below(above: np.ndarray, world: Any, place: np.ndarray) -> np.ndarray:
    """Return a place in the frame of a prim as a place in the world."""
    upper = Gf.Quatd(above[6], Gf.Vec3d(*above[3:6]))
    lower = Gf.Quatd(place[6], Gf.Vec3d(*place[3:6]))
    turned = upper * lower
    translation = world.Transform(Gf.Vec3d(*place[:3]))
    return np.array([*translation, *turned.GetImaginary(), turned.GetReal(), *(above[7:] * place[7:])])


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # its parent decides when it ends
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what native code prints is no answer
    facts, values = answer_usd_request(json.load(sys.stdin.buffer))  # noqa: TID251 - of the parent
    text = json.dumps(facts).encode()
    answers.write(struct.pack("<Q", len(text)) + text + values.tobytes())
    answers.flush()
    os._exit(0)
