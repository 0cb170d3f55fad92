"""Motion files one by one against the rules, so that memory does not grow with their number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from selfcorrect.datasets.files.open import open_motion
from selfcorrect.datasets.files.reading import Reading
from selfcorrect.experiments.rigs import Rigs, on_rig
from selfcorrect.motion.checks.check import Checkup, Choice, check_with
from selfcorrect.motion.checks.findings import Finding
from selfcorrect.motion.motion import Motion
from selfcorrect.runtime.bugs import attempted, sentence_of
from selfcorrect.simulators.checks import check_physics


@dataclass(frozen=True)
class Checked:
    """What was found in a file: findings in each of its motions, or why it could not be read."""

    path: Path
    findings: tuple[tuple[Finding, ...], ...] = ()
    notes: tuple[str, ...] = ()
    """What could not be measured, a sentence each."""
    error: str = ""

    @property
    def broken(self) -> list[Finding]:
        """The findings of all its motions."""
        return [finding for findings in self.findings for finding in findings]


def check_files(
    paths: Iterable[Path], reading: Reading, choice: Choice, physics: bool, rigs: Rigs
) -> Iterator[Checked]:
    """Each file checked, when it is asked for; `rigs`: what several files of one rig have shown of its feet."""
    for path in paths:
        try:
            motions = open_motion(path, reading, any_body=True).motions
            checkups = [_checked(on_rig(motion, rigs), choice, physics) for motion in motions]
            notes = dict.fromkeys(note for checkup in checkups for note in checkup.notes)
            yield Checked(path, tuple(checkup.findings for checkup in checkups), tuple(notes))
        except Exception as error:  # whatever is wrong with one file, the others go on
            yield Checked(path, error=sentence_of(path, error))


def _checked(motion: Motion, choice: Choice, physics: bool) -> Checkup:
    return check_with(motion, choice) + (_physics(motion, choice) if physics else Checkup())


def _physics(motion: Motion, choice: Choice) -> Checkup:
    found, note = attempted("rules of physics were left out", partial(check_physics, motion, choice), [])
    return Checkup(tuple(found), (note,) if note else ())
