"""Scenes: another world or another body, in which motions are tracked.

Nothing is random or learned. The result differs from the input as mechanics demands of a body that is pushed, carries a
load, or walks up a hill. `staging` sets scenes up.
"""

from dataclasses import dataclass, fields

from selfcorrect.core.checks import MAX_SETTING, check_number, describe_value
from selfcorrect.core.errors import SettingError

_MAX_SLOPE_DEG = 30.0
"""Maximum slope, in degrees. On steeper slopes, legs do not reach the ground both uphill and downhill."""


@dataclass(frozen=True)
class Scene:
    """Differences from the default scene.

    The default is a body of normal weight on a rough, level floor on Earth. Vectors are in the motion's world (y up).
    """

    push_n: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Force on the pelvis, in N, along x, y (up) and z."""
    push_from_s: float = 1.0
    """Start of the push, in s."""
    push_lasts_s: float = 0.2
    """Duration of the push, in s."""
    slope_deg: float = 0.0
    """Slope of the floor, in degrees."""
    uphill_deg: float = 0.0
    """Uphill heading, in degrees; 0 is +z, and 90 is +x."""
    friction: float | None = None
    """Coulomb friction coefficient between soles and floor; None for the engine's default (0.5)."""
    load_kg: float = 0.0
    """Mass of a load, half of it in each hand."""
    mass: float = 1.0
    """Factor on the body's mass. A heavier body is not stronger."""
    gravity_m_s2: float = 9.81
    """Acceleration due to gravity, in m/s²."""

    def __post_init__(self) -> None:
        if not isinstance(self.push_n, list | tuple) or len(self.push_n) != 3:
            raise SettingError(f"a scene's push_n must be three numbers, got {describe_value(self.push_n)}")
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None and field.name == "friction":
                continue
            numbers = self.push_n if field.name == "push_n" else (value,)
            for number in numbers:
                check_number(f"a scene's {field.name}", number, -MAX_SETTING, MAX_SETTING)
        for name in ("mass", "gravity_m_s2", "push_lasts_s"):
            if not getattr(self, name) > 0:
                raise SettingError(f"a scene's {name} must be positive, got {getattr(self, name)}")
        if self.friction is not None and not self.friction > 0:
            raise SettingError(f"a scene's friction must be positive, got {self.friction}")
        if not self.load_kg >= 0:
            raise SettingError(f"a scene's load_kg must be at least 0, got {self.load_kg}")
        if not abs(self.slope_deg) <= _MAX_SLOPE_DEG:
            raise SettingError(
                f"a scene's slope_deg must be from {-_MAX_SLOPE_DEG:g} to {_MAX_SLOPE_DEG:g}, got {self.slope_deg}"
            )

    @property
    def is_plain(self) -> bool:
        """Whether the scene does not differ from the default."""
        return self == PLAIN


PLAIN = Scene()
"""The default scene."""
