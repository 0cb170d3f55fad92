"""Measure how closely the physics corrector tracks motion capture, clip by clip.

    python -m benchmarks.tracking path/to/cmu-bvh --split test --engine pybullet mujoco

Each clip is corrected twice: by kinematics alone and with the simulation, so that the shares of both can be separated.
A clip is a success where its joints are never more than half a metre from the given ones, on average over the body
(criterion of Luo et al. 2021, "Dynamics-Regulated Kinematic Policy for Egocentric Pose Estimation").
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import tyro

from selfcorrect.datasets.collections.cmu import load_cmu
from selfcorrect.motion.corrector_interface.results import CorrectedMotion
from selfcorrect.motion.geometry.kinematics import joint_positions
from selfcorrect.motion.measures.physical import physical_errors
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.simulators.corrector import KinematicCorrector, PhysicsCorrector
from selfcorrect.simulators.settings.tracker import STRENGTHS, TrackerSettings

FURTHEST_M = 0.5
"""Mean distance over the body's joints at which a motion is lost."""


@dataclass(frozen=True)
class TrackingErrors:
    """Distance of a motion from a reference, and its own physical errors; means over frames and joints.

    The mpjpe_mm is of joints in the world, relative_mm of joints relative to the root. The acceleration_mm is of second
    differences, per frame². The rest is as in `physical_errors`, in millimetres (jerk per frame³, skate per second).
    """

    mpjpe_mm: float
    relative_mm: float
    acceleration_mm: float
    penetration_mm: float
    floating_mm: float
    skate_mm_s: float
    jerk_mm: float


def measure_errors(reference: Motion, motion: Motion) -> TrackingErrors:
    """Measure the errors of a motion with the reference's skeleton, length and frame rate."""
    reference_m = joint_positions(reference)
    joints_m = joint_positions(motion)
    differences_m = joints_m - reference_m
    physical = physical_errors(MotionBatch.stack([motion]))
    return TrackingErrors(
        mpjpe_mm=_mean_mm(differences_m),
        relative_mm=_mean_mm(differences_m - differences_m[:, :1]),
        acceleration_mm=_mean_mm(np.diff(differences_m, 2, axis=0)),
        penetration_mm=1e3 * float(physical.penetration_m[0]),
        floating_mm=1e3 * float(physical.floating_m[0]),
        skate_mm_s=1e3 * float(physical.skate_m_s[0]),
        jerk_mm=1e3 * float(physical.jerk_m_s3[0]) / motion.fps**3,
    )


def _mean_mm(differences_m: np.ndarray) -> float:
    return 1e3 * float(np.linalg.norm(differences_m, axis=-1).mean())


@dataclass(frozen=True)
class TrackingResult:
    """A clip before and after kinematics alone and with physics.

    furthest_m: mean distance of all joints from the clip in the worst frame.
    """

    clip: Motion
    before: TrackingErrors
    kinematic: TrackingErrors
    physical: TrackingErrors
    correction: CorrectedMotion
    furthest_m: float

    @property
    def success(self) -> bool:
        """The body followed the clip to its end."""
        return self.correction.accepted and self.furthest_m <= FURTHEST_M

    @property
    def residual(self) -> tuple[float, float]:
        """Residual root force in body weights and torque in newton metres."""
        residual = self.correction.residual
        return residual["residual_force_bodyweights"], residual["residual_torque_nm"]


def measure(clips: Sequence[Motion], settings: TrackerSettings) -> list[TrackingResult]:
    """Correct clips both ways."""
    corrections = PhysicsCorrector(settings)(clips)
    kinematic = KinematicCorrector()(clips)
    return list(map(_build_result, clips, kinematic, corrections))


def _build_result(clip: Motion, kinematic: CorrectedMotion, correction: CorrectedMotion) -> TrackingResult:
    distances_m = np.linalg.norm(joint_positions(correction.motion) - joint_positions(clip), axis=-1)
    return TrackingResult(
        clip=clip,
        before=_measure_on_supports(clip, clip, correction.before),
        kinematic=_measure_on_supports(clip, kinematic.motion, kinematic.after),
        physical=_measure_on_supports(clip, correction.motion, correction.after),
        correction=correction,
        furthest_m=float(distances_m.mean(axis=1).max()),
    )


def _measure_on_supports(reference: Motion, motion: Motion, figures: Mapping[str, float]) -> TrackingErrors:
    """Measure errors; penetration, floating and skate are those against the supports that the corrector has found."""
    return replace(
        measure_errors(reference, motion),
        penetration_mm=1e3 * figures["penetration_m"],
        floating_mm=1e3 * figures["floating_m"],
        skate_mm_s=1e3 * figures["skate_m_s"],
    )


def table(results: Sequence[TrackingResult]) -> str:
    """Return means over clips that were followed to their end, by clip, by category and over all; then the worst."""
    lines = [_HEADER, *(_format_row(Path(result.clip.source).stem, [result]) for result in results), "", _HEADER]
    categories = defaultdict(list)
    for result in results:
        categories[result.clip.label].append(result)
    lines += [_format_row(label, group) for label, group in sorted(categories.items())]
    lines += [_format_row("all", results), "", *_list_stages(results), "", *_list_worst(results)]
    return "\n".join(lines)


_HEADER = (
    f"{'':16}{'ok':>8}{'MPJPE':>8}{'relative':>9}{'accel.':>8}{'penetr.':>8}{'float':>7}{'skate':>8}{'jerk':>7}"
    f"{'force':>8}{'torque':>8}"
)


def _format_row(name: str, results: Sequence[TrackingResult]) -> str:
    good = [result for result in results if result.success]
    if not good:
        return f"{name:16}{f'0/{len(results)}':>8}"
    errors = average_errors([result.physical for result in good])
    force, torque = np.mean([result.residual for result in good], axis=0)
    return (
        f"{name:16}{f'{len(good)}/{len(results)}':>8}{errors.mpjpe_mm:8.1f}{errors.relative_mm:9.1f}"
        f"{errors.acceleration_mm:8.1f}{errors.penetration_mm:8.2f}{errors.floating_mm:7.2f}{errors.skate_mm_s:8.1f}"
        f"{errors.jerk_mm:7.1f}{force:8.3f}{torque:8.1f}"
    )


def _list_stages(results: Sequence[TrackingResult]) -> list[str]:
    """List the mean errors before correction, after kinematics and with physics."""
    good = [result for result in results if result.success]
    stages = {"before": "before", "kinematics": "kinematic", "with physics": "physical"}
    means = {stage: average_errors([getattr(result, name) for result in good]) for stage, name in stages.items()}
    names = [field.name for field in fields(TrackingErrors)]
    lines = [f"{'':16}" + "".join(f"{name:>17}" for name in names)]
    for stage, errors in means.items():
        lines.append(f"{stage:16}" + "".join(f"{getattr(errors, name):17.2f}" for name in names))
    return lines


def _list_worst(results: Sequence[TrackingResult], count: int = 10) -> list[str]:
    """List the clips that were lost, then those that moved most."""
    ranked = sorted(results, key=lambda result: (result.success, -result.physical.mpjpe_mm))
    lines = [f"{'worst':16}{'MPJPE':>8}{'kinem.':>8}{'furthest':>10}{'unexplained':>13}"]
    for result in ranked[:count]:
        unexplained = result.correction.residual["unexplained_force_bodyweights"]
        errors = f"{result.physical.mpjpe_mm:8.1f}{result.kinematic.mpjpe_mm:8.1f}{1e3 * result.furthest_m:10.0f}"
        note = "; ".join(filter(None, (result.clip.text, result.correction.reason)))
        lines.append(f"{Path(result.clip.source).stem:16}{errors}{unexplained:13.3f}  {note}")
    return lines


def average_errors(errors: Sequence[TrackingErrors]) -> TrackingErrors:
    """Return the mean of each error."""
    names = [field.name for field in fields(TrackingErrors)]
    return TrackingErrors(**{name: float(np.mean([getattr(error, name) for error in errors])) for name in names})


@dataclass(frozen=True)
class Arguments:
    """Track motion capture with the physics corrector and print how well it went."""

    data: tyro.conf.Positional[Path]
    """Folder or archive of the CMU set."""
    split: str = "test"
    """Split of its clips."""
    every: int = 1
    """Take each n-th clip only."""
    strength: float = STRENGTHS["balanced"]
    """Point on the dial of `DriveSettings.at_strength`."""
    engine: tuple[str, ...] = ("pybullet",)
    """Engines to compare."""


def main(arguments: Arguments) -> None:
    """Measure all clips in each engine and print the tables."""
    clips = load_cmu(arguments.data, arguments.split)[:: arguments.every]
    rows = []
    for engine in arguments.engine:
        settings = TrackerSettings.at_strength(arguments.strength, engine)
        results = measure(clips, settings)
        print(engine, table(results), sep="\n\n", end="\n\n", flush=True)
        rows.append(_format_row(engine, results))
    print(_HEADER, *rows, sep="\n")


if __name__ == "__main__":
    main(tyro.cli(Arguments))
