"""Compare a motion file with an earlier one, to find what an export, an import or a resampling changed.

Differences in timing, size and world are measured first and undone before joints are compared. A file that only lasts
longer is therefore not reported as one with displaced joints.
"""

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias
from xml.etree import ElementTree

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.signal import fftconvolve
from scipy.spatial.transform import Rotation

from selfcorrect.core.errors import InputError
from selfcorrect.datasets.files.motion_file import MotionFile
from selfcorrect.datasets.files.open import explain_no_motions, motion_files, open_motion
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.motion.checks.measure import measure_errors
from selfcorrect.motion.geometry.vectors import median, norms
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.measures.slip import measure_slip
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import Skeleton
from selfcorrect.storage.files.strict_json import to_json

from .findings import write_xml

_SAME_LENGTH_FRAMES = 1.5
"""Largest difference between equal durations, in frames, because some programs add or omit a last frame."""
_MAX_DELAY_FRAMES = 3
"""Largest delay that is searched, in frames, because some programs begin at frame 1 or insert a rest pose."""
_SAME_SCALE = 0.005
"""Largest relative difference between equal sizes."""
_SAME_WORLD_RAD = np.radians(0.5)
_SAME_PLACE_M = 0.005
_SAME_REST_RAD = np.radians(2.0)
_SAME_POSE_M = 1e-4
"""Mean difference between equal poses, in m. If several parts of a motion are equal, the first one is taken."""
_MIN_JOINTS = 4
_MIN_FRAMES = 4
_ROUNDING_S = 1e-6

RestFrames: TypeAlias = Mapping[str, np.ndarray]
"""Rest position (3,) of each joint, by name."""


@dataclass(frozen=True)
class Difference:
    """How a file's motion differs from the earlier one."""

    path: str
    against: str
    fps: tuple[float, float]
    """Frame rates before and after."""
    seconds: tuple[float, float]
    """Durations before and after."""
    stretch: float
    """Factor of the duration; exactly 1 if durations differ by at most 1.5 frames."""
    delay_s: float
    """Delay of the beginning; negative if the beginning is missing."""
    end_s: float
    """Additional time at the end; negative if the end is missing, and exactly 0 up to 1.5 frames."""
    scale: float
    """Factor of the body's size; exactly 1 if sizes differ by at most 0.5 %."""
    turn_deg: float
    """Rotation of the world; exactly 0 up to half a degree."""
    shift_m: tuple[float, float, float]
    """Shift of the world after scaling and rotation; exactly 0 up to 5 mm."""
    joints: int
    """Number of compared joints."""
    missing: tuple[str, ...]
    """Joints of the earlier file that have no counterpart in the later file, neither by name nor by body part."""
    lost: tuple[str, ...]
    """Missing joints that move, which are all except rigid tips of limbs, such as End Sites."""
    rest_deg: float
    """Largest angle between corresponding bones at rest; 0 if all agree within two degrees."""
    rest_bone: str
    """Joint at the end of this bone."""
    mean_mm: float
    """Mean distance between corresponding joints after all differences above are undone."""
    worst_mm: float
    """Largest distance between corresponding joints."""
    worst_joint: str
    worst_frame: int
    """Frame of the largest distance, in the earlier file."""
    penetration_mm: tuple[float, float]
    floating_mm: tuple[float, float]
    slip_mm: tuple[float, float]
    """Slip per stance."""

    def exceeds(self, tolerance_mm: float) -> bool:
        """Return whether the motions differ.

        They do if timing, size, world or rest pose differ, a joint is lost, or a distance exceeds the tolerance.
        """
        return self.is_elsewhere or bool(self.lost) or self.rest_deg > 0 or self.worst_mm > tolerance_mm

    @property
    def is_elsewhere(self) -> bool:
        """True if timing, size or world differ."""
        shifts = (self.delay_s, self.end_s, self.turn_deg, *self.shift_m)
        return (self.stretch, self.scale) != (1.0, 1.0) or any(shifts)

    def lines(self, tolerance_mm: float) -> Iterator[str]:
        """Yield a sentence for each difference, the most serious first."""
        if self.stretch != 1:
            yield f"lasts {self.stretch:.4g} times as long: {self.seconds[0]:.3f} → {self.seconds[1]:.3f} s"
        if self.fps[0] != self.fps[1]:
            yield f"frame rate {self.fps[0]:.6g} → {self.fps[1]:.6g} fps"
        if self.delay_s > 0:
            yield f"begins {self.delay_s:.3f} s later"
        elif self.delay_s:
            yield f"begins {-self.delay_s:.3f} s earlier: its beginning is missing"
        if self.end_s:
            longer = f"{self.end_s:.3f} s longer at its end"
            yield longer if self.end_s > 0 else f"its last {-self.end_s:.3f} s are missing"
        if self.scale != 1:
            yield f"{self.scale:.4g} times the size"
        if self.turn_deg:
            yield f"world turned by {self.turn_deg:.1f}°"
        if any(self.shift_m):
            yield "world shifted by ({:.3f}, {:.3f}, {:.3f}) m".format(*self.shift_m)
        if self.missing:
            yield f"joints missing: {', '.join(self.missing)}"
        if self.rest_deg:
            yield f"rest poses differ: {self.rest_bone} by {self.rest_deg:.0f}°"
        where = f"{self.worst_joint} in frame {self.worst_frame}"
        verdict = "beyond" if self.worst_mm > tolerance_mm else "within"
        yield (
            f"{self.joints} joints moved by {self.mean_mm:.2f} mm on average, {where} by {self.worst_mm:.1f} mm "
            f"({verdict} the tolerance of {tolerance_mm:g} mm)"
        )
        yield (
            f"penetration {self.penetration_mm[0]:.0f} → {self.penetration_mm[1]:.0f} mm, "
            f"floating {self.floating_mm[0]:.0f} → {self.floating_mm[1]:.0f} mm, "
            f"slip {self.slip_mm[0]:.0f} → {self.slip_mm[1]:.0f} mm per stance"
        )

    def to_values(self, tolerance_mm: float) -> dict[str, Any]:
        """Return the fields and the verdict as JSON values."""
        return asdict(self) | {"tolerance_mm": tolerance_mm, "exceeds": self.exceeds(tolerance_mm)}


def compare_files(path: Path, against: Path, reading: Reading) -> Difference:
    """Compare the file `path` with the earlier file `against`.

    Raises:
        InputError: A file cannot be read, holds several motions or no frames, or the files have fewer than four joints
            in common.
    """
    after = open_motion(path, reading, any_body=True)
    before = open_motion(against, reading, any_body=True)
    rests = (_get_rest(before), _get_rest(after))
    return compare_motions(after.motion, before.motion, str(path), str(against), rests)


def _get_rest(file: MotionFile) -> RestFrames | None:
    """Return the joint positions in a file's rest pose, or None if they are the skeleton's."""
    return file.rests[0] if file.rests else None


def compare_motions(
    after: Motion,
    before: Motion,
    path: str = "",
    against: str = "",
    rests: tuple[RestFrames | None, RestFrames | None] = (None, None),
) -> Difference:
    """Measure how `after` differs from `before`; see `Difference`.

    `rests` are the rest poses of `before` and `after`, or None for those of their skeletons.
    """
    for motion, name in ((before, against), (after, path)):
        if not len(motion):
            raise InputError(f"{name}: expected at least one frame, got none")
    if len(before) == 1:  # a single frame has no frame rate
        before = replace(before, fps=after.fps)
    elif len(after) == 1:
        after = replace(after, fps=before.fps)
    joints_before, joints_after = _match_joints(before.skeleton, after.skeleton)
    if len(joints_before) < _MIN_JOINTS:
        raise InputError(
            f"{path}: expected at least {_MIN_JOINTS} joints in common with {against}, got {len(joints_before)}"
        )
    before_m = joint_positions(before)[:, joints_before]
    after_m = joint_positions(after)[:, joints_after]
    # Tips of limbs are ignored for size, timing and world, because programs make new ones.
    body = [index for index, joint in enumerate(joints_before) if joint in before.skeleton.parents]
    if len(body) < _MIN_JOINTS:
        body = [*range(len(joints_before))]
    scale = _measure_scale(before_m[:, body], after_m[:, body], _find_bones(before.skeleton, joints_before, body))
    shapes = (_shapes(before_m[:, body]), _shapes(after_m[:, body] / scale))
    stretch = _measure_stretch(before, after, shapes)
    delay_s = _find_delay_s(shapes, before.fps, after.fps, stretch)
    if stretch != 1 or min(len(before), len(after)) == 1:
        cut_s = _find_cut_s(shapes, before, after, stretch)
        stretch, delay_s = (stretch, delay_s) if cut_s is None else (1.0, cut_s)
    end_s = after.seconds - before.seconds * stretch - delay_s
    if abs(end_s) <= _SAME_LENGTH_FRAMES / min(before.fps, after.fps):
        end_s = 0.0
    coarser = min(before, after, key=lambda motion: motion.fps / (stretch if motion is before else 1))
    at_s = np.arange(len(coarser)) / coarser.fps
    at_s = at_s if coarser is before else (at_s - delay_s) / stretch
    at_after_s = at_s * stretch + delay_s
    is_shared = (at_s >= -_ROUNDING_S) & (at_s <= before.seconds + _ROUNDING_S)
    is_shared &= (at_after_s >= -_ROUNDING_S) & (at_after_s <= after.seconds + _ROUNDING_S)
    goals_m = _sample(before_m, at_s[is_shared] * before.fps)
    moved_m = _sample(after_m / scale, at_after_s[is_shared] * after.fps)
    turn, shift_m = _fit_world(goals_m[:, body], moved_m[:, body])
    turned_m = turn.apply((moved_m - shift_m).reshape(-1, 3)).reshape(moved_m.shape)
    distances_m = norms(turned_m - goals_m)
    frame, joint = np.unravel_index(np.argmax(distances_m), distances_m.shape)
    rest_deg, rest_bone = _compare_rest(before.skeleton, after.skeleton, joints_before, joints_after, rests)
    has_same_frames = len(before) == len(after) and before.fps == after.fps
    errors_before = measure_errors(before)
    errors_after = measure_errors(after, before if has_same_frames else None)
    names = before.skeleton.names
    missing = tuple(name for joint, name in enumerate(names) if joint not in joints_before)

    def pair(key: str) -> tuple[float, float]:
        return 1000 * errors_before.errors[key], 1000 * errors_after.errors[key]

    return Difference(
        path=path,
        against=against,
        fps=(before.fps, after.fps),
        seconds=(before.seconds, after.seconds),
        stretch=stretch,
        delay_s=delay_s,
        end_s=end_s,
        scale=scale,
        turn_deg=float(np.degrees(turn.magnitude())),
        shift_m=(float(shift_m[0]), float(shift_m[1]), float(shift_m[2])),
        joints=len(joints_before),
        missing=missing,
        lost=tuple(name for name in missing if name not in before.skeleton.rigid),
        rest_deg=rest_deg,
        rest_bone=rest_bone,
        mean_mm=1000 * float(distances_m.mean()),
        worst_mm=1000 * float(distances_m[frame, joint]),
        worst_joint=names[joints_before[joint]],
        worst_frame=round(float(at_s[is_shared][frame] * before.fps)),
        penetration_mm=pair("penetration_m"),
        floating_mm=pair("floating_m"),
        slip_mm=(1000 * measure_slip(before).per_stance_m, 1000 * measure_slip(after).per_stance_m),
    )


def _match_joints(before: Skeleton, after: Skeleton) -> tuple[list[int], list[int]]:
    """Pair joints by name, or else by body part.

    Returns the indices of the paired joints in both skeletons.
    """
    exact = {name: joint for joint, name in enumerate(after.names)}
    plain = {_plain_name(name): joint for joint, name in reversed([*enumerate(after.names)])}
    same_name = [exact.get(name) for name in before.names]
    pairs: dict[int, int] = {}
    for joint, name in enumerate(before.names):
        match = same_name[joint]
        if match is None:
            match = plain.get(_plain_name(name))
            match = None if match in same_name else match
        if match is None and before.parts[joint]:
            match = after.joint(before.parts[joint])
        if match is not None and match not in pairs.values():
            pairs[joint] = match
    return [*pairs], [*pairs.values()]


def _plain_name(name: str) -> str:
    """Normalise a name, without namespace, case, blanks and punctuation."""
    own_name = unicodedata.normalize("NFKC", re.split(r"[:|]", name)[-1]).casefold()
    return re.sub(r"[\W_]", "", own_name) or own_name


def _measure_stretch(before: Motion, after: Motion, shapes: tuple[np.ndarray, np.ndarray]) -> float:
    """Return the factor of the duration.

    Durations that differ by at most `_SAME_LENGTH_FRAMES` count as equal, unless poses agree far better after
    stretching.
    """
    frame_s = 1 / min(before.fps, after.fps)
    if after.seconds == before.seconds or before.seconds == 0:
        return 1.0
    stretch = after.seconds / before.seconds
    if abs(after.seconds - before.seconds) > _SAME_LENGTH_FRAMES * frame_s:
        return stretch
    places = np.arange(len(before)) / before.fps * after.fps
    errors = [_measure_pose_error(shapes, places * factor) for factor in (1.0, stretch)]
    return stretch if _is_far_better(errors[1], errors[0]) else 1.0


def _find_bones(skeleton: Skeleton, joints: Sequence[int], body: Sequence[int]) -> list[tuple[int, int]]:
    """Return the bones between joints of the body, as pairs of indices into `body`."""
    place_of_joint = {joints[index]: place for place, index in enumerate(body)}
    bones = []
    for joint, place in place_of_joint.items():
        parent = place_of_joint.get(skeleton.parents[joint])
        if parent is not None:
            bones.append((parent, place))
    return bones


def _measure_scale(before_m: np.ndarray, after_m: np.ndarray, bones: Sequence[tuple[int, int]]) -> float:
    """Return the factor of the size: the median ratio of bone lengths, which do not depend on the pose.

    If there are too few bones, it is the ratio of the joints' mean distances from their centre, as medians over frames.
    """
    parents, children = np.array(bones, dtype=int).reshape(-1, 2).T
    spreads = [float(median(_shapes(places_m).mean(axis=1))) for places_m in (before_m, after_m)]
    if len(bones) >= _MIN_JOINTS:
        lengths_m = [norms(places_m[0, children] - places_m[0, parents]) for places_m in (before_m, after_m)]
        ratios = lengths_m[1][lengths_m[0] > 1e-6] / lengths_m[0][lengths_m[0] > 1e-6]
        spreads = [1.0, float(median(ratios))] if len(ratios) >= _MIN_JOINTS else spreads
    if spreads[0] == 0:
        return 1.0
    scale = spreads[1] / spreads[0]
    return 1.0 if abs(scale - 1) <= _SAME_SCALE else scale


def _shapes(places_m: np.ndarray) -> np.ndarray:
    """Return the distances (T, J) of joints from their centre."""
    return norms(places_m - places_m.mean(axis=1, keepdims=True))


def _find_delay_s(shapes: tuple[np.ndarray, np.ndarray], fps: float, fps_after: float, stretch: float) -> float:
    """Return the delay of the second file, in s, with which poses agree best; 0 unless it improves the agreement by
    far.

    Poses are compared by the distances of joints from their centre, which do not change if the world is rotated or
    shifted.
    """
    places = np.arange(len(shapes[0])) / fps * stretch * fps_after
    delays = range(-_MAX_DELAY_FRAMES, _MAX_DELAY_FRAMES + 1)
    errors = {delay: _measure_pose_error(shapes, places + delay) for delay in delays}
    best = min(errors, key=lambda delay: (errors[delay], abs(delay)))
    return best / fps_after if _is_far_better(errors[best], errors[0]) else 0.0


def _find_cut_s(shapes: tuple[np.ndarray, np.ndarray], before: Motion, after: Motion, stretch: float) -> float | None:
    """Return the time at which the first motion begins in the second, if one is a part of the other at the same speed.

    Otherwise, returns None. The shorter motion is compared with all parts of the longer one at once, by
    Σ |a − b|² = Σ a² + Σ b² − 2 Σ a b.
    """
    is_shorter = after.seconds < before.seconds
    short, long = shapes[::-1] if is_shorter else shapes
    short_fps, long_fps = (after.fps, before.fps) if is_shorter else (before.fps, after.fps)
    places = np.arange(0, len(long) - 1 + _ROUNDING_S, long_fps / short_fps)
    long = _sample(long, places)
    if len(long) < len(short):
        return None
    overlap = fftconvolve(long, short[::-1], mode="valid", axes=0).sum(axis=1)
    sums = np.cumsum(np.concatenate([[0.0], (long**2).sum(axis=1)]))
    squares = sums[len(short) :] - sums[: -len(short)] + (short**2).sum() - 2 * overlap
    first = int(np.argmax(squares <= squares.min() + _SAME_POSE_M**2 * short.size))
    error_m = float(np.abs(long[first : first + len(short)] - short).mean())
    if len(before) > 1 and len(after) > 1:
        stretched_m = _measure_pose_error(shapes, np.arange(len(before)) / before.fps * stretch * after.fps)
        if not error_m < stretched_m:
            return None
    return -first / short_fps if is_shorter else first / short_fps


def _measure_pose_error(shapes: tuple[np.ndarray, np.ndarray], places: np.ndarray) -> float:
    """Return the mean difference between the first shapes (T, J) and the second ones at fractional frames (T,).

    The result is infinite if at most half of the frames exist.
    """
    is_shared = (places >= 0) & (places <= len(shapes[1]) - 1)
    if is_shared.sum() <= len(places) / 2:
        return np.inf
    return float(np.abs(_sample(shapes[1], places[is_shared]) - shapes[0][is_shared]).mean())


def _is_far_better(error_m: float, usual_m: float) -> bool:
    return error_m < 0.5 * usual_m and usual_m > 1e-4


def _sample(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Interpolate values (T, ...) at fractional frames with cubic splines."""
    places = np.clip(places, 0, len(values) - 1)
    if len(values) < _MIN_FRAMES:
        return values[np.rint(places).astype(int)]
    return CubicSpline(np.arange(len(values)), values, axis=0)(places)


def _fit_world(before_m: np.ndarray, after_m: np.ndarray) -> tuple[Rotation, np.ndarray]:
    """Fit the rotation and shift that map the second file's positions to the first's.

    Both minimise the squared distances (Kabsch 1976), and each is set to zero if it is small.
    """
    points, goals = after_m.reshape(-1, 3), before_m.reshape(-1, 3)
    turn = Rotation.align_vectors(goals - goals.mean(axis=0), points - points.mean(axis=0))[0]
    if turn.magnitude() <= _SAME_WORLD_RAD:
        turn = Rotation.identity()
    shift_m = points.mean(axis=0) - turn.inv().apply(goals.mean(axis=0))
    return turn, np.where(np.linalg.norm(shift_m) <= _SAME_PLACE_M, 0.0, shift_m)


def _compare_rest(
    before: Skeleton,
    after: Skeleton,
    joints_before: Sequence[int],
    joints_after: Sequence[int],
    rests: tuple[RestFrames | None, RestFrames | None],
) -> tuple[float, str]:
    """Compare the bone directions of two rest poses, except for rigid tips.

    A rotation of the whole pose, as by other axes, is not a difference.

    Returns:
        The largest angle in degrees, and the joint at the end of this bone.
    """
    places = [_find_rest_positions(skeleton, rest) for skeleton, rest in zip((before, after), rests, strict=True)]
    match = dict(zip(joints_before, joints_after, strict=True))
    joints = []
    bones: list[list[np.ndarray]] = [[], []]
    for joint, other in match.items():
        parent = before.parents[joint]
        is_tip = before.names[joint] in before.rigid or after.names[other] in after.rigid
        if is_tip or parent not in match or after.parents[other] != match[parent]:
            continue
        pair = (places[0][joint] - places[0][parent], places[1][other] - places[1][match[parent]])
        lengths = [float(np.linalg.norm(bone)) for bone in pair]
        if all(length > 1e-6 for length in lengths):
            joints.append(joint)
            for side in range(2):
                bones[side].append(pair[side] / lengths[side])
    if len(joints) < 2:
        return 0.0, ""
    goals, directions = np.array(bones[0]), np.array(bones[1])
    turned = Rotation.align_vectors(goals, directions)[0].apply(directions)
    angles = np.arccos(np.clip((goals * turned).sum(axis=1), -1, 1))
    worst = int(angles.argmax())
    if angles[worst] <= _SAME_REST_RAD:
        return 0.0, ""
    return float(np.degrees(angles[worst])), before.names[joints[worst]]


def _find_rest_positions(skeleton: Skeleton, rest: RestFrames | None) -> np.ndarray:
    """Return the joint positions (J, 3) at rest, NaN for joints that the file does not state."""
    if rest is None:
        return skeleton.rest_positions_m
    return np.array([rest.get(name, np.full(3, np.nan)) for name in skeleton.names])


def pair_files(inputs: Sequence[Path], against: Path) -> list[tuple[Path, Path]]:
    """Pair motion files with earlier files by the stem of the file name.

    Raises:
        InputError: There are no motion files, or a file has no original or several.
    """
    paths = [path for place in inputs for path in motion_files(place)]
    if not paths:
        raise explain_no_motions(inputs)
    if not against.is_dir():
        if len(paths) > 1:
            raise InputError(f"{len(paths)} files against one: expected a folder of originals, got {against}")
        return [(paths[0], against)]
    originals: dict[str, list[Path]] = {}
    for original in motion_files(against):
        originals.setdefault(original.stem, []).append(original)
    pairs = []
    for path in paths:
        found = originals.get(path.stem, [])
        if len(found) != 1:
            raise InputError(f"{against}: expected one motion file named {path.stem}, as {path} is, found {len(found)}")
        pairs.append((path, found[0]))
    return pairs


def format_differences(
    differences: Sequence[Difference], tolerance_mm: float, form: Literal["text", "json", "junit"]
) -> str:
    """Format the differences of all files as text, JSON, or JUnit XML with a test case per file."""
    if form == "json":
        values = [difference.to_values(tolerance_mm) for difference in differences]
        return json.dumps(to_json(values), indent=1, allow_nan=False)
    if form == "junit":
        return _to_junit(differences, tolerance_mm)
    lines = []
    for difference in differences:
        lines.append(f"{difference.path} against {difference.against}:")
        lines += [f"  {line}" for line in difference.lines(tolerance_mm)]
    return "\n".join(lines)


def _to_junit(differences: Sequence[Difference], tolerance_mm: float) -> str:
    failures = sum(difference.exceeds(tolerance_mm) for difference in differences)
    counts = {"tests": str(len(differences)), "failures": str(failures), "errors": "0"}
    root = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(root, "testsuite", {"name": "selfcorrect check --against", **counts})
    for difference in differences:
        case = ElementTree.SubElement(suite, "testcase", classname="selfcorrect.check", name=difference.path)
        lines = [*difference.lines(tolerance_mm)]
        if difference.exceeds(tolerance_mm):
            ElementTree.SubElement(case, "failure", message=lines[0]).text = "\n".join(lines)
        else:
            ElementTree.SubElement(case, "system-out").text = "\n".join(lines)
    return write_xml(root)
