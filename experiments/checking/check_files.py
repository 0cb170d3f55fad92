"""Motion files one by one against the rules, so that memory does not grow with their number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from selfcorrect.datasets.files.motion_file import Reading
from selfcorrect.datasets.files.open import open_motion
from selfcorrect.errors import InputError
from selfcorrect.motion.checks.check import Choice, check_with
from selfcorrect.motion.checks.findings import Finding
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.checks import check_physics


@dataclass(frozen=True)
class Checked:
    """What was found in a file: findings in each of its motions, or why it could not be read."""

    path: Path
    findings: tuple[tuple[Finding, ...], ...] = ()
    error: str = ""

    @property
    def broken(self) -> list[Finding]:
        """The findings of all its motions."""
        return [finding for findings in self.findings for finding in findings]


def check_files(paths: Iterable[Path], reading: Reading, choice: Choice, physics: bool) -> Iterator[Checked]:
    """Each file checked, when it is asked for."""
    for path in paths:
        try:
            motions = open_motion(path, reading, any_body=True).motions
            yield Checked(path, tuple(tuple(_checked(motion, choice, physics)) for motion in motions))
        except (InputError, OSError) as error:
            yield Checked(path, error=str(error))


def _checked(motion: Motion, choice: Choice, physics: bool) -> list[Finding]:
    return check_with(motion, choice) + (check_physics(motion, choice) if physics else [])
