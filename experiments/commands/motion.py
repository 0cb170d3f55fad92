"""`selfcorrect motion`: does physics keep a self-consuming motion model from collapsing?"""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import arg
from tyro.extras import literal_type_from_choices

from selfcorrect.core.errors import SettingError
from selfcorrect.loop.policy_table import POLICIES
from selfcorrect.models.diffusion.presets import preset, preset_names
from selfcorrect.runtime.processes import default_workers
from selfcorrect.simulators.settings.engine_table import AUTO, ENGINES, PUBLISHED_ENGINE, chosen_engine

from ..jobs.targets import place_of
from ..jobs.where import Cluster, Where
from ..motion.correctors.table import CORRECTORS, corrector_row
from ..motion.settings.preset_table import PRESET_ROWS, described
from ..motion.settings.run_options import Keep, RunOptions
from ..remedies.table import REMEDIES
from .inputs import must_exist, sources_must_exist

if TYPE_CHECKING:
    from ..motion.settings.presets import DenoiserArms, MotionSettings

    EngineName = PresetName = str
else:
    EngineName = literal_type_from_choices(ENGINES.names)
    PresetName = literal_type_from_choices(PRESET_ROWS)


def _presets() -> str:
    return (
        "What is compared. Options below replace one of its axes each and leave the others. Times are for two cores.\n"
        f"{described()}"
    )


def _correctors() -> str:
    told = (
        "These in place of the preset's; none for no correction, package.module:function for your own. Built-in ones "
        "joined by + work one after the other: low-pass+physics."
    )
    return f"{told}\n{CORRECTORS.described()}"


def _remedies() -> str:
    return f"Each arm also with these remedies against the loss of modes.\n{REMEDIES.described()}"


def _denoisers() -> str:
    return "Networks to compare: " + ", ".join(f"{name} ({preset(name).character})" for name in preset_names())


def _runners() -> str:
    from ..jobs.run import RUNNERS

    return f"Where jobs run, by default in processes; results do not depend on it.\n{RUNNERS.described()}"


def _says(default: str, takes: str = "INT") -> object:
    """What `--help` says of an option that has no value of its own, and of what it takes."""
    return arg(help_behavior_hint=f"(default: {default})", metavar=takes)


def _preset_says(name: str, takes: str = "INT") -> object:
    """The value that the preset of the command line has."""
    return _says(f"{PRESET_ROWS[_chosen_preset()].value(name)}, of the preset {_chosen_preset()}", takes)


def _chosen_preset() -> str:
    """The preset that the command line names, the usual one where it names none that there is."""
    words = [part for word in sys.argv for part in word.split("=", 1)]
    named = [after for word, after in pairwise(words) if word == "--preset"]
    return next((name for name in reversed(named) if name in PRESET_ROWS), "short")


@dataclass
class MotionCommand:
    """Train motion diffusion models in self-consuming loops, with and without correction, and compare their collapse.

    Ends with a report. The same command resumes a stopped run at the last committed generation.
    """

    preset: Annotated[
        PresetName,
        arg(help=_presets()),
    ] = "short"
    policy: tuple[str, ...] = ()
    """Which data train the next generation: replace (fully synthetic), augment, accumulate, … Several may be given."""
    synthetic_ratio: tuple[str, ...] = ()
    """λ, synthetic samples per real one, for augment and accumulate, or a share such as 80%; inf or 100% is fully
    synthetic. Several may be given."""
    corrector: Annotated[tuple[str, ...], arg(help=_correctors())] = ()
    remedy: Annotated[tuple[str, ...], arg(help=_remedies())] = ()
    guidance: tuple[float, ...] = ()
    """Also all arms with samples drawn at these scales of classifier-free guidance, the baseline included."""
    temperature: tuple[float, ...] = ()
    """The same with this factor on the noise of sampling."""
    eta: tuple[float, ...] = ()
    """The same with this share of noise drawn anew in each step of sampling: 0 is deterministic, 1 ancestral."""
    sampling_steps: tuple[int, ...] = ()
    """The same with so many network evaluations per sample."""
    gamma: Annotated[tuple[float, ...], _preset_says("gamma", "FLOAT…")] = ()
    """γ ≥ 0: each sample is replaced by its corrected form with probability γ/(1+γ); inf for all. Several may be
    given."""
    generations: Annotated[int | None, _preset_says("generations")] = None
    """Generations after generation 0."""
    seeds: Annotated[int | None, _preset_says("seeds")] = None
    """Number of seeds."""
    first_seed: Annotated[int | None, _preset_says("first_seed")] = None
    """The first of them: several machines without a cluster can do seeds of one experiment each."""
    real_count: Annotated[int | None, _preset_says("real_count")] = None
    """n, real training windows per seed."""
    judged_count: Annotated[int | None, _preset_says("judged_count")] = None
    """Samples drawn in each generation to be judged."""
    judge_corrected: bool = False
    """Also judge each arm's samples after its own correction, as who corrects what a model makes would have them."""
    steps: Annotated[int | None, _preset_says("steps")] = None
    """Optimiser steps per generation, the same in every arm."""
    initial_steps: Annotated[int | None, _preset_says("initial_steps")] = None
    """Optimiser steps of generation 0."""
    denoiser: Annotated[tuple[str, ...], arg(help=_denoisers())] = ()
    data: tuple[str, ...] = ()
    """deepmimic (built in), or motion files and folders with motions of one skeleton; FOLDER#SPLIT for a
    split of a dataset."""
    reference: tuple[str, ...] = ()
    """Motions to judge against, given like data, such as those of held-out subjects."""
    ratings: Path | None = None
    """Database of `selfcorrect curate`, for --corrector people and --remedy preferred. The run folder keeps what it
    said when the run began."""
    mdm: str = ""
    """With the preset paper: a checkpoint of MDM as its authors publish it (model000475000.pt, args.json beside it), or
    args.json for weights drawn anew, as Gillman et al. 2024 did. Needs --data HumanML3D, --evaluator and CLIP."""
    evaluator: str = ""
    """With mdm: folder of the evaluator of Guo et al. 2022 (t2m), with glove in it or beside it."""
    clip: str = ""
    """With mdm: folder of CLIP, or its name in Hugging Face's cache."""
    repetitions: Annotated[int | None, _says("20")] = None
    """With mdm: how often the last generation is judged by the field's protocol."""
    engine: Annotated[EngineName | None, _preset_says("engine", "|".join(ENGINES.names))] = None
    """In which correctors simulate. The published figures are PyBullet's; where that is not installed and no engine is
    given, MuJoCo simulates."""
    out: Annotated[Path | None, _says("runs/motion-PRESET", "PATH")] = None
    """Run folder. Given again with more generations, seeds or arms, it is extended."""
    dry_run: bool = False
    """Say which arms would be run, for how many generations, and what that takes; write nothing."""
    workers: Annotated[int | None, _says("one per core, as far as memory allows")] = None
    """Processes. Results do not depend on their number."""
    runner: Annotated[str, arg(help=_runners())] = ""
    where: Annotated[Cluster, arg(name="")] = field(default_factory=Cluster)
    options: Annotated[RunOptions, arg(name="")] = field(default_factory=RunOptions)

    def settings(self) -> MotionSettings:
        """The preset with the given options applied; raises ValueError for a combination that means nothing."""
        from ..motion.settings.presets import PRESETS

        preset = self._published(PRESETS[self.preset])
        given = {each.name: getattr(self, each.name, None) for each in fields(preset)}
        given = {
            name: value for name, value in given.items() if value is not None and value != () and value is not False
        }
        for name in given.keys() & {"steps", "initial_steps"}:
            given[name] = dict.fromkeys((*getattr(preset, name), *self.denoiser), given[name])
        return replace(preset, **{**given, "comparisons": self._comparisons(preset), "engine": self._engine()})

    def _published(self, preset: MotionSettings) -> MotionSettings:
        """The preset with the published generator and evaluator in place of its denoiser and judge, where they are."""
        files = {name: getattr(self, name) for name in ("mdm", "evaluator", "clip", "repetitions")}
        if not self.mdm:
            if given := [name for name, value in files.items() if value]:
                raise SettingError(f"--{given[0]} goes with --mdm CHECKPOINT")
            return preset
        if self.preset != "paper" or self.denoiser:
            raise SettingError("--mdm goes with --preset paper, and without --denoiser")
        if not self.data:
            raise SettingError("--mdm needs --data, a HumanML3D folder or FOLDER#SPLIT")
        from ..motion.settings import published

        counts = {} if self.repetitions is None else {"repetitions": self.repetitions}
        first, later = published.published_steps(self.real_count or preset.real_count)
        return replace(
            preset,
            published=published.PublishedModel(self.mdm, self.evaluator, self.clip, **counts),
            frames=published.FRAMES,
            fps=published.FPS,
            judged_count=published.JUDGED,
            initial_steps={**preset.initial_steps, "paper": first},
            steps={**preset.steps, "paper": later},
        )

    def _comparisons(self, preset: MotionSettings) -> tuple[DenoiserArms, ...]:
        kept = {comparison.denoiser: comparison for comparison in preset.comparisons}
        chosen = {name: kept.get(name, replace(preset.comparisons[0], denoiser=name)) for name in self.denoiser} or kept
        from ..motion.settings.arms import SAMPLING_BOUNDS, ratio_of, refined_arms

        sampling = {name: getattr(self, name) for name in SAMPLING_BOUNDS}
        axes = (self.policy, [*map(ratio_of, self.synthetic_ratio)], self.corrector, self.gamma, self.remedy, sampling)
        return tuple(replace(one, arms=refined_arms(one.arms, *axes)) for one in chosen.values())

    def _check_names(self) -> None:
        """What can be checked of the options before PyTorch is imported, which takes seconds."""
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
        engine = self._engine()
        ENGINES.load(engine)  # where it is not installed, nothing begins
        if engine != (self.engine or PRESET_ROWS[self.preset].engine):
            print(f"selfcorrect: PyBullet is not installed; correctors simulate in {engine}", file=sys.stderr)
        from selfcorrect.models.diffusion.model import choose_device
        from selfcorrect.models.diffusion.sharing import crew, process_count

        from ..motion.report.view import MotionView
        from ..motion.run.study import MotionStudy
        from ..studies.report import REPORT
        from ..studies.run import run_study

        settings = self.settings()
        if self.dry_run:
            print("\n".join(self._expected(settings)))
            return 0
        folder = place_of(self.out or self._usual_folder())
        where = Where(self._workers(process_count()), self.runner, self.where)
        command = shlex.join(["selfcorrect", *sys.argv[1:]])
        options = replace(self.options, keep=self._keep())
        view = MotionView(MotionStudy(settings, self.preset, options, self.ratings))
        with crew(choose_device(options.device)) as leads:
            if leads:
                found = run_study(
                    view,
                    folder,
                    where,
                    command=command,
                    accept_changed=options.accept_changed,
                    wandb=options.target,
                )
                print(f"\n{found}\n{folder / REPORT}")
                return 1 if found.gaps else 0
        return 0

    def _engine(self) -> str:
        """The engine that was asked for, else the preset's, or MuJoCo where that is PyBullet and not installed."""
        usual = PRESET_ROWS[self.preset].engine
        return self.engine or (chosen_engine(AUTO) if usual == PUBLISHED_ENGINE else usual)

    def _usual_folder(self) -> Path:
        """By the preset; each trial of a W&B sweep has a separate one."""
        sweep, trial = (os.environ.get(name) for name in ("WANDB_SWEEP_ID", "WANDB_RUN_ID"))
        return Path("runs") / (f"sweep-{sweep}/{trial}" if sweep and trial else f"motion-{self.preset}")

    def _expected(self, settings: MotionSettings) -> list[str]:
        """The arms of an experiment and what it takes, line by line."""
        from ..motion.settings.cost import expected

        arms = [f"{one.denoiser}: {arm.label}" for one in settings.comparisons for arm in one.arms]
        counts = f"generations {settings.generations}, seeds {settings.seeds}, n = {settings.real_count}"
        workers = self.workers if self.workers is not None else default_workers()
        lines = expected(settings, self._keep()).lines(workers)
        if settings.published:
            from ..motion.settings.published import gpu_lines

            one = settings.comparisons[0]
            steps = settings.initial_steps[one.denoiser], settings.steps[one.denoiser]
            lines += gpu_lines(settings.published, one.arms, settings, steps)
        return [*arms, counts, *lines]

    def _keep(self) -> Keep:
        """What stays of models and samples."""
        return self.options.keep or PRESET_ROWS[self.preset].keep

    def _workers(self, training: int) -> int:
        """Processes that run jobs, each of which trains with all the `training` processes that were started."""
        if training > 1 and (self.workers not in (None, 1) or self.where.cluster or self.runner not in ("", "here")):
            raise SettingError(
                f"{training} processes train together, one job at a time, in the first of them; "
                "leave out workers, runner and cluster"
            )
        return 1 if training > 1 else self.workers if self.workers is not None else default_workers()
