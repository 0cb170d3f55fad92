"""Cut motions into windows, and split them into training and held-out windows.

Held-out windows share no frames with training windows. The split is by time within each clip: the last part of a clip
is held out, and training windows are wholly before it. A window needs consecutive frames, so this requires a clip that
is at least two windows long. A shorter clip is used for training as a whole, because any held-out window would share
frames with training windows. Mirrored windows are on the same side as their originals.

A cyclic clip shorter than two windows is repeated, so that a window can begin at any phase. It is used for training as
a whole, because all repetitions have the same frames. If a clip is shorter than a window and not cyclic, its last pose
is held.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.motion.editing.transforms import canonicalise, close_cycle, mirror, on_skeleton, repeat_cycle, resample
from selfcorrect.motion.motion import Motion, MotionBatch

from .window_settings import WindowSettings


@dataclass(frozen=True, eq=False)
class Windows:
    """N canonical windows of T frames, with the origin of each."""

    batch: MotionBatch
    """Motions of the windows, which start above the origin and face +z."""
    labels: np.ndarray
    """(N,) int64 indices into `label_names`."""
    label_names: tuple[str, ...]
    """Names of the labels."""
    clips: np.ndarray
    """(N,) sources of the clips."""
    start_s: np.ndarray
    """(N,) times of the windows' first frames within their clips, in s."""
    stop_s: np.ndarray
    """(N,) times of the windows' last frames within their clips, in s."""
    mirrored: np.ndarray
    """(N,) bool, true if the window is a mirror image."""

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: np.ndarray) -> Self:
        """Select windows by indices (M,) int64 or by a mask (N,) bool."""
        old = self.batch
        batch = replace(old, root_m=old.root_m[rows], rotations=old.rotations[rows], lengths=old.lengths[rows])
        columns = {name: getattr(self, name)[rows] for name in _COLUMNS}
        return type(self)(batch, label_names=self.label_names, **columns)


_COLUMNS = tuple(field.name for field in fields(Windows) if field.name not in ("batch", "label_names"))


@dataclass(frozen=True, eq=False)
class Split:
    """Training and held-out windows, with the same label names and no frame in common."""

    training: Windows
    held_out: Windows


@dataclass(frozen=True, eq=False)
class _Part:
    """A part of a clip."""

    motion: Motion
    """The motion, at the windows' frame rate."""
    start_s: float = 0.0
    """Start of the part within its clip, in s."""
    repeated: bool = False
    """Whether the motion is a cycle that is repeated."""

    @classmethod
    def from_whole_motion(cls, motion: Motion, settings: WindowSettings) -> Self:
        short = 1 < len(motion) < 2 * settings.frames
        return cls(motion, repeated=short and motion.label in settings.cyclic)


def cut_windows(motions: Sequence[Motion], settings: WindowSettings | None = None) -> Windows:
    """Cut motions into windows.

    `source` of a motion names the clip, and `label` the class. Motions with the same joints but different bone lengths
    are put on the average skeleton with `on_skeleton`.
    """
    settings = settings or WindowSettings()
    parts = [_Part.from_whole_motion(motion, settings) for motion in _unify(motions, settings)]
    return _windows(parts, _label_names(motions), settings)


def split_windows(motions: Sequence[Motion], settings: WindowSettings | None = None) -> Split:
    """Split the windows of motions by time, as described at the top of this module.

    If no clip is long enough to be split, there are no held-out windows.
    """
    settings = settings or WindowSettings()
    names = _label_names(motions)
    parts = [_split_clip(motion, settings) for motion in _unify(motions, settings)]
    held_out = [last for _, last in parts if last is not None]
    training = _windows([first for first, _ in parts], names, settings)
    if not held_out:
        return Split(training, training.take(np.arange(0)))
    return Split(training, _windows(held_out, names, settings))


def split_sources(training: Sequence[Motion], held_out: Sequence[Motion], settings: WindowSettings) -> Split:
    """Cut training and held-out windows from different motions, such as motions of different subjects.

    All windows are on the skeleton of the training motions (their average, see `cut_windows`), and both sides have the
    same label names.

    Raises:
        InputError: The motions do not all have the same joints.
    """
    names = _label_names([*training, *held_out])
    _check_joints([*training, *held_out])
    training_motions = _unify(training, settings)
    skeleton = training_motions[0].skeleton
    held_out_motions = [on_skeleton(resample(motion, settings.fps), skeleton) for motion in held_out]
    training_parts = [_Part.from_whole_motion(motion, settings) for motion in training_motions]
    held_out_parts = [_Part.from_whole_motion(motion, settings) for motion in held_out_motions]
    return Split(_windows(training_parts, names, settings), _windows(held_out_parts, names, settings))


def _label_names(motions: Sequence[Motion]) -> tuple[str, ...]:
    return tuple(sorted({motion.label for motion in motions}))


def _unify(motions: Sequence[Motion], settings: WindowSettings) -> list[Motion]:
    """Bring motions to one frame rate and skeleton."""
    _check_joints(motions)
    first = motions[0].skeleton
    resampled = [resample(motion, settings.fps) for motion in motions]
    if all(motion.skeleton.same_as(first) for motion in motions):
        return [replace(motion, skeleton=first) for motion in resampled]
    average = replace(first, offsets_m=np.mean([motion.skeleton.offsets_m for motion in motions], axis=0))
    return [on_skeleton(motion, average) for motion in resampled]


def _check_joints(motions: Sequence[Motion]) -> None:
    if not motions:
        raise InputError("expected at least one motion to cut windows from, got none")
    first = motions[0].skeleton
    for motion in motions:
        if motion.skeleton.names != first.names or motion.skeleton.parents != first.parents:
            raise InputError(
                f"windows need motions with the same joints: {motion.source or motion.label} has "
                f"{len(motion.skeleton)}, {motions[0].source or motions[0].label} has {len(first)} or other names"
            )


def _split_clip(motion: Motion, settings: WindowSettings) -> tuple[_Part, _Part | None]:
    if len(motion) < 2 * settings.frames:
        return _Part.from_whole_motion(motion, settings), None
    held_out = max(settings.frames, round(settings.held_out_share * len(motion)))
    cut = max(settings.frames, len(motion) - held_out)
    return _Part(motion.frames(0, cut)), _Part(motion.frames(cut, len(motion)), cut / settings.fps)


def _windows(parts: Sequence[_Part], names: tuple[str, ...], settings: WindowSettings) -> Windows:
    """Cut the windows of all parts, each followed by its mirror image if the settings ask for it.

    The cap per label is applied before windows are cut, because all windows of an hour of motion take gigabytes.
    """
    starts = []  # first frames of all windows of each part
    for part in parts:
        last_frame = len(part.motion) - 1
        last = last_frame if part.repeated else max(last_frame + 1 - settings.frames, 0) + 1
        starts.append(np.arange(0, last, settings.stride))
    part_of_window = np.repeat(np.arange(len(parts)), [len(part_starts) for part_starts in starts])
    part_labels = np.asarray([names.index(part.motion.label) for part in parts])
    labels = part_labels[part_of_window]
    copies = 2 if settings.mirrored else 1
    rows = np.arange(copies * len(labels))
    if settings.cap_per_label is not None:
        rows = _limit_per_label(np.repeat(labels, copies), settings.cap_per_label)
    chosen, image = np.divmod(rows, copies)
    chosen_starts = np.concatenate(starts)[chosen]
    clip = part_of_window[chosen]
    columns = [_cut_windows(part, chosen_starts[clip == index], settings) for index, part in enumerate(parts)]
    merged = {name: np.concatenate([column[name] for column in columns]) for name in columns[0]}
    root_m = merged.pop("root_m")
    like = parts[0].motion
    lengths = np.full(len(root_m), root_m.shape[1])
    batch = MotionBatch(like.skeleton, root_m, merged.pop("rotations"), lengths, like.fps)
    sources = np.asarray([part.motion.source or part.motion.label for part in parts])
    windows = Windows(
        canonicalise(batch), labels=labels[chosen], label_names=names, clips=sources[clip], mirrored=image > 0, **merged
    )
    mirrored = np.flatnonzero(windows.mirrored)
    if len(mirrored):
        images = canonicalise(mirror(windows.take(mirrored).batch))
        windows.batch.root_m[mirrored] = images.root_m
        windows.batch.rotations[mirrored] = images.rotations
    return windows


def _cut_windows(part: _Part, starts: np.ndarray, settings: WindowSettings) -> dict[str, np.ndarray]:
    """Cut a part's windows that begin at the frames `starts` (n,).

    Returns root positions (n, T, 3), rotations (n, T, J, 4), and start and stop times (n,).
    """
    motion = part.motion
    last_frame = len(part.motion) - 1
    if part.repeated:  # with enough cycles for a window to begin at any frame of the first one
        motion = repeat_cycle(close_cycle(motion), 1 + -(-settings.frames // last_frame))
    stops = starts + settings.frames - 1
    wraps = part.repeated & (stops > last_frame)
    rows = np.minimum(starts[:, None] + np.arange(settings.frames), len(motion) - 1)
    return {
        "root_m": motion.root_m[rows],
        "rotations": motion.rotations[rows],
        "start_s": part.start_s + np.where(wraps, 0, starts) / settings.fps,
        "stop_s": part.start_s + np.minimum(stops, last_frame) / settings.fps,
    }


def _limit_per_label(labels: np.ndarray, cap: int) -> np.ndarray:
    """Return the sorted rows of at most `cap` windows per label, spread evenly."""
    chosen = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        if len(rows) > cap:
            spread = np.linspace(0, len(rows) - 1, cap).round().astype(int)
            rows = rows[spread]
        chosen.append(rows)
    return np.sort(np.concatenate(chosen))
