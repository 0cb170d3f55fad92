"""Check motion files against the rules, one at a time, so that memory does not grow with their number."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.datasets.files.conclusions import draw_conclusions
from selfcorrect.datasets.files.open import open_motion
from selfcorrect.datasets.files.skeletons.file_note import FileNote
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.motion.body.requirements import NO_BODY, find_missing_body
from selfcorrect.motion.checks.check import CheckResult, RuleChoice, check_samples, check_with
from selfcorrect.motion.checks.findings import Finding
from selfcorrect.motion.checks.references import measure_reference
from selfcorrect.motion.measures.slip import NO_SLIP, measure_slip
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.held_channels import HeldChannels
from selfcorrect.motion.perception.repeats import FrameRepeats
from selfcorrect.motion.support import Surroundings
from selfcorrect.runtime.bugs import describe_failure, remove_path, try_optional
from selfcorrect.storage.files.limits import read_text
from selfcorrect.storage.files.strict_json import read_as

if TYPE_CHECKING:
    from selfcorrect.datasets.files.conclusions import Conclusion


@dataclass(frozen=True)
class NeededForce:
    """The residual force and moment on the root that a motion needs in an engine, as means over frames."""

    force_bodyweights: float
    moment_nm: float
    without_support: float
    """Share of frames without support."""
    engine: str

    def __str__(self) -> str:
        return (
            f"needs {self.force_bodyweights:.2f} body weights and {self.moment_nm:.0f} N m at the root "
            f"in {self.engine}, {self.without_support:.0%} of frames without support"
        )


@dataclass(frozen=True)
class CheckedFile:
    """The findings in a file's motions, or the reason why it could not be read."""

    path: Path
    findings: tuple[tuple[Finding, ...], ...] = ()
    needed: tuple[NeededForce | None, ...] = ()
    """Root residual of each motion, None if it could not be measured; () if it was not asked for."""
    assumed: tuple[FileNote, ...] = ()
    """Assumptions made in reading the file: unit, frame rate, axis, body, profile."""
    slips: tuple[dict[str, float], ...] = ()
    """Slip of each motion per stance and its speed, as in `Slip.figures`."""
    references: tuple[dict[str, float], ...] = ()
    """Figures of each motion as a reference, by key; () if they were not asked for."""
    conclusions: tuple[Conclusion, ...] = ()
    """Conclusions about size, axis, unit and floor, with evidence; () if they were not asked for."""
    notes: tuple[str, ...] = ()
    """Sentences on measurements that failed."""
    error: str = ""
    """Reason why the file could not be read; "" if it could."""
    flaw: str = ""
    """Reason why a readable file was not checked, or why `correct` refuses it."""

    @property
    def damage(self) -> tuple[FileNote, ...]:
        """Notes on missing or dropped data."""
        return tuple(note for note in self.assumed if note.topic == "damage")

    @property
    def all_findings(self) -> list[Finding]:
        """The findings of all motions."""
        return [finding for findings in self.findings for finding in findings]


def check_files(
    paths: Iterable[Path],
    reading: Reading,
    choice: RuleChoice,
    engine: str | None,
    *,
    explain: bool = False,
    as_references: bool = False,
) -> Iterator[CheckedFile]:
    """Check files lazily.

    Args:
        paths: Files to check.
        reading: Facts that the files do not state.
        choice: Rules to check.
        engine: Engine for the root residual and the rules of physics, or None to skip both.
        explain: Whether to explain how each file was read.
        as_references: Whether to measure the motions as references.

    Yields:
        The findings in each file, or the reason why it could not be read.
    """
    for path in paths:
        try:
            yield _check_file(path, reading, choice, engine, explain=explain, as_references=as_references)
        except Exception as error:  # a bad file must not stop the others
            yield CheckedFile(path, error=describe_failure(path, error))


def _check_file(
    path: Path, reading: Reading, choice: RuleChoice, engine: str | None, *, explain: bool, as_references: bool
) -> CheckedFile:
    file = open_motion(path, reading, any_body=True)
    conclusions, note = (), ""
    if explain:
        conclusions, note = try_optional("the reading was not explained", partial(draw_conclusions, file, reading), ())
    reasons = [find_missing_body(motion) for motion in file.motions]
    if reasons and all(reasons):
        return CheckedFile(
            path, conclusions=conclusions, assumed=file.assumed, flaw=f"{NO_BODY}: not checked ({reasons[0]})"
        )
    references: tuple[dict[str, float], ...] = ()
    if as_references and not file.flaw:
        references = tuple(map(measure_reference, file.motions))
    findings = []
    needed = []
    notes = [*filter(None, [note])]
    slips = []
    for motion in file.motions:
        slip, note = try_optional("slip was left out", partial(measure_slip, motion), NO_SLIP)
        slips.append(slip.figures)
        notes += filter(None, [note])
        result = check_motion(motion, choice, engine)
        findings.append(result.findings)
        notes += result.notes
        if engine is not None:
            force, note = _measure_needed(motion, engine)
            needed.append(force)
            notes += filter(None, [note])
    return CheckedFile(
        path,
        findings=tuple(findings),
        needed=tuple(needed),
        assumed=file.assumed,
        slips=tuple(slips),
        references=references,
        conclusions=conclusions,
        notes=tuple(dict.fromkeys(notes)),
        flaw=f"cannot be corrected: {remove_path(file.flaw, path)}" if file.flaw else "",
    )


def check_motion(motion: Motion, choice: RuleChoice, engine: str | None) -> CheckResult:
    """Check a motion as `selfcorrect check` does: without repeated frames, in the surroundings that it shows.

    Args:
        motion: The motion.
        choice: Rules to check.
        engine: Engine for the rules of physics, or None to skip them.
    """
    repeats = FrameRepeats.from_motion(motion)
    result = check_samples(motion, lambda samples: check_with(samples, choice, _infer_surroundings))
    if repeats.has_repeats:
        result = replace(result, notes=(repeats.describe(motion.fps), *result.notes))
    elif held := HeldChannels.from_motion(motion):
        note = f"held for {held.spacing:.2g} frames at a time: {held.list_names()}"
        result = replace(result, notes=(note, *result.notes))
    if engine is None:
        return result
    from selfcorrect.simulators.feasibility import check_physics  # 180 ms, more than a short clip takes

    findings, note = try_optional("rules of physics were left out", partial(check_physics, motion, choice), [])
    return result + CheckResult(tuple(findings), (note,) if note else ())


def _infer_surroundings(motion: Motion) -> Surroundings:
    from selfcorrect.simulators.feasibility import infer_surroundings  # 180 ms, and only for findings

    return infer_surroundings(motion)


def _measure_needed(motion: Motion, engine: str) -> tuple[NeededForce | None, str]:
    """Measure the root residual of a motion. Returns None and a note if this fails."""
    from selfcorrect.simulators.feasibility import RootResidual, compute_needed_residual  # 180 ms

    measure = partial(compute_needed_residual, motion, engine)
    missing: RootResidual | None = None
    residual, note = try_optional("the root residual was left out", measure, missing)
    if residual is None:
        return None, note
    force = NeededForce(
        force_bodyweights=float(residual.mean_force_bodyweights[0]),
        moment_nm=float(residual.mean_moment_nm[0]),
        without_support=float(residual.without_support[0]),
        engine=engine,
    )
    return force, note


def read_project_choice(folder: Path) -> RuleChoice:
    """Read the choice of rules from the nearest pyproject.toml in or above a folder; all rules if there is none."""
    for place in (folder.resolve(), *folder.resolve().parents):
        if (file := place / "pyproject.toml").is_file():
            return _read_choice(file)
    return RuleChoice()


def _read_choice(file: Path) -> RuleChoice:
    try:
        table: Any = tomllib.loads(read_text(file))
    except (ValueError, RecursionError) as error:  # not TOML, not UTF-8, a number of too many digits, nested too deep
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
