"""Start a loop from the samples of a finished motion run, which become its training data."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from selfcorrect.core.errors import SettingError
from selfcorrect.core.samples import Samples
from selfcorrect.loop.store.origin import digest_settings
from selfcorrect.loop.store.run_folder import CONFIG
from selfcorrect.storage.files.digests import read_with_digest

from ..study import seed_runs
from .settings import MotionSettings, settings_from_config


def read_start(start_from: Sequence[str], seed: int) -> tuple[MotionSettings, Samples]:
    """Read the start of a loop.

    Returns the settings of a finished run, and the last samples of an arm of it, encoded as in that run.

    Raises:
        SettingError: The run lacks the arm, the seed or its samples, has several networks, or has data of its own.
    """
    run, arm_key = start_from
    folder = Path(run)
    if not (folder / CONFIG).is_file():
        raise SettingError(f"{run}: not a run folder; --start-from takes a run folder and an arm in it")
    finished = settings_from_config(read_with_digest(folder / CONFIG))
    if finished.generator and ":" not in finished.generator[0]:
        raise SettingError(
            f"{run} has data of its own (generator {finished.generator[0]}); a loop cannot start from it"
        )
    if len(finished.arms) != 1:
        raise SettingError(f"{run} has several networks ({', '.join(finished.arms)}); --start-from takes a run of one")
    keys = [arm.key for arm in finished.all_arms]
    if arm_key not in keys:
        raise SettingError(f"{run} has no arm {arm_key!r}, there are {', '.join(keys)}")
    (seed_run,) = seed_runs(finished.arms, seed, 1, folder)
    arm = finished.all_arms[keys.index(arm_key)]
    reader = replace(seed_run, study=digest_settings(finished.fixed())).generations(arm)
    reader.check_complete()
    if reader.latest < 1 or not reader.has_samples(reader.latest):
        raise SettingError(
            f"{reader.folder} holds no samples; the run needs seed {seed} and --keep samples to start from"
        )
    return finished, reader.samples(reader.latest)
