"""Infer a file's vertical axis.

Witnesses are the format, the rest pose, how the body stands, the floor, and flights. Each of these witnesses may be
wrong or silent: rest poses may lie in a separate world, people crawl, and flights are rare. So none decides alone. Each
gives log-odds of the axes, and the axis with the largest sum is taken. If the lead is small, the file is refused,
because a motion that was turned wrongly still looks like a motion.

Motions are then seen y up on a skeleton that rests upright, with a way back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.motion.body.rest_pose import find_upright_turns
from selfcorrect.motion.geometry.vectors import GRAVITY_M_S2, find_distinct, median, normalize_safely, norms
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.motion_features import MotionFeatures
from selfcorrect.motion.views import X_UP, FrameChange, FrameChanges, TurnedFrames, to_y_up

from .anatomy import note_overruled_names
from .file_note import FileNote
from .reading import Up
from .sides import unswap_sides

WORDS = ("y up", "z up", "y down", "z down", "x up", "x down")
OPTIONS: tuple[Up, ...] = ("y", "z", "y-down", "z-down", "x", "x-down")
"""Options that name worlds of each kind."""
AXES = np.array(
    [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]]
)
"""Upwards in worlds of each kind."""
ALL_AXES = range(len(AXES))

_RESTS = 0.85
"""Minimum cosine between axis and body at rest. The body runs from ankles to neck; its rest pose stands along the
axis."""

_HABIT = np.array([0.0, 0.0, -2.0, -2.0, -1.5, -1.5])
"""Prior log-odds of the axes. They hold for files of formats without axis."""
_BY_FORMAT = 3.0
_BY_REST = 2.5
_BY_FLIGHT = 2.2
"""Log-odds of axes by format, rest pose and fall. The format has the axis, the rest pose stands along it, or the body
falls freely along it."""
_BY_POSTURE = 4.0
"""Log-odds of an axis by posture. The body stands along it all the time; the odds are against the axis if the body
hangs."""
_STANDS_STRAINED = (3.0, 5.0)
"""Strains of a standing and a swimming body. Up to the first, a stretched body stands along the axis; from the second
on, it rather swims."""
_SWIMS_SHARE = 0.25
"""Share of these log-odds for swimming bodies. They hardly stand; the axis is another than the format's or the rest
pose's."""
_BY_ZERO = 2.6
"""Log-odds of an axis with a floor at 0. The body is on that floor."""
_BY_TRAVEL = 2.0
"""Log-odds against an axis of travel. People rarely climb, and who swims or crawls stays level."""
_SURE = 0.5
"""Minimum lead of the chosen axis, in log-odds."""
_SPEAKS = 0.5
"""Minimum lead of a witness' axis, in log-odds."""
_AGAINST = 5.0
"""Lead that contradicts an option, in log-odds. Another axis has it, and no witness is for the option."""

_LEVEL = 0.06
"""Height range of the lowest joint at strain 1, in leg lengths."""
_SUPPORT = 0.12
"""Maximum height of a bearing joint, in leg lengths above the lowest joint."""
_TIPS = 0.1
"""Overhang of the centre of mass at strain 1, in leg lengths beyond the joints that bear weight."""
_STILL_PER_S = 0.3
"""Speed of the stillest joint at strain 1, in leg lengths per s. It is one of these joints."""
_HELD_PER_S = 0.1
"""Maximum speed of a held joint, in leg lengths per s. It may rest on something unseen: a seat, a wall."""

_MOST_STRAIN = 3.0
"""Most strain that a single sign adds."""
_AT_ZERO = (-0.04, 0.15)
"""Height range of the lowest joint on a floor at 0, in leg lengths."""
_OFTEN = 0.2
"""Minimum share of frames in that range."""
_FAR = 1.0
"""Minimum travel along an axis, in leg lengths."""
_STRAIGHT = 0.8
"""Least cosine between the travel and the axis."""

_FLIGHT_S = 0.2
_FEWEST_FLIGHT_FRAMES = 6
"""Minimum duration and number of frames of a flight."""
_GRAVITY_OFF = 0.25
"""Tolerated relative error of gravity, in a flight of the centre of mass."""
_ALONG = 0.95
"""Least cosine between that acceleration and the axis."""
_ROUGH_M = 0.004
"""Maximum deviation of a flight from its parabola, in m. The parabola is 5 cm high in that time."""

_TRACED_PARTS = ("left_hip", "left_knee", "left_ankle", "right_ankle", "neck")
"""Parts that show how a body stands."""
_NO_LEG_M = 1e-6
"""Length of a leg that has none."""
_MOMENTS = 256
"""Number of frames that are looked at."""
_DIRECTIONS = 16
_MOST_FRAMES = 8192


@dataclass(frozen=True, eq=False)
class TracedBody:
    """A body whose vertical axis is unknown, with positions (T, …) in m."""

    joints_m: np.ndarray
    """(T, B, 3) positions of the body's joints."""
    centre_m: np.ndarray
    """(T, 3) positions of the centre of mass."""
    upwards_m: np.ndarray
    """(T, 3) from between the ankles to the neck."""
    leg_m: float
    """Length of a leg."""
    fps: float
    format_axis: int | None = None
    """Axis that the format has, None without one."""
    rest_axis: int | None = None
    """Axis of the standing rest pose, None without one."""

    @classmethod
    def from_parts(
        cls,
        parts_m: Mapping[str, np.ndarray],
        joints_m: np.ndarray,
        centre_m: np.ndarray,
        fps: float,
        format_axis: int | None = None,
        rest_axis: int | None = None,
    ) -> Self:
        """Return the body with some parts at known places.

        Args:
            parts_m: Places (T, 3) of the left leg's joints, the right ankle and the neck.
            joints_m: As in the class, like the others.
        """
        knee_m = parts_m["left_knee"]
        ankle_m = parts_m["left_ankle"]
        leg_m = norms(knee_m - parts_m["left_hip"]) + norms(ankle_m - knee_m)
        upwards_m = parts_m["neck"] - (ankle_m + parts_m["right_ankle"]) / 2
        usual_leg_m = max(float(median(leg_m)), _NO_LEG_M)
        return cls(joints_m, centre_m, upwards_m, usual_leg_m, fps, format_axis, rest_axis)

    @cached_property
    def moments(self) -> np.ndarray:
        """Frames that are looked at, never the last frame."""
        latest = max(len(self.joints_m) - 2, 0)
        frames = np.linspace(0, latest, _MOMENTS).round()
        return find_distinct(frames.astype(int))


@dataclass(frozen=True)
class AxisEvidence:
    """A reason for a vertical axis."""

    words: str
    axis: int | None = None
    """Index in `AXES` of the witness' axis; None for an option, which names the axis."""

    def __str__(self) -> str:
        return self.words if self.axis is None else f"{WORDS[self.axis]} {self.words}"


@dataclass(frozen=True)
class UpAxis:
    """The vertical axis of a world, and why."""

    axis: int
    """Index in `AXES`."""
    evidence: tuple[AxisEvidence, ...] = ()
    notes: tuple[FileNote, ...] = ()
    """Note on an axis that the format lacks, or ()."""
    unknown: tuple[str, ...] = ()
    """Witnesses that show no axis."""

    @classmethod
    def from_option(cls, up: Up) -> Self:
        """Return the axis that an option names."""
        return cls(OPTIONS.index(up.removesuffix("!")), (AxisEvidence(f"--up {up}"),))


def up_of_motion(
    motion: Motion,
    up: Up | None,
    format_axis: int | None = None,
    rest_axis: int | None = None,
    among: Sequence[int] = ALL_AXES,
) -> UpAxis:
    """Infer the vertical axis of a motion's world.

    Args:
        up: Axis by the reading, believed unless the motion clearly contradicts.
        format_axis: Axis that the format or the program has, None without one.
        rest_axis: Axis of the standing rest pose, None without one.
        among: Axes that come into question.

    Raises:
        InputError: The motion contradicts the reading, or no axis leads clearly.
    """
    source = motion.source or "the motion"
    if up is not None and up.endswith("!"):
        return UpAxis.from_option(up)
    body = None
    features = MotionFeatures.of_joints(motion.frames(0, _MOST_FRAMES))
    if len(motion) and (places_m := features.places(*_TRACED_PARTS)) is not None:
        parts_m: dict[str, np.ndarray] = dict(zip(_TRACED_PARTS, np.moveaxis(places_m, 1, 0), strict=True))
        body = TracedBody.from_parts(parts_m, features.body_m, features.centre_m, motion.fps, format_axis, rest_axis)
    if up is not None:
        return _check_option(body, up, source)
    return resolve_up_axis(body, source, format_axis, among)


def _check_option(body: TracedBody | None, up: Up, source: str) -> UpAxis:
    """Return the axis that an option names.

    Raises InputError if all witnesses are for another axis, or silent.
    """
    axis = UpAxis.from_option(up).axis
    witnesses = [] if body is None else _find_witnesses(body)
    log_odds = sum((witness.log_odds for witness in witnesses), _HABIT)
    shown = int(log_odds.argmax())
    is_supported = any(witness.find_lead(axis, ALL_AXES) > _SPEAKS for witness in witnesses)
    if not is_supported and log_odds[shown] - log_odds[axis] > _AGAINST:
        option = OPTIONS[axis]
        raise InputError(
            f"{source}: --up {option} contradicts the motion, which is {WORDS[shown]} by how the body stands and "
            f"moves; leave --up out, or insist with --up {option}!"
        )
    return UpAxis.from_option(up)


def resolve_up_axis(body: TracedBody | None, source: str, format_axis: int | None, among: Sequence[int]) -> UpAxis:
    """Resolve a body's vertical axis: the body decides, or else the format.

    Args:
        body: Body in the file's world, None if legs or neck are not known. A body without length of legs shows nothing.
        source: Name of the motion in messages.
        format_axis: Axis that the format has, None without one.
        among: Axes that come into question; the first is assumed if nothing shows another.

    Returns:
        The axis, with a note if not the format's.

    Raises:
        InputError: No axis leads clearly.
    """
    if body is None or body.leg_m == _NO_LEG_M:
        axis = among[0] if format_axis is None else format_axis
        return UpAxis(axis, notes=() if axis == format_axis else (FileNote(f"{WORDS[axis]} assumed", "--up"),))
    witnesses = _find_witnesses(body)
    among = _leave_out_upside_down(among, body, witnesses)
    prior = _Witness("habit", _HABIT if format_axis is None else np.zeros(len(AXES)))
    total = _Witness("all", sum((witness.log_odds for witness in witnesses), prior.log_odds))
    axis, second, *_ = sorted(among, key=lambda candidate: -total.log_odds[candidate])
    shown = [(witness.name, witness.get_evidence(among)) for witness in witnesses]
    evidence = tuple(sign for _, sign in shown if sign is not None)
    unknown = tuple(name for name, sign in shown if sign is None)
    if total.find_lead(axis, among) < _SURE:
        either = " or ".join(f"--up {OPTIONS[candidate]}" for candidate in sorted((axis, second)))
        raise InputError(
            f"{source}: its vertical axis is not clear ({', '.join(map(str, evidence)) or 'nothing shows it'}); "
            f"pass it with {either}"
        )
    notes = () if axis == format_axis else (FileNote(f"{WORDS[axis]} inferred", "--up"),)
    return UpAxis(axis, evidence, notes, unknown)


_REST = "the rest pose"
_POSTURE = "how the body stands"


@dataclass(frozen=True, eq=False)
class _Witness:
    """A sign of the vertical axis."""

    name: str
    log_odds: np.ndarray
    """(6,) by axis."""

    def find_lead(self, axis: int, candidates: Sequence[int]) -> float:
        """Return an axis' lead over all other candidates, in log-odds."""
        return float(self.log_odds[axis] - max(self.log_odds[other] for other in candidates if other != axis))

    def get_evidence(self, candidates: Sequence[int]) -> AxisEvidence | None:
        """Return the witness' axis and its lead, None if it favours no axis."""
        axis = max(candidates, key=lambda candidate: self.log_odds[candidate])
        lead = self.find_lead(axis, candidates)
        return AxisEvidence(f"by {self.name} (+{lead:.1f})", axis) if lead > _SPEAKS else None


def _leave_out_upside_down(among: Sequence[int], body: TracedBody, witnesses: Sequence[_Witness]) -> Sequence[int]:
    """Leave out an upside-down world.

    This is the axis opposite to the rest pose's, if only the posture is for that axis. A person who is upside down, on
    the hands or on a bar, looks like a person who stands in a world that is upside down. Only floor, supports, travel
    and flights tell the two apart.
    """
    if body.rest_axis is None:
        return among
    opposite = int((AXES @ AXES[body.rest_axis]).argmin())
    others = [witness.log_odds for witness in witnesses if witness.name not in (_REST, _POSTURE)]
    lead = sum(log_odds[opposite] - log_odds[body.rest_axis] for log_odds in others)
    return among if lead > _SPEAKS else [axis for axis in among if axis != opposite]


def _find_witnesses(body: TracedBody) -> list[_Witness]:
    """Find what format, rest pose and motion show of the vertical axis, in the file's world."""
    upwards = normalize_safely(body.upwards_m[body.moments])
    low = (body.joints_m[body.moments] @ AXES.T).min(axis=1) / body.leg_m
    is_at_zero = ((_AT_ZERO[0] < low) & (low < _AT_ZERO[1])).mean(axis=0) > _OFTEN
    travel = (body.centre_m[-1] - body.centre_m[0]) / body.leg_m
    travels = np.abs(AXES @ travel) > max(_FAR, _STRAIGHT * float(np.linalg.norm(travel)))
    strains = _find_strains(body)
    posture = _BY_POSTURE * (upwards @ AXES.T).mean(axis=0)
    is_standing = np.interp(strains, _STANDS_STRAINED, (1.0, _SWIMS_SHARE))
    marks = _mark(body.format_axis) + _mark(body.rest_axis)
    is_in_doubt = (posture > 0) & (marks < marks.max())
    return [
        _Witness("the format", _BY_FORMAT * _mark(body.format_axis)),
        _Witness(_REST, _BY_REST * _mark(body.rest_axis)),
        _Witness(_POSTURE, np.where(is_in_doubt, is_standing * posture, posture)),
        _Witness("what it stands on", -strains),
        _Witness("a floor at 0", _BY_ZERO * is_at_zero),
        _Witness("where it travels", -_BY_TRAVEL * travels),
        _Witness("flights", _BY_FLIGHT * _find_flights(body)),
    ]


def _mark(axis: int | None) -> np.ndarray:
    """Return (6,) with 1 at an axis, all zero for None."""
    return (np.arange(len(AXES)) == axis).astype(float)


def _find_strains(body: TracedBody) -> np.ndarray:
    """Score how badly a body stands along (6,) axes."""
    frames = body.moments
    next_frames = np.minimum(frames + 1, len(body.joints_m) - 1)
    joints = body.joints_m[frames] / body.leg_m
    centre = body.centre_m[frames] / body.leg_m
    next_joints = body.joints_m[next_frames] / body.leg_m
    speeds_per_s = norms(next_joints - joints) * body.fps
    return np.array([_find_strain(axis, joints, joints - centre[:, None], speeds_per_s) for axis in AXES])


def _find_strain(up: np.ndarray, joints: np.ndarray, from_centre: np.ndarray, speeds_per_s: np.ndarray) -> float:
    """Score how badly a body stands along `up`.

    A body stands badly if its lowest joints are not level, not still, or not below the centre of mass.

    Args:
        joints: (T, J, 3) places of joints, in lengths of a leg.
        from_centre: (T, J, 3) the same, seen from the centre of mass.
        speeds_per_s: (T, J) of the joints.
    """
    heights = joints @ up
    low = heights.min(axis=1)
    bears_weight = heights < low[:, None] + _SUPPORT
    unevenness = np.abs(low - median(low)) / _LEVEL
    across = np.linalg.svd(up[None])[2][1:]
    angles = 2 * np.pi * np.arange(_DIRECTIONS) / _DIRECTIONS
    directions = np.stack([np.cos(angles), np.sin(angles)])
    reach = (from_centre @ across.T) @ directions
    is_support = bears_weight | (speeds_per_s < _HELD_PER_S)
    support_reach = np.where(is_support[..., None], reach, -np.inf).max(axis=1)
    beyond = -support_reach.min(axis=1)
    tipping = np.maximum(beyond - _TIPS, 0) / _TIPS
    sliding = np.where(bears_weight, speeds_per_s, np.inf).min(axis=1) / _STILL_PER_S
    strain = 0.0
    for sign in (unevenness, tipping, sliding):
        strain += np.minimum(sign, _MOST_STRAIN).mean()
    return float(strain)


def _find_flights(body: TracedBody) -> np.ndarray:
    """Find axes (6,) along which the body falls freely; none if there are several."""
    window = max(_FEWEST_FLIGHT_FRAMES, int(_FLIGHT_S * body.fps))
    if len(body.centre_m) < max(_FEWEST_FLIGHT_FRAMES, _FLIGHT_S * body.fps):
        return np.zeros(len(AXES))
    times_s = np.arange(window) / body.fps
    powers = np.stack([times_s**2, times_s, np.ones(window)], axis=1)
    places_m = np.lib.stride_tricks.sliding_window_view(body.centre_m, window, axis=0)
    curves = places_m @ np.linalg.pinv(powers).T
    off_curves_m = np.linalg.norm(places_m - curves @ powers.T, axis=1)
    is_smooth = off_curves_m.max(axis=-1) < _ROUGH_M
    falls_m_s2 = -2 * curves[..., 0]
    sizes_m_s2 = norms(falls_m_s2)
    is_free = is_smooth & (np.abs(sizes_m_s2 / GRAVITY_M_S2 - 1) < _GRAVITY_OFF)
    falling = falls_m_s2[is_free] / np.maximum(sizes_m_s2[is_free, None], 1e-9)
    is_fall = (falling @ AXES.T > _ALONG).any(axis=0)
    return is_fall * (is_fall.sum() == 1)


@dataclass(frozen=True, eq=False)
class Upright:
    """A motion y up with an upright rest pose."""

    motion: Motion
    view: FrameChange
    """View that turns the file's motion into `motion`."""
    up: UpAxis
    notes: tuple[str, ...]
    """Assumptions that were made."""
    flaw: str = ""
    """Why the rest pose is not upright, or ""."""


def turn_upright(motion: Motion, up: Up | None = None, format_axis: int | None = None) -> Upright:
    """Turn a motion y up, and its rest pose upright.

    Args:
        up: Axis by the reading; None to infer the axis from format, rest pose and motion.
        format_axis: Axis that the format has, None without one.

    Raises:
        InputError: No axis leads clearly.
    """
    name_notes = note_overruled_names(motion.skeleton)
    motion, swap_notes = unswap_sides(_with_even_feet(motion))
    up_axis = up_of_motion(motion, up, format_axis, _rest_axis(motion))
    notes = (*up_axis.notes, *name_notes, *swap_notes)
    y_up = FrameChanges((to_y_up(up_axis.axis),) if up_axis.axis else ())
    flaw = ""
    turns = None
    try:
        turns = find_upright_turns(y_up.view(motion))
    except InputError as error:
        flaw = str(error)
    if turns is None:
        return Upright(y_up.view(motion), y_up, up_axis, notes, flaw)
    both = FrameChanges((*y_up.changes, TurnedFrames(turns)))
    notes = (*notes, "the rest pose is not upright; measured from an upright pose")
    return Upright(both.view(motion), both, up_axis, notes, flaw)


def _rest_axis(motion: Motion) -> int | None:
    """Return the axis of a standing rest pose.

    Returns None if the body does not stand, or if that is unknown. Rest poses along x are common in y-up worlds, where
    each bone lies along its own x axis, so they are not evidence.
    """
    skeleton = motion.skeleton
    neck = skeleton.joint("neck")
    tops = skeleton.pair("shoulder") if neck is None else (neck,)
    ankles = skeleton.pair("ankle")
    if tops is None or ankles is None:
        return None
    rest_m = skeleton.rest_positions_m
    upwards_m = rest_m[list(tops)].mean(axis=0) - rest_m[list(ankles)].mean(axis=0)
    cosines = AXES[:X_UP] @ upwards_m / max(float(np.linalg.norm(upwards_m)), 1e-9)
    return int(cosines.argmax()) if cosines.max() > _RESTS else None


def _with_even_feet(motion: Motion) -> Motion:
    """Return the motion with equal feet: both are taken as blocks if only one has toes."""
    toes = {"left_foot", "right_foot"}
    if len(toes & set(motion.skeleton.parts)) != 1:
        return motion
    parts = tuple("" if part in toes else part for part in motion.skeleton.parts)
    return replace(motion, skeleton=replace(motion.skeleton, parts=parts))
