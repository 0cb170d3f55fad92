"""`selfcorrect data`: list, check, convert, measure and pack motion data."""

from __future__ import annotations

import json
import re
import sys
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, TypeAlias

import tyro

from selfcorrect.core.checks import check_count, count_noun
from selfcorrect.core.errors import InputError, MissingExtraError, SettingError
from selfcorrect.datasets.files import formats
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.experiments.jobs.runner_choice import RunnerChoice
from selfcorrect.experiments.jobs.targets import ANOTHER, check_not_opened, check_output, check_targets
from selfcorrect.runtime.bugs import describe_failure, is_machine_failure
from selfcorrect.runtime.registry import describe_unknown
from selfcorrect.storage.files.limits import path_below, record_inputs
from selfcorrect.storage.files.strict_json import to_json
from selfcorrect.storage.files.writing import write_atomically

from ..command_line.help_page import HelpPage
from ..command_line.inputs import (
    READING_OPTIONS,
    RUNNER_OPTIONS,
    must_be_local,
    must_be_one_file,
    must_be_usable,
    must_exist,
    names_file,
)

if TYPE_CHECKING:
    from selfcorrect.datasets.collections.dataset import Clip
    from selfcorrect.motion.motion import Motion


FilePairs: TypeAlias = list[tuple[Path, Path]]
"""Pairs of source and target."""
MAX_LISTED = 20
"""Maximum number of files listed under one heading."""


@dataclass(frozen=True)
class Source:
    """A dataset's folder, or motion files."""

    path: tyro.conf.Positional[Path]
    """The folder or file."""
    dataset: str | None = None
    """Name of the dataset, as in `selfcorrect data list` (default: inferred from its layout)."""
    split: str | None = None
    """Read only this part of the dataset, such as train."""
    reading: Annotated[Reading, tyro.conf.arg(name="", help="")] = field(default_factory=Reading)
    limit: int | None = None
    """Read at most this number of recordings, spread evenly over all."""

    def open(self, without: Sequence[str] = ()) -> tuple[str, list[Clip]]:
        """Return a description of the data and its recordings.

        Args:
            without: Reading options that have no effect in the command and are therefore refused.
        """
        if self.limit is not None:
            check_count("limit", self.limit, 1, 10**9)
        must_exist([self.path])
        must_be_usable(self.reading, without)
        from .sources import open_source

        return open_source(self.path, self.dataset, self.split, self.reading, limit=self.limit)


@dataclass(frozen=True)
class ListDatasets:
    """List the datasets that can be read: where to get them, terms, and folder layout."""

    HELP: ClassVar[HelpPage] = HelpPage(
        {"selfcorrect data list": "Describe every dataset.", "selfcorrect data list --json": "The same for a program."}
    )

    json: bool = False
    """Print the list as JSON."""

    def run(self) -> None:
        from selfcorrect.datasets.collections import catalog

        listed = []
        for dataset in catalog.datasets():
            facts = {"name": dataset.name, "title": dataset.title, "holds": dataset.holds}
            listed.append(facts | {"from": dataset.obtain, "licence": dataset.licence, "layout": dataset.layout})
        if self.json:
            print(json.dumps(listed, indent=1))
            return
        for facts in listed:
            print(f"{facts['name']}: {facts['title']}")
            for name in ("holds", "from", "licence", "layout"):
                text = facts[name]
                for number, line in enumerate(text.splitlines()):
                    title = name if number == 0 else ""
                    print(textwrap.fill(line, 110, initial_indent=f"  {title:<9}", subsequent_indent=" " * 11))
            print()


@dataclass(frozen=True)
class ListFormats:
    """List the formats of motion files, and what they hold."""

    HELP: ClassVar[HelpPage] = HelpPage(
        {"selfcorrect data formats": "List the formats, their suffixes and what they hold."}
    )

    def run(self) -> None:
        kinds = formats.all_formats()
        width = max(len(kind.name) for kind in kinds)
        for kind in kinds:
            ways = " and ".join(way for way, place in (("in", kind.reader), ("out", kind.writer)) if place)
            extra = f" (extra `{kind.extra}`)" if kind.extra else ""
            print(f"{kind.name:<{width}}  {ways:<10}  {', '.join(kind.suffixes)}: {kind.holds}{extra}")


@dataclass(frozen=True)
class CheckData:
    """Describe a dataset or file, and list what is broken or implausible in it.

    Exit code 2: some files could not be read.
    """

    HELP: ClassVar[HelpPage] = HelpPage(
        {
            "selfcorrect data check amass/": "Describe a dataset, and list files that are broken or implausible.",
            "selfcorrect data check clips/ --limit 20 --json": "Check 20 of many files, and print JSON.",
        },
        groups={"reading": READING_OPTIONS},
    )

    source: Annotated[Source, tyro.conf.arg(name="", help="")]
    json: bool = False
    """Print the findings as JSON."""

    def run(self) -> None:
        title, clips = self.source.open()

        from .sources import summarise

        summary = summarise(clips)
        if self.json:
            report = {"path": str(self.source.path), "is": title, **vars(summary)}
            print(json.dumps(to_json(report), indent=1, allow_nan=False))
        else:
            print(f"{self.source.path}: {title}", *(f"  {line}" for line in summary.lines()), sep="\n")
            implausible = []
            for name, findings in summary.findings.items():
                others = f"; and {len(findings) - 1} more" if len(findings) > 1 else ""
                implausible.append(f"{name}: {findings[0]}{others}")
            _print_list("implausible", implausible)
            _print_list("unreadable", summary.unreadable)
        _raise_if_unread(self.source.path, summary.unreadable)


def _raise_if_unread(source: object, complaints: Sequence[str]) -> None:
    """Raise InputError if some files could not be read, after all others have been processed."""
    if complaints:
        raise InputError(f"{source}: {count_noun(len(complaints), 'file')} could not be read")


def _print_list(what: str, lines: Sequence[str]) -> None:
    if lines:
        print(f"  {what} ({len(lines)}):", *(f"    {line}" for line in lines[:MAX_LISTED]), sep="\n")
    if len(lines) > MAX_LISTED:
        print(f"    … and {len(lines) - MAX_LISTED} more")


_TO_HELP = f"Format (default: by the suffix of an output file, otherwise bvh). {formats.describe_formats()}"


@dataclass(frozen=True)
class Convert:
    """Convert motion files to another format.

    Files that cannot be read are reported and skipped. Each motion of a set (parquet) becomes a file under its name;
    each take of any other file becomes FILE_TAKE.
    """

    HELP: ClassVar[HelpPage] = HelpPage(
        {
            "selfcorrect data convert walk.fbx --out walk.bvh": "Convert a file to BVH.",
            "selfcorrect data convert clips/ --to gltf --out glb/": "Convert a folder to glTF.",
        },
        groups={"reading": READING_OPTIONS},
    )

    sources: tyro.conf.Positional[tuple[Path, ...]]
    """Motion files, and folders of motion files."""
    out: Path
    """Folder of the new files, which keep their names; or the new file, such as walk.glb, for a single input file."""
    overwrite: bool = False
    """Replace files that exist. Inputs are never overwritten."""
    to: Annotated[str | None, tyro.conf.arg(help=_TO_HELP)] = None
    reading: Annotated[Reading, tyro.conf.arg(name="", help="")] = field(default_factory=Reading)

    def run(self) -> None:
        must_exist(self.sources)
        must_be_usable(self.reading, without=("profile", "ground"))
        kind, places = self._choose_targets()
        check_targets(places, lambda _: self.overwrite, ANOTHER)
        pairs = {file: [(file, target)] for file, target in places}
        failed = sum(not self._convert(file, target, kind, pairs) for file, target in places)
        if failed:
            raise InputError(f"{failed} of {len(places)} files could not be converted")

    def _choose_targets(self) -> tuple[formats.Format, FilePairs]:
        """Return the format to write, and each source file with its target."""
        if names_file(self.out):
            must_be_one_file(self.sources, self.out)
            return formats.format_of(self.out, self.to), [(self.sources[0], self.out)]
        from selfcorrect.datasets.files.open import explain_no_motions, motion_files

        kind = formats.find_format(self.to or "bvh")
        places = [(file, self._target(root, file, kind)) for root in self.sources for file in motion_files(root)]
        if not places:
            raise explain_no_motions(self.sources)
        return kind, places

    def _target(self, root: Path, file: Path, kind: formats.Format) -> Path:
        below = file.relative_to(root) if root.is_dir() else Path(file.name)
        return (self.out / below).with_suffix(kind.suffixes[0])

    def _convert(self, file: Path, target: Path, kind: formats.Format, pairs: dict[Path, FilePairs]) -> bool:
        """Convert a file, and return whether it succeeded.

        Args:
            file: File to convert.
            target: Path for the motion. If the file holds several, their names or numbers are added.
            kind: Format to write.
            pairs: Known sources and targets of each file; for a file of several motions, this method sets them.
        """
        from selfcorrect.datasets.files.open import open_motion, save_motion

        try:
            with record_inputs() as opened:
                motion_file = open_motion(file, self.reading, any_body=True)
            count = len(motion_file.motions)
            targets = [target]
            if file.suffix.lower() == ".parquet" and target != self.out:
                targets = [_target_of_name(self.out, name, kind) for name in motion_file.names]
                pairs[file] = [(Path(name), path) for name, path in zip(motion_file.names, targets, strict=True)]
            elif count > 1:
                targets = _number_targets(target, motion_file.names, count)
                pairs[file] = [(file, path) for path in targets]
            if targets != [target]:
                others = [pair for other, pairs_of_file in pairs.items() if other != file for pair in pairs_of_file]
                earlier = {path for _, path in others}
                check_targets([*others, *pairs[file]], lambda path: self.overwrite or path in earlier, ANOTHER, [file])
            for target_path in targets:
                check_not_opened(target_path, opened.paths)
            for target_path, motion in zip(targets, motion_file.motions, strict=True):
                save_motion(target_path, motion, kind.name, overwrite=self.overwrite)
        except Exception as error:  # a bad file must not stop the others
            if is_machine_failure(error):
                raise InputError(f"{target}: could not be written ({error}); earlier files are complete") from error
            print(f"selfcorrect: {describe_failure(file, error)}", file=sys.stderr)
            return False
        for target_path in targets:
            print(f"{file} → {target_path}")
        return True


def _number_targets(target: Path, names: Sequence[str], count: int) -> list[Path]:
    """Return a path for each motion of a file, by the name of the take or a number."""
    endings = [f"{index:03d}" for index in range(count)]
    if names:
        endings = [re.sub(r"[^\w.-]+", "-", name) for name in names]
    if len({ending.casefold() for ending in endings}) < count:
        endings = [f"{index:03d}-{ending}" for index, ending in enumerate(endings)]
    return [target.with_name(f"{target.stem}_{ending}{target.suffix}") for ending in endings]


def _target_of_name(out: Path, name: str, kind: formats.Format) -> Path:
    """Return the path for a motion of a set: its name with the suffix of the format."""
    path = path_below(out, name)
    if path == out or path.name in ("", ".", ".."):
        raise InputError(f"the motion's name {name!r} cannot be used as a file name")
    suffix = kind.suffixes[0]
    if path.suffix in formats.readable_suffixes():
        return path.with_suffix(suffix)
    return path.with_name(path.name + suffix)


@dataclass(frozen=True)
class Profile:
    """Learn from several clips how the feet of a rig stand, for `--profile` of other commands.

    Also prints the floor on which the clips of each rig stand, for `--floor`, if the clips agree within 15 mm.
    """

    HELP: ClassVar[HelpPage] = HelpPage(
        {
            "selfcorrect data profile clips/ -o rig.json": "Learn how the feet of a rig stand.",
            "selfcorrect correct walk.bvh --profile rig.json": "Use the profile.",
        },
        groups={"reading": READING_OPTIONS},
    )

    sources: tyro.conf.Positional[tuple[Path, ...]]
    """Motion files, and folders of them: two or more of each rig."""
    out: Annotated[Path, tyro.conf.arg(aliases=("-o",))]
    """The profile, a .json file."""
    overwrite: bool = False
    """Replace the file if it exists."""
    reading: Annotated[Reading, tyro.conf.arg(name="", help="")] = field(default_factory=Reading)

    def run(self) -> None:
        from selfcorrect.datasets.files.open import motion_files
        from selfcorrect.datasets.files.skeletons.rig_profile import CommonFloor, group_by_rig, profile_of

        must_exist(self.sources)
        must_be_usable(self.reading, without=("profile", "floor", "drop"))
        files = list({file.resolve(): file for root in self.sources for file in motion_files(root)}.values())
        check_output(self.out, self.overwrite, files)
        unread: list[str] = []
        by_rig = group_by_rig(self._motions(files, unread))
        profile = profile_of(by_rig)
        _print_list("unreadable", unread)
        if not profile.rigs:
            raise InputError(f"{', '.join(map(str, self.sources))}: expected at least two motions of the same rig")
        text = json.dumps(asdict(profile), indent=1) + "\n"
        write_atomically(self.out, text, overwrite=self.overwrite)
        print(f"{count_noun(len(files) - len(unread), 'file')}, {count_noun(len(profile.rigs), 'rig')} → {self.out}")
        for clips in by_rig.values():
            if (floor := CommonFloor.from_clips(clips, profile)) is not None:
                print(f"{clips[0].label} and clips of its rig: {floor}")

    def _motions(self, files: Sequence[Path], unread: list[str]) -> Iterator[Motion]:
        from selfcorrect.datasets.files.open import open_motion

        for file in files:
            try:
                for motion in open_motion(file, self.reading, any_body=True).motions:
                    yield replace(motion, label=file.stem)
            except Exception as error:  # a bad file must not stop the others
                unread.append(describe_failure(file, error))


@dataclass(frozen=True)
class MakeSamples:
    """Write a clip of the built-in motion capture in every format.

    Formats whose extra is not installed are skipped.
    """

    HELP: ClassVar[HelpPage] = HelpPage(
        {
            "selfcorrect data samples --out samples/": "Write a walk in every format.",
            "selfcorrect data samples --clip kick --out samples/": "Write another clip.",
        }
    )

    out: Path
    """Folder of the new files, named after their formats."""
    clip: str = "walk"
    """Name of the clip, such as run, kick or cartwheel; spoiled-walk is the faulty one of `selfcorrect demo`."""
    overwrite: bool = False
    """Replace files that exist."""

    def run(self) -> None:
        from selfcorrect.datasets.collections.deepmimic import load_deepmimic, on_smpl
        from selfcorrect.datasets.files.open import save_motion

        from ..correct.demonstration import spoiled_walk

        clips = {motion.label: motion for motion in [*load_deepmimic(), replace(spoiled_walk(), label="spoiled-walk")]}
        if self.clip not in clips:
            raise SettingError(describe_unknown("clip", self.clip, clips))
        motion = on_smpl(clips[self.clip])
        kinds = [kind for kind in formats.FORMATS if kind.reader and kind.writer]
        targets = [self.out / f"{kind.name}{kind.suffixes[0]}" for kind in kinds]
        sources = [Path(kind.name) for kind in kinds]
        check_targets(list(zip(sources, targets, strict=True)), lambda _: self.overwrite, ANOTHER)
        for kind, target in zip(kinds, targets, strict=True):
            try:
                with warnings.catch_warnings(action="ignore"):  # formats without bone lengths take an average body
                    save_motion(target, motion, kind.name, overwrite=self.overwrite)
            except MissingExtraError:
                continue
            print(f"selfcorrect correct {target} -o corrected")


@dataclass(frozen=True)
class Stats:
    """Print number, length, speed and physical errors of motions by label."""

    HELP: ClassVar[HelpPage] = HelpPage(
        {"selfcorrect data stats amass/": "Print a row of means for each label."}, groups={"reading": READING_OPTIONS}
    )

    source: Annotated[Source, tyro.conf.arg(name="", help="")]

    def run(self) -> None:
        title, clips = self.source.open(without=("profile",))
        import numpy as np

        from .sources import map_readable, measure_motion, read_clips

        rows: dict[str, list[dict[str, float]]] = {}
        complaints: list[str] = []
        motions = read_clips(clips, complaints.append)
        measured = map_readable(motions, lambda motion: (motion.label, measure_motion(motion)), complaints.append)
        for label, row in measured:
            rows.setdefault(label or "(none)", []).append(row)
        if not rows:
            raise InputError(f"{self.source.path}: no motion could be read; the first problem: {complaints[0]}")
        print(f"{self.source.path}: {title}")
        names = list(next(iter(rows.values()))[0])
        print(f"{'label':<24}{'motions':>9}", *(f"{name:>16}" for name in names), sep="")
        for label, label_rows in sorted(rows.items()):
            means = [np.mean([row[name] for row in label_rows]) for name in names]
            print(f"{label[:23]:<24}{len(label_rows):>9}", *(f"{mean:>16.3f}" for mean in means), sep="")
        _print_list("unreadable", complaints)
        _raise_if_unread(self.source.path, complaints)


@dataclass(frozen=True)
class MakeShards:
    """Pack motion files or datasets into shards: parquet files that hold many motions each.

    Motions of the same skeleton share shards. The same files give the same bytes. A file that cannot be read is
    reported and skipped, and the exit code is 2. docs/motion-files.md describes the schema.
    """

    HELP: ClassVar[HelpPage] = HelpPage(
        {
            "selfcorrect data shard clips/ -o set/": "Pack a folder of clips.",
            "selfcorrect data shard amass/ -o shards --split train": "Pack one split.",
        },
        groups={"reading": READING_OPTIONS, "runner": RUNNER_OPTIONS},
    )

    sources: tyro.conf.Positional[tuple[str, ...]]
    """Folders of datasets, folders of motion files, and files; also shards, to pack them again."""
    out: Annotated[str, tyro.conf.arg(aliases=("-o",))]
    """Folder of the shards."""
    overwrite: bool = False
    """Replace a set that exists. An unfinished set is finished without it."""
    dataset: str | None = None
    """Dataset of the sources, a name of `selfcorrect data list` (default: inferred from their layout)."""
    split: str | None = None
    """Read only this part of the dataset, such as train."""
    reading: Annotated[Reading, tyro.conf.arg(name="", help="")] = field(default_factory=Reading)
    motions_per_shard: int = 256
    """Maximum number of motions in a shard."""
    workers: int | None = None
    """Number of worker processes (default: one per core, as far as memory allows)."""
    runner: Annotated[RunnerChoice, tyro.conf.arg(name="", help="")] = field(default_factory=RunnerChoice)

    def run(self) -> None:
        from .sharding import ShardTask, make_shards

        must_be_local((*self.sources, self.out))
        must_exist([Path(source) for source in self.sources])
        must_be_usable(self.reading, without=("profile", "ground"))
        where = self.runner.to_where(self.workers)
        task = ShardTask(
            self.sources,
            self.out.rstrip("/") or "/",
            dataset=self.dataset,
            split=self.split,
            reading=self.reading,
            motions_per_shard=self.motions_per_shard,
            overwrite=self.overwrite,
        )
        made = make_shards(task, where)
        print(f"{count_noun(made.motions, 'motion')} in {count_noun(made.shards, 'shard')} → {self.out}")
        _print_list("unreadable", made.unread)
        _raise_if_unread(", ".join(self.sources), made.unread)


@tyro.conf.configure(tyro.conf.OmitArgPrefixes)
@dataclass(frozen=True)
class DataCommand:
    """List datasets and formats; check, convert and measure motion files; make shards."""

    HELP: ClassVar[HelpPage] = HelpPage(
        {
            "selfcorrect data convert walk.fbx --out bvh/": "Convert a file.",
            "selfcorrect data check amass/": "Describe a dataset and list its faults.",
        }
    )

    action: (
        Annotated[ListDatasets, tyro.conf.subcommand("list", prefix_name=False)]
        | Annotated[ListFormats, tyro.conf.subcommand("formats", prefix_name=False)]
        | Annotated[CheckData, tyro.conf.subcommand("check", prefix_name=False)]
        | Annotated[Convert, tyro.conf.subcommand("convert", prefix_name=False)]
        | Annotated[Profile, tyro.conf.subcommand("profile", prefix_name=False)]
        | Annotated[MakeSamples, tyro.conf.subcommand("samples", prefix_name=False)]
        | Annotated[Stats, tyro.conf.subcommand("stats", prefix_name=False)]
        | Annotated[MakeShards, tyro.conf.subcommand("shard", prefix_name=False)]
    )

    def run(self) -> None:
        self.action.run()
