"""Kinematic clean-up: repair by kinematics what the simulation should not have to fight.

Knees that flip, capture noise and spikes, splices, a floor that lies elsewhere or moves, feet that hover, sink and
slide, limbs below the floor. All of it is vectorised over frames and takes a few thousandths of the motion's duration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

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
from ..settings.plan import POLISH, PolishSettings
from ..settings.support import (
    INFERENCE,
    SUPPORT_MODES,
    InferenceSettings,
    SupportChoice,
    SupportMode,
)
from ..stages.values import Cleaned, Floor, GivenMotions
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


@dataclass(frozen=True)
class CleanupSettings:
    """What to estimate from a motion; switch off for motions in a world whose floor is known, such as a model's."""

    estimate_floor: bool = True
    """Find the floor's height and put it at y = 0."""
    estimate_drift: bool = True
    """Find the floor's horizontal velocity, constant or changing, and plant feet on the floor that moves so."""
    remove_drift: bool = False
    """Take that velocity out, which changes the way over the floor. Without, the root ends where it came."""
    join_takes: bool = False
    """Move and turn what follows a splice to where the motion was going. Without, each take is corrected alone, where
    it is, unless joining hardly moves it."""
    close_loops: bool = True
    """Correct a motion that ends in its first pose as a cycle, so that it closes."""
    fit_soles: bool = True
    """Fit the soles' thickness at heel, ball and toe tip to each motion."""
    support: SupportChoice = "infer"
    """What carries the body. "infer": steps, rungs and seats where the motion shows them. "floor": the floor alone.
    "off": something unknown; the body keeps its height."""
    polish: bool = True
    """Keep of a simulation what it gains, see `GainSettings`, and leave out of the whole correction what is faster
    than the motion itself and roughens it, see `PolishSettings`. Without, simulated states come out as they are."""

    knees: KneeSettings | None = KNEES
    """What is taken for a knee that flips; None leaves knees alone."""
    noise: DenoiseSettings = DENOISE
    """What is taken for white noise."""
    spikes: SpikeSettings = SPIKES
    """What is taken for a spike."""
    splices: SpliceSettings = SPLICES
    """What is taken for a splice."""
    drift: DriftSettings = DRIFT
    """What is taken for drift."""
    floor: FloorSettings = FLOOR
    """What shows the floor's height."""
    feet: FootSettings = FEET
    """When feet stand, and how they are held."""
    soft_lock: SoftLockSettings | None = SOFT
    """How feet are held without haste; None holds them at once, as motions for a simulation alone may be."""
    polishing: PolishSettings = POLISH
    """What is fast in a correction."""
    inference: InferenceSettings = INFERENCE
    """When something seems to carry the body beside the floor."""

    def __post_init__(self) -> None:
        if self.support not in SUPPORT_MODES:
            raise SettingError(f"support must be one of {', '.join(SUPPORT_MODES)}, got {self.support!r}")

    @classmethod
    def for_samples(cls) -> Self:
        """Settings for samples of a model: on a known floor, with simulated states that come out as they are.

        Estimates of floor and drift would throw them about.
        """
        return cls(
            estimate_floor=False,
            estimate_drift=False,
            join_takes=True,
            close_loops=False,
            fit_soles=False,
            support="floor",
            polish=False,
            knees=None,
            feet=replace(FEET, sliding=0.0),
            noise=DenoiseSettings(must_calm=False),
            spikes=SpikeSettings(of_whole_body=False),
            soft_lock=None,
        )

    @property
    def mode(self) -> SupportMode:
        """What `support` means."""
        return SUPPORT_MODES[self.support]


@dataclass(frozen=True, eq=False)
class Levelled:
    """Motions without noise, splices, spikes and drift, with the lowest ground on which they stand at y = 0."""

    posed: Posed
    soles: SolePoints
    """Those of the motions, fitted only to a single one."""
    raised_m: np.ndarray
    """(N,) by which they have been raised to that end."""
    repairs_m: dict[Repair, np.ndarray]
    """(N,) furthest that each kind of repair has moved their roots."""
    floor: Floor
    """How it moves beneath them."""


def clean(given: GivenMotions, settings: CleanupSettings) -> Cleaned:
    """Clean up motions that share one length by kinematics, and find what carries them.

    Raises InputError where the skeleton lacks a hip, knee or ankle.
    """
    mode, level = settings.mode, levelled(given.motions, settings)
    whole, supports = planted(level, ground_under_feet_m(level, settings), settings), [()] * len(given.motions)
    ground = given.motions.ground
    on_boxes = ground is not None and bool(ground.boxes)
    if on_boxes:
        supports = boxes_under_feet(Posed.of(whole, level.soles))
    if mode.finds_supports:
        posed, known = level.posed, supports if on_boxes else None
        supports = infer_supports(whole, posed.positions_m, posed.orientations, level.soles, settings.inference, known)
    if any(supports) and not on_boxes:
        frames = given.motions.root_m.shape[1]
        whole = planted(level, np.stack([ground_of_feet_m(own, frames) for own in supports]), settings)
    if mode.moves_to_floor:
        whole = limbs_above_floor(whole, settings.soft_lock.limb_s if settings.soft_lock else 0.0)
    origins = np.zeros(len(whole)) if on_boxes else origins_m(level, supports, settings.floor)
    return Cleaned(
        given=given,
        motions=whole,
        unplanted=level.posed.motions,
        soles=level.soles,
        supports=supports,
        origin_m=origins,
        repairs_m=level.repairs_m | {Repair.FLOOR: np.abs(level.raised_m - origins)},
        floor=level.floor,
        fitted_soles=settings.fit_soles,
    )


def levelled(motions: MotionBatch, settings: CleanupSettings) -> Levelled:
    """Clean up motions that share one length, all but their feet and limbs.

    Raises InputError where the skeleton lacks a hip, knee or ankle.
    """
    if settings.knees:
        motions = with_knees_in_front(motions, settings.knees)
    noise_rad = joint_noise_rad(motions, settings.noise)
    noisy = is_noisy(noise_rad, settings.noise)
    calm = denoise(motions, noise_rad, settings.noise)
    whole = without_splices(calm, settings.splices, join_takes=settings.join_takes)
    soles = sole_points(motions.skeleton)
    raw = Posed.of(_despike_unless(noisy, whole, settings.spikes), soles)
    halted, floor = _halted(raw, noisy, settings)
    if settings.fit_soles:
        soles = _fitted(_level(halted, settings), settings)
        halted = Posed.of(halted.motions, soles)
    posed = _level(halted, settings)
    if settings.mode.moves_to_floor:
        posed = posed.moved(trunk_lift(motions.skeleton, posed.standing_m(posed.positions_m), motions.fps))
    raised_m = (posed.motions.root_m - raw.motions.root_m)[:, 0, 1]
    repairs_m = {
        Repair.SPLICES: _furthest_m(calm, whole),
        Repair.DRIFT: _furthest_m(raw.motions, halted.moved(floor.moved_m).motions),
    }
    return Levelled(posed, soles, raised_m, repairs_m, floor)


def _furthest_m(before: MotionBatch, after: MotionBatch) -> np.ndarray:
    """(N,) furthest that roots were moved."""
    return lengths(after.root_m - before.root_m).max(1)


def ground_under_feet_m(level: Levelled, settings: CleanupSettings) -> np.ndarray:
    """Height (N, T, 2) of what is beneath each foot before supports are known.

    That is the floor, or where heights are left alone whatever a foot that hovers a little may stand on.
    """
    known = settings.mode.moves_to_floor or level.posed.motions.ground is not None
    return np.clip(level.posed.feet_m[..., 1].min(-1), 0.0, 0.0 if known else settings.feet.standing_m)


def planted(level: Levelled, ground_m: np.ndarray, settings: CleanupSettings) -> MotionBatch:
    """Motions whose feet stand flat, still and on the ground (N, T, 2) beneath them."""
    return plant_feet(level.posed, ground_m, settings.feet, settings.soft_lock)


def origins_m(level: Levelled, supports: Sequence[Sequence[Support]], settings: FloorSettings) -> np.ndarray:
    """The heights (N,) that become y = 0: those there, or nearest to it, in the original motions."""
    frames = level.posed.motions.root_m.shape[1]
    each = zip(supports, level.raised_m, strict=True)
    return np.array([_origin_m(own, frames, raised, settings) for own, raised in each])


def _fitted(posed: Posed, settings: CleanupSettings) -> SolePoints:
    """Soles fitted to the flat stances of one motion."""
    stands_flat = (posed.flat(settings.floor.flat_rad) & posed.stands(settings.feet))[0]
    known = posed.motions.skeleton.soles_m is not None and posed.feet_m.shape[-2] > 4
    heights_m = posed.feet_m[0, ..., 1]
    if ground := posed.motions.ground:  # heels beyond the edge of a step are as high as its top
        heights_m = heights_m - ground.beneath_m(posed.feet_m[0]).max(-1, keepdims=True)
    return fit_soles(posed.soles, heights_m, stands_flat, posed.motions.fps, ball_known=known)


def _despike_unless(noisy: np.ndarray, motions: MotionBatch, settings: SpikeSettings) -> MotionBatch:
    """Despike, except where noise is everywhere and spikes mean nothing."""
    despiked = despike(motions, settings)
    return replace(
        motions,
        root_m=np.where(noisy[:, None, None], motions.root_m, despiked.root_m),
        rotations=np.where(noisy[:, None, None, None], motions.rotations, despiked.rotations),
    )


def _halted(posed: Posed, noisy: np.ndarray, settings: CleanupSettings) -> tuple[Posed, Floor]:
    """Motions as on a floor that stands still, and how it moves beneath them; noisy: (N,)."""
    still_m = np.zeros_like(posed.motions.root_m)
    ground = posed.motions.ground
    if not settings.estimate_drift or (ground is not None and ground.boxes):
        return posed, Floor(still_m, np.zeros(len(still_m), dtype=bool), [()] * len(still_m))
    ankles, fps = posed.orientations[:, :, Legs.of(posed.motions.skeleton).ankles], posed.motions.fps
    motion_of = partial(floor_motion, fps=fps, remove=settings.remove_drift, settings=settings.drift)
    each = zip(posed.feet_m, ankles, posed.motions.root_m, noisy, strict=True)
    found = [motion_of(feet_m, turned, root_m, noisy=own) for feet_m, turned, root_m, own in each]
    removed_m, kept_m = still_m, still_m.copy()
    for index, floor in enumerate(found):
        removed_m[index, 1:, [0, 2]] = np.cumsum(floor.removed_m_s, axis=0).T / fps
        kept_m[index, 1:, [0, 2]] = np.cumsum(floor.kept_m_s, axis=0).T / fps
    in_place = np.array([floor.in_place for floor in found])
    notes = [_notes_of(floor) for floor in found]
    halted = posed.moved(-(removed_m + kept_m))
    slid_m = furthest_in_stance_m(kept_m, halted.stands(settings.feet))
    held_m = np.where(in_place, 0.0, settings.feet.held_share(slid_m))[:, None, None] * kept_m
    if held_m.any():
        kept_m = kept_m - held_m
        halted = posed.moved(-(removed_m + kept_m))
    return halted, Floor(kept_m, in_place, notes)


def _notes_of(floor: FloorMotion) -> tuple[Note, ...]:
    """What is said of a floor that moves."""
    kind = NoteKind.IN_PLACE if floor.in_place else NoteKind.DRIFT_KEPT
    speed_m_s = round(float(lengths(floor.kept_m_s).mean()), 1)
    return (Note(kind, speed_m_s),) if floor.kept_m_s.any() else ()


def _level(posed: Posed, settings: CleanupSettings) -> Posed:
    """Motions with the ground on which they stand at y = 0, as far as their heights are to be changed."""
    if not (settings.estimate_floor and settings.mode.moves_to_floor) or posed.motions.ground is not None:
        return posed
    down_m = floors_m(posed, settings.floor, lowest=settings.mode.finds_supports)
    return posed.moved(-down_m[:, None, None] * (0.0, 1.0, 0.0))


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
