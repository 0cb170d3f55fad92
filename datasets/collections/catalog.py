"""Known datasets, and how a folder is recognised.

Other packages can add datasets.
"""

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
"""Each leads to a `Dataset`. Those with the most specific layout come first."""


def datasets() -> Iterator[Dataset]:
    """Yield all datasets.

    A broken dataset of another package is left out with a warning.
    """
    for name in DATASETS.names:
        try:
            yield dataset(name)
        except SettingError as error:
            warnings.warn(str(error), stacklevel=2)


def recognise(path: Path) -> Dataset | None:
    """Return the dataset whose layout a folder has.

    Returns None for another layout. Datasets of other packages come first: a folder may contain the folders of another
    collection.
    """
    candidates = sorted(datasets(), key=lambda dataset: not DATASETS.is_added(dataset.name))
    return next((candidate for candidate in candidates if candidate.recognises(path)), None)


def dataset(name: str) -> Dataset:
    """The dataset of that name."""
    added = DATASETS.load(name)
    if not isinstance(added, Dataset):
        raise SettingError(f"dataset {name!r} at {DATASETS.row(name).reference} is no Dataset but {added!r}")
    return _fence_dataset(added, DATASETS.title(name)) if DATASETS.is_added(name) else added


@cache
def _fence_dataset(added: Dataset, who: str) -> Dataset:
    """Return a dataset of another package with fenced functions."""

    def recognises(path: Path) -> bool:
        return bool(call_fenced(who, object, added.recognises, path))

    def clips(folder: Path, split: str | None = None, *, allow_pickle: bool = False) -> list[Clip]:
        listed = call_fenced(who, list, partial(added.clips, allow_pickle=allow_pickle), folder, split)
        return [replace(clip, read=partial(call_fenced, who, list, clip.read)) for clip in listed]

    return replace(added, recognises=recognises, clips=clips)
