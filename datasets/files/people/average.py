"""Motions on the average body, for files that hold no bone lengths."""

import warnings
from dataclasses import replace

from selfcorrect.motion.body.smpl import Layout
from selfcorrect.motion.editing.other_body import keep_feet_in_place, measure_leg_m
from selfcorrect.motion.motion import Motion

_NOTED = 0.01
"""Share by which legs must change so that a warning says it."""


def put_on_average_body(motion: Motion, layout: Layout) -> Motion:
    """Return a motion of the SMPL family on the average body of its layout, with the feet where they stood.

    A warning tells of the change.
    """
    posed = replace(motion, skeleton=layout.average())
    placed = keep_feet_in_place(motion, posed)
    own_leg_m, leg_m = measure_leg_m(motion.skeleton), measure_leg_m(posed.skeleton)
    if placed is not posed and abs(leg_m / own_leg_m - 1) > _NOTED:
        warnings.warn(
            f"{motion.source or 'motion'}: the format holds no bone lengths; legs of {own_leg_m:.2f} m became those of "
            f"an average body, {leg_m:.2f} m, and paths were scaled by {leg_m / own_leg_m:.2f} so that feet stay on "
            "the floor",
            stacklevel=2,
        )
    return placed
