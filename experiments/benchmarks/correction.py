"""What the correctors mend on spoiled motion capture, and what they keep.

    python experiments/benchmarks/correction.py path/to/cmu-bvh --every 4

Clean clips are spoiled in known ways. A corrector must come closer to the clean original, not only lose the artefact,
and correcting twice must change little beyond the first time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import tyro
from scipy.spatial.transform import Rotation

from selfcorrect.datasets.cmu import load_cmu
from selfcorrect.experiments.benchmarks.tracking import TrackingErrors, mean_errors, tracking_errors
from selfcorrect.motion.correction import CorrectMotions
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.corrector import KinematicCorrector, PhysicsCorrector
from selfcorrect.simulators.settings import STRENGTHS, TrackerSettings

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
    """Halfway, the root jumps by 10 cm, as where two clips are spliced."""
    return _shifted(motion, np.where(np.arange(len(motion))[:, None] < len(motion) // 2, 0.0, [0.1, 0.0, 0.0]))


def _shifted(motion: Motion, shift_m: np.ndarray) -> Motion:
    return replace(motion, root_m=motion.root_m + shift_m)


SPOILS: dict[str, Spoil] = {
    "clean": moved(0.0),
    "sunk 5 cm": moved(-0.05),
    "raised 8 cm": moved(0.08),
    "constant drift": drifting,
    "swinging drift": oscillating,
    "jitter": jittery,
    "skating": skating,
    "spliced": jumping,
}


@dataclass(frozen=True)
class Arguments:
    """Spoil motion capture, correct it, and print what was mended."""

    data: tyro.conf.Positional[Path]
    """Folder or archive of the CMU set."""
    split: str = "test"
    """Which of its clips."""
    every: int = 4
    """Take each n-th clip only."""
    strength: float = STRENGTHS["balanced"]
    """Point on the dial of `TrackerSettings.at_strength`."""


def main(arguments: Arguments) -> None:
    """Print three lines per way of spoiling: before, after kinematics, after physics."""
    clips = load_cmu(arguments.data, arguments.split)[:: arguments.every]
    names = [field.name for field in fields(TrackingErrors)]
    print(f"{'':32}" + "".join(f"{name:>17}" for name in names) + f"{'ok':>8}{'again_mm':>10}")
    for name, spoil in SPOILS.items():
        spoiled = [spoil(clip, np.random.default_rng(index)) for index, clip in enumerate(clips)]
        errors = mean_errors([tracking_errors(clip, motion) for clip, motion in zip(clips, spoiled, strict=True)])
        print(_line(f"{name}: before", errors))
        for stage, corrector in (
            ("kinematics", KinematicCorrector()),
            ("physics", PhysicsCorrector(TrackerSettings.at_strength(arguments.strength))),
        ):
            print(_line(f"{name}: {stage}", *_mended(corrector, clips, spoiled)), flush=True)


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
