"""How often rules of `selfcorrect check` are broken by real clips, and how many planted faults they find.

    python -m benchmarks.checking path/to/cmu-bvh                   # the table of docs/check.md

Thresholds are set on the training clips and judged on those of the test split, which are of other people; the table
shows false alarms on both. Faults are planted in test clips.
Clean clips are those without recorded spikes (the index counts them); rules of the floor leave out those that climb on
things which the data do not hold. Each fault is planted once in each clean clip, at random times and places.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tyro
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from benchmarks.correction import skating as wandering
from benchmarks.correction import warped
from selfcorrect.datasets.collections.cmu import INDEX, load_cmu
from selfcorrect.motion.checks.check import RuleChoice, check_with
from selfcorrect.motion.checks.floor import HIGH_M
from selfcorrect.motion.checks.ground_drift import floor_tilt_deg
from selfcorrect.motion.checks.motion_features import MotionFeatures
from selfcorrect.motion.checks.pace import flight_pace
from selfcorrect.motion.checks.rules import RULES
from selfcorrect.motion.checks.walking import timing_unevenness, walking_pace
from selfcorrect.motion.geometry.inverse_kinematics import aligning_turns
from selfcorrect.motion.geometry.kinematics import forward_kinematics, joint_positions, local_rotations
from selfcorrect.motion.geometry.views import Z_UP, ScaledBody, to_y_up
from selfcorrect.motion.motion import Motion
from selfcorrect.simulators.feasibility import check_physics, infer_surroundings

UP = np.array([0.0, 1.0, 0.0])
_LONGEST_SHARE = 0.4
"""Of a clip in which something is wrong for a while."""

Plant = Callable[[Motion, np.random.Generator], Motion]


# --- faults ----------------------------------------------------------------------------------------------------------


def _span(motion: Motion, seconds: float, rng: np.random.Generator) -> slice:
    """Frames of a random stretch so long, away from the ends where there is room."""
    frames = min(int(_LONGEST_SHARE * len(motion)), round(seconds * motion.fps))
    start = int(rng.integers(1, max(2, len(motion) - frames - 1)))
    return slice(start, start + frames)


def _shifted(motion: Motion, seconds: float, shift_m: np.ndarray, rng: np.random.Generator) -> Motion:
    """The body shifted for a while, with soft edges."""
    amount = np.zeros(len(motion))
    amount[_span(motion, seconds, rng)] = 1.0
    soft = gaussian_filter1d(amount, 0.06 * motion.fps, mode="nearest")
    return replace(motion, root_m=motion.root_m + soft[:, None] * shift_m)


def sunk(motion: Motion, rng: np.random.Generator) -> Motion:
    return _shifted(motion, 0.6, -0.3 * UP, rng)


def lifted(motion: Motion, rng: np.random.Generator) -> Motion:
    return _shifted(motion, 0.9, 0.3 * UP, rng)


def skating(motion: Motion, rng: np.random.Generator) -> Motion:
    """The whole motion drifts along the floor at 0.6 m/s."""
    return _drifting(motion, 0.6, rng)


def elsewhere(motion: Motion, rng: np.random.Generator) -> Motion:
    return replace(motion, root_m=motion.root_m + rng.choice([-0.2, 0.2]) * UP)


def jittery(motion: Motion, rng: np.random.Generator) -> Motion:
    """White noise of 2.5° on every joint, 1 cm on the root."""
    noise = Rotation.from_rotvec(rng.normal(0, np.radians(2.5), (motion.rotations[..., 0].size, 3)))
    turned = (Rotation.from_quat(motion.rotations.reshape(-1, 4)) * noise).as_quat().reshape(motion.rotations.shape)
    return replace(motion, rotations=turned, root_m=motion.root_m + rng.normal(0, 0.01, motion.root_m.shape))


def spiky(motion: Motion, rng: np.random.Generator) -> Motion:
    """A shoulder or hip turned by 100° to 150° in one frame."""
    joint = motion.skeleton.parts.index(rng.choice(["left_shoulder", "right_shoulder", "left_hip", "right_hip"]))
    frame, rotations = int(rng.integers(2, len(motion) - 2)), motion.rotations.copy()
    axis = np.array([[1.0, 0, 0], [0, 0, 1.0]])[int(rng.integers(2))] if "hip" in motion.skeleton.parts[joint] else UP
    turn = Rotation.from_rotvec(np.radians(rng.uniform(100, 150)) * axis)
    rotations[frame, joint] = (Rotation.from_quat(rotations[frame, joint]) * turn).as_quat()
    return replace(motion, rotations=rotations)


def spliced(motion: Motion, rng: np.random.Generator) -> Motion:
    """From some frame on the body is half a metre and 60° elsewhere."""
    at = int(rng.integers(3, len(motion) - 3))
    turn = Rotation.from_rotvec(np.radians(60.0) * UP)
    root_m, rotations = motion.root_m.copy(), motion.rotations.copy()
    pivot = root_m[at] * (1.0, 0.0, 1.0)
    root_m[at:] = pivot + turn.apply(root_m[at:] - pivot) + np.array([0.5, 0.0, 0.0])
    rotations[at:, 0] = (turn * Rotation.from_quat(rotations[at:, 0])).as_quat()
    return replace(motion, root_m=root_m, rotations=rotations)


def held(motion: Motion, rng: np.random.Generator) -> Motion:
    """A third of a second shows the same frame."""
    span = _span(motion, 0.33, rng)
    root_m, rotations = motion.root_m.copy(), motion.rotations.copy()
    root_m[span], rotations[span] = root_m[span.start], rotations[span.start]
    return replace(motion, root_m=root_m, rotations=rotations)


def statue(motion: Motion, rng: np.random.Generator) -> Motion:
    frame = int(rng.integers(len(motion)))
    root_m, rotations = np.tile(motion.root_m[frame], (len(motion), 1)), motion.rotations[[frame] * len(motion)]
    return replace(motion, root_m=root_m, rotations=rotations)


def _pointing(motion: Motion, span: slice, directions: dict[str, tuple[str, np.ndarray]]) -> Motion:
    """Bones, from a part to another, that point in directions (T, 3) of the world for a while; the trunk stays."""
    for part, (end, towards) in directions.items():
        joint, tip = (motion.skeleton.parts.index(name) for name in (part, end))
        _, world = forward_kinematics(motion.skeleton, motion.root_m, motion.rotations)
        bone = motion.skeleton.offsets_m[tip][None]
        turned = aligning_turns(bone, towards[:, None] * np.linalg.norm(bone), world[:, joint])
        world[span, joint] = turned[span]
        rotations = motion.rotations.copy()
        rotations[:, joint] = local_rotations(motion.skeleton, world)[:, joint]
        motion = replace(motion, rotations=rotations)
    return motion


def crossed(motion: Motion, rng: np.random.Generator) -> Motion:
    """An upper arm lies against the trunk, and the forearm goes through it."""
    side = str(rng.choice(["left", "right"]))
    span, up, inwards = _span(motion, 0.5, rng), *_trunk_axes(motion, f"{side}_shoulder")
    motion = _pointing(motion, span, {f"{side}_shoulder": (f"{side}_elbow", _unit(0.6 * inwards - up))})
    _, inwards = _trunk_axes(motion, f"{side}_elbow")
    return _pointing(motion, span, {f"{side}_elbow": (f"{side}_wrist", inwards)})


def _trunk_axes(motion: Motion, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Directions (T, 3) from the pelvis to the neck, and across that from a part to their line."""
    places = dict(zip(motion.skeleton.parts, np.moveaxis(joint_positions(motion), 1, 0), strict=True))
    up, across = _unit(places["neck"] - places["pelvis"]), places["pelvis"] - places[part]
    return up, _unit(across - np.einsum("ti,ti->t", across, up)[:, None] * up)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def backward_knee(motion: Motion, rng: np.random.Generator) -> Motion:
    """A knee bent forwards by 60° for 0.3 s."""
    joint = motion.skeleton.parts.index(f"{rng.choice(['left', 'right'])}_knee")
    rotations = motion.rotations.copy()
    rotations[_span(motion, 0.3, rng), joint] = Rotation.from_euler("x", -60, degrees=True).as_quat()
    return replace(motion, rotations=rotations)


def owl(motion: Motion, rng: np.random.Generator) -> Motion:
    """The head turned round for 0.3 s."""
    span, joint = _span(motion, 0.3, rng), motion.skeleton.parts.index("head")
    rotations = motion.rotations.copy()
    for part in ("neck", "head"):
        rotations[span, motion.skeleton.parts.index(part)] = (0, 0, 0, 1)
    rotations[span, joint] = Rotation.from_euler("y", 160, degrees=True).as_quat()
    return replace(motion, rotations=rotations)


def rig(motion: Motion, rng: np.random.Generator) -> Motion:
    """The first two frames show the rig's pose."""
    rotations = motion.rotations.copy()
    rotations[:2, 1:] = (0, 0, 0, 1)
    return replace(motion, rotations=rotations)


def scaled(motion: Motion, rng: np.random.Generator) -> Motion:
    """Inches read as centimetres, or the other way round, or centimetres as metres."""
    return ScaledBody(float(rng.choice([2.54, 1 / 2.54, 100.0]))).view(motion)


def z_up(motion: Motion, rng: np.random.Generator) -> Motion:
    return to_y_up(Z_UP).restore(motion)


def other_rate(motion: Motion, rng: np.random.Generator) -> Motion:
    return replace(motion, fps=float(rng.choice([2.0, 1000.0])))


def other_pace(motion: Motion, rng: np.random.Generator) -> Motion:
    """Played 1.35 times too fast or too slow."""
    return replace(motion, fps=motion.fps * float(rng.choice([1.35, 1 / 1.35])))


def shaken(motion: Motion, rng: np.random.Generator) -> Motion:
    """The body swings sideways by 12 cm, 2.4 times a second, as no friction could make it."""
    angle, times_s = rng.uniform(0, 2 * np.pi), np.arange(len(motion)) / motion.fps
    along = np.array([np.cos(angle), 0.0, np.sin(angle)])
    return replace(motion, root_m=motion.root_m + 0.12 * np.sin(15 * times_s)[:, None] * along)


def in_the_floor(motion: Motion, rng: np.random.Generator) -> Motion:
    """The whole motion is 6 to 8 cm too low."""
    return replace(motion, root_m=motion.root_m - rng.uniform(0.06, 0.08) * UP)


def hovering(motion: Motion, rng: np.random.Generator) -> Motion:
    """The body is 6 cm too high for 0.9 s, with soft edges."""
    return _shifted(motion, 0.9, 0.06 * UP, rng)


def jumping_root(motion: Motion, rng: np.random.Generator) -> Motion:
    """In one frame the root is 11 cm elsewhere, in any direction."""
    frame, root_m = int(rng.integers(2, len(motion) - 2)), motion.root_m.copy()
    root_m[frame] += 0.11 * _unit(rng.normal(size=3))
    return replace(motion, root_m=root_m)


def sliding_slowly(motion: Motion, rng: np.random.Generator) -> Motion:
    """The whole motion drifts along the floor at 0.1 to 0.2 m/s."""
    return _drifting(motion, rng.uniform(0.1, 0.2), rng)


def _drifting(motion: Motion, speed_m_s: float, rng: np.random.Generator) -> Motion:
    """The whole motion drifts along the floor."""
    angle, times_s = rng.uniform(0, 2 * np.pi), np.arange(len(motion)) / motion.fps
    along = np.array([np.cos(angle), 0.0, np.sin(angle)])
    return replace(motion, root_m=motion.root_m + speed_m_s * times_s[:, None] * along)


def gliding(motion: Motion, rng: np.random.Generator) -> Motion:
    """The body stands as in the frame in which it stands lowest, moves arms and trunk, and glides at 3 to 10 cm/s."""
    frame = int(MotionFeatures(motion).sole_heights_m.max(axis=1).argmin())
    lower = [
        joint for joint, part in enumerate(motion.skeleton.parts) if part.endswith(("hip", "knee", "ankle", "foot"))
    ]
    rotations, root_m = motion.rotations.copy(), np.repeat(motion.root_m[frame : frame + 1], len(motion), axis=0)
    rotations[:, [0, *lower]] = rotations[frame, [0, *lower]]
    return _drifting(replace(motion, rotations=rotations, root_m=root_m), rng.uniform(0.03, 0.1), rng)


def tilted(motion: Motion, rng: np.random.Generator) -> Motion:
    """The world is tilted by 5° about a horizontal axis."""
    angle = rng.uniform(0, 2 * np.pi)
    turn = Rotation.from_rotvec(np.radians(5.0) * np.array([np.cos(angle), 0.0, np.sin(angle)]))
    rotations = motion.rotations.copy()
    rotations[:, 0] = (turn * Rotation.from_quat(rotations[:, 0])).as_quat()
    return replace(motion, root_m=turn.apply(motion.root_m), rotations=rotations)


FAULTS: dict[str, tuple[Plant, str]] = {
    "sunk": (sunk, "F1"), "lifted": (lifted, "F2"), "skating": (skating, "F3"), "elsewhere": (elsewhere, "F4"),
    "jittery": (jittery, "S1"), "spiky": (spiky, "S3"), "spliced": (spliced, "S4"), "held": (held, "S5"),
    "statue": (statue, "S6"), "crossed": (crossed, "B1"), "backward knee": (backward_knee, "B2"), "owl": (owl, "B3"),
    "rig": (rig, "B4"), "scaled": (scaled, "R1"), "z up": (z_up, "R2"), "other rate": (other_rate, "R3"),
    "other pace": (other_pace, "P1"), "warped": (warped, "P2"), "shaken": (shaken, "X2"),
    "wandering": (wandering, "F5"), "in the floor": (in_the_floor, "F1 F4"), "hovering": (hovering, "F2 F9"),
    "jumping root": (jumping_root, "S4"), "sliding slowly": (sliding_slowly, "F3 F8"), "gliding": (gliding, "F7"),
    "tilted": (tilted, "F6"),
}  # fmt: skip
"""Faults, and the rules of which one has to find each."""

_LONG_S = 2.1
"""Shorter motions hardly show a glide, or a hover in their middle."""


def _stays_on_floor(motion: Motion) -> bool:
    """Whether a motion of some length never leaves the floor: in flights, small errors of height do not show."""
    features = MotionFeatures(motion)
    return motion.seconds > _LONG_S and float(features.clear_m.max()) < HIGH_M


def _shows_plane(motion: Motion) -> bool:
    """Whether stances spread enough to show a plane."""
    return bool(floor_tilt_deg(MotionFeatures(motion)).values.size)


_SHOWN: dict[str, Callable[[Motion], bool]] = {
    "other pace": lambda motion: (
        flight_pace(MotionFeatures(motion)) is not None or walking_pace(MotionFeatures(motion)) is not None
    ),
    "warped": lambda motion: bool(timing_unevenness(MotionFeatures(motion)).values.size),
    "in the floor": _stays_on_floor,
    "hovering": _stays_on_floor,
    "sliding slowly": _stays_on_floor,
    "gliding": lambda motion: motion.seconds > _LONG_S,
    "tilted": _shows_plane,
}
"""Motions that show anything of a fault: flights or walking show a pace, walks of some even steps an uneven one."""


# --- measuring -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Clips:
    """Real motions by kind: `clean` without recorded spikes, `level` those of them that stay on the floor."""

    clean: list[Motion]
    level: list[Motion]

    def of(self, code: str) -> list[Motion]:
        """The clips that a rule can be judged on."""
        return self.level if code[0] in "FPX" else self.clean


def real_clips(folder: Path, split: str) -> Clips:
    """The clips of a split of the CMU set."""
    with (folder / INDEX).open(newline="") as file:
        spikes = {Path(row["file"]).stem: int(row["spike_frames"]) for row in csv.DictReader(file)}
    clean = [motion for motion in load_cmu(folder, split) if not spikes[Path(motion.source).stem]]
    return Clips(clean, [motion for motion in clean if "climb" not in motion.label])


def broken_rules(motion: Motion, codes: Sequence[str]) -> set[str]:
    """Return those of some rules that a motion breaks."""
    choice = RuleChoice(tuple(codes))
    findings = check_with(motion, choice, infer_surroundings).findings
    if any(code.startswith("X") for code in codes):
        findings += tuple(check_physics(motion, choice))
    return {finding.code for finding in findings}


def false_alarms(clips: Clips, codes: Sequence[str]) -> dict[str, list[str]]:
    """Names of the clean clips that break each rule."""
    alarms: dict[str, list[str]] = {code: [] for code in codes}
    level = {motion.source for motion in clips.level}
    for motion in clips.clean:
        for code in broken_rules(motion, codes):
            if code[0] not in "FPX" or motion.source in level:
                alarms[code].append(Path(motion.source).stem)
    return alarms


def found(motions: Sequence[Motion], fault: str, seed: int = 0) -> list[bool]:
    """Whether one of the fault's rules finds it in each motion that shows anything of it."""
    plant, codes = FAULTS[fault]
    motions = [motion for motion in motions if _SHOWN.get(fault, bool)(motion)]
    hits = []
    for index, motion in enumerate(motions):
        planted = plant(motion, np.random.default_rng([seed, index]))
        hits.append(bool(broken_rules(planted, codes.split())))
    return hits


@dataclass(frozen=True)
class Benchmark:
    """Print a table of false alarms and found faults of each rule."""

    folder: tyro.conf.Positional[Path]
    """The CMU set."""
    physics: bool = False
    """Also the rules of physics, which take ten times as long as all others."""
    planted: int = 24
    """Number of test clips in which faults are planted."""

    def run(self) -> None:
        set_on = real_clips(self.folder, "train")
        judged = real_clips(self.folder, "test")
        codes = [rule.code for rule in RULES if rule.measure or self.physics]
        alarms = [false_alarms(half, codes) for half in (set_on, judged)]
        print("| rule | false alarms, training clips | false alarms, test clips | planted faults found in test clips |")
        print("| --- | --- | --- | --- |")
        for code in codes:
            shares = []
            for half, half_alarms in zip((set_on, judged), alarms, strict=True):
                names, count = half_alarms[code], len(half.of(code))
                shares.append(f"{len(names)} of {count} ({len(names) / count:.1%})")
            faults = [
                self._describe_hits(judged.of(code), fault) for fault in FAULTS if code in FAULTS[fault][1].split()
            ]
            print(f"| {code} | {shares[0]} | {shares[1]} | {'; '.join(faults)} |", flush=True)
        print("training:", {code: names for code, names in alarms[0].items() if names})
        print("test:", {code: names for code, names in alarms[1].items() if names})

    def _describe_hits(self, motions: Sequence[Motion], fault: str) -> str:
        motions = [motion for motion in motions if _SHOWN.get(fault, bool)(motion)]
        step = max(1, len(motions) // self.planted)
        hits = found(motions[::step][: self.planted], fault)
        return f"{fault}: {sum(hits)} of {len(hits)}"


if __name__ == "__main__":
    tyro.cli(Benchmark).run()
