"""Samples of a finished motion run as the training data that a loop starts from."""

from pathlib import Path

from torch import Tensor

from selfcorrect.core.errors import SettingError
from selfcorrect.core.randomness import Stream
from selfcorrect.datasets.windows import Windows
from selfcorrect.loop.store.folder_store import FolderReader
from selfcorrect.loop.store.run_folder import CONFIG
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.storage.files.digests import read_with_digest

from ..studies.study import seed_runs
from .settings import MotionSettings, settings_from_config
from .task import CODECS, load_windows


def read_start(settings: MotionSettings, stream: Stream, training: Windows) -> tuple[MotionBatch, Tensor]:
    """Return the motions and labels (N,) of the last samples of the arm that a loop starts from, of the same seed.

    Raises:
        SettingError: The run lacks the arm, the seed or its samples, has other labels, or has data of its own.
    """
    run, arm_key = settings.start_from
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
    seed_run = seed_runs(finished.arms, stream.root_seed, 1, folder)[0]
    keys = [arm.key for arm in finished.all_arms]
    if arm_key not in keys:
        raise SettingError(f"{run} has no arm {arm_key!r}, there are {', '.join(keys)}")
    reader = FolderReader(seed_run.folder / arm_key)
    if reader.latest < 1 or not reader.has_samples(reader.latest):
        raise SettingError(
            f"{reader.folder} holds no samples; the run needs seed {stream.root_seed} and --keep samples to start from"
        )
    samples = reader.samples(reader.latest)
    windows = load_windows(finished, stream).training
    if windows.label_names != training.label_names:
        raise SettingError(f"{run} has other labels ({', '.join(windows.label_names)}) than the data of this run")
    codec = CODECS[finished.representation].fit(windows.batch)
    return codec.decode(samples.values), samples.labels
