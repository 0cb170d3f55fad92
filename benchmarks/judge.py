"""Replay corrected motions in another engine: do contacts and penetration agree?

    python -m benchmarks.judge path/to/cmu-bvh --every 4

One engine corrects a clip. The other follows the result as it is, with the same body and without clean-up, and finds
contact forces anew. If the first had only exploited quirks of its contacts, the second would disagree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import tyro

from selfcorrect.datasets.collections.cmu import load_cmu
from selfcorrect.motion.corrector_interface.results import CorrectedMotion
from selfcorrect.motion.corrector_interface.timeline import BEARS_BODYWEIGHTS, Timeline
from selfcorrect.motion.geometry.kinematics import joint_positions
from selfcorrect.motion.measures.physical import physical_errors
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.simulators.cleanup.clean import CleanupSettings, clean_motions
from selfcorrect.simulators.pipeline import Pipeline, correct_cleaned
from selfcorrect.simulators.postprocess import POSTPROCESS
from selfcorrect.simulators.settings.tracker import STRENGTHS, TrackerSettings
from selfcorrect.simulators.stages.values import CleanedMotions

FEET = ("left foot", "right foot")
ON_FLOOR = CleanupSettings(support="floor")


@dataclass(frozen=True)
class Verdict:
    """Measurements of one clip by the corrector's engine (first) and the judge's (second).

    The mean force of floor and supports is load_bodyweights. The mean residual wrench is force_bodyweights and
    moment_nm. The motions that the engines made have penetration_mm and floating_mm. The contact_agreement is the share
    of frames and feet in which both engines find the foot loaded, or both not. The distance_mm is the mean over joints
    between the two motions.
    """

    load_bodyweights: tuple[float, float]
    force_bodyweights: tuple[float, float]
    moment_nm: tuple[float, float]
    penetration_mm: tuple[float, float]
    floating_mm: tuple[float, float]
    contact_agreement: float
    distance_mm: float


def judge(clip: Motion, corrector: TrackerSettings, other: TrackerSettings) -> Verdict | str:
    """Correct a clip with one engine and replay the result with the other.

    Args:
        clip: Motion that is corrected.
        corrector: Settings of the engine that corrects.
        other: Settings of the engine that judges.

    Returns:
        The verdict, or the failure of an engine in words.
    """
    cleaned = clean_motions(MotionBatch.stack([clip]), CleanupSettings())
    ((corrected,),) = correct_cleaned(Pipeline(ON_FLOOR, corrector, postprocess=POSTPROCESS), [cleaned])
    if corrected.failure:
        return f"{corrector.engine.name}: {corrected.failure}"
    replayed = replay(cleaned, corrected, other)
    return f"{other.engine.name}: {replayed.failure}" if replayed.failure else _compare(corrected, replayed)


def replay(cleaned: CleanedMotions, corrected: CorrectedMotion, other: TrackerSettings) -> CorrectedMotion:
    """Track a correction with other settings, with nothing cleaned up or filtered beforehand."""
    up_m = cleaned.origin_m[:, None, None] * [0.0, 1.0, 0.0]
    batch = MotionBatch.stack([corrected.motion])
    original = replace(cleaned.original, root_m=batch.root_m + up_m, rotations=batch.rotations)
    uncleaned = replace(cleaned, original=original, motions=original)
    pipeline = Pipeline(ON_FLOOR, replace(other, filter_dynamics=False))
    ((replayed,),) = correct_cleaned(pipeline, [uncleaned])
    return replayed


def _compare(first: CorrectedMotion, second: CorrectedMotion) -> Verdict:
    results = (first, second)
    physical = [physical_errors(MotionBatch.stack([result.motion])).mean() for result in results]
    timelines = [result.timeline for result in results if result.timeline is not None]
    joints_m = [joint_positions(result.motion) for result in results]
    distances_m = np.linalg.norm(joints_m[1] - joints_m[0], axis=-1)
    stands = [find_loaded_feet(timeline) for timeline in timelines]
    loads_bodyweights = [timeline.loads_bodyweights.sum(axis=1) for timeline in timelines]
    return Verdict(
        load_bodyweights=_pair([loads.mean() for loads in loads_bodyweights]),
        force_bodyweights=_pair([result.residual["residual_force_bodyweights"] for result in results]),
        moment_nm=_pair([result.residual["residual_torque_nm"] for result in results]),
        penetration_mm=_pair([1e3 * errors["penetration_m"] for errors in physical]),
        floating_mm=_pair([1e3 * errors["floating_m"] for errors in physical]),
        contact_agreement=float((stands[0] == stands[1]).mean()),
        distance_mm=1e3 * float(distances_m.mean()),
    )


def find_loaded_feet(timeline: Timeline) -> np.ndarray:
    """Return whether each foot bears weight (T, 2), with short gaps closed."""
    loaded = np.zeros((len(timeline), len(FEET)), dtype=bool)
    for contact in timeline.contacts():
        if contact.part in FEET:
            loaded[contact.first_frame : contact.last_frame + 1, FEET.index(contact.part)] = True
    return loaded


def _pair(values: Sequence[float]) -> tuple[float, float]:
    first, second = values
    return float(first), float(second)


def table(verdicts: dict[str, Verdict | str]) -> str:
    """Return a line per clip and their mean; failures in words."""
    lines = [f"{'':12}" + "".join(f"{field.name:>20}" for field in fields(Verdict))]
    compared = {name: verdict for name, verdict in verdicts.items() if isinstance(verdict, Verdict)}
    lines += [_format_row(name, [verdict]) for name, verdict in compared.items()]
    lines += [f"{name:12}{verdict}" for name, verdict in verdicts.items() if isinstance(verdict, str)]
    lines.append(_format_row(f"mean of {len(compared)}", list(compared.values())))
    return "\n".join(lines)


def _format_row(name: str, verdicts: Sequence[Verdict]) -> str:
    line = f"{name:12}"
    for field in fields(Verdict):
        values = [np.atleast_1d(getattr(verdict, field.name)) for verdict in verdicts]
        cell = " / ".join(f"{mean:.2f}" for mean in np.mean(values, axis=0))
        line += f"{cell:>20}"
    return line


@dataclass(frozen=True)
class Arguments:
    """Correct motion capture in one engine and replay it in the other."""

    data: tyro.conf.Positional[Path]
    """Folder or archive of the CMU set."""
    split: str = "test"
    """Split of its clips."""
    every: int = 1
    """Take each n-th clip only."""
    corrector: str = "pybullet"
    """The engine that corrects."""
    judge: str = "mujoco"
    """The engine that judges."""
    strength: float = STRENGTHS["balanced"]
    """Point on the dial of `DriveSettings.at_strength`."""


def main(arguments: Arguments) -> None:
    """Judge all clips and print the table."""
    correcting = TrackerSettings.at_strength(arguments.strength, arguments.corrector)
    clips = load_cmu(arguments.data, arguments.split)[:: arguments.every]
    judging = TrackerSettings.at_strength(arguments.strength, arguments.judge)
    print(f"first {arguments.corrector}, which corrects, then {arguments.judge}, which judges;")
    print(f"a foot is loaded that bears more than {BEARS_BODYWEIGHTS} body weights")
    print(table({Path(clip.source).stem: judge(clip, correcting, judging) for clip in clips}))


if __name__ == "__main__":
    main(tyro.cli(Arguments))
