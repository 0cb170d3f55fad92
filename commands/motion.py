"""`selfcorrect motion`: train motion models on their own samples."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from tyro.conf import arg
from tyro.extras import literal_type_from_choices

from selfcorrect.core.errors import SettingError
from selfcorrect.experiments.jobs.run import RUNNERS
from selfcorrect.experiments.jobs.runner_choice import RunnerChoice
from selfcorrect.experiments.jobs.targets import place_of
from selfcorrect.experiments.studies.arm_words import describe_arm
from selfcorrect.experiments.studies.motion.axes import Axes, refuse_options
from selfcorrect.experiments.studies.motion.cost import describe_cost, describe_plan
from selfcorrect.experiments.studies.motion.presets import (
    PRESET_ROWS,
    PRESETS,
    drop_controls,
    follow_protocol,
    select_settings,
)
from selfcorrect.experiments.studies.motion.settings import MotionSettings, RunOptions, find_engine, keep_methods
from selfcorrect.loop.store.wandb_options import WandbOptions
from selfcorrect.simulators.settings.engine_table import ENGINES

from .command_line.help_page import HelpPage
from .command_line.inputs import sources_must_exist

if TYPE_CHECKING:
    PresetName = str
else:
    PresetName = literal_type_from_choices(PRESET_ROWS)


def _hint(default: str, takes: str = "INT") -> object:
    """Describe in `--help` an option whose default is computed.

    Args:
        default: The default in words.
        takes: Kind of value that the option takes.
    """
    return arg(help_behavior_hint=f"(default: {default})", metavar=takes)


@dataclass(frozen=True)
class MotionCommand:
    """Train motion models on their own samples, with and without correction, and report what each loop loses.

    If you run the command again, a stopped run goes on after its last generation.
    """

    HELP: ClassVar[HelpPage] = HelpPage(
        {
            "selfcorrect motion": "Ten generations without correction, with a low-pass filter, clean-up and physics.",
            "selfcorrect motion --preset split --seeds 3 --out runs/mine": "Another preset, with three seeds.",
        },
        common=(
            *("preset", "generations", "seeds", "policy", "synthetic_ratio", "corrector", "arms", "against", "out"),
            *("workers", "dry_run", "wandb"),
        ),
        groups={
            "data": ("data", "reference", "real_count", "evaluated_count", "start_from", "labels", "metric"),
            "model": (
                *("generator", "denoiser", "representation", "training", "steps", "initial_steps", "sampler", "eta"),
                *("learning_rate", "batch_size", "width", "sampling_steps", "guidance", "temperature", "device"),
            ),
            "correction": (
                *("engine", "simulation", "gamma", "physics_in", "evaluate_corrected", "corrector_timeout_s"),
                "corrector_in_process",
            ),
        },
        presets={name: row.words for name, row in PRESET_ROWS.items()},
    )

    preset: Annotated[PresetName, arg(help="Arms to compare, as listed below. Other options change a preset.")] = (
        "short"
    )
    settings: Annotated[MotionSettings, arg(name="", help="")] = field(default_factory=lambda: select_settings("short"))
    axes: Annotated[Axes, arg(name="", help="")] = field(default_factory=Axes)
    protocol: Annotated[Literal["scripts", "text"] | None, _hint("scripts", "{scripts,text}")] = None
    """Optimiser steps of the presets paper-64 to paper-2794: those of the published scripts, or those of the
    paper's text, which are 64 times fewer."""
    against: Annotated[str | None, _hint("run all arms here", "published|RUN")] = None
    """Run only the arms that a finished run lacks, and compare them with its kept scores, paired by seed. "published"
    is the run of `selfcorrect motion` that the package keeps; RUN is a run folder or its summary.json."""
    out: Annotated[Path | None, _hint("runs/motion-PRESET", "PATH")] = None
    """Run folder. With more generations, seeds or arms, the same folder extends the run."""
    dry_run: bool = False
    """Print the arms, the generations and the cost, and run nothing."""
    workers: Annotated[int | None, _hint("one per core, as far as memory allows; at most 4 on a GPU")] = None
    """Number of worker processes. Results do not depend on it."""
    runner: Annotated[RunnerChoice, arg(name="", help="")] = field(default_factory=RunnerChoice)
    log: Annotated[WandbOptions, arg(name="", help="")] = field(default_factory=WandbOptions)
    options: Annotated[RunOptions, arg(name="", help="")] = field(
        default_factory=lambda: RunOptions(keep=PRESET_ROWS["short"].keep)
    )

    @classmethod
    def from_words(cls, words: Sequence[str], values: Mapping[str, object] = MappingProxyType({})) -> Self:
        """Return the options of the preset that the words name, or else the values of a file."""
        parts = [part for word in words for part in word.split("=", 1)]
        names = [value for option, value in pairwise(parts) if option == "--preset"]
        chosen = str([values.get("preset", "short"), *names][-1])
        name = chosen if chosen in PRESET_ROWS else "short"  # an unknown preset is refused later
        return cls(name, select_settings(name), options=RunOptions(keep=PRESET_ROWS[name].keep))

    def complete(self) -> MotionSettings:
        """Return the settings with all axes.

        Raises SettingError for options that exclude each other or have no effect.
        """
        has_other_model = self.settings.generator != PRESETS[self.preset].generator
        if has_other_model and self.axes.denoiser:
            raise SettingError("--denoiser and --generator both name the model; leave out one of them")
        settings = self.settings
        if self.protocol is not None:
            settings = follow_protocol(self.preset, settings, self.protocol)
        settings = self.axes.refine(drop_controls(settings) if has_other_model else settings)
        settings = settings.name_generator()
        if not settings.own_correctors:
            options = {
                "corrector-timeout": self.options.corrector_timeout_s,
                "corrector-in-process": self.options.corrector_in_process,
            }
            refuse_options(options, "correctors of your own")
        return settings

    def run(self) -> int:
        """Run what remains, and write the report. Returns 1 if a part is missing, and 0 otherwise."""
        settings = self.complete()
        sources_must_exist((*settings.data, *settings.reference))
        settings.check_generator()
        where = self.runner.to_where(self.workers)
        folder = place_of(self.out or self._default_folder())
        settings = keep_methods(settings, folder)
        kept = None
        if self.against is not None:
            from selfcorrect.experiments.studies.motion.against import KeptRun

            kept = KeptRun.read(self.against)
            settings = kept.select_new_arms(settings)
        if self.dry_run:
            self._print_plan(settings)
            return 0
        self._check_engine(settings)
        from selfcorrect.experiments.studies.motion.against import check_references, make_against_page
        from selfcorrect.experiments.studies.motion.motion_page import make_motion_page
        from selfcorrect.experiments.studies.motion.study import check_motion_study, limit_processes, make_motion_study
        from selfcorrect.experiments.studies.run import run_study
        from selfcorrect.experiments.studies.study_report import REPORT

        command = shlex.join(["selfcorrect", *sys.argv[1:]])
        options = self.options
        study = make_motion_study(settings, self.preset, options)
        is_local = RUNNERS.row(where.chosen).is_local
        study = check_motion_study(study, where)
        print(f"selfcorrect: {self._describe_time(settings)}", file=sys.stderr)
        if is_local and self.workers is None:
            where = replace(where, workers=limit_processes(where.workers, options.device))
        if kept is None:
            page = make_motion_page(settings, self.preset, options)
        else:
            kept = check_references(kept, settings, options, folder, where)
            page = make_against_page(settings, self.preset, options, kept)
        result = run_study(
            study, page, folder, where, command=command, accept_changed=options.accept_changed, wandb=self.log
        )
        print(f"\n{result}\n{folder / REPORT}")
        return 1 if result.gaps else 0

    def _check_engine(self, settings: MotionSettings) -> None:
        """Print the physics engine of the correctors. Raises MissingExtraError if it is not installed."""
        if not settings.has_correctors:
            return
        ENGINES.load(settings.engine)
        is_stand_in = PRESETS[self.preset].engine != find_engine(PRESETS[self.preset].engine) == settings.engine
        reason = "PyBullet is not installed; " if is_stand_in else ""
        print(f"selfcorrect: {reason}physics engine of the correctors: {settings.engine}", file=sys.stderr)

    def _default_folder(self) -> Path:
        """Return the run folder for the preset, or for the trial of a W&B sweep."""
        sweep = os.environ.get("WANDB_SWEEP_ID")
        trial = os.environ.get("WANDB_RUN_ID")
        if sweep and trial:
            return Path("runs") / f"sweep-{sweep}" / trial
        return Path("runs") / f"motion-{self.preset}"

    def _print_plan(self, settings: MotionSettings) -> None:
        for denoiser, arms in settings.arms.items():
            for arm in arms:
                print(f"{denoiser}: {describe_arm(arm)}")
        print(f"generations {settings.generations}, seeds {settings.seeds}, n = {settings.real_count}")
        if self.preset.startswith("paper-"):
            print(f"protocol: {self.protocol or 'scripts'}")
        for line in describe_plan(settings):
            print(line)
        print(self._describe_time(settings))
        if cost := describe_cost(settings):
            print(cost)

    def _describe_time(self, settings: MotionSettings) -> str:
        """Say what the preset takes, and how many of its generations these settings train."""
        cost = PRESET_ROWS[self.preset].cost
        share = _count_generations(settings) / _count_generations(PRESETS[self.preset])
        if share == 1 and cost.startswith("needs"):
            return f"the preset {self.preset} {cost}"
        if share == 1:
            return f"the preset {self.preset} takes {cost}, timed on two cores"
        return f"{share:.2g} × the generations that the preset trains (preset: {cost})"


def _count_generations(settings: MotionSettings) -> int:
    """Return the number of generations over all arms and seeds."""
    return len(settings.all_arms) * settings.seeds * settings.generations
