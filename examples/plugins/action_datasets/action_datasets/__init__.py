"""Datasets, as a package of somebody else adds them to selfcorrect.

`babel` labels spans of AMASS, `humanact12` and `uestc` have poses of SMPL in camera coordinates (`camera_poses`).
`kit` has captions, and `bvh_collections` names the actions in LAFAN1, Bandai Namco's set and Mixamo's files.
"""

from collections.abc import Sequence
from pathlib import Path

import selfcorrect as sc


def require_files(folder: Path, dataset: sc.Dataset, names: Sequence[str]) -> None:
    """Raise InputError, which names what is missing and where it is available, unless a folder has all files."""
    missing = [name for name in names if not (folder / name).exists()]
    if missing:
        raise sc.InputError(
            f"{folder}: {dataset.title} needs {' and '.join(missing)} here. "
            f"Available {dataset.obtain} Licence: {dataset.licence}"
        )
