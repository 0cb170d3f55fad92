"""What the correctors repair in spoiled motion capture, and what they keep.

    python -m benchmarks.correction path/to/cmu-bvh --every 4

Clean clips are spoiled in known ways. A corrector must come closer to the clean original, not only lose the artefact,
and correcting twice must change little beyond the first time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import tyro
from scipy.spatial.transform import Rotation, Slerp

from benchmarks.tracking import TrackingErrors, mean_errors, tracking_errors
from selfcorrect.datasets.collections.cmu import load_cmu
from selfcorrect.motion.correction.results import CorrectMotions
from selfcorrect.motion.geometry.kinematics import forward_kinematics
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.cleanup.clean import CleanupSettings, JoinSplices, StabilizeFloor
from selfcorrect.simulators.corrector import KinematicCorrector, PhysicsCorrector
from selfcorrect.simulators.settings.tracker import STRENGTHS, TrackerSettings

ASKED = CleanupSettings().with_steps(StabilizeFloor(remove=True), JoinSplices(join_takes=True))
"""Correctors that also repair errors of the way over the floor."""

Spoil = Callable[[Motion, np.random.Generator], Motion]


def moved(height_m: float) -> Spoil:
    """The whole motion up or down."""
    return lambda motion, _: _shifted(motion, np.array([0.0, height_m, 0.0]))


def drifting(motion: Motion, _: np.random.Generator) -> Motion:
    """A constant drift of 0.6 m/s along x."""
    return _shifted(motion, np.outer(np.arange(len(motion)) / motion.fps, [0.6, 0.0, 0.0]))


def oscillating(motion: Motion, _: np.random.Generator) -> Motion:
    """A drift along x that swings between ±0.6 m/s every two seconds."""
    times_s = np.arange(len(motion)) / motion.fps
    return _shifted(motion, np.outer(0.6 / np.pi * np.sin(np.pi * times_s), [1.0, 0.0, 0.0]))


def jittery(motion: Motion, generator: np.random.Generator) -> Motion:
    """White noise of 0.05 rad on every joint."""
    turns = Rotation.from_rotvec(generator.normal(0.0, 0.05, (*motion.rotations.shape[:2], 3)))
    return replace(motion, rotations=(Rotation.from_quat(motion.rotations) * turns).as_quat())


def skating(motion: Motion, generator: np.random.Generator) -> Motion:
    """A slow random walk of the root on the floor, 2 cm per second root of time."""
    steps_m = generator.normal(0.0, 0.02 / np.sqrt(motion.fps), (len(motion), 3)) * [1.0, 0.0, 1.0]
    return _shifted(motion, np.cumsum(steps_m, axis=0))


def jumping(motion: Motion, _: np.random.Generator) -> Motion:
    """Halfway, the root jumps by 10 cm."""
    return _shifted(motion, np.where(np.arange(len(motion))[:, None] < len(motion) // 2, 0.0, [0.1, 0.0, 0.0]))


def elsewhere(motion: Motion, generator: np.random.Generator) -> Motion:
    """The second half 30 cm away and turned by 60 degrees, as where clips are spliced as they come."""
    away_m = 0.3 * np.array([np.sin(angle := generator.uniform(0, 2 * np.pi)), 0.0, np.cos(angle)])
    return _placed(motion, len(motion) // 2, np.pi / 3, away_m)


def _shifted(motion: Motion, shift_m: np.ndarray) -> Motion:
    return replace(motion, root_m=motion.root_m + shift_m)


def _placed(motion: Motion, start: int, turn_rad: float, shift_m: np.ndarray) -> Motion:
    """The frames from `start` on turned about the vertical through their first root position, then moved."""
    turn, root_m, rotations = Rotation.from_rotvec([0.0, turn_rad, 0.0]), motion.root_m.copy(), motion.rotations.copy()
    root_m[start:] = turn.apply(root_m[start:] - root_m[start]) + root_m[start] + shift_m
    rotations[start:, 0] = (turn * Rotation.from_quat(rotations[start:, 0])).as_quat()
    return replace(motion, root_m=root_m, rotations=rotations)


def warped(motion: Motion, generator: np.random.Generator) -> Motion:
    """Time that runs up to 30 % faster and slower within two seconds, by 0.1 s ahead and behind.

    Feet stand as still in warped time and bodies fall almost as fast: no corrector can know the pace that was meant.
    """
    times_s = np.arange(len(motion)) / motion.fps
    ahead_s = 0.3 / np.pi * np.sin(np.pi * times_s + generator.uniform(0, 2 * np.pi))
    frames = np.clip((times_s + ahead_s) * motion.fps, 0, len(motion) - 1)
    root_m = np.stack([np.interp(frames, np.arange(len(motion)), axis_m) for axis_m in motion.root_m.T], axis=1)
    rotations = np.stack(
        [Slerp(np.arange(len(motion)), Rotation.from_quat(joint))(frames).as_quat() for joint in _by_joint(motion)],
        axis=1,
    )
    return replace(motion, root_m=root_m, rotations=rotations)


def _by_joint(motion: Motion) -> np.ndarray:
    return np.moveaxis(motion.rotations, 1, 0)


def dipping(motion: Motion, _: np.random.Generator) -> Motion:
    """Feet and forearms turned downwards by up to 0.4 rad for half a second, the left and the right ones in turn.

    Near the floor, toes and hands go through it.
    """
    times_s = np.arange(len(motion)) / motion.fps
    for part, end in (("ankle", "foot"), ("elbow", "wrist")):
        for phase, side in enumerate(("left", "right")):
            joint, tip = motion.skeleton.joint(f"{side}_{part}"), motion.skeleton.joint(f"{side}_{end}")
            if joint is not None and tip is not None:
                motion = _lowered(motion, joint, tip, 0.4 * _bump((times_s / 2 + phase / 2) % 1.0))
    return motion


def _bump(share: np.ndarray) -> np.ndarray:
    """A smooth bump in the first quarter of a cycle."""
    return np.where(share < 0.25, np.sin(4 * np.pi * share) ** 2, 0.0)


def _lowered(motion: Motion, joint: int, tip: int, angles_rad: np.ndarray) -> Motion:
    """A joint turned in the world so that its bone towards a tip points down by (T,) angles more, at most straight."""
    positions_m, orientations = forward_kinematics(motion.skeleton, motion.root_m, motion.rotations)
    bones_m = positions_m[:, tip] - positions_m[:, joint]
    axes = np.cross(bones_m, (0.0, -1.0, 0.0))
    across_m = np.linalg.norm(axes, axis=1)
    angles_rad = np.minimum(angles_rad, np.arctan2(across_m, -bones_m[:, 1]))
    turns = Rotation.from_rotvec(axes * (angles_rad / np.maximum(across_m, 1e-9))[:, None])
    parents = Rotation.from_quat(orientations[:, motion.skeleton.parents[joint]])
    rotations = motion.rotations.copy()
    rotations[:, joint] = (parents.inv() * turns * Rotation.from_quat(orientations[:, joint])).as_quat()
    return replace(motion, rotations=rotations)


def joined(clips: Sequence[Motion]) -> list[Motion]:
    """The beginning of each clip and, from where and whither it faces, the end of the next on its skeleton."""
    pairs = [(clip, _next(clips, index)) for index, clip in enumerate(clips)]
    return [_followed(first, second, min(len(first), len(second)) // 2) for first, second in pairs]


def _next(clips: Sequence[Motion], index: int) -> Motion:
    around = [*clips[index + 1 :], *clips[: index + 1]]
    return next(clip for clip in around if clip.skeleton.same_as(clips[index].skeleton))


def _followed(first: Motion, second: Motion, count: int) -> Motion:
    """The first frames of one motion and the last of another, `count` of each."""
    begin, end = first.frames(0, count), second.frames(len(second) - count, len(second))
    rotations = np.concatenate([begin.rotations, end.rotations])
    turn_rad = _heading_rad(rotations[count - 1, 0]) - _heading_rad(rotations[count, 0])
    shift_m = (begin.root_m[-1] - end.root_m[0]) * (1.0, 0.0, 1.0)
    both = replace(first, root_m=np.concatenate([begin.root_m, end.root_m]), rotations=rotations)
    return _placed(both, count, turn_rad, shift_m)


def _heading_rad(orientation: np.ndarray) -> float:
    x, _, z = Rotation.from_quat(orientation).apply((0.0, 0.0, 1.0))
    return float(np.arctan2(x, z))


@dataclass(frozen=True)
class Damage:
    """A way of spoiling, and what is spoiled: the clips, or what is made of them."""

    spoil: Spoil
    originals: Callable[[Sequence[Motion]], Sequence[Motion]] = list


DAMAGES: dict[str, Damage] = {
    "clean": Damage(moved(0.0)),
    "sunk 5 cm": Damage(moved(-0.05)),
    "raised 8 cm": Damage(moved(0.08)),
    "constant drift": Damage(drifting),
    "swinging drift": Damage(oscillating),
    "jitter": Damage(jittery),
    "skating": Damage(skating),
    "jump": Damage(jumping),
    "two clips": Damage(elsewhere, joined),
    "limbs through floor": Damage(dipping),
    "time-warped": Damage(warped),
}


@dataclass(frozen=True)
class Arguments:
    """Spoil motion capture, correct it, and print what was repaired."""

    data: tyro.conf.Positional[Path]
    """Folder or archive of the CMU set."""
    split: str = "test"
    """Which of its clips."""
    every: int = 4
    """Take each n-th clip only."""
    strength: float = STRENGTHS["balanced"]
    """Point on the dial of `DriveSettings.at_strength`."""


def main(arguments: Arguments) -> None:
    """Print three lines per way of spoiling: before, after kinematics, after physics."""
    clips = load_cmu(arguments.data, arguments.split)[:: arguments.every]
    names = [field.name for field in fields(TrackingErrors)]
    print(f"{'':32}" + "".join(f"{name:>17}" for name in names) + f"{'ok':>8}{'again_mm':>10}")
    for name, damage in DAMAGES.items():
        originals = damage.originals(clips)
        spoiled = [damage.spoil(clip, np.random.default_rng(index)) for index, clip in enumerate(originals)]
        errors = mean_errors([tracking_errors(clip, motion) for clip, motion in zip(originals, spoiled, strict=True)])
        print(_line(f"{name}: before", errors))
        for stage, corrector in (
            ("kinematics", KinematicCorrector(ASKED)),
            ("physics", PhysicsCorrector(TrackerSettings.at_strength(arguments.strength), ASKED)),
        ):
            print(_line(f"{name}: {stage}", *_mended(corrector, originals, spoiled)), flush=True)


def _mended(
    corrector: CorrectMotions, clips: Sequence[Motion], spoiled: Sequence[Motion]
) -> tuple[TrackingErrors, str, float]:
    """Errors to the clean clips, how many were accepted, and how far a second correction moves them, in millimetres."""
    corrections = corrector(spoiled)
    good = [(clip, c.motion) for clip, c in zip(clips, corrections, strict=True) if c.accepted]
    again = corrector([motion for _, motion in good])
    further = [tracking_errors(motion, c.motion).mpjpe_mm for (_, motion), c in zip(good, again, strict=True)]
    errors = mean_errors([tracking_errors(clip, motion) for clip, motion in good])
    return errors, f"{len(good)}/{len(clips)}", float(np.mean(further))


def _line(name: str, errors: TrackingErrors, accepted: str = "", again_mm: float = np.nan) -> str:
    figures = "".join(f"{getattr(errors, field.name):17.2f}" for field in fields(TrackingErrors))
    return f"{name:32}{figures}{accepted:>8}{again_mm:10.1f}"


if __name__ == "__main__":
    main(tyro.cli(Arguments))
