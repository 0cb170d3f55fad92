"""`selfcorrect join`: join runs with different seeds into one run."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from selfcorrect.core.errors import SettingError
from selfcorrect.experiments.jobs.targets import place_of

from .command_line.help_page import HelpPage
from .command_line.inputs import must_exist


@dataclass(frozen=True)
class JoinCommand:
    """Join runs of `selfcorrect motion` with different seeds into one run with one report.

    The runs may differ only in their seeds, which must follow each other (`--first-seed`). They are copied and stay as
    they are.
    """

    HELP: ClassVar[HelpPage] = HelpPage(
        {"selfcorrect join runs/a runs/b --out runs/all": "Join the seeds of two runs, and write one report."}
    )

    parts: tyro.conf.Positional[tuple[Path, ...]]
    """Run folders, two or more."""
    out: Annotated[Path, tyro.conf.arg(aliases=("-o",))]
    """Run folder of all seeds; with more seeds, arms or generations, `selfcorrect motion` extends it."""

    def run(self) -> int:
        """Join the runs, and print the verdict. Returns 1 if a part is missing, and 0 otherwise."""
        must_exist(self.parts)
        parts = list(dict.fromkeys(map(place_of, self.parts)))
        if len(parts) < 2:
            raise SettingError(f"join takes two run folders or more, got {len(parts)}")
        out = place_of(self.out)
        if out in parts:
            raise SettingError(f"{self.out}: is one of the runs; choose another folder with --out")
        from selfcorrect.experiments.studies.motion.join import join_runs
        from selfcorrect.experiments.studies.study_report import REPORT

        comparison, remarks = join_runs(parts, out)
        for remark in remarks:
            print(f"selfcorrect: the runs were made with different software: {remark}", file=sys.stderr)
        print(f"\n{comparison}\n{out / REPORT}")
        return 1 if comparison.gaps else 0
