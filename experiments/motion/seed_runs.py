"""Where the runs of a motion experiment are: a folder per denoiser, seed and arm."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from selfcorrect.experiments.motion.arms import Arm
from selfcorrect.experiments.motion.presets import Comparison, MotionSettings
from selfcorrect.models.diffusion.acceleration import EXACT, FAST, Acceleration
from selfcorrect.randomness import Stream, streams

Keep: TypeAlias = Literal["all", "needed"]


@dataclass(frozen=True)
class SeedRun:
    """One denoiser and seed of an experiment: its share of the settings, its run folders, where it computes."""

    settings: MotionSettings
    comparison: Comparison
    seed: int
    root: Path
    device: str = "auto"
    accelerated: bool = False
    """Whether training and sampling are as in `acceleration.FAST`, which changes results as another device does."""
    repair: bool = False
    """Whether what is damaged is done again."""
    limit_s: float | None = None
    """How long one call of a user's corrector may take."""
    keep: Keep = "all"
    """Whether run folders keep the samples of all generations, or only what going on and the report need."""

    @property
    def stream(self) -> Stream:
        return streams(self.seed)

    @property
    def acceleration(self) -> Acceleration:
        return FAST if self.accelerated else EXACT

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


def seed_runs(settings: MotionSettings, root: Path, **how: Any) -> list[SeedRun]:
    """All seeds and denoisers of an experiment; `how`: further fields of each, none of which changes a result."""
    seeds = range(settings.first_seed, settings.first_seed + settings.seeds)
    return [SeedRun(settings, comparison, seed, root, **how) for seed in seeds for comparison in settings.comparisons]
