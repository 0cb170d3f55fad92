"""Corrected motions before another judge: replayed in the other engine, do contacts and penetration agree?

    python -m benchmarks.judge path/to/cmu-bvh --every 4

One engine corrects a clip. The other follows the result as it is, with the same body and without clean-up, and finds
contact forces anew. If the first had only exploited quirks of its own contacts, the second would disagree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import tyro

from selfcorrect.datasets.collections.cmu import load_cmu
from selfcorrect.motion.correction.results import CorrectedMotion
from selfcorrect.motion.correction.timeline import BEARS_BODYWEIGHTS, Timeline
from selfcorrect.motion.geometry.kinematics import joint_positions
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.simulators.cleanup.clean import CleanupSettings, clean_motions
from selfcorrect.simulators.pipeline import Physics, correct_cleaned
from selfcorrect.simulators.settings.plan import SUPPORT_MODES
from selfcorrect.simulators.settings.tracker import STRENGTHS, TrackerSettings
from selfcorrect.simulators.stages.values import CleanedMotions

FEET = ("left foot", "right foot")


@dataclass(frozen=True)
class Verdict:
    """What the corrector's engine (first) and the judge's (second) find about one clip.

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
    """Correct a clip with one engine's settings and replay the result with the other's; why not, where one failed."""
    batch, nothing = MotionBatch.stack([clip]), SUPPORT_MODES["floor"]
    cleaned = clean_motions(batch, CleanupSettings())
    ((corrected,),) = correct_cleaned(Physics(corrector, nothing), [cleaned])
    if corrected.failure:
        return f"{corrector.engine.name}: {corrected.failure}"
    judged = replayed(cleaned, corrected, other)
    return f"{other.engine.name}: {judged.failure}" if judged.failure else _compare(clip, corrected, judged)


def replayed(cleaned: CleanedMotions, corrected: CorrectedMotion, other: TrackerSettings) -> CorrectedMotion:
    """What other settings make of a correction, with nothing cleaned up or filtered beforehand."""
    up_m = cleaned.origin_m[:, None, None] * [0.0, 1.0, 0.0]
    made = MotionBatch.stack([corrected.motion])
    original = replace(cleaned.original, root_m=made.root_m + up_m, rotations=made.rotations)
    as_given = replace(cleaned, original=original, motions=original)
    physics = Physics(replace(other, filter_dynamics=False), SUPPORT_MODES["floor"], postprocess=())
    ((judged,),) = correct_cleaned(physics, [as_given])
    return judged


def _compare(clip: Motion, first: CorrectedMotion, second: CorrectedMotion) -> Verdict:
    outcomes = (first, second)
    helped = [outcome.residual for outcome in outcomes]
    timelines = [outcome.timeline for outcome in outcomes if outcome.timeline is not None]
    joints_m = [joint_positions(each.motion) for each in outcomes]
    stands = [feet_loaded(timeline) for timeline in timelines]
    return Verdict(
        load_bodyweights=_pair([each.loads_bodyweights.sum(axis=1).mean() for each in timelines]),
        force_bodyweights=_pair([each["residual_force_bodyweights"] for each in helped]),
        moment_nm=_pair([each["residual_torque_nm"] for each in helped]),
        penetration_mm=_pair([1e3 * each.after["penetration_m"] for each in outcomes]),
        floating_mm=_pair([1e3 * each.after["floating_m"] for each in outcomes]),
        contact_agreement=float((stands[0] == stands[1]).mean()),
        distance_mm=1e3 * float(np.linalg.norm(joints_m[1] - joints_m[0], axis=-1).mean()),
    )


def feet_loaded(timeline: Timeline) -> np.ndarray:
    """(T, 2) whether each foot bears weight, short gaps closed."""
    loaded = np.zeros((len(timeline), len(FEET)), dtype=bool)
    for contact in timeline.contacts():
        if contact.part in FEET:
            loaded[contact.first_frame : contact.last_frame + 1, FEET.index(contact.part)] = True
    return loaded


def _pair(values: Sequence[float]) -> tuple[float, float]:
    first, second = values
    return float(first), float(second)


def table(verdicts: dict[str, Verdict | str]) -> str:
    """A line per clip and their mean; failures in words."""
    names = [field.name for field in fields(Verdict)]
    good = {name: verdict for name, verdict in verdicts.items() if isinstance(verdict, Verdict)}
    rows = [_row(name, [verdict], names) for name, verdict in good.items()]
    failures = [f"{name:12}{verdict}" for name, verdict in verdicts.items() if isinstance(verdict, str)]
    head = f"{'':12}" + "".join(f"{name:>20}" for name in names)
    return "\n".join([head, *rows, *failures, _row(f"mean of {len(good)}", list(good.values()), names)])


def _row(name: str, verdicts: Sequence[Verdict], names: Sequence[str]) -> str:
    cells = [np.mean([np.atleast_1d(getattr(verdict, figure)) for verdict in verdicts], axis=0) for figure in names]
    return f"{name:12}" + "".join(f"{' / '.join(f'{value:.2f}' for value in cell):>20}" for cell in cells)


@dataclass(frozen=True)
class Arguments:
    """Correct motion capture in one engine and replay it in the other."""

    data: tyro.conf.Positional[Path]
    """Folder or archive of the CMU set."""
    split: str = "test"
    """Which of its clips."""
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
    settings = TrackerSettings.at_strength(arguments.strength, arguments.corrector)
    clips = load_cmu(arguments.data, arguments.split)[:: arguments.every]
    judging = TrackerSettings.at_strength(arguments.strength, arguments.judge)
    print(f"first {arguments.corrector}, which corrects, then {arguments.judge}, which judges;")
    print(f"a foot is loaded that bears more than {BEARS_BODYWEIGHTS} body weights")
    print(table({Path(clip.source).stem: judge(clip, settings, judging) for clip in clips}))


if __name__ == "__main__":
    main(tyro.cli(Arguments))
