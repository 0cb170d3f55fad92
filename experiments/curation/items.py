"""What is shown to raters: motions of files, motions that the models of a run make, or pictures of a run's samples."""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.core.randomness import Stream
from selfcorrect.datasets.files.open import motion_files, open_motion
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.motion.body.foot_frames import level
from selfcorrect.motion.motion import Motion
from selfcorrect.runtime.bugs import sentence_of
from selfcorrect.storage.files.digests import titles_of
from selfcorrect.storage.files.strict_json import read_json
from selfcorrect.storage.runs.run_folder import CONFIG

from .database import Rated
from .features import features_or_none

MOST_ITEMS = 500
PER_LABEL = 8
"""Samples of a run that are compared with one another: those of one label."""


@dataclass(frozen=True, eq=False)
class Item:
    """A sample that raters see, and what is recorded of it."""

    rated: Rated
    shown: Motion | np.ndarray
    """A motion, or a picture (height, width) or (height, width, 3) uint8."""


def items_of(
    paths: Sequence[Path], samples: int, generation: int | None, stream: Stream, reading: Reading
) -> list[Item]:
    """The items of a run folder, or of a folder in it, or of motion files; each content once.

    samples: of a run, about so many in all. generation: of a run, by default the last. InputError where there is
    nothing to compare.
    """
    runs = [path for path in paths if path.is_dir() and _arm_folders(path)]
    if runs and len(paths) > 1:
        raise InputError(f"{runs[0]}: a run is curated alone; name one run, or motion files")
    found = _of_run(runs[0], samples, generation, stream) if runs else _of_files(paths, reading)
    items = list({item.rated.id: item for item in found}.values())
    if len(items) < 2:
        raise InputError(f"{', '.join(map(str, paths))}: two different samples are needed to compare, got {len(items)}")
    if max(Counter(item.rated.label for item in items).values()) < 2:
        raise InputError(f"{', '.join(map(str, paths))}: no two samples have the same label; take more with --samples")
    if len(items) > MOST_ITEMS:
        raise InputError(f"{', '.join(map(str, paths))}: at most {MOST_ITEMS} samples are compared, got {len(items)}")
    return items


def kind_of(items: Sequence[Item]) -> str:
    """What a study compares, "motions" or "pictures"."""
    return "motions" if isinstance(items[0].shown, Motion) else "pictures"


# --- files -----------------------------------------------------------------------------------------------------------


def _of_files(paths: Sequence[Path], reading: Reading) -> Iterator[Item]:
    files = list(dict.fromkeys(file for path in paths for file in motion_files(path)))
    for title, file in zip(titles_of(files), files, strict=True):
        try:
            motions = open_motion(file, reading, any_body=True).motions
        except Exception as error:  # whatever is wrong with one file, the others are shown
            print(f"selfcorrect: {sentence_of(file, error)}", file=sys.stderr)
            continue
        for number, motion in enumerate(motions):
            name = title if len(motions) == 1 else f"{title} [{number}]"
            yield _motion_item(level(motion), name, file.parent.name, "")


def _motion_item(motion: Motion, name: str, source: str, label: str) -> Item:
    content = b"".join(np.ascontiguousarray(part, "<f4").tobytes() for part in (motion.root_m, motion.rotations))
    return Item(Rated(_id_of(content), name, source, label, features_or_none(motion)), motion)


def _id_of(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=8).hexdigest()


# --- runs ------------------------------------------------------------------------------------------------------------


def _arm_folders(folder: Path) -> list[Path]:
    """The folders of arms in and below a folder: those that hold generations."""
    return sorted({path.parent for path in folder.rglob("generation-[0-9]*") if path.is_dir()})


def _of_run(folder: Path, samples: int, generation: int | None, stream: Stream) -> Iterator[Item]:
    root = _motion_root(folder.resolve())
    if root is None:
        return _pictures(_arm_folders(folder), samples, generation, stream)
    return _motions(root, _arm_folders(folder.resolve()), samples, generation, stream)


def _motion_root(folder: Path) -> Path | None:
    """The run folder of `selfcorrect motion` that a folder is, or lies in."""
    configs = (place / CONFIG for place in (folder, *folder.parents))
    return next((path.parent for path in configs if path.is_file() and "comparisons" in read_json(path)), None)


def _motions(root: Path, arms: Sequence[Path], samples: int, generation: int | None, stream: Stream) -> Iterator[Item]:
    """What the models of arms make of the same labels. Of several seeds, the first that has one of the arms."""
    import torch

    from selfcorrect.storage.files.digests import values_and_seal
    from selfcorrect.storage.files.limits import read_bytes
    from selfcorrect.storage.runs.folder_store import FolderReader

    from ..motion.run.models import trained_model
    from ..motion.run.seed_runs import seed_runs
    from ..motion.run.task import motion_task
    from ..motion.settings.experiment import settings_of

    config, _ = values_and_seal(read_bytes(root / CONFIG), str(root / CONFIG))
    runs = seed_runs(settings_of(config), root)
    places = {run.arm_folder(arm): (run, arm) for run in runs for arm in run.comparison.arms}
    chosen = {folder: places[folder] for folder in arms if folder in places}
    if not chosen:
        raise InputError(f"{root}: none of the arms of this run is in the folder that was named")
    seed = min(run.seed for run, _ in chosen.values())
    chosen = {folder: place for folder, place in chosen.items() if place[0].seed == seed}
    per_label = max(1, round(PER_LABEL / len(chosen)))
    for folder, (run, arm) in chosen.items():
        task = motion_task(run.settings, run.comparison, run.stream)
        names = task.data.training.label_names
        count = min(len(names), max(1, round(samples / len(chosen) / per_label)))
        labels = torch.linspace(0, len(names) - 1, count).round().long().repeat(per_label)
        number = _generation(FolderReader(folder).latest, generation, folder)
        model = trained_model(task, arm, folder, number)
        batch = task.codec.decode(model.sample(labels, stream.child("curate", run.comparison.denoiser, arm.name)))
        source = f"{run.comparison.denoiser} {arm.label}, generation {number}"
        for row, label in enumerate(labels.tolist()):
            yield _motion_item(batch[row], f"{names[label]} {row}", source, names[label])


def _generation(latest: int, wanted: int | None, folder: Path) -> int:
    if wanted is not None and not 0 <= wanted <= latest:
        raise InputError(f"{folder}: has generations 0 to {latest}, asked for {wanted}")
    return latest if wanted is None else wanted


def _pictures(arms: Sequence[Path], samples: int, generation: int | None, stream: Stream) -> Iterator[Item]:
    """Stored samples that have the shape of pictures, as many of each arm and label."""
    import torch

    from selfcorrect.storage.runs.folder_store import FolderReader

    readers = {folder: FolderReader(folder) for folder in arms}
    numbers = {folder: _generation(reader.latest, generation, folder) for folder, reader in readers.items()}
    with_samples = [folder for folder in arms if readers[folder].has_samples(numbers[folder])]
    kept = {folder: readers[folder].samples(numbers[folder]) for folder in with_samples}
    if not kept:
        raise InputError(f"{arms[0].parent}: no samples of that generation were kept; name another")
    values = torch.cat([each.values for each in kept.values()]).double()
    low, high = float(values.min()), float(values.max())
    for folder, each in kept.items():
        labels = each.labels.unique().tolist()
        per_label = max(1, round(samples / len(kept) / len(labels)))
        for label in labels:
            rows = (each.labels == label).nonzero().flatten()
            order = stream.child("curate", str(folder.name), label).numpy().permutation(len(rows))[:per_label]
            for row in rows[torch.from_numpy(order)].tolist():
                value = each.rows(torch.tensor([row]))[0].double().numpy()
                picture = _picture(value, folder, low, high)
                content = picture.tobytes() + repr(picture.shape).encode()
                source = f"{folder.name}, generation {numbers[folder]}"
                yield Item(Rated(_id_of(content), f"{label} {row}", source, str(label)), picture)


def _picture(value: np.ndarray, folder: Path, low: float, high: float) -> np.ndarray:
    """A value (H, W), (1 or 3, H, W) or (H, W, 3) as a picture; all of a run share black and white."""
    if value.ndim == 3 and value.shape[0] in (1, 3):
        value = np.moveaxis(value, 0, -1)
    if value.ndim == 3 and value.shape[-1] == 1:
        value = value[..., 0]
    if value.ndim != 2 and not (value.ndim == 3 and value.shape[-1] == 3):
        raise InputError(
            f"{folder}: samples of shape {value.shape} are neither motions of `selfcorrect motion` nor pictures"
        )
    return (255 * (value - low) / max(high - low, 1e-12)).round().astype(np.uint8)
