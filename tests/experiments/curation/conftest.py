"""Motions in files, and the samples that raters compare."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from helpers import lifting_off

from selfcorrect.datasets.files.open import save_motion
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.experiments.curation.items import Item, collect_items


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of six motions: one body, lower and lower in the floor."""
    folder = tmp_path_factory.mktemp("clips")
    motion = lifting_off()
    for number in range(6):
        sunk = replace(motion, root_m=motion.root_m - [0.0, 0.04 * number, 0.0])
        save_motion(folder / f"sunk-{4 * number:02d}-cm.bvh", sunk)
    return folder


@pytest.fixture(scope="session")
def items(clips: Path) -> list[Item]:
    return collect_items([clips], Reading())
