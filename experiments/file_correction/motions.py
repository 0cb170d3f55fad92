"""Preparation before a correction, and users' changes after it."""

from dataclasses import replace
from functools import partial

from selfcorrect.motion.checks.floor import find_level_under
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.motion_features import MotionFeatures
from selfcorrect.motion.perception.observation import observe
from selfcorrect.simulators.contact_holding import place_feet
from selfcorrect.simulators.corrector import correct_through_views
from selfcorrect.simulators.results.results import CorrectedMotion, Failure, FailureKind

from .control_texts import read_contacts
from .controls import apply_controls
from .options import CorrectionOptions

_ON_FLOOR_M = 0.02
"""Largest height of a floor where another floor does not help a motion."""
_DROPPED_M = 0.05
"""Largest distance from the floor of a motion that the option `drop` helps."""


def prepare_motion(motion: Motion, options: CorrectionOptions) -> Motion:
    """Place feet in the contacts of the options.

    Raises InputError if the feet are missing.

    A kinematic correction finds the ground.
    """
    contacts = read_contacts(options.contacts)
    if contacts is None:
        return motion
    return place_feet(motion, contacts, partial(correct_through_views, pipeline=options.kinematic_pipeline))


def finish_correction(motion: Motion, correction: CorrectedMotion, options: CorrectionOptions) -> CorrectedMotion:
    """Apply users' changes to a correction."""
    if correction.failure is not None:
        correction = replace(correction, failure=_advise(motion, correction.failure, options))
    return apply_controls(motion, correction, options)


def _advise(motion: Motion, failure: Failure, options: CorrectionOptions) -> Failure:
    """Add advice to a failure.

    Remedies that were used or cannot help, and the floor that would help.
    """
    floor_m = options.reading.floor
    is_tried = {
        "drop": True,
        "support": options.support == "off",
        "faithful": options.strength == 0.0,
        "kinematic": options.kinematic,
        "fallback": options.fallback != "none",
    }
    if failure.kind is FailureKind.FLOATING and not options.reading.drop:
        features = MotionFeatures(motion)
        level_m = find_level_under(features, failure.frame or 0, failure.last_frame)
        if level_m is not None and abs(level_m) > _ON_FLOOR_M:
            failure = replace(failure, value=level_m + (floor_m or 0.0))
            is_off = abs(observe(features.motion).floor_m - level_m) > _DROPPED_M
            is_tried["drop"] = floor_m is not None or is_off
    return replace(failure, tried=tuple(remedy for remedy, is_used in is_tried.items() if is_used))
