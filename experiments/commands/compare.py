"""`selfcorrect compare experiment.yaml`: arms × seeds on a model and data of your own."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import arg

from selfcorrect.core.errors import SettingError
from selfcorrect.runtime.processes import default_workers
from selfcorrect.runtime.registry import import_callable

from ..jobs.targets import place_of
from ..jobs.where import Cluster, Where
from ..studies.arms import ArmSettings
from ..studies.wandb_options import WandbOptions

if TYPE_CHECKING:
    from selfcorrect.correctors.correction import Correction
    from selfcorrect.loop.run import Arm


@dataclass(frozen=True)
class CompareCommand:
    """Run arms × seeds on a model and data of your own, in parallel, and write a report.

    A YAML file describes the experiment: `selfcorrect compare experiment.yaml`; options change it. A stopped run goes
    on with the same command, at the last committed generation.
    """

    tasks: dict[str, str] = field(default_factory=dict)
    """Name and package.module:function of each task: a function of the seed's stream that returns a
    `selfcorrect.Task`."""
    arms: Annotated[dict[str, ArmSettings], arg(help="Name and options of each arm; in the YAML file.")] = field(
        default_factory=dict
    )
    generations: int = 10
    """Generations after generation 0."""
    steps: int = 0
    """Optimiser steps per generation, the same in every arm."""
    epochs: float | None = None
    """Passes over the training set per generation, in place of steps."""
    batch_size: int | None = None
    """Samples of a batch, by which epochs are counted; by default that of the model."""
    gammas: tuple[float, ...] = ()
    """Strengths γ: each arm with a correction is run once with each."""
    real_counts: tuple[int, ...] = ()
    """Numbers n of real training samples: each task is run once with each."""
    reference: str = ""
    """Name of the arm that all others are compared with. By default an arm with a correction is compared with the same
    arm without, any other with the one on real data alone."""
    seeds: int = 5
    """Number of seeds."""
    first_seed: int = 0
    """The first of them."""
    better: dict[str, Literal["lower", "higher", "real"] | float] = field(default_factory=dict)
    """Better direction of each quality that is judged: lower, higher, real if the value of real data is the aim, or a
    number that is the aim."""
    claims: str = ""
    """package.module:function that returns the claims to check (`sc.claims`)."""
    title: str = ""
    """Title of the report."""
    out: Path | None = None
    """Run folder; by default runs/ and the name of the experiment's file."""
    accept_changed: bool = False
    """Go on although code or data of yours were changed since the run began. The run folder records both."""
    workers: int | None = None
    """Processes; by default one per core, as far as memory allows. Results do not depend on their number."""
    where: Annotated[Cluster, arg(name="")] = field(default_factory=Cluster)
    log: Annotated[WandbOptions, arg(name="")] = field(default_factory=lambda: WandbOptions("off"))

    def run(self) -> int:
        """Run the comparison, or what is left of it, and print the verdict; 1 where something is missing of it."""
        if not self.tasks or not self.arms:
            raise SettingError(
                "a comparison needs tasks and arms, which a YAML file gives: selfcorrect compare experiment.yaml"
            )
        from ..studies.comparison.compare import compare

        tasks: dict[str, Callable[..., Any]] = {
            name: import_callable(reference, f"task {name!r}") for name, reference in self.tasks.items()
        }
        folder = place_of(self.out or Path("runs") / "comparison")
        comparison = compare(
            tasks,
            {name: self._make_arm(arm) for name, arm in self.arms.items()},
            seeds=self.seeds,
            first_seed=self.first_seed,
            out=folder,
            better=self.better,
            reference=self.reference,
            gammas=self.gammas,
            real_counts=self.real_counts,
            title=self.title,
            command=shlex.join(["selfcorrect", *sys.argv[1:]]),
            accept_changed=self.accept_changed,
            wandb=self.log.target,
            claims=import_callable(self.claims, "function of claims")() if self.claims else (),
            where=Where(self.workers if self.workers is not None else default_workers(), cluster=self.where),
        )
        print(f"\n{comparison}\n\nReport: {folder / 'report.html'}")
        return 1 if comparison.gaps else 0

    def _make_arm(self, arm: ArmSettings) -> Arm:
        if arm.remedy != "none" or arm.sampling:
            raise SettingError("an arm of a comparison has no remedy and no way of sampling; say bias or fitting")
        loop_arm = arm.make_arm(self.generations, self.steps, _correction(arm))
        if self.epochs is None:
            return loop_arm
        if arm.fitting:
            raise SettingError("epochs replace the fitting of an arm; give epochs or fitting")
        from selfcorrect.loop.fitting import FitEpochs

        return replace(loop_arm, fitting=FitEpochs(self.epochs, self.batch_size))


def _correction(arm: ArmSettings) -> Correction | None:
    from selfcorrect.correctors.contract import lift
    from selfcorrect.correctors.correction import Correction

    from ..motion.correctors.own_function import load

    if arm.corrector in ("", "none"):
        return None
    user_corrector = load(arm.corrector)
    if user_corrector.takes in ("motion", "inputs"):
        raise SettingError(
            f"corrector {arm.corrector!r} takes {user_corrector.takes}; in a comparison it takes samples"
        )
    is_function = user_corrector.takes == "values" and not hasattr(user_corrector.function, "forward")
    corrector = lift(user_corrector.function, user_corrector.name) if is_function else user_corrector.function
    return Correction(corrector, arm.strength, arm.operator)
