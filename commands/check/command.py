"""`selfcorrect check`: report what is physically implausible in motion files."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import tyro
from tqdm import tqdm
from tyro.extras import literal_type_from_choices

from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.experiments.jobs.targets import check_output, check_separate
from selfcorrect.runtime.bugs import try_optional
from selfcorrect.simulators.settings.engine_table import ENGINES
from selfcorrect.storage.files.writing import text_output

from ..command_line.help_page import HelpPage
from ..command_line.inputs import READING_OPTIONS, list_changed, must_be_usable, must_exist

if TYPE_CHECKING:
    from selfcorrect.motion.checks.check import RuleChoice

    from .check_files import CheckedFile
    from .references import ReferenceRow

    EngineName = str
else:
    EngineName = literal_type_from_choices(ENGINES.names)


@dataclass(frozen=True)
class CheckCommand:
    """Report what is physically implausible in motion files: what, in which frames and joints, and by how much.

    Changes nothing. `--rules` lists the rules and their thresholds. Select, ignore and change thresholds of rules in
    pyproject.toml, under [tool.selfcorrect.check].

    Exit code 0: no findings. 1: findings, damaged files, or files without a human body. 2: wrong arguments, or a file
    could not be read.
    """

    HELP: ClassVar[HelpPage] = HelpPage(
        {
            "selfcorrect check walk.bvh": "List what is wrong in a clip: what, in which frames, and the rule.",
            "selfcorrect check clips/ --references": "Rank clips by what will hurt robots and characters.",
        },
        common=("select", "ignore", "rules", "physics", "references", "against", "format", "out", "verbose"),
        groups={"reading": READING_OPTIONS},
    )

    inputs: tyro.conf.Positional[tuple[Path, ...]] = ()
    """Motion files, and folders of motion files."""
    select: tuple[str, ...] = ()
    """Rules to check: codes, names, or first letters of codes, such as F S1 pace (default: those in pyproject.toml,
    or all)."""
    ignore: tuple[str, ...] = ()
    """Rules to skip, in addition to those that pyproject.toml ignores."""
    physics: bool = False
    """Also check physics (rules X), and report the force and moment on the root that each motion needs, and the
    share of frames without support."""
    engine: EngineName = "mujoco"
    """Engine for --physics. Choose one that did not make the motions."""
    format: Literal["text", "json", "junit"] = "text"
    """Format of the findings."""
    out: Annotated[Path | None, tyro.conf.arg(aliases=("-o",))] = None
    """File for the findings (default: standard output)."""
    picture: Path | None = None
    """Draw the worst moments as a PNG, with a row of frames around each."""
    overwrite: bool = False
    """Replace the files of findings and pictures if they exist."""
    verbose: Annotated[bool, tyro.conf.arg(aliases=("-v",))] = False
    """Also print how each file was read, and why: size, vertical axis, unit, names, frame rate and floor."""
    references: bool = False
    """Instead of findings, rank the motions by what will hurt robots and characters that train on them: height of
    stance feet, sliding, jitter, flickering contact labels, a first frame in the air, pace, frame rate."""
    csv: Path | None = None
    """Also write the table of --references to this file, in SI units."""
    leave_out: Path | None = None
    """Also write the paths of clips that --references finds unfit to this file, the worst first. Correct them
    first, or leave them out."""
    against: Path | None = None
    """Compare with the file that the motion was made from by an export, an import or a resampling: rate, duration,
    size, world, rest pose, joints, feet. For a folder, the file of the same name. Exit code 1: the two differ."""
    tolerance_mm: float = 5.0
    """Largest distance of joints from --against at which motions count as the same, in mm."""
    rules: bool = False
    """List the rules and exit."""
    reading: Annotated[Reading, tyro.conf.arg(name="", help="")] = field(default_factory=Reading)

    def run(self) -> int:
        """Check the motions, report the findings, and return the exit code."""
        if self.rules:
            from selfcorrect.motion.checks.check import RuleChoice

            return _print_rules(RuleChoice().narrow(self.select, self.ignore))
        if not self.inputs:
            raise SettingError("no input; name motion files or folders, as in `selfcorrect check walk.bvh`")
        if self.engine != "mujoco" and not self.physics:
            raise SettingError("--engine needs --physics; add --physics or leave out --engine")
        if (self.csv or self.leave_out) and not self.references:
            raise SettingError("--csv and --leave-out need --references; add --references or leave them out")
        if self.references and self.physics:
            raise SettingError("--references and --physics cannot be combined; leave out one of them")
        if self.references and self.format == "junit":
            raise SettingError("--references cannot be written as junit; use --format text or json")
        if self.against is not None:
            return self._compare(self.against)
        if self.tolerance_mm != CheckCommand.tolerance_mm:
            raise SettingError("--tolerance-mm needs --against; add --against or leave out --tolerance-mm")
        must_exist(self.inputs)
        must_be_usable(self.reading)
        outputs = {"out": self.out, "picture": self.picture, "csv": self.csv, "leave-out": self.leave_out}
        check_separate(outputs, ())
        from selfcorrect.datasets.files.open import explain_no_motions, motion_files

        from . import findings
        from .check_files import check_files, read_project_choice

        choice = read_project_choice(Path.cwd()).narrow(self.select, self.ignore)
        paths = [file for place in self.inputs for file in motion_files(place)]
        if not paths:
            raise explain_no_motions(self.inputs)
        for table in (self.out, self.csv, self.leave_out):
            check_output(table, self.overwrite, [*self.inputs, *paths], is_stream_allowed=True)
        check_output(self.picture, self.overwrite, [*self.inputs, *paths])
        if self.picture is not None and self.picture.suffix.lower() != ".png":
            raise SettingError(f"{self.picture}: a picture of findings must be a .png file")
        engine = self.engine if self.physics else None
        if engine is not None:
            ENGINES.load(engine)  # raises if it is not installed
        files_to_check: Iterable[Path] = paths
        if sys.stderr.isatty():
            files_to_check = tqdm(paths, "checking", unit="file", leave=False)
        files = check_files(
            files_to_check, self.reading, choice, engine, explain=self.verbose, as_references=self.references
        )
        checked_files = list(files)
        rows: Sequence[ReferenceRow] = ()
        if self.references:
            from .references import rank_references  # only asked for

            rows = rank_references(checked_files)
        text = self._format(checked_files, rows)
        self._write(self.out, text + "\n")
        if self.csv is not None:
            from .references import to_reference_csv

            self._write(self.csv, to_reference_csv(rows))
        if self.leave_out is not None:
            from .references import list_left_out

            self._write(self.leave_out, list_left_out(rows))
        if self.picture and any(checked.all_findings for checked in checked_files):
            draw = partial(findings.draw_worst, self.picture, checked_files, self.reading, overwrite=self.overwrite)
            _, note = try_optional("no picture was drawn", draw, None)
            if note:
                print(note, file=sys.stderr)
        if unread := sum(bool(checked.error) for checked in checked_files):
            raise InputError(f"{unread} of {len(checked_files)} files could not be read")
        has_faults = any(checked.all_findings or checked.damage or checked.flaw for checked in checked_files)
        return int(has_faults or any(row.hurts for row in rows))

    def _compare(self, against: Path) -> int:
        """Compare the inputs with their originals, and return the exit code."""
        taken = ("inputs", "against", "tolerance_mm", "format", "out", "overwrite", "reading")
        if others := list_changed(self, taken):
            raise SettingError(f"--{others[0]} and --against cannot be combined; leave out one of them")
        if not 0 <= self.tolerance_mm < math.inf:
            raise SettingError(f"--tolerance-mm must be 0 or more, got {self.tolerance_mm}")
        must_exist((*self.inputs, against))
        must_be_usable(self.reading)
        from .against import compare_files, format_differences, pair_files

        pairs = pair_files(self.inputs, against)
        check_output(self.out, self.overwrite, [path for pair in pairs for path in pair], is_stream_allowed=True)
        differences = [compare_files(path, original, self.reading) for path, original in pairs]
        text = format_differences(differences, self.tolerance_mm, self.format)
        self._write(self.out, text + "\n")
        return int(any(difference.exceeds(self.tolerance_mm) for difference in differences))

    def _write(self, path: Path | None, text: str) -> None:
        """Write text to a file or to standard output."""
        if path is None:
            print(text, end="")
            return
        with text_output(path, overwrite=self.overwrite) as file:
            file.write(text)

    def _format(self, checked_files: Sequence[CheckedFile], references: Sequence[ReferenceRow]) -> str:
        """Format the findings as the options ask."""
        from . import findings

        if self.format == "json":
            return findings.to_findings_json(checked_files)
        if self.format == "junit":
            return findings.to_junit(checked_files)
        lines = []
        if self.references:
            from .references import format_reference_table

            lines += format_reference_table(references)
        else:
            for checked in checked_files:
                lines += findings.format_lines(checked)
        return "\n".join([*lines, findings.summarize_files(checked_files)])


def _print_rules(choice: RuleChoice) -> int:
    from selfcorrect.motion.checks.rules import all_rules

    for rule in choice.select_rules(all_rules()):
        least = f" for {rule.least_s:g} s" if rule.least_s else ""
        limit = f"{rule.threshold:g} {rule.unit}".strip() + least
        print(f"{rule.code}  {rule.name:<18} {limit:<24} {rule.summary} [{rule.source}]")
    return 0
