"""Folders of a motion experiment's runs: one per denoiser, seed and arm."""

from dataclasses import dataclass
from pathlib import Path

from selfcorrect.models.diffusion.acceleration import EXACT, FAST, Acceleration

from ...studies.study import SeedRun
from ..settings.experiment import DenoiserArms, MotionSettings
from ..settings.run_options import DEFAULTS, RunOptions


@dataclass(frozen=True)
class MotionRun(SeedRun):
    """One denoiser, which is the task, and seed of an experiment: its share of the settings, and how it runs."""

    settings: MotionSettings
    options: RunOptions = DEFAULTS

    @property
    def place(self) -> str:
        return self.task

    @property
    def comparison(self) -> DenoiserArms:
        """The denoiser with its arms."""
        return self.settings.comparison(self.task)

    @property
    def acceleration(self) -> Acceleration:
        return FAST if self.options.accelerated else EXACT

    @property
    def seed_folder(self) -> Path:
        """Folder of results that depend only on the seed's data."""
        return self.root / "real" / f"seed-{self.seed}"


def seed_runs(settings: MotionSettings, root: Path, options: RunOptions = DEFAULTS) -> list[MotionRun]:
    """All seeds and denoisers of an experiment, to be run with some options."""
    seeds = range(settings.first_seed, settings.first_seed + settings.seeds)
    return [
        MotionRun(comparison.denoiser, seed, root, settings, options)
        for seed in seeds
        for comparison in settings.comparisons
    ]
