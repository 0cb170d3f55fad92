"""Read USD files with usd-core, in a child process.

`run_reader.py` runs this script and calls `_answer`. The script imports nothing of the package.
"""

import glob
import os
import re
import stat
from array import array
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

import numpy as np

os.environ["PXR_WORK_THREAD_LIMIT"] = "1"  # memory that TBB's threads reserve would count
Ar: Any = import_module("pxr.Ar")
Gf: Any = import_module("pxr.Gf")
Sdf: Any = import_module("pxr.Sdf")
Usd: Any = import_module("pxr.Usd")
UsdGeom: Any = import_module("pxr.UsdGeom")
UsdSkel: Any = import_module("pxr.UsdSkel")

_MAX_PRIMS = 200_000
"""Maximum number of prims of a stage."""
_MAX_LAYERS = 1000
"""Maximum number of layers of a file."""
_CLIPS = ("assetPaths", "manifestAssetPath")
_CLIP_TEMPLATE = "templateAssetPath"


def _answer(request: dict[str, Any]) -> tuple[dict[str, Any], array]:
    """Answer a request with JSON and numbers.

    If the request names clips, the answer holds their joint transforms. Otherwise it describes skeletons and clips.
    """
    layers, looked_for, missing = _open_layers(request["path"])
    stage = Usd.Stage.Open(layers[0])
    if "clips" in request:
        values = array("d")
        for clip in request["clips"]:
            values.frombytes(_sample(stage, clip).tobytes())
        return {}, values
    facts = _describe(stage, request["most_joints"])
    if not facts["clips"] and missing:
        raise ValueError(f"it refers to {missing[0]}, which is missing")
    return {**facts, "looked_for": looked_for}, array("d")


def _open_layers(path: str) -> tuple[list[Any], list[str], list[str]]:
    """Open a file and all layers that it is composed of, without reading its motion.

    Returns:
        The layers, the file's own first; the files that were opened or looked for; and the names of missing assets.

    Raises:
        ValueError: A layer is not a regular file or, with links resolved, is outside the file's folder.
    """
    folder = os.path.dirname(os.path.realpath(path))
    layers: list[Any] = []
    looked_for: dict[str, None] = {}
    missing: list[str] = []
    waiting = [path]
    seen = set(waiting)
    while waiting:
        layer = Sdf.Layer.FindOrOpen(waiting.pop(0))
        if layer is None:
            if not layers:
                raise ValueError("it is not a USD file, or it is damaged")
            continue
        layers.append(layer)
        if len(layers) > _MAX_LAYERS:
            raise ValueError(f"it has more than {_MAX_LAYERS} layers")
        for asset in _list_assets(layer):
            found = False
            for identifier in _resolve(layer, asset, folder):
                file = _outer_file(identifier)
                _refuse_outside(asset, file, folder)
                looked_for[file] = None
                found = found or os.path.exists(file)
                if os.path.isfile(file) and identifier not in seen:
                    seen.add(identifier)
                    waiting.append(identifier)
            if not found:
                missing.append(asset)
    return layers, list(looked_for), missing


def _list_assets(layer: Any) -> Iterator[str]:
    """Yield the paths of all assets of a layer: sublayers, references, payloads, value clips and their folders."""
    yield from map(str, layer.GetCompositionAssetDependencies())
    yield from map(str, layer.GetExternalAssetDependencies())
    prims: list[Any] = []
    layer.Traverse(Sdf.Path.absoluteRootPath, lambda place: prims.append(place) if place.IsPrimPath() else None)
    for place in prims:
        prim = layer.GetPrimAtPath(place)
        sets = prim.GetInfo("clips").values() if prim is not None and prim.HasInfo("clips") else ()
        for clips in sets:
            for key in _CLIPS:
                paths: Any = clips.get(key) or ()
                yield from [asset.path for asset in ([paths] if isinstance(paths, Sdf.AssetPath) else paths)]
            if template := str(clips.get(_CLIP_TEMPLATE) or ""):
                pattern = re.sub("#+", "[0-9]*", glob.escape(template))
                yield os.path.dirname(template) or "./"
                yield from glob.glob(pattern, root_dir=os.path.dirname(layer.realPath))


def _resolve(layer: Any, asset: str, folder: str) -> list[str]:
    """Return the paths where USD may look for an asset: beside the layer that names it, and in the folder."""
    if "`" in asset:
        raise ValueError(f"it refers to the expression {asset[:100]!r}; expected a plain path")
    asset = Sdf.Layer.SplitIdentifier(asset)[0]
    if not asset:
        return []
    places = [Sdf.ComputeAssetPathRelativeToLayer(layer, asset)]
    if not Ar.IsPackageRelativePath(places[0]):
        beside = os.path.dirname(os.path.realpath(_outer_file(layer.realPath)))
        places = [os.path.normpath(os.path.join(place, asset)) for place in (beside, folder)]
        if asset.startswith(("./", "../")):
            del places[1]
    return list(dict.fromkeys(places))


def _outer_file(identifier: str) -> str:
    """Return the file or package that holds a layer."""
    if Ar.IsPackageRelativePath(identifier):
        return Ar.SplitPackageRelativePathOuter(identifier)[0]
    return identifier


def _refuse_outside(asset: str, file: str, folder: str) -> None:
    """Raise ValueError for a file that is outside the folder, with links resolved, or is a pipe or device.

    The file is not opened.
    """
    real = os.path.realpath(file)
    if not real.startswith(os.path.join(folder, "")):
        raise ValueError(f"it refers to {asset[:100]!r}, which is outside the file's folder and not read")
    if os.path.exists(real) and not os.path.isdir(real) and not stat.S_ISREG(os.stat(real).st_mode):
        raise ValueError(f"it refers to {asset[:100]!r}, which is not a regular file")


def _describe(stage: Any, most_joints: int) -> dict[str, Any]:
    """Describe the stage's skeletons with their joints, and its clips.

    A clip has a skeleton, an animation and its key times in seconds.
    """
    skeletons: dict[str, list[str]] = {}
    binds: dict[str, list[list[float]]] = {}
    animations: list[Any] = []
    bound: list[tuple[str, Any]] = []
    meshes = 0
    for count, prim in enumerate(Usd.PrimRange(stage.GetPseudoRoot(), Usd.TraverseInstanceProxies())):
        if count > _MAX_PRIMS:
            raise ValueError(f"it has more than {_MAX_PRIMS} prims")
        meshes += prim.IsA(UsdGeom.Mesh)
        if prim.IsA(UsdSkel.Animation):
            animations.append(prim)
        elif prim.IsA(UsdSkel.Skeleton):
            path = str(prim.GetPath())
            joints = UsdSkel.Skeleton(prim).GetJointsAttr().Get() or ()
            if len(joints) > most_joints:
                raise ValueError(f"expected a skeleton of at most {most_joints} joints, got {len(joints)}")
            skeletons[path] = [str(joint) for joint in joints]
            transforms = UsdSkel.Skeleton(prim).GetBindTransformsAttr().Get() or ()
            binds[path] = [[*map(float, transform.ExtractTranslation())] for transform in transforms]
            source = UsdSkel.BindingAPI(prim).GetInheritedAnimationSource()
            if source and source.IsA(UsdSkel.Animation):
                bound.append((path, source))
    played = {source.GetPath() for _, source in bound}
    for animation in animations:  # unbound animations are played on the first skeleton with their joints
        joints = set(UsdSkel.Animation(animation).GetJointsAttr().Get() or ())
        fitting = [path for path, names in skeletons.items() if joints and joints <= set(names)]
        if animation.GetPath() not in played and fitting:
            bound.append((fitting[0], animation))
    clips = []
    for path, source in bound:
        times = [code / stage.GetTimeCodesPerSecond() for code in _key_codes(stage, path, source)]
        clips.append({"skeleton": path, "animation": str(source.GetPath()), "times_s": times})
    layers = [layer.realPath for layer in stage.GetUsedLayers() if os.path.isfile(layer.realPath)]
    return {
        "generator": str(stage.GetRootLayer().customLayerData.get("generator", "")),
        "skeletons": skeletons,
        "binds": binds,
        "clips": clips,
        "meshes": meshes,
        "bytes": sum(map(os.path.getsize, layers)),
    }


def _key_codes(stage: Any, skeleton: str, source: Any) -> list[float]:
    """Return the time codes of an animation's keys, or if it has none, of the prims from the skeleton upwards."""
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
    """Sample a skeleton's joint transforms (T, J, 10): translation, rotation xyzw and scale.

    The result is in metres with y up. The transforms of the prims above the skeleton are applied to its root joints.
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
                raise ValueError(
                    f"expected {len(animated)} values in {attribute.GetPath()}, one per joint, got {len(numbers)}"
                )
            poses[frame, columns, place] = numbers[rows]
        world = UsdGeom.Xformable(prim).ComputeLocalToWorldTransform(code) * to_metres
        if world.GetDeterminant() <= 0:
            raise ValueError(
                f"the prims above {clip['skeleton']} mirror or flatten it; apply their scales before export"
            )
        above = _decompose(world)
        for root in roots:
            poses[frame, root] = _place_below(above, world, poses[frame, root])
    return poses


def _stage_to_metres(stage: Any) -> Any:
    """Return the matrix from the stage's axes and unit to y up and metres."""
    turn = Gf.Matrix4d(1.0)
    if UsdGeom.GetStageUpAxis(stage) == UsdGeom.Tokens.z:
        turn.SetRotate(Gf.Rotation(Gf.Vec3d(1, 0, 0), -90))
    return turn * Gf.Matrix4d(1.0).SetScale(UsdGeom.GetStageMetersPerUnit(stage))


def _rest(skeleton: Any, joints: Sequence[str]) -> np.ndarray:
    """Return the joints' rest transforms (J, 10): translation, rotation xyzw and scale."""
    transforms = skeleton.GetRestTransformsAttr().Get() or ()
    if len(transforms) != len(joints):
        transforms = [Gf.Matrix4d(1.0)] * len(joints)
    return np.array([_decompose(transform) for transform in transforms]).reshape(-1, 10)


def _decompose(matrix: Any) -> np.ndarray:
    """Decompose a matrix into translation, rotation xyzw and scale (10,)."""
    transform = Gf.Transform(matrix)
    quaternion = transform.GetRotation().GetQuat()
    return np.array(
        [*transform.GetTranslation(), *quaternion.GetImaginary(), quaternion.GetReal(), *transform.GetScale()]
    )


def _place_below(above: np.ndarray, world: Any, place: np.ndarray) -> np.ndarray:
    """Convert a transform from a prim's frame to the world."""
    upper = Gf.Quatd(above[6], Gf.Vec3d(*above[3:6]))
    lower = Gf.Quatd(place[6], Gf.Vec3d(*place[3:6]))
    turned = upper * lower
    translation = world.Transform(Gf.Vec3d(*place[:3]))
    return np.array([*translation, *turned.GetImaginary(), turned.GetReal(), *(above[7:] * place[7:])])
