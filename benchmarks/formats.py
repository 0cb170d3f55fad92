"""Measure how exactly motion files come back.

    python -m benchmarks.formats path/to/cmu-bvh

Round trips put real motions on
SMPL's average body, as AMASS files hold no bone lengths. They write and read them, and compare joint positions in
canonical place. For HumanML3D's rows the bone lengths are first set to its standard, which is all that they can hold.
Motions on their own bodies come back on the average one: heights and speeds of standing toes are compared then.
"""

import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from selfcorrect.datasets.files.formats import FORMATS, Format, find_format
from selfcorrect.datasets.files.open import open_motion, save_motion
from selfcorrect.datasets.load import load_motions
from selfcorrect.motion.body.smpl import SMPL_BODY, body_joints
from selfcorrect.motion.editing.transforms import on_skeleton, resample
from selfcorrect.motion.encodings.humanml3d import FPS, TARGET_OFFSETS_M, canonical, normalise_bones
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.observation.observation import find_feet_m, observe


def write_and_read(motion: Motion, kind: Format) -> tuple[Motion, Motion]:
    """Return a motion at the frame rate of a format, and as it is read back from a file of the format."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(action="ignore"):
        path = Path(folder) / f"motion{kind.suffixes[0]}"
        save_motion(path, motion, kind.name)
        read = open_motion(path).motion
    return resample(motion, read.fps), read


def measure_round_trip_m(motion: Motion, kind: Format) -> float:
    """Return the largest displacement of a joint, metres, after writing and reading a motion of SMPL's body.

    Joints are in canonical place, with HumanML3D's bone lengths if the format has only those.
    """
    joints_m = [body_joints(version).astype(float) for version in write_and_read(motion, kind)]
    if kind.name == "humanml3d":
        joints_m = [normalise_bones(version_m, TARGET_OFFSETS_M) for version_m in joints_m]
    written_m, read_m = map(canonical, joints_m)
    return float(np.linalg.norm(read_m - written_m, axis=-1).max())


def measure_feet(motion: Motion, kind: Format) -> tuple[float, float]:
    """Return by how much standing toes are higher (metres) and slower (m/s) after writing and reading a motion."""
    written, read = write_and_read(motion, kind)
    observation = observe(written)
    changes_m = (find_feet_m(read) - find_feet_m(written))[:, :, -1, 1]
    stands = observation.standing[..., -1] > 0.5
    slower_m_s = observation.standing_speed_m_s(written) - observation.standing_speed_m_s(read)
    return float(np.median(changes_m[stands])), slower_m_s


@dataclass(frozen=True)
class FormatsBenchmark:
    """Errors per format and column group."""

    data: tyro.conf.Positional[Path]
    """A dataset's folder, e.g. the CMU set."""
    split: str = "test"
    every: int = 5
    """Put each n-th motion through the formats."""

    def run(self) -> None:
        motions = load_motions(f"{self.data}#{self.split}")
        _print_table("round trips, metres", measure_round_trips(motions[:: self.every]))
        _print_table("feet of other bodies", measure_feet_of_amass(motions[:: self.every]))


def measure_round_trips(motions: Sequence[Motion]) -> dict[str, dict[str, float]]:
    """Return the worst and the mean displacement of each format that is read and written."""
    skeleton = SMPL_BODY.average()
    on_average_body = [on_skeleton(resample(motion, FPS), skeleton) for motion in motions]
    rows = {}
    for kind in FORMATS:
        if kind.reader and kind.writer:
            errors_m = [measure_round_trip_m(motion, kind) for motion in on_average_body]
            rows[kind.name] = {"worst": max(errors_m), "mean": float(np.mean(errors_m))}
    return rows


def measure_feet_of_amass(motions: Sequence[Motion]) -> dict[str, dict[str, float]]:
    """Return changes of standing feet by AMASS, which has no bone lengths."""
    amass = find_format("amass")
    heights_m, slower_m_s = np.transpose([measure_feet(motion, amass) for motion in motions])
    worst = float(np.nanmax(np.abs(heights_m)))
    median = float(np.nanmedian(np.abs(heights_m)))
    return {amass.name: {"median": median, "worst": worst, "slower m/s": float(np.nanmean(slower_m_s))}}


def _print_table(title: str, rows: Mapping[str, Mapping[str, float]]) -> None:
    print(f"\n{title:<20}", *(f"{column:>12}" for column in next(iter(rows.values()))), sep="")
    for name, values in rows.items():
        print(f"{name:<20}", *(f"{value:>12.1e}" for value in values.values()), sep="")


if __name__ == "__main__":
    tyro.cli(FormatsBenchmark).run()
