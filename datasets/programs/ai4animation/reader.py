"""Read and write AI4AnimationPy's .npz files of bone poses in the world.

The skeleton may be any, y up and in metres. The arrays are positions (T, J, 3), quaternions (T, J, 4) xyzw, bone_names,
parent_indices, parent_names and framerate.
"""

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from selfcorrect.core.errors import InputError
from selfcorrect.motion.geometry.rotations import turn_angles
from selfcorrect.motion.kinematics import pose_joints
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import Skeleton
from selfcorrect.motion.views import Y_UP
from selfcorrect.storage.files.arrays import read_npz, write_npz
from selfcorrect.storage.pickles.results import Results

from ...files.motion_file import MotionFile, check_size, check_within, rate_of
from ...files.people.keeping import check_quaternions, keep_positions
from ...files.people.posed_bones import motion_of_poses
from ...files.rigs.bvh_body import extract_body, find_all_followers, with_body
from ...files.rigs.rig import RiggedMotion, make_unique, order_below, warn_of_changed_names
from ...files.rigs.stretching import compute_world_poses
from ...files.skeletons.anatomy import recognize_parts
from ...files.skeletons.reading import Reading
from ...files.skeletons.vertical import turn_upright
from . import BONE_ARRAYS

_ARRAYS = BONE_ARRAYS[:2]
_SAME_RAD = 1e-7
_SIX = ("Xposition", "Yposition", "Zposition", "Zrotation", "Xrotation", "Yrotation")


def open_named_bones(results: Results, reading: Reading) -> MotionFile:
    """Open a motion on the skeleton of the file."""
    path = results.path
    positions = results.array("positions")
    quaternions = results.array("quaternions")
    if (
        positions.ndim != 3
        or positions.shape[2] != 3
        or not len(positions)
        or quaternions.shape != (*positions.shape[:2], 4)
    ):
        raise InputError(
            f"{path}: expected positions (frames, bones, 3) and quaternions (frames, bones, 4), got {positions.shape} "
            f"and {quaternions.shape}"
        )
    for name, array in zip(_ARRAYS, (positions, quaternions), strict=True):
        check_within(f"{path}: {name} is", array)
    check_quaternions(path, quaternions)
    check_size(path, [positions.shape[:2]])
    order, skeleton = _read_skeleton(results, positions.shape[1])
    fps, notes = rate_of(path, results.numbers, reading, None, "AI4AnimationPy")
    unit_m = reading.metres_per_unit or 1.0
    matrices = Rotation.from_quat(quaternions[:, order].reshape(-1, 4)).as_matrix().reshape(len(positions), -1, 3, 3)
    motion = motion_of_poses(str(path), skeleton, positions[:, order] * unit_m, matrices, fps)
    motion = recognize_parts(motion)
    clip = RiggedMotion(
        motion,
        channels=(_SIX,) * len(order),
        offsets=motion.skeleton.offsets_m,
        end_sites=frozenset(),
        metres_per_unit=unit_m,
    )
    before_m, before = compute_world_poses(clip)
    followers = find_all_followers(clip)
    upright = turn_upright(extract_body(clip), reading.up, Y_UP)

    def write(target: Path, changed: Motion) -> None:
        written_clip = with_body(clip, upright.view.restore(changed), followers)
        after_m, after = compute_world_poses(written_clip)
        if len(after) == len(before):
            after_m = keep_positions(positions[:, order] * unit_m, before_m, after_m)
            old = quaternions[:, order]
            after = after * np.where((after * old).sum(axis=2, keepdims=True) < 0, -1.0, 1.0)
            after = np.where(turn_angles(before, after)[..., None] < _SAME_RAD, old, after)
        arrays = {}
        for name, array, old in zip(_ARRAYS, (after_m / unit_m, after), (positions, quaternions), strict=True):
            arrays[name] = np.empty(array.shape, old.dtype)
            arrays[name][:, order] = array
        results.write(target, arrays, len(positions))

    return MotionFile(
        (upright.motion,), ("bones of AI4AnimationPy", *notes, *upright.notes), write, flaw=upright.flaw, up=upright.up
    )


def _read_skeleton(results: Results, count: int) -> tuple[list[int], Skeleton]:
    """Return the order of a file's bones, parents first, and their skeleton, still without bone lengths."""
    texts = read_npz(results.path, ("bone_names",)).get("bone_names", np.array([]))
    names = [str(name) for name in texts.ravel()]
    parents = results.array("parent_indices").ravel()
    is_tree = parents.dtype.kind in "iu" and len(parents) == len(names) == count and (parents < 0).sum() == 1
    if not is_tree or parents.max(initial=-1) >= count:
        raise InputError(f"{results.path}: expected bone_names and parent_indices of {count} bones with one root")
    children: dict[int, list[int]] = {bone: [] for bone in range(count)}
    for bone, parent in enumerate(parents.tolist()):
        if parent >= 0:
            children[parent].append(bone)
    order = order_below(int(np.flatnonzero(parents < 0)[0]), children)
    if len(order) != count:
        raise InputError(f"{results.path}: expected parent_indices of a tree, got a cycle")
    tree = tuple(order.index(parents[bone]) if parents[bone] >= 0 else -1 for bone in order)
    offsets_m = np.zeros((count, 3))
    return order, Skeleton(tuple(names[bone] for bone in order), tree, offsets_m, ("",) * count)


def write_named_bones(path: Path, motion: Motion) -> None:
    """Write a motion in AI4AnimationPy's layout."""
    joints_m, orientations = pose_joints(motion)
    names = make_unique([name.rstrip("\0") for name in motion.skeleton.names])  # NumPy string arrays drop trailing NULs
    warn_of_changed_names("AI4AnimationPy's layout", motion.skeleton.names, names)
    write_npz(path, {
        "name": np.array(motion.label or path.stem),
        "framerate": np.array(float(motion.fps)),
        "positions": joints_m.astype(np.float32),
        "quaternions": orientations.astype(np.float32),
        "bone_names": np.array(names),
        "parent_names": np.array(["", *(names[parent] for parent in motion.skeleton.parents[1:])]),
        "parent_indices": np.array(motion.skeleton.parents, np.int32),
    })  # fmt: skip
