"""What may carry the body, and how that is found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from selfcorrect.core.checks import check_positive

SupportChoice: TypeAlias = Literal["infer", "floor", "off"]
"""What carries the body: what the motion shows, the floor alone, or something unknown."""


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


@dataclass(frozen=True)
class InferenceSettings:
    """When something seems to carry a body that the file does not show.

    Set by hand on CMU clips: on those of stairs, ladders and stools, and on the others, where nothing may be found.
    """

    lowest_m: float = 0.07
    """A support is at least this high."""
    same_height_m: float = 0.03
    """What it carries keeps its height that closely."""
    foot_m_s: float = 0.5
    """A foot is no faster than this while something carries it."""
    still_m_s: float = 0.3
    """Another part is no faster than this while something carries it."""
    shortest_foot_s: float = 0.3
    """For how long a foot is carried at least."""
    shortest_s: float = 0.7
    """For how long another part is carried at least."""
    longest_gap_s: float = 0.07
    """For how long either may move meanwhile."""
    swings_m: float = 0.08
    """A hand that grips a hold stays this close to it."""
    steep: float = 0.6
    """Limbs do not point downwards by more than this share of their length while their part rests."""
    steep_on_seat: float = 0.8
    """Nor do thighs while their seat rests: on high stools they slope."""
    friction: float = 0.5
    """Of supports and floor."""
    free_speed_m_s: float = 0.6
    """A part carries freely up to this speed: captured parts on a support slip more than planned ones."""
    fastest_m_s: float = 1.8
    """A part carries nothing above this speed."""
    missing: float = 0.25
    """Share of the body's weight, moments weighed as in plans, from which on a support seems to be missing."""
    missing_seat: float = 0.1
    """The same where the seat rests for long: feet may bear much of the weight, and who is that still misses nothing
    else."""
    long_s: float = 1.5
    """For how long it then rests at least."""
    fewest_s: float = 0.2
    """A support is there if it is missing for so long."""
    often: float = 0.5
    """It must be missing in this share of the time under a foot or the seat, or else twice as badly."""
    explained: float = 0.5
    """It must explain this share of what is missing."""
    least_load: float = 0.2
    """It must carry this share of the weight."""
    margin_m: float = 0.08
    """By this much a support is wider than what rests on it."""
    margin_of_seat_m: float = 0.03
    """By this much a seat is wider than what rests on it: sloping thighs must clear its edge."""

    def __post_init__(self) -> None:
        check_positive(self)


INFERENCE = InferenceSettings()
"""The defaults."""


OF_LOW_STEPS = InferenceSettings(lowest_m=0.03)
"""For bodies without residual force, which fall where a foot is to bear weight some centimetres above the floor."""
