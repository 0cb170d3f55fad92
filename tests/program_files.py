"""Make files in the layouts of programs that generate motions or estimate people's motions from videos."""

import pickle
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from scipy.spatial.transform import Rotation

import selfcorrect as sc
from selfcorrect.datasets.files.people.soma import SOMA_30, SOMA_77
from selfcorrect.datasets.programs.sam_3d_body.reader import _PARTS
from selfcorrect.motion.body.smpl import AVERAGE_PELVIS_M, SMPL_BODY
from selfcorrect.motion.kinematics import pose_joints
from selfcorrect.motion.skeleton import Skeleton
from selfcorrect.motion.views import FrameChanges, ShiftedWorld, TurnedWorld

Y_DOWN = Rotation.from_euler("x", 180, degrees=True)
Z_UP = Rotation.from_euler("x", 90, degrees=True)


def select_joints(table: Skeleton, motion: sc.Motion) -> sc.Motion:
    """Put the motion on a skeleton with other joints; those that the motion lacks stay at rest."""
    rotations = np.tile([0.0, 0.0, 0.0, 1.0], (len(motion), len(table), 1))
    for joint, part in enumerate(table.parts):
        if part:
            rotations[:, joint] = motion.rotations[:, motion.skeleton.names.index(part)]
    return replace(motion, skeleton=table, rotations=rotations)


def parameters(motion: sc.Motion, joints: int, world: Rotation | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return rotation vectors (T, J, 3) and translations (T, 3) in float32.

    `world` turns them from a world with y up into the program's world.
    """
    rotations = np.tile([0.0, 0.0, 0.0, 1.0], (len(motion), joints, 1))
    rotations[:, :22] = motion.rotations
    root_m = motion.root_m
    if world is not None:
        root_m = world.apply(root_m)
        rotations[:, 0] = (world * Rotation.from_quat(rotations[:, 0])).as_quat()
    vectors = Rotation.from_quat(rotations).as_rotvec()
    return vectors.astype(np.float32), (root_m - AVERAGE_PELVIS_M).astype(np.float32)


def tensors(content: Any) -> Any:
    import torch

    if isinstance(content, dict):
        return {key: tensors(value) for key, value in content.items()}
    return torch.from_numpy(content.copy()) if isinstance(content, np.ndarray) else content


def save_wham(path: Path, *motions: sc.Motion) -> None:
    results: dict[Any, dict[str, Any]] = defaultdict(dict)
    for index, motion in zip(np.arange(len(motions)), motions, strict=True):
        vectors, trans = parameters(motion, 24)
        seen, seen_trans = parameters(motion, 24, Y_DOWN)
        results[index] |= {
            "pose": seen.reshape(len(motion), -1), "trans": seen_trans + np.float32([0, 0, 4]),
            "pose_world": vectors.reshape(len(motion), -1), "trans_world": trans,
            "betas": np.zeros((len(motion), 10), np.float32), "verts": np.zeros((len(motion), 5, 3), np.float32),
            "frame_ids": np.arange(len(motion)),
        }  # fmt: skip
    import joblib

    joblib.dump(results, path)


def gvhmr(motion: sc.Motion) -> dict[str, Any]:
    def kind(world: Rotation | None) -> dict[str, np.ndarray]:
        vectors, trans = parameters(motion, 22, world)
        body = vectors[:, 1:].reshape(len(motion), 63)
        betas = np.zeros((len(motion), 10), np.float32)
        return {"body_pose": body, "betas": betas, "global_orient": vectors[:, 0], "transl": trans}

    return {
        "smpl_params_global": kind(None),
        "smpl_params_incam": kind(Y_DOWN),
        "K_fullimg": np.tile(np.eye(3, dtype=np.float32), (len(motion), 1, 1)),
        "net_outputs": {"static_conf_logits": np.zeros((1, len(motion), 6), np.float32)},
    }


def save_gvhmr(path: Path, motion: sc.Motion) -> None:
    import torch

    torch.save(tensors(gvhmr(motion)), path)


def save_gvhmr_shared(path: Path, motion: sc.Motion) -> None:
    """Save the body's pose as a single tensor under two names."""
    import torch

    content = tensors(gvhmr(motion))
    content["smpl_params_incam"]["body_pose"] = content["smpl_params_global"]["body_pose"]
    torch.save(content, path)


def save_gem_x(path: Path, motion: sc.Motion) -> None:
    import torch

    positions = select_joints(SOMA_77, motion)
    vectors = Rotation.from_quat(positions.rotations).as_rotvec().astype(np.float32)
    params = {
        "body_pose": vectors[:, 1:].reshape(len(positions), 228), "global_orient": vectors[:, 0],
        "transl": positions.root_m.astype(np.float32), "identity_coeffs": np.zeros((len(positions), 45), np.float32),
        "scale_params": np.zeros((len(positions), 68), np.float32),
    }  # fmt: skip
    content = {"body_params_global": params, "body_params_incam": params, "K_fullimg": np.eye(3, dtype=np.float32)}
    torch.save(tensors(content), path)


def save_prompthmr(path: Path, *motions: sc.Motion) -> None:
    people = {}
    for index, motion in enumerate(motions, 1):
        vectors, trans = parameters(motion, 55)
        world = {"pose": vectors.reshape(len(motion), -1), "shape": np.zeros((len(motion), 10), np.float32),
                 "trans": trans}  # fmt: skip
        seen = {"rotmat": np.zeros((len(motion), 55, 3, 3), np.float32), **{k: v * 2 for k, v in world.items()}}
        people[index] = {"frames": np.arange(len(motion)), "track_id": index, "smplx_cam": seen, "smplx_world": world}
    camera = {"pred_cam_R": np.tile(np.eye(3), (90, 1, 1)), "img_focal": np.float32(900.0)}
    import joblib

    joblib.dump({"camera": camera, "people": people, "timings": {}, "masks": None, "has_tracks": True}, path)


def save_tram(path: Path, motion: sc.Motion) -> None:
    """Save a motion as seen by a moving camera, and the camera's motion in `camera.npy`.

    The camera turns about its vertical axis and moves on.
    """
    turns = Rotation.from_euler("y", np.linspace(0, 0.8, len(motion))[:, None])
    shifts_m = np.linspace([0, 0, -3.0], [1.0, 0, -2.0], len(motion))
    camera = FrameChanges((TurnedWorld(turns.as_quat()), ShiftedWorld(shifts_m)))
    vectors, trans = parameters(camera.restore(TurnedWorld(Y_DOWN.as_quat()).view(motion)), 24)
    matrices = Rotation.from_rotvec(vectors).as_matrix()
    content = {
        "pred_cam": np.zeros((len(motion), 3), np.float32), "pred_pose": np.zeros((len(motion), 144), np.float32),
        "pred_shape": np.zeros((len(motion), 10), np.float32), "pred_rotmat": matrices.astype(np.float32),
        "pred_trans": trans[:, None], "frame": np.arange(len(motion)),
    }  # fmt: skip
    np.save(path, tensors(content))  # type: ignore[arg-type]
    camera = {"pred_cam_R": turns.as_matrix().astype(np.float32), "pred_cam_T": shifts_m.astype(np.float32),
              "img_focal": np.float32(900.0)}  # fmt: skip
    np.save(path.parent / "camera.npy", camera)  # type: ignore[arg-type]


def saver_of_kimodo(table: Skeleton) -> Callable[[Path, sc.Motion], None]:
    def save(path: Path, motion: sc.Motion) -> None:
        positions = select_joints(table, motion)
        places_m, world = pose_joints(positions)
        np.savez(
            path,
            posed_joints=places_m.astype(np.float32),
            global_rot_mats=Rotation.from_quat(world).as_matrix().astype(np.float32),
            local_rot_mats=Rotation.from_quat(positions.rotations).as_matrix().astype(np.float32),
            foot_contacts=np.ones((len(positions), 4), bool),
            smooth_root_pos=positions.root_m.astype(np.float32),
            root_positions=positions.root_m.astype(np.float32),
            global_root_heading=np.tile(np.float32([1, 0]), (len(positions), 1)),
            seed=np.array(7),
        )

    return save


def save_hy_motion(path: Path, motion: sc.Motion) -> None:
    vectors, trans = parameters(motion, 52)
    poses = vectors.reshape(len(motion), 156)
    betas = np.zeros((1, 16), np.float32)
    gender = np.array(["neutral"])
    np.savez(path, poses=poses, trans=trans, Rh=vectors[:, 0], betas=betas, gender=gender)


def save_hy_motion_root_apart(path: Path, motion: sc.Motion) -> None:
    save_hy_motion(path, motion)
    content = dict(np.load(path))
    content["poses"][:, :3] = 0
    np.savez(path, **content)


def save_amass(path: Path, motion: sc.Motion) -> None:
    """Save AMASS's layout, with z up and some rotation vectors longer than 180°."""
    vectors, trans = parameters(motion, 52, Z_UP)
    lengths = np.linalg.norm(vectors[:, 1], axis=-1, keepdims=True)
    vectors[:, 1] *= 1 + 2 * np.pi / np.maximum(lengths, 1e-3)
    poses = vectors.reshape(len(motion), 156)
    betas = np.zeros(16)
    shaking = np.ones((len(motion), 8))
    np.savez(path, poses=poses, trans=trans, betas=betas, gender="male", mocap_framerate=30.0, dmpls=shaking)


def save_amass_smplx(path: Path, motion: sc.Motion) -> None:
    """Save AMASS's newer layout, which also has all rotations in parts and another key for the frame rate."""
    vectors, trans = parameters(motion, 55, Z_UP)
    poses = vectors.reshape(len(motion), 165)
    names = ("root_orient", "pose_body", "pose_jaw", "pose_eye", "pose_hand")
    parts = dict(zip(names, np.split(poses, [3, 66, 69, 75], axis=1), strict=True))
    np.savez(path, poses=poses, **parts, trans=trans, betas=np.zeros(16), gender="male", mocap_frame_rate=30.0)


def sam3d(motion: sc.Motion, random: np.random.Generator) -> list[dict[str, Any]]:
    """Return one dictionary per frame for a person whose rig has joints near those of the body.

    The camera's y axis points down, and its z axis away from the camera.
    """
    places_m, world = pose_joints(motion)
    joints_m = np.zeros((len(motion), 127, 3))
    rotations = np.zeros((len(motion), 127, 3, 3))
    for part, (joint, *others) in _PARTS.items():
        index = motion.skeleton.names.index(part)
        for joint_row in (joint, *others):
            own_m = random.normal(0, 0.02, 3) * (joint_row != joint)
            turn = Rotation.from_quat(world[:, index])
            joints_m[:, joint_row] = places_m[:, index] + turn.apply(own_m)
            rotations[:, joint_row] = (turn * Rotation.random(rng=random)).as_matrix()
    away_m = np.array([0, 1.0, 4.0])
    centre_m = Y_DOWN.apply(motion.root_m) + away_m
    seen_m = Y_DOWN.apply(joints_m) + away_m - centre_m[:, None]
    return [
        {
            "bbox": np.zeros(4, np.float32), "focal_length": np.float32(900.0),
            "pred_keypoints_3d": seen_m[frame, :70].astype(np.float32),
            "pred_cam_t": centre_m[frame].astype(np.float32),
            "pred_joint_coords": seen_m[frame].astype(np.float32),
            "pred_global_rots": rotations[frame].astype(np.float32),
            "mhr_model_params": np.zeros(204, np.float32), "mask": None,
        }
        for frame in range(len(motion))
    ]  # fmt: skip


def save_sam3d(path: Path, *motions: sc.Motion) -> None:
    """Save a list of frames, each a list of people whose order changes from frame to frame."""
    random = np.random.default_rng(0)
    people = [sam3d(motion, random) for motion in motions]
    frames = [[person[frame] for person in (people if frame % 3 else people[::-1])] for frame in range(len(people[0]))]
    path.write_bytes(pickle.dumps(frames))


def save_sam3d_stacked(path: Path, motion: sc.Motion) -> None:
    frames = sam3d(motion, np.random.default_rng(0))
    np.savez(path, **{key: np.stack([frame[key] for frame in frames]) for key in frames[0] if key != "mask"})


def six_numbers(vectors: np.ndarray) -> np.ndarray:
    """Return the first two rows (T, 6 J) of the matrices of rotation vectors (T, J, 3)."""
    return Rotation.from_rotvec(vectors).as_matrix()[..., :2, :].reshape(len(vectors), -1)


def save_phc(path: Path, motion: sc.Motion) -> None:
    vectors, trans = parameters(motion, 24, Z_UP)
    content = {
        "pose_aa": vectors.reshape(len(motion), -1), "trans_orig": trans, "root_trans_offset": trans + 0.25,
        "pose_quat_global": np.ones((len(motion), 24, 4)), "beta": np.zeros(10), "gender": "neutral", "fps": 30,
    }  # fmt: skip
    path.write_bytes(pickle.dumps({"0-walk": content}))


def save_aist(path: Path, motion: sc.Motion) -> None:
    vectors, trans = parameters(motion, 24)
    poses = {"smpl_poses": vectors.reshape(len(motion), -1), "smpl_trans": 93.8 * trans}
    path.write_bytes(pickle.dumps(poses | {"smpl_scaling": np.array([93.8])}))


def save_frames(path: Path, motion: sc.Motion) -> None:
    frames = []
    for row, place in zip(*parameters(motion, 22), strict=True):
        person = {"global_orient": row[0], "body_pose": row[1:].ravel(), "transl": place, "betas": np.zeros(10)}
        frames.append({"people": [person], "size": (1080, 1920)})
    path.write_bytes(pickle.dumps(frames))


def save_glamr(path: Path, motion: sc.Motion) -> None:
    vectors, trans = parameters(motion, 24)
    person = {
        "smpl_orient_world": vectors[:, 0],
        "smpl_pose": vectors[:, 1:].reshape(len(motion), -1),
        "root_trans_world": trans + np.float32(AVERAGE_PELVIS_M),
        "smpl_beta": np.zeros(10),
    }
    path.write_bytes(pickle.dumps({"person_data": {0: person}, "meta": {"algo": "glamr"}}))


def romp(motion: sc.Motion) -> dict[str, dict[str, np.ndarray]]:
    """Return a person's parameters by image file, as seen by the camera."""
    frames = zip(*parameters(motion, 24, Y_DOWN), strict=True)
    return {
        f"{number:08d}.jpg": {
            "smpl_thetas": pose.reshape(1, -1),
            "cam_trans": place[None],
            "smpl_betas": np.zeros((1, 10)),
        }
        for number, (pose, place) in enumerate(frames, 1)
    }


def save_romp(path: Path, motion: sc.Motion) -> None:
    path.write_bytes(pickle.dumps(romp(motion)))


def save_romp_npz(path: Path, motion: sc.Motion) -> None:
    np.savez(path, results=np.array(romp(motion), dtype=object))


def save_in_layout(layout: str) -> Callable[[Path, sc.Motion], None]:
    """Return a function that saves a motion in a layout by `save_motion`."""
    return lambda path, motion: sc.save_motion(path, motion, layout)


def save_motion_x(path: Path, motion: sc.Motion) -> None:
    vectors, trans = parameters(motion, 22)
    rows = np.random.default_rng(0).normal(0, 0.1, (len(motion), 322)).astype(np.float32)
    rows[:, :66], rows[:, 309:312] = vectors.reshape(len(motion), -1), trans
    np.save(path, rows)


def save_phuma(path: Path, motion: sc.Motion) -> None:
    vectors, trans = parameters(motion, 22)
    np.save(path, np.concatenate([trans, vectors.reshape(len(motion), -1)], axis=1))


def save_finedance(path: Path, motion: sc.Motion) -> None:
    vectors, trans = parameters(motion, 52)
    np.save(path, np.concatenate([trans, six_numbers(vectors)], axis=1))


def save_edge(path: Path, motion: sc.Motion) -> None:
    vectors, trans = parameters(motion, 24)
    np.save(path, np.concatenate([np.ones((len(motion), 4)), trans, six_numbers(vectors)], axis=1))


@dataclass(frozen=True)
class Program:
    save: Callable[..., None]
    file: str
    moving: tuple[str, ...]
    """Ends of the names of the arrays that a correction may change."""
    fps: float | None = None
    """Frame rate that the user has to give because the file has none."""
    away: bool = False
    """Whether its files move the body to another place along the floor or to another height."""
    joints: Skeleton | None = None


PROGRAMS = {
    "WHAM": Program(save_wham, "wham_output.pkl", ("pose_world", "trans_world"), 30.0),
    "GVHMR": Program(save_gvhmr, "hmr4d_results.pt", tuple(f"smpl_params_global.{key}" for key in
                                                           ("body_pose", "global_orient", "transl"))),
    "GVHMR, one tensor twice": Program(save_gvhmr_shared, "hmr4d_results.pt", (
        "smpl_params_global.body_pose", "smpl_params_incam.body_pose", "smpl_params_global.global_orient",
        "smpl_params_global.transl")),
    "GEM-X": Program(save_gem_x, "hpe_results.pt", tuple(f"body_params_global.{key}" for key in
                                                         ("body_pose", "global_orient", "transl")), joints=SOMA_77),
    "PromptHMR": Program(save_prompthmr, "results.pkl", ("smplx_world.pose", "smplx_world.trans"), 30.0),
    "TRAM": Program(save_tram, "hps_track_0.npy", ("pred_rotmat", "pred_trans"), 30.0),
    **{f"Kimodo, {len(table)}": Program(saver_of_kimodo(table), "kimodo.npz", (
        "posed_joints", "global_rot_mats", "local_rot_mats", "foot_contacts", "smooth_root_pos", "root_positions",
        "global_root_heading"), joints=table) for table in (SOMA_77, SOMA_30, SMPL_BODY.average())},
    "HY-Motion": Program(save_hy_motion, "motion.npz", ("poses", "trans", "Rh")),
    "HY-Motion, root apart": Program(save_hy_motion_root_apart, "motion.npz", ("poses", "trans", "Rh")),
    "AMASS": Program(save_amass, "01_poses.npz", ("poses", "trans")),
    "SAM 3D Body": Program(save_sam3d, "frames.pkl", ("pred_joint_coords", "pred_global_rots", "pred_cam_t",
                                                      "pred_keypoints_3d"), 30.0, away=True),
    "SAM 3D Body, stacked": Program(save_sam3d_stacked, "person.npz", (
        "pred_joint_coords", "pred_global_rots", "pred_cam_t", "pred_keypoints_3d"), 30.0, away=True),
}  # fmt: skip


LAYOUTS = {
    "PHC": Program(save_phc, "phc.pkl", ("pose_aa", "trans_orig", "root_trans_offset")),
    "AIST++": Program(save_aist, "aist.pkl", ("smpl_poses", "smpl_trans"), 30.0),
    "people by frame": Program(save_frames, "frames.p", ("global_orient", "body_pose", "transl"), 30.0),
    "Motion-X": Program(save_motion_x, "motion-x.npy", ("rows",), 30.0),
    "PHUMA": Program(save_phuma, "phuma.npy", ("rows",), 30.0),
    "FineDance": Program(save_finedance, "finedance.npy", ("rows",), 30.0),
    "EDGE": Program(save_edge, "edge.npy", ("rows",), 30.0),
    "AMASS, SMPL-X": Program(save_amass_smplx, "01_poses.npz", ("poses", "trans", "root_orient", "pose_body")),
    "GLAMR": Program(save_glamr, "glamr.pkl", ("smpl_orient_world", "smpl_pose", "root_trans_world"), 30.0),
    "ROMP": Program(save_romp, "romp.pkl", ("smpl_thetas", "cam_trans"), 30.0),
    "ROMP, npz": Program(save_romp_npz, "romp.npz", ("smpl_thetas", "cam_trans"), 30.0),
    "AI4Animation": Program(save_in_layout("ai4animation"), "bones.npz", ("positions", "quaternions")),
    "MotionStreamer": Program(save_in_layout("motionstreamer"), "motionstreamer.npy", ("rows",), away=True),
}
"""Layouts of datasets and robot tools, by name."""


def load_values(file: Path | IO[bytes], suffix: str) -> Any:
    """Load values as the programs do, trusting the file, which only tests may."""
    import torch

    match suffix:
        case ".npz":
            return dict(np.load(file, allow_pickle=True))
        case ".npy":
            content = np.load(file, allow_pickle=True)
            return content.item() if content.dtype == object and not content.ndim else content
        case ".pt":
            return torch.load(file, weights_only=True)
    import joblib

    return joblib.load(file)


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """Map the path of keys to each array of a file.

    An array that is the whole file has the key "rows".
    """
    content = load_values(path, path.suffix)
    return dict(arrays_in(content if isinstance(content, dict | list) else {"rows": content}, ""))


def arrays_in(content: Any, name: str) -> Iterator[tuple[str, np.ndarray]]:
    import torch

    if isinstance(content, dict):
        for key, value in content.items():
            yield from arrays_in(value, f"{name}.{key}" if name else str(key))
    elif isinstance(content, list):
        for index, value in enumerate(content):
            yield from arrays_in(value, f"{name}.{index}" if name else str(index))
    elif isinstance(content, torch.Tensor):
        yield name, content.numpy()
    elif isinstance(content, np.ndarray) and content.dtype == object:
        yield from arrays_in(content.item(), name)
    elif isinstance(content, np.ndarray):
        yield name, content


def parts_m(motion: sc.Motion) -> np.ndarray:
    """Return the positions (T, 22, 3) of SMPL's body parts."""
    return sc.joint_positions(motion)[:, [motion.skeleton.joint(part) for part in SMPL_BODY.names]]


def reading_of(program: Program) -> sc.Reading:
    return sc.Reading(fps=program.fps)
