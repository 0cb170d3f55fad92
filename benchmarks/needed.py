"""The root force that real windows need, before and after corrections and with faults, by each judge.

    python -m benchmarks.needed --windows 24 --seeds 3

An engine that made a motion must not look better in its own eyes than in another's. Neither a low-pass filter nor rules
about feet may hide that a body glides or hovers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import tyro
from scipy.signal import butter, sosfiltfilt
from scipy.stats import spearmanr

from selfcorrect.experiments.motion.correctors.builtin import sample_corrector
from selfcorrect.experiments.motion.run.seed_runs import seed_runs
from selfcorrect.experiments.motion.run.task import motion_data
from selfcorrect.experiments.motion.settings.presets import PRESETS
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.simulators.cleanup.clean import CleanupSettings
from selfcorrect.simulators.corrector import KinematicCorrector
from selfcorrect.simulators.feasibility import RootResidual, compute_contact_residual, simulate_residual
from selfcorrect.simulators.settings.engine_table import ENGINES
from selfcorrect.statistics import mean_interval

SAMPLES = CleanupSettings.for_samples()
GLIDE_M_S, HOVER_M, CUTOFF_HZ = 0.5, 0.1, 6.0

REAL, FAULTS = "real windows", ("gliding", "hovering")
JUDGES = ("mujoco", "pybullet", "contact forces")

Change = Callable[[Sequence[Motion]], list[Motion]]


def glides(motions: Sequence[Motion]) -> list[Motion]:
    """The motions, carried sideways."""
    return [_moved(each, GLIDE_M_S * np.arange(len(each))[:, None] / each.fps * [1.0, 0.0, 0.0]) for each in motions]


def hovers(motions: Sequence[Motion]) -> list[Motion]:
    """The motions, lifted."""
    return [_moved(each, np.array([0.0, HOVER_M, 0.0])) for each in motions]


def _moved(motion: Motion, by_m: np.ndarray) -> Motion:
    return replace(motion, root_m=motion.root_m + by_m)


def low_passed(motions: Sequence[Motion]) -> list[Motion]:
    """The motions through a Butterworth filter, forwards and backwards."""
    return [_low_passed(each) for each in motions]


def _low_passed(motion: Motion) -> Motion:
    sections = butter(2, CUTOFF_HZ, fs=motion.fps, output="sos")
    root_m, rotations = (sosfiltfilt(sections, each, axis=0) for each in (motion.root_m, motion.rotations))
    return replace(motion, root_m=root_m, rotations=rotations / np.linalg.norm(rotations, axis=-1, keepdims=True))


def kinematic(motions: Sequence[Motion]) -> list[Motion]:
    """The motions after kinematic clean-up."""
    return [each.motion for each in KinematicCorrector(SAMPLES)(motions)]


def physics(engine: str, motions: Sequence[Motion]) -> list[Motion]:
    """The motions as loops correct them in an engine; those that are rejected stay."""
    return [each.motion for each in sample_corrector(engine)(motions)]


CHANGES: dict[str, Sequence[Change]] = {
    REAL: (),
    "low-pass": (low_passed,),
    "kinematic": (kinematic,),
    **{f"physics in {name}": (partial(physics, name),) for name in ("mujoco", "pybullet")},
    "gliding": (glides,),
    "gliding, low-pass": (glides, low_passed),
    "gliding, kinematic": (glides, kinematic),
    "hovering": (hovers,),
    "hovering, low-pass": (hovers, low_passed),
    "hovering, kinematic": (hovers, kinematic),
}


def judged(motions: Sequence[Motion], judge: str) -> RootResidual:
    """What motions need, by an engine, or by contact forces after kinematic clean-up."""
    batch = MotionBatch.stack(list(motions))
    return (
        simulate_residual(batch, SAMPLES, judge) if judge in ENGINES.names else compute_contact_residual(batch, SAMPLES)
    )


def changed(motions: list[Motion], changes: Sequence[Change]) -> list[Motion]:
    for change in changes:
        motions = change(motions)
    return motions


@dataclass(frozen=True)
class Arguments:
    """Judge real windows of the built-in clips, by seed."""

    windows: int = 24
    """Of each seed."""
    seeds: int = 3
    judges: tuple[str, ...] = JUDGES
    """Those that judge."""


def main(arguments: Arguments) -> None:
    """Print a table, and how the judges agree."""
    judges = arguments.judges
    columns = ("force", "moment, N m", "without support, %")
    print("| windows | " + " | ".join(f"{judge}: {column}" for judge in judges for column in columns) + " |")
    print("| --- |" + " --- |" * len(judges) * len(columns))
    runs = seed_runs(replace(PRESETS["bad-cases"], seeds=arguments.seeds), Path("runs"))
    fresh = {run.seed: motion_data(run.settings, run.stream).fresh.batch for run in runs}
    forces: dict[str, dict[str, np.ndarray]] = {judge: {} for judge in judges}
    for title, changes in CHANGES.items():
        cells = []
        sets = [changed([batch[index] for index in range(arguments.windows)], changes) for batch in fresh.values()]
        for judge in judges:
            found = [judged(motions, judge) for motions in sets]
            forces[judge][title] = np.concatenate([each.mean_force_bodyweights for each in found])
            cells += [
                _cell([each.mean_force_bodyweights for each in found], 2),
                _cell([each.mean_moment_nm for each in found], 0),
                _cell([100 * each.without_support for each in found], 1),
            ]
        print(f"| {title} | " + " | ".join(cells) + " |", flush=True)
    for judge, by_title in forces.items():
        print(f"\nforce in {judge}, paired by window:", *_faults(by_title), sep="\n")
    flat = [np.concatenate(list(each.values())) for each in forces.values()]
    if len(judges) > 1:
        agreement = np.asarray(spearmanr(np.stack(flat), axis=1)[0])
        print(f"\nSpearman's correlation of {len(flat[0])} forces of {', '.join(judges)}:\n{np.round(agreement, 2)}")


def _faults(forces: Mapping[str, np.ndarray]) -> Iterator[str]:
    """What a fault adds to the force of the same windows without it, as they are and after each correction."""
    for title in forces:
        fault, _, correction = title.partition(", ")
        if fault in FAULTS:
            change = mean_interval(forces[title] - forces[correction or REAL])
            yield f"{title} minus {correction or REAL}: {change.estimate:+.2f} [{change.low:+.2f}, {change.high:+.2f}]"


def _cell(by_seed: Sequence[np.ndarray], digits: int) -> str:
    interval = mean_interval(np.array([each.mean() for each in by_seed]))
    half = (interval.high - interval.low) / 2
    return f"{interval.estimate:.{digits}f} ± {half:.{digits}f}"


if __name__ == "__main__":
    main(tyro.cli(Arguments))
