"""Measure what the correctors repair in spoiled motion capture, and what they preserve.

    python -m benchmarks.spoiled_clips path/to/cmu-bvh --every 4

Clean clips are spoiled in known ways. A corrector must come closer to the clean original, not only remove the artefact,
and correcting twice must change little beyond the first time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import tyro

from benchmarks import faults
from benchmarks.tracking import TrackingErrors, average_errors, measure_errors
from selfcorrect.datasets.collections.cmu import load_cmu
from selfcorrect.motion.corrector_interface.results import CorrectMotions
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.cleanup.clean import CleanupSettings, JoinSplices, StabilizeFloor
from selfcorrect.simulators.corrector import KinematicCorrector, PhysicsCorrector
from selfcorrect.simulators.settings.tracker import STRENGTHS, TrackerSettings

WITH_TRAVEL = CleanupSettings().with_steps(StabilizeFloor(remove=True), JoinSplices(join_takes=True))
"""Clean-up that also repairs the path over the floor."""


@dataclass(frozen=True)
class Damage:
    """A way of spoiling, and the originals that are spoiled: the clips, or what is built of them."""

    spoil: faults.Plant
    originals: Callable[[Sequence[Motion]], Sequence[Motion]] = list


DAMAGES = {
    "clean": Damage(faults.shift_height(0.0)),
    "sunk 5 cm": Damage(faults.shift_height(-0.05)),
    "raised 8 cm": Damage(faults.shift_height(0.08)),
    "constant drift": Damage(faults.drift_steadily),
    "swinging drift": Damage(faults.drift_to_and_fro),
    "jitter": Damage(faults.jitter_joints),
    "skating": Damage(faults.wander),
    "jump": Damage(faults.jump_halfway),
    "two clips": Damage(faults.misplace_second_half, originals=faults.join_clips),
    "limbs through floor": Damage(faults.dip_limbs),
    "time-warped": Damage(faults.warp_time),
}


@dataclass(frozen=True)
class Arguments:
    """Spoil motion capture, correct it, and print what was repaired."""

    data: tyro.conf.Positional[Path]
    """Folder or archive of the CMU set."""
    split: str = "test"
    """Split of its clips."""
    every: int = 4
    """Take each n-th clip only."""
    strength: float = STRENGTHS["balanced"]
    """Point on the dial of `DriveSettings.at_strength`."""


def main(arguments: Arguments) -> None:
    """Print three lines per way of spoiling: before, after kinematics, after physics."""
    clips = load_cmu(arguments.data, arguments.split)[:: arguments.every]
    correctors: dict[str, CorrectMotions] = {
        "kinematics": KinematicCorrector(WITH_TRAVEL),
        "physics": PhysicsCorrector(TrackerSettings.at_strength(arguments.strength), WITH_TRAVEL),
    }
    heads = "".join(f"{field.name:>17}" for field in fields(TrackingErrors))
    print(f"{'':32}{heads}{'ok':>8}{'again_mm':>10}")
    for name, damage in DAMAGES.items():
        originals = damage.originals(clips)
        spoiled = [damage.spoil(clip, np.random.default_rng(index)) for index, clip in enumerate(originals)]
        errors = [measure_errors(clip, motion) for clip, motion in zip(originals, spoiled, strict=True)]
        print(_format_line(f"{name}: before", average_errors(errors)))
        for stage, corrector in correctors.items():
            print(_describe_repair(f"{name}: {stage}", corrector, originals, spoiled), flush=True)


def _describe_repair(title: str, corrector: CorrectMotions, clips: Sequence[Motion], spoiled: Sequence[Motion]) -> str:
    """Return a line with errors to the clean clips, accepted motions, and how far a second correction moves them."""
    errors = []
    corrected = []
    for clip, correction in zip(clips, corrector(spoiled), strict=True):
        if correction.accepted:
            errors.append(measure_errors(clip, correction.motion))
            corrected.append(correction.motion)
    distances_mm = []
    for motion, correction in zip(corrected, corrector(corrected), strict=True):
        distances_mm.append(measure_errors(motion, correction.motion).mpjpe_mm)
    accepted = f"{len(corrected)}/{len(clips)}"
    return _format_line(title, average_errors(errors), accepted, float(np.mean(distances_mm)))


def _format_line(title: str, errors: TrackingErrors, accepted: str = "", again_mm: float = np.nan) -> str:
    figures = "".join(f"{getattr(errors, field.name):17.2f}" for field in fields(TrackingErrors))
    return f"{title:32}{figures}{accepted:>8}{again_mm:10.1f}"


if __name__ == "__main__":
    main(tyro.cli(Arguments))
