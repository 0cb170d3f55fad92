"""`selfcorrect motion`: train motion models on their own samples, with and without physics."""

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

from ..jobs.run import RUNNERS
from ..jobs.targets import place_of
from ..jobs.where import Cluster, Where
from ..motion.correctors.table import corrector_row, is_own
from ..motion.settings.experiment import MotionOptions, MotionSettings, option_hint
from ..motion.settings.presets import PRESET_ROWS, PRESETS
from ..motion.settings.run_options import RunOptions
from ..remedies.table import REMEDIES
from ..studies.wandb_options import WandbOptions
from .inputs import must_exist, sources_must_exist

if TYPE_CHECKING:
    PresetName = str
else:
    PresetName = literal_type_from_choices(PRESET_ROWS)


_PRESET_HELP = "\n".join(
    [
        "Arms to compare. Each option below replaces one part of the preset. Times are for two cores.",
        *(f"{name}: {row.words}" for name, row in PRESET_ROWS.items()),
    ]
)
_RUNNER_HELP = f"Runner of the jobs (default: processes). Results do not depend on it.\n{RUNNERS.describe_rows()}"


@dataclass(frozen=True)
class MotionCommand(MotionOptions):
    """Train motion diffusion models in self-consuming loops, with and without correction, and compare their collapse.

    Ends with a report. The same command resumes a stopped run at the last committed generation.
    """

    preset: Annotated[PresetName, arg(help=_PRESET_HELP)] = "short"
    out: Annotated[Path | None, option_hint("runs/motion-PRESET", "PATH")] = None
    """Run folder. The same folder with more generations, seeds or arms extends the run."""
    dry_run: bool = False
    """Print the arms, the generations and the cost of the preset; write nothing."""
    workers: Annotated[int | None, option_hint("one per core, as far as memory allows")] = None
    """Number of worker processes. Results do not depend on it."""
    runner: Annotated[str, arg(help=_RUNNER_HELP)] = ""
    where: Annotated[Cluster, arg(name="")] = field(default_factory=Cluster)
    log: Annotated[WandbOptions, arg(name="")] = field(default_factory=WandbOptions)
    options: Annotated[RunOptions, arg(name="")] = field(default_factory=RunOptions)

    def settings(self) -> MotionSettings:
        """Return the preset with the options; SettingError for options that exclude each other or do nothing."""
        settings = self.apply_to(PRESETS[self.preset])
        correctors = [arm.corrector for comparison in settings.comparisons for arm in comparison.arms]
        if not any(map(is_own, correctors)):
            for name, value in (
                ("corrector-timeout", self.options.corrector_timeout_s),
                ("corrector-in-process", self.options.corrector_in_process),
            ):
                if value:
                    raise SettingError(f"--{name} is for correctors of your own, and there are none; leave it out")
        return settings

    def _check_names(self) -> None:
        """Check the names of options before PyTorch is imported, which takes seconds."""
        for kind in self.policy:
            POLICIES.row(kind.partition(":")[0].strip())
        for name in filter(_is_table_name, self.corrector):
            corrector_row(name)
        for name in filter(_is_table_name, self.remedy):
            REMEDIES.row(name)
        if _is_table_name(self.runner):
            RUNNERS.row(self.runner)
        for name in self.denoiser:
            preset(name)

    def run(self) -> int:
        """Run the remaining experiment and write its report; return 1 if a part is missing."""
        self._check_names()
        sources_must_exist((*self.data, *self.reference))
        must_exist([self.ratings])
        must_exist(Path(path).expanduser() for path in (self.mdm, self.evaluator) if path)
        settings = self.settings()
        if self.dry_run:
            self._print_plan(settings)
            return 0
        self._check_engine(settings)
        from selfcorrect.models.diffusion.model import choose_device
        from selfcorrect.models.diffusion.sharing import process_count, process_group
        from selfcorrect.storage.runs.tracking import wandb_mode

        from ..motion.report import present_motion
        from ..motion.run.study import check_motion_study, make_motion_study
        from ..studies.report import REPORT
        from ..studies.run import run_study

        folder = place_of(self.out or self._default_folder())
        where = Where(self._count_workers(process_count()), self.runner, self.where)
        command = shlex.join(["selfcorrect", *sys.argv[1:]])
        options = replace(self.options, keep=self.options.keep or PRESET_ROWS[self.preset].keep)
        study = make_motion_study(settings, self.preset, options)
        with process_group(choose_device(options.device)) as leads:
            if leads:
                is_on_cluster = bool(self.where.cluster)
                study = check_motion_study(
                    study, settings, options, folder, ratings=self.ratings, on_cluster=is_on_cluster
                )
                has_wandb = wandb_mode(self.log.wandb) != "off"
                result = run_study(
                    study,
                    present_motion(study, settings, self.preset, options, films=has_wandb),
                    folder,
                    where,
                    command=command,
                    accept_changed=options.accept_changed,
                    wandb=self.log.target,
                )
                print(f"\n{result}\n{folder / REPORT}")
                return 1 if result.gaps else 0
        return 0

    def _check_engine(self, settings: MotionSettings) -> None:
        """Raise MissingExtraError if correctors need an engine that is not installed; tell of MuJoCo in its place."""
        if not settings.has_correctors:
            return
        ENGINES.load(settings.engine)
        if settings.engine != (self.engine or PRESETS[self.preset].engine):
            print(f"selfcorrect: PyBullet is not installed; correctors simulate in {settings.engine}", file=sys.stderr)

    def _default_folder(self) -> Path:
        """Return the run folder of the preset, or of the trial of a W&B sweep."""
        sweep = os.environ.get("WANDB_SWEEP_ID")
        trial = os.environ.get("WANDB_RUN_ID")
        if sweep and trial:
            return Path("runs") / f"sweep-{sweep}" / trial
        return Path("runs") / f"motion-{self.preset}"

    def _print_plan(self, settings: MotionSettings) -> None:
        for comparison in settings.comparisons:
            for arm in comparison.arms:
                print(f"{comparison.denoiser}: {arm.label}")
        print(f"generations {settings.generations}, seeds {settings.seeds}, n = {settings.real_count}")
        share = _count_generations(settings) / _count_generations(PRESETS[self.preset])
        print(f"{share:.2g} × the generations that the preset trains, which costs {PRESET_ROWS[self.preset].cost}")

    def _count_workers(self, training_processes: int) -> int:
        """Return the number of processes that run jobs: 1 if several processes train together."""
        if training_processes == 1:
            return default_workers() if self.workers is None else self.workers
        if self.workers not in (None, 1) or self.where.cluster or self.runner not in ("", "here"):
            raise SettingError(
                f"{training_processes} processes train together, one job at a time, in the first of them; "
                "leave out workers, runner and cluster"
            )
        return 1


def _count_generations(settings: MotionSettings) -> int:
    """Return the number of generations of all arms and seeds."""
    arms = sum(len(comparison.arms) for comparison in settings.comparisons)
    return arms * settings.seeds * settings.generations


def _is_table_name(name: str) -> bool:
    """Return True for a name in a table, not for package.module:function."""
    return bool(name) and ":" not in name
