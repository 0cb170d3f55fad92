"""Kinematic clean-up: repair by kinematics what the simulation should not have to fight, one step after another.

`FILES`, `RESIDUAL_FREE` and `SAMPLES` list the steps; each says what it minimises or fits, and what it does is in the
file of its functions. All of it is vectorised over frames and takes a few thousandths of the motion's duration.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Protocol, Self, TypeVar

import numpy as np

from selfcorrect.core.errors import SettingError
from selfcorrect.motion.body.surface import SolePoints, sole_points
from selfcorrect.motion.correction.results import Note, NoteKind, Repair
from selfcorrect.motion.geometry.vectors import lengths
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.motion.support import Support, ground_of_feet_m

from ..body.leg_ik import Legs
from ..body.soles import fit_soles
from ..contacts.support_inference import infer_supports
from ..settings.support import (
    INFERENCE,
    OF_LOW_STEPS,
    SUPPORT_MODES,
    InferenceSettings,
    SupportChoice,
    SupportMode,
)
from ..stages.values import Cleaned, Floor
from .drift import DRIFT, DriftSettings, FloorMotion, floor_motion
from .foot_lock import (
    FEET,
    SOFT,
    FootSettings,
    SoftLockSettings,
    furthest_in_stance_m,
)
from .knees import KNEES, KneeSettings, with_knees_in_front
from .noise import (
    DENOISE,
    SPIKES,
    DenoiseSettings,
    SpikeSettings,
    denoise,
    despike,
    is_noisy,
    joint_noise_rad,
)
from .planting import limbs_above_floor, plant_feet, trunk_lift
from .splices import SPLICES, SpliceSettings, without_splices
from .stance import FLOOR, FloorSettings, Posed, boxes_under_feet, floors_m

Kind = TypeVar("Kind", bound="CleanupStep")


class CleanupStep(Protocol):
    """A step of a clean-up: a value with its parameters, which takes motions on."""

    def __call__(self, cleaning: Cleaning, plan: CleanupSettings, /) -> Cleaning: ...


@dataclass(frozen=True, eq=False)
class Cleaning:
    """Motions between two steps of their clean-up, and what the steps before have found."""

    motions: MotionBatch
    unraised: MotionBatch
    """The motions before the steps that look for the floor."""
    soles: SolePoints
    """Those of the motions, fitted only to a single one."""
    noisy: np.ndarray
    """(N,) whether noise is everywhere in a motion."""
    floor: Floor
    """How it moves beneath them."""
    supports: list[tuple[Support, ...]]
    """What carries each beside the lowest ground."""
    repairs_m: Mapping[Repair, np.ndarray]
    """(N,) furthest that each kind of repair has moved their roots."""
    unplanted: Posed | None = None
    """The motions before their feet were planted; None until then."""

    @classmethod
    def of(cls, motions: MotionBatch) -> Self:
        """Motions before the first step."""
        still_m, nobody = np.zeros_like(motions.root_m), np.zeros(len(motions), dtype=bool)
        nothing: list[tuple[Note, ...]] = [()] * len(motions)
        soles = sole_points(motions.skeleton)
        return cls(motions, motions, soles, nobody, Floor(still_m, nobody, nothing), [()] * len(motions), {})

    @cached_property
    def posed(self) -> Posed:
        """The motions with their poses."""
        return Posed.of(self.motions, self.soles)

    def repaired(self, motions: MotionBatch) -> Self:
        """With repaired motions, whose floor is yet to be found."""
        return replace(self, motions=motions, unraised=motions)

    def at(self, posed: Posed) -> Self:
        """With motions that are posed already."""
        moved = replace(self, motions=posed.motions)
        vars(moved)["posed"] = posed
        return moved

    @property
    def before_planting(self) -> Posed:
        """The motions with their feet as they were found."""
        return self.unplanted or self.posed

    @property
    def raised_m(self) -> np.ndarray:
        """(N,) by which the motions were raised so that their lowest ground is at y = 0."""
        return (self.before_planting.motions.root_m - self.unraised.root_m)[:, 0, 1]


@dataclass(frozen=True)
class TurnKnees:
    """Turns legs back that are turned by half a turn for a moment, ankles staying where they are.

    A turn is kept only where the knee's jumps shrink: ‖Δ²p after‖ < `calmer` ‖Δ²p before‖ at the ends of the flip.
    """

    settings: KneeSettings = KNEES

    def __call__(self, cleaning: Cleaning, plan: CleanupSettings) -> Cleaning:
        return cleaning.repaired(with_knees_in_front(cleaning.motions, self.settings))


@dataclass(frozen=True)
class Denoise:
    """Takes white noise out of joints by shrinking the singular values of short windows of all their channels.

    A value s, in units of the noise, becomes √((s² − β − 1)² − 4β) / s, or 0 below 1 + √β; β is the windows' aspect
    ratio. The noise is 1.48 / √70 times the median fourth difference.
    """

    settings: DenoiseSettings = DENOISE

    def __call__(self, cleaning: Cleaning, plan: CleanupSettings) -> Cleaning:
        noise_rad = joint_noise_rad(cleaning.motions, self.settings)
        calm = denoise(cleaning.motions, noise_rad, self.settings)
        return replace(cleaning.repaired(calm), noisy=is_noisy(noise_rad, self.settings))


@dataclass(frozen=True)
class JoinSplices:
    """Moves and turns what follows a splice to where the motion was going, as far as that keeps its end near."""

    settings: SpliceSettings = SPLICES
    join_takes: bool = False
    """Also where that changes the way over the floor: cuts between takes."""

    def __call__(self, cleaning: Cleaning, plan: CleanupSettings) -> Cleaning:
        whole = without_splices(cleaning.motions, self.settings, join_takes=self.join_takes)
        moved_m = _furthest_m(cleaning.motions, whole)
        return replace(cleaning.repaired(whole), repairs_m={**cleaning.repairs_m, Repair.SPLICES: moved_m})


@dataclass(frozen=True)
class Despike:
    """Bridges frames in which joints accelerate far beyond their own, where the bridge has smaller accelerations.

    Where noise is everywhere, spikes mean nothing.
    """

    settings: SpikeSettings = SPIKES

    def __call__(self, cleaning: Cleaning, plan: CleanupSettings) -> Cleaning:
        motions, noisy = cleaning.motions, cleaning.noisy[:, None, None]
        despiked = despike(motions, self.settings)
        return cleaning.repaired(
            replace(
                motions,
                root_m=np.where(noisy, motions.root_m, despiked.root_m),
                rotations=np.where(noisy[..., None], motions.rotations, despiked.rotations),
            )
        )


@dataclass(frozen=True)
class HaltFloor:
    """Finds the floor's horizontal velocity v(t) and shows motions as on a floor that stands still.

    v is a Whittaker smoother of the velocities of points that stand, min Σ w ‖v − u‖² + λ ‖Δ²v‖², with outliers left
    out bit by bit; where it is steady, the densest velocity. In the end it is put back, but for what swings.
    """

    settings: DriftSettings = DRIFT
    remove: bool = False
    """Take all of it out, which changes the way over the floor. Without, the root ends where it came."""

    def __call__(self, cleaning: Cleaning, plan: CleanupSettings) -> Cleaning:
        posed, ground = cleaning.posed, cleaning.motions.ground
        if ground is not None and ground.boxes:
            return cleaning
        ankles, fps = posed.orientations[:, :, Legs.of(posed.motions.skeleton).ankles], posed.motions.fps
        motion_of = partial(floor_motion, fps=fps, remove=self.remove, settings=self.settings)
        each = zip(posed.feet_m, ankles, posed.motions.root_m, cleaning.noisy, strict=True)
        found = [motion_of(feet_m, turned, root_m, noisy=own) for feet_m, turned, root_m, own in each]
        removed_m, kept_m = np.zeros_like(posed.motions.root_m), np.zeros_like(posed.motions.root_m)
        for index, floor in enumerate(found):
            removed_m[index, 1:, [0, 2]] = np.cumsum(floor.removed_m_s, axis=0).T / fps
            kept_m[index, 1:, [0, 2]] = np.cumsum(floor.kept_m_s, axis=0).T / fps
        in_place = np.array([floor.in_place for floor in found])
        halted = posed.moved(-(removed_m + kept_m))
        slid_m = furthest_in_stance_m(kept_m, halted.stands(plan.planting.feet))
        held_m = np.where(in_place, 0.0, plan.planting.feet.held_share(slid_m))[:, None, None] * kept_m
        if held_m.any():
            kept_m = kept_m - held_m
            halted = posed.moved(-(removed_m + kept_m))
        moved_m = _furthest_m(posed.motions, halted.moved(kept_m).motions)
        floor = Floor(kept_m, in_place, [_notes_of(floor) for floor in found])
        return replace(cleaning, floor=floor, repairs_m={**cleaning.repairs_m, Repair.DRIFT: moved_m}).at(halted)


@dataclass(frozen=True)
class FitSoles:
    """Fits the soles' thickness at heel, ball and toe tip to the flat stances of a single motion: see `fit_soles`."""

    def __call__(self, cleaning: Cleaning, plan: CleanupSettings) -> Cleaning:
        leveller = plan.find(LevelFloor)
        posed = leveller(cleaning, plan).posed if leveller else cleaning.posed
        stands_flat = (posed.flat(plan.levelling.settings.flat_rad) & posed.stands(plan.planting.feet))[0]
        known = posed.motions.skeleton.soles_m is not None and posed.feet_m.shape[-2] > 4
        heights_m = posed.feet_m[0, ..., 1]
        if ground := posed.motions.ground:  # heels beyond the edge of a step are as high as its top
            heights_m = heights_m - ground.beneath_m(posed.feet_m[0]).max(-1, keepdims=True)
        soles = fit_soles(posed.soles, heights_m, stands_flat, posed.motions.fps, ball_known=known)
        return replace(cleaning, soles=soles).at(Posed.of(cleaning.motions, soles))


@dataclass(frozen=True)
class LevelFloor:
    """Puts the ground on which motions stand at y = 0; of several grounds the lowest, where supports are looked for."""

    settings: FloorSettings = FLOOR

    def __call__(self, cleaning: Cleaning, plan: CleanupSettings) -> Cleaning:
        posed = cleaning.posed
        if posed.motions.ground is not None:
            return cleaning
        down_m = floors_m(posed, self.settings, lowest=plan.mode.finds_supports)
        return cleaning.at(posed.moved(-down_m[:, None, None] * (0.0, 1.0, 0.0)))


@dataclass(frozen=True)
class LiftTrunk:
    """Raises bodies whose trunks are in the floor, by their greatest depth around each frame, smoothed."""

    def __call__(self, cleaning: Cleaning, plan: CleanupSettings) -> Cleaning:
        posed = cleaning.posed
        lift_m = trunk_lift(posed.motions.skeleton, posed.standing_m(posed.positions_m), posed.motions.fps)
        return cleaning.at(posed.moved(lift_m))


@dataclass(frozen=True)
class PlantFeet:
    """Puts feet that stand flat, still and on the ground beneath them; legs follow by inverse kinematics.

    Also names the boxes of a ground that is known as what carries them.
    """

    feet: FootSettings = FEET
    """When feet stand, and how they are held."""
    soft: SoftLockSettings | None = SOFT
    """How feet are held without haste; None holds them at once, as motions for a simulation alone may be."""

    def __call__(self, cleaning: Cleaning, plan: CleanupSettings) -> Cleaning:
        level = cleaning.posed
        known = plan.mode.moves_to_floor or level.motions.ground is not None
        # Where heights are left alone, a foot that hovers a little may stand on whatever is there.
        ground_m = np.clip(level.feet_m[..., 1].min(-1), 0.0, 0.0 if known else self.feet.standing_m)
        planted = replace(cleaning, motions=self.on(level, ground_m), unplanted=level)
        return replace(planted, supports=boxes_under_feet(planted.posed)) if _on_boxes(level.motions) else planted

    def on(self, level: Posed, ground_m: np.ndarray) -> MotionBatch:
        """The motions with feet on a ground at heights (N, T, 2) beneath them."""
        return plant_feet(level, ground_m, self.feet, self.soft)


@dataclass(frozen=True)
class FindSupports:
    """Finds steps, rungs and seats: what explains the forces that the floor alone leaves unexplained."""

    settings: InferenceSettings = INFERENCE

    def __call__(self, cleaning: Cleaning, plan: CleanupSettings) -> Cleaning:
        level, boxes = cleaning.before_planting, _on_boxes(cleaning.motions)
        known = cleaning.supports if boxes else None
        poses = level.positions_m, level.orientations
        supports = infer_supports(cleaning.motions, *poses, level.soles, self.settings, known)
        if boxes or not any(supports):
            return replace(cleaning, supports=supports)
        frames = level.motions.root_m.shape[1]
        grounds_m = np.stack([ground_of_feet_m(own, frames) for own in supports])
        return replace(cleaning, supports=supports, motions=plan.planting.on(level, grounds_m))


@dataclass(frozen=True)
class LiftLimbs:
    """Tilts bones of limbs that are in the floor until their ends lie on it."""

    spread_s: float = 0.08
    """Time over which a bone is tilted, and back, a standard deviation; 0 for at once."""

    def __call__(self, cleaning: Cleaning, plan: CleanupSettings) -> Cleaning:
        return replace(cleaning, motions=limbs_above_floor(cleaning.motions, self.spread_s))


FILES: tuple[CleanupStep, ...] = (
    TurnKnees(),
    Denoise(),
    JoinSplices(),
    Despike(),
    HaltFloor(),
    FitSoles(),
    LevelFloor(),
    LiftTrunk(),
    PlantFeet(),
    FindSupports(),
    LiftLimbs(),
)
"""What is done to motions of files, whose floor, soles and supports are found."""


RESIDUAL_FREE = tuple(FindSupports(OF_LOW_STEPS) if isinstance(step, FindSupports) else step for step in FILES)
"""The same for bodies without residual force, which fall where a step is missed."""


SAMPLES: tuple[CleanupStep, ...] = (
    Denoise(DenoiseSettings(must_calm=False)),
    JoinSplices(join_takes=True),
    Despike(SpikeSettings(of_whole_body=False)),
    LiftTrunk(),
    PlantFeet(replace(FEET, sliding=0.0), soft=None),
    LiftLimbs(spread_s=0.0),
)
"""What is done to samples of a model, which are on a known, level floor and are then simulated.

Estimates of floor and drift would throw them about.
"""


@dataclass(frozen=True)
class CleanupSettings:
    """What is done to motions by kinematics, step by step; a step that is off is not among them."""

    steps: tuple[CleanupStep, ...] = FILES
    """In their order; `PlantFeet` is always one of them."""
    support: SupportChoice = "infer"
    """What carries the body. "infer": steps, rungs and seats where the motion shows them. "floor": the floor alone.
    "off": something unknown; the body keeps its height. The steps that this rules out are left out."""
    close_loops: bool = True
    """Correct a motion that ends in its first pose as a cycle, so that it closes."""
    polish: bool = True
    """Keep of a simulation what it gains, and leave out what roughens a motion: the steps of `finishing.FINISHING`.
    Without, simulated states come out as they are."""

    def __post_init__(self) -> None:
        if self.support not in SUPPORT_MODES:
            raise SettingError(f"support must be one of {', '.join(SUPPORT_MODES)}, got {self.support!r}")

    @classmethod
    def for_samples(cls) -> Self:
        """Settings for samples of a model: see `SAMPLES`. Simulated states come out as they are."""
        return cls(SAMPLES, support="floor", close_loops=False, polish=False)

    @property
    def mode(self) -> SupportMode:
        """What `support` means."""
        return SUPPORT_MODES[self.support]

    @property
    def done(self) -> Iterator[CleanupStep]:
        """The steps that are done, in their order."""
        raising, mode = (LevelFloor, LiftTrunk, LiftLimbs), self.mode
        for step in self.steps:
            left_out = not mode.moves_to_floor if isinstance(step, raising) else not mode.finds_supports
            if not (left_out and isinstance(step, (*raising, FindSupports))):
                yield step

    def find(self, kind: type[Kind]) -> Kind | None:
        """The step of a kind that is done, None without one."""
        return next((step for step in self.done if isinstance(step, kind)), None)

    @property
    def planting(self) -> PlantFeet:
        """How feet are planted."""
        return self.find(PlantFeet) or PlantFeet()

    @property
    def levelling(self) -> LevelFloor:
        """What shows the floor's height."""
        return self.find(LevelFloor) or LevelFloor()

    def without(self, *kinds: type[CleanupStep]) -> Self:
        """The same without steps of some kinds."""
        return replace(self, steps=tuple(step for step in self.steps if not isinstance(step, kinds)))

    def having(self, *steps: CleanupStep) -> Self:
        """The same with steps in the places of those of their kinds."""
        others = {type(step): step for step in steps}
        return replace(self, steps=tuple(others.get(type(step), step) for step in self.steps))


def clean(given: MotionBatch, settings: CleanupSettings) -> Cleaned:
    """Clean up motions that share one length by kinematics, and find what carries them.

    Raises InputError where the skeleton lacks a hip, knee or ankle.
    """
    cleaning = Cleaning.of(given)
    for step in settings.done:
        cleaning = step(cleaning, settings)
    origins = _origins_m(cleaning, settings.levelling.settings)
    return Cleaned(
        given=given,
        motions=cleaning.motions,
        unplanted=cleaning.before_planting.motions,
        soles=cleaning.soles,
        supports=cleaning.supports,
        origin_m=origins,
        repairs_m={**cleaning.repairs_m, Repair.FLOOR: np.abs(cleaning.raised_m - origins)},
        floor=cleaning.floor,
        fitted_soles=settings.find(FitSoles) is not None,
    )


def _on_boxes(motions: MotionBatch) -> bool:
    """Whether the ground of motions is known and has boxes."""
    return motions.ground is not None and bool(motions.ground.boxes)


def _furthest_m(before: MotionBatch, after: MotionBatch) -> np.ndarray:
    """(N,) furthest that roots were moved."""
    return lengths(after.root_m - before.root_m).max(1)


def _notes_of(floor: FloorMotion) -> tuple[Note, ...]:
    """What is said of a floor that moves."""
    kind = NoteKind.IN_PLACE if floor.in_place else NoteKind.DRIFT_KEPT
    speed_m_s = round(float(lengths(floor.kept_m_s).mean()), 1)
    return (Note(kind, speed_m_s),) if floor.kept_m_s.any() else ()


def _origins_m(cleaning: Cleaning, settings: FloorSettings) -> np.ndarray:
    """The heights (N,) that become y = 0: those there, or nearest to it, in the original motions."""
    if _on_boxes(cleaning.motions):
        return np.zeros(len(cleaning.motions))
    frames = cleaning.motions.root_m.shape[1]
    each = zip(cleaning.supports, cleaning.raised_m, strict=True)
    return np.array([_origin_m(own, frames, raised, settings) for own, raised in each])


def _origin_m(supports: Sequence[Support], frames: int, raised_m: float, settings: FloorSettings) -> float:
    """The height that becomes y = 0 in a motion that has been raised so that its lowest ground is there.

    Of all grounds it is the one near y = 0 in the original motion on which it stands for long. A body on any step of a
    staircase stays there. One that floats or is sunk comes to the nearest ground. One that climbs far from all of them
    stays there: the file may just not show what leads there.
    """
    stood_m = ground_of_feet_m(supports, frames).max(1)
    grounds_m = np.unique(stood_m)
    share = np.mean(np.abs(stood_m[:, None] - grounds_m) < settings.level_m / 2, axis=0)
    nearest_m = float(grounds_m[np.argmin(np.abs(grounds_m - raised_m) - settings.worth_m * share)])
    return raised_m if supports and abs(nearest_m - raised_m) > settings.far_m else nearest_m
