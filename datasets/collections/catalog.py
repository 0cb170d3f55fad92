"""All sources of motions that can be read, and which of them a folder or file is."""

from __future__ import annotations

from pathlib import Path

from selfcorrect.datasets.collections.amass import AMASS
from selfcorrect.datasets.collections.babel import BABEL
from selfcorrect.datasets.collections.bvh_collections import BANDAI_NAMCO, LAFAN1, MIXAMO
from selfcorrect.datasets.collections.cmu import CMU
from selfcorrect.datasets.collections.dataset import Dataset
from selfcorrect.datasets.collections.humanact12 import HUMANACT12
from selfcorrect.datasets.collections.humanml3d import HUMANML3D
from selfcorrect.datasets.collections.kit import KIT
from selfcorrect.datasets.collections.uestc import UESTC
from selfcorrect.errors import SettingError

DATASETS = (HUMANML3D, KIT, BABEL, HUMANACT12, UESTC, CMU, LAFAN1, BANDAI_NAMCO, MIXAMO, AMASS)
"""Those with the most telling layout come first: BABEL's folder may hold AMASS'."""


def recognise(path: Path) -> Dataset | None:
    """The dataset whose layout a folder has, None where it has none of them."""
    return next((dataset for dataset in DATASETS if dataset.recognises(path)), None)


def dataset(name: str) -> Dataset:
    """The dataset of that name."""
    for known in DATASETS:
        if known.name == name:
            return known
    raise SettingError(f"unknown dataset {name!r}, known are {', '.join(known.name for known in DATASETS)}")
