"""Collect the samples that raters compare: motions of files, or motions that the models of a run generate."""

import hashlib
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.core.randomness import streams
from selfcorrect.datasets.files.open import motion_files, open_motion
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.motion.body.foot_frames import level_feet
from selfcorrect.motion.motion import Motion
from selfcorrect.runtime.bugs import describe_failure
from selfcorrect.storage.files.digests import make_titles
from selfcorrect.storage.files.strict_json import read_json
from selfcorrect.storage.runs.run_folder import CONFIG

from .choices import RatedItem
from .features import features_or_none

MOST_ITEMS = 500
RUN_SAMPLES = 32
"""Approximate number of samples of a run."""
PER_LABEL = 8
"""Samples of a run with the same label. Only these are compared with each other."""


@dataclass(frozen=True, eq=False)
class Item:
    """A sample with its record for the file of choices."""

    rated: RatedItem
    shown: Motion


def collect_items(paths: Sequence[Path], reading: Reading) -> list[Item]:
    """Return the samples of a run folder, or of a folder in it, or of motion files; equal samples once.

    Args:
        paths: One run folder, or motion files and folders of them.
        reading: Options for reading motion files.

    Raises:
        InputError: There is nothing to compare, or too much.
    """
    sources = ", ".join(map(str, paths))
    runs = [path for path in paths if _has_generations(path)]
    if runs and len(paths) > 1:
        raise InputError(f"{runs[0]}: curate a single run, or motion files")
    found_items = _generate_motions(runs[0].resolve()) if runs else _read_files(paths, reading)
    items = list({item.rated.id: item for item in found_items}.values())
    if len(items) < 2:
        raise InputError(f"{sources}: two different samples are needed to compare, got {len(items)}")
    if max(Counter(item.rated.label for item in items).values()) < 2:
        raise InputError(f"{sources}: no two samples have the same label, so there is nothing to compare")
    if len(items) > MOST_ITEMS:
        raise InputError(f"{sources}: at most {MOST_ITEMS} samples are compared, got {len(items)}")
    return items


def _read_files(paths: Sequence[Path], reading: Reading) -> Iterator[Item]:
    files = list(dict.fromkeys(file for path in paths for file in motion_files(path)))
    for title, file in zip(make_titles(files), files, strict=True):
        try:
            motions = open_motion(file, reading, any_body=True).motions
        except Exception as error:  # a bad file stops no other
            print(f"selfcorrect: {describe_failure(file, error)}", file=sys.stderr)
            continue
        for number, motion in enumerate(motions):
            name = title if len(motions) == 1 else f"{title} [{number}]"
            yield _make_motion_item(level_feet(motion), name, file.parent.name, "")


def _make_motion_item(motion: Motion, name: str, source: str, label: str) -> Item:
    content = b"".join(np.ascontiguousarray(part, "<f4").tobytes() for part in (motion.root_m, motion.rotations))
    digest = hashlib.blake2b(content, digest_size=8).hexdigest()
    return Item(RatedItem(digest, name, source, label, features_or_none(motion)), motion)


def _has_generations(path: Path) -> bool:
    return path.is_dir() and next(path.rglob("generation-[0-9]*"), None) is not None


def _generate_motions(folder: Path) -> Iterator[Item]:
    """Sample the same labels from the last models of the arms in a folder, of the lowest seed in it."""
    import torch

    from selfcorrect.storage.files.digests import read_with_digest
    from selfcorrect.storage.runs.folder_store import FolderReader

    from ..motion.settings import settings_from_config
    from ..motion.study import motion_runs
    from ..motion.task import motion_task, trained_model

    configs = [root / CONFIG for root in (folder, *folder.parents) if (root / CONFIG).is_file()]
    config = next((config for config in configs if "comparisons" in read_json(config)), None)
    if config is None:
        raise InputError(f"{folder}: no run of `selfcorrect motion`, whose models generate the motions to compare")
    settings = settings_from_config(read_with_digest(config))
    places = []
    for run in motion_runs(settings, config.parent):
        for arm in settings.arms[run.task]:
            if run.arm_folder(arm).is_relative_to(folder) and _has_generations(run.arm_folder(arm)):
                places.append((run, arm))
    seed = min((run.seed for run, _ in places), default=None)
    places = [(run, arm) for run, arm in places if run.seed == seed]
    per_label = max(1, round(PER_LABEL / max(len(places), 1)))
    for run, arm in places:
        task = motion_task(settings, run.task, run.stream)
        names = task.data.training.label_names
        count = min(len(names), max(1, round(RUN_SAMPLES / len(places) / per_label)))
        labels = torch.linspace(0, len(names) - 1, count).round().long().repeat(per_label)
        latest = FolderReader(run.arm_folder(arm)).latest
        model = trained_model(task, arm, run.arm_folder(arm), latest)
        batch = task.codec.decode(model.sample(labels, streams(0).child("curate", run.task, arm.key)))
        source = f"{run.task} {arm.title}, generation {latest}"
        for row, label in enumerate(labels.tolist()):
            yield _make_motion_item(batch[row], f"{names[label]} {row}", source, names[label])
