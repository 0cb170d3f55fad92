"""`selfcorrect data`: what motion data there are, whether they are sound, and how to turn them into other formats."""

from __future__ import annotations

import json
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from tqdm import tqdm

from selfcorrect.datasets.collections import catalog
from selfcorrect.datasets.collections.dataset import Clip, read_all
from selfcorrect.datasets.files import convert
from selfcorrect.errors import InputError
from selfcorrect.motion.measures.physical import physical_errors
from selfcorrect.motion.measures.suspicion import suspicions
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.pictures.drawing import Panel, film_strip, save_picture
from selfcorrect.storage.files import replacing
from selfcorrect.text import captions


@dataclass(frozen=True)
class Source:
    """A dataset's folder, a folder of motion files, or a file."""

    path: tyro.conf.Positional[Path]
    """The folder or file."""
    dataset: str | None = None
    """Which dataset it is, a name of `selfcorrect data list`; told from its layout where not given."""
    split: str | None = None
    """Only this part of the dataset, e.g. train."""
    allow_pickle: bool = False
    """Read pickle files (HumanAct12, UESTC), whose source you trust; only numbers are taken from them."""
    limit: int | None = None
    """Only so many recordings, spread over all."""

    def open(self) -> tuple[str, list[Clip]]:
        """What it is, in words, and its recordings."""
        if not self.path.exists():
            raise InputError(f"{self.path}: no such file or folder")
        known = catalog.dataset(self.dataset) if self.dataset else catalog.recognise(self.path)
        if known:
            clips = known.clips(self.path, self.split, allow_pickle=self.allow_pickle)
            return f"{known.title} ({known.holds})", self._limited(clips)
        clips = [Clip(path.stem, path, partial(_read_file, path)) for path in _motion_files(self.path)]
        if not clips:
            raise InputError(f"{self.path}: neither a known dataset nor motion files; see `selfcorrect data list`")
        return "motion files", self._limited(clips)

    def _limited(self, clips: list[Clip]) -> list[Clip]:
        if self.limit is None or self.limit >= len(clips):
            return clips
        return [clips[index] for index in np.linspace(0, len(clips) - 1, self.limit).round().astype(int)]


def read_clips(clips: Sequence[Clip], complain: Callable[[str], None]) -> Iterator[Motion]:
    """The motions that can be read, with a progress bar on a terminal; `complain` gets a sentence per other file."""
    return read_all(tqdm(clips, "reading", unit="clip", disable=None, leave=False), complain)


def _motion_files(path: Path) -> list[Path]:
    readable = {suffix for kind in convert.FORMATS if kind.read for suffix in kind.suffixes}
    files = [path] if path.is_file() else sorted(path.rglob("*"))
    return [file for file in files if file.suffix.lower() in readable]


def _read_file(path: Path) -> list[Motion]:
    return [convert.read(path)]


@dataclass
class Summary:
    """Counts and durations of motions.

    labels, joints, rates: how many motions have each; suspicious: what is odd, by source; unreadable: a sentence each.
    """

    motions: int = 0
    captions: int = 0
    frames: int = 0
    seconds: list[float] = field(default_factory=list)
    labels: Counter[str] = field(default_factory=Counter)
    joints: Counter[int] = field(default_factory=Counter)
    rates: Counter[float] = field(default_factory=Counter)
    suspicious: dict[str, list[str]] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)

    def add(self, motion: Motion) -> None:
        self.motions += 1
        self.captions += len(captions(motion.text))
        self.frames += len(motion)
        self.seconds.append(len(motion) / motion.fps)
        self.labels[motion.label] += 1
        self.joints[len(motion.skeleton)] += 1
        self.rates[round(motion.fps, 3)] += 1
        if phrases := suspicions(motion):
            self.suspicious[motion.source or f"motion {self.motions}"] = phrases

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


def summarise(source: Source) -> tuple[str, Summary]:
    """Read all of a source: what it is, and its summary. Files that cannot be read are part of it."""
    title, clips = source.open()
    summary = Summary()
    for motion in read_clips(clips, summary.unreadable.append):
        summary.add(motion)
    return title, summary


@dataclass(frozen=True)
class ListDatasets:
    """Which datasets are read, where they are to be had, on what terms, and how their folders look."""

    def run(self) -> None:
        for dataset in catalog.DATASETS:
            print(f"{dataset.name}: {dataset.title}")
            facts = {
                "holds": dataset.holds,
                "from": dataset.obtain,
                "licence": dataset.licence,
                "layout": dataset.layout,
            }
            for name, text in facts.items():
                for number, line in enumerate(text.splitlines()):
                    head = f"  {name if number == 0 else '':<9}"
                    print(textwrap.fill(line, 110, initial_indent=head, subsequent_indent=" " * 11))
            print()


@dataclass(frozen=True)
class Check:
    """What a folder or file is, how much is in it, and what in it is broken or odd.

    Ends with exit code 2 where files could not be read.
    """

    source: Source
    json: bool = False
    """Print the findings as JSON."""

    def run(self) -> None:
        title, summary = summarise(self.source)
        if self.json:
            print(json.dumps({"path": str(self.source.path), "is": title, **vars(summary)}, indent=1))
        else:
            print(f"{self.source.path}: {title}", *(f"  {line}" for line in summary.lines()), sep="\n")
            _print_list("odd", [f"{name}: {'; '.join(found)}" for name, found in summary.suspicious.items()])
            _print_list("unreadable", summary.unreadable)
        if summary.unreadable:
            raise InputError(f"{self.source.path}: {len(summary.unreadable)} files could not be read")


def _print_list(what: str, lines: Sequence[str], shown: int = 20) -> None:
    if lines:
        print(f"  {what} ({len(lines)}):", *(f"    {line}" for line in lines[:shown]), sep="\n")
    if len(lines) > shown:
        print(f"    … and {len(lines) - shown} more")


@dataclass(frozen=True)
class Convert:
    """Turn motion files into another format; files that cannot be read are told of, and the others go on."""

    sources: tyro.conf.Positional[tuple[Path, ...]]
    out: Path
    """Folder of the new files, which keep their names."""
    to: str = "bvh"
    """bvh, amass, humanml3d, joints, gltf or usd."""

    def run(self) -> None:
        kind = next((kind for kind in convert.FORMATS if kind.name == self.to), None)
        if kind is None:
            raise InputError(
                f"unknown format {self.to!r}, known are {', '.join(kind.name for kind in convert.FORMATS)}"
            )
        jobs = [(root, file) for root in self.sources for file in _motion_files(root)]
        if not jobs:
            raise InputError(f"{', '.join(map(str, self.sources))}: no motion files here")
        failed = sum(not self._convert(root, file, kind) for root, file in jobs)
        if failed:
            raise InputError(f"{failed} of {len(jobs)} files could not be converted")

    def _convert(self, root: Path, file: Path, kind: convert.Format) -> bool:
        below = file.relative_to(root) if root.is_dir() else Path(file.name)
        target = (self.out / below).with_suffix(kind.suffixes[0])
        try:
            convert.convert(file, target, kind.name)
        except (ValueError, OSError) as error:
            print(f"selfcorrect: {error}", file=sys.stderr)
            return False
        print(f"{file} → {target}")
        return True


@dataclass(frozen=True)
class Stats:
    """Per label: how many motions, how long, how fast, and how physically plausible."""

    source: Source

    def run(self) -> None:
        title, clips = self.source.open()
        rows: dict[str, list[dict[str, float]]] = {}
        complaints: list[str] = []
        for motion in read_clips(clips, complaints.append):
            rows.setdefault(motion.label or "(none)", []).append(measures(motion))
        if not rows:
            raise InputError(f"{self.source.path}: no motion could be read; the first problem: {complaints[0]}")
        print(f"{self.source.path}: {title}")
        names = list(next(iter(rows.values()))[0])
        print(f"{'label':<24}{'motions':>9}", *(f"{name:>16}" for name in names), sep="")
        for label, measured in sorted(rows.items()):
            means = (np.mean([row[name] for row in measured]) for name in names)
            print(f"{label[:23]:<24}{len(measured):>9}", *(f"{mean:>16.3f}" for mean in means), sep="")
        _print_list("unreadable", complaints)


def measures(motion: Motion) -> dict[str, float]:
    """Numbers of one motion: its length, the speed of its root over the floor, and its physical errors."""
    path_m = np.linalg.norm(np.diff(motion.root_m[:, [0, 2]], axis=0), axis=-1).sum()
    errors = physical_errors(MotionBatch.stack([motion])).mean()
    return {
        "seconds": len(motion) / motion.fps,
        "speed m/s": float(path_m) / max(motion.seconds, 1 / motion.fps),
        "penetration mm": 1000 * errors["penetration_m"],
        "floating mm": 1000 * errors["floating_m"],
        "skate m/s": errors["skate_m_s"],
        "jerk m/s³": errors["jerk_m_s3"],
    }


@dataclass(frozen=True)
class Preview:
    """A contact sheet: a row of moments per motion."""

    source: Source
    out: Path = Path("preview.png")
    rows: int = 12
    """Motions on the sheet, spread over all recordings."""
    pictures: int = 8
    """Moments of each."""

    def run(self) -> None:
        _, clips = self.source.open()
        chosen = [clips[index] for index in np.linspace(0, len(clips) - 1, min(self.rows, len(clips))).astype(int)]
        motions = list(read_clips(chosen, lambda line: print(f"selfcorrect: {line}", file=sys.stderr)))
        if not motions:
            raise InputError(f"{self.source.path}: no motion could be read")
        panels = [Panel(motion, _title(motion)) for motion in motions[: self.rows]]
        with replacing(self.out) as temporary:
            save_picture(temporary, film_strip(panels, pictures=self.pictures, size_px=160))
        print(self.out)


def _title(motion: Motion) -> str:
    words = (captions(motion.text) or [motion.label or Path(motion.source).stem])[0]
    return textwrap.shorten(words, 28, placeholder="…")


@tyro.conf.configure(tyro.conf.OmitArgPrefixes)
@dataclass(frozen=True)
class DataCommand:
    """Motion data: list the known datasets, check, convert, measure and preview files."""

    action: (
        Annotated[ListDatasets, tyro.conf.subcommand("list", prefix_name=False)]
        | Annotated[Check, tyro.conf.subcommand("check", prefix_name=False)]
        | Annotated[Convert, tyro.conf.subcommand("convert", prefix_name=False)]
        | Annotated[Stats, tyro.conf.subcommand("stats", prefix_name=False)]
        | Annotated[Preview, tyro.conf.subcommand("preview", prefix_name=False)]
    )

    def run(self) -> None:
        self.action.run()
