"""`selfcorrect check`: which rules of physical plausibility motion files break, where, and by how much."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from tyro.extras import literal_type_from_choices

from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.runtime.bugs import try_optional
from selfcorrect.simulators.settings.engine_table import ENGINES
from selfcorrect.storage.files.writing import text_output

from ..jobs.targets import check_output, check_separate
from .inputs import must_exist

if TYPE_CHECKING:
    from ..checking.check_files import CheckedFile

    EngineName = str
else:
    EngineName = literal_type_from_choices(ENGINES.names)


@dataclass(frozen=True)
class CheckCommand:
    """Say what is physically implausible in motion files: which rule, which frames, which joints, by how much.

    Takes what `correct` takes, and folders of it, and changes nothing. `--rules` lists the rules with their thresholds.
    Settings may stand in pyproject.toml under [tool.selfcorrect.check]: select, ignore, and thresholds by rule. Exit
    code 0: nothing was found; 1: something was, or a file holds no human body; 2: bad arguments, or a file could not be
    read.
    """

    inputs: tyro.conf.Positional[tuple[Path, ...]] = ()
    """Motion files, and folders that are searched for them."""
    select: tuple[str, ...] = ()
    """Only these rules: codes, names, or first letters of codes, e.g. F S1 pace. Those of pyproject.toml without."""
    ignore: tuple[str, ...] = ()
    """Not these rules, besides those that pyproject.toml ignores."""
    physics: bool = False
    """Also the rules of physics (X), and the root residual that each motion needs: force, moment, and the share of
    frames without support."""
    judge: EngineName = "mujoco"
    """The engine in which `--physics` measures the residual; take one that did not make the motions."""
    format: Literal["text", "json", "junit"] = "text"
    """How findings are written."""
    out: Annotated[Path | None, tyro.conf.arg(aliases=("-o",))] = None
    """File for the findings; standard output without."""
    picture: Path | None = None
    """PNG of the worst moments, the worst one in the middle of each row."""
    overwrite: bool = False
    """Replace files of findings and pictures that are there already."""
    quiet: Annotated[bool, tyro.conf.arg(aliases=("-q",))] = False
    """Only the summary."""
    rules: bool = False
    """List the rules and end."""
    reading: Annotated[Reading, tyro.conf.arg(name="")] = field(default_factory=Reading)

    def run(self) -> int:
        """Check, report, and return the exit code."""
        if self.rules:
            return _print_rules()
        must_exist((*self.inputs, *self.reading.files))
        outputs = {"out": self.out, "picture": self.picture}
        check_separate(outputs, ())
        check_output(self.out, self.overwrite, self.inputs, is_stream_allowed=True)
        check_output(self.picture, self.overwrite, self.inputs)
        if self.picture is not None and self.picture.suffix.lower() != ".png":
            raise SettingError(f"{self.picture}: pictures of findings are .png files")
        from tqdm import tqdm

        from selfcorrect.datasets.files.open import motion_files

        from ..checking import reports
        from ..checking.check_files import check_files, read_project_choice

        choice = read_project_choice(Path.cwd()).narrow(self.select, self.ignore)
        paths = [file for place in self.inputs for file in motion_files(place)]
        if not paths:
            raise InputError(f"{', '.join(map(str, self.inputs)) or 'no files given'}: no motion files here")
        judge = self.judge if self.physics else None
        if judge is not None:
            ENGINES.load(judge)  # where it is not installed, nothing begins
        bar = tqdm(paths, "checking", unit="file", disable=None, leave=False)
        checked_files = list(check_files(bar, self.reading, choice, judge))
        words = {"text": self._text, "json": reports.to_findings_json, "junit": reports.to_junit}[self.format](
            checked_files
        )
        self._tell(words)
        if self.picture and any(checked.all_findings for checked in checked_files):
            draw = partial(reports.draw_worst, self.picture, checked_files, self.reading, overwrite=self.overwrite)
            _, note = try_optional("no picture was drawn", draw, None)
            print(*filter(None, [note]), sep="", end="\n" * bool(note), file=sys.stderr)
        if unread := sum(bool(checked.error) for checked in checked_files):
            raise InputError(f"{unread} of {len(checked_files)} files could not be read")
        return int(any(checked.all_findings or checked.flaw for checked in checked_files))

    def _tell(self, words: str) -> None:
        if self.out is None:
            print(words)
            return
        with text_output(self.out, overwrite=self.overwrite) as file:
            file.write(words + "\n")

    def _text(self, checked_files: Sequence[CheckedFile]) -> str:
        from ..checking import reports

        files = [] if self.quiet else [line for checked in checked_files for line in reports.format_lines(checked)]
        return "\n".join([*files, reports.summarize_files(checked_files)])


def _print_rules() -> int:
    from selfcorrect.motion.checks.rules import RULES

    for rule in RULES:
        least = f" for {rule.least_s:g} s" if rule.least_s else ""
        limit = f"{rule.threshold:g} {rule.unit}".strip() + least
        print(f"{rule.code}  {rule.name:<18} {limit:<24} {rule.summary} [{rule.source}]")
    return 0
