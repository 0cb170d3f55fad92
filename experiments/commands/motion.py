"""`selfcorrect motion`: does physics keep a self-consuming motion model from collapsing?"""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import arg

from selfcorrect.errors import SettingError
from selfcorrect.experiments.commands.inputs import must_exist
from selfcorrect.experiments.defence_table import DEFENCES
from selfcorrect.experiments.motion.corrector_table import CORRECTORS
from selfcorrect.experiments.targets import place_of
from selfcorrect.experiments.where import Cluster, Where
from selfcorrect.models.diffusion.presets import preset, preset_names
from selfcorrect.policy_table import POLICIES

if TYPE_CHECKING:
    from selfcorrect.experiments.motion.presets import Comparison, MotionSettings


def _correctors() -> str:
    return f"Only these against uncorrected; package.module:function is your own.\n{CORRECTORS.described()}"


def _defences() -> str:
    return f"Also arms with these defences against the loss of modes, alone and corrected.\n{DEFENCES.described()}"


def _denoisers() -> str:
    return "Networks to compare: " + ", ".join(f"{name} ({preset(name).character})" for name in preset_names())


def _runners() -> str:
    from selfcorrect.experiments.jobs import RUNNERS

    return f"Where jobs run, by default in processes; results do not depend on it.\n{RUNNERS.described()}"


def _path_of(source: str) -> Path:
    from selfcorrect.datasets.splits import path_and_split

    return path_and_split(source)[0]


@dataclass
class MotionCommand:
    """Train motion diffusion models in self-consuming loops, with and without correction, and compare their collapse.

    Ends with a report. A stopped run goes on with the same command, at the last committed generation.
    """

    preset: Literal["demo", "quick", "full", "ratios", "modes", "renewal", "defences", "paper"] = "demo"
    """demo: minutes on two cores; quick: a smoke test with one seed, which proves nothing; full: every arm and control;
    ratios: synthetic ratios up to 100 %; modes: what keeps the modes of a fully synthetic loop, with controls; renewal:
    the same where a quarter of the training set is renewed in each generation; defences: published defences, side by
    side; paper: the settings of Gillman et al. 2024, for a GPU."""
    policy: tuple[str, ...] = ()
    """Which data train the next generation: replace (fully synthetic), augment, accumulate, … Several may be given."""
    synthetic_ratio: tuple[float, ...] = ()
    """λ, synthetic samples per real one, for augment and accumulate. Several may be given."""
    corrector: Annotated[tuple[str, ...], arg(help=_correctors())] = ()
    corrector_timeout: float | None = None
    """Seconds after which a call of your own corrector, for one motion or one batch, ends the run."""
    defence: Annotated[tuple[str, ...], arg(help=_defences())] = ()
    guidance: tuple[float, ...] = ()
    """Also all arms with samples drawn at these scales of classifier-free guidance, the baseline included."""
    temperature: tuple[float, ...] = ()
    """The same with this factor on the noise of sampling."""
    eta: tuple[float, ...] = ()
    """The same with this share of noise drawn anew in each step of sampling: 0 is deterministic, 1 ancestral."""
    sampling_steps: tuple[int, ...] = ()
    """The same with so many network evaluations per sample."""
    gamma: float | None = None
    """γ ≥ 0: each sample is replaced by its corrected form with probability γ/(1+γ). By default all are."""
    generations: int | None = None
    """Generations after generation 0."""
    seeds: int | None = None
    """Number of seeds."""
    first_seed: int | None = None
    """The first of them: several machines without a cluster can do seeds of one experiment each."""
    real_count: int | None = None
    """n, real training windows per seed."""
    judged_count: int | None = None
    """Samples drawn in each generation to be judged."""
    judge_corrected: bool = False
    """Also judge each arm's samples after its own correction, as who corrects what a model makes would have them."""
    steps: int | None = None
    """Optimiser steps per generation, the same in every arm."""
    initial_steps: int | None = None
    """Optimiser steps of generation 0."""
    denoiser: Annotated[tuple[str, ...], arg(help=_denoisers())] = ()
    data: tuple[str, ...] = ()
    """deepmimic (comes with PyBullet), or motion files and folders with motions of one skeleton; FOLDER#SPLIT for a
    split of a dataset."""
    reference: tuple[str, ...] = ()
    """Motions to judge against, given like data, such as other people's."""
    out: Path | None = None
    """Run folder; by default runs/motion-PRESET."""
    wandb: Literal["off", "offline", "online"] = "offline"
    """Weights & Biases: offline writes its files into the run folder, online sends them."""
    keep: Literal["all", "needed"] = "all"
    """Of models and samples: those of all generations, or only what going on and the report need."""
    repair: bool = False
    """Do generations again that are not what was written; `selfcorrect verify` finds them."""
    workers: int | None = None
    """Processes; by default one per core. Results do not depend on it."""
    runner: Annotated[str, arg(help=_runners())] = ""
    where: Annotated[Cluster, arg(name="")] = field(default_factory=Cluster)
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, …"""
    accelerated: bool = False
    """For GPUs: bfloat16, a compiled network, data on the device, divergence looked for every 50 steps. Changes results
    as another device does. For several GPUs, on which a batch is shared, see docs/scale.md."""

    def settings(self) -> MotionSettings:
        """The preset with the given options applied; raises ValueError for a combination that means nothing."""
        from selfcorrect.experiments.motion.presets import PRESETS

        preset = PRESETS[self.preset]
        given: dict[str, Any] = {
            name: value
            for name in ("generations", "seeds", "first_seed", "real_count", "judged_count", "data", "reference")
            if (value := getattr(self, name)) not in (None, ())
        }
        for name in ("steps", "initial_steps"):
            if (value := getattr(self, name)) is not None:
                given[name] = dict.fromkeys((*getattr(preset, name), *self.denoiser), value)
        if self.judge_corrected:
            given["judge_corrected"] = True
        return replace(preset, comparisons=self._comparisons(preset), **given)

    def _comparisons(self, preset: MotionSettings) -> tuple[Comparison, ...]:
        kept = {comparison.denoiser: comparison for comparison in preset.comparisons}
        chosen = {name: kept.get(name, replace(preset.comparisons[0], denoiser=name)) for name in self.denoiser} or kept
        from selfcorrect.corrector import import_corrector
        from selfcorrect.experiments.motion.arms import SAMPLING_BOUNDS, comparison_arms

        sampling = {name: getattr(self, name) for name in SAMPLING_BOUNDS}
        given = (self.policy, self.synthetic_ratio, self.corrector, self.defence, *sampling.values())
        if not any(given) and self.gamma is None:
            return tuple(chosen.values())
        for name in self.corrector:
            import_corrector(name) if ":" in name else CORRECTORS.load(name)
        arms = comparison_arms(self.policy, self.synthetic_ratio, self.corrector, self.gamma, self.defence, sampling)
        return tuple(replace(comparison, arms=arms) for comparison in chosen.values())

    def _check_names(self) -> None:
        """What can be told of the options before PyTorch is imported, which takes seconds."""
        from selfcorrect.experiments.jobs import RUNNERS

        for kind in self.policy:
            POLICIES.row(kind.partition(":")[0].strip())
        for table, names in ((CORRECTORS, self.corrector), (DEFENCES, self.defence), (RUNNERS, (self.runner,))):
            for name in names:
                if name and ":" not in name:
                    table.row(name)
        for name in self.denoiser:
            preset(name)

    def run(self) -> None:
        """Run the experiment, or what is left of it, and write its report."""
        if self.corrector_timeout is not None and not 0 < self.corrector_timeout < 1e6:
            raise SettingError(f"corrector-timeout must be a positive number of seconds, got {self.corrector_timeout}")
        self._check_names()
        sources = (*self.data, *self.reference)
        must_exist(_path_of(source) for source in sources if source != "deepmimic")
        from selfcorrect.experiments.motion.experiment import run_experiment
        from selfcorrect.models.diffusion.model import choose_device
        from selfcorrect.models.diffusion.sharing import crew, process_count

        settings = self.settings()
        folder = place_of(self.out or Path("runs") / f"motion-{self.preset}")
        where = Where(self._workers(process_count()), self.runner, self.where)
        how: dict[str, Any] = {"device": self.device, "repair": self.repair, "keep": self.keep}
        how["accelerated"] = self.accelerated
        how["limit_s"] = self.corrector_timeout
        command = shlex.join(["selfcorrect", *sys.argv[1:]])
        with crew(choose_device(self.device)) as leads:
            if leads:
                run_experiment(settings, folder, self.preset, where, command=command, wandb=self.wandb, **how)

    def _workers(self, training: int) -> int:
        """Processes that run jobs, each of which trains with all the `training` processes that were started."""
        if training > 1 and (self.workers not in (None, 1) or self.where.cluster or self.runner not in ("", "here")):
            raise SettingError(
                f"{training} processes train together, one job at a time, in the first of them; "
                "leave out workers, runner and cluster"
            )
        return 1 if training > 1 else self.workers if self.workers is not None else os.cpu_count() or 1
