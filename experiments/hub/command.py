"""`selfcorrect hub PRESET`: loops of models in the layouts of Hugging Face, on files that you bring."""

import shlex
import sys
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import tyro

from selfcorrect.core.errors import SettingError
from selfcorrect.runtime.processes import default_workers

from ..commands.inputs import must_exist
from ..jobs.targets import place_of
from ..jobs.where import Cluster, Where
from ..studies.wandb_options import WandbOptions

NEEDS = {
    "cifar10": {"data": "CIFAR-10, its archive, its folder, or a folder with a subfolder of 32×32 pictures per class"},
    "xsum": {
        "model": "a folder with SmolLM2-135M, or another causal model, in Hugging Face's layout",
        "data": "XSum as a .jsonl or .parquet file, or a folder of them, with the columns document and summary",
    },
}
"""The files of the user that each preset needs, by option."""


@dataclass(frozen=True)
class HubCommand:
    """Run a loop of a diffusers UNet on CIFAR-10, or of a language model on XSum, with and without correction."""

    preset: Annotated[Literal["cifar10", "xsum"], tyro.conf.Positional]
    """cifar10: a UNet, corrected by k-means; xsum: a language model, corrected by an imperfect verifier."""
    data: Path | None = None
    """Your images or texts; nothing is downloaded."""
    model: Path | None = None
    """For xsum: the folder of the language model."""
    out: Path | None = None
    """Run folder; by default runs/ and the name of the preset."""
    seeds: int = 3
    """Number of seeds."""
    real_count: int | None = None
    """Real samples to train on, by default the preset's own; likewise for the options below."""
    judged: int | None = None
    """Held-out samples to judge by."""
    calibration: int | None = None
    """For xsum: real summaries that set the verifier's threshold."""
    generations: int | None = None
    """Generations after generation 0."""
    first_steps: int | None = None
    """Optimiser steps of generation 0."""
    steps: int | None = None
    """Optimiser steps per generation."""
    widths: tuple[int, ...] | None = None
    """For cifar10: channels of the UNet at each resolution, multiples of 8."""
    length: int | None = None
    """For xsum: tokens of a summary."""
    device: str | None = None
    """The device of the networks; "auto" is CUDA where there is one."""
    workers: int | None = None
    """Processes; one per core by default. Results do not depend on their number."""
    where: Annotated[Cluster, tyro.conf.arg(name="")] = field(default_factory=Cluster)
    log: Annotated[WandbOptions, tyro.conf.arg(name="")] = field(default_factory=lambda: WandbOptions("off"))

    def run(self) -> int:
        """Run the preset, or what is left of it, and print the verdict; 1 where something is missing of it."""
        needs = NEEDS[self.preset]
        if missing := [name for name in needs if getattr(self, name) is None]:
            told = "; ".join(f"--{name}, {needs[name]}" for name in missing)
            raise SettingError(f"preset {self.preset} needs files of yours: {told}; nothing is downloaded")
        must_exist((self.data, self.model))
        from ..studies.plans.compare import compare

        loop, better = self._loop()
        folder = place_of(self.out or Path("runs") / self.preset)
        found = compare(
            loop.task,
            loop.plans(),
            seeds=self.seeds,
            out=folder,
            better=better,
            title=self.preset,
            command=shlex.join(["selfcorrect", *sys.argv[1:]]),
            wandb=self.log.target,
            where=Where(self.workers if self.workers is not None else default_workers(), cluster=self.where),
        )
        print(f"\n{found}\n\nReport: {folder / 'report.html'}")
        return 1 if found.gaps else 0

    def _loop(self) -> tuple[Any, Any]:
        """The loop with the options that are given, and which way its scores are good."""
        if self.preset == "cifar10":
            from .images import BETTER
            from .images import ImageLoop as Loop
        else:
            from .summaries import BETTER
            from .summaries import SummaryLoop as Loop
        known = {each.name for each in fields(Loop)}
        given = {each.name: getattr(self, each.name) for each in fields(self) if each.name in known}
        return cast(Any, Loop)(**{name: value for name, value in given.items() if value is not None}), BETTER
