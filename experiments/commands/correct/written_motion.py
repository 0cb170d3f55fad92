"""Measure corrected motions as they are read from the written file, because this is what the user gets.

BVH, glTF and Parquet return the rotations and bones that were written. For formats of joint positions or feature rows,
the reader fits a body again, whose soles and bones differ by a few millimetres.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from selfcorrect.datasets.files.open import open_motion
from selfcorrect.motion.motion import Motion
from selfcorrect.runtime.bugs import try_optional
from selfcorrect.simulators.results.comparison import measure_correction
from selfcorrect.simulators.results.results import CorrectedMotion, Note

from .options import CorrectionOptions

_EXACT = (".bvh", ".glb", ".gltf", ".vrma", ".parquet")
"""Suffixes of files from which exactly the written motion is read."""
_SAME = 1e-5
"""Largest difference between equal motions, in m and in components of quaternions."""


def measure_written(
    path: Path, motions: Sequence[Motion], corrections: Sequence[CorrectedMotion], options: CorrectionOptions
) -> list[CorrectedMotion]:
    """Return the corrections with the motions and figures of the written file.

    If the file cannot be read again, a note says so, and the figures describe the corrected motions.
    """
    if path.suffix.lower() in _EXACT:
        return list(corrections)
    reading = replace(options.reading, floor=None, drop=False)  # the written floor is at zero
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
    """Return whether a written motion equals the one that was read again."""
    pairs = (
        (motion.skeleton.offsets_m, written.skeleton.offsets_m),
        (motion.root_m, written.root_m),
        (motion.rotations, written.rotations),
    )
    return all(np.abs(first - second).max() < _SAME for first, second in pairs)
