"""Lift motion correctors to features, on which a loop works."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from selfcorrect.core.checks import check_callable
from selfcorrect.core.errors import InputError, SampleError
from selfcorrect.core.samples import Samples
from selfcorrect.loop.correctors.contract import Corrected, Corrector
from selfcorrect.motion.encodings.features import FeatureCodec
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.simulators.results.results import CorrectedMotion, CorrectMotions


@dataclass(frozen=True)
class LiftedCorrector:
    """A corrector of features (N, T, D) that calls a function on the motions behind them."""

    function: CorrectMotions
    codec: FeatureCodec
    name: str

    def __call__(self, samples: Samples) -> Corrected:
        motions = self.codec.decode(samples.values)
        copies = copy.deepcopy(motions)
        corrections = list(self.function([copies[index] for index in range(len(copies))]))
        _check(motions, corrections)
        return encode_corrections(samples, motions, corrections, self.codec)


def encode_corrections(
    samples: Samples, motions: MotionBatch, corrections: Sequence[CorrectedMotion], codec: FeatureCodec
) -> Corrected:
    """Encode the corrections of N motions as samples with features (T, D).

    Rejected samples keep their features, bit for bit. So do motions that were not changed, unless features of samples
    can contradict each other (`FeatureCodec.is_redundant`).

    Returns:
        The samples; `info` holds the reason and each diagnostic, NaN where a motion lacks it.
    """
    accepted = [correction.accepted for correction in corrections]
    changed = []
    for index in np.flatnonzero(accepted).tolist():
        before = motions[index]
        after = corrections[index].motion
        is_moved = not np.array_equal(before.root_m, after.root_m)
        if codec.is_redundant or is_moved or not np.array_equal(before.rotations, after.rotations):
            changed.append(index)
    values = samples.values.clone()
    if changed:
        corrected = MotionBatch.stack([corrections[index].motion for index in changed])
        values[changed] = codec.encode(corrected).to(values)
    info = {"reason": np.array([correction.reason for correction in corrections], dtype=str)}
    for name in dict.fromkeys(name for correction in corrections for name in correction.diagnostics):
        info[name] = np.array([correction.diagnostics.get(name, np.nan) for correction in corrections])
    return Corrected(samples.with_values(values), torch.tensor(accepted, dtype=torch.bool), info)


def lift_motions(function: CorrectMotions, codec: FeatureCodec, name: str) -> Corrector:
    """Make a corrector from a correction of motions.

    Args:
        function: Correction of motions; it gets copies, which it may change in place.
        codec: Features that the loop works on.

    Returns:
        A corrector of features (N, T, D).
    """
    check_callable("function", function)
    return LiftedCorrector(function, codec, name)


def _check(motions: MotionBatch, corrections: Sequence[CorrectedMotion]) -> None:
    if len(corrections) != len(motions):
        raise InputError(f"a correction must return one answer per motion, got {len(corrections)} for {len(motions)}")
    for index, correction in enumerate(corrections):
        if not isinstance(correction, CorrectedMotion) or not isinstance(correction.motion, Motion):
            raise SampleError(index, f"a correction must return a motion, got {type(correction).__name__}")
        if correction.accepted:
            _check_motion(index, motions[index], correction.motion)


def _check_motion(index: int, original: Motion, corrected: Motion) -> None:
    # A skeleton made anew has no identity cached from before a function changed it in place.
    skeleton = replace(corrected.skeleton)
    has_same_times = len(corrected) == len(original) and corrected.fps == original.fps
    if not has_same_times or not skeleton.same_as(original.skeleton):
        raise SampleError(
            index,
            f"a correction must keep skeleton, length and frame rate "
            f"({len(original)} frames at {original.fps} per second), "
            f"got {len(corrected)} frames at {corrected.fps} of {len(corrected.skeleton)} joints",
        )
    if not (np.isfinite(corrected.root_m).all() and np.isfinite(corrected.rotations).all()):
        raise SampleError(index, "the corrected motion is not finite (NaN or infinity)")
