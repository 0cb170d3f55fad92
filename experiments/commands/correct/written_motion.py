"""Measure written files.

Formats that hold joints or features are read again, because they do not hold a motion.

BVH, glTF and Parquet give back the rotations and bones that were written. From joint positions or feature rows a reader
fits a body anew, whose soles and bones differ by some millimetres. The report describes the motion that a user reads.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from selfcorrect.datasets.files.open import open_motion
from selfcorrect.motion.motion import Motion
from selfcorrect.runtime.bugs import try_optional
from selfcorrect.simulators.compare.comparison import measure_correction
from selfcorrect.simulators.results.results import CorrectedMotion, Note

from .options import CorrectionOptions

_EXACT = (".bvh", ".glb", ".gltf", ".vrma", ".parquet")
"""Suffixes of files from which a reader gets the motion that was written."""
_SAME = 1e-5
"""Largest difference, in metres and components of quaternions, between a written motion and the same motion read
again."""


def measure_written(
    path: Path, motions: Sequence[Motion], corrections: Sequence[CorrectedMotion], options: CorrectionOptions
) -> list[CorrectedMotion]:
    """Return corrections with the motions that a file holds.

    A file that cannot be read again leaves a note; the figures then describe the corrected motions.
    """
    if path.suffix.lower() in _EXACT:
        return list(corrections)
    reading = replace(options.reading, floor=None, drop=False)  # the floor of a written file is at zero
    read_again = partial(open_motion, path, reading, any_body=True)
    file, failure = try_optional("figures do not describe the written file", read_again, None)
    if file is None or len(file.motions) != len(corrections):
        note = Note(words=failure or "figures do not describe the written file: it holds other motions")
        return [replace(correction, remarks=(*correction.remarks, note)) for correction in corrections]
    measured = []
    for motion, correction, written in zip(motions, corrections, file.motions, strict=True):
        is_like = len(written) == len(motion) and len(written.skeleton) == len(motion.skeleton)
        if correction.accepted and is_like and not _is_same(correction.motion, written):
            correction = measure_correction(motion, replace(correction, motion=written))
        measured.append(correction)
    return measured


def _is_same(motion: Motion, written: Motion) -> bool:
    """Return whether a motion reads as written."""
    pairs = (
        (motion.skeleton.offsets_m, written.skeleton.offsets_m),
        (motion.root_m, written.root_m),
        (motion.rotations, written.rotations),
    )
    return all(np.abs(first - second).max() < _SAME for first, second in pairs)
