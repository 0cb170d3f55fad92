"""The steps that combine plan and simulation into the corrected motion.

`POSTPROCESS` lists the steps after plan and simulation, and `KINEMATIC_POSTPROCESS` those after a clean-up. The
docstring of each step states its objective. Without steps, simulated states are returned unchanged.
"""

from .blending import BlendSimulation
from .replanting import PlantSlidFeet
from .restoring import RestoreFeet, RevertHighJerk
from .smoothing import SmoothFast, SmoothRough
from .state import PostprocessStep

BLEND_SIMULATION = BlendSimulation()
"""The step that uses simulations. Before a simulation, it also decides whether there is anything to gain."""
POSTPROCESS: tuple[PostprocessStep, ...] = (
    BLEND_SIMULATION,
    SmoothFast(),
    SmoothRough(),
    RestoreFeet(),
    RevertHighJerk(),
)
"""Steps for files after a simulation, or after a plan that no simulation can improve."""
KINEMATIC_POSTPROCESS: tuple[PostprocessStep, ...] = (SmoothRough(), PlantSlidFeet())
"""Steps after a clean-up without simulation. Nothing there is too fast for `SmoothRough`, because feet are held
softly."""
