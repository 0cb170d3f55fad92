"""Table of the known datasets, including those of other packages, and recognition of their folders."""

import warnings
from collections.abc import Iterator
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

from selfcorrect.core.errors import SettingError
from selfcorrect.runtime.registry import Registry, Row
from selfcorrect.runtime.supervision import call_fenced

from .dataset import Clip, Dataset

_HERE = "selfcorrect.datasets.collections"

DATASETS = Registry(
    "dataset",
    [
        Row("humanml3d", f"{_HERE}.humanml3d:HUMANML3D", "Everyday motions with captions."),
        Row("kit-ml", f"{_HERE}.humanml3d:KIT_ML", "Everyday motions with captions, on a body of 21 joints."),
        Row("cmu", f"{_HERE}.cmu:CMU", "A compact selection of CMU's motion capture."),
        Row("amass", f"{_HERE}.amass:AMASS", "Most of the world's optical motion capture on a common body model."),
    ],
    group="selfcorrect.datasets",
)
"""Known datasets. Each entry refers to a `Dataset`; those with the most specific layout come first."""


def datasets() -> Iterator[Dataset]:
    """Yield all datasets. Broken datasets of other packages are skipped with a warning."""
    for name in DATASETS.names:
        try:
            yield dataset(name)
        except SettingError as error:
            warnings.warn(str(error), stacklevel=2)


def recognise(path: Path) -> Dataset | None:
    """Return the dataset whose layout a folder has, or None for an unknown layout.

    Datasets of other packages are tried first, because their folders may contain the folder of a dataset known here.
    """
    candidates = sorted(datasets(), key=lambda dataset: not DATASETS.is_added(dataset.name))
    return next((candidate for candidate in candidates if candidate.recognises(path)), None)


def dataset(name: str) -> Dataset:
    """Return the dataset of this name. Raises SettingError if it is unknown or broken."""
    added = DATASETS.load(name)
    if not isinstance(added, Dataset):
        raise SettingError(f"dataset {name!r}: expected a Dataset at {DATASETS.row(name).reference}, got {added!r}")
    return _fence_dataset(added, DATASETS.title(name)) if DATASETS.is_added(name) else added


@cache
def _fence_dataset(added: Dataset, who: str) -> Dataset:
    """Wrap the functions of another package's dataset, so that their failures are reported as that package's."""

    def recognises(path: Path) -> bool:
        return bool(call_fenced(who, object, added.recognises, path))

    def clips(folder: Path, split: str | None = None, *, allow_pickle: bool = False) -> list[Clip]:
        listed = call_fenced(who, list, partial(added.clips, allow_pickle=allow_pickle), folder, split)
        return [replace(clip, read=partial(call_fenced, who, list, clip.read)) for clip in listed]

    return replace(added, recognises=recognises, clips=clips)
