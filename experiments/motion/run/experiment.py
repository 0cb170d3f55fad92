"""Does physics keep a self-consuming motion model from collapsing? The main experiment, from data to report."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from selfcorrect.core.errors import SettingError
from selfcorrect.core.randomness import streams
from selfcorrect.correctors.identity import Identity, identity_of
from selfcorrect.models.diffusion.config import DENOISERS
from selfcorrect.models.diffusion.model import choose_device
from selfcorrect.preferences.reward import Reward
from selfcorrect.storage.runs.run_folder import claim_folder
from selfcorrect.storage.runs.tracking import WandbLog, WandbTarget

from ...curation.in_loops import WHO, identity_of_reward, keep_reward, kept_reward, reward_in
from ...jobs.identities import IDENTITIES, IdentityFile
from ...jobs.progress_bars import Event, silent
from ...jobs.run import require_runner, run_jobs, use_one_thread
from ...jobs.where import Where
from ..correctors.builtin import CorrectorInputs
from ..correctors.own import own_identity, try_corrector
from ..correctors.table import is_own
from ..report.page import write_report
from ..report.running import RunningReport
from ..report.wandb_runs import BEST, LiveRuns
from ..settings.presets import MotionSettings, extends
from ..settings.run_options import DEFAULTS, RunOptions
from .jobs import ACCEPT, jobs
from .task import caption_vectors, motion_data, motion_task


def run_experiment(
    settings: MotionSettings,
    folder: Path,
    name: str,
    where: Where,
    options: RunOptions = DEFAULTS,
    command: str = "",
    ratings: Path | None = None,
) -> None:
    """Run an experiment, or what is left of it in its run folder, and write its report.

    command: what does it again, for its report. ratings: a database of `selfcorrect curate`, for arms that need what
    people preferred; a run that was begun with one keeps it.
    """
    reward = _reward(settings, folder, ratings)
    use_one_thread()  # before the judge is fitted, which jobs in this process share
    require_runner(where)
    if not where.cluster.cluster:
        choose_device(options.device)  # a bad device ends the run before it has written anything, as bad data
    limit_s = options.corrector_timeout_s
    identities = own_identities(settings, limit_s)  # as a corrector does that cannot be loaded
    data = motion_data(settings, streams(settings.first_seed))  # as bad data do
    if settings.captions:
        caption_vectors(data.training.label_names)  # as an encoder of sentences that is not installed
    ledger = IdentityFile(folder / IDENTITIES, ACCEPT)
    unknown = ledger.not_recorded(identities)
    untried = [name for name in own_correctors(settings) if _corrector_named(name) in unknown]
    identities |= try_correctors(settings, untried, limit_s)  # as one that fails at once does
    started = time.monotonic()
    target = WandbTarget(options.wandb, options.wandb_project, options.wandb_entity)
    with claim_folder(folder, settings.config(), extends), WandbLog(folder, target, BEST) as log:
        ledger.record(identities, accept_changed=options.accept_changed)
        if reward is not None:
            ledger.record({WHO: identity_of_reward(reward)}, accept_changed=options.accept_changed)
            keep_reward(folder, reward)
        work = jobs(settings, folder, options)
        live, running = LiveRuns(log, work, name), RunningReport(settings, folder, command or name)

        def observe(event: Event) -> None:
            running(event)
            live(event)

        print(f"{folder / 'report.html'} shows the run from its first generation on", file=sys.stderr)
        run_jobs(work, where, f"motion {name}", folder=folder, observe=observe)
        live.complete()
        print("all generations are done; the report is written", file=sys.stderr)
        seconds = time.monotonic() - started
        conclusion = write_report(settings, folder, name, command or name, log, seconds, options)
    if words := log.words:
        print(words)
    print(f"\n{conclusion}\n{folder / 'report.html'}")


def _reward(settings: MotionSettings, folder: Path, ratings: Path | None) -> Reward | None:
    """What people preferred, by a database; SettingError where arms need one that is neither given nor kept."""
    arms = [arm for comparison in settings.comparisons for arm in comparison.arms]
    needed = [name for arm in arms for name in arm.rated]
    if needed and ratings is None and kept_reward(folder) is None:
        raise SettingError(f"{needed[0]} needs --ratings, a database that `selfcorrect curate` made")
    return None if ratings is None else reward_in(ratings)


def own_correctors(settings: MotionSettings) -> list[str]:
    """The names of correctors of users and of other packages."""
    arms = [arm for comparison in settings.comparisons for arm in comparison.arms]
    return [name for name in dict.fromkeys(arm.corrector for arm in arms) if is_own(name)]


def own_identities(settings: MotionSettings, limit_s: float | None = None) -> dict[str, Identity]:
    """What each corrector and denoiser of a user or of another package is, by a name for messages.

    SettingError for one that cannot be loaded.
    """
    denoisers = {comparison.preset.config.denoiser for comparison in settings.comparisons}
    return {
        **{_corrector_named(name): own_identity(name, limit_s) for name in own_correctors(settings)},
        **{
            f"denoiser {name!r}": identity_of(DENOISERS.load(name))
            for name in sorted(denoisers)
            if DENOISERS.is_added(name)
        },
    }


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
    real, trial = task.task.real, stream.child("trial")
    model = task.task.model.fit(real, 1, trial.child("train"))
    inputs = CorrectorInputs(task.codec, real, model, trial, silent, limit_s, engine=settings.engine)
    identities = dict[str, Identity]()
    for name in names:
        identities[_corrector_named(name)], warning = try_corrector(name, inputs)
        if warning:
            print(f"selfcorrect: {warning}", file=sys.stderr)
    return identities
