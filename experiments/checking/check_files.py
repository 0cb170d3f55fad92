"""Motion files one by one against the rules, so that memory does not grow with their number."""

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.datasets.files.open import open_motion
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.motion.body.requirements import NO_BODY, find_missing_body
from selfcorrect.motion.checks.check import CheckResult, RuleChoice, check_with
from selfcorrect.motion.checks.findings import Finding
from selfcorrect.motion.motion import Motion
from selfcorrect.runtime.bugs import describe_failure, try_optional
from selfcorrect.simulators.feasibility import RootResidual, check_physics, compute_needed_residual, infer_surroundings
from selfcorrect.storage.files.strict_json import read_as


@dataclass(frozen=True)
class NeededForce:
    """The root residual that a motion needs, means over its frames, in an engine."""

    force_bodyweights: float
    moment_nm: float
    without_support: float
    """Share of frames."""
    engine: str

    def __str__(self) -> str:
        return (
            f"needs {self.force_bodyweights:.2f} body weights and {self.moment_nm:.0f} N m at the root "
            f"in {self.engine}, {self.without_support:.0%} of frames without support"
        )


@dataclass(frozen=True)
class CheckedFile:
    """Findings in each motion of a file, or the reason why it could not be read."""

    path: Path
    findings: tuple[tuple[Finding, ...], ...] = ()
    needed: tuple[NeededForce | None, ...] = ()
    """The root residual of each motion, None for one in which it was not measured; empty where nobody asked."""
    assumed: tuple[str, ...] = ()
    """Assumptions by which the file was read: unit, frame rate, axis, body, profile."""
    notes: tuple[str, ...] = ()
    """Measurements that failed, a sentence each."""
    error: str = ""
    flaw: str = ""
    """Why nothing was checked although the file was read, or why `correct` refuses it."""

    @property
    def all_findings(self) -> list[Finding]:
        """The findings of all its motions."""
        return [finding for findings in self.findings for finding in findings]


def check_files(
    paths: Iterable[Path], reading: Reading, choice: RuleChoice, judge: str | None
) -> Iterator[CheckedFile]:
    """Each file checked, when it is asked for.

    judge: the engine in which the root residual is measured, beside the rules of physics; None for neither.
    """
    for path in paths:
        try:
            file = open_motion(path, reading, any_body=True)
            reasons = [find_missing_body(motion) for motion in file.motions]
            if reasons and all(reasons):
                yield CheckedFile(path, assumed=file.assumed, flaw=f"{NO_BODY}: not checked ({reasons[0]})")
                continue
            flaw = f"cannot be corrected: {file.flaw.removeprefix(f'{path}: ')}" if file.flaw else ""
            file_choice = choice.tolerate_average_body() if file.has_average_body else choice
            checkups = [_check_motion(motion, file_choice, judge) for motion in file.motions]
            measured = [] if judge is None else [_measure_needed(motion, judge) for motion in file.motions]
            all_notes = [
                *(note for checkup in checkups for note in checkup.notes),
                *(note for _, note in measured if note),
            ]
            notes = tuple(dict.fromkeys(all_notes))
            needed = tuple(needed for needed, _ in measured)
            yield CheckedFile(
                path, tuple(checkup.findings for checkup in checkups), needed, file.assumed, notes, flaw=flaw
            )
        except Exception as error:  # whatever is wrong with one file, the others go on
            yield CheckedFile(path, error=describe_failure(path, error))


def _check_motion(motion: Motion, choice: RuleChoice, judge: str | None) -> CheckResult:
    return check_with(motion, choice, infer_surroundings) + (
        CheckResult() if judge is None else _check_physics_rules(motion, choice)
    )


def _measure_needed(motion: Motion, judge: str) -> tuple[NeededForce | None, str]:
    """The root residual of a motion, or why it was not measured."""
    nothing: RootResidual | None = None
    outcome, note = try_optional(
        "the root residual was left out", partial(compute_needed_residual, motion, judge), nothing
    )
    if outcome is None:
        return None, note
    means = outcome.mean_force_bodyweights, outcome.mean_moment_nm, outcome.without_support
    return NeededForce(*(float(values[0]) for values in means), engine=judge), note


def _check_physics_rules(motion: Motion, choice: RuleChoice) -> CheckResult:
    findings, note = try_optional("rules of physics were left out", partial(check_physics, motion, choice), [])
    return CheckResult(tuple(findings), (note,) if note else ())


def read_project_choice(folder: Path) -> RuleChoice:
    """Read the choice of rules in the nearest pyproject.toml in or above a folder; all rules if there is none."""
    for place in (folder.resolve(), *folder.resolve().parents):
        if (file := place / "pyproject.toml").is_file():
            return _read_choice(file)
    return RuleChoice()


def _read_choice(file: Path) -> RuleChoice:
    try:
        table: Any = tomllib.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # no TOML, no UTF-8, a number of too many digits, nested too deep
        raise SettingError(f"{file}: expected TOML, but {error}") from error
    for name in ("tool", "selfcorrect", "check"):
        table = table.get(name, {})
        if not isinstance(table, dict):
            raise SettingError(f"{file}: expected a table [tool.selfcorrect.check], got {name} = {table!r}")
    try:
        return read_as(RuleChoice, table, f"{file}: [tool.selfcorrect.check]")
    except InputError as error:
        raise SettingError(str(error)) from error
    except SettingError as error:
        raise SettingError(f"{file}: {error}") from error
