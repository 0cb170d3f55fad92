"""How many motions there are, how long they are, and what is odd in them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from selfcorrect.datasets.collections.dataset import Clip
from selfcorrect.motion.checks.check import check
from selfcorrect.motion.measures.physical import ERRORS, physical_errors
from selfcorrect.motion.motion import Motion, MotionBatch, captions

from .sources import of_each, read_clips


@dataclass
class DataSummary:
    """Counts and durations of motions."""

    motions: int = 0
    captions: int = 0
    frames: int = 0
    seconds: list[float] = field(default_factory=list)
    labels: Counter[str] = field(default_factory=Counter)
    """How many motions have each label."""
    joints: Counter[int] = field(default_factory=Counter)
    """How many motions have so many joints."""
    rates: Counter[float] = field(default_factory=Counter)
    """How many motions have each frame rate."""
    findings: dict[str, list[str]] = field(default_factory=dict)
    """What is physically implausible, by source."""
    unreadable: list[str] = field(default_factory=list)
    """A sentence for each file that cannot be read."""

    def add(self, motion: Motion) -> None:
        found = check(motion)
        self.motions += 1
        self.captions += len(captions(motion.text))
        self.frames += len(motion)
        self.seconds.append(len(motion) / motion.fps)
        self.labels[motion.label] += 1
        self.joints[len(motion.skeleton)] += 1
        self.rates[round(motion.fps, 3)] += 1
        if found:
            self.findings[motion.source or f"motion {self.motions}"] = [str(finding) for finding in found]

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
    for _ in of_each(read_clips(clips, complain), summary.add, complain):
        pass
    return summary


def measures(motion: Motion) -> dict[str, float]:
    """Numbers of one motion: its length, the speed of its root over the floor, and its physical errors."""
    path_m = np.linalg.norm(np.diff(motion.root_m[:, [0, 2]], axis=0), axis=-1).sum()
    errors = physical_errors(MotionBatch.stack([motion])).mean()
    return {
        "seconds": len(motion) / motion.fps,
        "speed m/s": float(path_m) / max(motion.seconds, 1 / motion.fps),
        **{error.heading: error.unit.of(errors[error.key]) for error in ERRORS},
    }
