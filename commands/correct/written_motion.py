"""The last step of a correction: what was written is what is judged.

The written file is read again by the reader that users have. Its joints must be those of the result, or the file is not
put in place. All figures then describe what was read, and the rules of `check` run on it, so no writer, unit, retiming
or note can be wrong unseen.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.datasets.files.motion_file import MotionFile
from selfcorrect.datasets.files.open import open_motion
from selfcorrect.datasets.files.rigs.bvh import make_bvh_names
from selfcorrect.motion.checks.check import CheckResult, RuleChoice
from selfcorrect.motion.geometry.vectors import median, norms
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.measures.moves import UNCHANGED_M
from selfcorrect.motion.motion import SLAB, Motion
from selfcorrect.motion.skeleton import SIDES, Skeleton
from selfcorrect.runtime.bugs import describe_error, is_machine_failure, try_optional
from selfcorrect.simulators.results.comparison import include_slip, measure_correction
from selfcorrect.simulators.results.results import CorrectedMotion, Failure, Note

from ..check.check_files import check_motion
from .options import CorrectionOptions

_FITTED_SUFFIX = ".npy"
"""Suffix of joint positions and feature rows, to which the reader fits a body."""
FITTED_M = 0.01
"""Largest distance between joints of a result and of such a file, in m; `UNCHANGED_M` for all others."""
PLACED_M = 0.04
"""Largest height by which such a file may raise or lower the whole result, in m, as feature rows put the lowest joint
on the floor. It is the threshold of rule F4."""
_SAME = 1e-5
"""Largest difference between equal motions, in m and in components of quaternions."""

CorrectionOutcome = CorrectedMotion | Exception
"""Correction of a motion, or the error that prevented it."""


def verify_written(
    path: Path,
    file: MotionFile,
    outcomes: Sequence[CorrectionOutcome],
    written: Sequence[Motion | None],
    options: CorrectionOptions,
) -> list[CorrectionOutcome]:
    """Read a written file again, compare it with the result, and check it.

    Args:
        path: The written file.
        file: The file that was corrected.
        outcomes: Correction of each motion of the file, or its error.
        written: Motion that was written for each; None if it was dropped or left as it is.
        options: Options of the correction.

    Returns:
        The outcomes, with motions, figures and findings of the written file. If the file does not hold what was
            written, all corrections are rejected, and the caller must not put the file in place.
    """
    try:
        motions = [
            None if motion is None else _align(motion, given.skeleton)
            for motion, given in zip(_read_again(path, file, written, options), file.motions, strict=True)
        ]
        for motion, expected in zip(motions, written, strict=True):
            if motion is not None and expected is not None:
                is_fitted = path.suffix.lower() == _FITTED_SUFFIX
                tolerances_m = _find_tolerances_m(expected.skeleton, file.leg_stretch_m, is_fitted=is_fitted)
                _compare(motion, expected, tolerances_m, is_fitted=is_fitted)
    except Exception as error:
        if is_machine_failure(error):
            raise
        words = f"the written file was discarded, because it {_explain(path, error)}; please report this"
        return [_reject(motion, outcome, words) for motion, outcome in zip(file.motions, outcomes, strict=True)]
    verified = list[CorrectionOutcome]()
    for given, outcome, motion in zip(file.motions, outcomes, motions, strict=True):
        if isinstance(outcome, CorrectedMotion) and outcome.accepted and motion is not None:
            outcome = _judge(given, outcome, motion, options)
        verified.append(outcome)
    return verified


def _read_again(
    path: Path, file: MotionFile, written: Sequence[Motion | None], options: CorrectionOptions
) -> Sequence[Motion | None]:
    """Read the motion that was written for each motion of a file; None for those that were dropped."""
    reading = replace(options.reading, floor=None, drop=False)  # the written floor is at zero
    again = open_motion(path, reading, any_body=True)
    if file.names:
        by_name = dict(zip(again.names, again.motions, strict=True))
        pairs = zip(file.names, written, strict=True)
        return [None if expected is None else by_name[name] for name, expected in pairs]
    if len(again.motions) != len(written):
        raise InputError(f"holds {len(again.motions)} motions, expected {len(written)}")
    return again.motions


def _align(motion: Motion, wanted: Skeleton) -> Motion:
    """Return a motion that was read again with the joints of the file that was corrected, in their order.

    BVH lists joints limb by limb, may rename them, and gives a joint without children an end, which is read as one more
    joint. A motion with other joints is returned as it is.
    """
    read = motion.skeleton
    if read.names == wanted.names:
        return motion
    joints = {name: joint for joint, name in enumerate(read.names)}
    names = wanted.names if joints.keys() >= set(wanted.names) else make_bvh_names(wanted.names)
    if not joints.keys() >= set(names):
        return motion
    order = [joints[name] for name in names]
    parents = tuple(order[parent] if parent >= 0 else -1 for parent in wanted.parents)
    added = set(range(len(read))).difference(order)
    if parents != tuple(read.parents[joint] for joint in order) or any(read.children[joint] for joint in added):
        return motion
    skeleton = replace(wanted, offsets_m=read.offsets_m[order])
    return replace(motion, skeleton=skeleton, rotations=motion.rotations[:, order])


def _explain(path: Path, error: Exception) -> str:
    """Say what is wrong with a written file, as the rest of a sentence."""
    words = describe_error(error).removeprefix(f"{path}: ")
    return words if isinstance(error, _DiffersError) else f"cannot be read again ({words})"


class _DiffersError(InputError):
    """The written file holds another motion than was written."""


def _find_tolerances_m(skeleton: Skeleton, leg_stretch_m: float, *, is_fitted: bool) -> np.ndarray:
    """Return the largest distance at which each joint (J,) counts as the same, in m.

    If legs of the file stretch, a file does not hold the knees of rigid legs, so these may be anywhere. Feet may be as
    far away as the legs stretch, because a rigid leg reaches no further.
    """
    tolerances_m = np.full(len(skeleton), FITTED_M if is_fitted else UNCHANGED_M)
    for side in SIDES if leg_stretch_m else ():
        hip, ankle = (skeleton.joint(f"{side}_{part}") for part in ("hip", "ankle"))
        if hip is not None and ankle is not None:
            own_m = tolerances_m[hip]
            tolerances_m[skeleton.descendants[hip]] = np.inf
            tolerances_m[hip] = own_m
            tolerances_m[skeleton.descendants[ankle]] = own_m + leg_stretch_m
    return tolerances_m


def _compare(motion: Motion, expected: Motion, tolerances_m: np.ndarray, *, is_fitted: bool) -> None:
    """Raise _DiffersError if a motion that was read again differs from the one that was written.

    Args:
        tolerances_m: (J,) largest distance at which each joint counts as the same.
    """
    sizes = [(len(each), len(each.skeleton)) for each in (motion, expected)]
    if sizes[0] != sizes[1]:
        shapes = [f"{frames} frames of {joints} joints" for frames, joints in sizes]
        raise _DiffersError(f"reads as {shapes[0]}, expected {shapes[1]}")
    if abs(motion.fps / expected.fps - 1) > _SAME:
        raise _DiffersError(f"reads as {motion.fps:g} frames per second, expected {expected.fps:g}")
    raised_m = np.zeros(3)
    if is_fitted:
        raised_m[1] = np.clip(median((motion.root_m - expected.root_m)[:, 1]), -PLACED_M, PLACED_M)
    for start in range(0, len(motion), SLAB):
        parts = [joint_positions(each.frames(start, start + SLAB)) for each in (motion, expected)]
        off_m = norms(parts[0] - parts[1] - raised_m)
        if not (off_m <= tolerances_m).all():  # true for NaN
            frame, joint = np.unravel_index(np.argmax(off_m - tolerances_m), off_m.shape)
            raise _DiffersError(
                f"reads as another motion: {expected.skeleton.names[joint]} is {off_m[frame, joint]:.3f} m off in "
                f"frame {start + frame}, and {tolerances_m[joint]:g} m are tolerated"
            )


def _reject(motion: Motion, outcome: CorrectionOutcome, words: str) -> CorrectionOutcome:
    if isinstance(outcome, Exception) or not outcome.accepted:
        return outcome
    return replace(outcome, motion=motion, failure=Failure(words=words))


def _judge(given: Motion, correction: CorrectedMotion, motion: Motion, options: CorrectionOptions) -> CorrectedMotion:
    """Return a correction with the motion that was read again, its figures, and what `check` finds in it."""
    is_same = _is_same(motion, correction.motion)
    correction = replace(correction, motion=replace(motion, source=correction.motion.source))
    if not is_same:
        correction = measure_correction(given, correction)
    correction = include_slip(given, correction)
    if not options.scene.is_plain:  # in another scene, the floor and the load are not those of the file
        return correction
    unknown = CheckResult()
    step = "what is left is not reported"
    result, note = try_optional(step, partial(check_motion, correction.motion, RuleChoice(), None), unknown)
    notes = [Note(words=words) for words in (note, *result.notes) if words]
    left = replace(correction.left, findings=result.findings)
    return replace(correction, left=left, remarks=(*correction.remarks, *notes))


def _is_same(motion: Motion, written: Motion) -> bool:
    """Return whether a written motion equals the one that was read again."""
    pairs = (
        (motion.skeleton.offsets_m, written.skeleton.offsets_m),
        (motion.root_m, written.root_m),
        (motion.rotations, written.rotations),
    )
    return all(np.abs(first - second).max() < _SAME for first, second in pairs)
