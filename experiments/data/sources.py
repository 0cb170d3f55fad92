"""A dataset, a folder of motion files, or a file: what it is, which recordings it holds, and what is odd in them."""

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
from selfcorrect.motion.measures.physical import ERRORS, physical_errors
from selfcorrect.motion.motion import Motion, MotionBatch, captions
from selfcorrect.runtime.bugs import describe_failure

T = TypeVar("T")


def open_source(
    path: Path,
    dataset: str | None = None,
    split: str | None = None,
    reading: Reading | None = None,
    *,
    limit: int | None = None,
) -> tuple[str, list[Clip]]:
    """Return a path's description and recordings, at most `limit`, spread evenly; see `commands.data.Source`."""
    reading = reading or Reading()
    if known_dataset := dataset_at(path, dataset, reading):
        clips = known_dataset.clips(path, split, allow_pickle=reading.allow_pickle)
        return f"{known_dataset.title} ({known_dataset.holds})", _limit_clips(clips, limit)
    clips = [Clip(_name(file, path), file, partial(_read_file, file, reading)) for file in motion_files(path)]
    if not clips:
        raise InputError(f"{path}: neither a known dataset nor motion files; see `selfcorrect data list`")
    return "motion files", _limit_clips(clips, limit)


def dataset_at(path: Path, name: str | None, reading: Reading) -> Dataset | None:
    """The dataset of that name, or whose layout a path has; None for plain motion files.

    Datasets say all that reading needs: with a reading that says more, a path is one of plain motion files.
    """
    if name and reading.tells_anything:
        raise SettingError(f"{path}: the dataset {name} gives unit, fps, up and body; leave these options out")
    if reading.tells_anything:
        return None
    return catalog.dataset(name) if name else catalog.recognise(path)


def _name(file: Path, folder: Path) -> str:
    return file.name if file == folder else file.relative_to(folder).as_posix()


def _limit_clips(clips: list[Clip], limit: int | None) -> list[Clip]:
    return clips if limit is None or limit >= len(clips) else select_evenly(clips, limit)


def select_evenly(clips: Sequence[Clip], count: int) -> list[Clip]:
    """So many recordings, spread evenly over all."""
    return [clips[index] for index in np.linspace(0, len(clips) - 1, min(count, len(clips))).round().astype(int)]


def read_clips(clips: Sequence[Clip], complain: Callable[[str], None]) -> Iterator[Motion]:
    """The motions that can be read, with a progress bar on a terminal; `complain` gets a sentence per other file."""
    return read_all(tqdm(clips, "reading", unit="clip", disable=None, leave=False), complain)


def map_readable(
    motions: Iterable[Motion], work: Callable[[Motion], T], complain: Callable[[str], None]
) -> Iterator[T]:
    """Yield `work(motion)` for each motion; if that fails, pass a sentence to `complain` and go on."""
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
    """Implausible motions: source → findings."""
    unreadable: list[str] = field(default_factory=list)
    """A sentence for each file that cannot be read."""

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
        """The summary in words."""
        if not self.motions:
            return ["no motion could be read"]
        low, middle, high = np.percentile(self.seconds, [0, 50, 100])
        named = {label: count for label, count in self.labels.most_common() if label}
        return [
            f"{self.motions} motions, {self.frames} frames, {sum(self.seconds) / 60:.1f} minutes; "
            f"{low:.2f} to {high:.2f} s, half of them up to {middle:.2f} s",
            f"frames per second: {_counts(self.rates)}; joints: {_counts(self.joints)}; captions: {self.captions}",
            f"labels: {', '.join(f'{label} ({count})' for label, count in named.items()) or 'none'}",
        ]


def _counts(counter: Counter) -> str:
    if len(counter) == 1:
        return f"{next(iter(counter)):g}"
    return ", ".join(f"{value:g} ({count})" for value, count in counter.most_common())


def summarise(clips: Sequence[Clip]) -> DataSummary:
    """Read all recordings and summarise them. Files that cannot be read are part of it."""
    summary = DataSummary()
    complain = summary.unreadable.append
    for _ in map_readable(read_clips(clips, complain), summary.add, complain):
        pass
    return summary


def measure_motion(motion: Motion) -> dict[str, float]:
    """Numbers of one motion: its length, the speed of its root over the floor, and its physical errors."""
    path_m = np.linalg.norm(np.diff(motion.root_m[:, [0, 2]], axis=0), axis=-1).sum()
    errors = physical_errors(MotionBatch.stack([motion])).mean()
    return {
        "seconds": len(motion) / motion.fps,
        "speed m/s": float(path_m) / max(motion.seconds, 1 / motion.fps),
        **{error.heading: error.unit.convert(errors[error.key]) for error in ERRORS},
    }
