"""Rigs that several files of a batch share: where their soles are is learned from all of these."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from selfcorrect.datasets.files.open import open_motion
from selfcorrect.datasets.files.reading import Reading
from selfcorrect.motion.body.foot_frames import feet_on_rig, foot_frames
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import FootFrames, Skeleton

Rigs: TypeAlias = Mapping[str, FootFrames]
"""How the feet of rigs stand, by `key_of_rig`."""

MOST_FILES, MOST_BYTES, MOST_FRAMES = 64, 2**25, 600
"""Files that are read to learn from, spread evenly over all; their size at most, and the frames of each motion."""
SLOW_TO_READ = (".fbx",)
"""Files of these are not read twice."""


def key_of_rig(skeleton: Skeleton) -> str:
    """The same for skeletons with the same joints, whose offsets differ by what files round."""
    told = repr((skeleton.names, skeleton.parents, skeleton.parts))
    offsets = np.round(skeleton.offsets_m, 4) + 0.0  # no negative zeros
    return hashlib.blake2b(told.encode(errors="replace") + offsets.tobytes(), digest_size=16).hexdigest()


def rigs_of(paths: Sequence[Path], reading: Reading) -> Rigs:
    """The rigs that at least two motions of some files share; files that cannot be read show nothing."""
    by_rig: dict[str, list[Motion]] = defaultdict(list)
    quick = [path for path in paths if path.suffix.lower() not in SLOW_TO_READ]
    if len(quick) < 2:
        return {}
    chosen = np.unique(np.linspace(0, len(quick) - 1, MOST_FILES).round().astype(int))
    for motion in (motion for index in chosen for motion in _motions(quick[index], reading)):
        by_rig[key_of_rig(motion.skeleton)].append(motion.frames(0, MOST_FRAMES))
    return {rig: foot_frames(motions) for rig, motions in by_rig.items() if len(motions) > 1}


def _motions(path: Path, reading: Reading) -> Iterator[Motion]:
    try:
        if path.stat().st_size <= MOST_BYTES:
            yield from open_motion(path, reading, any_body=True).motions[:MOST_FILES]
    except Exception:  # what is wrong with the file is reported where it is used
        return


def on_rig(motion: Motion, rigs: Rigs) -> Motion:
    """A motion that knows how the feet of its rig stand, where others showed that."""
    rig = rigs.get(key_of_rig(motion.skeleton)) if rigs else None
    return motion if rig is None else replace(motion, feet=feet_on_rig(motion, rig))
