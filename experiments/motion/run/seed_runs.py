"""Where the runs of a motion experiment are: a folder per denoiser, seed and arm."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from selfcorrect.core.randomness import Stream, streams
from selfcorrect.models.diffusion.acceleration import EXACT, FAST, Acceleration

from ..settings.arms import Arm
from ..settings.presets import Comparison, MotionSettings
from ..settings.run_options import DEFAULTS, RunOptions


@dataclass(frozen=True)
class SeedRun:
    """One denoiser and seed of an experiment: its share of the settings, its run folders, how it runs."""

    settings: MotionSettings
    comparison: Comparison
    seed: int
    root: Path
    options: RunOptions = DEFAULTS

    @property
    def stream(self) -> Stream:
        return streams(self.seed)

    @property
    def acceleration(self) -> Acceleration:
        return FAST if self.options.accelerated else EXACT

    @property
    def folder(self) -> Path:
        return self.root / self.comparison.denoiser / f"seed-{self.seed}"

    @property
    def first_folder(self) -> Path:
        """Of generation 0, which all arms share."""
        return self.folder / "first-generation"

    @property
    def seed_folder(self) -> Path:
        """Of what depends on the seed's data alone."""
        return self.root / "real" / f"seed-{self.seed}"

    def arm_folder(self, arm: Arm) -> Path:
        return self.folder / arm.name


def seed_runs(settings: MotionSettings, root: Path, options: RunOptions = DEFAULTS) -> list[SeedRun]:
    """All seeds and denoisers of an experiment, to be run with some options."""
    seeds = range(settings.first_seed, settings.first_seed + settings.seeds)
    return [SeedRun(settings, comparison, seed, root, options) for seed in seeds for comparison in settings.comparisons]
