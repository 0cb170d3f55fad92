"""What is planned before a motion is simulated, and what of the simulation is kept."""

from __future__ import annotations

from dataclasses import dataclass

from selfcorrect.core.checks import check_positive


@dataclass(frozen=True)
class ContactSettings:
    """How contact forces are planned. Set by hand on CMU clips, by how much of their motion is then explained."""

    free_height_m: float = 0.003
    """A point carries freely up to this height."""
    highest_m: float = 0.015
    """A point carries nothing above this height."""
    free_speed_m_s: float = 0.1
    """A point carries freely up to this speed over the floor."""
    fastest_m_s: float = 0.4
    """A point carries nothing above this speed."""
    fast_m_s: float = 1.5
    """From this speed of the body on, both bounds grow with it: feet that land and leave within a frame seem to
    slide."""
    most_speed_factor: float = 3.0
    """Largest factor by which the bounds grow with the body's speed."""
    borne_bodyweights: tuple[float, float] = (0.1, 0.5)
    """Vertical force that something must give, perhaps and surely. Where no point carries freely, the next best
    does."""
    further: float = 1.5
    """Share by which the bounds on height then grow at most."""
    faster: float = 3.0
    """Share by which the bounds on speed then grow at most: soles are soft, and feet slide as they turn."""
    moment_weight: float = 4.0
    """Weight of moments (N m) against forces (N)."""
    smoothing_s: float = 0.6 / 30
    """Standard deviation of the Gaussian that smooths accelerations."""
    iterations: int = 30
    """Of ADMM."""
    over_relaxation: float = 1.6
    """Of ADMM; Boyd et al. 2011 (§3.4.3) advise 1.5 to 1.8."""
    penalty: float = 0.003
    """Of ADMM, as a share of the trace of the problem's matrix."""
    regularisation: float = 1e-5
    """Weight of the forces themselves, which spreads them over the points that can carry."""

    def __post_init__(self) -> None:
        check_positive(self)


@dataclass(frozen=True)
class FilterSettings:
    """The dynamics filter, set by hand on CMU clips, where explained forces are traded against distance.

    Bodies that get no residual force are shifted further: see `RESIDUAL_FREE_PLAN`.
    """

    rounds: int = 2
    """Shifts, each of which is planned anew."""
    iterations: int = 20
    """Of the contact solver in each round."""
    moment_weight: float = 9.0
    """Weight of (N m)² against N²."""
    shift_weight: float = 2e8
    """Weight of m² against N²."""
    shift_limit_m: float = 0.05
    """Furthest that a round shifts the body."""
    stance_rounds: int = 0
    """Slow shifts after these, which put the centre of mass over the feet that carry it; 0 for none."""
    stance_m_s: float = 0.6
    """Up to this speed a body is shifted fully in them, from twice as much on not at all."""
    stance_weight: float = 1e6
    """Weight of m² against N² in them."""
    stance_moment_weight: float = 0.5
    """Of contact forces in them. With little, contacts fall short in moment, which shows where to shift."""
    stance_smoothing_s: float = 0.15
    """Standard deviation of the Gaussian that smooths each of them."""
    stance_inset: float = 0.2
    """Where forces act in them, as a share of the way from a sole's corners to its middle: a margin for balance."""
    lift_s: float = 0.1
    """Time over which a body is lifted out of the floor."""

    def __post_init__(self) -> None:
        check_positive(self, may_be_zero=("stance_rounds",))


@dataclass(frozen=True)
class PlacementSettings:
    """How feet turn so that loaded corners of their soles touch, set by hand on CMU clips."""

    iterations: int = 20
    """Of the contact solver that finds which corners carry."""
    full_load_bodyweights: float = 0.3
    """A corner that is to carry this much counts fully."""
    lever_m: float = 0.1
    """Distance from the ankle at which turning a foot counts like moving it."""
    rise_reluctance: float = 0.225
    """Weight of moving an ankle up and down, against that of a corner's distance."""
    turn_reluctance: float = 0.75
    """Weight of turning a foot."""
    rise_limit_m: float = 0.03
    """Furthest that an ankle moves."""
    turn_limit_rad: float = 0.3
    """Furthest that a foot turns about each axis."""
    least_load: float = 0.3
    """Load on a foot's corners together, over a full one, from which on it is held in its place."""
    hold_limit_m: float = 0.05
    """A foot is held only as far as that moves it by no more than this."""
    smoothing_s: float = 0.7 / 30
    """Standard deviation of the Gaussian that smooths both over time."""
    heel_s: float = 0.0
    """A foot that carries on its heel alone for longer is set flat; 0 for none."""
    heel_bodyweights: float = 0.3
    """What such a heel carries, at least."""
    heel_around_s: float = 0.1
    """Time before and after in which it is set flat, too."""

    def __post_init__(self) -> None:
        check_positive(self, may_be_zero=("heel_s",))


@dataclass(frozen=True)
class GainSettings:
    """Where a simulation is preferred to its plan.

    Set on 3 s of each fourth of CMU's training clips, 30 and 120 frames per second. MuJoCo replays the results. At 30
    frames per second it needs 0.104 body weights of residual force with them, as much as with all or none of PyBullet's
    simulation. Jerk is lower than with none, and distance (9.7 mm) a third lower than with all. Twice the bounds change
    nothing.
    """

    saved_bodyweights: tuple[float, float] = (0.05, 0.2)
    """Unexplained force that is saved: below the first none of the simulation is kept, above the second all."""
    slow_s: float = 0.03
    """Standard deviation of the Gaussian that leaves what is slow in a planned shift of the body."""
    small_shift_m: tuple[float, float] = (0.003, 0.006)
    """The body is not slowly shifted by less than the first, and as far as planned by more than the second."""
    gain_smoothing_s: float = 0.15
    """Standard deviation of the Gaussian over which that is measured."""
    share_smoothing_s: float = 0.1
    """Standard deviation of the Gaussian over which the share comes and goes."""
    lost_rad: float = 0.5
    """A simulated joint turned further than this against its plan begins to have lost its way, at twice this it has."""

    def __post_init__(self) -> None:
        check_positive(self)


@dataclass(frozen=True)
class PolishSettings:
    """What is fast in a correction, and where that calms a motion.

    Set on CMU's training clips at 30, 60 and 120 frames per second: no more jerk than in the motion, for hardly more
    sliding.
    """

    fast_s: float = 0.015
    """Standard deviation of the Gaussian that takes out what is fast: it halves what has 12 Hz."""
    around_s: float = 0.15
    """That of the Gaussian over which the effect of the fast part on jerk is judged."""
    fewest_frames: int = 5
    """Frames that show it."""
    rougher: float = 1.05
    """A part of the body is rougher in frames in which it has more jerk than before by this factor."""
    rougher_m_s3: float = 5.0
    """It is rougher only if it also has this much more jerk."""
    wider: tuple[float, ...] = (2.0, 4.0, 8.0)
    """Around rougher frames the correction is smoothed over so many times as long, one after the other until that
    suffices."""
    all_rough: float = 0.1
    """It is smoothed wholly where the bound is passed by this share, in part before."""
    rounds: int = 3
    """How often a simulated motion that is rougher still gives way to the cleaned one."""


POLISH = PolishSettings()
"""The defaults."""


@dataclass(frozen=True)
class StandingSettings:
    """How feet are led to where they stand in the cleaned motion, set by hand on CMU's training clips.

    Of 20 of them sliding falls from 22.5 to 19.4 mm/s by that, 18.5 by kinematics alone; jerk and distance stay.
    """

    around_s: float = 0.15
    """Time around a stance in which its foot is led to its place."""
    smoothing_s: float = 0.05
    """Standard deviation of the Gaussian that smooths that."""

    def __post_init__(self) -> None:
        check_positive(self)


@dataclass(frozen=True)
class FeedbackSettings:
    """How legs give way to where the body really is, set by hand on CMU clips by the residual force needed."""

    full_load_bodyweights: float = 0.1
    """Planned load on a foot from which on its leg counts as standing."""
    stand_lag_s: float = 0.15
    """Time constant with which the error of a standing foot is followed."""
    turn_lag_s: float = 0.015
    """That of the pelvis' orientation."""
    swing_lag_s: float = 0.08
    """That of a swinging foot's height."""
    uprighting: float = 0.6
    """Share of the pelvis' error that the hip of a standing leg turns back."""
    limit_m: float = 0.05
    """Furthest that a target is moved."""

    def __post_init__(self) -> None:
        check_positive(self)


@dataclass(frozen=True)
class PlanSettings:
    """What is planned before a motion is simulated, and how legs may leave the plan."""

    contacts: ContactSettings = ContactSettings()
    filter: FilterSettings = FilterSettings()
    placement: PlacementSettings = PlacementSettings()
    gain: GainSettings = GainSettings()
    standing: StandingSettings = StandingSettings()
    feedback: FeedbackSettings = FeedbackSettings()


PLAN = PlanSettings()
"""The defaults."""


RESIDUAL_FREE_PLAN = PlanSettings(
    filter=FilterSettings(stance_rounds=2), placement=PlacementSettings(heel_s=0.25, turn_limit_rad=0.5)
)
"""The plan of bodies that get no residual force: nothing else holds them up, so they must stand over their feet.

Set on 24 passages on one leg and the first 4 s of 25 clips of CMU's training subjects. Without a search among copies,
bodies then fall 0.04 instead of 0.22 times per second on one leg, 0.03 instead of 0.09 times in the clips.
"""
