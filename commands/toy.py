"""`selfcorrect toy`: run published loops at toy scale."""

import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from selfcorrect.experiments.jobs.runner_choice import RunnerChoice
from selfcorrect.experiments.jobs.targets import place_of
from selfcorrect.experiments.studies.toy.files import select_toys
from selfcorrect.experiments.studies.toy.options import ToyOptions, change_settings, check_missing
from selfcorrect.loop.store.wandb_options import WANDB_OPTIONS, WandbOptions

from .command_line.help_page import HelpPage
from .command_line.inputs import RUNNER_OPTIONS, must_exist


@dataclass(frozen=True)
class ToyCommand:
    """Run published self-consuming loops at toy scale, and compare them with their closed forms.

    If you run the command again, a stopped run goes on with the first arm that is not done.
    """

    HELP: ClassVar[HelpPage] = HelpPage(
        {
            "selfcorrect toy examples/loops/gaussian_correct.py": "Run one loop, and compare it with its closed form.",
            "selfcorrect toy my_loop.py --quick --seeds 3": "Try a loop of your own in seconds.",
        },
        groups={"wandb": WANDB_OPTIONS, "runner": RUNNER_OPTIONS},
    )

    files: tyro.conf.Positional[tuple[str, ...]] = ()
    """Python files with loops, such as examples/loops/gaussian_correct.py, or your own."""
    out: Path = Path("runs/toy")
    """Run folder, with report.html and results.json. Loops with other settings are added."""
    quick: bool = False
    """Run small versions: seconds each, wider intervals."""
    options: Annotated[ToyOptions, tyro.conf.arg(name="", help="")] = field(default_factory=ToyOptions)
    workers: int | None = None
    """Number of worker processes (default: one per core, as far as memory allows). Results do not depend on it."""
    runner: Annotated[RunnerChoice, tyro.conf.arg(name="", help="")] = field(default_factory=RunnerChoice)
    log: Annotated[WandbOptions, tyro.conf.arg(name="", help="")] = field(default_factory=lambda: WandbOptions("off"))

    def run(self) -> int:
        """Run what remains, and print the results. Returns 1 if a part is missing, and 0 otherwise."""
        must_exist((self.options.text, self.options.mnist))
        references = select_toys(self.files)
        where = self.runner.to_where(self.workers)
        from selfcorrect.experiments.studies.run import run_study
        from selfcorrect.experiments.studies.study_report import REPORT
        from selfcorrect.experiments.studies.toy.study import load_settings, load_toys, make_toy_study
        from selfcorrect.experiments.studies.toy.toy_page import make_toy_page

        selection = []
        missing = []
        for reference in references:
            settings, lacking = change_settings(reference, load_settings(reference, quick=self.quick), self.options)
            selection.append((reference, settings))
            missing.append(lacking)
        check_missing(missing, references)
        toys = load_toys(selection)
        study = make_toy_study(toys)
        folder = place_of(self.out)
        command = shlex.join(["selfcorrect", *sys.argv[1:]])
        page = make_toy_page(toys, study)
        comparison = run_study(study, page, folder, where, command=command, wandb=self.log)
        print(f"\n{comparison}\n\nReport: {folder / REPORT}")
        return 1 if comparison.gaps else 0
