"""The steps that combine plan and simulation into the corrected motion.

`POSTPROCESS` lists the steps after plan and simulation, `KINEMATIC_POSTPROCESS` the steps after a clean-up. The
docstring of a step states its objective. Without steps, simulated states come out unchanged.
"""

from .blending import BlendSimulation
from .restoring import RestoreFeet, RevertHighJerk
from .smoothing import SmoothFast, SmoothRough
from .state import PostprocessStep

BLEND_SIMULATION = BlendSimulation()
"""The step that uses simulations. Before a simulation it decides whether there is anything to gain."""
POSTPROCESS: tuple[PostprocessStep, ...] = (
    BLEND_SIMULATION,
    SmoothFast(),
    SmoothRough(),
    RestoreFeet(),
    RevertHighJerk(),
)
"""Steps for files after a simulation. They also apply if no simulation can gain."""
KINEMATIC_POSTPROCESS: tuple[PostprocessStep, ...] = (SmoothRough(),)
"""Steps after a clean-up without simulation. Nothing is fast there: feet are held softly."""
