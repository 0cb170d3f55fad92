"""List and summarise the recordings of a source: a dataset, a folder of motion files, or a file."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from tqdm import tqdm

from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.datasets.collections import catalog
from selfcorrect.datasets.collections.dataset import Clip, Dataset, read_all
from selfcorrect.datasets.files.open import motion_files, open_motion
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.motion.checks.check import check
from selfcorrect.motion.checks.measure import measure_errors
from selfcorrect.motion.geometry.vectors import norms
from selfcorrect.motion.measures.physical import SHOWN_ERRORS
from selfcorrect.motion.measures.slip import measure_slip
from selfcorrect.motion.motion import Motion, captions
from selfcorrect.runtime.bugs import describe_failure

_T = TypeVar("_T")


def open_source(
    path: Path,
    dataset: str | None = None,
    split: str | None = None,
    reading: Reading | None = None,
    *,
    limit: int | None = None,
) -> tuple[str, list[Clip]]:
    """Open a dataset, a folder of motion files or a motion file.

    Args:
        path: Folder or file.
        dataset: Name of the dataset; by default inferred from the layout.
        split: Split of the dataset; by default all.
        reading: Facts that motion files do not state.
        limit: Maximum number of recordings, spread evenly over all.

    Returns:
        A description of the source, and its recordings.

    Raises:
        InputError: The path is neither a known dataset nor motion files.
        SettingError: A split is named for motion files that are not a dataset, or the reading contradicts the dataset.
    """
    reading = reading or Reading()
    known_dataset = dataset_at(path, dataset, reading)
    if known_dataset:
        description = f"{known_dataset.title} ({known_dataset.holds})"
        clips = known_dataset.clips(path, split, allow_pickle=reading.allow_pickle)
    else:
        if split is not None:
            raise SettingError(f"{path}: has no split {split}, because it is not a dataset; leave out split")
        description = "motion files"
        clips = []
        for file in motion_files(path):
            name = file.name if file == path else file.relative_to(path).as_posix()
            clips.append(Clip(name, file, partial(_read_file, file, reading)))
        if not clips:
            raise InputError(f"{path}: neither a known dataset nor motion files; see `selfcorrect data list`")
    if limit is not None and limit < len(clips):
        clips = select_evenly(clips, limit)
    return description, clips


def dataset_at(path: Path, name: str | None, reading: Reading) -> Dataset | None:
    """Find the dataset with a name or at a path, or return None for plain motion files.

    A dataset defines how its files are read. If the reading states facts, the path is therefore read as plain motion
    files.

    Args:
        path: Folder or file.
        name: Name of the dataset, or None to infer it from the layout.
        reading: Facts that motion files do not state.

    Raises:
        SettingError: A dataset is named, but the reading states facts that the dataset defines.
    """
    if name and reading.tells_anything:
        raise SettingError(f"{path}: the dataset {name} gives unit, fps, up and body; leave these options out")
    if reading.tells_anything:
        return None
    return catalog.dataset(name) if name else catalog.recognise(path)


def select_evenly(clips: Sequence[Clip], count: int) -> list[Clip]:
    """Select at most `count` recordings, spread evenly over all."""
    places = np.linspace(0, len(clips) - 1, min(count, len(clips)))
    return [clips[index] for index in places.round().astype(int)]


def read_clips(clips: Sequence[Clip], complain: Callable[[str], None]) -> Iterator[Motion]:
    """Yield motions with a progress bar. `complain` is called with a message for each file that cannot be read."""
    return read_all(tqdm(clips, "reading", unit="clip", disable=None, leave=False), complain)


def map_readable(
    motions: Iterable[Motion], work: Callable[[Motion], _T], complain: Callable[[str], None]
) -> Iterator[_T]:
    """Apply `work` to motions, and skip those for which it fails.

    `complain` is called with a message for each of them.
    """
    for motion in motions:
        try:
            result = work(motion)
        except Exception as error:
            complain(describe_failure(motion.source, error))
        else:
            yield result


def _read_file(path: Path, reading: Reading) -> list[Motion]:
    return list(open_motion(path, reading, any_body=True).motions)


@dataclass
class DataSummary:
    """Counts and durations of motions."""

    motions: int = 0
    captions: int = 0
    frames: int = 0
    seconds: list[float] = field(default_factory=list)
    labels: Counter[str] = field(default_factory=Counter)
    """Number of motions by label."""
    joints: Counter[int] = field(default_factory=Counter)
    """Number of motions by number of joints."""
    rates: Counter[float] = field(default_factory=Counter)
    """Number of motions by frame rate."""
    findings: dict[str, list[str]] = field(default_factory=dict)
    """Findings in implausible motions, by source."""
    unreadable: list[str] = field(default_factory=list)
    """Messages on the files that could not be read."""

    def add(self, motion: Motion) -> None:
        findings = check(motion)
        self.motions += 1
        self.captions += len(captions(motion.text))
        self.frames += len(motion)
        self.seconds.append(len(motion) / motion.fps)
        self.labels[motion.label] += 1
        self.joints[len(motion.skeleton)] += 1
        self.rates[round(motion.fps, 3)] += 1
        if findings:
            self.findings[motion.source or f"motion {self.motions}"] = [str(finding) for finding in findings]

    def lines(self) -> list[str]:
        """Return the summary in three lines."""
        if not self.motions:
            return ["no motion could be read"]
        shortest, median, longest = np.percentile(self.seconds, [0, 50, 100])
        labels = [f"{label} ({count})" for label, count in self.labels.most_common() if label]
        rates = _format_counts(self.rates)
        joints = _format_counts(self.joints)
        return [
            f"{self.motions} motions, {self.frames} frames, {sum(self.seconds) / 60:.1f} minutes; "
            f"{shortest:.2f} to {longest:.2f} s, median {median:.2f} s",
            f"frames per second: {rates}; joints: {joints}; captions: {self.captions}",
            f"labels: {', '.join(labels) or 'none'}",
        ]


def _format_counts(counter: Counter) -> str:
    if len(counter) == 1:
        return f"{next(iter(counter)):g}"
    return ", ".join(f"{value:g} ({count})" for value, count in counter.most_common())


def summarise(clips: Sequence[Clip]) -> DataSummary:
    """Summarise all recordings, including files that cannot be read."""
    summary = DataSummary()
    complain = summary.unreadable.append
    for _ in map_readable(read_clips(clips, complain), summary.add, complain):
        pass
    return summary


def measure_motion(motion: Motion) -> dict[str, float]:
    """Measure a motion's length, root speed over the floor, and physical errors."""
    path_m = norms(np.diff(motion.root_m[:, [0, 2]], axis=0)).sum()
    errors = {**measure_errors(motion).errors, **measure_slip(motion).figures}
    return {
        "seconds": len(motion) / motion.fps,
        "speed m/s": float(path_m) / max(motion.seconds, 1 / motion.fps),
        **{error.heading: error.unit.convert(errors[error.key]) for error in SHOWN_ERRORS},
    }
