"""The motion experiment as a study: denoisers × arms × seeds on real motions, and what real data score."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torch import Tensor

from selfcorrect.core.errors import SettingError
from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.anchors import temporal_frequencies
from selfcorrect.correctors.contract import Corrector
from selfcorrect.correctors.identity import Identity, identity_of
from selfcorrect.correctors.loop_correction import Correction
from selfcorrect.loop.policy import reads_past
from selfcorrect.loop.run import Arm, Task
from selfcorrect.models.diffusion.denoiser_table import DENOISERS
from selfcorrect.models.diffusion.model import choose_device
from selfcorrect.models.protocol import GenerativeModel
from selfcorrect.motion.encodings.features import FeatureCodec
from selfcorrect.preferences.reward import Reward
from selfcorrect.remedies.spectrum import restore_energy
from selfcorrect.runtime.progress import Progress, silent
from selfcorrect.storage.runs.folder_store import FolderReader, FolderStore

from ...jobs.identities import IdentityFile, identity_of_data
from ...jobs.run import Job
from ...remedies.people import WHO, identity_of_reward, keep_reward, kept_reward, raters_of, reward_in
from ...remedies.remedies import RemedyInputs, with_place, with_remedy
from ...studies.arms import ArmSettings
from ...studies.jobs import job_of
from ...studies.study import SeedRun, Study
from ..correctors.builtin import CorrectorInputs, build_corrector
from ..correctors.own import own_identity, try_corrector
from ..correctors.table import corrector_row, is_own
from ..settings.arms import rated_components
from ..settings.experiment import MotionSettings, extends
from ..settings.run_options import DEFAULTS, RunOptions
from .feasibility import is_measured, write_feasibility
from .models import sampled_task, sampling_state
from .parts import JudgedTask, MotionTask
from .references import write_references
from .seed_runs import MotionRun, seed_runs
from .task import as_samples, caption_vectors, motion_data, motion_task


@dataclass(frozen=True)
class MotionStudy(Study):
    """A motion experiment."""

    settings: MotionSettings
    name: str = ""
    """Name of its preset."""
    options: RunOptions = DEFAULTS
    ratings: Path | None = None
    """A database of `selfcorrect curate`, for arms that need what people preferred."""

    each_alone = True

    @property
    def title(self) -> str:
        return f"motion {self.name}"

    @property
    def generations(self) -> int:
        return self.settings.generations

    @property
    def repair(self) -> bool:  # type: ignore[override]
        return self.options.repair

    def runs(self, root: Path) -> list[MotionRun]:
        return seed_runs(self.settings, root, self.options)

    def arms(self, task: str) -> tuple[ArmSettings, ...]:
        return self.settings.comparison(task).arms

    def config(self) -> Mapping[str, object]:
        return self.settings.config()

    def extends(self, recorded: Mapping[str, object], wanted: Mapping[str, object]) -> bool:
        return extends(recorded, wanted)

    def words(self, task: str) -> str:
        return self.settings.words(task)

    # --- before anything runs ---

    def check(self, folder: Path, *, on_cluster: bool) -> None:
        """Raise what would end the run later; bad data are found by `identities`."""
        reward_for(self.settings, folder, self.ratings)
        if not on_cluster:
            choose_device(self.options.device)

    def identities(self) -> Mapping[str, Identity]:
        """Return the identity of each user's corrector and denoiser; SettingError for one without a source.

        Real data are read, too, which raises what is wrong with them before anything is written.
        """
        identities = own_identities(self.settings, self.options.corrector_timeout_s)
        data = motion_data(self.settings, streams(self.settings.first_seed))
        if self.settings.captions:
            caption_vectors(data.training.label_names)
        return identities

    def try_out(self, unknown: Sequence[str]) -> Mapping[str, Identity]:
        names = [name for name in own_correctors(self.settings) if _corrector_named(name) in unknown]
        return try_correctors(self.settings, names, self.options.corrector_timeout_s)

    def begin(self, ledger: IdentityFile, *, accept_changed: bool) -> None:
        """Keep what people preferred: a run that was begun with a reward keeps it."""
        folder = ledger.path.parent
        reward = reward_for(self.settings, folder, self.ratings)
        if reward is not None:
            ledger.record({WHO: identity_of_reward(reward)}, accept_changed=accept_changed)
            keep_reward(folder, reward)

    def more_jobs(self, run: SeedRun) -> list[Job]:
        """Score real data, once for all denoisers, and measure the feasibility of each arm that is done."""
        first = run.task == self.settings.comparisons[0].denoiser
        jobs = [Job(f"real data seed {run.seed}", run_references, (self, run), 1)] if first else []
        for arm in self.arms(run.task):
            name = job_of(self, run, arm)
            jobs.append(Job(f"{name} feasibility", run_feasibility, (self, run, arm), 0, (name,)))
        return jobs

    # --- in jobs ---

    def prepare(self, run: MotionRun, progress: Progress, *, first: bool) -> MotionTask:  # type: ignore[override]
        steps = self.settings.initial_steps if first else self.settings.steps
        return self._task(run, progress, steps[run.task])

    def _task(self, run: MotionRun, progress: Progress, steps: int = 0) -> JudgedTask:
        return motion_task(
            self.settings,
            run.comparison,
            run.stream,
            device=self.options.device,
            progress=progress,
            training_steps=steps,
            acceleration=run.acceleration,
        )

    def data(self, run: SeedRun, ready: MotionTask) -> Mapping[str, Identity]:
        return data_identities(run.seed, ready.task.real, as_samples(ready.data.reference, ready.codec))

    def loop_arm(  # type: ignore[override]
        self, run: MotionRun, arm: ArmSettings, ready: MotionTask, first: FolderReader, progress: Progress
    ) -> tuple[Task, Arm]:
        inputs = corrector_inputs(run, ready, ready.task.model.load_state(first.state(0)), progress)
        corrector = build_corrector(arm.corrector, inputs)
        correction = None if corrector is None else _correction(corrector, arm)
        loop_arm = arm.make_arm(
            self.settings.generations, self.settings.steps[run.task], correction, ready.fresh_source
        )
        remedy_inputs = _remedy_inputs(ready.codec, inputs.reward)
        task, loop_arm = with_place(sampled_task(ready, arm, progress), loop_arm, arm.place)
        return with_remedy(task, loop_arm, arm.remedy, remedy_inputs)

    def first_config(self, run: SeedRun, ready: MotionTask) -> Mapping[str, object]:
        return self._config(run, "first generation")

    def arm_config(self, run: SeedRun, arm: ArmSettings, loop_arm: Arm) -> Mapping[str, object]:
        return self._config(run, arm.name)

    def _config(self, run: SeedRun, arm: str) -> dict[str, object]:
        """All that the results of an arm depend on."""
        config = {
            "arm": arm,
            "seed": run.seed,
            "experiment": self.settings.arm_settings(run.task),
            "device": self.options.device,
        }
        if self.options.accelerated:
            config["accelerated"] = True
        return config

    def keeps_samples(self, loop_arm: Arm) -> bool:
        return self._keep == "all" or reads_past(loop_arm.policy)

    @property
    def _keep(self) -> str:
        return self.options.keep or "all"

    def after_arm(  # type: ignore[override]
        self, run: MotionRun, arm: ArmSettings, ready: MotionTask, store: FolderStore, model: GenerativeModel
    ) -> None:
        if self._keep != "all":
            store.finish(sampling_state(model) if self._keep == "sampling" else None)


def data_identities(seed: int, real: Samples, reference: Samples) -> dict[str, Identity]:
    """Return the identities of a seed's data, by a name for messages."""
    return {
        f"the real training data of seed {seed}": identity_of_data(real),
        f"what seed {seed} is compared against": identity_of_data(reference),
    }


def run_references(study: MotionStudy, run: MotionRun, progress: Progress) -> None:
    """Score real data, and corrected if arms or their evaluation correct real data."""
    task = study._task(run, progress)
    inputs = corrector_inputs(run, task, task.task.model, progress)
    write_references(
        run.seed_folder,
        task,
        inputs,
        run.stream,
        feasibility_count=run.settings.feasibility_count,
        corrected=run.settings.corrects_real,
        repair=study.repair,
    )
    progress("generation", 0, study.generations)


def run_feasibility(study: MotionStudy, run: MotionRun, arm: ArmSettings, progress: Progress) -> None:
    """Measure the feasibility of what an arm's last model makes, unless that was done."""
    if not is_measured(run, arm):
        write_feasibility(run, study._task(run, progress), arm)


def _correction(corrector: Corrector, arm: ArmSettings) -> Correction:
    drops = not is_own(arm.corrector) and corrector_row(arm.corrector).residual_free
    return Correction(corrector, arm.strength, arm.operator, on_rejection="drop" if drops else "redraw")


def _remedy_inputs(codec: FeatureCodec, reward: Reward | None) -> RemedyInputs:
    raters = () if reward is None else raters_of(reward, codec)
    return RemedyInputs(embed=temporal_frequencies, finish=partial(finish_children, codec), raters=raters)


def finish_children(codec: FeatureCodec, children: Tensor, parents: Tensor, labels: Tensor) -> Tensor:
    """Children (N, T, D) with valid rotations and, per label, their parents' energy at high frequencies.

    Rotations are made valid first, because that adds energy, which would add up along the lines.
    """
    valid = codec.encode(codec.decode(children))
    return codec.encode(codec.decode(restore_energy(valid, parents, labels)))


def corrector_inputs(
    run: MotionRun, task: MotionTask, first_model: GenerativeModel, progress: Progress
) -> CorrectorInputs:
    """Return the inputs of a seed's correctors; first_model: of generation 0."""
    stream = run.stream.child("corrector")
    options = run.options
    return CorrectorInputs(
        task.codec,
        task.task.real,
        first_model,
        stream,
        progress,
        limit_s=options.corrector_timeout_s,
        in_process=options.corrector_in_process,
        engine=run.settings.engine,
        reward=kept_reward(run.root),
    )


# --- before anything runs ---


def reward_for(settings: MotionSettings, folder: Path, ratings: Path | None) -> Reward | None:
    """Return people's preferences; SettingError if arms need one that is neither given nor kept."""
    arms = [arm for comparison in settings.comparisons for arm in comparison.arms]
    needed = [name for arm in arms for name in rated_components(arm)]
    if needed and ratings is None and kept_reward(folder) is None:
        raise SettingError(f"{needed[0]} needs --ratings, choices that a page of `selfcorrect curate` saved")
    return None if ratings is None else reward_in(ratings)


def own_correctors(settings: MotionSettings) -> list[str]:
    """The names of correctors of users and of other packages."""
    arms = [arm for comparison in settings.comparisons for arm in comparison.arms]
    return [name for name in dict.fromkeys(arm.corrector for arm in arms) if is_own(name)]


def own_identities(settings: MotionSettings, limit_s: float | None = None) -> dict[str, Identity]:
    """Return the identity of each corrector and denoiser of users or other packages, by a name for messages.

    SettingError for one that cannot be loaded.
    """
    identities = {}
    for name in own_correctors(settings):
        identities[_corrector_named(name)] = own_identity(name, limit_s)
    denoisers = {comparison.preset.config.denoiser for comparison in settings.comparisons}
    for name in sorted(denoisers):
        if DENOISERS.is_added(name):
            identities[f"denoiser {name!r}"] = identity_of(DENOISERS.load(name))
    return identities


def _corrector_named(corrector: str) -> str:
    """A corrector in messages."""
    return f"corrector {corrector!r}"


def try_correctors(settings: MotionSettings, names: Sequence[str], limit_s: float | None = None) -> dict[str, Identity]:
    """Call correctors of users on two real samples and on two of a network that has seen a single training step.

    Returns what each is, with the files that it opened, by a name for messages.
    Raises CorrectorError for one that fails; one that answers differently each time is warned of.
    """
    if not names:
        return {}
    stream = streams(settings.first_seed)
    task = motion_task(settings, settings.comparisons[0], stream)
    real = task.task.real
    trial = stream.child("trial")
    model = task.task.model.fit(real, 1, trial.child("train"))
    inputs = CorrectorInputs(task.codec, real, model, trial, silent, limit_s, engine=settings.engine)
    identities = dict[str, Identity]()
    for name in names:
        identities[_corrector_named(name)], warning = try_corrector(name, inputs)
        if warning:
            print(f"selfcorrect: {warning}", file=sys.stderr)
    return identities
