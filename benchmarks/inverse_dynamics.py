"""The root force of samples before a judge that shares nothing with the correctors: plain inverse dynamics in MuJoCo.

    python -m benchmarks.inverse_dynamics runs/motion-quick

A body of capsules with fixed radii follows the motion as it is: no clean-up, no soles, no contact planner, no tracker.
The floor is the file's, y = 0. Every joint less than `REACH_M` above it may push, within friction. What these pushes
cannot give of the force and moment that inverse dynamics asks of the root is the root force needed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import quoteattr

import mujoco
import numpy as np
import tyro
from scipy.optimize import nnls

from selfcorrect.experiments.motion.run.feasibility import SAMPLES, feasible_rows
from selfcorrect.experiments.motion.run.models import trained_model
from selfcorrect.experiments.motion.run.seed_runs import SeedRun, seed_runs
from selfcorrect.experiments.motion.run.task import MotionTask, motion_task
from selfcorrect.experiments.motion.settings.presets import MotionSettings, settings_of
from selfcorrect.loop.policy import sampling_labels
from selfcorrect.motion.geometry.kinematics import joint_positions
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.skeleton import Skeleton
from selfcorrect.statistics import mean_interval

REACH_M, FRICTION, MASS_KG, GRAVITY_M_S2 = 0.10, 1.0, 70.0, 9.81
LEVER_M = 1.0
"""A missing moment of one newton metre counts as much as a missing force of 1 / LEVER_M newtons."""
RADII_M = {"pelvis": 0.11, "spine": 0.11, "neck": 0.07, "head": 0.08, "hip": 0.075, "knee": 0.05, "ankle": 0.035}
OTHER_RADIUS_M = 0.04
"""Of the capsule from a joint to each of its children, by the joint's part."""


def body(skeleton: Skeleton) -> mujoco.MjModel:
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


def needed_forces(motion: Motion, model: mujoco.MjModel) -> np.ndarray:
    """(T − 2,) size of the force that the floor cannot give, body weights, of the inner frames."""
    wrenches, joints_m = _root_wrenches(motion, model), joint_positions(motion)[1:-1]
    roots_m = motion.root_m[1:-1]
    given = [_missing(*frame) for frame in zip(wrenches, joints_m, roots_m, strict=True)]
    return np.array(given) / (MASS_KG * GRAVITY_M_S2)


def _root_wrenches(motion: Motion, model: mujoco.MjModel) -> np.ndarray:
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


def mean_needed(motions: MotionBatch) -> float:
    """Mean over motions and frames of the root force needed, body weights."""
    model = body(motions.skeleton)
    return float(np.mean([needed_forces(motions[index], model) for index in range(len(motions))]))


def judged(run: SeedRun, task: MotionTask, generation: int) -> Iterator[tuple[str, float]]:
    """What real windows need, and raw samples of the last models of a seed's arms."""
    yield "real data", mean_needed(task.fresh.batch.taken(feasible_rows(task, run.stream).numpy()))
    for arm in run.comparison.arms:
        model = trained_model(task, arm, run.arm_folder(arm), generation)
        stream = run.stream.child("unexplained")
        labels = sampling_labels(task.task.real.labels, SAMPLES, stream.child("label"))
        yield arm.label, mean_needed(task.beginnings(model.sample(labels, stream.child("sample"))))


def main(folder: tyro.conf.Positional[Path]) -> None:
    """Print a table of a finished run whose models were kept."""
    settings: MotionSettings = settings_of(json.loads((folder / "summary.json").read_text())["settings"])
    found: dict[str, dict[str, list[float]]] = {}
    for run in seed_runs(settings, folder):
        task = motion_task(settings, run.comparison, run.stream)
        for title, force in judged(run, task, settings.generations):
            found.setdefault(run.comparison.denoiser, {}).setdefault(title, []).append(force)
    print("| | root force needed, body weights | minus uncorrected |\n| --- | --- | --- |")
    for denoiser, rows in found.items():
        plain = np.array(rows["fully synthetic, uncorrected"])
        for title, forces in rows.items():
            print(f"| {denoiser}, {title} | {mean_interval(forces)} | {mean_interval(np.array(forces) - plain)} |")


if __name__ == "__main__":
    tyro.cli(main)
