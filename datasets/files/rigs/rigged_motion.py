"""A motion as its file has it, whatever the format: on the rig of an artist or a capture system."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from selfcorrect.motion.motion import Motion

LARGEST = 1e12
"""Beyond any length and angle in a motion, and small enough that nothing that is worked out of it overflows."""


@dataclass(frozen=True, eq=False)
class RiggedMotion:
    """A motion on the rig of its file, and what else that says, so that it can be written as it was read."""

    motion: Motion
    channels: tuple[tuple[str, ...], ...]
    """Those of each joint, in the file's order, e.g. ("Zrotation", "Xrotation", "Yrotation")."""
    offsets: np.ndarray
    """(J, 3) as in the file, in its units."""
    end_sites: frozenset[int]
    """The joints that are end sites."""
    metres_per_unit: float
    """Length of the file's unit."""
    stretches_m: Mapping[int, np.ndarray] = field(default_factory=dict)
    """Positions (T, 3) in the parent's frame of joints that move in it; in the motion's skeleton such a joint has
    its median position."""
    relative: frozenset[int] = frozenset()
    """Joints whose positions in the file are added to their offsets, as some programs write them."""
    unit_note: str = ""
    """What was assumed of the unit, "" for nothing."""
