"""How a body is held up without help."""

from __future__ import annotations

from dataclasses import dataclass, field

from selfcorrect.simulators.settings.checks import check_positive
from selfcorrect.simulators.settings.plan import ContactSettings


@dataclass(frozen=True)
class UnaidedSettings:
    """How a body is held up without help, and how its control is searched for. Set by hand on CMU clips of train."""

    horizontal_rad_s: float = 8.0
    """Natural frequency of the spring that wants the centre of mass across the floor; dampers are critical."""
    vertical_rad_s: float = 10.0
    """That of its height."""
    angular_rad_s: float = 10.0
    """That of the trunk's orientation."""
    force_limit_bodyweights: float = 0.7
    """Bound on what is wanted along each axis beside what the motion takes."""
    step_limit_m: float = 0.2
    """Furthest that a foot is put beside its place."""
    lift_limit_m: float = 0.08
    """Furthest that a swinging foot is lifted."""
    contacts: ContactSettings = field(default_factory=lambda: ContactSettings(iterations=12))
    """How the floor's forces are found at each step."""
    copies: tuple[int, ...] = (64, 256)
    """How many copies are tried, one after the other, until one of them gets to the end."""
    kept: int = 8
    """So many of them go on from each window to the next."""
    window_s: float = 0.1
    """How long a window lasts."""
    persistence: float = 0.8
    """Share of its nudges that a copy hands on."""
    force_n: float = 100.0
    """Standard deviation of what is added to the force that is wanted …"""
    moment_nm: float = 40.0
    """… to the moment …"""
    step_m: float = 0.04
    """… to where feet land …"""
    turn_rad: float = 0.05
    """… and to the targets of legs and spine."""
    fall_cost_s: float = 0.1
    """Weight of vertical speed against mean distance of the joints, by which copies are chosen …"""
    feet_cost: float = 0.5
    """… of the feet's distance …"""
    tilt_cost_m: float = 0.3
    """… of the trunk's orientation, per radian …"""
    spin_cost_m_s: float = 0.05
    """… and of its turning, per radian per second."""

    def __post_init__(self) -> None:
        check_positive(self)


WITHOUT_HELP = UnaidedSettings()
"""The defaults."""
