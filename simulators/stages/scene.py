"""Scenes: another world, or another body.

A motion is followed there; `staging` sets them up. Nothing is drawn at random and nothing is learned. The result
differs from the input as mechanics demands of a body that is pushed, carries something, or walks up a hill.
"""

from dataclasses import dataclass, fields

from selfcorrect.core.checks import check_number, describe_value
from selfcorrect.core.errors import SettingError

_LARGEST = 1e6
"""Largest number in a scene, in any unit."""
_STEEPEST_DEG = 30.0
"""Maximum slope, in degrees. On steeper slopes legs do not reach both uphill and downhill."""


@dataclass(frozen=True)
class Scene:
    """Differences from a level floor on Earth.

    The usual floor is rough, and the body of usual weight; by default there are none. Vectors are in the motion's
    world: y up, x and z as the motion has them.
    """

    push_n: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Force on the pelvis, in N, along x, y (up) and z."""
    push_from_s: float = 1.0
    """Start of the push, seconds."""
    push_lasts_s: float = 0.2
    """Duration of the push, seconds."""
    slope_deg: float = 0.0
    """Slope of the floor, degrees."""
    uphill_deg: float = 0.0
    """Uphill heading, in degrees. 0 is +z, 90 is +x."""
    friction: float | None = None
    """Coulomb friction between soles and floor. None stands for the engine's usual friction, 0.5."""
    load_kg: float = 0.0
    """Mass that the hands carry, half of it each."""
    mass: float = 1.0
    """Factor on the body's mass. It makes the body no stronger."""
    gravity_m_s2: float = 9.81
    """Gravitational acceleration, m/s²."""

    def __post_init__(self) -> None:
        if not isinstance(self.push_n, list | tuple) or len(self.push_n) != 3:
            raise SettingError(f"a scene's push_n must be three numbers, got {describe_value(self.push_n)}")
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None and field.name == "friction":
                continue
            numbers = self.push_n if field.name == "push_n" else (value,)
            for number in numbers:
                check_number(f"a scene's {field.name}", number, -_LARGEST, _LARGEST)
        for name in ("mass", "gravity_m_s2", "push_lasts_s"):
            if not getattr(self, name) > 0:
                raise SettingError(f"a scene's {name} must be positive, got {getattr(self, name)}")
        if self.friction is not None and not self.friction > 0:
            raise SettingError(f"a scene's friction must be positive, got {self.friction}")
        if not self.load_kg >= 0:
            raise SettingError(f"a scene's load_kg must be at least 0, got {self.load_kg}")
        if not abs(self.slope_deg) <= _STEEPEST_DEG:
            raise SettingError(
                f"a scene's slope_deg must be from {-_STEEPEST_DEG:g} to {_STEEPEST_DEG:g}, got {self.slope_deg}"
            )

    @property
    def is_plain(self) -> bool:
        """True for a scene without differences."""
        return self == PLAIN


PLAIN = Scene()
"""The scene without differences."""
