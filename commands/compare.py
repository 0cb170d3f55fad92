"""`selfcorrect compare`: compare arms over several seeds, with the user's own model and data."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from tyro.conf import Positional, arg

from selfcorrect.core.checks import count_noun
from selfcorrect.core.errors import SettingError
from selfcorrect.experiments.jobs.targets import place_of
from selfcorrect.experiments.studies.arms import ArmSettings
from selfcorrect.experiments.studies.comparison.arguments import ComparisonOptions
from selfcorrect.loop.store.wandb_options import WANDB_OPTIONS
from selfcorrect.runtime.registry import import_callable

from .command_line.help_page import HelpPage
from .command_line.inputs import RUNNER_OPTIONS, list_changed

if TYPE_CHECKING:
    from selfcorrect.loop.correctors.loop_correction import Correction
    from selfcorrect.loop.run import Arm


@dataclass(frozen=True)
class CompareCommand:
    """Run a loop with your own model and data: several arms, each with several seeds, and a report.

    A YAML file describes the experiment, and options override it. If you run the command again, a stopped run goes on
    after its last generation. With two finished runs instead of a YAML file, nothing runs: the arms that they share are
    compared seed by seed.
    """

    HELP: ClassVar[HelpPage] = HelpPage(
        {
            "selfcorrect compare experiment.yaml": "Run the experiment of a YAML file, or what remains of it.",
            "selfcorrect compare runs/a runs/b --better spread higher": (
                "Compare the arms that two finished runs share."
            ),
        },
        common=("tasks", "arms", "generations", "steps", "seeds", "reference", "out", "better", "primary", "workers"),
        groups={"wandb": WANDB_OPTIONS, "runner": RUNNER_OPTIONS},
    )

    tasks: dict[str, str] = field(default_factory=dict)
    """Name and package.module:function of each task. The function takes the seed's random stream and returns a
    `selfcorrect.Task`."""
    arms: Annotated[dict[str, ArmSettings], arg(help="Name and options of each arm, in the YAML file.")] = field(
        default_factory=dict
    )
    generations: int = 10
    """Generations after generation 0."""
    steps: int = 0
    """Optimiser steps per generation, the same in every arm."""
    reference: str = ""
    """Arm that all other arms are compared with. By default, a corrected arm is compared with the same arm without
    correction, and any other arm with the arm on real data alone."""
    claims: str = ""
    """package.module:function that returns the claims to check (`sc.claims`)."""
    out: Path | None = None
    """Run folder (default: runs/ and the name of the YAML file)."""
    options: Annotated[ComparisonOptions, arg(name="", help="")] = field(default_factory=ComparisonOptions)
    runs: Annotated[tuple[Path, ...], Positional] = ()
    """Two run folders, instead of an experiment."""

    def run(self) -> int:
        """Run what remains, and print the verdict. Returns 1 if a part is missing, and 0 otherwise."""
        if self.runs:
            return self._compare_runs()
        if not self.tasks or not self.arms:
            raise SettingError(
                "a comparison needs tasks and arms; name a YAML file that has them: selfcorrect compare experiment.yaml"
            )
        from selfcorrect.experiments.studies.comparison.compare import compare

        tasks: dict[str, Callable[..., Any]] = {
            name: import_callable(reference, f"task {name!r}") for name, reference in self.tasks.items()
        }
        arms = {name: self._make_arm(arm) for name, arm in self.arms.items()}
        claims = import_callable(self.claims, "function of claims")() if self.claims else ()
        folder = place_of(self.out or Path("runs") / "comparison")
        comparison = compare(
            tasks,
            arms,
            self.options,
            out=folder,
            command=shlex.join(["selfcorrect", *sys.argv[1:]]),
            claims=claims,
            reference=self.reference,
        )
        print(f"\n{comparison}\n\nReport: {folder / 'report.html'}")
        return 1 if comparison.gaps else 0

    def _compare_runs(self) -> int:
        if len(self.runs) != 2:
            raise SettingError(
                f"compare takes two run folders, or a YAML file; got {count_noun(len(self.runs), 'folder')}"
            )
        if self.tasks or self.arms:
            raise SettingError("compare takes two run folders, or tasks and arms; leave out one of them")
        unused = list_changed(self, ("runs", "options")) + list_changed(self.options, ("better", "primary"))
        if unused:
            raise SettingError(f"--{unused[0]} has no effect when two finished runs are compared; leave it out")
        from selfcorrect.experiments.studies.comparison.runs import compare_runs

        print(compare_runs(*self.runs, scores=tuple(self.options.better), primary=self.options.primary))
        return 0

    def _make_arm(self, arm: ArmSettings) -> Arm:
        if arm.remedy != "none" or arm.sampling:
            raise SettingError("remedy and sampling are for `selfcorrect motion`; use bias or fitting in an arm")
        from selfcorrect.experiments.studies.loop_arms import make_loop_arm  # which imports PyTorch

        return make_loop_arm(arm, self.generations, self.steps, _correction(arm))


def _correction(arm: ArmSettings) -> Correction | None:
    from selfcorrect.experiments.studies.motion.correctors.own_function import load
    from selfcorrect.loop.correctors.contract import lift
    from selfcorrect.loop.correctors.loop_correction import Correction

    if arm.corrector in ("", "none"):
        return None
    user_corrector = load(arm.corrector)
    if user_corrector.takes in ("motion", "inputs"):
        raise SettingError(
            f"corrector {arm.corrector!r} takes {user_corrector.takes}; a comparison needs a function of samples"
        )
    is_function = user_corrector.takes == "values" and not hasattr(user_corrector.function, "forward")
    corrector = lift(user_corrector.function, user_corrector.name) if is_function else user_corrector.function
    return Correction(corrector, arm.strength, arm.operator)
