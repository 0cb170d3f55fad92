"""Measure whether correction brings a motion closer to the truth.

    python -m benchmarks.truth path/to/cmu-bvh                                   # 12 clips of the train split
    python -m benchmarks.truth path/to/cmu-bvh --damages noise,tilt15 -- --level  # an option for the command
    python -m benchmarks.truth path/to/cmu-bvh --command "my-cleaner IN OUT"      # anybody's cleaner
    python -m benchmarks.truth path/to/cmu-bvh --out new --against truth/truth.json

With `--against`, changes since an earlier run are printed, and the exit code is 1 if a measure got worse. A cleaner is
a command that reads the BVH files of the folder IN and writes files of the same names into the folder OUT.

Captured BVH clips are the truth: a folder, a tar file, or a folder with a tar file (y up, positions only at the root).
At most 5 s of each are damaged in the same ways in every run, corrected, and compared with the capture. If a clip does
not come back, its damaged input counts, because the user is left with it. A clip takes 17 s of processor time.

Two filters of joint positions serve for comparison. "low-pass" is a Butterworth filter (4th order, 6 Hz, in both
directions). "foot lock" then finds contacts of low and slow toes, sets one height for the clip, and holds each foot at
its mean place in a contact by two-bone inverse kinematics. It takes the height of standing toes from the truth.

The tables show means over clips. In stance, a toe joint of the truth is low and slow for at least 0.1 s.
    global, pose   distance of the joints from the truth, in the world and relative to the root
    level          global after the result is shifted vertically by its median height error in stance
    slide, height  horizontal speed of toe joints in stance (the truth slides too: see "clean"), and height error
    slip20, slip40 share of the truth's contacts of at least 0.15 s in which the toe gets 20 or 40 mm away from its
                   median place, in percent
    jerk, knee     mean jerk divided by the truth's (1 is best), and worst excess of a knee's speed over the truth's
    closer, worst  clips whose global error is at least 0.1 mm below the damaged clip's, and the one with the largest
"shift" measures invariance instead: the undamaged clip is corrected as it is, 6 cm lower and 6 cm higher. The table
shows the standard deviations of the toe height in stance, and of the pose, over the three results (0 is best).
"""

import argparse
import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from copy import copy
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.ndimage import binary_opening, gaussian_filter1d
from scipy.signal import butter, lfilter, sosfiltfilt
from scipy.spatial.transform import Rotation, Slerp

from selfcorrect.motion.geometry.runs import find_runs

DAMAGES = {
    "clean": "undamaged",
    "noise": "every frame: rotations by 1.5 deg, root by 4 mm",
    "wander": "slow noise (0.25 s): rotations by 2.5 deg, root by 2 cm",
    "sunk": "4 cm too low",
    "sinking": "sinks by 8 cm from start to end",
    "raised": "5 cm too high",
    "flat": "height of the root lost: its median in every frame",
    "float": "two strides of 1 s float by 10 cm",
    "drift": "drifts by 15 cm/s",
    "stride": "path 20 % longer than the steps, 3 cm of sway",
    "slide": "one foot slides by 15 cm within 2 s",
    "knees": "knees bent by 12 deg more, as by retargeting",
    "tilt5": "world tilted by 5 deg",
    "tilt15": "world tilted by 15 deg",
    "leg": "one leg shakes by 5 deg for 0.8 s",
    "arm": "right arm shakes by 8 deg for 0.8 s",
    "pop": "root jumps by 11 cm for a frame, right arm by 60 deg for two",
    "10fps": "10 fps, interpolated",
    "25fps": "25 fps stored at 30: every sixth frame is a repeat",
    "held": "20 % of frames repeat the frame before",
    "far": "tilt5 at 20 m from the origin: the figures should be those of tilt5",
    "bones": "six channels at each joint, whose offsets vary by 3 mm, as Perception Neuron writes them",
    "legs": "left and right leg exchanged in two stretches of 4 to 12 frames",
    "knee": "a knee turned by half a turn about the line from hip to ankle in two stretches of 4 to 12 frames",
    "lost": "root held along the floor for 1.2 s while the feet step on, and the rest of the path goes on from there",
    "low-rate": "right arm updated 10 times a second",
    "t-pose": "0.5 s in the rest pose before the motion",
    "away": "for 0.5 s, moved by 0.5 m along the floor and turned by 20 deg",
    "poses": "frames in random order, as in a pose library",
    "shift": "undamaged, at three heights: standard deviations of the results",
}
UNITS_M = (1.0, 0.01, 0.001, 0.0254, 0.0254 / 0.45)  # the last is that of most CMU clips
LEG_LENGTH_M = 0.82  # hip to ankle; the unit that comes closest to it is used
FINGERS_AND_EYES = re.compile(r"thumb|index|mid\d|middle|ring|pinky|finger|eye", re.IGNORECASE)
RIGHT_ARM = re.compile(r"r(ight)?_?(arm|shldr|humerus|forearm|elbow|radius|wrist|hand)", re.IGNORECASE)
HEIGHTS_M = {"sunk": -0.04, "raised": 0.05, "shift": 0.0, "shift-down": -0.06, "shift-up": 0.06}


class Leg(NamedTuple):
    """Joints of a leg. `foot` are all joints below the ankle."""

    hip: int
    knee: int
    ankle: int
    toe: int
    foot: list[int]


class Clip:
    """At most 5 s of a BVH file: skeleton, one row of channel values per frame, and what the rest pose shows."""

    def __init__(self, path):
        self.name = path.stem
        self.header, motion = path.read_text().split("MOTION", 1)
        self.names, self.paths, offsets, stack = [], [], [], []  # a path leads from the root to the joint
        self.rotations, column = {}, 0  # order and columns of the rotations of joints
        self.translations = {}  # columns of the positions of joints other than the root, which replace their offsets
        for line in self.header.splitlines():
            match line.split():
                case ["ROOT" | "JOINT" | "End", name, *_]:
                    stack.append(len(self.names))
                    self.paths.append(stack.copy())
                    self.names.append(name)
                case ["OFFSET", *offset]:
                    offsets.append(offset)
                case ["CHANNELS", _, *channels]:
                    columns = [k for k, channel in enumerate(channels) if channel.endswith("rotation")]
                    order = "".join(channels[k][0] for k in columns)
                    self.rotations[stack[-1]] = order, [column + k for k in columns]
                    if column == 0:
                        self.root = [channels.index(axis + "position") for axis in "XYZ"]
                    elif "Xposition" in channels:
                        self.translations[stack[-1]] = [column + channels.index(axis + "position") for axis in "XYZ"]
                    column += len(channels)
                case ["}"]:
                    stack.pop()
        values = motion.replace("Frame Time:", "").replace("Frames:", "").split()
        self.fps = 1 / float(values[1])
        rows = np.array(values[2:], float).reshape(int(values[0]), -1)
        start = max(0, len(rows) - round(5 * self.fps)) // 3
        self.rows = rows[start : start + round(5 * self.fps)]
        self.offsets = np.array(offsets, float)
        self.find_structure()

    def move(self, distance_m):
        """Return a copy that is moved along x."""
        moved = copy(self)
        moved.rows = self.rows.copy()
        moved.rows[:, self.root[0]] += distance_m / self.unit_m
        return moved

    def find_structure(self):
        """Find the legs, the chains that end lowest in the rest pose, and from them the unit; and joints by name."""
        parents = {path[-2] for path in self.paths[1:]}
        chains = [path for path in self.paths if path[-1] not in parents]
        first, *others = sorted(chains, key=lambda chain: self.offsets[chain[1:], 1].sum())
        second = next(chain for chain in others if len(set(chain) & set(first)) <= len(first) / 2)
        self.legs = []
        for chain in (first, second):
            bones = np.linalg.norm(self.offsets[chain[1:]], axis=1)
            hip = 1 + int(np.argmax(bones[1:-1] + bones[2:]))  # thigh and shin are the longest pair of bones
            foot = [path[-1] for path in self.paths if chain[hip + 2] in path[:-1]]
            thigh, knee, ankle, toe = chain[hip : hip + 4]
            self.legs.append(Leg(thigh, knee, ankle, toe, foot))
        self.toes = [leg.toe for leg in self.legs]
        length = np.linalg.norm(self.offsets[[self.legs[0].knee, self.legs[0].ankle]], axis=1).sum()
        self.unit_m = min(UNITS_M, key=lambda unit_m: abs(np.log(length * unit_m / LEG_LENGTH_M)))
        bodily = [joint for joint in self.rotations if not FINGERS_AND_EYES.search(self.names[joint])]
        self.body = [joint for joint in bodily if joint == 0 or self.offsets[joint].any()]
        self.arm = [joint for joint in bodily if RIGHT_ARM.fullmatch(self.names[joint])]

    def get_rotation(self, joint, rows):
        """Return a joint's rotations relative to its parent."""
        order, columns = self.rotations[joint]
        return Rotation.from_euler(order, rows[:, columns], degrees=True)

    def set_rotation(self, joint, rows, rotation):
        order, columns = self.rotations[joint]
        rows[:, columns] = rotation.as_euler(order, degrees=True)

    def compute_world(self, rows):
        """Return joint positions in metres, shape (frames, joints, 3), and the joints' rotations in the world."""
        positions = np.repeat(rows[:, None, self.root], len(self.names), axis=1)
        rotations = {0: self.get_rotation(0, rows)}
        for *_, parent, joint in self.paths[1:]:
            offset = rows[:, self.translations[joint]] if joint in self.translations else self.offsets[joint]
            positions[:, joint] = positions[:, parent] + rotations[parent].apply(offset)
            if joint in self.rotations:
                rotations[joint] = rotations[parent] * self.get_rotation(joint, rows)
        return positions * self.unit_m, rotations


def find_contacts(positions, clip) -> np.ndarray:
    """Return where each toe joint is low (4 cm) and slow (0.4 m/s) for 0.1 s, shape (frames, 2)."""
    toes = positions[:, clip.toes]
    is_slow = np.linalg.norm(np.gradient(toes, 1 / clip.fps, axis=0), axis=-1) < 0.4
    is_low = toes[..., 1] < np.percentile(toes[..., 1], 5, axis=0) + 0.04
    return binary_opening(is_slow & is_low, np.ones((max(2, round(0.1 * clip.fps)), 1)))


def solve_two_bones(hip, knee, ankle, target):
    """Return the knee and ankle that bring the ankle to the target, as far as the leg reaches, in the knee's plane."""
    thigh, shin = (np.linalg.norm(bone, axis=-1, keepdims=True) for bone in (knee - hip, ankle - knee))
    reach = np.linalg.norm(target - hip, axis=-1, keepdims=True)
    direction = (target - hip) / np.maximum(reach, 1e-9)
    reach = np.clip(reach, np.abs(thigh - shin) + 1e-4, 0.9995 * (thigh + shin))
    pole = knee - hip - ((knee - hip) * direction).sum(axis=-1, keepdims=True) * direction
    pole /= np.maximum(np.linalg.norm(pole, axis=-1, keepdims=True), 1e-9)
    cosine = (thigh**2 + reach**2 - shin**2) / (2 * thigh * reach)
    sine = np.sqrt(np.maximum(0, 1 - cosine**2))
    return hip + thigh * (cosine * direction + sine * pole), hip + reach * direction


def lock_feet(positions, clip, toe_height):
    """Return positions whose toe joints stand still at the given height in contacts, with blends of 0.1 s."""
    contacts = find_contacts(positions, clip)
    locked = positions.copy()
    if contacts.any():
        locked[..., 1] += toe_height - np.median(positions[:, clip.toes, 1][contacts])
    frames = np.arange(len(locked))
    for side in np.flatnonzero(contacts.any(axis=0)):
        leg = clip.legs[side]
        moves = np.zeros((len(locked), 3))
        for start, stop in find_runs(contacts[:, side]):
            toe = locked[start:stop, leg.toe]
            moves[start:stop] = toe.mean(axis=0) * [1, 0, 1] + [0, toe_height, 0] - toe
        in_contact = np.flatnonzero(contacts[:, side])
        nearest = in_contact[np.abs(frames[:, None] - in_contact).argmin(axis=1)]
        share = np.clip(1 - np.abs(frames - nearest) / (0.1 * clip.fps + 1), 0, 1)[:, None]
        hip, knee, ankle = (locked[:, joint].copy() for joint in leg[:3])
        target = ankle + share**2 * (3 - 2 * share) * moves[nearest]
        locked[:, leg.knee], locked[:, leg.ankle] = solve_two_bones(hip, knee, ankle, target)
        locked[:, leg.foot] += (locked[:, leg.ankle] - ankle)[:, None]
    return locked


def resample(clip, keys, frames):
    """Return rows at fractional frames from rows at key frames, with linear positions and spherical rotations."""
    frames = np.clip(frames, keys[0], keys[-1])
    rows = np.stack([np.interp(frames, keys, channel) for channel in clip.rows[keys].T], axis=1)
    for joint in clip.rotations:
        clip.set_rotation(joint, rows, Slerp(keys, clip.get_rotation(joint, clip.rows[keys]))(frames))
    return rows


def align(old, new):
    """Return the smallest rotations that turn vectors into the directions of others."""
    pairs = zip(old, new, strict=True)
    return Rotation.concatenate([Rotation.align_vectors(after, before)[0] for before, after in pairs])


def slide_foot(clip, rows):
    """Slide a foot forward in the two seconds that hold most of its contacts, then bring it back in 0.3 s."""
    positions, rotations = clip.compute_world(rows)
    contacts = find_contacts(positions, clip)
    window = min(len(rows), round(2 * clip.fps))
    totals = [np.convolve(contacts[:, side], np.ones(window), "valid") for side in (0, 1)]
    side, start = np.unravel_index(np.argmax(totals), np.shape(totals))
    leg = clip.legs[side]
    hip, knee, ankle, toe = (positions[:, joint] for joint in leg[:4])
    forward = (toe - ankle)[start : start + window].mean(axis=0) * [1, 0, 1]
    distance = np.interp(np.arange(len(rows)) - start, np.array([0, 2, 2.3]) * clip.fps, [0, 0.15, 0])
    target = ankle + np.outer(distance, forward / np.linalg.norm(forward))
    new_knee, new_ankle = solve_two_bones(hip, knee, ankle, target)
    thigh = align(knee - hip, new_knee - hip) * rotations[leg.hip]
    shin = align(ankle - knee, new_ankle - new_knee) * rotations[leg.knee]
    clip.set_rotation(leg.hip, rows, rotations[clip.paths[leg.hip][-2]].inv() * thigh)
    clip.set_rotation(leg.knee, rows, thigh.inv() * shin)
    clip.set_rotation(leg.ankle, rows, shin.inv() * rotations[leg.ankle])


def exchange_legs(clip, rows, stretch):
    """Exchange the directions of both legs in a stretch of frames, as pose estimators do."""
    legs = [[joint for joint in leg[:4] if joint in clip.rotations] for leg in clip.legs]
    turned = [[clip.get_rotation(joint, rows[stretch]) for joint in leg] for leg in reversed(legs)]
    exchanged = rows[stretch].copy()
    for leg, turns in zip(legs, turned, strict=True):
        for joint, turn in zip(leg, turns, strict=True):
            clip.set_rotation(joint, exchanged, turn)
    rows[stretch] = exchanged


def turn_knee(clip, rows, stretch, angle):
    """Turn a knee about the line from hip to ankle in a stretch of frames; hip, ankle and foot stay."""
    part = rows[stretch].copy()
    positions, rotations = clip.compute_world(part)
    leg = clip.legs[0]
    line = positions[:, leg.ankle] - positions[:, leg.hip]
    turn = Rotation.from_rotvec(angle * line / np.linalg.norm(line, axis=-1, keepdims=True))
    thigh = turn * rotations[leg.hip]
    shin = turn * rotations[leg.knee]
    clip.set_rotation(leg.hip, part, rotations[clip.paths[leg.hip][-2]].inv() * thigh)
    clip.set_rotation(leg.knee, part, thigh.inv() * shin)
    clip.set_rotation(leg.ankle, part, shin.inv() * rotations[leg.ankle])
    rows[stretch] = part


def hold_rest_pose(clip, rows, stretch):
    """Replace frames by the rest pose, with the lower toe joint at the height of the lowest one of the clip."""
    height = clip.compute_world(rows)[0][:, clip.toes, 1].min()
    columns = [column for _, columns in clip.rotations.values() for column in columns]
    rows[stretch] = rows[stretch.stop]
    rows[stretch, columns] = 0
    depth = clip.compute_world(rows[stretch])[0][:, clip.toes, 1].min() - height
    rows[stretch, clip.root[1]] -= depth / clip.unit_m


def damage_clip(clip, damage):
    """Return the clip's rows with one of DAMAGES, the same in every run."""
    rng = np.random.default_rng(list(f"{clip.name} {damage}".encode()))
    rows, frames, metre = clip.rows.copy(), len(clip.rows), 1 / clip.unit_m
    seconds = np.arange(frames) / clip.fps
    is_root = np.isin(np.arange(rows.shape[1]), clip.root)
    x, y, z = clip.root
    arm = [column for joint in clip.arm for column in clip.rotations[joint][1]]
    leg = [column for joint in clip.legs[0][:4] if joint in clip.rotations for column in clip.rotations[joint][1]]
    middle = slice(frames // 3, frames // 3 + round(0.8 * clip.fps))
    rows[:, y] += HEIGHTS_M.get(damage, 0) * metre
    match damage:
        case "noise":
            rows += np.where(is_root, 0.004 * metre, 1.5) * rng.normal(size=rows.shape)
        case "wander":  # first-order autoregressive
            decay = np.exp(-1 / (0.25 * clip.fps))
            noise = lfilter([np.sqrt(1 - decay**2)], [1, -decay], rng.normal(size=rows.shape), axis=0)
            rows += np.where(is_root, 0.02 * metre, 2.5) * noise
        case "sinking":
            rows[:, y] -= np.linspace(0, 0.08, frames) * metre
        case "flat":
            rows[:, y] = np.median(rows[:, y])
        case "float":
            for middle_s in seconds[[frames // 4, 2 * frames // 3]]:
                away = np.clip(2 * np.abs(seconds - middle_s), 0, 1)
                rows[:, y] += 0.05 * (1 + np.cos(np.pi * away)) * metre
        case "drift":
            rows[:, x] += 0.15 * seconds * metre
        case "stride":
            rows[:, [x, z]] += 0.2 * (rows[:, [x, z]] - rows[0, [x, z]])
            rows[:, x] += 0.03 * np.sin(2 * np.pi * seconds) * metre
        case "slide":
            slide_foot(clip, rows)
        case "knees":
            bends = Rotation.from_euler("x", 12 + 3.6 * np.sin(2 * np.pi * seconds[:, None] / 0.7), degrees=True)
            lift = Rotation.from_euler("x", -6, degrees=True)
            for hip, knee, *_ in clip.legs:
                clip.set_rotation(hip, rows, clip.get_rotation(hip, rows) * lift)
                clip.set_rotation(knee, rows, clip.get_rotation(knee, rows) * bends)
        case "tilt5" | "tilt15" | "far":
            turn = Rotation.from_euler("x", 15 if damage == "tilt15" else 5, degrees=True)
            centre = rows[0, clip.root] * [1, 0, 1]
            rows[:, clip.root] = turn.apply(rows[:, clip.root] - centre) + centre
            clip.set_rotation(0, rows, turn * clip.get_rotation(0, rows))
        case "leg" | "arm":
            columns, degrees = (leg, 5) if damage == "leg" else (arm, 8)
            rows[middle, columns] += rng.normal(0, degrees, rows[middle, columns].shape)
        case "pop":
            rows[frames // 2, clip.root] += np.array([0, 0.09, 0.06]) * metre
            rows[frames // 3 : frames // 3 + 2, arm] += 60
        case "10fps":
            rows = resample(clip, np.arange(0, frames, max(1, round(clip.fps / 10))), np.arange(frames))
        case "25fps":
            rows = resample(clip, np.arange(frames), np.ceil(seconds * 25 - 0.5001) / 25 * clip.fps)
        case "legs":
            for start in (frames // 4, 3 * frames // 5):
                stretch = slice(start, start + rng.integers(4, 13))
                exchange_legs(clip, rows, stretch)
        case "knee":
            for start in (frames // 4, 3 * frames // 5):
                turn_knee(clip, rows, slice(start, start + rng.integers(4, 13)), np.pi)
        case "lost":
            lost = slice(frames // 3, frames // 3 + round(1.2 * clip.fps))
            path = rows[:, [x, z]]
            path[lost.stop :] -= path[lost.stop] - path[lost.start]
            path[lost] = path[lost.start]
            rows[:, [x, z]] = path
        case "low-rate":
            step = max(2, round(clip.fps / 10))
            rows[:, arm] = rows[np.arange(frames) // step * step][:, arm]
        case "t-pose":
            hold_rest_pose(clip, rows, slice(0, round(0.5 * clip.fps)))
        case "away":
            away = slice(frames // 2, frames // 2 + round(0.5 * clip.fps))
            turn = Rotation.from_euler("y", 20, degrees=True)
            moved = rows[away].copy()
            centre = moved[0, clip.root] * [1, 0, 1]
            moved[:, clip.root] = turn.apply(moved[:, clip.root] - centre) + centre
            moved[:, x] += 0.5 * metre
            clip.set_rotation(0, moved, turn * clip.get_rotation(0, moved))
            rows[away] = moved
        case "poses":
            rows = rng.permutation(rows)
        case "held":
            for frame in np.flatnonzero(rng.random(frames) < 0.2):
                rows[frame] = rows[max(0, frame - 1)]
    return rows


def move_bones(clip, rows):
    """Return a header with six channels at each joint, and rows whose offsets vary by 3 mm."""
    rng = np.random.default_rng(list(clip.name.encode()))
    blocks, column = [], 0
    for joint in sorted(clip.rotations):
        if joint:
            noise = gaussian_filter1d(rng.normal(size=(len(rows), 3)), 2, axis=0)
            blocks.append(clip.offsets[joint] + 0.003 / clip.unit_m * noise / noise.std())
        width = 6 if joint == 0 else len(clip.rotations[joint][1])
        blocks.append(rows[:, column : column + width])
        column += width
    header = re.sub(r"CHANNELS 3 ", "CHANNELS 6 Xposition Yposition Zposition ", clip.header)
    return header, np.concatenate(blocks, axis=1)


def write_clip(path, clip, rows, damage):
    """Write damaged rows of a clip as a BVH file."""
    header = clip.header
    if damage == "bones":
        header, rows = move_bones(clip, rows)
    lines = [" ".join(f"{value:.6f}" for value in row) for row in rows]
    start = f"{header}MOTION\nFrames: {len(lines)}\nFrame Time: {1 / clip.fps:.7f}\n"
    path.write_text(start + "\n".join(lines) + "\n")


def measure_slips(positions, stance, clip):
    """Return how far the toe gets from its median place in each contact of at least 0.15 s, in millimetres."""
    slips = []
    for side, toe in enumerate(clip.toes):
        for start, stop in find_runs(stance[:, side]):
            places = positions[start:stop, toe][:, [0, 2]]
            if len(places) >= 0.15 * clip.fps:
                slips.append(1000 * np.linalg.norm(places - np.median(places, axis=0), axis=-1).max())
    return np.array(slips)


def measure(positions, truth, clip):
    """Return how far a result is from the truth."""
    stance = find_contacts(truth, clip)
    error = positions - truth
    shift = np.median(error[:, clip.toes, 1][stance])
    slips = measure_slips(positions, stance, clip)
    toe_speed = np.linalg.norm(np.gradient(positions[:, clip.toes][..., [0, 2]], 1 / clip.fps, axis=0), axis=-1)
    jerks, knee_speeds = [], []
    for joints in (positions, truth):
        jerks.append(np.linalg.norm(np.diff(joints[:, clip.body], 3, axis=0), axis=-1).mean())
        hips, knees, ankles = (joints[:, [leg[k] for leg in clip.legs]] for k in range(3))
        sine = np.linalg.norm(np.cross(hips - knees, ankles - knees), axis=-1)
        angles = np.arctan2(sine, ((hips - knees) * (ankles - knees)).sum(axis=-1))
        knee_speeds.append(np.abs(np.diff(np.rad2deg(angles), axis=0)) * clip.fps)
    return {
        "global mm": 1000 * np.linalg.norm(error[:, clip.body], axis=-1).mean(),
        "pose mm": 1000 * np.linalg.norm((error - error[:, :1])[:, clip.body], axis=-1).mean(),
        "level mm": 1000 * np.linalg.norm((error - [0, shift, 0])[:, clip.body], axis=-1).mean(),
        "slide mm/s": 1000 * toe_speed[stance].mean(),
        "slip20 %": 100 * np.mean(slips > 20) if slips.size else np.nan,
        "slip40 %": 100 * np.mean(slips > 40) if slips.size else np.nan,
        "height mm": 1000 * np.abs(error[:, clip.toes, 1][stance]).mean(),
        "jerk ratio": jerks[0] / jerks[1],
        "knee deg/s": max(0, (knee_speeds[0] - knee_speeds[1]).max()),
    }


def load_clips(path, split, count):
    """Return clips of at least 2 s whose feet touch the floor, evenly spread over those of a folder or tar file."""
    with tempfile.TemporaryDirectory() as folder:
        for archive in [path] if path.is_file() else path.glob("*.tar*"):
            shutil.unpack_archive(archive, folder, filter="data")
        files = sorted([*path.rglob("*.bvh"), *Path(folder).rglob("*.bvh")])
        files = [file for file in files if file.parent.name == split] or files
        clips = [clip for clip in map(Clip, files) if len(clip.rows) >= 2 * clip.fps]
    clips = [clip for clip in clips if find_contacts(clip.compute_world(clip.rows)[0], clip).any()]
    step = max(1, len(clips) // count)
    return clips[step // 2 :: step][:count]


def correct(clips, damage, out, command):
    """Damage and correct clips. Return their damaged rows, and the corrected positions of those that came back."""
    folders = {"IN": out / "truth-damaged" / damage, "OUT": out / "truth-corrected" / damage}
    folders["IN"].mkdir(parents=True)
    folders["OUT"].parent.mkdir(exist_ok=True)
    damaged_rows = {clip.name: damage_clip(clip, damage) for clip in clips}
    for clip in clips:
        write_clip(folders["IN"] / f"{clip.name}.bvh", clip, damaged_rows[clip.name], damage)
    process = subprocess.run([str(folders.get(word, word)) for word in command], capture_output=True, text=True)
    corrected = {}
    for result in map(Clip, folders["OUT"].rglob("*.bvh")):
        if len(result.rows) == len(damaged_rows[result.name]):
            corrected[result.name] = result.compute_world(result.rows)[0]
    if missing := damaged_rows.keys() - corrected.keys():
        print(f"\n{damage}: not returned: {' '.join(sorted(missing))}. {'' if corrected else process.stderr}")
    return damaged_rows, corrected


def evaluate_damage(clips, damage, out, command):
    """Return the measures of each method, as lists over clips."""
    if damage == "far":
        clips = [clip.move(20) for clip in clips]
    damaged_rows, corrected = correct(clips, damage, out, command)
    figures = {}
    for clip in clips:
        truth = clip.compute_world(clip.rows)[0]
        damaged = clip.compute_world(damaged_rows[clip.name])[0]
        smooth = sosfiltfilt(butter(4, min(6 / (clip.fps / 2), 0.99), output="sos"), damaged, axis=0)
        toe_height = np.median(truth[:, clip.toes, 1][find_contacts(truth, clip)])
        locked = lock_feet(smooth, clip, toe_height)
        results = {"damaged": damaged, "low-pass": smooth, "foot lock": locked}
        results["corrected"] = corrected.get(clip.name, damaged)
        for method, positions in results.items():
            for key, value in measure(positions, truth, clip).items():
                figures.setdefault(method, {}).setdefault(key, []).append(float(value))
    return figures


def evaluate_shift(clips, damage, out, command):
    """Return standard deviations over the three heights; NaN for a clip that did not come back from all."""
    results = [correct(clips, folder, out, command)[1] for folder in (damage, "shift-down", "shift-up")]
    figures = {"height mm": [], "pose mm": []}
    for clip in clips:
        truth = clip.compute_world(clip.rows)[0]
        missing = np.full_like(truth, np.nan)
        positions = 1000 * np.stack([result.get(clip.name, missing) for result in results])
        toe_heights = np.asarray(positions[:, :, clip.toes, 1])
        heights = toe_heights[:, find_contacts(truth, clip)].mean(axis=1)
        poses = (positions - positions[:, :, :1])[:, :, clip.body]
        figures["height mm"].append(float(heights.std()))
        figures["pose mm"].append(float(np.sqrt(poses.var(axis=0).sum(axis=-1).mean())))
    return {"corrected": figures}


def print_table(damage, figures, names):
    print(f"\n{damage}: {DAMAGES[damage]}")
    print(" " * 10 + "".join(f"{title:>12}" for title in [*figures["corrected"], "closer", "worst, mm"]))
    for method, measures in figures.items():
        means = [f"{np.nanmean(values):12.{2 if key == 'jerk ratio' else 1}f}" for key, values in measures.items()]
        errors = next(iter(measures.values()))
        closer = "-"
        if damage != "shift":
            is_closer = np.less(errors, np.subtract(figures["damaged"]["global mm"], 0.1))
            closer = f"{is_closer.sum()} of {is_closer.size}"
        worst = f"{names[np.argmax(errors)]} {np.max(errors):.0f}"
        print(f"{method:10}{''.join(means)}{closer:>12}{worst:>12}", flush=True)


def compare(figures, old_figures):
    """Return a line for each measure of the corrected clips that changed by 5 % (and by 0.5, or 0.05 for jerk)."""
    lines = []
    for damage in (damage for damage in figures if damage in old_figures):
        for key in figures[damage]["corrected"]:
            if key not in old_figures[damage]["corrected"]:
                continue
            new, old = (np.nanmean(f[damage]["corrected"][key]) for f in (figures, old_figures))
            change = abs(np.log(new)) - abs(np.log(old)) if key == "jerk ratio" else new - old
            if abs(change) > max(0.05 * old, 0.05 if key == "jerk ratio" else 0.5):
                verdict = "worse" if change > 0 else "better"
                lines.append(f"{damage:8} {key:12}{old:10.2f} -> {new:8.2f}  {verdict}")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, metavar="CLIPS", help="Folder or tar file of captured BVH clips.")
    parser.add_argument("--clips", type=int, default=12, help="Number of clips (default: 12).")
    parser.add_argument("--split", default="train", help="Folder to use, if CLIPS has it (default: train).")
    parser.add_argument("--damages", default=",".join(DAMAGES), help="Damages, separated by commas (default: all).")
    parser.add_argument("--out", type=Path, default=Path("truth"), help="Output folder (default: truth).")
    parser.add_argument("--against", type=Path, help="truth.json of an earlier run with the same clips.")
    parser.add_argument("--command", default="selfcorrect correct IN -o OUT -q", help="Default: %(default)s.")
    words = sys.argv[1:]
    end = words.index("--") if "--" in words else len(words)
    options = parser.parse_args(words[:end])
    command = shlex.split(options.command) + words[end + 1 :]
    damages = options.damages.split(",")
    if not set(damages) <= set(DAMAGES):
        parser.error(f"known damages: {', '.join(DAMAGES)}")
    clips = load_clips(options.path, options.split, options.clips)
    if not clips:
        parser.error(f"{options.path}: no BVH clips of at least 2 s in which feet touch the floor")
    names = [clip.name for clip in clips]
    old = json.loads(options.against.read_text()) if options.against else None
    if old and old["clips"] != names:
        parser.error(f"{options.against}: has other clips: {' '.join(old['clips'])}")
    for folder in ("truth-damaged", "truth-corrected"):
        shutil.rmtree(options.out / folder, ignore_errors=True)
    print(f"{len(names)} clips: {' '.join(names)}")
    figures = {}
    for damage in damages:
        evaluate = evaluate_shift if damage == "shift" else evaluate_damage
        figures[damage] = evaluate(clips, damage, options.out, command)
        print_table(damage, figures[damage], names)
    results = {"command": command, "clips": names, "figures": figures}
    (options.out / "truth.json").write_text(json.dumps(results, indent=1))
    changes = compare(figures, old["figures"]) if old else []
    if old:
        print(f"\nChanges of corrected clips since {options.against}:", *(changes or ["none"]), sep="\n")
    return int(any(line.endswith("worse") for line in changes))


if __name__ == "__main__":
    sys.exit(main())
