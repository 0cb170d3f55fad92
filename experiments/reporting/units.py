"""How people read figures that are kept in SI units."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shown:
    """A figure's name and unit where it is shown, and how many of that unit are one of its SI unit."""

    title: str
    unit: str
    per_si: float = 1.0

    @property
    def heading(self) -> str:
        return f"{self.title} {self.unit}"


ERRORS = {
    "penetration_m": Shown("penetration", "mm", 1000),
    "floating_m": Shown("floating", "mm", 1000),
    "skate_m_s": Shown("skate", "mm/s", 1000),
    "jerk_m_s3": Shown("jerk", "m/s³"),
}
"""The physical errors of a motion, `selfcorrect.motion.measures.physical.PhysicalErrors`, in their order."""

MOVED = Shown("moved", "mm", 1000)
"""How far a correction moved a motion."""
