"""The root force of samples before a judge that shares nothing with the correctors: plain inverse dynamics in MuJoCo.

    python -m benchmarks.inverse_dynamics                     # real windows of the built-in clips
    python -m benchmarks.inverse_dynamics runs/motion-quick   # samples of a run

A body of capsules with fixed radii follows the motion as it is: no clean-up, no soles, no contact planner, no tracker.
The floor is the file's, y = 0. Every joint less than `REACH_M` above it may push, within friction. What these pushes
cannot give of the force and moment that inverse dynamics asks of the root is the root force needed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
import tyro
from scipy.optimize import nnls

from benchmarks.needed import CHANGES, REAL, changed
from selfcorrect.core.randomness import streams
from selfcorrect.experiments.motion.run.feasibility import feasible_rows
from selfcorrect.experiments.motion.run.models import trained_model
from selfcorrect.experiments.motion.run.seed_runs import seed_runs
from selfcorrect.experiments.motion.run.task import motion_data, motion_task
from selfcorrect.experiments.motion.settings.experiment import settings_from_config
from selfcorrect.experiments.motion.settings.presets import PRESETS
from selfcorrect.experiments.studies.arms import Arm
from selfcorrect.loop.policy import sampling_labels
from selfcorrect.motion.geometry.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import Skeleton

mujoco: Any = import_module("mujoco")  # its types are made at run time

SEEDS, PLAIN = 3, Arm("replace")
REACH_M, FRICTION, MASS_KG, GRAVITY_M_S2 = 0.10, 1.0, 70.0, 9.81
LEVER_M = 1.0
"""A missing moment of one newton metre counts as much as a missing force of 1 / LEVER_M newtons."""
RADII_M = {"pelvis": 0.11, "spine": 0.11, "neck": 0.07, "head": 0.08, "hip": 0.075, "knee": 0.05, "ankle": 0.035}
OTHER_RADIUS_M = 0.04
"""Of the capsule from a joint to each of its children, by the joint's part."""


def body(skeleton: Skeleton) -> Any:
    """Capsules along a skeleton's bones, scaled to `MASS_KG`, with a free root and ball joints, without contacts."""
    xml = (
        f'<mujoco><option gravity="0 {-GRAVITY_M_S2} 0"><flag contact="disable"/></option>'
        f"<worldbody>{_link(skeleton, 0)}</worldbody></mujoco>"
    )
    model = mujoco.MjModel.from_xml_string(xml)
    mujoco.mj_setTotalmass(model, MASS_KG)
    return model


def _link(skeleton: Skeleton, joint: int) -> str:
    part = skeleton.parts[joint].partition("_")[2] or skeleton.parts[joint].rstrip("123")
    radius_m = RADII_M.get(part, OTHER_RADIUS_M)
    children = skeleton.children[joint]
    ends = [" ".join(f"{value:.6g}" for value in skeleton.offsets_m[child]) for child in children]
    long = [end for end, child in zip(ends, children, strict=True) if np.linalg.norm(skeleton.offsets_m[child]) > 1e-3]
    bones = "".join(f'<geom type="capsule" size="{radius_m}" fromto="0 0 0 {end}"/>' for end in long)
    place = " ".join(f"{value:.6g}" for value in skeleton.offsets_m[joint])
    parts = [
        f"<body name={quoteattr(skeleton.names[joint])} pos={quoteattr(place)}>",
        '<joint type="ball"/>' if joint else "<freejoint/>",
        bones or f'<geom size="{radius_m}"/>',
        *(_link(skeleton, child) for child in children),
        "</body>",
    ]
    return "".join(parts)


def needed_forces(motion: Motion, model: Any) -> np.ndarray:
    """(T − 2,) size of the force that the floor cannot give, body weights, of the inner frames."""
    wrenches, joints_m = _root_wrenches(motion, model), joint_positions(motion)[1:-1]
    roots_m = motion.root_m[1:-1]
    given = [_missing(*frame) for frame in zip(wrenches, joints_m, roots_m, strict=True)]
    return np.array(given) / (MASS_KG * GRAVITY_M_S2)


def _root_wrenches(motion: Motion, model: Any) -> np.ndarray:
    """(T − 2, 6) force and moment about the root's joint that the world must give, in the world's axes."""
    order = [mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, name) - 1 for name in motion.skeleton.names]
    turns = np.empty_like(motion.rotations)
    turns[:, order] = motion.rotations[..., [3, 0, 1, 2]]  # MuJoCo's quaternions are wxyz
    poses = np.concatenate([motion.root_m, turns.reshape(len(motion), -1)], axis=1)
    data, seconds = mujoco.MjData(model), 1 / motion.fps
    speeds = np.empty((len(motion) - 1, model.nv))
    for speed, one, other in zip(speeds, poses[:-1], poses[1:], strict=True):
        mujoco.mj_differentiatePos(model, speed, seconds, one, other)
    wrenches = np.empty((len(motion) - 2, 6))
    for wrench, pose, before, after in zip(wrenches, poses[1:-1], speeds[:-1], speeds[1:], strict=True):
        data.qpos[:], data.qvel[:], data.qacc[:] = pose, (before + after) / 2, (after - before) / seconds
        mujoco.mj_inverse(model, data)
        wrench[:3] = data.qfrc_inverse[:3]
        wrench[3:] = data.xmat[1].reshape(3, 3) @ data.qfrc_inverse[3:6]  # the root's moment is in its own frame
    return wrenches


def _missing(wrench: np.ndarray, joints_m: np.ndarray, root_m: np.ndarray) -> float:
    """The size of the force, newtons, that pushes of joints near the floor leave of a wrench (6,)."""
    near = joints_m[joints_m[:, 1] < REACH_M]
    if not len(near):
        return float(np.linalg.norm(wrench[:3]))
    edges = np.array([[s, 1.0, 0.0] for s in (FRICTION, -FRICTION)] + [[0.0, 1.0, s] for s in (FRICTION, -FRICTION)])
    arms_m = near * [1.0, 0.0, 1.0] - root_m
    forces = np.tile(edges, (len(near), 1))
    moments = np.cross(np.repeat(arms_m, len(edges), axis=0), forces)
    pushes = np.concatenate([forces, moments / LEVER_M], axis=1).T
    asked = wrench / [1.0, 1.0, 1.0, LEVER_M, LEVER_M, LEVER_M]
    amounts, _ = nnls(pushes, asked)
    return float(np.linalg.norm(asked[:3] - pushes[:3] @ amounts))


def mean_needed(motions: Sequence[Motion]) -> float:
    """Mean over motions of one skeleton, and their frames, of the root force needed, body weights."""
    model = body(motions[0].skeleton)
    return float(np.mean([needed_forces(motion, model) for motion in motions]))


CORRECTIONS = ("real windows", "low-pass", "kinematic", "physics in mujoco", "physics in pybullet")
"""Of `benchmarks.needed.CHANGES`, for samples."""


def changed_needs(kind: str, motions: Sequence[Motion], titles: Iterable[str]) -> Iterator[tuple[str, float]]:
    """What motions need after each of these changes."""
    for title in titles:
        yield f"{kind}, {'as they are' if title == REAL else title}", mean_needed(changed([*motions], CHANGES[title]))


def of_built_in(count: int) -> Iterator[tuple[str, float]]:
    """What real windows of the built-in clips need by seed, as they are, corrected and with faults."""
    for seed in range(SEEDS):
        windows = motion_data(PRESETS["bad-cases"], streams(seed)).fresh.batch
        yield from changed_needs("built-in windows", [windows[index] for index in range(count)], CHANGES)


def of_run(folder: Path, count: int) -> Iterator[tuple[str, float]]:
    """What real windows of a run need by network and seed, and samples of the last uncorrected model."""
    settings = settings_from_config(json.loads((folder / "summary.json").read_text())["settings"])
    for run in seed_runs(settings, folder):
        task = motion_task(settings, run.comparison, run.stream)
        windows = task.codec.decode(task.fresh.take(feasible_rows(task, run.stream, count)).values)
        real = [windows[index] for index in range(len(windows))]
        model = trained_model(task, PLAIN, run.arm_folder(PLAIN), settings.generations)
        stream = run.stream.child("unexplained")
        labels = sampling_labels(task.task.real.labels, count, stream.child("label"))
        drawn = task.beginnings(model.sample(labels, stream.child("sample")))
        for kind, motions in (("real windows", real), ("samples", [drawn[index] for index in range(count)])):
            yield from changed_needs(f"{run.comparison.denoiser}, {kind}", motions, CORRECTIONS)


def main(folder: tyro.conf.Positional[Path | None] = None, count: int = 12) -> None:
    """Print what built-in windows need, or what those of a finished run with an uncorrected fully synthetic arm do.

    count: motions of each seed. The run must have kept its models.
    """
    found: dict[str, list[float]] = {}
    for title, force in of_run(folder, count) if folder else of_built_in(count):
        found.setdefault(title, []).append(force)
    print("| | root force needed, body weights |\n| --- | --- |")
    for title, forces in found.items():
        print(f"| {title} | {np.mean(forces):.2f} ({', '.join(f'{force:.2f}' for force in forces)}) |")


if __name__ == "__main__":
    tyro.cli(main)
