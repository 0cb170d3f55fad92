"""Animated characters that others made: which are read, which are corrected, and why the others are not.

    python -m benchmarks.characters FOLDER

The folder holds one folder per package of a registry, such as `npm pack` and `pip download` unpack. Each file is opened
and corrected by kinematics, one by one. Files without a human body, and those without any motion, are listed
apart: nobody can correct them. docs/motion-data.md has the table.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

import selfcorrect as sc
from selfcorrect.core.errors import SelfcorrectError
from selfcorrect.datasets.files.formats import readable_suffixes, written_suffix
from selfcorrect.datasets.files.open import motion_files
from selfcorrect.motion.body.requirements import find_flaw
from selfcorrect.motion.measures.physical import physical_errors
from selfcorrect.motion.motion import Motion, MotionBatch

Outcome = Literal["corrected", "partly", "rejected", "no human", "no motion", "refused"]

_NO_MOTION = "holds no animation of a skeleton"


@dataclass(frozen=True)
class Row:
    """A file and what became of it."""

    package: str
    name: str
    motions: int
    outcome: Outcome
    reason: str = ""
    skate_before_mm_s: float = 0.0
    """Mean over the frames of all motions."""
    skate_after_mm_s: float = 0.0


def correct_characters(folder: Path) -> Iterator[Row]:
    """Correct every motion file below a folder.

    Args:
        folder: Folder of packages.

    Yields:
        What became of each file.
    """
    with tempfile.TemporaryDirectory() as out:
        for path in motion_files(folder):
            package = path.relative_to(folder).parts[0]
            target = Path(out) / f"corrected{written_suffix(path)}"
            yield _correct_character(path, target, package)
            target.unlink(missing_ok=True)


def _correct_character(path: Path, target: Path, package: str) -> Row:
    try:
        file = sc.open_motion(path, any_body=True)
    except SelfcorrectError as error:
        outcome: Outcome = "no motion" if _NO_MOTION in str(error) else "refused"
        return Row(package, path.name, 0, outcome, _shorten(path, str(error)))
    flaws = [find_flaw(motion) for motion in file.motions]
    if all(flaws):
        outcome = "no human" if "human" in flaws[0] else "refused"
        return Row(package, path.name, len(file.motions), outcome, _shorten(path, flaws[0]))
    corrected: list[Motion] = []
    reasons = [flaw for flaw in (*flaws, *file.refusals) if flaw]
    corrector = sc.KinematicCorrector()
    for motion, flaw in zip(file.motions, flaws, strict=True):
        if flaw:
            corrected.append(motion)
            continue
        try:
            correction = corrector([motion])[0]
        except SelfcorrectError as error:
            return Row(package, path.name, len(file.motions), "refused", _shorten(path, str(error)))
        corrected.append(correction.motion)
        if not correction.accepted:
            reasons.append(correction.reason)
    file.write(target, *corrected)
    outcome = "corrected" if not reasons else "partly" if len(reasons) < len(corrected) else "rejected"
    return Row(
        package,
        path.name,
        len(corrected),
        outcome,
        _shorten(path, "; ".join(dict.fromkeys(reasons))),
        1000 * _skate_m_s(file.motions),
        1000 * _skate_m_s(corrected),
    )


def _skate_m_s(motions: Sequence[Motion]) -> float:
    """Return the mean speed of standing feet over all frames."""
    total = 0.0
    for motion in motions:
        total += len(motion) * physical_errors(MotionBatch.stack([motion])).mean()["skate_m_s"]
    return total / max(sum(map(len, motions)), 1)


def _shorten(path: Path, reason: str) -> str:
    return " ".join(reason.replace(f"{path}: ", "").split())[:120]


def main(folder: tyro.conf.Positional[Path]) -> None:
    """Print a table of the characters in a folder, and how many moving humans of each format were corrected.

    Args:
        folder: Folder with one folder per package.
    """
    rows: list[Row] = []
    print("| package | file | motions | outcome | skate mm/s | why |\n| --- | --- | --- | --- | --- | --- |")
    for row in correct_characters(folder):
        rows.append(row)
        skate = f"{row.skate_before_mm_s:.0f} → {row.skate_after_mm_s:.0f}" if row.skate_before_mm_s else ""
        print(f"| {row.package} | {row.name} | {row.motions} | {row.outcome} | {skate} | {row.reason} |", flush=True)
    for suffix in readable_suffixes():
        humans = [row for row in rows if row.name.lower().endswith(suffix) and not row.outcome.startswith("no ")]
        if humans:
            refused = sum(row.outcome in ("refused", "rejected") for row in humans)
            print(f"{suffix}: {len(humans)} files of moving humans, {refused} refused ({refused / len(humans):.0%})")


if __name__ == "__main__":
    tyro.cli(main)
