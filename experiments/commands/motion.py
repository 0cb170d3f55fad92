"""`selfcorrect motion`: does physics keep a self-consuming motion model from collapsing?"""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import arg
from tyro.extras import literal_type_from_choices

from selfcorrect.core.errors import SettingError
from selfcorrect.loop.policy_table import POLICIES
from selfcorrect.models.diffusion.presets import preset
from selfcorrect.runtime.processes import default_workers
from selfcorrect.simulators.settings.engine_table import ENGINES

from ..jobs.targets import place_of
from ..jobs.where import Cluster, Where
from ..motion.correctors.table import corrector_row
from ..motion.settings.experiment import MotionOptions, MotionSettings, option_hint
from ..motion.settings.presets import PRESET_ROWS, PRESETS
from ..motion.settings.run_options import Keep, RunOptions
from ..remedies.table import REMEDIES
from ..studies.wandb_options import WandbOptions
from .inputs import must_exist, sources_must_exist

if TYPE_CHECKING:
    PresetName = str
else:
    PresetName = literal_type_from_choices(PRESET_ROWS)


def _presets() -> str:
    return (
        "What is compared. Options below replace one of its axes each and leave the others. Times are for two cores.\n"
        + "\n".join(f"{name}: {row.words}" for name, row in PRESET_ROWS.items())
    )


def _runners() -> str:
    from ..jobs.run import RUNNERS

    return f"Where jobs run, by default in processes; results do not depend on it.\n{RUNNERS.describe_rows()}"


@dataclass(frozen=True)
class MotionCommand(MotionOptions):
    """Train motion diffusion models in self-consuming loops, with and without correction, and compare their collapse.

    Ends with a report. The same command resumes a stopped run at the last committed generation.
    """

    preset: Annotated[PresetName, arg(help=_presets())] = "short"
    out: Annotated[Path | None, option_hint("runs/motion-PRESET", "PATH")] = None
    """Run folder. Given again with more generations, seeds or arms, it is extended."""
    dry_run: bool = False
    """Print the arms, the generations and the cost of the preset; write nothing."""
    workers: Annotated[int | None, option_hint("one per core, as far as memory allows")] = None
    """Processes. Results do not depend on their number."""
    runner: Annotated[str, arg(help=_runners())] = ""
    where: Annotated[Cluster, arg(name="")] = field(default_factory=Cluster)
    log: Annotated[WandbOptions, arg(name="")] = field(default_factory=WandbOptions)
    options: Annotated[RunOptions, arg(name="")] = field(default_factory=RunOptions)

    def settings(self) -> MotionSettings:
        """The preset with the given options applied; SettingError for a combination that means nothing."""
        return self.apply_to(PRESETS[self.preset])

    def _check_names(self) -> None:
        """Check the options before PyTorch is imported, which takes seconds."""
        from ..jobs.run import RUNNERS

        for kind in self.policy:
            POLICIES.row(kind.partition(":")[0].strip())
        looked_up = ((corrector_row, self.corrector), (REMEDIES.row, self.remedy), (RUNNERS.row, (self.runner,)))
        for row, names in looked_up:
            for name in names:
                if name and ":" not in name:
                    row(name)
        for name in self.denoiser:
            preset(name)

    def run(self) -> int:
        """Run the experiment, or what is left of it, and write its report; 1 where something is missing of it."""
        self._check_names()
        sources_must_exist((*self.data, *self.reference))
        must_exist([self.ratings])
        must_exist(Path(path).expanduser() for path in (self.mdm, self.evaluator) if path)
        usual = PRESETS[self.preset]
        engine = self.engine_for(usual)
        ENGINES.load(engine)  # where it is not installed, nothing begins
        if engine != (self.engine or usual.engine):
            print(f"selfcorrect: PyBullet is not installed; correctors simulate in {engine}", file=sys.stderr)
        from selfcorrect.models.diffusion.model import choose_device
        from selfcorrect.models.diffusion.sharing import process_count, process_group
        from selfcorrect.storage.runs.tracking import wandb_mode

        from ..motion.report.view import MotionView
        from ..motion.run.study import MotionStudy
        from ..studies.report import REPORT
        from ..studies.run import run_study

        settings = self.settings()
        if self.dry_run:
            self._print_plan(settings)
            return 0
        folder = place_of(self.out or self._usual_folder())
        where = Where(self._workers(process_count()), self.runner, self.where)
        command = shlex.join(["selfcorrect", *sys.argv[1:]])
        options = replace(self.options, keep=self._keep())
        study = MotionStudy(settings, self.preset, options, self.ratings)
        view = MotionView(study, films=wandb_mode(self.log.wandb) != "off")
        with process_group(choose_device(options.device)) as leads:
            if leads:
                result = run_study(
                    view,
                    folder,
                    where,
                    command=command,
                    accept_changed=options.accept_changed,
                    wandb=self.log.target,
                )
                print(f"\n{result}\n{folder / REPORT}")
                return 1 if result.gaps else 0
        return 0

    def _usual_folder(self) -> Path:
        """By the preset; each trial of a W&B sweep has a separate one."""
        sweep, trial = (os.environ.get(name) for name in ("WANDB_SWEEP_ID", "WANDB_RUN_ID"))
        return Path("runs") / (f"sweep-{sweep}/{trial}" if sweep and trial else f"motion-{self.preset}")

    def _print_plan(self, settings: MotionSettings) -> None:
        for comparison in settings.comparisons:
            for arm in comparison.arms:
                print(f"{comparison.denoiser}: {arm.label}")
        print(f"generations {settings.generations}, seeds {settings.seeds}, n = {settings.real_count}")
        print(f"cost of the preset without other options: {PRESET_ROWS[self.preset].cost}")

    def _keep(self) -> Keep:
        """Return which models and samples are kept."""
        return self.options.keep or PRESET_ROWS[self.preset].keep

    def _workers(self, training: int) -> int:
        """Processes that run jobs, each of which trains with all the `training` processes that were started."""
        if training > 1 and (self.workers not in (None, 1) or self.where.cluster or self.runner not in ("", "here")):
            raise SettingError(
                f"{training} processes train together, one job at a time, in the first of them; "
                "leave out workers, runner and cluster"
            )
        return 1 if training > 1 else self.workers if self.workers is not None else default_workers()
