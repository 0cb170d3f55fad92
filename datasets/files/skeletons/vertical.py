"""Which way is up in a file: its format, its rest pose, how the body stands, the floor, and flights are asked.

Each of these witnesses may be wrong or silent: rest poses may lie in a world of their own, people crawl, and flights
are rare. Where the posture agrees with the rest pose or the format, it is believed. Otherwise floor and flights decide
between them. What stays open is refused, because a motion that was turned wrongly still looks like one.

Motions are then seen y up on a skeleton that rests upright, with a way back.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.motion.body.rest_pose import find_upright_turns
from selfcorrect.motion.checks.motion_features import MotionFeatures
from selfcorrect.motion.geometry.views import Y_UP, Z_UP, FrameChange, FrameChanges, TurnedFrames, to_y_up
from selfcorrect.motion.motion import Motion

from .reading import Up
from .sides import SWAPPED_NOTE, unswap_sides

WORDS = ("y up", "z up", "y down", "z down")
AXES = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0]])
"""Upwards in worlds of each kind."""

_RESTS, _STANDS, _CLEARLY = 0.85, 0.6, 0.25
"""Cosines between an axis and the way from ankles to neck. The first is of a rest pose that stands along it, the second
the mean of a motion that does. The third is how much larger that is than along other axes."""

_MARGIN, _WIDE_MARGIN = 0.6, 2.0
"""Differences between the strains of two axes: one that decides, and one that outweighs another witness."""

_LEVEL, _SUPPORT, _TIPS, _STILL_PER_S = 0.06, 0.12, 0.1, 0.3
"""Distances in lengths of a leg, each for a strain of one. The lowest joint may rise and fall by the first, and joints
up to the second above it bear weight. The centre of mass may be beyond those by the third, and the stillest of them as
fast as the fourth."""

_HELD_PER_S = 0.1
"""Joints that are slower, in lengths of a leg, may rest on something unseen: a seat, a wall."""

_MOST_STRAIN, _SHARE = 3.0, 0.5
"""Most strain that one sign adds, and the share of that margin that the better axis may have: climbers have no level
floor along any."""

_AT_ZERO = (-0.04, 0.15)
"""Heights of the lowest joint over a floor at 0, in lengths of a leg."""

_FLIGHT_S, _FEWEST, _GRAVITY_M_S2, _OFF, _ALONG = 0.2, 6, 9.81, 0.25, 0.95
"""A flight: so long and so many frames, in which the centre of mass falls at gravity, by so much more or less, along
an axis (cosine)."""

_ROUGH_M = 0.004
"""Most by which a flight is off its parabola, which is 5 cm high in that time."""

_MOMENTS, _DIRECTIONS = 256, 16
_MOST_FRAMES = 8192


@dataclass(frozen=True, eq=False)
class TracedBody:
    """A body in a world whose vertical axis is sought: (T, …) places in metres."""

    joints_m: np.ndarray
    """(T, B, 3)."""
    centre_m: np.ndarray
    """(T, 3) of the centre of mass."""
    upwards_m: np.ndarray
    """(T, 3) from between the ankles to the neck."""
    leg_m: float
    """Length of a leg."""
    fps: float
    told: int | None = None
    """Axis that the format has, None where it has none."""
    rest: int | None = None
    """Axis along which the rest pose stands, None where it stands along none."""

    @cached_property
    def moments(self) -> np.ndarray:
        """Frames that are looked at, not the last one."""
        return np.unique(np.linspace(0, max(len(self.joints_m) - 2, 0), _MOMENTS).round().astype(int))


def axis_of(up: Up) -> int:
    """The axis that an option names."""
    return "yz".index(up[0])


def up_of_motion(
    motion: Motion,
    up: Up | None,
    told: int | None = None,
    rest: int | None = None,
    among: Sequence[int] = (Y_UP, Z_UP),
    usual: int | None = None,
) -> tuple[int, tuple[str, ...]]:
    """The vertical axis of a motion's world, and a note where it was inferred from the motion; see `TracedBody`.

    up: What the reading says, which is believed unless all signs contradict it. usual: The axis of the program's world.
    A body that stands along another one outweighs it, as files are often turned on the way.
    """
    if up is not None:
        if not up.endswith("!"):
            _check_not_contradicted(motion, axis_of(up), told, rest)
        return axis_of(up), ()
    body = body_in(motion.frames(0, _MOST_FRAMES), told, rest) if len(motion) else None
    if usual is not None and (body is None or _posture(body, among) in (None, usual)):
        told, body = usual, body and replace(body, told=usual)
    return resolve_up_axis(body, motion.source or "the motion", told, among)


def _check_not_contradicted(motion: Motion, axis: int, told: int | None, rest: int | None) -> None:
    """InputError where the posture shows another axis than the one that was said, and no other witness agrees with it.

    Posture alone refuses nothing: people lie.
    """
    body = body_in(motion.frames(0, _MOST_FRAMES), told, rest) if len(motion) else None
    if body is None or (posture := _posture(body, (Y_UP, Z_UP))) in (None, axis):
        return
    others = {told, rest, _floor(body, (Y_UP, Z_UP))[0], _flight(body, (Y_UP, Z_UP))} - {None}
    if others and axis not in others:
        said, shown = WORDS[axis][0], WORDS[posture]
        raise InputError(
            f"{motion.source or 'the motion'}: --up {said} was said, but the motion is {shown} by how the body stands "
            f"and moves; leave --up out, or insist with --up {said}!"
        )


def resolve_up_axis(
    body: TracedBody | None, source: str, told: int | None, among: Sequence[int]
) -> tuple[int, tuple[str, ...]]:
    """The vertical axis that a body shows, or else the one that its format has, and a note where that does not."""
    found = None if body is None else infer_up_axis(body, source, among)
    axis = (among[0] if told is None else told) if found is None else found
    how = "assumed" if found is None else "inferred"
    return axis, () if axis == told else (f"{WORDS[axis]} {how} (--up)",)


def body_in(motion: Motion, told: int | None = None, rest: int | None = None) -> TracedBody | None:
    """The body of a motion; None where its legs or neck are not known."""
    features = MotionFeatures(motion)
    places = features.places("left_hip", "left_knee", "left_ankle", "right_ankle", "neck")
    if places is None:
        return None
    hip_m, knee_m, left_m, right_m, neck_m = np.moveaxis(places, 1, 0)
    leg_m = np.linalg.norm(knee_m - hip_m, axis=-1) + np.linalg.norm(left_m - knee_m, axis=-1)
    upwards_m = neck_m - (left_m + right_m) / 2
    return TracedBody(
        features.body_m, features.centre_m, upwards_m, max(float(np.median(leg_m)), 1e-6), motion.fps, told, rest
    )


def stands_along(upwards_m: np.ndarray) -> int | None:
    """The axis along which a rest pose (3,) stands from ankles to neck; None where it stands along none."""
    cosines = AXES @ upwards_m / max(float(np.linalg.norm(upwards_m)), 1e-9)
    return int(cosines.argmax()) if cosines.max() > _RESTS else None


def infer_up_axis(body: TracedBody, source: str, among: Sequence[int] = (Y_UP, Z_UP)) -> int | None:
    """The vertical axis, an index in `AXES`; None where nothing determines it.

    Raises InputError, which names the option that settles it, where witnesses contradict each other.
    """
    posture, (floor, margin) = _posture(body, among), _floor(body, among)
    rest = body.rest if body.rest in among else None
    agreed = posture is not None and posture in (body.told, rest)
    if agreed and (floor in (None, posture) or margin < _WIDE_MARGIN):
        return posture
    flight = _flight(body, among)
    mechanics = {axis for axis in (floor, flight) if axis is not None}
    others = {axis for axis in (posture, body.told, rest) if axis is not None}
    if not mechanics and len(others) > 1:
        mechanics = others & {_lies_at_zero(body, among)}
    if len(mechanics) == 1 and (not others or mechanics <= others or (len(others) == 1 and margin > _WIDE_MARGIN)):
        return mechanics.pop()
    if not mechanics and len(others) < 2:
        return next(iter(others), None)
    if not mechanics and posture is None:
        return body.told
    witnesses = {
        "the format": body.told,
        "the rest pose": rest,
        "how the body stands": posture,
        "the floor": floor,
        "flights": flight,
    }
    said = ", ".join(f"{WORDS[axis]} by {witness}" for witness, axis in witnesses.items() if axis is not None)
    raise InputError(f"{source}: its vertical axis is not clear ({said}); say which it is with --up y or --up z")


def _posture(body: TracedBody, among: Sequence[int]) -> int | None:
    """The axis along which the body mostly stands."""
    upwards = body.upwards_m[body.moments]
    upwards = upwards / np.maximum(np.linalg.norm(upwards, axis=-1, keepdims=True), 1e-9)
    cosines = (upwards @ AXES[list(among)].T).mean(axis=0)
    best, second = np.sort(cosines)[::-1][:2]
    return among[int(cosines.argmax())] if best > _STANDS and best > second + _CLEARLY else None


def _floor(body: TracedBody, among: Sequence[int]) -> tuple[int | None, float]:
    """The axis along which the body stands on something level, or at least at 0, and by how much that is clearer."""
    strains = np.array([_strain(body, AXES[axis]) for axis in among])
    order = np.argsort(strains)
    margin = float(strains[order[1]] - strains[order[0]])
    if margin > _MARGIN:
        return (among[int(order[0])] if strains.min() < _SHARE * margin else None), margin
    at_zero = [axis for axis in among if _is_at_zero(body, axis)]
    return (at_zero[0] if len(at_zero) == 1 else None), margin


def _is_at_zero(body: TracedBody, axis: int) -> bool:
    """Whether the body is mostly on a floor at 0 along an axis."""
    low = np.median((body.joints_m[body.moments] @ AXES[axis]).min(axis=1)) / body.leg_m
    return bool(_AT_ZERO[0] < low < _AT_ZERO[1])


def _lies_at_zero(body: TracedBody, among: Sequence[int]) -> int | None:
    """The axis along which a body that lies and shakes is on a floor at 0, and along no other, and strains least."""
    best = min(among, key=lambda axis: _strain(body, AXES[axis]))
    return best if [axis for axis in among if _is_at_zero(body, axis)] == [best] else None


def _strain(body: TracedBody, up: np.ndarray) -> float:
    """How badly a body would stand if `up` were up: the lowest joints neither level, nor still, nor below its mass."""
    frames = body.moments
    joints, centre = body.joints_m[frames] / body.leg_m, body.centre_m[frames] / body.leg_m
    heights = joints @ up
    low = heights.min(axis=1)
    following = body.joints_m[np.minimum(frames + 1, len(body.joints_m) - 1)] / body.leg_m
    speeds_per_s = np.linalg.norm(following - joints, axis=-1) * body.fps
    bears = heights < low[:, None] + _SUPPORT
    level = np.abs(low - np.median(low)) / _LEVEL
    across = np.linalg.svd(up[None])[2][1:]
    angles = 2 * np.pi * np.arange(_DIRECTIONS) / _DIRECTIONS
    reach = ((joints - centre[:, None]) @ across.T) @ np.stack([np.cos(angles), np.sin(angles)])
    held = bears | (speeds_per_s < _HELD_PER_S)
    beyond = -np.where(held[..., None], reach, -np.inf).max(axis=1).min(axis=1)
    tips = np.maximum(beyond - _TIPS, 0) / _TIPS
    still = np.where(bears, speeds_per_s, np.inf).min(axis=1) / _STILL_PER_S
    return float(sum(np.minimum(one, _MOST_STRAIN).mean() for one in (level, tips, still)))


def _flight(body: TracedBody, among: Sequence[int]) -> int | None:
    """The axis along which the centre of mass falls freely; None where it never does for long, or along several."""
    if len(body.centre_m) < max(_FEWEST, _FLIGHT_S * body.fps):
        return None
    window = max(_FEWEST, int(_FLIGHT_S * body.fps))
    times_s = np.arange(window) / body.fps
    powers = np.stack([times_s**2, times_s, np.ones(window)], axis=1)
    places_m = np.lib.stride_tricks.sliding_window_view(body.centre_m, window, axis=0)
    curves = places_m @ np.linalg.pinv(powers).T
    rough_m = np.linalg.norm(places_m - curves @ powers.T, axis=1).max(axis=-1)
    falls_m_s2 = -2 * curves[..., 0]
    sizes_m_s2 = np.linalg.norm(falls_m_s2, axis=-1)
    free = (np.abs(sizes_m_s2 / _GRAVITY_M_S2 - 1) < _OFF) & (rough_m < _ROUGH_M)
    falling = falls_m_s2[free] / np.maximum(sizes_m_s2[free, None], 1e-9)
    found = [axis for axis in among if (falling @ AXES[axis] > _ALONG).any()]
    return found[0] if len(found) == 1 else None


@dataclass(frozen=True, eq=False)
class Upright:
    """A motion y up on a skeleton that rests upright."""

    motion: Motion
    view: FrameChange
    """Of the motion as the file has it."""
    notes: tuple[str, ...]
    """What was assumed."""
    flaw: str = ""
    """Why the rest pose could not be made upright, "" where it is."""


def turn_upright(motion: Motion, up: Up | None = None, told: int | None = None) -> Upright:
    """A motion as read, whatever its vertical axis and its rest pose; `up` None to infer the axis from both.

    told: the axis that the format has, None where it has none. Raises InputError where they contradict each other and
    nothing decides between them.
    """
    motion, is_swapped = unswap_sides(_with_even_feet(motion))
    flaw, turns = "", None
    axis, notes = up_of_motion(motion, up, told, _rest_axis(motion))
    notes = (*notes, *([SWAPPED_NOTE] if is_swapped else []))
    y_up = FrameChanges((to_y_up(axis),) if axis else ())
    try:
        turns = find_upright_turns(y_up.view(motion))
    except InputError as error:
        flaw = str(error)
    if turns is None:
        return Upright(y_up.view(motion), y_up, notes, flaw)
    both = FrameChanges((*y_up.changes, TurnedFrames(turns)))
    return Upright(both.view(motion), both, (*notes, "the rest pose is not upright; measured from one that is"), flaw)


def _rest_axis(motion: Motion) -> int | None:
    """The axis along which the rest pose stands; None where it stands along none, or where that is not known."""
    skeleton = motion.skeleton
    tops = [skeleton.joint("neck")]
    if None in tops:
        tops = [skeleton.joint(f"{side}_shoulder") for side in ("left", "right")]
    ankles = [skeleton.joint(f"{side}_ankle") for side in ("left", "right")]
    if None in tops or None in ankles:
        return None
    rest_m = skeleton.rest_positions_m
    return stands_along(
        rest_m[np.array(tops, dtype=int)].mean(axis=0) - rest_m[np.array(ankles, dtype=int)].mean(axis=0)
    )


def _with_even_feet(motion: Motion) -> Motion:
    """The motion, its feet taken for blocks where only one of them has toes."""
    toes = {"left_foot", "right_foot"}
    if len(toes & set(motion.skeleton.parts)) != 1:
        return motion
    parts = tuple("" if part in toes else part for part in motion.skeleton.parts)
    return replace(motion, skeleton=replace(motion.skeleton, parts=parts))
