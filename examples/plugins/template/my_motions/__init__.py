"""A template: tables of joint positions as a format, a corrector, two rules of `check`, and two metrics of loops.

A `.joints` file has its frames per second in the first line, then a row of 3 J numbers per frame: x, y, z of each joint
in metres, y up.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

import selfcorrect as sc
from selfcorrect.motion.checks.findings import Rule
from selfcorrect.motion.measures.metrics import SHARE, Metric, MetricInputs
from selfcorrect.motion.measures.physical import Unit
from selfcorrect.motion.perception.motion_features import MotionFeatures

JOINT_TABLE = sc.Format(
    name="joint-table",
    suffixes=(".joints",),
    holds="joint positions as text",
    reader="my_motions:open_table",
    writer="my_motions:write_table",
)


def open_table(path: Path, reading: sc.Reading) -> sc.MotionFile:
    """Open a table of joint positions.

    Raise `sc.InputError` with one sentence for a file that holds no motion.
    """
    try:
        (fps,) = np.loadtxt(path, max_rows=1, ndmin=1)
        rows = np.loadtxt(path, skiprows=1, ndmin=2)
        positions_m = rows.reshape(len(rows), -1, 3)
    except ValueError as error:
        raise sc.InputError(f"{path}: expected frames per second, then rows of joint positions: {error}") from error
    motion = sc.motion_from_joints(positions_m, float(fps), up=reading.up)
    return sc.MotionFile((replace(motion, source=str(path)),), (), write_table)


def write_table(path: Path, motion: sc.Motion) -> None:
    """Write the joints where the motion has them."""
    positions_m = sc.joint_positions(motion)
    np.savetxt(path, positions_m.reshape(len(motion), -1), "%.6f", header=f"{motion.fps:g}", comments="")


def lift(motion: sc.Motion) -> sc.Motion:
    """Lift a motion so that its lowest joint is on or above the floor."""
    lowest_m = float(sc.joint_positions(motion)[..., 1].min())
    return replace(motion, root_m=motion.root_m - [0.0, min(lowest_m, 0.0), 0.0])


def measure_distance_m(features: MotionFeatures) -> np.ndarray:
    """Measure the root's horizontal distance (T,) from the origin."""
    return np.linalg.norm(features.motion.root_m[:, [0, 2]], axis=1)


FAR_AWAY = Rule(
    code="U1",
    name="far-away",
    summary="The body is far from the origin, where numbers of 32 bits lose millimetres.",
    threshold=1000.0,
    unit="m",
    message="{value:.0f} m from the origin",
    measure=measure_distance_m,
    source="rounding of 32-bit numbers",
)


def measure_push(missing_bodyweights: np.ndarray, fps: float) -> np.ndarray:
    """Return the horizontal force (T,) that contacts cannot give."""
    return np.linalg.norm(missing_bodyweights[:, [0, 2]], axis=1)


PUSHED = Rule(
    code="U2",
    name="pushed",
    summary="Something pushes the body sideways.",
    threshold=1.0,
    unit="body weights",
    message="pushed by {value:.1f} body weights",
    measure_force=measure_push,
    source="an example",
    least_s=0.1,
)


def share_of_labels(inputs: MetricInputs) -> float:
    """Return the share of labels that samples keep.

    The labels are those of the real motions.
    """
    real = set(inputs.reference.labels)
    return len(real & set(inputs.candidate.labels)) / len(real)


LABELS_KEPT = Metric("labels_kept", "Labels kept", "diversity", "higher", bounds=SHARE, measure=share_of_labels)


def measure_root_heights_m(inputs: MetricInputs) -> np.ndarray:
    """Measure the root's mean height in each sampled motion."""
    return inputs.candidate.motions.root_m[..., 1].mean(axis=1)


ROOT_HEIGHT = Metric(
    "root_height_m", "Root height", "realism", "real", unit=Unit("m", "m"), measure=measure_root_heights_m
)
