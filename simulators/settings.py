"""How hard the humanoid is driven, and how finely time is cut."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, Self, TypeAlias

from selfcorrect.errors import SettingError
from selfcorrect.simulators.engines.table import ENGINES

STRENGTHS = {"faithful": 0.0, "balanced": 0.7, "physical": 1.0}
"""Named points on the dial of `TrackerSettings.at_strength`."""

SupportChoice: TypeAlias = Literal["infer", "floor", "off"]
"""What carries the body: what the motion shows, nothing but the floor, or whatever it may be, left alone."""


@dataclass(frozen=True)
class SupportMode:
    """What a `SupportChoice` means for each stage of the pipeline."""

    moves_to_floor: bool
    """Motions are brought to the height of the floor, and limbs out of it; otherwise heights are left alone."""
    finds_supports: bool
    """Steps, rungs and seats are inferred, and bodies rejected that nothing is found to hold up."""


SUPPORT_MODES: dict[SupportChoice, SupportMode] = {
    "infer": SupportMode(moves_to_floor=True, finds_supports=True),
    "floor": SupportMode(moves_to_floor=True, finds_supports=False),
    "off": SupportMode(moves_to_floor=False, finds_supports=False),
}

_MAY_BE_ZERO = ("filter_dynamics", "sole_lowering_m")

_FRONTIER = {
    "horizontal_rad_s": (22.0, 10.0),
    "vertical_rad_s": (13.0, 7.0),
    "angular_rad_s": (22.0, 12.0),
    "yaw_rad_s": (22.0, 14.0),
    "linear_damping": (0.5, 0.4),
    "angular_damping": (0.5, 0.3),
}


@dataclass(frozen=True)
class TrackerSettings:
    """Settings of the simulation and of the root wrench that helps the humanoid follow a motion.

    The wrench at the body's centre of mass is a spring and damper towards the reference plus what planned contacts
    leave unexplained, clipped to hard bounds: it is not physics, so it is bounded, measured and reported.
    """

    engine: str = "pybullet"
    """The simulator: a name in the table `ENGINES`."""
    mass_kg: float | None = None
    """What the body weighs; without it, what is usual for its stature."""
    rate_hz: float = 120.0
    """Simulation steps per second, rounded to a whole number of steps per frame."""

    horizontal_rad_s: float = 12.5
    """Natural frequency of the root's horizontal spring."""
    vertical_rad_s: float = 8.5
    """Natural frequency of the root's vertical spring; softer, so that contact decides the height."""
    angular_rad_s: float = 14.0
    """Natural frequency of the root's rotational spring about the horizontal axes."""
    yaw_rad_s: float = 16.0
    """Natural frequency of the root's rotational spring about the vertical axis."""
    linear_damping: float = 0.4
    """Damping ratio of the root's linear springs (1 is critical)."""
    angular_damping: float = 0.35
    """Damping ratio of the root's rotational springs."""
    force_limit_bodyweights: float = 1.0
    """Bound on the horizontal root force, and on the vertical one, in body weights."""
    bearing_limit_bodyweights: float = 1.0
    """Added to that bound where heights are left alone (support "off"): what is unseen may bear the body's weight."""
    torque_limit_nm: float = 500.0
    """Bound on the root torque, N m."""

    filter_dynamics: bool = True
    """Shift the body slightly beforehand so that contacts explain more of its motion."""

    friction: float = 0.5
    """Coulomb friction between soles and floor."""
    solver_iterations: int = 15
    """Sweeps of the contact and motor solver per step."""
    joint_erp: float = 0.4
    """Share of a joint's error that its motor removes per step."""
    contact_erp: float = 0.2
    """Share of a penetration that the solver removes per step."""
    minimum_inertia_kgm2: float = 0.06
    """Light links are padded to this moment of inertia so that motors and contacts do not fight."""
    sole_lowering_m: float = 0.002
    """Distance by which contact spheres stick out of the soles, against the solver's soft contacts."""

    lost_root_m: float = 0.4
    """Distance between simulated and reference root at which the motion is given up."""
    lost_body_m: float = 0.5
    """Mean distance over all joints at which the motion is rejected."""

    def __post_init__(self) -> None:
        ENGINES.row(self.engine)
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, (int, float)) and not value > 0 and field.name not in _MAY_BE_ZERO:
                raise SettingError(f"{field.name} must be positive, got {value}")
        for name in ("joint_erp", "contact_erp"):
            if getattr(self, name) > 1:
                raise SettingError(f"{name} must be at most 1, got {getattr(self, name)}")

    @classmethod
    def at_strength(cls, strength: float) -> Self:
        """Settings along the frontier between closeness to the motion (0) and independence of help (1).

        The residual wrench's springs and dampers soften geometrically; `STRENGTHS` names points on the way, and the
        default settings lie near "balanced".
        """
        if not 0 <= strength <= 1:
            raise SettingError(f"strength must be in [0, 1], got {strength}")
        return cls(**{name: stiff * (soft / stiff) ** strength for name, (stiff, soft) in _FRONTIER.items()})

    def steps_per_frame(self, fps: float) -> int:
        """Whole number of simulation steps in one frame of a motion."""
        return max(1, round(self.rate_hz / fps))


def strength_of(word: str | float) -> float:
    """The point on the dial that a name of `STRENGTHS` or a number says."""
    try:
        strength = STRENGTHS[word] if isinstance(word, str) and word in STRENGTHS else float(word)
    except ValueError:
        strength = -1.0
    if not 0 <= strength <= 1:
        raise SettingError(f"strength must be one of {', '.join(STRENGTHS)} or a number from 0 to 1, got {word!r}")
    return strength
